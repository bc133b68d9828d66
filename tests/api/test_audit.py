"""The audit log: who did what by which door, who was turned away; found again, taken along, and a chain that shows
what was changed behind its back."""
import contextlib
import http.cookies
import json
import os
import sqlite3
import subprocess
import tempfile
import urllib.parse

import client
from leatd import wait_for

PASSWORD = "correct horse battery"


@contextlib.contextmanager
def fixture():
    with client.running(password=PASSWORD) as server:
        yield server


def rows(s, **query):
    query = urllib.parse.urlencode({"page_size": 100, **query})
    return s.good("GET", "/leat/v1/audit?" + query)["data"]


def verdict(s):
    return s.good("GET", "/leat/v1/audit:verify")


def test_a_change_is_told_with_who_by_which_door_and_from_where(s):
    made = s.call("POST", "/org/v2/environments", {"display_name": "told"})
    row = rows(s, operation="environment.create")[0]
    assert (row["door"], row["address"], row["actor"]) == ("cloud_key", "127.0.0.1", s.cloud[0]), row
    assert row["resource"] == made.json["id"] and row["request_id"] == made.headers["X-Request-Id"], row
    assert len(row["hash"]) == 64


def test_a_change_is_told_with_what_was_before_and_after(s):
    environment = s.good("POST", "/org/v2/environments", {"display_name": "before"})["id"]
    s.good("PATCH", f"/org/v2/environments/{environment}", {"display_name": "after"})
    account = s.good("POST", "/iam/v2/service-accounts", {"display_name": "told of", "description": "one"})["id"]
    s.good("PATCH", f"/iam/v2/service-accounts/{account}", {"description": "two"})
    key = s.good("POST", "/iam/v2/api-keys", {"spec": {"owner": {"id": account}, "resource": {"id": "cloud"}, "display_name": "k"}})["id"]
    s.good("PATCH", f"/iam/v2/api-keys/{key}", {"spec": {"description": "new"}})
    for resource, before, after in ((environment, {"display_name": "before"}, {"display_name": "after"}),
                                    (account, {"description": "one"}, {"description": "two"}),
                                    (key, {"description": ""}, {"description": "new"})):
        row = next(r for r in rows(s, resource=resource) if r["operation"].endswith(".update"))
        assert row["detail"] == {"before": before, "after": after}, row


def test_logins_and_those_turned_away_are_told(s):
    def login(password, user="admin"):
        return s.call("POST", "/leat/v1/session", {"login": user, "password": password}, key=False)
    good = login(PASSWORD)
    cookie = http.cookies.SimpleCookie(good.headers["Set-Cookie"])["leat_session"].value
    admin = good.json["user"]["id"]
    assert rows(s, operation="session.create", actor=admin)
    s.good("DELETE", "/leat/v1/session", key=False,
           headers={"Cookie": f"leat_session={cookie}", "X-CSRF-Token": good.json["csrf"]})
    assert rows(s, operation="session.delete", actor=admin, door="session")
    login("wrong")
    login("wrong", "hunter2-typed-in-the-wrong-field")
    for _ in range(5):
        s.call("GET", "/leat/v1/clusters", key=(s.cloud[0], "wrong"))
    s.call("GET", "/leat/v1/clusters", key=("not-a-key", "wrong"))

    def refused():
        found = {(r["operation"], r["resource"]): r for r in rows(s, operation="session.refuse") + rows(s, operation="api_key.refuse")}
        wanted = {("session.refuse", "admin"), ("session.refuse", "unknown"), ("api_key.refuse", s.cloud[0]), ("api_key.refuse", "unknown")}
        return found if wanted <= set(found) else None
    found = wait_for(refused, "refusals are in the audit log")
    total = sum(r["detail"]["count"] for r in rows(s, operation="api_key.refuse", resource=s.cloud[0]))
    assert total == 5, found
    assert "hunter2" not in json.dumps(rows(s))


def test_what_no_role_allows_is_told(s):
    account = s.good("POST", "/iam/v2/service-accounts", {"display_name": "curious", "description": ""})["id"]
    made = s.good("POST", "/iam/v2/api-keys", {"spec": {"owner": {"id": account}, "resource": {"id": "cloud"}}})
    s.refused(403, "GET", "/iam/v2/users", key=(made["id"], made["spec"]["secret"]))
    row = wait_for(lambda: rows(s, operation="access.refuse", actor=account), "the refusal is told")[0]
    assert (row["resource"], row["door"]) == ("listIamV2Users", "cloud_key"), row


def test_the_log_is_searched_and_paged(s):
    for i in range(5):
        s.good("POST", "/org/v2/environments", {"display_name": f"searched {i}"})
    found = rows(s, text="SEARCHED")
    assert len(found) == 5 and all(r["operation"] == "environment.create" for r in found), found
    assert rows(s, text="searched", operation="environment.")[0]["id"] == found[0]["id"]
    assert rows(s, text="searched", operation="topic.") == []
    assert len(rows(s, resource=found[0]["resource"], operation="environment.create")) == 1
    assert rows(s, text="searched", to=found[-1]["at"]) == []
    assert len(rows(s, text="searched", **{"from": found[-1]["at"]})) == 5
    first = s.good("GET", "/leat/v1/audit?text=searched&page_size=2")
    second = s.good("GET", first["metadata"]["next"])
    assert [r["id"] for r in first["data"] + second["data"]] == [r["id"] for r in found[:4]]
    s.refused(400, "GET", "/leat/v1/audit?from=yesterday")


def test_the_log_is_exported_as_json_lines(s):
    answer = s.call("GET", "/leat/v1/audit:export")
    assert answer.headers["Content-Type"] == "application/x-ndjson" and not answer.headers["Leat-Next-After"]
    lines = [json.loads(line) for line in answer.body.splitlines()]
    assert [r["id"] for r in lines] == list(range(1, len(lines) + 1))
    part = s.call("GET", "/leat/v1/audit:export?limit=3&after=2")
    assert part.headers["Leat-Next-After"] == "5"
    assert [json.loads(line)["id"] for line in part.body.splitlines()] == [3, 4, 5]
    s.good("POST", "/iam/v2/service-accounts", {"display_name": "a \"quote\" and \\ a slash", "description": ""})
    last = s.call("GET", "/leat/v1/audit:export").body.splitlines()[-1]
    assert json.loads(last)["detail"]["after"]["display_name"] == "a \"quote\" and \\ a slash"


def test_the_chain_holds_through_a_kill(s):
    before = verdict(s)
    assert before["intact"] and before["rows"] == before["last_id"] - before["first_id"] + 1, before
    s.good("POST", "/org/v2/environments", {"display_name": "just before the end"})
    s.kill()
    s.start()
    after = verdict(s)
    assert after["intact"] and after["rows"] > before["rows"], after
    assert rows(s, text="just before the end")
    old = next(json.loads(line) for line in s.call("GET", "/leat/v1/audit:export").body.splitlines()
               if json.loads(line)["id"] == before["last_id"])
    assert old["hash"] == before["head"]


@contextlib.contextmanager
def at_the_database(s):
    """With leatd stopped, as somebody with the file in hand."""
    s.kill()
    db = sqlite3.connect(os.path.join(s.data, "leat.db"))
    try:
        yield db
        db.commit()
    finally:
        db.close()
        s.start()


def test_rows_cannot_be_changed_by_sql_alone(s):
    with at_the_database(s) as db:
        for statement in ("UPDATE audit SET actor = 'x' WHERE id = 2", "DELETE FROM audit WHERE id = 2", "DELETE FROM audit"):
            try:
                db.execute(statement)
            except sqlite3.IntegrityError as e:
                assert "append-only" in str(e)
            else:
                raise AssertionError(statement)
    assert verdict(s)["intact"]


def test_rows_of_an_older_program_are_chained_at_the_start(s):
    with at_the_database(s) as db:
        for trigger in ("audit_never_changes", "audit_never_shrinks"):
            db.execute(f"DROP TRIGGER {trigger}")
        db.execute("UPDATE audit SET previous = NULL, hash = NULL")
        db.execute("DELETE FROM audit_head")
    assert verdict(s)["intact"]


def verified(path, *more):
    p = subprocess.run([os.path.join(client.leatd.BIN, "leatd"), "--verify-audit", path, *more], capture_output=True,
                       text=True, timeout=60, check=False)
    return p.returncode, p.stdout + p.stderr


def test_a_database_is_verified_without_a_service(s):
    live = os.path.join(s.data, "leat.db")
    head = verdict(s)["head"]
    code, said = verified(live, "--audit-holds", head)
    assert code == 0 and said.startswith("whole: ") and f"newest: {head}" in said, said
    with tempfile.TemporaryDirectory() as folder:
        copy = os.path.join(folder, "a copy%.db")
        with contextlib.closing(sqlite3.connect(live)) as db, contextlib.closing(sqlite3.connect(copy)) as to:
            db.backup(to)
        s.good("POST", "/org/v2/environments", {"display_name": "behind the copy"})
        assert verified(copy)[0] == 0 and os.listdir(folder) == ["a copy%.db"], "nothing is written beside it"
        newest = verdict(s)["head"]
        code, said = verified(copy, "--audit-holds", newest)
        assert code == 1 and newest in said, said
        with contextlib.closing(sqlite3.connect(copy)) as db:
            for name, in db.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = 'audit'").fetchall():
                db.execute(f"DROP TRIGGER {name}")
            db.execute("UPDATE audit SET address = '192.0.2.1' WHERE id = 1")
            db.commit()
        code, said = verified(copy)
        assert code == 1 and said.startswith("broken at row 1: "), said
        with open(os.path.join(folder, "no database"), "w", encoding="ascii") as f:
            f.write("hello" * 1000)
        for path in (os.path.join(folder, "no database"), os.path.join(folder, "absent")):
            code, said = verified(path)
            assert code == 2 and "cannot be read" in said, said
        assert verified(copy, "--audit-holds", "abc")[0] == 2


def test_what_was_changed_behind_its_back_shows(s):
    """Last: from here on the log is broken. The triggers are gone, as somebody with the file would have it."""
    with at_the_database(s) as db:
        newest = db.execute("SELECT max(id) FROM audit").fetchone()[0]
        actor = db.execute("SELECT actor FROM audit WHERE id = 3").fetchone()[0]
        db.execute("UPDATE audit SET actor = 'somebody else' WHERE id = 3")
    v = verdict(s)
    assert (v["intact"], v["broken_at"]) == (False, 3) and v["what"].endswith("."), v
    with at_the_database(s) as db:
        db.execute("UPDATE audit SET actor = ? WHERE id = 3", (actor,))
        row = db.execute("SELECT * FROM audit WHERE id = 4").fetchone()
        db.execute("DELETE FROM audit WHERE id = 4")
    assert verdict(s)["broken_at"] == 5
    with at_the_database(s) as db:
        db.execute(f"INSERT INTO audit VALUES ({', '.join('?' * len(row))})", row)
        db.execute("DELETE FROM audit WHERE id >= ?", (newest,))
    v = verdict(s)
    assert not v["intact"] and v["broken_at"] == newest, v
