"""People: invited with a token that is shown once, named, given roles, with passwords and sessions of their own,
and gone with everything they held."""
import contextlib
import http.cookies

import client

PASSWORD = "correct horse battery"


class People:
    def __init__(self, server):
        self.s = server
        self.organization = server.good("GET", "/org/v2/organizations")["data"][0]["id"]

    def login(self, user, password):
        answer = self.s.call("POST", "/leat/v1/session", {"login": user, "password": password}, key=False)
        if answer.status != 200:
            return None
        cookie = http.cookies.SimpleCookie(answer.headers["Set-Cookie"])["leat_session"].value
        return {"Cookie": f"leat_session={cookie}", "X-CSRF-Token": answer.json["csrf"]}

    def invite(self, email):
        return self.s.good("POST", "/iam/v2/invitations", {"email": email}, status=201)

    def accept(self, invitation, password=PASSWORD, name="A. Person", status=201):
        answer = self.s.call("POST", "/leat/v1/invitations:accept",
                             {"token": invitation["token"], "full_name": name, "password": password}, key=False)
        assert answer.status == status, answer
        return answer.json

    def bind(self, user, role="OrganizationAdmin"):
        return self.s.good("POST", "/iam/v2/role-bindings", {
            "principal": f"User:{user}", "role_name": role,
            "crn_pattern": f"crn://leat.test/organization={self.organization}"}, status=201)


@contextlib.contextmanager
def fixture():
    with client.running(password=PASSWORD) as server:
        yield People(server)


def test_an_invitation_is_accepted_once_and_makes_somebody_who_can_log_in(t):
    made = t.invite("first@example.com")
    assert made["status"] == "INVITE_STATUS_SENT" and made["link"].endswith("/invitation#" + made["token"])
    path = "/iam/v2/invitations/" + made["id"]
    assert "token" not in t.s.good("GET", path) and "link" not in t.s.good("GET", path)
    assert t.login("first@example.com", "") is None and t.login("first@example.com", PASSWORD) is None
    user = t.accept(made)
    assert (user["id"], user["email"], user["full_name"]) == (made["user"]["id"], "first@example.com", "A. Person")
    t.accept(made, status=404)
    shown = t.s.good("GET", path)
    assert shown["status"] == "INVITE_STATUS_ACCEPTED" and shown["accepted_at"]
    session = t.login("first@example.com", PASSWORD)
    assert t.s.good("GET", "/leat/v1/session", key=False, headers=session)["user"]["id"] == user["id"]
    t.s.refused(403, "GET", "/iam/v2/users", key=False, headers=session)
    assert t.s.good("GET", "/iam/v2/users/" + user["id"], key=False, headers=session)["id"] == user["id"]
    listed = t.s.good("GET", "/iam/v2/invitations?status=INVITE_STATUS_ACCEPTED&email=first@example.com")["data"]
    assert [i["id"] for i in listed] == [made["id"]]
    assert t.s.good("GET", "/iam/v2/invitations?status=INVITE_STATUS_SENT")["data"] == []


def test_a_role_given_before_the_invitation_is_accepted_holds_afterwards(t):
    made = t.invite("second@example.com")
    t.bind(made["user"]["id"], "MetricsViewer")
    t.accept(made)
    session = t.login("second@example.com", PASSWORD)
    t.s.good("GET", "/org/v2/organizations", key=False, headers=session)
    t.s.refused(403, "POST", "/org/v2/environments", {"display_name": "no"}, key=False, headers=session)


def test_bad_invitations_and_passwords_are_refused_with_a_sentence(t):
    for email in ("", "nobody", "@x", "x@", "a b@example.com", "x@" + "y" * 200):
        t.s.refused(400, "POST", "/iam/v2/invitations", {"email": email})
    t.s.refused(422, "POST", "/iam/v2/invitations", {"email": "s@example.com", "auth_type": "AUTH_TYPE_SSO"})
    made = t.invite("third@example.com")
    t.s.refused(409, "POST", "/iam/v2/invitations", {"email": "third@example.com"})
    for password in ("short", "password123", "aaaaaaaaaaaa", "third@example.com", "x" * 300):
        e = t.accept(made, password=password, status=400)["errors"][0]
        assert e["detail"].endswith(".") and password not in e["detail"], e
    t.accept(made, name="", status=400)
    t.accept({"token": "x" * 43}, status=404)
    t.s.good("DELETE", "/iam/v2/invitations/" + made["id"], status=204)
    t.accept(made, status=404)
    t.s.refused(404, "GET", "/iam/v2/users/" + made["user"]["id"])


def test_another_password_ends_the_other_sessions(t):
    t.accept(t.invite("fourth@example.com"))
    here, there = t.login("fourth@example.com", PASSWORD), t.login("fourth@example.com", PASSWORD)
    rows = t.s.good("GET", "/leat/v1/sessions", key=False, headers=here)["data"]
    assert len(rows) == 2 and [r["current"] for r in rows].count(True) == 1 and rows[0]["address"] == "127.0.0.1", rows
    body = {"current_password": "not it at all", "new_password": "a better one than that"}
    t.s.refused(403, "PUT", "/leat/v1/password", body, key=False, headers=here)
    body["current_password"] = PASSWORD
    t.s.refused(403, "PUT", "/leat/v1/password", body)
    t.s.refused(400, "PUT", "/leat/v1/password", {**body, "new_password": "short"}, key=False, headers=here)
    t.s.good("PUT", "/leat/v1/password", body, key=False, headers=here, status=204)
    t.s.good("GET", "/leat/v1/session", key=False, headers=here)
    t.s.refused(401, "GET", "/leat/v1/session", key=False, headers=there)
    assert t.login("fourth@example.com", PASSWORD) is None
    again = t.login("fourth@example.com", body["new_password"])
    row = next(r for r in t.s.good("GET", "/leat/v1/sessions", key=False, headers=here)["data"] if not r["current"])
    t.s.good("DELETE", "/leat/v1/sessions/" + row["id"], key=False, headers=here, status=204)
    t.s.refused(401, "GET", "/leat/v1/session", key=False, headers=again)
    t.s.refused(404, "DELETE", "/leat/v1/sessions/" + row["id"], key=False, headers=here)


def test_wrong_current_passwords_are_slowed_like_wrong_logins(t):
    t.accept(t.invite("slow@example.com"))
    session = t.login("slow@example.com", PASSWORD)
    body = {"current_password": "not it at all", "new_password": "a better one than that"}
    statuses = [t.s.call("PUT", "/leat/v1/password", body, key=False, headers=session).status for _ in range(6)]
    assert statuses[0] == 403 and statuses[-1] == 429, statuses


def test_a_person_who_goes_takes_sessions_keys_and_roles_along(t):
    environment = t.s.make_environment("people")
    cluster = t.s.make_cluster(environment)["id"]
    user = t.accept(t.invite("fifth@example.com"))["id"]
    t.bind(user)
    session = t.login("fifth@example.com", PASSWORD)
    renamed = t.s.good("PATCH", "/iam/v2/users/" + user, {"full_name": "Renamed"}, key=False, headers=session)
    assert renamed["full_name"] == "Renamed"
    made = [t.s.good("POST", "/iam/v2/api-keys", {"spec": {"owner": {"id": user}, "resource": {"id": r}}}, status=202)
            for r in ("cloud", cluster)]
    t.s.good("GET", "/iam/v2/users", key=(made[0]["id"], made[0]["spec"]["secret"]))
    t.s.good("DELETE", "/iam/v2/users/" + user, status=204)
    t.s.refused(401, "GET", "/leat/v1/session", key=False, headers=session)
    for key in made:
        t.s.refused(404, "GET", "/iam/v2/api-keys/" + key["id"])
    crn = f"crn://leat.test/organization={t.organization}/*"
    assert t.s.good("GET", f"/iam/v2/role-bindings?crn_pattern={crn}&principal=User:{user}")["data"] == []
    t.s.refused(404, "DELETE", "/iam/v2/users/" + user)


def test_the_last_organization_admin_is_not_removed(t):
    admin = next(u for u in t.s.good("GET", "/iam/v2/users?page_size=100")["data"] if u["email"] == "admin")["id"]
    e = t.s.refused(409, "DELETE", "/iam/v2/users/" + admin)["errors"][0]
    assert "last OrganizationAdmin" in e["detail"], e
    keeper = t.accept(t.invite("keeper@example.com"))["id"]
    t.bind(keeper, "AccountAdmin")
    session = t.login("keeper@example.com", PASSWORD)
    t.s.refused(403, "PATCH", "/iam/v2/users/" + admin, {"full_name": "X"}, key=False, headers=session)
    second = t.accept(t.invite("second-admin@example.com"))["id"]
    t.bind(second)
    t.s.refused(403, "DELETE", "/iam/v2/users/" + second, key=False, headers=session)
    t.s.good("DELETE", "/iam/v2/users/" + second, status=204)


def test_without_a_provider_nobody_signs_in_by_one(t):
    assert t.s.good("GET", "/leat/v1/oidc", key=False) == {"configured": False, "name": None}
    for path in ("/leat/v1/oidc:login", "/leat/v1/oidc:callback?state=x&code=y"):
        t.s.refused(404, "GET", path, key=False)
