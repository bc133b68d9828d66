"""leat produce and leat consume: formats, bytes that are not text, where to begin and end, groups, Ctrl-C."""
import base64
import contextlib
import fcntl
import json
import os
import signal
import struct
import subprocess
import termios

import cli
from client import wait_for

BYTES = bytes(range(256)).replace(b"\n", b"")


@contextlib.contextmanager
def fixture():
    with cli.running() as t:
        t.cluster = t.s.make_cluster(t.s.make_environment("records"))["id"]
        t.run("use", t.cluster)
        yield t


def topic(t, name, partitions=1):
    t.s.make_topic(t.cluster, name, partitions)
    return name


def produce(t, name, data, *options, code=0):
    done, out, err = t.raw("produce", name, *options, data=data if isinstance(data, bytes) else data.encode())
    assert done == code, (done, out, err)
    return err.decode()


def values(t, name, *options):
    return t.run("consume", name, "--from", "oldest", "--format", "string", *options).splitlines()


def test_any_bytes_come_back_as_they_were(t):
    name = topic(t, "bytes")
    assert "2 of 2 records written" in produce(t, name, BYTES + b"\n" + b"\n")
    done, out, _ = t.raw("consume", name, "--from", "oldest", "--format", "string")
    assert (done, out) == (0, BYTES + b"\n\n")
    assert t.run("consume", name, "--from", "oldest", "--format", "hex").split("\n")[0] == BYTES.hex()
    coded = t.run("consume", name, "--from", "oldest", "--format", "base64").split("\n")[0]
    assert base64.b64decode(coded) == BYTES


def test_values_are_written_as_hex_base64_or_json(t):
    name = topic(t, "formats")
    produce(t, name, "00ff 7f\n", "--format", "hex")
    produce(t, name, base64.b64encode(b"\x01\x02").decode() + "\n", "--format", "base64")
    produce(t, name, '{"a": 1.50,  "b": "ü"}\n"text"\n12345678901234567890\n', "--format", "json")
    raw = t.raw("consume", name, "--from", "oldest", "--format", "string")[1]
    assert raw.startswith(b"\x00\xff\x7f\n\x01\x02\n") and '{"a": 1.50,  "b": "ü"}\n'.encode() in raw  # as it was written
    assert t.run("consume", name, "--from", "2", "--format", "json").split("\n")[2] == "12345678901234567890"
    for wrong, form in (("0g", "hex"), ("abc", "hex"), ("*", "base64"), ("{", "json"), ("{} {}", "json")):
        said = produce(t, name, f"{'00' if form == 'hex' else 'AAAA' if form == 'base64' else '1'}\n{wrong}\n", "--format", form,
                       code=2)
        assert f"line 2 is not {form}" in said and "1 record was written, up to line 1" in said, said
    assert "line 1 is not hex\nleat: nothing was written" in produce(t, name, "x\n", "--format", "hex", code=2)
    produce(t, name, "a\n", "--format", "xml", code=2)


def test_json_that_is_read_must_be_json(t):
    name = topic(t, "json")
    produce(t, name, '{"a": 1}\nno json\n')
    done, out, err = t.raw("consume", name, "--from", "oldest", "--format", "json")
    assert done == 1 and out.split(b"\n")[0] == b'{"a": 1}' and b"not JSON" in err
    assert [json.loads(r["value"]["data"])["a"] for r in t.lines("consume", name, "--from", "oldest", "--limit", "1")] == [1]


def test_keys_headers_partitions_times_and_tombstones(t):
    name = topic(t, "whole", 3)
    produce(t, name, "k1\tv1\nk2\tNULL\n", "--key-separator", "\\t", "--null-marker", "NULL", "--header", "a=b", "--header",
            "c=d=e", "--partition", "2", "--timestamp", "2026-01-31T12:00:00.5Z")
    first, second = t.lines("consume", name, "--from", "oldest")
    assert (first["partition"], first["key"]["data"], first["value"]["data"]) == (2, "k1", "v1")
    assert first["timestamp"] == 1769860800500
    assert [(h["name"], h["value"]) for h in first["headers"]] == [("a", "b"), ("c", "d=e")]
    assert second["value"]["encoding"] == "null" and second["value"]["data"] is None
    shown = t.run("consume", name, "--from", "oldest", "--key-separator", "|", "--null-marker", "(gone)", "--headers")
    assert shown == "a=b,c=d=e\tk1|v1\na=b,c=d=e\tk2|(gone)\n"
    produce(t, name, "x\n", "--record-key", "same")
    assert "has no key" in produce(t, name, "no separator\n", "--key-separator", "\\t", code=2)
    assert "partition" in produce(t, name, "x\n", "--partition", "9", code=1)
    produce(t, name, "ff|v\n", "--key-separator", "|", "--key-format", "hex")
    assert t.raw("consume", name, "--from", "oldest", "--key-separator", "|", "--key-format", "hex", "--filter",
                 'value = "v"')[1] == b"ff|v\n"


def test_reading_begins_and_ends_where_it_is_told(t):
    name = topic(t, "where")
    produce(t, name, "".join(f"{i}\n" for i in range(10)), "--timestamp", "2026-01-01")
    produce(t, name, "".join(f"{i}\n" for i in range(10, 20)), "--timestamp", "2026-02-01T00:00Z")
    assert values(t, name) == [str(i) for i in range(20)]
    assert t.run("consume", name, "--from", "15", "--format", "string").split() == [str(i) for i in range(15, 20)]
    assert t.run("consume", name, "--from", "5", "--to", "8", "--format", "string").split() == ["5", "6", "7"]
    assert t.run("consume", name, "--from", "2026-01-15", "--limit", "3", "--format", "string").split() == ["10", "11", "12"]
    assert values(t, name, "--to", "2026-01-15") == [str(i) for i in range(10)]
    assert t.run("consume", name, "--limit", "2", "--format", "string").split() == ["18", "19"]
    assert t.run("consume", name, "--from", "newest", "--limit", "0") == ""
    for wrong in (("--limit", "-1"), ("--partition", "-1"), ("--limit", "many")):
        assert "whole number" in t.run("consume", name, *wrong, code=2)
    assert values(t, name, "--filter", "value >= 18") == ["18", "19"]
    t.run("consume", name, "--from", "someday", code=2)
    assert "1:" not in t.run("consume", name) and "0:19  19" in t.run("consume", name)


def test_all_of_a_topic_is_read_whatever_its_size(t):
    name = topic(t, "large", 4)
    lines = [f"{i}-{'x' * 50}" for i in range(6000)]
    assert "6000 of 6000" in produce(t, name, "\n".join(lines))  # the last line without an end
    assert sorted(values(t, name)) == sorted(lines)
    answers = [json.loads(line) for line in t.raw("--json", "produce", name, data=b"a\nb\n")[1].splitlines()]
    assert [a["error_code"] for a in answers] == [200, 200] and all("offset" in a for a in answers)


def test_memory_stays_bounded_however_long_the_input_is(t):
    name = topic(t, "long")
    quiet = {**t.environment, "ASAN_OPTIONS": "detect_leaks=0:quarantine_size_mb=1"}
    child = subprocess.Popen([cli.LEAT, "produce", name], env=quiet, stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    line = b"y" * 99999 + b"\n"
    for _ in range(400):
        child.stdin.write(line)
    child.stdin.close()
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    assert child.returncode == 0, child.stderr.read()
    child.stderr.close()
    assert used.ru_maxrss < 250_000, used.ru_maxrss  # KiB, of 40 MB of input and with the sanitizer's own


def test_following_shows_what_comes_and_ends_at_ctrl_c(t):
    name = topic(t, "followed", 2)
    produce(t, name, "before\n")
    follower = t.start("consume", name, "--from", "oldest", "--follow", "--format", "string")
    assert follower.stdout.readline() == b"before\n"
    produce(t, name, "after\n", "--partition", "0")
    produce(t, name, "again\n", "--partition", "1")
    assert {follower.stdout.readline(), follower.stdout.readline()} == {b"after\n", b"again\n"}
    follower.send_signal(signal.SIGINT)
    assert follower.wait(20) == 0 and follower.stdout.read() == b""
    limited = t.start("consume", name, "--from", "newest", "--follow", "--limit", "2", "--format", "string")
    wait_for(lambda: produce(t, name, "more\n") and limited.poll() is not None, "the limit ended it", 30)
    assert limited.stdout.read() == b"more\nmore\n" and limited.returncode == 0


def test_a_slow_writer_is_not_kept_waiting_for_a_full_batch(t):
    name = topic(t, "slow")
    writer = t.start("produce", name)
    for i in range(3):
        writer.stdin.write(b"line %d\n" % i)
        writer.stdin.flush()
        wait_for(lambda: len(values(t, name)) == i + 1, "the line is there")
    writer.stdin.write(b"without an end")
    writer.stdin.close()
    assert writer.wait(20) == 0 and values(t, name)[-1] == "without an end"


def test_ctrl_c_while_writing_sends_what_was_read(t):
    name = topic(t, "stopped")
    writer = t.start("produce", name)
    writer.stdin.write(b"one\ntwo\n")
    writer.stdin.flush()
    def taken():
        return struct.unpack("i", fcntl.ioctl(writer.stdin, termios.FIONREAD, b"1234"))[0] == 0
    wait_for(taken, "it read what there is")
    writer.send_signal(signal.SIGINT)
    assert writer.wait(20) == 0
    written = values(t, name)
    assert written in (["one"], ["one", "two"]) and f"{len(written)} of {len(written)}" in writer.stderr.read().decode()


def test_a_group_goes_on_where_it_was(t):
    name = topic(t, "grouped", 2)
    produce(t, name, "1\n2\n3\n", "--partition", "0")
    group = ("--group", "by-hand", "--format", "string")
    assert t.run("consume", name, *group, "--limit", "2").split() == ["1", "2"]
    assert t.run("consume", name, *group).split() == ["3"]
    assert t.run("consume", name, *group) == ""
    produce(t, name, "4\n", "--partition", "1")
    assert t.run("consume", name, *group).split() == ["4"]
    assert t.json("groups", "lag", "by-hand")["total_lag"] == 0


def test_a_partition_is_read_in_its_order_whatever_times_its_records_have(t):
    name = topic(t, "unordered", 2)
    for i, time in enumerate(("2026-01-03", "2026-01-05", "2026-01-01", "2026-01-04", "2026-01-02")):
        produce(t, name, f"{i}\n", "--timestamp", time, "--partition", "1")
    produce(t, name, "other\n", "--timestamp", "2026-01-04", "--partition", "0")
    group = ("--group", "in-order", "--format", "string", "--partition", "1")
    assert [t.run("consume", name, *group, "--limit", "2").split() for _ in range(3)] == [["0", "1"], ["2", "3"], ["4"]]
    assert values(t, name, "--partition", "1", "--to", "4") == ["0", "1", "2", "3"]
    assert values(t, name, "--partition", "1", "--limit", "1") == ["0"]
    assert t.run("consume", name, "--limit", "3", "--format", "string").split() == ["3", "4", "other"]
    assert t.run("consume", name, "--format", "string").split() == ["0", "1", "2", "3", "4", "other"]


def test_what_is_refused_is_told_by_line(t):
    name = topic(t, "small")
    t.run("topics", "config", name, "max.message.bytes=1000")
    said = produce(t, name, "fits\n" + "z" * 5000 + "\nfits too\n", code=1)
    assert "line 2 was refused" in said and "2 of 3" in said
    t.run("produce", "no-such-topic", data="x\n", code=3)
    t.run("consume", "no-such-topic", code=3)
    path = os.path.join(t.home, "lines")
    with open(path, "w", encoding="utf-8") as f:
        f.write("from a file\n")
    assert "1 of 1" in produce(t, name, b"", "--file", path)
    produce(t, name, b"", "--file", path + "none", code=2)
