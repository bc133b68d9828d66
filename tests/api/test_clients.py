"""Clients that are slow, idle or many hold no place for long, and honest ones are served meanwhile. The bad ones
come from another address of this machine (127.0.0.2)."""
import contextlib
import os
import resource
import select
import socket

import client
from client import wait_for


@contextlib.contextmanager
def fixture():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
    with client.running() as server:
        yield server
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def connect(server, address="127.0.0.2"):
    s = socket.create_connection(("127.0.0.1", server.http_port), timeout=10, source_address=(address, 0))
    s.setblocking(False)
    return s


def is_closed(s):
    """By the other side; what it says before is thrown away."""
    with contextlib.suppress(BlockingIOError):
        try:
            while s.recv(65536):
                pass
        except OSError as e:
            if isinstance(e, BlockingIOError):
                return False
        return True
    return False


def trickle(s):
    """One more byte, if it is still wanted."""
    with contextlib.suppress(OSError):
        s.send(b"a")


HEAD = b"GET /healthz HTTP/1.1\r\nHost: a\r\nX: "
BODY = b"POST /leat/v1/session HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 9999\r\n\r\n{"


def test_slow_and_idle_clients_are_cut_off_while_honest_ones_are_served(s):
    bad = [connect(s) for _ in range(900)]
    for i, c in enumerate(bad):
        if i % 3:
            c.sendall(HEAD if i % 3 == 1 else BODY)

    def all_closed():
        assert s.call("GET", "/leat/v1/info").status == 200
        bad[:] = [c for c in bad if not (is_closed(c) and (c.close() or True))]
        for c in bad:
            trickle(c)
        select.select([], [], [], 0.5)  # a slow sender's pace
        return not bad

    wait_for(all_closed, "900 idle clients and senders of a byte at a time are cut off", 60)
    metrics = s.call("GET", "/metrics").body.decode()
    cut = int(next(x.split()[1] for x in metrics.splitlines() if x.startswith("leat_http_cut_total ")))
    assert cut >= 900, cut


def test_one_address_has_not_all_places(s):
    many = [connect(s, "127.0.0.3") for _ in range(1100)]
    wait_for(lambda: sum(is_closed(c) for c in many) >= 100, "what is beyond 1000 is closed")
    assert s.call("GET", "/leat/v1/info").status == 200
    for c in many:
        c.close()


def test_a_full_door_makes_room_for_who_asks(s):
    many = [connect(s, f"127.0.1.{1 + i // 900}") for i in range(4300)]
    wait_for(lambda: s.call("GET", "/leat/v1/info").status == 200, "an honest client is served")
    for c in many:
        c.close()


def cpu_seconds(server):
    with open(f"/proc/{server.process.pid}/stat", encoding="ascii") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_a_leatd_out_of_descriptors_neither_spins_nor_forgets_to_accept(_):
    server = client.Checked(ports=4)
    server.prefix = ["prlimit", "--nofile=64:64"]
    try:
        server.start()
        many = [connect(server) for _ in range(200)]
        before = cpu_seconds(server)
        select.select([], [], [], 2)  # what is measured is the time it takes while nothing can be accepted
        assert cpu_seconds(server) - before < 1, "more than half a core of two seconds"
        for c in many:
            c.close()
        wait_for(lambda: server.call("GET", "/healthz", key=False).status == 200, "an honest client is served")
        cluster = server.make_cluster(server.make_environment("few"))
        server.make_topic(cluster["id"], "t", 1)
    finally:
        server.stop()
