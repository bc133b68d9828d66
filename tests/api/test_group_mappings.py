"""Group mappings: which people of the identity provider a role binding means. (tests/console signs in by one.)"""
import contextlib

import client

PATH = "/iam/v2/sso/group-mappings"


@contextlib.contextmanager
def fixture():
    with client.running() as server:
        yield server


def make(s, name, filter_, **kwargs):
    return s.good("POST", PATH, {"display_name": name, "description": "d", "filter": filter_}, status=201, **kwargs)


def test_a_mapping_is_made_read_changed_listed_and_deleted(s):
    answer = s.call("POST", PATH, {"display_name": "engineers", "description": "all of them", "filter": '"engineering" in groups'})
    made = answer.json
    assert answer.status == 201 and answer.headers["Location"].endswith(made["id"]), answer
    assert made["api_version"] == "iam.v2/sso" and made["kind"] == "GroupMapping" and made["state"] == "ENABLED"
    assert made["id"].startswith("group-") and made["principal"] == made["id"]
    assert made["metadata"]["self"].endswith(f"{PATH}/{made['id']}")
    assert s.good("GET", f"{PATH}/{made['id']}") == made
    changed = s.good("PATCH", f"{PATH}/{made['id']}", {"filter": '"a" in groups || "b" in groups'})
    assert (changed["filter"], changed["display_name"]) == ('"a" in groups || "b" in groups', "engineers")
    again = s.call("POST", PATH, {"display_name": "engineers", "filter": '"x" in groups'})
    assert again.status == 409 and again.headers["Location"].endswith(made["id"]), again
    listed = s.good("GET", PATH)
    assert listed["kind"] == "GroupMappingList" and [m["id"] for m in listed["data"]] == [made["id"]]
    s.good("DELETE", f"{PATH}/{made['id']}", status=204)
    for method in ("GET", "DELETE", "PATCH"):
        s.refused(404, method, f"{PATH}/{made['id']}", {"filter": '"x" in groups'} if method == "PATCH" else None)


def test_what_is_no_filter_is_refused_with_a_sentence_that_says_where(s):
    for bad in ("", "groups", '"a" in', '"a" in people', '"a" in groups and "b" in groups', '("a" in groups', '"a in groups',
                '"a" in groups)', "true", '!' * 40 + '"a" in groups', '"a" in groupsx'):
        error = s.refused(400, "POST", PATH, {"display_name": "bad", "filter": bad})["errors"][0]
        assert error["detail"].endswith("."), (bad, error)
    e = s.refused(400, "POST", PATH, {"display_name": "bad", "filter": '"a" in people'})["errors"][0]
    assert "at character 8" in e["detail"], e
    s.refused(400, "POST", PATH, {"display_name": "bad", "filter": '"' + "a" * 1100 + '" in groups'})
    s.refused(400, "POST", PATH, {"filter": '"a" in groups'})


def test_roles_are_bound_to_a_mapping_and_go_with_it(s):
    mapping = make(s, "bound", '"ops" in groups')
    crn = "crn://leat.test/organization=" + s.good("GET", "/org/v2/organizations")["data"][0]["id"]
    bound = s.good("POST", "/iam/v2/role-bindings", {"principal": f"User:{mapping['id']}", "role_name": "Operator", "crn_pattern": crn}, status=201)
    s.refused(400, "POST", "/iam/v2/role-bindings", {"principal": "User:group-none0000", "role_name": "Operator", "crn_pattern": crn})
    s.good("DELETE", f"{PATH}/{mapping['id']}", status=204)
    s.refused(404, "GET", f"/iam/v2/role-bindings/{bound['id']}")


def test_only_who_may_grant_every_role_changes_mappings(s):
    """Whoever changes a filter decides who has its roles."""
    mapping = make(s, "guarded", '"ops" in groups')
    account = s.good("POST", "/iam/v2/service-accounts", {"display_name": "operator", "description": ""})["id"]
    key = s.good("POST", "/iam/v2/api-keys", {"spec": {"owner": {"id": account}, "resource": {"id": "cloud"}}})
    key = (key["id"], key["spec"]["secret"])
    crn = "crn://leat.test/organization=" + s.good("GET", "/org/v2/organizations")["data"][0]["id"]
    for role in ("Operator", "SecurityAdmin", "MetricsViewer"):
        s.good("POST", "/iam/v2/role-bindings", {"principal": f"User:{account}", "role_name": role, "crn_pattern": crn}, status=201)
    s.refused(403, "PATCH", f"{PATH}/{mapping['id']}", {"filter": '"everybody" in groups'}, key=key)
    s.refused(403, "POST", PATH, {"display_name": "mine", "filter": '"everybody" in groups'}, key=key)
    s.refused(403, "DELETE", f"{PATH}/{mapping['id']}", key=key)
