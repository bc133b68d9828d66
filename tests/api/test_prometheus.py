"""Figures for Prometheus: what /metrics and the export say is held by promtool, a real Prometheus scrapes it, and
the rules and the board of deploy/ speak of figures that there are."""
import contextlib
import json
import os
import re
import subprocess
import tempfile
import urllib.parse
import urllib.request

import client
import leatd
from client import text, wait_for
from leatd import kcat

DEPLOY = os.path.join(leatd.ROOT, "deploy")


@contextlib.contextmanager
def fixture():
    with client.running() as server:
        server.cluster = server.make_cluster(server.make_environment('a "quoted" \\ name'), "fleet")["id"]
        server.good("POST", f"/kafka/v3/clusters/{server.cluster}/topics", {"topic_name": "orders", "partitions_count": 2})
        server.good("POST", f"/kafka/v3/clusters/{server.cluster}/topics", {"topic_name": "late", "partitions_count": 1})
        server.produce(server.cluster, "orders", *[text("x") for _ in range(9)])
        server.produce(server.cluster, "late", *[text("x") for _ in range(7)])
        read_two_of_late(server)
        yield server


def read_two_of_late(server):
    """A group that reads two of seven records, by kcat, and goes."""
    key, secret, account = server.make_key(server.cluster, "reader")
    for kind, name in (("TOPIC", "late"), ("GROUP", "slow")):
        server.good("POST", f"/kafka/v3/clusters/{server.cluster}/acls", {
            "resource_type": kind, "resource_name": name, "pattern_type": "LITERAL", "principal": f"User:{account}", "host": "*",
            "operation": "READ", "permission": "ALLOW"})
    row = server.good("GET", f"/leat/v1/clusters/{server.cluster}")
    kcat(row["bootstrap_servers"], (key, secret), "-G", "slow", "-c", "2", "-X", "auto.offset.reset=earliest", "late")


def promtool(*args, text_in=None, good=(0,)):
    done = subprocess.run(["promtool", *args], input=text_in, capture_output=True, timeout=60, check=False)
    assert done.returncode in good, (args, done.stdout[-2000:], done.stderr[-2000:])
    return (done.stdout + done.stderr).decode()


def families(scraped):
    return set(re.findall(r"^# TYPE (\w+) ", scraped, re.M))


def test_promtool_finds_nothing_wrong_with_the_metrics(s):
    answer = s.call("GET", "/metrics")
    assert promtool("check", "metrics", text_in=answer.body) == ""


def test_promtool_reads_the_export(s):
    answer = s.call("GET", f"/v2/metrics/cloud/export?resource.kafka.id={s.cluster}")
    assert answer.status == 200
    # 3: what it thinks of the dialect's names (request_count is no histogram's)
    said = promtool("check", "metrics", text_in=answer.body, good=(0, 3))
    assert "error while" not in said, said


def test_the_alert_rules_ring_when_they_should(s):
    folder = os.path.join(DEPLOY, "prometheus")
    promtool("check", "rules", os.path.join(folder, "leat.rules.yml"))
    promtool("test", "rules", os.path.join(folder, "leat.rules.test.yml"))


def board():
    with open(os.path.join(DEPLOY, "grafana", "leat.json"), encoding="utf-8") as f:
        return json.load(f)


def test_rules_and_board_speak_of_figures_that_there_are(s):
    known = families(s.call("GET", "/metrics").body.decode())
    with open(os.path.join(DEPLOY, "prometheus", "leat.rules.yml"), encoding="utf-8") as f:
        said = [line for line in f if "expr:" in line]
    said += [t["expr"] for p in board()["panels"] for t in p["targets"]]
    used = set(re.findall(r"\bleat_\w+", " ".join(said)))
    assert len(used) > 10 and used <= known, used - known


@contextlib.contextmanager
def prometheus(s):
    """A real one with the configuration of deploy/, but for its address, its secret and its haste; its base URL."""
    with tempfile.TemporaryDirectory(prefix="leat-prometheus-") as folder, open(os.path.join(folder, "log"), "wb") as log:
        with open(os.path.join(DEPLOY, "prometheus", "prometheus.yml"), encoding="utf-8") as f:
            config = f.read()
        for old, new in (("127.0.0.1:8080", f"127.0.0.1:{s.http_port}"), ("CLOUD_API_KEY_ID", s.cloud[0]), (": 15s", ": 1s")):
            assert old in config, old
            config = config.replace(old, new)
        with open(os.path.join(DEPLOY, "prometheus", "leat.rules.yml"), encoding="utf-8") as f:
            rules = f.read()
        for name, content in (("prometheus.yml", config), ("leat.secret", s.cloud[1]), ("leat.rules.yml", rules)):
            with open(os.path.join(folder, name), "w", encoding="utf-8") as f:
                f.write(content)
        promtool("check", "config", os.path.join(folder, "prometheus.yml"))
        address = f"127.0.0.1:{leatd.free_ports(1)}"
        process = subprocess.Popen(
            ["prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
             f"--web.listen-address={address}"], stdout=log, stderr=log, cwd=folder)
        try:
            yield f"http://{address}"
        finally:
            process.terminate()
            process.wait(30)


def test_a_real_prometheus_scrapes_with_the_configuration_of_deploy(s):
    with prometheus(s) as base:
        def ask(path, **query):
            with contextlib.suppress(OSError, ValueError):
                with urllib.request.urlopen(f"{base}/api/v1/{path}?{urllib.parse.urlencode(query)}", timeout=10) as answer:
                    return json.load(answer)["data"]
            return None

        def value(query):
            rows = (ask("query", query=query) or {}).get("result")
            return float(rows[0]["value"][1]) if rows else None
        assert wait_for(lambda: value(f'leat_broker_up{{cluster_id="{s.cluster}"}}'), "Prometheus has the broker", 60) == 1
        wait_for(lambda: value('leat_topic_records_in_total{topic="orders"}') == 9, "it has the topic's records", 90)
        row = ask("query", query="leat_broker_up")["result"][0]["metric"]
        assert row["environment"] == 'a "quoted" \\ name' and row["cluster"] == "fleet"
        target = ask("targets")["activeTargets"][0]
        assert target["health"] == "up" and not target["lastError"], target
        rules = [r for g in ask("rules")["groups"] for r in g["rules"]]
        lag = f'{{cluster_id="{s.cluster}",consumer_group="slow",topic="late"}}'
        wait_for(lambda: value(f"leat_consumer_lag_records{lag}") == 5, "it has the group's lag", 60)
        age = value(f"leat_consumer_time_lag_seconds{lag}")
        assert 0 < age < 600, age
        for panel in board()["panels"]:
            for target in panel["targets"]:
                query = target["expr"].replace("$__rate_interval", "30s").replace("$environment", ".*").replace("$cluster", ".*")
                wait_for(lambda query=query: value(query) is not None, f"{panel['title']} has something to show: {query}", 60)
        assert len(rules) == 8 and all(r["health"] != "err" for r in rules), rules
