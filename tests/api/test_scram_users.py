"""SCRAM users by REST: kcat signs in as they do; their passwords are nowhere but in one answer."""
import contextlib
import os
import subprocess

import client


class Users:
    def __init__(self, server):
        self.s = server
        self.cluster = server.make_cluster(server.make_environment("users"))
        self.id = self.cluster["id"]
        self.path = f"/leat/v1/clusters/{self.id}/scram-users"
        server.make_topic(self.id, "orders", 1)
        server.produce(self.id, "orders", client.text("one"))

    def allow(self, name):
        self.s.call("POST", f"/kafka/v3/clusters/{self.id}/acls", {
            "resource_type": "TOPIC", "resource_name": "*", "pattern_type": "LITERAL", "principal": f"User:{name}",
            "host": "*", "operation": "READ", "permission": "ALLOW"})

    def reads(self, name, password, mechanism="SCRAM-SHA-512"):
        """What kcat reads as this user, or None when it may not sign in."""
        p = subprocess.run(["kcat", "-b", self.cluster["bootstrap_servers"], "-X", "security.protocol=SASL_PLAINTEXT",
                            "-X", f"sasl.mechanism={mechanism}", "-X", f"sasl.username={name}", "-X", f"sasl.password={password}",
                            "-C", "-e", "-t", "orders"], capture_output=True, text=True, timeout=60, check=False)
        if p.returncode:
            assert "uthentication" in p.stderr, p.stderr
            return None
        return p.stdout.split()


@contextlib.contextmanager
def fixture():
    with client.running() as server:
        yield Users(server)


def test_a_user_with_a_given_password_signs_in_with_it(t):
    made = t.s.good("PUT", f"{t.path}/till", {"password": "correct horse"}, status=201)
    assert made["principal"] == "User:till" and "password" not in made
    assert made["credentials"] == [{"mechanism": "SCRAM-SHA-512", "iterations": 4096}]
    t.allow("till")
    assert t.reads("till", "correct horse") == ["one"]
    assert t.reads("till", "wrong horse") is None
    assert t.reads("till", "correct horse", "SCRAM-SHA-256") is None


def test_a_password_that_was_made_up_is_shown_once(t):
    made = t.s.good("PUT", f"{t.path}/robot", {"mechanism": "SCRAM-SHA-256", "iterations": 8192}, status=201)
    assert len(made["password"]) == 43
    t.allow("robot")
    assert t.reads("robot", made["password"], "SCRAM-SHA-256") == ["one"]
    shown = t.s.good("GET", f"{t.path}/robot")
    assert "password" not in shown and shown["credentials"] == [{"mechanism": "SCRAM-SHA-256", "iterations": 8192}]
    for folder, _, files in os.walk(t.s.seen):
        for name in files:
            with contextlib.suppress(OSError), open(os.path.join(folder, name), "rb") as f:
                assert made["password"].encode() not in f.read(), name


def test_both_mechanisms_live_beside_each_other_and_go_one_by_one(t):
    t.s.good("PUT", f"{t.path}/both", {"password": "password of 512"}, status=201)
    t.s.good("PUT", f"{t.path}/both", {"password": "password of 256", "mechanism": "SCRAM-SHA-256"}, status=200)
    t.allow("both")
    assert t.reads("both", "password of 512") == t.reads("both", "password of 256", "SCRAM-SHA-256") == ["one"]
    t.s.good("DELETE", f"{t.path}/both?mechanism=SCRAM-SHA-512", status=204)
    assert t.reads("both", "password of 512") is None
    assert t.reads("both", "password of 256", "SCRAM-SHA-256") == ["one"]
    t.s.refused(404, "DELETE", f"{t.path}/both?mechanism=SCRAM-SHA-512")
    t.s.good("DELETE", f"{t.path}/both", status=204)
    assert t.reads("both", "password of 256", "SCRAM-SHA-256") is None
    t.s.refused(404, "GET", f"{t.path}/both")
    t.s.refused(404, "DELETE", f"{t.path}/both")


def test_a_replaced_password_holds_at_once_and_the_old_one_does_not(t):
    t.s.good("PUT", f"{t.path}/changed", {"password": "the first one"}, status=201)
    t.allow("changed")
    t.s.good("PUT", f"{t.path}/changed", {"password": "the second one"}, status=200)
    assert t.reads("changed", "the first one") is None
    assert t.reads("changed", "the second one") == ["one"]


def test_names_of_accounts_and_weak_passwords_are_refused_in_a_sentence(t):
    said = t.s.refused(422, "PUT", f"{t.path}/sa-abcdef", {"password": "long enough"})
    assert "kept for service accounts" in said["errors"][0]["detail"], said
    t.s.refused(422, "PUT", f"{t.path}/leat", {"password": "long enough"})
    t.s.refused(422, "PUT", f"{t.path}/weak", {"password": "short"})
    t.s.refused(422, "PUT", f"{t.path}/weak", {"password": "long enough", "iterations": 100})
    t.s.refused(422, "PUT", f"{t.path}/weak", {"password": "long enough", "mechanism": "PLAIN"})
    t.s.refused(422, "PUT", f"{t.path}/weak", {"password": 12345678})
    t.s.refused(400, "DELETE", f"{t.path}/weak?mechanism=PLAIN")
    t.s.refused(404, "GET", f"{t.path}/weak")


def test_the_list_comes_in_pages_of_whole_users(t):
    names = [f"page-{i}" for i in range(5)]
    for name in names:
        for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512"):
            t.s.good("PUT", f"{t.path}/{name}", {"password": "long enough", "mechanism": mechanism})
    seen, path = [], t.path + "?page_size=2"
    while path:
        page = t.s.good("GET", path)
        assert len(page["data"]) <= 2
        assert all(len(u["credentials"]) == 2 for u in page["data"] if u["user_name"] in names)
        seen += [u["user_name"] for u in page["data"]]
        path = page["metadata"]["next"]
    assert [n for n in seen if n in names] == names and len(seen) == len(set(seen)) == page["metadata"]["total_size"]


def test_the_audit_tells_of_users_and_never_of_passwords(t):
    t.s.good("PUT", f"{t.path}/told", {"password": "canary-of-told"}, status=201)
    t.s.good("DELETE", f"{t.path}/told", status=204)
    rows = [r for r in t.s.good("GET", "/leat/v1/audit")["data"] if r["resource"] == "scram_user=told"]
    assert [r["operation"] for r in rows] == ["scram_user.delete", "scram_user.set"], rows
    assert "canary" not in str(rows)
