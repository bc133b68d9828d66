"""The format of a data folder: an older one stays until its upgrade is confirmed, a newer one is refused."""
import hashlib
import os
import signal
import sqlite3
import struct

from backups import consume, produce, ready_cluster
from leatd import Leatd, wait_for


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def data_of(leat, cluster):
    return os.path.join(leat.data, "clusters", cluster["id"], "data")


def magic_of(leat, cluster):
    with open(os.path.join(data_of(leat, cluster), "checkpoint"), "rb") as f:
        return f.read(4)


def make_old(leat, cluster):
    """The cluster as a version of Leat before the newest format left it. leatd and its broker do not run."""
    path = os.path.join(data_of(leat, cluster), "checkpoint")
    with open(path, "rb") as f:
        new = f.read()
    rest = struct.pack("<I", len(new) - 8) + new[12:40] + new[48:]
    with open(path, "r+b") as f:
        f.truncate(len(new) - 8)
        f.write(b"LCP1" + struct.pack("<I", crc32c(rest)) + rest)
    with sqlite3.connect(os.path.join(leat.data, "leat.db")) as db:
        db.execute("UPDATE cluster SET format = 1 WHERE id = ?", (cluster["id"],))
    db.close()


def rest_all(leat, cluster):
    """Ends the broker, then leatd."""
    assert leat.call("POST", f"/leat/v1/clusters/{cluster['id']}:pause").status == 202
    wait_for(lambda: not os.path.exists(f"/proc/{cluster['state']['pid']}"), "the broker ended")
    leat.kill(signal.SIGTERM)


def test_a_cluster_from_before_the_newest_format_keeps_its_own_until_the_upgrade_is_confirmed():
    with Leatd() as leat:
        cluster, key = ready_cluster(leat)
        assert cluster["format"] == {"confirmed": 2, "written": 2, "newest": 2, "upgrade_to_confirm": False}, cluster
        produce(cluster, key, "t", "a\n")
        rest_all(leat, cluster)
        make_old(leat, cluster)
        leat.start()
        path = f"/leat/v1/clusters/{cluster['id']}"
        assert leat.call("POST", f"{path}:resume").status == 202
        for life in range(2):
            after = leat.running(cluster["id"])
            wait_for(lambda: leat.call("GET", path).json["format"]["written"], "its broker is known")
            told = leat.call("GET", path).json["format"]
            assert told == {"confirmed": 1, "written": 1, "newest": 2, "upgrade_to_confirm": True}, told
            produce(after, key, "t", f"b{life}\n")
            assert magic_of(leat, cluster) == b"LCP1"
            assert leat.call("POST", f"{path}:restart").status == 202
            wait_for(lambda p=after["state"]["pid"]: not os.path.exists(f"/proc/{p}"), "it is started anew")
        leat.running(cluster["id"])
        assert magic_of(leat, cluster) == b"LCP1"
        a = leat.call("POST", f"{path}:confirm-upgrade")
        assert a.status == 200 and not a.json["format"]["upgrade_to_confirm"], a
        wait_for(lambda: magic_of(leat, cluster) == b"LCP2", "the folder is of the newest format")
        assert leat.call("POST", f"{path}:confirm-upgrade").status == 200
        assert consume(leat.running(cluster["id"]), key, "t") == ["a", "b0", "b1"]
        rows = leat.call("GET", "/leat/v1/audit?page_size=20").json["data"]
        assert [r["operation"] for r in rows].count("cluster.confirm_upgrade") == 1, rows


def test_an_upgrade_that_was_confirmed_reaches_its_broker_whatever_was_killed():
    with Leatd() as leat:
        cluster, key = ready_cluster(leat)
        produce(cluster, key, "t", "a\n")
        rest_all(leat, cluster)
        make_old(leat, cluster)
        leat.start()
        path = f"/leat/v1/clusters/{cluster['id']}"
        assert leat.call("POST", f"{path}:confirm-upgrade").json["format"]["confirmed"] == 2
        leat.kill(signal.SIGKILL)
        leat.start()
        assert magic_of(leat, cluster) == b"LCP1", "nobody has opened it"
        assert leat.call("POST", f"{path}:resume").status == 202
        leat.running(cluster["id"])
        wait_for(lambda: magic_of(leat, cluster) == b"LCP2", "told when it came back")


def hashes(folder):
    found = {}
    for path, _, names in os.walk(folder):
        for name in names:
            with open(os.path.join(path, name), "rb") as f:
                found[os.path.join(path, name)] = hashlib.sha256(f.read()).hexdigest()
    return found


def test_a_folder_of_a_newer_version_is_refused_with_a_sentence_and_stays_as_it_is():
    with Leatd() as leat:
        for name, at, what in (("image", 8, b"\x09"), ("checkpoint", 3, b"9")):
            cluster, key = ready_cluster(leat) if name == "image" else (leat.make_cluster(leat.make_environment("b"), "b"), None)
            if key:
                produce(cluster, key, "t", "a\n")
            path = f"/leat/v1/clusters/{cluster['id']}"
            assert leat.call("POST", f"{path}:pause").status == 202
            wait_for(lambda c=cluster: not os.path.exists(f"/proc/{c['state']['pid']}"), "the broker ended")
            with open(os.path.join(data_of(leat, cluster), name), "r+b") as f:
                f.seek(at)
                f.write(what)
            before = hashes(data_of(leat, cluster))
            assert leat.call("POST", f"{path}:resume").status == 202

            def looping(p=path):
                state = leat.call("GET", p).json["state"]
                return state if state["name"] == "crash_loop" else None
            state = wait_for(looping, "the crash loop is seen", 60)
            assert name in state["reason"] and "newer version" in state["reason"], state
            assert hashes(data_of(leat, cluster)) == before
