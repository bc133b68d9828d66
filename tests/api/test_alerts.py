"""Alerts end to end: every kind of rule fires and is resolved at real receivers (a webhook, a chat, a mailbox); messages
that a receiver does not take, kills, silences; what must not be reached; secrets."""
import contextlib
import glob
import html
import os
import re
import signal
import sqlite3
import ssl
import subprocess
import time

import client
import sinks
from client import text, wait_for
from leatd import kcat

QUICK = {"for_ms": 0, "resolve_ms": 0, "group_ms": 0}
KEY = "a key of signatures, long enough"


class Alerts:
    def __init__(self, server, hook, chat, mail):
        self.s, self.hook, self.chat, self.mail = server, hook, chat, mail
        self.made, self.names = 0, {}
        self.environment = server.make_environment("alerts")
        self.cluster = server.make_cluster(self.environment, "orders")
        self.id = self.cluster["id"]
        self.path = f"/leat/v1/clusters/{self.id}"
        self.key = server.make_key(self.id)
        self.channel = self.make_channel(type="webhook", url=hook.url, secret=KEY)["id"]
        self.channels = [self.channel, self.make_channel(type="slack", url=chat.url)["id"],
                         self.make_channel(type="email", url=mail.url, tls="none", to=["ops@example.com"], **{"from": "leat@example.com"})["id"]]

    def name(self, what):
        self.made += 1
        return f"{what} {self.made}"

    def make_channel(self, **body):
        return self.s.good("POST", "/leat/v1/alert-channels", {"name": self.name("channel"), **body}, status=201)

    def make_rule(self, watches, **body):
        made = self.s.good("POST", "/leat/v1/alert-rules", {
            "name": self.name(watches), "watches": watches, "channels": self.channels, **QUICK, **body}, status=201)
        self.names[made["id"]] = made["name"]
        return made["id"]

    def alerts(self, rule, state=None):
        query = f"&state={state}" if state else ""
        return self.s.good("GET", f"/leat/v1/alerts?rule_id={rule}{query}")["data"]

    def fired(self, rule, hook=None):
        """The first message about the rule that says firing, and its one alert; every receiver has the same."""
        body = (hook or self.hook).wait(lambda b: b["rule"] and b["rule"]["id"] == rule and b["firing"], "it fires")
        if not hook:
            self.everywhere(rule, f"{body['firing']} firing", body["alerts"][0]["text"])
        return body, body["alerts"][0]

    def resolved(self, rule, hook=None):
        body = (hook or self.hook).wait(lambda b: b["rule"] and b["rule"]["id"] == rule and b["status"] == "resolved",
                                        "it is resolved")
        if not hook:
            self.everywhere(rule, "resolved", body["alerts"][0]["reason"])
        return body

    def everywhere(self, rule, status, words):
        """In the chat and in the mailbox, in their own forms."""
        title = f"{self.names[rule]}: "
        said = self.chat.wait(lambda b: title in b["text"] and status in b["text"], "the chat is told")
        assert words in html.unescape(said["attachments"][0]["text"]), (words, said)
        _from, to, message = self.mail.wait_for(lambda m: title in m["Subject"] and status in m["Subject"], "a mail comes")
        assert to == ["ops@example.com"] and words in " ".join(message.get_content().split()), (words, message)

    def deliveries(self, channel):
        return self.s.good("GET", f"/leat/v1/alert-deliveries?channel_id={channel}&page_size=100")["data"]

    def drop(self, rule):
        self.s.good("DELETE", f"/leat/v1/alert-rules/{rule}", status=204)

    def figures(self):
        return self.s.good("GET", self.path)["use"]


@contextlib.contextmanager
def fixture():
    hook, chat, mail, server = sinks.Http(), sinks.Http(), sinks.Mail(), client.Checked()
    server.more = ["--alert-near"]
    try:
        yield Alerts(server.start(), hook, chat, mail)
    finally:
        server.note_audit()
        server.stop()
        for sink in (hook, chat, mail):
            sink.close()


def test_a_new_organization_has_rules_that_it_may_change(t):
    rules = {r["name"]: r for r in t.s.good("GET", "/leat/v1/alert-rules")["data"]}
    assert {"Broker down", "Damaged partition", "Appends refused", "Storage above 85 %", "Disk above 90 %"} == set(rules)
    rule = rules["Storage above 85 %"]
    assert (rule["watches"], rule["threshold"], rule["unit"], rule["enabled"], rule["channels"]) == ("storage", 85, "%", True, [])
    path = f"/leat/v1/alert-rules/{rule['id']}"
    changed = t.s.good("PATCH", path, {"threshold": 80, "description": "See the wiki."})
    assert (changed["threshold"], changed["for_ms"], changed["name"]) == (80, 300000, "Storage above 85 %")
    assert t.s.good("GET", path) == changed
    row = next(r for r in t.s.good("GET", "/leat/v1/audit?operation=alert_rule.update")["data"])
    assert (row["detail"]["before"]["threshold"], row["detail"]["after"]["threshold"]) == (85, 80), row
    for name in rules:  # the tests below are about their own
        t.s.good("PATCH", f"/leat/v1/alert-rules/{rules[name]['id']}", {"enabled": False})


def test_what_makes_no_sense_is_refused_with_a_sentence(t):
    good = {"name": "x", "watches": "lag", "threshold": 1}
    for change in ({"watches": "weather"}, {"threshold": -1}, {"severity": "red"}, {"for_ms": -1}, {"repeat_ms": 5},
                   {"channels": ["ac-none"]}, {"name": "x\r\nBcc: spy@example.com"}, {"cluster_id": t.id, "environment_id": t.environment}, {"name": ""},
                   {"environment_id": "env-none"}, {"watches": "disk", "cluster_id": t.id},
                   {"watches": "storage", "resource": "x"}, {"threshold": "many"}, {"enabled": 1}):
        e = t.s.refused(422, "POST", "/leat/v1/alert-rules", {**good, **change})["errors"][0]
        assert e["detail"].endswith("."), e
    mail = {"name": "m", "type": "email", "url": "smtp://mail.example.com:25", "from": "a@example.com", "to": ["b@example.com"]}
    for change in ({"type": "pigeon"}, {"url": "ftp://x"}, {"url": "https://user@host/"}, {"to": []}, {"to": ["x\r\nDATA"]},
                   {"from": "nobody"}, {"tls": "none", "username": "u", "secret": "p"}, {"username": "u"},
                   {"url": "smtp://h:25/path"}, {"ca_pem": "x"}):
        e = t.s.refused(422, "POST", "/leat/v1/alert-channels", {**mail, **change})["errors"][0]
        assert e["detail"].endswith("."), e
    t.s.refused(422, "POST", "/leat/v1/alert-channels", {"name": "s", "type": "slack"})
    t.s.refused(422, "POST", "/leat/v1/alert-channels", {"name": "w", "type": "webhook", "url": t.hook.url, "secret": "short"})
    t.s.refused(404, "GET", "/leat/v1/alert-rules/ar-none")
    t.s.refused(422, "POST", "/leat/v1/alert-silences", {"comment": "for ever"})
    e = t.s.refused(409, "DELETE", f"/leat/v1/alert-channels/{t.channel}") if t.make_rule("lag", threshold=9e9) else None
    assert "rule" in e["errors"][0]["detail"], e


# --- every kind ------------------------------------------------------------------------------------------------------

def test_a_broker_that_does_not_serve_fires_and_is_resolved_when_it_does(t):
    rule = t.make_rule("broker_state", cluster_id=t.id, severity="critical", description="Call somebody.")
    folder = os.path.join(t.s.data, "clusters", t.id, "data")
    pid = t.s.good("GET", t.path)["state"]["pid"]
    os.rename(folder, folder + ".aside")
    with open(folder, "wb"):  # a file where its folder was: it cannot start
        pass
    os.kill(pid, signal.SIGKILL)
    body, alert = t.fired(rule)
    assert (body["status"], body["rule"]["severity"], body["rule"]["description"]) == ("firing", "critical", "Call somebody.")
    assert (alert["cluster_id"], alert["cluster_name"], alert["status"]) == (t.id, "orders", "firing")
    assert "not running" in alert["text"], alert
    os.unlink(folder)
    os.rename(folder + ".aside", folder)
    t.s.call("POST", t.path + ":restart")
    t.s.running(t.id)
    assert t.resolved(rule)["alerts"][0]["reason"] == "The broker serves."
    t.drop(rule)


def test_storage_near_its_limit_fires_until_there_is_room_again(t):
    t.s.make_topic(t.id, "stored", 1)
    t.s.produce(t.id, "stored", text("x" * 1000))
    rule = t.make_rule("storage", cluster_id=t.id, threshold=0)
    _body, alert = t.fired(rule)
    assert alert["unit"] == "%" and alert["value"] > 0 and "storage limit" in alert["text"], alert
    t.s.good("DELETE", f"/kafka/v3/clusters/{t.id}/topics/stored", status=204)
    t.resolved(rule)
    t.drop(rule)


def test_refused_appends_fire_until_producers_are_served(t):
    t.s.make_topic(t.id, "full", 1)
    t.s.good("PATCH", t.path, {"limits": {"storage_bytes": 1 << 20}})
    rule = t.make_rule("appends_refused", cluster_id=t.id)

    def refused():
        kcat(t.cluster["bootstrap_servers"], t.key, "-P", "-t", "full", "-X", "message.timeout.ms=2000",
             "-X", "compression.codec=none", data="\n".join(os.urandom(30000).hex() for _ in range(4)))
        return t.alerts(rule)
    wait_for(refused, "producers are refused", 60)
    _body, alert = t.fired(rule)
    assert "refused" in alert["text"], alert
    t.s.good("PATCH", t.path, {"limits": {"storage_bytes": None}})
    t.resolved(rule)
    t.drop(rule)


def test_a_damaged_partition_fires_until_it_is_gone(t):
    t.s.make_topic(t.id, "hit", 1)
    for i in range(3):
        t.s.produce(t.id, "hit", text(f"hit-{i}-canary"))
    rule = t.make_rule("damaged_partitions", cluster_id=t.id)
    t.s.good("POST", t.path + ":pause", {"reason": "a byte is flipped"})
    wait_for(lambda: t.s.good("GET", t.path)["state"]["pid"] is None, "the broker has stopped")
    for path in glob.glob(os.path.join(t.s.data, "clusters", t.id, "**", "*.log"), recursive=True):
        with open(path, "r+b") as f:
            if (at := f.read().find(b"hit-1-canary")) >= 0:
                f.seek(at)
                f.write(b"H")
    t.s.good("POST", t.path + ":resume")
    t.s.running(t.id)
    kcat(t.cluster["bootstrap_servers"], t.key, "-C", "-t", "hit", "-o", "beginning", "-e", "-m", "5")
    _body, alert = t.fired(rule)
    assert alert["value"] == 1 and "hit-0" in alert["text"], alert
    t.s.good("DELETE", f"/kafka/v3/clusters/{t.id}/topics/hit", status=204)
    t.resolved(rule)
    t.drop(rule)


def test_a_group_that_falls_behind_fires_until_it_has_caught_up(t):
    t.s.make_topic(t.id, "read", 1)
    t.s.produce(t.id, "read", *[text(str(i)) for i in range(30)])
    for group, offset in (("slow", 5), ("fast", 30), ("other", 0)):
        t.s.good("POST", f"{t.path}/groups/{group}:reset-offsets", {
            "to": "offset", "offset": offset, "topics": [{"topic": "read", "partitions": [0]}]})
    rule = t.make_rule("lag", cluster_id=t.id, threshold=20, resource="s*")
    _body, alert = t.fired(rule)
    assert (alert["resource"], alert["value"], alert["unit"]) == ("slow", 25, "records"), alert
    assert "partition 0 of read" in alert["text"], alert
    assert [a["resource"] for a in t.alerts(rule)] == ["slow"]
    t.s.good("POST", f"{t.path}/groups/slow:reset-offsets", {"to": "latest"})
    t.resolved(rule)
    t.drop(rule)


def test_a_group_whose_next_record_gets_old_fires_until_it_has_read_it(t):
    t.s.make_topic(t.id, "aged", 2)
    old = int(time.time() * 1000) - 3600000
    for partition, age in ((0, 1000), (1, 3600000)):
        record = {"partition_id": partition, "timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - age / 1000))}
        t.s.produce(t.id, "aged", {**record, **text("first")}, {**record, **text("second")})
    t.s.good("POST", f"{t.path}/groups/aging:reset-offsets", {"to": "earliest", "topics": [{"topic": "aged"}]})
    rule = t.make_rule("time_lag", cluster_id=t.id, threshold=600, resource="aging")
    _body, alert = t.fired(rule)
    assert alert["resource"] == "aging" and alert["unit"] == "s" and "partition 1 of aged" in alert["text"], alert
    assert abs(alert["value"] - (time.time() - old / 1000)) < 60, alert
    t.s.good("POST", f"{t.path}/groups/aging:reset-offsets", {
        "to": "offset", "offset": 2, "topics": [{"topic": "aged", "partitions": [1]}]})
    t.resolved(rule)
    quiet = t.make_rule("time_lag", cluster_id=t.id, threshold=5, resource="aging")  # nothing is produced or read any more
    t.fired(quiet)
    t.drop(rule)
    t.drop(quiet)


def test_a_principal_that_is_throttled_fires_until_it_is_not(t):
    t.s.make_topic(t.id, "slowed", 1)
    quota = t.s.call("PUT", f"{t.path}/kafka-quotas/user/{t.key[2]}", {"producer_byte_rate": 20000})
    if quota.status >= 300:
        quota = t.s.call("POST", "/kafka-quotas/v1/client-quotas", {"spec": {
            "display_name": "slow", "throughput": {"ingress_byte_rate": "20000", "egress_byte_rate": "1000000"},
            "cluster": {"id": t.id}, "environment": {"id": t.environment}, "principals": [{"id": t.key[2]}]}})
    assert quota.status < 300, quota
    rule = t.make_rule("throttling", cluster_id=t.id, threshold=50)

    def slowed():
        kcat(t.cluster["bootstrap_servers"], t.key, "-P", "-t", "slowed", "-X", "compression.codec=none",
             data="\n".join(os.urandom(5000).hex() for _ in range(6)), timeout=60)
        return t.alerts(rule)
    wait_for(slowed, "quotas hold it back", 60)
    _body, alert = t.fired(rule)
    assert alert["resource"] == f"User:{t.key[2]}" and alert["unit"] == "ms/s", alert
    t.resolved(rule)
    t.drop(rule)


def test_failing_requests_fire_until_they_succeed(t):
    rule = t.make_rule("error_rate", cluster_id=t.id, threshold=5)

    def failing():
        for _ in range(30):
            t.s.call("GET", f"{t.path}/groups/nobody-{time.monotonic_ns()}")
            t.s.call("POST", f"{t.path}/groups/nobody:reset-offsets", {"to": "offset", "offset": 1, "topics": [{"topic": "none"}]})
        kcat(t.cluster["bootstrap_servers"], t.key, "-C", "-t", "none", "-p", "0", "-o", "5", "-e", "-m", "2", timeout=20)
        return t.alerts(rule)
    wait_for(failing, "requests fail", 60)
    _body, alert = t.fired(rule)
    assert alert["unit"] == "%" and 5 < alert["value"] <= 100, alert

    def serving():
        for _ in range(30):
            t.s.good("GET", f"{t.path}/groups")
        return any(a["state"] == "resolved" for a in t.alerts(rule))
    wait_for(serving, "requests succeed", 60)
    t.resolved(rule)
    t.drop(rule)


def test_a_full_disk_fires_and_a_rule_that_changes_resolves(t):
    rule = t.make_rule("disk", threshold=0.0001)
    body, alert = t.fired(rule)
    assert (alert["cluster_id"], alert["resource"]) == ("", "") and "disk" in alert["text"], alert
    assert body["title"].endswith(": 1 firing") and body["console_url"].startswith(t.s.base), body
    t.s.good("PATCH", f"/leat/v1/alert-rules/{rule}", {"threshold": 100})
    t.resolved(rule)
    t.drop(rule)


def test_a_watchdog_always_fires_and_says_so_when_it_is_deleted(t):
    rule = t.make_rule("watchdog")
    t.fired(rule)
    t.drop(rule)
    assert t.resolved(rule)["alerts"][0]["reason"] == "The rule was deleted."
    last = t.alerts(rule)[0]
    assert (last["state"], last["reason"]) == ("resolved", "The rule was deleted.")


# --- when, and how often ---------------------------------------------------------------------------------------------

def test_a_condition_is_pending_until_it_has_held_for_its_time(t):
    rule = t.make_rule("disk", threshold=0, for_ms=5000)
    pending = wait_for(lambda: t.alerts(rule), "it is pending")[0]
    assert pending["state"] == "pending" and pending["fired_at"] is None, pending
    t.fired(rule)
    alert = t.alerts(rule)[0]
    held = client.milliseconds(alert["fired_at"]) - client.milliseconds(alert["began_at"])
    assert alert["id"] == pending["id"] and held >= 5000, alert
    t.drop(rule)


def test_what_a_silence_covers_is_not_told_until_it_ends(t):
    rule = t.make_rule("disk", threshold=0, enabled=False)
    silence = t.s.good("POST", "/leat/v1/alert-silences", {"rule_id": rule, "duration_ms": 3600000, "comment": "moving"}, status=201)
    assert silence["state"] == "active" and silence["comment"] == "moving"
    t.s.good("PATCH", f"/leat/v1/alert-rules/{rule}", {"enabled": True})
    alert = wait_for(lambda: t.alerts(rule, "firing"), "it fires")[0]
    assert alert["silenced"] and alert["told_at"] is None, alert
    other = t.make_rule("disk", threshold=0)  # when this is told, the first would have been
    t.fired(other)
    assert not [b for b in t.hook.bodies() if b["rule"] and b["rule"]["id"] == rule]
    assert [s["id"] for s in t.s.good("GET", "/leat/v1/alert-silences")["data"]] == [silence["id"]]
    t.s.good("DELETE", f"/leat/v1/alert-silences/{silence['id']}", status=204)
    t.fired(rule)
    assert not t.alerts(rule)[0]["silenced"]
    t.drop(rule)
    t.drop(other)


def test_many_alerts_of_a_rule_are_one_message(t):
    t.s.make_topic(t.id, "many", 1)
    t.s.produce(t.id, "many", *[text(str(i)) for i in range(10)])
    for i in range(8):
        t.s.good("POST", f"{t.path}/groups/many-{i}:reset-offsets", {"to": "earliest", "topics": [{"topic": "many"}]})
    rule = t.make_rule("lag", cluster_id=t.id, threshold=5, resource="many-*", group_ms=600000)
    body, _alert = t.fired(rule)
    assert body["firing"] == 8 and len({a["resource"] for a in body["alerts"]}) == 8, body
    t.s.good("POST", f"{t.path}/groups/many-0:reset-offsets", {"to": "latest"})
    wait_for(lambda: len(t.alerts(rule, "resolved")) == 1, "one has caught up", 40)
    assert len([b for b in t.hook.bodies() if b["rule"] and b["rule"]["id"] == rule]) == 1  # the next one is later
    t.drop(rule)


def test_dozens_of_rules_of_one_kind_each_find_what_is_theirs(t):
    t.s.make_topic(t.id, "dozens", 1)
    t.s.produce(t.id, "dozens", *[text(str(i)) for i in range(40)])
    t.s.good("POST", f"{t.path}/groups/dozens:reset-offsets", {"to": "offset", "offset": 20, "topics": [{"topic": "dozens", "partitions": [0]}]})
    rules = [t.make_rule("lag", cluster_id=t.id, threshold=i, resource="dozens", channels=[t.channel]) for i in range(40)]

    def state(wanted):
        found = t.s.good("GET", f"/leat/v1/alerts?cluster_id={t.id}&state={wanted}&page_size=500")["data"]
        return sorted(rules.index(a["rule_id"]) for a in found if a["rule_id"] in rules)
    wait_for(lambda: state("firing") == list(range(20)), "those below what it is behind fire", 40)
    last = t.make_rule("disk", threshold=0, channels=[t.channel])
    t.fired(last, t.hook)  # a round later there are still no others
    assert state("firing") == list(range(20)) and state("pending") == []
    t.s.good("POST", f"{t.path}/groups/dozens:reset-offsets", {"to": "latest"})
    wait_for(lambda: state("resolved") == list(range(20)) and not state("open"), "all are resolved", 40)
    for rule in (*rules, last):
        t.drop(rule)


def test_what_fires_still_is_told_again_when_its_time_has_come(t):
    again = t.make_rule("disk", threshold=0, repeat_ms=14400000)
    never = t.make_rule("disk", threshold=0, repeat_ms=0)
    first = {rule: t.fired(rule) for rule in (again, never)}

    def told(rule):
        return [b for b in t.hook.bodies() if b["rule"] and b["rule"]["id"] == rule]
    wait_for(lambda: all(t.alerts(rule)[0]["told_at"] for rule in (again, never)), "both are told")
    t.s.kill(signal.SIGINT)
    with contextlib.closing(sqlite3.connect(os.path.join(t.s.data, "leat.db"))) as db, db:  # four hours go by
        for table in ("alert", "alert_rule"):
            db.execute(f"UPDATE {table} SET told_at = told_at - 14400000 WHERE told_at > 0")
    t.s.start()
    body = t.hook.wait(lambda b: b["rule"] and b["rule"]["id"] == again and b["id"] != first[again][0]["id"], "it is repeated")
    assert (body["status"], body["firing"], body["alerts"][0]["id"]) == ("firing", 1, first[again][1]["id"]), body
    assert body["alerts"][0]["fired_at"] == first[again][1]["fired_at"], body
    causes = {d["rule_id"]: d["cause"] for d in reversed(t.deliveries(t.channel))}
    assert (causes[again], causes[never]) == ("repeat", "alert"), causes
    other = t.make_rule("disk", threshold=0)  # told after a later look: what was to come would have
    t.fired(other)
    assert (len(told(again)), len(told(never))) == (2, 1)
    for rule in (again, never, other):
        t.drop(rule)


def test_history_is_bounded_in_number_and_age(t):
    rule = t.make_rule("watchdog", severity="info")
    t.fired(rule)
    wait_for(lambda: t.alerts(rule)[0]["told_at"], "it is told")
    t.s.kill(signal.SIGINT)
    path = os.path.join(t.s.data, "leat.db")
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        def copies(table, count, change):
            columns = [row[1] for row in db.execute(f"PRAGMA table_info({table})")]
            chosen = ", ".join(change.get(c, c) for c in columns)
            db.execute(f"""INSERT INTO {table} ({', '.join(columns)}) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n
                           WHERE i < {count}) SELECT {chosen} FROM {table}, n WHERE seq = (SELECT max(seq) FROM {table})""")
        seq = {"seq": "seq + i", "id": "id || i"}
        resolved = {**seq, "state": "'resolved'", "owed": "''"}
        copies("alert", 300, {**resolved, "resolved_at": "told_at - 91 * 86400000"})
        copies("alert", 20400, {**resolved, "resolved_at": "told_at"})
        copies("alert_delivery", 5300, {**seq, "state": "'sent'"})
    t.s.start()

    def kept():
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
            old = db.execute("SELECT count(*) FROM alert WHERE resolved_at < told_at AND state = 'resolved' AND resolved_at > 0").fetchone()[0]
            return db.execute("SELECT count(*) FROM alert WHERE state = 'resolved'").fetchone()[0] <= 20000 and old == 0 and \
                db.execute("SELECT count(*) FROM alert_delivery").fetchone()[0] <= 5001
    wait_for(kept, "the oldest are gone", 60)
    assert t.alerts(rule, "firing"), "what is open stays, however old"
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        db.execute("DELETE FROM alert WHERE state = 'resolved' AND rule_id = ?", (rule,))
    t.drop(rule)


def test_a_name_that_is_no_text_hides_no_alert(t):
    t.s.make_topic(t.id, "odd", 1)
    t.s.produce(t.id, "odd", *[text(str(i)) for i in range(10)])
    rule = t.make_rule("lag", cluster_id=t.id, threshold=3, resource="odd*")
    kcat(t.cluster["bootstrap_servers"], t.key, "-q", "-X", "auto.offset.reset=earliest", "-c", "2", "-G",
         b"odd-\xff\nresolved orders: <!channel>".decode("utf-8", "surrogateescape"), "odd")
    _body, alert = t.fired(rule)
    assert alert["resource"] == "odd-?\nresolved orders: <!channel>" and alert["value"] == 8, alert
    # Nor does it write lines of its own for those who read, or call a whole chat.
    _from, _to, message = t.mail.wait_for(lambda m: t.names[rule] in m["Subject"], "a mail comes")
    said = t.chat.wait(lambda b: t.names[rule] in b["text"], "the chat is told")["attachments"][0]["text"]
    line = "firing orders / odd-??resolved orders: <!channel>: 8 records behind"
    assert message.get_content().startswith(line) and said.startswith(html.escape(line)), (message, said)
    t.drop(rule)


def test_alerts_and_what_is_owed_survive_a_kill(t):
    with contextlib.closing(sinks.Http(answers=[503])) as hook:
        channel = t.make_channel(type="webhook", url=hook.url, secret=KEY)["id"]
        rule = t.make_rule("disk", threshold=0, channels=[channel])
        waiting = wait_for(lambda: [d for d in t.deliveries(channel) if d["attempts"]], "it was tried in vain")[0]
        assert (waiting["state"], waiting["status"], waiting["error"]) == ("queued", 503, "It answers with status 503.")
        before = t.alerts(rule)[0]
        t.s.kill(signal.SIGKILL)
        t.s.start()
        assert t.alerts(rule)[0]["id"] == before["id"]
        wait_for(lambda: len(hook.posts) == 2, "it is tried again after the kill", 40)
        told = wait_for(lambda: [d for d in t.deliveries(channel) if d["state"] == "sent"], "it arrived")
        assert [(d["id"], d["attempts"]) for d in told] == [(waiting["id"], 2)]
        ids = {headers["Leat-Delivery"] for headers, _body in hook.posts}
        assert ids == {waiting["id"]} and t.alerts(rule)[0]["state"] == "firing"
        t.drop(rule)
        t.resolved(rule, hook)


def test_a_receiver_that_was_away_is_told_once_what_is(t):
    with contextlib.closing(sinks.Http(answers=[500])) as hook:
        channel = t.make_channel(type="webhook", url=hook.url)["id"]
        rule = t.make_rule("disk", threshold=0, channels=[channel])
        wait_for(lambda: hook.posts, "it was tried in vain")
        t.s.good("PATCH", f"/leat/v1/alert-rules/{rule}", {"threshold": 100})
        wait_for(lambda: t.alerts(rule, "resolved"), "it is over")
        body = hook.wait(lambda b: b["status"] == "resolved", "the second attempt tells how it is now")
        assert (body["firing"], body["resolved"], len(t.deliveries(channel))) == (0, 1, 1), body
        t.drop(rule)


def test_a_receiver_that_breaks_off_is_told_again(t):
    with contextlib.closing(sinks.Http(answers=["cut"])) as hook:
        channel = t.make_channel(type="webhook", url=hook.url)["id"]
        rule = t.make_rule("disk", threshold=0, channels=[channel])
        waiting = wait_for(lambda: [d for d in t.deliveries(channel) if d["attempts"]], "it was tried")[0]
        assert waiting["state"] == "queued" and "status 200 and breaks off" in waiting["error"], waiting
        wait_for(lambda: [d for d in t.deliveries(channel) if d["state"] == "sent"], "it arrived", 40)
        assert {headers["Leat-Delivery"] for headers, _body in hook.posts} == {waiting["id"]} and len(hook.posts) == 2
        t.drop(rule)


def test_receivers_that_hang_or_never_end_are_tried_again_and_one_that_said_yes_is_not(t):
    slow = [sinks.Http(answers=["hang"] * 99), sinks.Http(answers=["drip"] * 99), sinks.Mail()]
    slow[2].answers = ["hang"] * 99
    with contextlib.closing(sinks.Http(answers=["endless"])) as talkative:
        channels = [t.make_channel(type="webhook", url=hook.url)["id"] for hook in (talkative, *slow[:2])]
        channels.append(t.make_channel(type="email", url=slow[2].url, tls="none", to=["ops@example.com"],
                                       **{"from": "leat@example.com"})["id"])
        rule = t.make_rule("disk", threshold=0, channels=channels)
        tried = [wait_for(lambda c=c: [d for d in t.deliveries(c) if d["attempts"]], "it was tried", 60)[0] for c in channels]
        assert (tried[0]["state"], tried[0]["attempts"], len(talkative.posts)) == ("sent", 1, 1), tried
        assert {d["state"] for d in tried[1:]} == {"queued"}, tried
        for delivery, words in zip(tried[1:], ("It cannot be reached: Timeout", "status 200 and breaks off: Timeout",
                                               "It cannot be reached: Timeout")):
            assert words in delivery["error"], tried
        t.drop(rule)
        for channel in channels:
            t.s.good("DELETE", f"/leat/v1/alert-channels/{channel}", status=204)
    for sink in slow:
        sink.close()


def test_a_receiver_that_hangs_does_not_hold_up_the_others(t):
    with contextlib.closing(sinks.Http(answers=["hang"] * 999)) as hung:
        channel = t.make_channel(type="webhook", url=hung.url)["id"]
        rules = [t.make_rule("watchdog", channels=[channel]) for _ in range(70)]
        wait_for(lambda: len(t.deliveries(channel)) >= 70 and len(hung.posts) >= 4, "more is owed to it than is looked at at once", 40)
        rule = t.make_rule("watchdog", channels=[t.channel])
        t.fired(rule, t.hook)
        assert len(hung.posts) < 8, "it was told while the other was still being waited for"
        for made in (*rules, rule):
            t.drop(made)
        t.s.good("DELETE", f"/leat/v1/alert-channels/{channel}", status=204)


def test_what_a_receiver_refuses_for_good_is_not_tried_again(t):
    with contextlib.closing(sinks.Http(answers=[404])) as hook:
        channel = t.make_channel(type="webhook", url=hook.url)["id"]
        rule = t.make_rule("disk", threshold=0, channels=[channel])
        failed = wait_for(lambda: [d for d in t.deliveries(channel) if d["state"] == "failed"], "it is given up")[0]
        assert (failed["attempts"], failed["status"]) == (1, 404)
        shown = t.s.good("GET", f"/leat/v1/alert-channels/{channel}")
        assert shown["error"] == "It answers with status 404." and shown["failed_at"], shown
        t.drop(rule)


# --- receivers --------------------------------------------------------------------------------------------------------

def documented():
    """The function that api/ALERTS.md gives to receivers."""
    with open(os.path.join(client.contract.ROOT, "api", "ALERTS.md"), encoding="utf-8") as f:
        code = re.search(r"```python\n(.*?)```", f.read(), re.S)[1]
    names = {}
    exec(code, names)
    return names["is_ours"]


def test_a_webhook_is_signed_over_time_and_body(t):
    before = len(t.hook.posts)
    assert t.s.good("POST", f"/leat/v1/alert-channels/{t.channel}:test")["arrived"]
    headers, body = t.hook.posts[before]
    is_ours = documented()
    assert is_ours(KEY, headers, body) and headers["Content-Type"] == "application/json"
    assert not is_ours(KEY, headers, body + b" ")
    assert not is_ours(KEY, {**headers, "Leat-Timestamp": str(int(headers["Leat-Timestamp"]) + 1)}, body)
    assert not is_ours("another key of signatures", headers, body)
    with contextlib.closing(sinks.Http()) as hook:
        made = t.make_channel(type="webhook", url=hook.url)  # no secret: one is made, told once
        assert "secret" not in t.s.good("GET", f"/leat/v1/alert-channels/{made['id']}")
        t.s.good("POST", f"/leat/v1/alert-channels/{made['id']}:test")
        assert is_ours(made["secret"], *hook.posts[0])


def test_slack_gets_its_own_form_at_a_url_that_is_never_shown(t):
    with contextlib.closing(sinks.Http()) as hook:
        secret = hook.url + "/T0/B0/canary-of-slack"
        made = t.make_channel(type="slack", url=secret)
        assert made["url"] == f"http://127.0.0.1:{hook.port}/…" and made["has_secret"]
        t.s.good("PATCH", f"/leat/v1/alert-channels/{made['id']}", {"name": "renamed", "url": made["url"]})
        rule = t.make_rule("disk", threshold=0, channels=[made["id"]], description="a < b & c")
        body = hook.wait(lambda b: "firing" in b["text"], "Slack is told")
        attachment = body["attachments"][0]
        assert "firing" in attachment["text"] and "a &lt; b &amp; c" in attachment["text"], body
        assert attachment["title_link"].startswith(t.s.base)
        t.drop(rule)
        assert "resolved" in hook.wait(lambda b: "resolved" in b["text"], "and of the end")["text"]


def test_mail_arrives_readable_with_one_thread_a_rule(t):
    with contextlib.closing(sinks.Mail()) as server:
        server.answers = ["451 try again later"]
        made = t.make_channel(type="email", url=server.url, tls="none", to=["ops@example.com", "dev@example.com"],
                              **{"from": "leat@example.com"})
        rule = t.make_rule("disk", threshold=0, channels=[made["id"]], description="Ölstand prüfen", name="Platte läuft über")
        sender, recipients, message = server.wait("firing", "the mail comes with the second attempt")
        assert (sender, recipients) == ("leat@example.com", ["ops@example.com", "dev@example.com"])
        assert message["Subject"] == "Leat: Platte läuft über: 1 firing" and message["Auto-Submitted"] == "auto-generated"
        content = message.get_content()
        assert "Ölstand prüfen" in content and "disk" in content and t.s.base in content, content
        t.drop(rule)
        _sender, _to, end = server.wait("resolved", "and of the end")
        assert end["References"] == message["References"] == f"<{rule}@example.com>" and end["Message-ID"] != message["Message-ID"]


def test_a_recipient_that_is_refused_does_not_keep_a_mail_from_the_others(t):
    with contextlib.closing(sinks.Mail()) as server:
        server.unknown = {"gone@example.com"}
        mail = {"type": "email", "url": server.url, "tls": "none", "from": "leat@example.com"}
        some = t.make_channel(**mail, to=["gone@example.com", "ops@example.com"])["id"]
        none = t.make_channel(**mail, to=["gone@example.com"])["id"]
        answer = t.s.good("POST", f"/leat/v1/alert-channels/{some}:test")
        assert not answer["arrived"] and "550" in answer["error"] and not server.mails, answer
        rule = t.make_rule("disk", threshold=0, channels=[some, none])
        assert server.wait("firing", "a mail comes")[1] == ["ops@example.com"]
        sent, given_up = (wait_for(lambda c=c, s=s: [d for d in t.deliveries(c) if d["state"] == s and d["rule_id"]], "it is settled")[0]
                          for c, s in ((some, "sent"), (none, "failed")))
        assert sent["attempts"] == 2 and "550" in sent["error"], sent
        assert (given_up["attempts"], given_up["status"]) == (1, 550), given_up
        assert t.s.good("GET", f"/leat/v1/alert-channels/{some}")["error"] == sent["error"]
        t.drop(rule)


def test_mail_by_starttls_with_a_login(t):
    pem, key = sinks.certificate(t.s.folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, key)
    with open(pem, encoding="ascii") as f:
        ca = f.read()
    with contextlib.closing(sinks.Mail(context, ("leat", "canary-of-mail"))) as server:
        mail = {"type": "email", "url": server.url, "from": "leat@example.com", "to": ["ops@example.com"], "username": "leat"}
        made = t.make_channel(**mail, secret="canary-of-mail", ca_pem=ca)["id"]
        answer = t.s.good("POST", f"/leat/v1/alert-channels/{made}:test")
        assert answer["arrived"], answer
        assert len(server.mails) == 1
        path = f"/leat/v1/alert-channels/{made}"
        t.s.good("PATCH", path, {"secret": "another"})
        assert not t.s.good("POST", path + ":test")["arrived"]
        t.s.good("PATCH", path, {"secret": "canary-of-mail", "ca_pem": ""})  # nobody that the system knows signed it
        answer = t.s.good("POST", path + ":test")
        assert not answer["arrived"] and "certificate" in answer["error"], answer
        t.s.refused(422, "PATCH", path, {"url": "smtp://elsewhere.example.com:25"})  # the password would go there
        assert len(server.mails) == 1
        t.s.good("DELETE", path, status=204)


# --- what must not happen -----------------------------------------------------------------------------------------------

def test_nothing_reaches_this_machine_or_its_link_unless_leatd_says_so(t):
    with client.running() as server, contextlib.closing(sinks.Http()) as hook:
        def refused(url):
            return server.refused(422, "POST", "/leat/v1/alert-channels", {"name": "w", "type": "webhook", "url": url})
        for host in ("127.0.0.1", "localhost", "127.1", "2130706433", "0.0.0.0", "[::1]", "[::]", "[::ffff:127.0.0.1]",
                     "[::127.0.0.1]", "169.254.169.254", "[fe80::1]", "[fd00:ec2::254]", "[64:ff9b::7f00:1]",
                     "[2002:7f00:1::]", "224.0.0.1", "[ff02::1]", "0x7f.1"):
            detail = refused(f"http://{host}:{hook.port}/")["errors"][0]["detail"]
            assert "this machine" in detail, (host, detail)
        # A name tells where it leads only when it is looked up: by the transfer itself.
        made = server.good("POST", "/leat/v1/alert-channels", {
            "name": "by name", "type": "webhook", "url": f"http://localhost.localdomain.:{hook.port}/"}, status=201)["id"]
        answer = server.good("POST", f"/leat/v1/alert-channels/{made}:test")
        assert not answer["arrived"] and not hook.posts, answer


def test_a_redirect_is_not_followed(t):
    with contextlib.closing(sinks.Http()) as inner, \
            contextlib.closing(sinks.Http(answers=[302], headers={"Location": inner.url})) as outer:
        made = t.make_channel(type="webhook", url=outer.url)["id"]
        answer = t.s.good("POST", f"/leat/v1/alert-channels/{made}:test")
        assert not answer["arrived"] and "redirects" in answer["error"] and not inner.posts, answer


def test_no_file_log_or_answer_holds_a_channel_s_secret(t):
    t.s.good("GET", "/leat/v1/alert-channels?page_size=100")
    for canary in (KEY, "canary-of-mail", "canary-of-slack"):
        assert canary.encode() not in t.s.call("GET", "/leat/v1/alert-channels?page_size=100").body
        assert canary.encode() not in t.s.call("GET", "/leat/v1/audit?operation=alert_channel.&page_size=100").body
        found = subprocess.run(["grep", "-rlF", canary, t.s.folder], capture_output=True, text=True)
        assert not found.stdout, (canary, found.stdout)
    assert os.stat(os.path.join(t.s.data, "seal.key")).st_mode & 0o777 == 0o600


def test_who_has_a_role_at_a_cluster_has_its_rules_and_sees_its_alerts(t):
    s = t.s
    other = s.make_cluster(t.environment, "other")["id"]
    account = s.good("POST", "/iam/v2/service-accounts", {"display_name": "operator", "description": ""})["id"]
    organization = s.good("GET", "/org/v2/organizations")["data"][0]["id"]
    crn = f"crn://leat.test/organization={organization}/environment={t.environment}/cloud-cluster={t.id}"
    s.good("POST", "/iam/v2/role-bindings", {"principal": f"User:{account}", "role_name": "Operator", "crn_pattern": crn}, status=201)
    made = s.good("POST", "/iam/v2/api-keys", {"spec": {"owner": {"id": account}, "resource": {"id": "cloud"}}})
    key = (made["id"], made["spec"]["secret"])
    everywhere = t.make_rule("storage", threshold=99)
    body = {"name": "mine", "watches": "broker_state", "enabled": False}
    mine = s.good("POST", "/leat/v1/alert-rules", {**body, "cluster_id": t.id}, key=key, status=201)["id"]
    s.refused(404, "POST", "/leat/v1/alert-rules", {**body, "name": "theirs", "cluster_id": other}, key=key)
    s.refused(403, "POST", "/leat/v1/alert-rules", {**body, "name": "all"}, key=key)
    assert [r["id"] for r in s.good("GET", "/leat/v1/alert-rules", key=key)["data"] if not r["cluster_id"]] == []
    s.refused(404, "GET", f"/leat/v1/alert-rules/{everywhere}", key=key)
    s.refused(404, "PATCH", f"/leat/v1/alert-rules/{everywhere}", {"enabled": False}, key=key)
    s.refused(404, "PATCH", f"/leat/v1/alert-rules/{mine}", {"cluster_id": other}, key=key)
    s.refused(403, "GET", "/leat/v1/alert-channels", key=key)
    assert {a["cluster_id"] for a in s.good("GET", "/leat/v1/alerts?page_size=500", key=key)["data"]} == {t.id}
    silence = {"duration_ms": 60000}
    s.refused(403, "POST", "/leat/v1/alert-silences", silence, key=key)
    s.refused(404, "POST", "/leat/v1/alert-silences", {**silence, "cluster_id": other}, key=key)
    ended = s.good("POST", "/leat/v1/alert-silences", {**silence, "cluster_id": t.id}, key=key, status=201)["id"]
    s.good("DELETE", f"/leat/v1/alert-silences/{ended}", key=key, status=204)
    s.good("DELETE", f"/leat/v1/alert-rules/{mine}", key=key, status=204)


def test_the_end_of_a_cluster_resolves_what_it_had(t):
    gone = t.s.make_cluster(t.environment, "gone")["id"]
    t.s.make_topic(gone, "x", 1)
    t.s.produce(gone, "x", text("x" * 1000))
    rule = t.make_rule("storage", environment_id=t.environment, threshold=0)
    t.hook.wait(lambda b: b["rule"] and b["rule"]["id"] == rule and any(a["cluster_id"] == gone for a in b["alerts"]), "it fires")
    t.s.good("DELETE", f"/cmk/v2/clusters/{gone}?environment={t.environment}", status=204)
    ended = t.hook.wait(lambda b: b["rule"] and b["rule"]["id"] == rule and any(
        a["cluster_id"] == gone and a["status"] == "resolved" for a in b["alerts"]), "it is resolved")
    assert "The cluster was deleted." in [a["reason"] for a in ended["alerts"]]
    t.drop(rule)
