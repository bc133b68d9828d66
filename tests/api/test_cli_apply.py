"""leat apply and leat export: what a file says is what a cluster has, and twice changes nothing."""
import contextlib
import json
import os
import re
import stat

import cli
import contract
from leatd import kcat

FILE = """
# A team's cluster.
cluster: {cluster}
accounts:
  billing: {{description: writes invoices}}
  mill:
topics:
  orders:
    partitions: 3
    configs:
      retention.ms: 86400000
      cleanup.policy: [compact, delete]
  "quoted":
scram-users:
  press: {{mechanisms: [SCRAM-SHA-256, SCRAM-SHA-512], password-env: PRESS_PASSWORD}}
acls:
  - {{principal: billing, allow: [READ, WRITE], topic: orders}}
  - {{principal: billing, allow: READ, group: billing-, prefix: true}}
  - {{principal: "User:press", deny: DELETE, topic: "*"}}
  - {{principal: mill, allow: DESCRIBE, cluster: true, host: 127.0.0.1}}
quotas:
  slow: {{in: 1000000, out: 2000000, accounts: [billing, mill]}}
kafka-quotas:
  - {{client-id: batch, in: 1048576, request-percent: 50}}
role-bindings:
  - {{principal: billing, role: CloudClusterAdmin}}
keys:
  - {{account: billing, name: billing-1, secret-file: {home}/{cluster}.json}}
"""
PASSWORD = {"PRESS_PASSWORD": "a password of some length"}


@contextlib.contextmanager
def fixture():
    with cli.running(ports=60) as t:
        t.env = t.s.make_environment("apply")
        yield t


class Applied:
    """A cluster of its own and the file for it."""

    count = 0

    def __init__(self, t, text=None):
        Applied.count += 1
        self.t, self.id = t, t.s.make_cluster(t.env, f"c{Applied.count}")["id"]
        self.path = os.path.join(t.home, f"{self.id}.yaml")
        self.write((text or FILE).format(cluster=self.id, home=t.home))

    def write(self, text):
        self.text = text
        with open(self.path, "w", encoding="utf-8") as f:
            f.write(text)

    def change(self, old, new):
        assert old in self.text
        self.write(self.text.replace(old, new))

    def apply(self, *options, code=0, env=None):
        return self.t.run("apply", "-f", self.path, *options, code=code, env={**PASSWORD, **(env or {})})

    def plan(self, *options):
        """{(action, kind, name)} of a dry run."""
        code, out, err = self.t.raw("--json", "apply", "-f", self.path, "--dry-run", *options, env=PASSWORD)
        assert code in (0, 5), (code, err)
        changes = json.loads(out)["changes"]
        assert (code == 5) == bool(changes), out
        return {(c["action"], c["kind"], c["name"]) for c in changes}

    def refused(self, text, *said):
        """The file with this text is refused, naming these, and nothing was changed."""
        self.write(text)
        by_key = "/leat/v1/audit?page_size=1&door=cloud_key"  # others are audited meanwhile: logins, the service itself
        before = self.t.s.good("GET", by_key)["data"][0]["id"]
        why = self.apply(code=2)
        for one in said:
            assert one in why, why
        assert self.t.s.good("GET", by_key)["data"][0]["id"] == before
        return why


def test_a_file_is_applied_and_the_second_time_changes_nothing(t):
    a = Applied(t)
    shown = a.apply("--dry-run", code=5)
    assert "+ topic orders" in shown and "partitions: 3" in shown and "to create" in shown
    assert "accounts: billing, mill\n" in shown
    assert "orders" not in t.run("topics", "--cluster", a.id)
    assert "done: 15 of 15" in a.apply()
    assert a.plan() == set() and a.plan("--prune") == set()
    assert "nothing to do" in a.apply()
    topics = {r["topic_name"]: r["partitions_count"] for r in t.s.good("GET", f"/kafka/v3/clusters/{a.id}/topics")["data"]}
    assert topics["orders"] == 3 and "quoted" in topics
    configs = {r["name"]: r["value"] for r in t.s.good("GET", f"/kafka/v3/clusters/{a.id}/topics/orders/configs")["data"]}
    assert configs["retention.ms"] == "86400000" and configs["cleanup.policy"] == "compact,delete"
    secret = os.path.join(t.home, f"{a.id}.json")
    assert stat.S_IMODE(os.stat(secret).st_mode) == 0o600
    with open(secret, encoding="utf-8") as f:
        key = json.load(f)
    bootstrap = t.s.good("GET", f"/leat/v1/clusters/{a.id}")["bootstrap_servers"]
    written = kcat(bootstrap, (key["key"], key["secret"]), "-P", "-t", "orders", "-k", "1", data="an invoice\n")
    assert written[0] == 0, written


def test_what_differs_is_changed_and_nothing_else(t):
    a = Applied(t)
    a.apply()
    a.change("partitions: 3", "partitions: 5")
    a.change("retention.ms: 86400000", "retention.ms: 3600000")
    a.change("in: 1000000", "in: 3000000")
    a.change("writes invoices", "writes bills")
    a.change("in: 1048576", "in: 2097152")
    a.change("accounts: [billing, mill]", "accounts: [billing]")
    assert {(action, kind) for action, kind, _ in a.plan()} == {
        ("change", "topic"), ("change", "quota"), ("change", "account"), ("change", "Kafka quota")}
    shown = a.apply()
    assert "partitions: 3 → 5" in shown and "retention.ms: 86400000 → 3600000" in shown
    assert a.plan() == set()


def test_what_the_file_does_not_have_goes_only_when_asked(t):
    a = Applied(t)
    a.apply()
    t.s.make_topic(a.id, "extra", 1)
    t.s.good("PUT", f"/leat/v1/clusters/{a.id}/scram-users/gone", {"mechanism": "SCRAM-SHA-256"}, status=201)
    a.change("      cleanup.policy: [compact, delete]\n", "")
    a.change("  - {principal: mill, allow: DESCRIBE, cluster: true, host: 127.0.0.1}\n", "")
    a.change("role: CloudClusterAdmin}", "role: MetricsViewer}")
    assert {p for p in a.plan() if p[0] == "delete"} == set()
    assert {(action, kind) for action, kind, _ in a.plan("--prune") if action != "create"} == {
        ("delete", "topic"), ("delete", "SCRAM user"), ("delete", "ACL"), ("change", "topic"), ("delete", "role binding")}
    assert "--yes" in a.apply("--prune", code=2)
    assert "extra" in t.run("topics", "--cluster", a.id)
    a.apply("--prune", "--yes")
    assert a.plan("--prune") == set() and "extra" not in t.run("topics", "--cluster", a.id)
    a.write(f"cluster: {a.id}\nacls: []\n")  # sections that are not in the file are nobody's business
    assert {kind for _, kind, _ in a.plan("--prune")} == {"ACL"}


def test_what_is_wrong_is_told_with_its_line_before_anything_changes(t):
    a = Applied(t, "cluster: {cluster}\n")
    head = a.text
    why = a.refused(head + "topics:\n  a: {partitions: many}\n  b: {partition: 3}\nacls:\n  - {principal: nobody, allow: READ}\n",
                    ":3: partitions is a whole number", ":4: a topic has no 'partition'", ":6: there is no account 'nobody'",
                    ":6: an ACL is about one of")
    assert "nothing was changed" in why
    a.refused(head + "topic:\n  a:\n", ":2:", "has no 'topic'")
    a.refused(head + "topics: {a: {configs: {retention.ms: soon}}}\n", ":2: topic 'a'")
    a.refused(head + "topics: {'a b': {}}\n", ":2: topic 'a b'")
    a.refused(head + "topics:\n  a:\n    configs:\n      retention.ms:\n", ":5: a config needs a value")
    a.refused(head + "scram-users: {x: {password-env: NOT_SET_ANYWHERE}}\n", "NOT_SET_ANYWHERE is not set")
    a.refused(head + "scram-users: {x: {password: secret}}\n", "has no 'password'")
    a.refused(head + "quotas: {q: {in: 5}}\n", "in and out", "needs accounts")
    a.refused(head + "acls:\n  - {principal: 'User:*', allow: [READ, READ], topic: x}\n", ":3: this says the same as line 3")
    a.refused(head + "keys:\n  - {account: none, name: k, secret-file: x}\n", "no account 'none'")
    t.s.make_topic(a.id, "shrunk", 4)
    a.refused(head + "topics:\n  shrunk:\n    partitions: 2\n", ":4:", "has 4 partitions", "cannot be taken away")
    a.refused(head + "topics:\n  shrunk:\n    partitions: 99999\n", ":3: topic 'shrunk': ")
    a.refused(head + "topics:\n  shrunk:\n    partitions: 9999999999\n", ":3: topic 'shrunk': ")
    who = "acls:\n  - principal: 'User:*'\n"
    a.refused(head + who + "    allow: [READ, FLY]\n    topic: x\n", ":3: FLY is no operation on a topic: ALL|READ")
    a.refused(head + who + "    deny: CREATE\n    group: x\n", ":3: CREATE is no operation on a group")
    a.refused(head + who + "    allow: READ\n    cluster: true\n", ":3: READ is no operation on the cluster")
    why = t.run("apply", "-f", a.path, "--cluster", "lkc-other", code=2)
    assert "--cluster says" in why


def test_a_long_file_is_compared_in_few_requests(t):
    many = "".join(f"  many.{i}: {{{{partitions: 1}}}}\n" for i in range(40))
    a = Applied(t, "cluster: {cluster}\ntopics:\n" + many)
    a.apply()

    def requests():
        metrics = t.s.call("GET", "/metrics").body.decode()
        return sum(map(int, re.findall(r"^leat_http_requests_total\{[^}]*\} (\d+)$", metrics, re.M)))
    before = requests()
    assert "nothing to do" in a.apply()
    assert requests() - before < 30


def test_yaml_that_is_more_than_a_plain_file_is_refused(t):
    a = Applied(t, "cluster: {cluster}\n")
    head = a.text
    bomb = "".join(f"x{i}: &x{i} [{', '.join([f'*x{i - 1}'] * 9)}]\n" for i in range(1, 9))
    for text, said in ((head + "topics: &a {}\n", "anchors"), (head + "x0: &x0 [a]\n" + bomb, "anchors"),
                       (head + "topics: *a\n", "alias"), (head + "topics: !!map {}\n", "tags"),
                       (head + "topics: {}\ntopics: {}\n", "twice"), (head + "---\ncluster: x\n", "one document"),
                       (head + "topics: " + "[" * 50 + "]" * 50 + "\n", "nested too deep"),
                       (head + "topics: {<<: {a: b}}\n", "merge"), (head + "topics: [a\n", ":3:"), ("", "empty"),
                       (head + "acls: [" + "a," * 100001 + "]\n", "100,000"), (head + "#" * (1 << 20), "larger"),
                       (head + "? [a]\n: b\n", "a name must be"), ("just text", "list of names")):
        a.refused(text, said)
    with open(a.path, "wb") as f:
        f.write(b"topics: {a\x00b: 1}\n")
    assert "not text" in a.apply(code=2)


def test_after_a_partial_failure_the_second_run_finishes_it(t):
    a = Applied(t)
    t.proxy.break_after = 9  # of what is not a GET; topics are checked before
    why = a.apply(code=4)
    t.proxy.break_after = None
    done, all_of = map(int, re.search(r"(\d+) of (\d+) were done; not done:", why).groups())
    assert 0 < done < all_of and why.count("\n+ ") == all_of - done and "apply the file again" in why
    assert f"done: {all_of - done} of" in a.apply()
    assert a.plan() == set()


def test_a_refusal_in_the_middle_says_what_was_not_done(t):
    a = Applied(t, "cluster: {cluster}\ntopics:\n  first:\nrole-bindings:\n  - {{principal: 'User:sa-none', role: NoSuchRole}}\n")
    why = a.apply(code=1)
    assert "1 of 2 were done" in why and "NoSuchRole" in why
    assert "first" in t.run("topics", "--cluster", a.id)


def test_what_was_exported_changes_nothing_and_makes_the_same_elsewhere(t):
    a = Applied(t)
    a.apply()
    a.write(t.run("export", "--cluster", a.id))
    assert a.plan("--prune") == set()
    assert "a password" not in a.text and "billing" in a.text
    other = Applied(t)
    other.write(a.text.replace(a.id, other.id))
    other.apply(env={"LEAT_PASSWORD_PRESS": "another password"})
    states = [json.loads(t.run("--json", "export", "--cluster", c)) for c in (a.id, other.id)]
    for section in ("topics", "acls"):
        assert states[0]["state"][section] == states[1]["state"][section]
    path = os.path.join(t.home, "out.yaml")
    t.run("export", "--cluster", a.id, "--output", path)
    with open(path, encoding="utf-8") as f:
        assert f.read() == t.run("export", "--cluster", a.id)


DECLARED = """cluster: {name: mill, environment: %s, kind: Dedicated, cku: 2}
accounts: {miller: {description: grinds}}
topics:
  sacks: {partitions: 2, configs: {retention.ms: 3600000}}
acls:
  - {principal: miller, allow: WRITE, topic: sacks}
quotas:
  grinding: {in: 1000000, out: 2000000, accounts: [miller]}
role-bindings:
  - {principal: miller, role: MetricsViewer}
  - {principal: miller, role: DeveloperRead, topic: sa, prefix: true}
"""


def test_a_declared_cluster_and_its_environment_are_made_once(t):
    a = Applied(t, DECLARED.replace("{", "{{").replace("}", "}}") % "valley")

    def clusters():
        return {c["display_name"]: c for c in t.s.good("GET", "/leat/v1/clusters?page_size=1000")["data"]}
    before = clusters()
    shown = a.apply("--dry-run", code=5)
    assert "+ environment valley" in shown and "+ cluster mill" in shown and "cku: 2" in shown and "mill: 8 to create" in shown, shown
    assert clusters().keys() == before.keys() and "valley" not in t.run("environments")
    assert {p[:2] for p in a.plan()} >= {("create", "environment"), ("create", "cluster"), ("create", "topic"), ("create", "ACL")}
    shown = a.apply()
    made = clusters()["mill"]
    assert f"the cluster mill is {made['id']}" in shown and "done: 8 of 8" in shown, shown
    assert (made["environment"]["display_name"], made["kind"], made["cku"]) == ("valley", "Dedicated", 2), made
    assert a.plan() == set() and a.plan("--prune") == set() and "nothing to do" in a.apply()
    state = json.loads(t.run("--json", "export", "--cluster", made["id"]))["state"]
    assert state["topics"]["sacks"] == {"partitions": 2, "configs": {"retention.ms": "3600000"}}
    assert len(state["acls"]) == 1 and state["quotas"]["grinding"]["in"] == "1000000"
    crns = [b["crn_pattern"].partition("/cloud-cluster=")[2] for b in state["role-bindings"].values()]
    assert {made["id"], f"{made['id']}/kafka={made['id']}/topic=sa*"} <= set(crns), crns
    a.change("cku: 2", "cku: 3")
    a.change("partitions: 2", "partitions: 3")
    assert a.plan() == {("change", "cluster", "mill"), ("change", "topic", "sacks")}
    assert "cku: 2 → 3" in a.apply() and clusters()["mill"]["cku"] == 3 and a.plan() == set()
    a.change("name: mill", "name: other")  # another cluster, in the environment that is there; nothing of the first is touched
    assert ("create", "environment", "valley") not in a.plan("--prune")
    a.apply("--prune", "--yes")
    assert {"mill", "other"} <= clusters().keys() and a.plan() == set()


def test_what_is_wrong_with_a_declared_cluster_is_told_with_its_line(t):
    a = Applied(t, "topics: {{}}\ncluster: {{name: x, environment: nowhere}}\n")
    a.refused("topics: {}\ncluster:\n  name: x\n  environment: nowhere\n  kind: Huge\n", ":5: kind is Basic")
    a.refused("topics: {}\ncluster:\n  name: x\n  environment: nowhere\n  cku: 2\n", ":5: cku is of kind Dedicated")
    a.refused("cluster:\n  environment: nowhere\n", ":2: a cluster needs name")
    a.refused("cluster:\n  name: x\n  environment: nowhere\n  region: moon\n", ":4: a cluster has no 'region'")
    a.refused("cluster:\n  name: x\n  environment: env-none\n", ":2: there is no environment env-none")
    a.refused(f"cluster:\n  name: x\n  environment: {t.env}\ntopics:\n  a: {{partitions: none}}\n", ":5: partitions is a whole number")
    a.refused(f"cluster:\n  name: x\n  environment: {t.env}\nrole-bindings:\n"
              "  - {principal: 'User:u-1', role: DeveloperRead, topic: a, group: b}\n", ":5: a role binding is for one of")
    name = "basic"
    basic = t.s.make_cluster(t.env, name, kind="Basic")["id"]
    a.refused(f"cluster:\n  name: {name}\n  environment: {t.env}\n  kind: Enterprise\n", ":2: the cluster", "only a Basic cluster changes")
    a.write(f"cluster: {{name: {name}, environment: {t.env}, kind: Standard}}\n")
    assert a.plan() == {("change", "cluster", name)}
    a.apply()
    assert t.s.good("GET", f"/leat/v1/clusters/{basic}")["kind"] == "Standard" and a.plan() == set()


def test_a_new_cluster_whose_topics_are_refused_stays_empty_and_is_gone_on_with(t):
    a = Applied(t, f"cluster: {{{{name: picky, environment: {t.env}}}}}\ntopics:\n  a: {{{{configs: {{{{retention.ms: soon}}}}}}}}\n  b: {{{{}}}}\n")
    why = a.apply(code=1)
    assert ":3: topic 'a'" in why and "1 of 3 were done" in why, why
    a.change("soon", "60000")
    assert a.plan() == {("create", "topic", "a"), ("create", "topic", "b")}
    a.apply()
    assert a.plan() == set()


def test_the_documented_file_is_applied_twice(t):
    with open(os.path.join(contract.ROOT, "server", "cli", "README.md"), encoding="utf-8") as f:
        text = re.search(r"```yaml\n(.*?)```", f.read(), re.S)[1]
    a = Applied(t)
    a.write(text.replace("lkc-000001", a.id).replace("/run/billing.json", os.path.join(t.home, "documented.json")))
    a.apply()
    assert a.plan() == set() and a.plan("--prune") == set()
