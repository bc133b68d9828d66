#!/usr/bin/env python3
"""Many tenants for a while: clusters are made, written to and read by a real client, paused, started anew, copied
and deleted at random, while brokers and leatd are killed. Afterwards every acknowledged record has to be there, and
the world has to be as the database says: no process, port, folder, user or control group too many.

    tests/supervision/soak.py [--tenants 200] [--seconds 600] [--seed 1]

LEAT_BIN, LEAT_WEB, LEAT_ROOT as for the suite, which runs a short form."""
import argparse
import collections
import http.client
import os
import random
import signal
import sys
import threading
import time
import urllib.error

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import kills  # noqa: E402
from leatd import BIN, Leatd, kcat, wait_for  # noqa: E402

WORKERS = 8
TIMES = ["create", "write", "write", "write", "write", "read", "read", "pause", "resume", "restart", "delete", "kill",
         "backup"]


class Tenant:
    def __init__(self, cluster, key):
        self.id, self.key, self.servers = cluster["id"], key, cluster["bootstrap_servers"]
        self.environment = cluster["environment"]["id"]
        self.acknowledged, self.tried, self.lock = [], 0, threading.Lock()


class Soak:
    def __init__(self, leat, tenants, seconds, seed):
        self.leat, self.limit, self.seconds, self.seed = leat, tenants, seconds, seed
        self.tenants, self.counts, self.problems = [], collections.Counter(), []
        self.lock, self.over = threading.Lock(), threading.Event()
        self.most, self.slowest = collections.Counter(), collections.Counter()

    def call(self, method, path, body=None):
        """None: leatd was killed meanwhile, so nobody knows what became of it."""
        try:
            a = self.leat.call(method, path, body)
        except (urllib.error.URLError, http.client.HTTPException, OSError):
            time.sleep(0.05)  # it is started anew by somebody else
            return None
        if a.status >= 500 and a.status != 503:
            self.problems.append(f"{method} {path}: {a}")
        return a

    # --- what may happen to a tenant -----------------------------------------------------------------------

    def create(self, _, source):
        with self.lock:
            if len(self.tenants) + self.counts["being made"] >= self.limit:
                return
            self.counts["being made"] += 1
        try:
            made = self.make(source)
            if made:
                with self.lock:
                    self.tenants.append(made)
        finally:
            self.counts["being made"] -= 1

    def make(self, source):
        """A cluster of which leatd told all: one it was killed in the midst of is nobody's, and stays as it is."""
        name = f"t{source.randrange(10**12)}"
        a = self.call("POST", "/cmk/v2/clusters", {"spec": {
            "display_name": name, "availability": "SINGLE_ZONE", "cloud": "leat", "region": "local",
            "config": {"kind": source.choice(["Basic", "Standard"])}, "environment": {"id": self.environment}}})
        if not a or a.status != 202:
            return None
        cluster = a.json["id"]
        if not self.running(cluster):
            return None
        topic = self.call("POST", f"/kafka/v3/clusters/{cluster}/topics", {"topic_name": "t", "partitions_count": 2})
        try:
            key = self.leat.make_key(cluster, name)[:2]
        except (AssertionError, urllib.error.URLError, http.client.HTTPException, OSError):
            return None
        told = self.call("GET", f"/leat/v1/clusters/{cluster}")
        return Tenant(told.json, key) if told and topic and topic.status == 201 else None

    def running(self, cluster, seconds=20.0):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            a = self.call("GET", f"/leat/v1/clusters/{cluster}")
            if a and a.status == 200 and a.json["state"]["name"] == "running":
                return True
            time.sleep(0.05)
        return False

    def write(self, tenant, source):
        first, tenant.tried = tenant.tried, tenant.tried + source.randrange(1, 50)
        records = [f"r{n}" for n in range(first, tenant.tried)]
        code, _, _ = kcat(tenant.servers, tenant.key, "-P", "-t", "t", "-X", "acks=all", "-X", "message.timeout.ms=3000",
                          data="".join(r + "\n" for r in records))
        if code == 0:
            tenant.acknowledged += records
            self.counts["acknowledged"] += len(records)

    def read(self, tenant, _):
        code, out, _ = kcat(tenant.servers, tenant.key, "-C", "-t", "t", "-o", "beginning", "-e", "-q",
                            "-X", "socket.timeout.ms=3000")
        missing = set(tenant.acknowledged) - set(out.split())
        if code == 0 and missing:
            self.problems.append(f"{tenant.id} lost {sorted(missing)[:5]} of {len(tenant.acknowledged)}")
        self.counts["verified"] += 0 if code else len(tenant.acknowledged)
        return code == 0

    def pause(self, tenant, _):
        self.call("POST", f"/leat/v1/clusters/{tenant.id}:pause")

    def resume(self, tenant, _):
        self.call("POST", f"/leat/v1/clusters/{tenant.id}:resume")

    def restart(self, tenant, _):
        self.call("POST", f"/leat/v1/clusters/{tenant.id}:restart")

    def kill(self, tenant, _):
        pid = next((p for p, c in kills.brokers(self.leat).items() if c == tenant.id), None)
        if pid:
            os.kill(pid, signal.SIGKILL)

    def delete(self, tenant, source):
        if source.random() < 0.5:
            return  # tenants come faster than they go
        a = self.call("DELETE", f"/cmk/v2/clusters/{tenant.id}?environment={tenant.environment}")
        if a and a.status == 204:
            with self.lock:
                self.tenants.remove(tenant)

    def backup(self, tenant, source):
        a = self.call("POST", f"/leat/v1/clusters/{tenant.id}/backups", {})
        if a and a.status == 201 and source.random() < 0.8:
            self.call("DELETE", f"/leat/v1/backups/{a.json['id']}")

    # --- the whole ------------------------------------------------------------------------------------------

    def work(self, number):
        source = random.Random(self.seed * 1000 + number)
        while not self.over.is_set():
            kind = source.choice(TIMES if len(self.tenants) * 2 > self.limit else TIMES + ["create"] * 20)
            with self.lock:
                tenant = source.choice(self.tenants) if self.tenants else None
            if kind != "create" and (not tenant or not tenant.lock.acquire(blocking=False)):
                continue
            began = time.monotonic()
            try:
                if kind == "create" or tenant in self.tenants:
                    getattr(self, kind)(tenant, source)
            except Exception as e:  # pylint: disable=broad-except
                self.problems.append(f"{kind}: {e!r}")
            finally:
                if kind != "create":
                    tenant.lock.release()
            self.counts[kind] += 1
            self.slowest[kind] = max(self.slowest[kind], time.monotonic() - began)

    def look(self):
        """Memory and descriptors of leatd."""
        process = self.leat.process
        if process and process.poll() is None:
            try:
                with open(f"/proc/{process.pid}/status", encoding="ascii") as f:
                    rss = next(int(line.split()[1]) >> 10 for line in f if line.startswith("VmRSS"))
                fds = len(os.listdir(f"/proc/{process.pid}/fd"))
            except (OSError, StopIteration):
                return
            self.most["rss_mib"], self.most["fds"] = max(self.most["rss_mib"], rss), max(self.most["fds"], fds)
        self.most["tenants"] = max(self.most["tenants"], len(self.tenants))

    def disturb(self):
        source, end = random.Random(self.seed), time.monotonic() + self.seconds
        while time.monotonic() < end:
            pause = min(end, time.monotonic() + source.uniform(self.seconds / 20, self.seconds / 5))
            while time.monotonic() < pause:
                self.look()
                time.sleep(0.2)
            self.leat.kill(signal.SIGKILL if source.random() < 0.8 else signal.SIGTERM)
            self.leat.start()
            self.counts["leatd killed"] += 1

    def settle(self):
        """Everybody is resumed and read; then the machine is held against the database."""
        for tenant in self.tenants:
            a = self.leat.call("POST", f"/leat/v1/clusters/{tenant.id}:resume")
            assert a.status == 202, a
        for tenant in self.tenants:
            self.leat.running(tenant.id)
            wait_for(lambda t=tenant: self.read(t, None), f"{tenant.id} can be read")
        return kills.settles(self.leat)

    def run(self):
        self.environment = self.leat.make_environment("soak")
        workers = [threading.Thread(target=self.work, args=(n,), daemon=True) for n in range(WORKERS)]
        for worker in workers:
            worker.start()
        try:
            self.disturb()
        finally:
            self.over.set()
            for worker in workers:
                worker.join(90)
        assert not any(worker.is_alive() for worker in workers), "a worker hangs"
        settled = None
        try:
            settled = self.settle()
        finally:
            self.look()
            self.report(settled)
        self.check()

    def report(self, settled):
        print("    " + ", ".join(f"{name} {n}" for name, n in sorted(self.counts.items()) if n))
        print("    slowest: " + ", ".join(f"{name} {s:.2f} s" for name, s in self.slowest.most_common()))
        print(f"    at most {self.most['tenants']} tenants, leatd {self.most['rss_mib']} MiB and {self.most['fds']} "
              f"descriptors; {len(self.tenants)} left; settled after {settled} s")

    def check(self):
        assert not self.problems, self.problems[:5]
        assert self.counts["acknowledged"] and self.counts["verified"], self.counts
        with open(os.path.join(BIN, "leatd"), "rb") as f:
            sanitized = b"__asan_init" in f.read()
        rss, fds = 64 + self.most["tenants"] // 2, 128 + 8 * self.most["tenants"]
        assert self.most["rss_mib"] < rss * (8 if sanitized else 1), self.most
        assert self.most["fds"] < fds, self.most


def groups_left(leat):
    """Control groups of this leatd's clusters, when those are gone."""
    ids = set(os.listdir(os.path.join(leat.data, "clusters")))
    return [path for path, _, _ in os.walk("/sys/fs/cgroup") if os.path.basename(path) in ids]


def run(tenants, seconds, seed):
    leat = Leatd(ports=2 * tenants + 60)
    leat.cgroups = "auto"
    with leat:
        Soak(leat, tenants, seconds, seed).run()
        leat.kill(signal.SIGINT)  # stops the brokers first
        assert leat.processes() == [], leat.processes()
        assert groups_left(leat) == [], groups_left(leat)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tenants", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    run(options.tenants, options.seconds, options.seed)
    print("all is as it should be")


if __name__ == "__main__":
    main()
