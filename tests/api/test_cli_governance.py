"""The command line's verbs for plans, limits, topic requests and costs."""
import contextlib
import json
import os
import shutil
import subprocess
import tempfile

import client
from leatd import BIN


class Cli:
    def __init__(self, service, home):
        self.s = service
        self.cluster = service.make_cluster(service.make_environment("cli"))["id"]
        self.environment = {"PATH": os.environ["PATH"], "HOME": home, "XDG_CONFIG_HOME": home, "ASAN_OPTIONS": "detect_leaks=0"}
        self.run("login", "--quickstart", os.path.join(service.data, "quickstart.json"))

    def run(self, *arguments, code=0):
        done = subprocess.run([os.path.join(BIN, "leat"), *arguments], env=self.environment, capture_output=True, text=True,
                              timeout=60, check=False)
        assert done.returncode == code, (arguments, done.returncode, done.stdout, done.stderr)
        return done.stdout if code == 0 else done.stderr

    def json(self, *arguments):
        return json.loads(self.run("--json", "--cluster", self.cluster, *arguments))


@contextlib.contextmanager
def fixture():
    home = tempfile.mkdtemp(prefix="leat-test-")
    try:
        with client.running() as service:
            yield Cli(service, home)
    finally:
        shutil.rmtree(home)


def test_the_command_line_makes_and_gives_plans(t):
    assert t.json("plans", "create", "silver", "--plan", "standard", "partitions=33")["limits"]["partitions"] == 33
    assert t.json("plans", "set", "silver", "partitions=34", "storage_bytes=-1")["limits"]["storage_bytes"] == -1
    assert "silver" in t.run("plans", "list")
    rows = {r["name"]: r for r in t.json("limits", "set", "--plan", "silver", "connections=55")["data"]}
    assert (rows["partitions"]["limit"], rows["connections"]["own_limit"]) == (34, 55)
    assert {r["name"]: r for r in t.json("limits", "set", "connections=")["data"]}["connections"]["own_limit"] is None
    assert "partitions" in t.run("--cluster", t.cluster, "limits", "list")
    t.run("plans", "set", "silver", "partitions=many", code=2)
    assert "silver" in t.run("plans", "delete", "silver", "--yes", code=1)
    t.json("limits", "set", "--plan", "basic")
    t.run("plans", "delete", "silver", "--yes")


def test_the_command_line_asks_for_topics_and_decides(t):
    account = t.s.good("POST", "/iam/v2/service-accounts", {"display_name": "cli", "description": ""}, status=201)["id"]
    asked = t.json("requests", "create", "wanted", "--partitions", "2", "--account", account, "--operation", "READ",
                   "--operation", "WRITE", "--group", "g", "--description", "for the mill")
    assert asked["access"] == [{"principal": f"User:{account}", "operations": ["READ", "WRITE"], "group": "g"}]
    assert asked["id"] in t.run("requests", "list")
    assert t.json("requests", "approve", asked["id"])["state"] == "approved"
    assert t.s.good("GET", f"/kafka/v3/clusters/{t.cluster}/topics/wanted")["partitions_count"] == 2
    other = t.json("requests", "create", "unwanted")["id"]
    assert "reason" in t.run("requests", "decline", other, code=2)
    assert t.json("requests", "decline", other, "--reason", "no")["reason"] == "no"
    assert t.json("requests", "withdraw", t.json("requests", "create", "later")["id"])["state"] == "withdrawn"


def test_the_command_line_lists_costs(t):
    assert "KAFKA_BASE" in t.run("costs", "list", "--from", "2020-01-01", "--to", "2100-01-01")
    t.run("costs", "list", code=2)
