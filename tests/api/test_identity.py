"""Identity against those who would like to be somebody else: planted sessions, slowed logins that are tried from
another side, invitations used again, keys of accounts that are gone, keys at another tenant's door."""
import concurrent.futures
import contextlib
import http.cookies
import time

import client
from leatd import kcat

PASSWORD = "correct horse battery"


class Identity:
    def __init__(self, server):
        self.s = server
        self.environment = server.make_environment("identity")
        self.mine = server.make_cluster(self.environment, "mine")
        self.theirs = server.make_cluster(self.environment, "theirs")
        self.root = "crn://leat.test/organization=" + server.good("GET", "/org/v2/organizations")["data"][0]["id"]

    def log_in(self, user="admin", password=PASSWORD, **headers):
        return self.s.call("POST", "/leat/v1/session", {"login": user, "password": password}, key=False, headers=headers)

    def account(self, name, role=None):
        account = self.s.good("POST", "/iam/v2/service-accounts", {"display_name": name, "description": ""})["id"]
        made = self.s.good("POST", "/iam/v2/api-keys", {"spec": {"owner": {"id": account}, "resource": {"id": "cloud"}}})
        if role:
            self.s.good("POST", "/iam/v2/role-bindings", {"principal": f"User:{account}", "role_name": role, "crn_pattern": self.root}, status=201)
        return account, (made["id"], made["spec"]["secret"])


@contextlib.contextmanager
def fixture():
    with client.running(password=PASSWORD) as server:
        yield Identity(server)


def token_of(answer):
    return http.cookies.SimpleCookie(answer.headers["Set-Cookie"])["leat_session"].value


def test_a_login_never_takes_over_a_session_that_was_planted(t):
    planted = "p" * 43
    answer = t.log_in(Cookie=f"leat_session={planted}")
    assert answer.status == 200 and token_of(answer) != planted
    t.s.refused(401, "GET", "/leat/v1/session", key=False, headers={"Cookie": f"leat_session={planted}"})
    first = token_of(answer)
    again = t.log_in(Cookie=f"leat_session={first}")
    assert token_of(again) != first and again.json["csrf"] != answer.json["csrf"]
    crossed = {"Cookie": f"leat_session={token_of(again)}", "X-CSRF-Token": answer.json["csrf"]}
    t.s.refused(403, "POST", "/org/v2/environments", {"display_name": "crossed"}, key=False, headers=crossed)


def test_an_unknown_login_takes_as_long_as_a_wrong_password(t):
    def quickest(user):
        took = []
        for _ in range(2):
            begin = time.monotonic()
            assert t.log_in(user, "not the password").status == 401
            took.append(time.monotonic() - begin)
        return min(took)
    known, unknown = quickest("admin"), quickest("nobody@example.com")
    assert unknown > known / 3, (known, unknown)
    told = [t.log_in(user, "not the password").json["errors"][0]["detail"] for user in ("admin", "nobody@example.com")]
    assert told[0] == told[1], told


def test_a_slowed_login_is_slowed_from_every_side(t):
    """Other headers, other spellings, many at once: the count is the address's, too."""
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(lambda _n: t.log_in("slow@example.com", "guess").status, range(24)))
    assert 429 in statuses and set(statuses) <= {401, 429, 503}, statuses
    assert statuses.count(401) <= 5 + 16, "what is free, and what can wait for its turn at the same time"
    for headers in ({"X-Forwarded-For": "192.0.2.7"}, {"Forwarded": "for=192.0.2.7"}, {"X-Real-IP": "192.0.2.7"}):
        assert t.log_in("slow@example.com", "guess", **headers).status == 429, headers
    many = [t.log_in(f"other{n}@example.com", "guess").status for n in range(20)]
    assert many[-1] == 429, many


def test_a_key_of_a_deleted_account_opens_no_door(t):
    account, cloud = t.account("leaving", "OrganizationAdmin")
    made = t.s.good("POST", "/iam/v2/api-keys", {"spec": {"owner": {"id": account}, "resource": {"id": t.mine["id"]}}}, status=202)
    key = (made["id"], made["spec"]["secret"])
    t.s.good("GET", "/leat/v1/clusters", key=cloud)
    t.s.good("GET", f"/kafka/v3/clusters/{t.mine['id']}/topics", key=key)
    assert kcat(t.mine["bootstrap_servers"], key, "-L", timeout=30)[0] == 0
    t.s.good("DELETE", f"/iam/v2/service-accounts/{account}", status=204)
    t.s.refused(401, "GET", "/leat/v1/clusters", key=cloud)
    assert t.s.call("GET", f"/kafka/v3/clusters/{t.mine['id']}/topics", key=key).status == 401
    code, _out, error = kcat(t.mine["bootstrap_servers"], key, "-L", "-m", "3", timeout=30)
    assert code != 0 and "uthentication" in error, error
    assert t.s.good("GET", f"/iam/v2/role-bindings?crn_pattern={t.root}&principal=User:{account}")["data"] == []


def test_a_key_of_one_tenant_is_nobody_at_the_other(t):
    key = t.s.make_key(t.mine["id"], "tenant")[:2]
    assert kcat(t.mine["bootstrap_servers"], key, "-L", timeout=30)[0] == 0
    code, _out, error = kcat(t.theirs["bootstrap_servers"], key, "-L", "-m", "3", timeout=30)
    assert code != 0 and "uthentication" in error, error
    assert t.s.call("GET", f"/kafka/v3/clusters/{t.theirs['id']}/topics", key=key).status in (401, 403, 404)


def test_who_manages_accounts_becomes_none_of_them(t):
    """An AccountAdmin invites and removes people, and gets no role by it."""
    _admin, admin = t.account("account admin", "AccountAdmin")
    powerful, _key = t.account("powerful", "OrganizationAdmin")
    for resource in ("cloud", t.mine["id"]):
        body = {"spec": {"owner": {"id": powerful}, "resource": {"id": resource}}}
        assert t.s.call("POST", "/iam/v2/api-keys", body, key=admin).status in (403, 404), resource
    grant = {"principal": f"User:{_admin}", "role_name": "OrganizationAdmin", "crn_pattern": t.root}
    t.s.refused(403, "POST", "/iam/v2/role-bindings", grant, key=admin)
    invited = t.s.good("POST", "/iam/v2/invitations", {"email": "helper@example.com"}, status=201, key=admin)
    t.s.refused(403, "POST", "/iam/v2/role-bindings", {**grant, "principal": f"User:{invited['user']['id']}"}, key=admin)
    mapping = {"display_name": "everybody", "filter": '"staff" in groups'}
    t.s.refused(403, "POST", "/iam/v2/sso/group-mappings", mapping, key=admin)


def test_an_invitation_opens_once_and_not_after_it_was_taken_back(t):
    invited = t.s.good("POST", "/iam/v2/invitations", {"email": "once@example.com"}, status=201)
    body = {"token": invited["token"], "full_name": "Once", "password": "a good long password"}
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        statuses = sorted(pool.map(lambda _n: t.s.call("POST", "/leat/v1/invitations:accept", body, key=False).status, range(4)))
    assert statuses[0] == 201 and set(statuses[1:]) <= {404, 409}, statuses
    assert t.s.call("POST", "/leat/v1/invitations:accept", body, key=False).status == 404
    back = t.s.good("POST", "/iam/v2/invitations", {"email": "back@example.com"}, status=201)
    t.s.good("DELETE", "/iam/v2/invitations/" + back["id"], status=204)
    assert t.s.call("POST", "/leat/v1/invitations:accept", {**body, "token": back["token"]}, key=False).status == 404
