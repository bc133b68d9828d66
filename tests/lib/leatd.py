"""A real leatd in a temporary folder, for tests: started on free ports, ended by its process id."""
import base64
import contextlib
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

ROOT = os.environ.get("LEAT_ROOT") or os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
BIN = os.environ.get("LEAT_BIN") or os.path.join(ROOT, "build-test", "bin")
WEB = os.environ.get("LEAT_WEB") or os.path.join(ROOT, "web", "dist")


def free_ports(count):
    """A run of `count` neighbouring free TCP ports below the ephemeral range."""
    start = 20000 + (os.getpid() * 37) % 9000
    for first in list(range(start, 31000, count)) + list(range(20000, start, count)):
        held = []
        try:
            for port in range(first, first + count):
                s = socket.socket()
                held.append(s)
                s.bind(("127.0.0.1", port))
            return first
        except OSError:
            continue
        finally:
            for s in held:
                s.close()
    raise RuntimeError("no free ports")


def wait_for(condition, what, seconds=20.0):
    """Polls until condition() is true (its value is returned); fails with `what` after `seconds`."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited {seconds:.0f} s in vain: {what}")
        time.sleep(0.02)


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body) if self.body else None

    def __repr__(self):
        return f"<{self.status} {self.body[:300]!r}>"


class Leatd:
    def __init__(self, demo=False, ports=20, password=None):
        self.folder = tempfile.mkdtemp(prefix="leat-test-")
        self.data = os.path.join(self.folder, "data")
        self.seen = self.data  # the same folder, as this process sees it
        self.prefix, self.more = [], []  # of the command; arguments
        self.cgroups = "none"            # the machine's are left alone but by the tests of them
        self.rate_limit = "5000:50000"   # tests ask faster than people
        first = free_ports(ports + 1)
        self.http_port, self.broker_ports = first, (first + 1, first + ports)
        self.demo, self.password, self.process, self.quickstart = demo, password, None, None
        self.base = f"http://127.0.0.1:{self.http_port}"
        self.ca = None  # of an https base: a PEM file

    def argv(self):
        argv = [*self.prefix, os.path.join(BIN, "leatd"), "--data", self.data, "--listen", f"127.0.0.1:{self.http_port}",
                "--broker-ports", "%d-%d" % self.broker_ports, "--web", WEB, "--rate-limit", self.rate_limit,
                "--cgroups", self.cgroups,
                *self.more]
        return argv if self.demo else argv + ["--no-demo"]

    def start(self):
        env = dict(os.environ)
        if self.password:
            env["LEAT_ADMIN_PASSWORD"] = self.password
        os.makedirs(self.data, mode=0o700, exist_ok=True)
        self.log = open(os.path.join(self.folder, "leatd.log"), "ab")
        self.process = subprocess.Popen(self.argv(), stdout=subprocess.PIPE, stderr=self.log, env=env, text=True)
        self.printed = []
        for line in self.process.stdout:
            self.printed.append(line.rstrip("\n"))
            if self.printed[-1] == "ready":
                break
        else:
            raise AssertionError(f"leatd ended with {self.process.wait()}: {self.log_tail()}")
        with open(os.path.join(self.seen, "quickstart.json"), encoding="utf-8") as f:
            self.quickstart = json.load(f)
        self.cloud = (self.quickstart["cloud_api_key"], self.quickstart["cloud_api_secret"])
        return self

    def log_tail(self):
        with open(os.path.join(self.folder, "leatd.log"), encoding="utf-8", errors="replace") as f:
            return f.read()[-1500:]

    def call(self, method, path, body=None, key=None, headers=None, raw=None):
        """REST; `key` is (id, secret), the cloud key when None, no authentication when False."""
        data = raw if raw is not None else (json.dumps(body).encode() if body is not None else None)
        rq = urllib.request.Request(path if path.startswith("http") else self.base + path, data, method=method)
        if data is not None:
            rq.add_header("Content-Type", "application/json")
        if key is not False:
            user, secret = key or self.cloud
            rq.add_header("Authorization", "Basic " + base64.b64encode(f"{user}:{secret}".encode()).decode())
        for name, value in (headers or {}).items():
            rq.add_header(name, value)
        try:
            context = ssl.create_default_context(cafile=self.ca) if self.ca else None
            with urllib.request.urlopen(rq, timeout=30, context=context) as r:
                return Answer(r.status, r.headers, r.read())
        except urllib.error.HTTPError as e:
            return Answer(e.code, e.headers, e.read())

    def make_environment(self, name="test"):
        a = self.call("POST", "/org/v2/environments", {"display_name": name})
        assert a.status == 201, a
        return a.json["id"]

    def make_cluster(self, environment, name="one", kind="Standard"):
        """A cluster that answers; returns /leat/v1's object of it."""
        a = self.call("POST", "/cmk/v2/clusters", {"spec": {
            "display_name": name, "availability": "SINGLE_ZONE", "cloud": "leat", "region": "local",
            "config": {"kind": kind}, "environment": {"id": environment}}})
        assert a.status == 202, a
        return self.running(a.json["id"])

    def running(self, cluster):
        def look():
            a = self.call("GET", f"/leat/v1/clusters/{cluster}")
            return a.json if a.status == 200 and a.json["state"]["name"] == "running" else None
        return wait_for(look, f"{cluster} is running")

    def make_key(self, cluster, name="app", acls=True):
        """A service account with a cluster key (and ACLs for everything); (key id, secret, account id)."""
        a = self.call("POST", "/iam/v2/service-accounts", {"display_name": name, "description": ""})
        assert a.status == 201, a
        account = a.json["id"]
        a = self.call("POST", "/iam/v2/api-keys", {"spec": {
            "display_name": name, "description": "", "owner": {"id": account}, "resource": {"id": cluster}}})
        assert a.status == 202, a
        key = (a.json["id"], a.json["spec"]["secret"])
        if acls:
            for kind, resource in (("TOPIC", "*"), ("GROUP", "*"), ("CLUSTER", "kafka-cluster"), ("TRANSACTIONAL_ID", "*")):
                a = self.call("POST", f"/kafka/v3/clusters/{cluster}/acls", {
                    "resource_type": kind, "resource_name": resource, "pattern_type": "LITERAL",
                    "principal": f"User:{account}", "host": "*", "operation": "ALL", "permission": "ALLOW"})
                assert a.status in (201, 202), a
        return key[0], key[1], account

    def make_topic(self, cluster, name, partitions=3):
        a = self.call("POST", f"/kafka/v3/clusters/{cluster}/topics", {"topic_name": name, "partitions_count": partitions})
        assert a.status == 201, a

    def kill(self, sig=signal.SIGKILL):
        self.process.send_signal(sig)
        code = self.process.wait(timeout=60)
        self.process.stdout.close()
        self.process = None
        return code

    def processes(self):
        """Process ids of brokers and helpers of this folder."""
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError):
                with open(f"/proc/{pid}/cmdline", "rb") as f:
                    argv = f.read().split(b"\0")
                if any(a.startswith(self.data.encode()) for a in argv) and not argv[0].endswith(b"leatd"):
                    found.append(int(pid))
        return found

    def stop(self):
        if self.process:
            self.kill(signal.SIGINT)
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.stop()
            raise

    def __exit__(self, *_):
        self.stop()


def kcat_argv(bootstrap, key, *args):
    """The command line of kcat with SASL PLAIN."""
    return ["kcat", "-b", bootstrap, "-X", "security.protocol=SASL_PLAINTEXT", "-X", "sasl.mechanism=PLAIN",
            "-X", f"sasl.username={key[0]}", "-X", f"sasl.password={key[1]}", *args]


def kcat(bootstrap, key, *args, data=None, timeout=30):
    """Runs it; returns (exit code, stdout, stderr)."""
    p = subprocess.run(kcat_argv(bootstrap, key, *args), input=data, capture_output=True, text=True, timeout=timeout)
    return p.returncode, p.stdout, p.stderr


def run_tests(namespace):
    """Runs every function test_… of a module; prints the closing line; returns the exit code."""
    import sys
    import traceback
    passed = failed = 0
    only = sys.argv[1:]
    for name, test in list(namespace.items()):
        if not name.startswith("test_") or not callable(test) or (only and name not in only):
            continue
        title = name[5:].replace("_", " ")
        try:
            test()
            passed += 1
            print(f"ok: {title}", flush=True)
        except Exception:
            failed += 1
            print(f"not ok: {title}", flush=True)
            traceback.print_exc(file=sys.stdout)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0
