"""Every verb of the command line, and the table that help, completion and the manual page come from."""
import contextlib
import fcntl
import json
import os
import select
import shutil
import signal
import stat
import struct
import subprocess
import tempfile
import termios
import time

import cli
import contract
from client import text, wait_for

NOT_BY_VERBS = {  # operation: why no verb uses it
    "listKafkaClusters": "clusters list reads /leat/v1/clusters, which says more",
    "getKafkaCluster": "clusters show reads /leat/v1/clusters, which says more",
    "listCmkV2Clusters": "clusters list reads /leat/v1/clusters, which says more",
    "getCmkV2Cluster": "clusters show reads /leat/v1/clusters, which says more",
    "listKafkaTopics": "topics list reads /leat/v1, which says more",
    "getKafkaTopic": "topics show reads /leat/v1, which says more",
    "listKafkaConsumerGroups": "groups list reads /leat/v1, which says more",
    "getKafkaConsumerGroup": "groups show reads /leat/v1, which says more",
    "produceRecordsBatch": "produce sends streams, which have no bound of ten",
    "tailRecords": "consume --follow reads pages, which leave nothing out",
    "beginSignIn": "a browser's way to an identity provider",
    "endSignIn": "a browser's way from an identity provider",
}


@contextlib.contextmanager
def fixture():
    with cli.running() as t:
        t.env = t.s.make_environment("cli")
        t.cluster = t.s.make_cluster(t.env)["id"]
        t.run("use", t.cluster)
        yield t


def test_the_control_plane_by_verbs(t):
    env = t.json("environments", "create", "other")["id"]
    assert t.json("environment", "rename", env, "renamed")["display_name"] == "renamed"
    assert t.json("environments", "show", env)["display_name"] == "renamed"
    assert env in t.run("environments")
    t.run("topic-policy", "set", env, "--pattern", "[a-z]+", "--partitions-max", "4")
    assert t.json("topic-policy", "show", env)["partitions"]["max"] == 4
    t.run("topic-policy", "delete", env, "--yes")
    made = t.json("clusters", "create", "second", "--environment", env)["id"]
    t.s.running(made)
    assert t.json("clusters", "rename", made, "two")["display_name"] == "two"
    assert t.json("clusters", "set", made, "--tag", "staging")["tag"] == "staging"
    assert t.json("clusters", "show", made)["id"] == made
    for verb in ("pause", "resume", "restart"):
        t.run("clusters", verb, made)
        if verb != "pause":
            t.s.running(made)
    t.run("clusters", "upgrade", made)
    t.s.running(made)
    t.run("clusters", "confirm-upgrade", made, "--yes")
    assert "broker" in t.run("clusters", "processes", made)
    assert t.json("clusters", "clients", made) == {"kind": "ClientList", "data": [], "others": 0}
    assert t.run("clusters", "logs", made, "--lines", "5").strip()
    assert "leatd" in t.run("service", "processes") and t.run("service", "logs", "--lines", "5").strip()
    backup = t.json("backup", "create", made, "--description", "before")["id"]
    assert backup in t.run("backups")
    t.s.running(made)
    refused = t.run("clusters", "delete", made, code=2)
    assert "'two'" in refused and "--yes" in refused
    t.run("clusters", "delete", made, "--yes")
    restored = t.json("restore", backup, "again", "--environment", env)["cluster_id"]
    t.s.running(restored)
    t.run("clusters", "delete", restored, "--yes")
    t.run("backup", "delete", backup, "--yes")
    assert "PATH" in t.run("backups", "database")
    t.run("environments", "delete", env, "--yes")
    t.run("rolling-restart", "start", "--yes")
    wait_for(lambda: t.json("rolling-restart", "show")["phase"] in ("DONE", "NONE"), "all clusters were restarted")
    t.s.running(t.cluster)


def test_certificates_and_tokens_by_verbs(t):
    ca = os.path.join(t.home, "ca.pem")
    with open(ca, "w", encoding="ascii") as f:
        f.write(t.run("certificates", "ca"))
    assert "CN" in t.run("service", "ca")
    assert t.json("certificates", "show")["source"] == "leat"
    key, pem = os.path.join(t.home, "k.pem"), os.path.join(t.home, "c.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key,
                    "-out", pem, "-days", "3", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"],
                   check=True, capture_output=True)
    assert t.json("certificates", "replace", "--certificate", pem, "--private-key", key)["source"] == "operator"
    assert t.json("certificates", "renew", "--yes")["source"] == "leat"
    assert t.json("certificates", "clients", "requested", "--client-ca", pem)["client_auth"] == "requested"
    t.run("certificates", "clients", "none")
    t.run("authentication", "set", "--max-reauth-ms", "60000")
    assert t.json("authentication", "show")["connections_max_reauth_ms"] == 60000


def test_people_keys_and_roles_by_verbs(t):
    organization = t.json("organization", "list")["data"][0]["id"]
    assert t.json("organization", "rename", organization, "Works")["display_name"] == "Works"
    t.run("organization", "show", organization)
    account = t.json("accounts", "create", "billing", "--description", "x")["id"]
    assert t.json("accounts", "describe", account, "writes")["description"] == "writes"
    assert t.json("accounts", "show", account)["id"] == account and account in t.run("accounts")
    key = t.json("keys", "create", "k", "--account", account)["id"]
    cloud = t.json("keys", "create", "--account", account, "--cloud")["id"]
    assert t.json("keys", "describe", key, "why", "--name", "n")["spec"]["description"] == "why"
    assert "SECRET" not in t.run("keys", "show", key)
    assert {r["id"] for r in t.json("keys", "list", "--account", account)["data"]} == {key, cloud}
    binding = t.json("role-bindings", "create", "CloudClusterAdmin", "--principal", account, "--scope", t.cluster)
    assert binding["crn_pattern"].endswith(f"/environment={t.env}/cloud-cluster={t.cluster}")
    assert t.json("role-bindings", "show", binding["id"])["principal"] == f"User:{account}"
    assert binding["id"] in t.run("role-bindings", "list", "--principal", account, "--scope", t.cluster)
    t.run("role-bindings", "delete", binding["id"], "--yes")
    for one in (key, cloud):
        t.run("keys", "delete", one, "--yes")
    mapping = t.json("group-mappings", "create", "engineers", "--groups", '"engineering" in groups')["id"]
    assert t.json("group-mappings", "set", mapping, "--name", "builders")["display_name"] == "builders"
    assert t.json("group-mappings", "show", mapping)["id"] == mapping and mapping in t.run("group-mappings")
    t.run("group-mappings", "delete", mapping, "--yes")
    assert "CloudClusterAdmin" in t.run("roles") and "listClusters" in t.run("service", "operations")
    assert "cluster.operate" in t.run("permissions") and t.json("permissions")["cluster_id"] is None
    t.run("accounts", "delete", account, "--yes")


def test_people_log_in_by_password_and_a_session_ends(t):
    invited = t.json("invitations", "create", "grace@example.com")
    assert t.json("invitations", "show", invited["id"])["email"] == "grace@example.com"
    other = t.json("invitations", "create", "ada@example.com")["id"]
    assert other in t.run("invitations")
    t.run("invitations", "delete", other, "--yes")
    password = "a long and winding passphrase"
    t.run("invitations", "accept", "--full-name", "Grace", env={"LEAT_TOKEN": invited["token"], "LEAT_PASSWORD": password})
    user = invited["user"]["id"]
    assert t.json("users", "rename", user, "Grace H.")["full_name"] == "Grace H."
    assert t.json("users", "show", user)["email"] == "grace@example.com" and user in t.run("users")
    t.run("role-bindings", "create", "OrganizationAdmin", "--principal", user, "--scope", "organization")
    grace = ("--profile", "grace")
    t.run("login", *grace, "--email", "grace@example.com", env={"LEAT_PASSWORD": password + "x"}, code=1)
    t.run("login", *grace, "--email", "grace@example.com", env={"LEAT_PASSWORD": password})
    assert t.json("whoami", *grace)["who"] == "grace@example.com"
    t.run("login", "--profile", "twice", "--email", "grace@example.com", env={"LEAT_PASSWORD": password})
    sessions = t.json("sessions", *grace)["data"]
    assert len(sessions) == 2
    t.run("sessions", "end", *grace, next(s["id"] for s in sessions if not s["current"]))
    t.run("clusters", "--profile", "twice", code=1)
    t.run("password", "change", *grace, env={"LEAT_PASSWORD": password, "LEAT_NEW_PASSWORD": password + " anew"})
    t.run("logout", *grace)
    assert "leat login" in t.run("clusters", *grace, code=2)
    t.run("users", "delete", user, "--yes")
    assert "CONFIGURED" in t.run("service", "sign-in")


def test_what_is_watched_by_verbs(t):
    assert "VERSION" in t.run("service", "info") and "ok" in t.run("service", "health")
    t.run("service", "ready")
    assert "# TYPE" in t.run("service", "metrics")
    assert t.json("audit", "verify")["intact"] is True
    assert t.json("audit", "list", "--operation", "environment.create")["data"]
    assert t.lines("audit", "export", "--limit", "3")[0]["id"]
    metric = t.json("metrics", "list")["data"][0]["name"]
    t.run("metrics", "resources")
    t.run("metrics", "query", metric, "--granularity", "PT5M")
    assert "received_bytes" in t.run("metrics", "history", "received_bytes", "--span", "15m")
    t.run("metrics", "labels", "io.confluent.kafka.server/received_bytes", "--by", "topic")
    t.run("metrics", "export")
    assert t.json("service-limits", "list", "KAFKA_CLUSTER")["data"]
    code = t.json("service-limits", "list", "ORGANIZATION")["data"][0]["id"]
    t.run("service-limits", "show", code)
    scope = t.json("service-limits", "scopes")["data"][0]["id"]
    t.run("service-limits", "scope", scope)
    assert t.json("prices", "set", "KAFKA_BASE=0.5")["data"]
    assert "KAFKA_BASE" in t.run("prices")
    t.run("costs", "list", "--from", "2020-01-01", "--to", "2100-01-01")
    for arguments in (("service", "events"), ("clusters", "events", t.cluster)):
        follower = t.start(*arguments)
        line = json.loads(follower.stdout.readline())
        assert line["event"] and isinstance(line["data"], dict)
        follower.send_signal(signal.SIGINT)
        assert follower.wait(20) == 0, follower.stderr.read()


def test_alerts_by_verbs(t):
    secret = os.path.join(t.home, "channel-secret")
    with open(secret, "w", encoding="utf-8") as f:
        f.write("a key of signatures, long enough\n")
    channel = t.json("alert-channels", "create", "pager", "--type", "webhook", "--target", "https://pager.example/hook",
                     "--secret-file", secret)["id"]
    assert t.json("alert-channels", "set", channel, "--enabled", "false", "--name", "renamed")["name"] == "renamed"
    assert t.json("alert-channels", "show", channel)["enabled"] is False and channel in t.run("alert-channels")
    rule = t.json("alert-rules", "create", "behind", "--watches", "lag", "--threshold", "100", "--channel", channel,
                  "--cluster", t.cluster)
    assert (rule["channels"], rule["cluster_id"], rule["threshold"]) == ([channel], t.cluster, 100)
    assert t.json("alert-rules", "set", rule["id"], "--threshold", "200")["threshold"] == 200
    assert t.json("alert-rules", "show", rule["id"])["name"] == "behind" and rule["id"] in t.run("alert-rules")
    silence = t.json("alert-silences", "create", "--rule", rule["id"], "--duration-ms", "60000", "--description", "work")
    assert silence["comment"] == "work" and silence["id"] in t.run("alert-silences")
    t.run("alert-silences", "delete", silence["id"])
    t.run("alerts", "--alert-state", "firing")
    t.run("alert-channels", "set", channel, "--enabled", "true", "--target", "https://127.0.0.1:1/", code=1)
    assert t.raw("alert-channels", "test", channel)[0] == 1  # nobody is there
    t.run("alert-deliveries", "list", "--channel", channel)
    t.run("alert-rules", "delete", rule["id"], "--yes")
    t.run("alert-channels", "delete", channel, "--yes")


def test_topics_and_configs_by_verbs(t):
    topic = ("--cluster", t.cluster)
    t.run("topics", "create", "orders", "--partitions", "2", "--config", "retention.ms=86400000", *topic)
    assert t.json("topics", "create", "never", "--validate-only")["topic_name"] == "never"
    assert t.json("topics", "grow", "orders", "--partitions", "3")["partitions_count"] == 3
    shown = t.run("topic", "show", "orders")
    assert "RETENTION MS" in shown and shown.count("\n2 ") + shown.count("        2 ") > 0
    assert [r["topic_name"] for r in t.json("topics")["data"]] == ["orders"]
    t.s.produce(t.cluster, "orders", text("1"))
    (made,) = t.json("topics", "clients", "orders")["data"]
    shown = t.run("topics", "clients", "orders")
    assert made["roles"] == ["producer"] and "producer" in shown and "ROLES" in shown and " rest" in shown
    assert "retention.ms" in t.run("topics", "config", "orders")
    assert " 4800000 " in t.run("topics", "config", "orders", "retention.ms=4800000")
    assert " 4800000 " not in t.run("topics", "config", "orders", "retention.ms=")
    t.run("topic-configs", "set", "orders", "retention.ms", "7200000")
    assert t.json("topic-configs", "show", "orders", "retention.ms")["value"] == "7200000"
    t.run("topic-configs", "reset", "orders", "retention.ms")
    for verb in (["list", "orders"], ["defaults", "orders"], ["all"]):
        assert "retention.ms" in t.run("topic-configs", *verb)
    changes = os.path.join(t.home, "changes.json")
    with open(changes, "w", encoding="utf-8") as f:
        json.dump([{"topic_name": "orders", "configs": [{"name": "retention.ms", "value": "1000000"}]}], f)
    t.run("topic-configs", "alter-all", "--alter", changes)
    for arguments in (["partitions", "list", "orders"], ["partitions", "show", "orders", "0"],
                      ["partitions", "offsets", "orders", "0"], ["partitions", "replicas", "orders", "0"],
                      ["reassignments", "list"], ["reassignments", "topic", "orders"], ["brokers"],
                      ["broker-configs", "all"], ["cluster-configs"]):
        t.run(*arguments)
    broker = str(t.json("brokers")["data"][0]["broker_id"])
    t.run("partitions", "replica", "orders", "0", broker)
    t.run("brokers", "show", broker)
    t.run("brokers", "replicas", broker)
    t.run("reassignments", "show", "orders", "0", code=3)
    name = t.json("broker-configs", "list", broker)["data"][0]["name"]
    t.run("broker-configs", "show", broker, name)
    for noun, of in (("broker-configs", [broker]), ("cluster-configs", [])):  # a broker's configs are its plan's
        for verb in (["set", *of, "log.retention.ms", "5"], ["alter", *of, "log.retention.ms=5"],
                     ["reset", *of, "log.retention.ms"]):
            assert t.raw(noun, *verb)[0] in (1, 3), verb
    assert t.raw("cluster-configs", "show", "log.retention.ms")[0] in (0, 3)
    assert "--yes" in t.run("topics", "delete", "orders", code=2)
    t.run("topics", "delete", "orders", "--yes")
    assert "orders" in t.run("topics", "show", "orders", code=3)


def test_access_and_quotas_by_verbs(t):
    account = t.json("accounts", "create", "reader")["id"]
    t.run("acls", "allow", "--account", account, "--operation", "READ", "--topic", "a", "--prefix")
    t.run("acls", "deny", "--account", account, "--operation", "WRITE", "--topic", "a.b")
    rows = t.json("acls", "list", "--principal", account)["data"]
    assert {(r["permission"], r["pattern_type"]) for r in rows} == {("ALLOW", "PREFIXED"), ("DENY", "LITERAL")}
    assert len(t.json("acls", "list", "--topic", "a.b")["data"]) == 1
    batch = os.path.join(t.home, "acls.json")
    with open(batch, "w", encoding="utf-8") as f:
        json.dump({"data": [{"resource_type": "GROUP", "resource_name": "g", "pattern_type": "LITERAL", "host": "*",
                             "principal": f"User:{account}", "operation": "READ", "permission": "ALLOW"}]}, f)
    t.run("acls", "import", "--data", batch)
    remove = ("acls", "remove", "--account", account, "--operation", "READ", "--group", "g")
    assert "--yes" in t.run(*remove, code=2)
    assert len(t.json(*remove, "--yes")["data"]) == 1
    quota = t.json("quotas", "create", "slow", "--in", "1000000", "--out", "2000000", "--account", account)["id"]
    assert t.json("quotas", "set", quota, "--in", "3000000", "--out", "2000000")["spec"]["throughput"][
        "ingress_byte_rate"] == "3000000"
    assert t.json("quotas", "show", quota)["id"] == quota and quota in t.run("quotas")
    t.run("quotas", "delete", quota, "--yes")
    t.run("kafka-quotas", "set", "--client-id", "batch", "--in", "1048576")
    assert "batch" in t.run("kafka-quotas", "list", "--client-id", "batch")
    t.run("kafka-quotas", "delete", "--client-id", "batch", "--yes")
    assert t.json("scram-users", "set", "mill", "--password-made-up")["password"]
    t.run("scram-users", "set", "mill", "--mechanism", "SCRAM-SHA-512", data="a password that is typed\n")
    assert "SCRAM-SHA-512" in json.dumps(t.json("scram-users", "show", "mill")) and "mill" in t.run("scram-users")
    t.run("scram-users", "delete", "mill", "--yes")
    t.run("clusters", "principals")


def test_plans_limits_and_requests_by_verbs(t):
    assert t.json("plans", "create", "silver", "--plan", "standard", "partitions=33")["limits"]["partitions"] == 33
    assert t.json("plans", "show", "silver")["name"] == "silver" and "silver" in t.run("plans")
    t.json("plans", "set", "silver", "partitions=34")
    t.run("limits", "set", "--plan", "standard")
    assert "partitions" in t.run("limits")
    t.run("plans", "delete", "silver", "--yes")
    first = t.json("requests", "create", "asked", "--partitions", "1")["id"]
    assert t.json("requests", "show", first)["topic_name"] == "asked" and first in t.run("requests")
    t.run("requests", "approve", first)
    t.run("requests", "decline", t.json("requests", "create", "b")["id"], "--reason", "no")
    t.run("requests", "withdraw", t.json("requests", "create", "c")["id"])


def test_groups_by_verbs(t):
    t.s.make_topic(t.cluster, "read", 1)
    t.run("produce", "read", data="a\nb\n")
    assert [line.split()[-1] for line in t.run("consume", "read").splitlines()] == ["a", "b"]
    t.run("groups", "reset", "g", "--to", "earliest", "--topic", "read", "--yes")
    assert "g" in t.run("groups") and "read" in t.run("groups", "show", "g")
    assert t.json("groups", "lag", "g")["total_lag"] == 2
    assert t.json("groups", "lags", "g")["data"][0]["lag"] == 2
    assert t.json("groups", "lag-of", "g", "read", "0")["lag"] == 2
    assert t.json("groups", "members", "g")["data"] == []
    for verb in (["member", "g", "m"], ["assignments", "g", "m"], ["assignment", "g", "m", "read", "0"]):
        t.run("groups", *verb, code=3)
    t.run("groups", "forget", "g", "read", "--yes")
    t.run("groups", "reset", "g2", "--to", "latest", "--topic", "read", "--yes")
    t.run("groups", "delete", "g2", "--yes")


def test_records_are_searched_by_a_verb(t):
    t.s.make_topic(t.cluster, "searched", 2)
    t.run("produce", "searched", data="apple\npear\nquince\n")
    assert t.run("search", "searched", "--filter", 'value contains "p"', "--from", "oldest", "--format",
                 "string").split() in (["apple", "pear"], ["pear", "apple"])


def test_any_request_can_be_sent(t):
    assert t.json("api", "GET", "/leat/v1/info")["version"]
    made = json.loads(t.run("api", "post", "/org/v2/environments", "--data", "-", data='{"display_name": "raw"}'))
    t.run("api", "DELETE", f"/org/v2/environments/{made['id']}")
    t.run("api", "GET", "nowhere", code=2)
    assert t.run("api", "GET", "/leat/v1/clusters/lkc-none", code=3).startswith("leat: ")


def test_a_profile_is_its_owners_alone_and_can_be_changed(t):
    path = os.path.join(t.home, "leat", "config.json")
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert t.json("use")["cluster"] == t.cluster
    t.run("use", "lkc-none", code=3)
    secret = os.path.join(t.home, "secret")
    with open(secret, "w", encoding="utf-8") as f:
        f.write(t.s.cloud[1] + "\n")
    t.run("login", t.url, "--key", t.s.cloud[0], "--secret-file", secret, "--profile", "by-key")
    t.run("login", t.url, "--key", t.s.cloud[0], "--profile", "wrong", data="not the secret\n", code=1)
    rows = {r["profile"]: r for r in t.json("profiles")}
    assert set(rows) >= {"default", "by-key"} and "wrong" not in rows and rows["default"]["current"]
    assert t.s.cloud[1] not in t.run("profiles")
    unknown = t.run("topics", "--profile", "mistyped", code=2, env={"LEAT_URL": ""})
    assert "there is no profile 'mistyped'" in unknown and "login --profile mistyped" in unknown
    t.run("profile", "use", "by-key")
    assert "by-key" in t.run("whoami")
    t.run("profile", "use", "default")
    t.run("profile", "delete", "by-key", code=2)
    t.run("profile", "delete", "by-key", "--yes")
    t.run("profile", "use", "by-key", code=2)
    os.chmod(path, 0o644)
    assert "chmod 600" in t.raw("profiles")[2].decode()
    os.chmod(path, 0o600)


def test_exit_codes_say_what_went_wrong(t):
    t.run("clusters", "show", "lkc-none", code=3)
    t.run("no-such-noun", code=2)
    t.run("topics", "create", code=2)
    t.run("topics", "create", "a", "--partitions", "many", code=2)
    assert "usage: leat topics list" in t.run("topics", "list", "--partitions", "3", code=2)
    assert "--reason is missing" in t.run("requests", "decline", "x", code=2)
    t.run("topics", "create", "a b", code=1)
    assert "does not answer" in t.run("clusters", env={"LEAT_URL": "http://127.0.0.1:1"}, code=4)
    assert "leat login" in t.run("clusters", env={"LEAT_API_KEY": "x", "LEAT_API_SECRET": "y"}, code=1)


def test_who_asks_too_often_waits_as_told_and_asks_again(t):
    t.proxy.too_many = 2
    assert t.cluster in t.run("clusters")
    assert t.proxy.too_many == 0


def test_nothing_is_deleted_before_a_person_says_yes(t):
    t.s.make_topic(t.cluster, "kept", 1)
    def at_a_terminal(answer):
        main, other = os.openpty()
        child = subprocess.Popen([cli.LEAT, "topics", "delete", "kept"], env=t.environment, stdin=other, stdout=other, stderr=other)
        os.close(other)
        said = b""
        while b"Type yes" not in said:
            said += os.read(main, 4096)
        os.write(main, answer)
        code = child.wait(30)
        os.close(main)
        return code
    assert at_a_terminal(b"no\n") == 2
    t.run("topics", "show", "kept")
    assert at_a_terminal(b"yes\n") == 0
    t.run("topics", "show", "kept", code=3)


def on_a_terminal(t, *words):
    """The lines that a terminal of 72 columns shows."""
    main, other = os.openpty()
    fcntl.ioctl(other, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 72, 0, 0))
    child = subprocess.Popen([cli.LEAT, *words], env=t.environment, stdin=subprocess.DEVNULL, stdout=other, stderr=other)
    assert child.wait(30) == 0
    os.close(other)
    text = b""
    with contextlib.suppress(OSError):
        while part := os.read(main, 4096):
            text += part
    os.close(main)
    return text.decode().splitlines()


def test_tables_are_made_to_fit_the_terminal(t):
    t.s.make_environment("a name that is " + "very " * 8 + "long")
    lines = on_a_terminal(t, "environments")
    assert all(len(line) <= 72 for line in lines) and any("…" in line for line in lines), lines
    long, wide = "n" * 249, t.s.make_cluster(t.s.make_environment("wide"), "wide")["id"]
    t.s.good("POST", f"/kafka/v3/clusters/{wide}/topics", {"topic_name": long, "partitions_count": 1}, status=201)
    head, name, figures = on_a_terminal(t, "--cluster", wide, "topics")
    assert name == long and head.startswith("TOPIC ") and len(head) <= 72 and len(figures) <= 72, (head, figures)
    assert head.index("PARTITIONS") + len("PARTITIONS") == figures.index("1") + 1
    nouns = [line for line in t.run("--help").splitlines() if "…]" in line and line[40:41] == " "]
    assert nouns and all(line[39] == " " and line[41] != " " for line in nouns), nouns


def test_bash_completes_from_the_table(t):
    script = os.path.join(t.home, "completion.bash")
    with open(script, "w", encoding="utf-8") as f:
        f.write(t.run("completion", "bash"))
    bin_folder = os.path.dirname(cli.LEAT)
    def complete(*words):
        line = (f"source {script}; PATH={bin_folder}:$PATH; COMP_WORDS=({' '.join(repr(w) for w in ('leat', *words))}); "
                f"COMP_CWORD={len(words)}; _leat; printf '%s\\n' \"${{COMPREPLY[@]}}\"")
        done = subprocess.run(["bash", "--norc", "-c", line], env=t.environment, capture_output=True, text=True, timeout=60,
                              check=True)
        return done.stdout.split()
    t.s.make_topic(t.cluster, "completed", 1)
    assert {"topics", "topic-policy", "topic-configs"} == set(complete("top"))
    assert "create" in complete("topics", "") and complete("topics", "cr") == ["create"]
    assert "--partitions" in complete("topics", "create", "x", "--pa")
    assert "completed" in complete("topics", "show", "com") and "completed" in complete("consume", "com")
    assert complete("clusters", "show", "lkc") == [r["id"] for r in t.json("clusters")["data"]]
    assert complete("clusters", "create", "x", "--kind", "St") == ["Standard"]
    assert script in complete("acls", "import", "--data", script[:-2])
    assert complete("help", "comp") == ["completion"] and complete("help", "topics", "cr") == ["create"]
    assert complete("metrics", "query", "received_b") == ["received_bytes"]
    assert "default" in complete("profiles", "use", "")
    other = t.s.make_cluster(t.s.make_environment("completion"), "many")["id"]
    t.s.good("POST", f"/kafka/v3/clusters/{other}/topics", {"topic_name": "z.last", "partitions_count": 1}, status=201)
    for i in range(101):
        t.s.good("POST", f"/kafka/v3/clusters/{other}/topics", {"topic_name": f"many.{i}", "partitions_count": 1}, status=201)
    assert complete("--cluster", other, "topics", "show", "z") == ["z.last"]
    assert len(complete("--cluster", other, "topics", "show", "")) == 102

def at_a_prompt(t, argv, until, *lines):
    """What an interactive shell shows behind the last line until `until` comes."""
    main, other = os.openpty()
    environment = {**t.environment, "PATH": f"{os.path.dirname(cli.LEAT)}:{os.environ['PATH']}", "TERM": "dumb", "PS1": "> "}
    child = subprocess.Popen(argv, env=environment, stdin=other, stdout=other, stderr=other, cwd=t.home, start_new_session=True)
    os.close(other)
    try:
        for line in lines:
            os.write(main, line.encode())
            text, end = b"", time.monotonic() + 60
            while until not in text:
                assert select.select([main], [], [], max(0, end - time.monotonic()))[0], (argv, line, text)
                text += os.read(main, 4096)
    finally:
        child.kill()
        child.wait()
        os.close(main)
    return text.decode()


def test_bash_and_zsh_complete_at_a_prompt(t):
    t.s.make_topic(t.cluster, "typed-by-tab", 2)
    for argv, begin in ((["bash", "--norc", "--noprofile", "-i"], "source <(leat completion bash)"),
                        (["zsh", "-f", "-i"], "autoload -Uz compinit; compinit -D -u; source <(leat completion zsh)")):
        if not shutil.which(argv[0]):
            continue
        shown = at_a_prompt(t, argv, b"DONE", begin + "; echo DO''NE\n",
                            "leat topics sho\ttyped-\t --js\t | tr -d ' \\n'; echo DO''NE\n")
        assert '"topic_name":"typed-by-tab"' in shown, (argv, shown)


def test_fish_completes(t):
    if not shutil.which("fish"):
        return
    t.s.make_topic(t.cluster, "typed-in-fish", 1)
    path = {**t.environment, "PATH": f"{os.path.dirname(cli.LEAT)}:{os.environ['PATH']}"}
    for typed, first in (("leat topics sh", "show\t"), ("leat topics show typed-in", "typed-in-fish"), ("leat topics --js", "--json\t")):
        done = subprocess.run(["fish", "-c", f"leat completion fish | source; complete -C '{typed}'"], env=path,
                              capture_output=True, text=True, check=True, timeout=60)
        assert done.stdout.startswith(first), (typed, done)


def test_the_manual_page_has_every_verb_and_option(t):
    page = t.run("manual")
    for verb in t.json("help"):
        assert verb["text"].replace("-", "\\-").replace("`", "\\(oq") in page, verb
    with tempfile.NamedTemporaryFile("w", suffix=".1", encoding="utf-8") as f:
        f.write(page)
        f.flush()
        if shutil.which("mandoc"):
            subprocess.run(["mandoc", "-T", "lint", "-W", "error", f.name], check=True)
        elif shutil.which("groff"):
            done = subprocess.run(["groff", "-man", "-Tutf8", "-ww", "-Kutf8", f.name], capture_output=True, check=True)
            assert not done.stderr, done.stderr


def test_every_verb_says_how_it_is_used(t):
    for verb in t.json("help"):
        names = [verb["noun"], *([verb["verb"]] if verb["verb"] else [])]
        shown = t.run("help", *names)
        assert verb["usage"] in shown and verb["text"] in shown, verb
        assert verb["example"].split("| ")[-1].startswith(("leat", "promtool")) or "leat" in verb["example"], verb


def test_every_operation_is_reached_by_a_verb(t):
    operations = {o["operationId"] for o in contract.operations().values()}
    assert set(NOT_BY_VERBS) <= operations, set(NOT_BY_VERBS) - operations
    reached = set()
    for verb in t.json("help"):
        for call in filter(None, verb["calls"].split(";")):
            method, path = call.split()
            operation = contract.find(method, path.replace("{", "").replace("}", ""))
            assert operation, f"leat {verb['noun']} {verb['verb']} calls {call}, which openapi.yaml does not have"
            reached.add(operation["operationId"])
    missing = operations - reached - set(NOT_BY_VERBS)
    assert not missing, f"no verb of server/cli/verbs_*.def reaches {sorted(missing)}"
    if t.proxy.used >= {"createKafkaTopic", "listOrgV2Environments", "createKafkaAcls"}:  # the whole file ran
        unused = reached - t.proxy.used
        assert not unused, f"no test of this file had leat call {sorted(unused)}"
