"""Who may do what by roles: every operation x role x tenant, made from the table that the service itself decides
by (GET /leat/v1/operations), then what only a body or the rows of a list tell. Denied means 403 where one may know
of the thing, and the 404 of an id nobody has where one may not."""
import contextlib
import os
import re

import client
import contract

NOT_TRIED = {"tailRecords", "searchRecords", "streamClusterEvents", "streamEvents", "getSession"}  # they stream; it needs a cookie
ADMIN = "OrganizationAdmin"


class Tenant:
    """An environment with a cluster, a topic, and one object of each kind that has an id."""

    def __init__(self, server, name):
        self.environment = server.make_environment(name)
        self.cluster = server.make_cluster(self.environment, name)["id"]
        self.key, _secret, self.account = server.make_key(self.cluster, name, acls=False)
        for topic in ("orders", "secret"):
            server.make_topic(self.cluster, topic, 1)
        self.quota = server.good("POST", "/kafka-quotas/v1/client-quotas", {"spec": {
            "display_name": name, "throughput": {"ingress_byte_rate": "1000", "egress_byte_rate": "1000"},
            "cluster": {"id": self.cluster}, "environment": {"id": self.environment},
            "principals": [{"id": self.account}]}}, status=202)["id"]
        self.request = server.good("POST", "/leat/v1/topic-requests", {
            "cluster_id": self.cluster, "topic_name": "wanted"}, status=201)["id"]
        invited = server.good("POST", "/iam/v2/invitations", {"email": f"{name}@example.com"}, status=201)
        self.invitation, self.user = invited["id"], invited["user"]["id"]
        self.organization = server.good("GET", "/org/v2/organizations")["data"][0]["id"]
        self.root = f"crn://leat.test/organization={self.organization}"
        self.at = {"organization": self.root, "environment": f"{self.root}/environment={self.environment}"}
        self.at["cloud-cluster"] = f"{self.at['environment']}/cloud-cluster={self.cluster}"
        for kind in ("topic", "group", "transactional-id"):
            self.at[kind] = f"{self.at['cloud-cluster']}/kafka={self.cluster}/{kind}=orders*"
        self.binding = server.good("POST", "/iam/v2/role-bindings", {
            "principal": f"User:{self.account}", "role_name": "MetricsViewer", "crn_pattern": self.at["cloud-cluster"]},
            status=201)["id"]

    def path(self, template):
        ids = {"/org/v2/environments": self.environment, "/org/v2/organizations": self.organization,
               "/leat/v1/environments": self.environment,
               "/cmk/v2/clusters": self.cluster, "/iam/v2/api-keys": self.key, "/iam/v2/service-accounts": self.account,
               "/kafka-quotas/v1/client-quotas": self.quota, "/iam/v2/role-bindings": self.binding,
               "/leat/v1/topic-requests": self.request, "/iam/v2/users": self.user,
               "/iam/v2/invitations": self.invitation}
        path = template.replace("{id}", ids.get(template.split("/{id}")[0], "x"))
        path = path.replace("{cluster_id}", self.cluster).replace("{topic_name}", "orders").replace("{partition_id}", "0")
        path = re.sub(r"\{(consumer_group_id|group_id)\}", "orders-group", path)
        return re.sub(r"\{\w+\}", "x", path)


class Access:
    def __init__(self, server):
        self.s, self.made = server, 0
        self.mine, self.theirs = Tenant(server, "mine"), Tenant(server, "theirs")
        self.roles = server.good("GET", "/leat/v1/roles")["data"]
        self.operations = server.good("GET", "/leat/v1/operations")["data"]
        self.holders = []  # (role, scope kinds, key)
        for role in self.roles:
            kinds = ["topic", "group"] if "topic" in role["scopes"] else [role["scopes"][-1]]
            self.holders.append((role["name"], kinds, self.holder(role["name"], kinds)))
        self.nobody = self.holder("nobody", [])

    def holder(self, role, kinds, tenant=None):
        """A cloud key of a new account with this role at these scopes of the tenant."""
        self.made += 1
        name = f"{role}-{self.made}"
        account = self.s.good("POST", "/iam/v2/service-accounts", {"display_name": name, "description": ""})["id"]
        for kind in kinds:
            self.bind(account, role, (tenant or self.mine).at[kind])
        made = self.s.good("POST", "/iam/v2/api-keys", {"spec": {"owner": {"id": account}, "resource": {"id": "cloud"}}})
        return made["id"], made["spec"]["secret"]

    def bind(self, account, role, crn, key=None):
        return self.s.good("POST", "/iam/v2/role-bindings", {
            "principal": f"User:{account}", "role_name": role, "crn_pattern": crn}, status=201, key=key)


@contextlib.contextmanager
def fixture():
    with client.running() as server:
        yield Access(server)


INWARD = {"view", "account.view"}


def allowed(operation, role, kinds, own):
    """By the table and where the role is bound: the rule, written a second time."""
    where, has = operation["where"], role in operation["roles"]
    if where == "signed_in":
        return True
    if not has:
        return False
    inward = operation["permission"] in INWARD
    if "organization" in kinds:
        return True
    if where in ("organization", "user"):
        return inward
    if not own:
        return False
    if "environment" in kinds:
        return True
    if where == "environment":
        return inward
    if "cloud-cluster" in kinds:
        return True
    return where in kinds or (where == "cluster" and inward)


def refusal(operation, role, kinds, own):
    known = own or "organization" in kinds or operation["where"] in ("organization", "user")
    return 403 if known else 404


def try_one(t, operation, key, tenant, may, refused):
    """What is denied is asked for as it is. What is allowed must not happen here: a body that is none comes
    first, and what needs no body is left to other tests."""
    method, path = operation["method"], tenant.path(operation["path"])
    if may and operation["operation"] in NOT_TRIED:
        return
    if may and (method == "DELETE" or path.endswith((":restart", ":resume", ":pause", ":approve", ":decline", ":withdraw"))):
        return
    raw = b"[" if method in ("POST", "PUT", "PATCH") else None
    answer = t.s.call(method, path, raw=raw, key=key)
    line = (operation["operation"], path, answer)
    if may:
        assert answer.status not in (401, 403), line
    else:
        assert answer.status == refused, (line, refused)


def test_every_operation_is_in_the_table(t):
    known = {o["operation"] for o in t.operations}
    open_to_all = {operation for _m, _p, access, operation in contract.routes() if access == "ANYONE"}
    assert known | open_to_all == {operation for _m, _p, _a, operation in contract.routes()}
    for operation in t.operations:
        assert ADMIN in operation["roles"], operation


def test_every_role_on_every_route_of_both_tenants(t):
    count = 0
    for role, kinds, key in t.holders:
        for operation in t.operations:
            if operation["where"] == "in_handler":
                continue
            for tenant in (t.mine, t.theirs):
                own = tenant is t.mine
                may = allowed(operation, role, kinds, own)
                try:
                    try_one(t, operation, key, tenant, may, refusal(operation, role, kinds, own))
                except AssertionError as e:
                    raise AssertionError(f"{role} at {kinds}, {'own' if own else 'other'} tenant: {e}") from None
                count += 1
    assert count > 1500, count


def test_a_key_whose_owner_has_no_role_sees_nothing(t):
    for operation in t.operations:
        if operation["where"] in ("signed_in", "in_handler"):
            continue
        refused = 403 if operation["where"] in ("organization", "user") else 404
        try_one(t, operation, t.nobody, t.mine, False, refused)
    crn = t.mine.root + "/*"
    for path in ("/leat/v1/clusters", "/org/v2/environments", "/kafka/v3/clusters", f"/iam/v2/role-bindings?crn_pattern={crn}",
                 f"/cmk/v2/clusters?environment={t.mine.environment}"):
        assert t.s.good("GET", path, key=t.nobody)["data"] == [], path
    assert [k["id"] for k in t.s.good("GET", "/iam/v2/api-keys", key=t.nobody)["data"]] == [t.nobody[0]]


def test_what_one_may_not_see_reads_like_what_is_not_there(t):
    key = next(k for role, _kinds, k in t.holders if role == "CloudClusterAdmin")
    for template in ("/leat/v1/clusters/%s", "/kafka/v3/clusters/%s", "/kafka/v3/clusters/%s/topics", "/cmk/v2/clusters/%s"):
        hidden = t.s.call("GET", template % t.theirs.cluster, key=key)
        absent = t.s.call("GET", template % "lkc-absent00", key=key)
        blank = [re.sub(rb"lkc-[a-z0-9]+|\"id\":\"[^\"]+\"", b"", a.body) for a in (hidden, absent)]
        assert (hidden.status, blank[0]) == (absent.status, blank[1]) == (404, blank[0]), (template, hidden, absent)


def test_lists_hold_what_one_may_see(t):
    for role, kinds, key in t.holders:
        clusters = {c["id"] for c in t.s.good("GET", "/leat/v1/clusters?page_size=100", key=key)["data"]}
        everything = "organization" in kinds
        assert clusters == ({t.mine.cluster, t.theirs.cluster} if everything else {t.mine.cluster}), role
        assert {c["cluster_id"] for c in t.s.good("GET", "/kafka/v3/clusters", key=key)["data"]} == clusters, role
        environments = {e["id"] for e in t.s.good("GET", "/org/v2/environments?page_size=100", key=key)["data"]}
        assert environments == {x.environment for x in (t.mine, t.theirs) if everything or x is t.mine}, role
    developer = next(k for role, _kinds, k in t.holders if role == "DeveloperRead")
    for path, name in ((f"/kafka/v3/clusters/{t.mine.cluster}/topics", "topic_name"),
                       (f"/leat/v1/clusters/{t.mine.cluster}/topics", "topic_name")):
        assert [x[name] for x in t.s.good("GET", path, key=developer)["data"]] == ["orders"], path
    operator = next(k for role, _kinds, k in t.holders if role == "Operator")
    listed = t.s.good("GET", f"/kafka/v3/clusters/{t.mine.cluster}/topics", key=operator)["data"]
    assert {"orders", "secret"} <= {x["topic_name"] for x in listed}
    viewer = next(k for role, _kinds, k in t.holders if role == "MetricsViewer")
    assert t.s.good("GET", f"/kafka/v3/clusters/{t.mine.cluster}/topics", key=viewer)["data"] == []


def test_pages_of_a_filtered_list_are_full(t):
    key = t.holder("EnvironmentAdmin", ["environment"], t.theirs)
    page = t.s.good("GET", "/leat/v1/clusters?page_size=1", key=key)
    assert [c["id"] for c in page["data"]] == [t.theirs.cluster] and page["metadata"]["next"] is None
    assert "total_size" not in page["metadata"]


def test_a_developer_makes_topics_under_its_prefix_alone(t):
    manage, write, read = (next(k for role, _kinds, k in t.holders if role == r)
                           for r in ("DeveloperManage", "DeveloperWrite", "DeveloperRead"))
    topics = f"/kafka/v3/clusters/{t.mine.cluster}/topics"
    t.s.good("POST", topics, {"topic_name": "orders-eu"}, key=manage, status=201)
    t.s.refused(403, "POST", topics, {"topic_name": "invoices"}, key=manage)
    t.s.refused(403, "POST", topics, {"topic_name": "orders-us"}, key=write)
    theirs = topics.replace(t.mine.cluster, t.theirs.cluster)
    t.s.refused(404, "POST", theirs, {"topic_name": "orders-us"}, key=manage)
    t.s.produce(t.mine.cluster, "orders-eu", client.text("v"), key=write)
    records = f"/leat/v1/clusters/{t.mine.cluster}/topics/orders-eu/records?from=newest"
    assert len(t.s.good("GET", records, key=read)["data"]) == 1
    t.s.refused(403, "GET", records, key=manage)
    t.s.refused(403, "GET", records.replace("orders-eu", "secret"), key=read)
    produce = f"{topics}/orders-eu/records"
    assert t.s.call("POST", produce, raw=b'{"value":{"type":"STRING","data":"x"}}', key=read).status == 403
    t.s.good("DELETE", f"{topics}/orders-eu", key=manage, status=204)


def test_a_reset_of_an_own_group_touches_no_topic_or_group_of_others(t):
    owner = next(k for role, _kinds, k in t.holders if role == "ResourceOwner")
    groups = f"/leat/v1/clusters/{t.mine.cluster}/groups"
    t.s.good("POST", f"{groups}/others:reset-offsets", {"to": "latest", "topics": [{"topic": "secret"}]})
    reset = {"to": "latest", "topics": [{"topic": "orders"}]}
    assert t.s.good("POST", f"{groups}/orders-reset:reset-offsets", reset, key=owner)["applied"]
    t.s.refused(403, "POST", f"{groups}/others:reset-offsets", reset, key=owner)
    for more in ({"topics": [{"topic": "orders"}, {"topic": "secret"}]}, {"to": "group", "from_group": "others", "topics": None}):
        t.s.refused(403, "POST", f"{groups}/orders-reset:reset-offsets", {**reset, **more, "dry_run": True}, key=owner)
    t.s.good("DELETE", f"{groups}/orders-reset", key=owner, status=204)
    t.s.good("DELETE", f"{groups}/others", status=204)


def test_an_environment_admin_rules_that_environment(t):
    key = t.holder("EnvironmentAdmin", ["environment"])
    body = {"spec": {"display_name": "made", "availability": "LOW", "cloud": "leat", "region": "local",
                     "config": {"kind": "Basic"}, "environment": {"id": t.theirs.environment}}}
    t.s.refused(404, "POST", "/cmk/v2/clusters", body, key=key)
    body["spec"]["environment"]["id"] = t.mine.environment
    made = t.s.good("POST", "/cmk/v2/clusters", body, key=key, status=202)["id"]
    t.s.good("DELETE", f"/cmk/v2/clusters/{made}?environment={t.mine.environment}", key=key, status=204)
    t.s.refused(403, "POST", "/org/v2/environments", {"display_name": "more"}, key=key)
    new_key = {"spec": {"owner": {"id": t.mine.account}, "resource": {"id": t.theirs.cluster}}}
    t.s.refused(404, "POST", "/iam/v2/api-keys", new_key, key=key)
    new_key["spec"]["resource"]["id"] = t.mine.cluster
    made = t.s.good("POST", "/iam/v2/api-keys", new_key, key=key, status=202)["id"]
    t.s.good("DELETE", f"/iam/v2/api-keys/{made}", key=key, status=204)
    new_key["spec"]["resource"]["id"] = "cloud"
    t.s.refused(403, "POST", "/iam/v2/api-keys", new_key, key=key)
    quotas = f"/kafka-quotas/v1/client-quotas?spec.cluster=%s&environment=%s"
    assert len(t.s.good("GET", quotas % (t.mine.cluster, t.mine.environment), key=key)["data"]) == 1
    t.s.refused(404, "GET", quotas % (t.theirs.cluster, t.theirs.environment), key=key)
    t.s.good("GET", f"/leat/v1/audit?cluster_id={t.mine.cluster}", key=key)
    t.s.refused(403, "GET", "/leat/v1/audit", key=key)
    t.s.refused(404, "GET", f"/leat/v1/audit?cluster_id={t.theirs.cluster}", key=key)


def test_who_may_not_create_asks_and_does_not_decide(t):
    read = t.holder("DeveloperRead", ["topic"])
    wish = {"cluster_id": t.mine.cluster, "topic_name": "asked-for"}
    made = t.s.good("POST", "/leat/v1/topic-requests", wish, key=read, status=201)["id"]
    t.s.refused(404, "POST", "/leat/v1/topic-requests", {**wish, "cluster_id": t.theirs.cluster}, key=read)
    listed = t.s.good("GET", "/leat/v1/topic-requests", key=read)["data"]
    assert [r["id"] for r in listed] == [made], listed
    t.s.refused(403, "GET", f"/leat/v1/topic-requests/{t.mine.request}", key=read)
    t.s.refused(403, "POST", f"/leat/v1/topic-requests/{made}:approve", key=read)
    stranger = t.holder("CloudClusterAdmin", ["cloud-cluster"], t.theirs)
    t.s.refused(404, "POST", f"/leat/v1/topic-requests/{made}:approve", key=stranger)
    t.s.good("POST", f"/leat/v1/topic-requests/{made}:withdraw", key=read)


def test_nobody_gives_more_than_they_have(t):
    environment, cluster = t.holder("EnvironmentAdmin", ["environment"], t.theirs), t.holder("CloudClusterAdmin", ["cloud-cluster"])
    owner, security = t.holder("ResourceOwner", ["topic"]), t.holder("SecurityAdmin", ["organization"])
    account = t.mine.account

    def grant(key, role, crn, status):
        answer = t.s.call("POST", "/iam/v2/role-bindings",
                          {"principal": f"User:{account}", "role_name": role, "crn_pattern": crn}, key=key)
        assert answer.status == status, (role, crn, answer)
        if status == 201:
            gone = t.s.good("DELETE", "/iam/v2/role-bindings/" + answer.json["id"], key=key, status=200)
            assert (gone["role_name"], gone["crn_pattern"]) == (role, crn)
            t.s.refused(404, "GET", "/iam/v2/role-bindings/" + answer.json["id"])

    grant(environment, "EnvironmentAdmin", t.theirs.at["environment"], 201)
    grant(environment, "EnvironmentAdmin", t.mine.at["environment"], 404)
    grant(environment, ADMIN, t.mine.root, 403)
    grant(cluster, "DeveloperRead", t.mine.at["topic"], 201)
    grant(cluster, "EnvironmentAdmin", t.mine.at["environment"], 403)
    grant(owner, "DeveloperRead", t.mine.at["topic"].replace("orders*", "orders-eu"), 201)
    grant(owner, "DeveloperRead", t.mine.at["topic"].replace("orders*", "secret"), 403)
    grant(owner, "DeveloperRead", t.mine.at["topic"].replace("orders*", "ord*"), 403)
    grant(owner, "CloudClusterAdmin", t.mine.at["cloud-cluster"], 403)
    grant(security, "MetricsViewer", t.mine.at["cloud-cluster"], 403)
    t.s.refused(403, "DELETE", "/iam/v2/role-bindings/" + t.mine.binding, key=security)


def test_a_binding_is_refused_with_a_sentence_when_it_means_nothing(t):
    good = {"principal": f"User:{t.mine.account}", "role_name": "Operator", "crn_pattern": t.mine.at["environment"]}
    for change in ({"principal": "User:sa-nobody00"}, {"principal": t.mine.account}, {"role_name": "King"},
                   {"crn_pattern": "environment=x"}, {"crn_pattern": t.mine.at["topic"]},
                   {"crn_pattern": t.mine.root.replace(t.mine.organization, "other")},
                   {"crn_pattern": f"{t.mine.root}/environment=env-absent0"},
                   {"role_name": "EnvironmentAdmin", "crn_pattern": t.mine.root},
                   {"crn_pattern": f"{t.mine.at['environment']}/cloud-cluster={t.theirs.cluster}"}):
        e = t.s.refused(400, "POST", "/iam/v2/role-bindings", {**good, **change})["errors"][0]
        assert e["detail"].endswith("."), e
    made = t.s.good("POST", "/iam/v2/role-bindings", good, status=201)
    again = t.s.call("POST", "/iam/v2/role-bindings", good)
    assert again.status == 409 and again.headers["Location"].endswith(made["id"]), again
    listed = "/iam/v2/role-bindings?crn_pattern="
    rows = t.s.good("GET", f"{listed}{t.mine.at['environment']}&principal=User:{t.mine.account}")["data"]
    assert [r["id"] for r in rows] == [made["id"]], rows
    assert t.s.good("GET", "/iam/v2/role-bindings/" + made["id"])["crn_pattern"] == good["crn_pattern"]
    inside = t.s.good("GET", f"{listed}{t.mine.at['environment']}/*&page_size=100&principal=User:{t.mine.account}")["data"]
    assert {r["id"] for r in inside} == {made["id"], t.mine.binding}
    t.s.refused(400, "GET", "/iam/v2/role-bindings")
    t.s.refused(400, "GET", listed + "nonsense")
    t.s.good("DELETE", "/iam/v2/role-bindings/" + made["id"], status=200)


def test_the_last_organization_admin_stays(t):
    rows = t.s.good("GET", f"/iam/v2/role-bindings?crn_pattern={t.mine.root}&role_name={ADMIN}")["data"]
    first = next(r for r in rows if r["principal"].startswith("User:u-"))
    e = t.s.refused(409, "DELETE", "/iam/v2/role-bindings/" + first["id"])["errors"][0]
    assert "last OrganizationAdmin" in e["detail"], e


def test_a_role_that_was_taken_away_is_gone_at_once(t):
    key = t.holder("Operator", ["environment"])
    path = f"/leat/v1/clusters/{t.mine.cluster}"
    t.s.good("GET", path, key=key)
    row = t.s.good("GET", f"/iam/v2/role-bindings?crn_pattern={t.mine.at['environment']}&role_name=Operator")["data"]
    for r in row:
        t.s.good("DELETE", "/iam/v2/role-bindings/" + r["id"])
    t.s.refused(404, "GET", path, key=key)


def test_everyone_is_told_what_its_roles_let_it_do(t):
    given = {r["name"]: sorted(r["permissions"]) for r in t.roles}
    for role, kinds, key in t.holders:
        told = t.s.good("GET", f"/leat/v1/permissions?cluster_id={t.mine.cluster}", key=key)
        assert told["cluster_id"] == t.mine.cluster
        inward = sorted(p for p in given[role] if p in ("view", "account.view"))
        assert sorted(told["permissions"]) == (inward if "topic" in kinds else given[role]), (role, told)
        everywhere = t.s.good("GET", "/leat/v1/permissions", key=key)
        wanted = given[role] if kinds == ["organization"] else inward
        assert everywhere["cluster_id"] is None and sorted(everywhere["permissions"]) == wanted, (role, everywhere)
    assert t.s.good("GET", "/leat/v1/permissions", key=t.nobody)["permissions"] == []
    inside = next(k for role, kinds, k in t.holders if kinds == ["cloud-cluster"])
    for cluster in (t.theirs.cluster, "lkc-nobody0"):
        e = t.s.refused(404, "GET", f"/leat/v1/permissions?cluster_id={cluster}", key=inside)["errors"][0]
        assert e["detail"] == "There is no such cluster.", e


def test_the_table_for_people_is_the_table_that_decides(t):
    """api/ACCESS.md; LEAT_WRITE=1 writes it anew."""
    path = os.path.join(contract.ROOT, "api", "ACCESS.md")
    names = [r["name"] for r in t.roles]
    lines = ["# Who may do what", "",
             "Made from `server/identity/roles.def` and `api/access.def` (tests/api holds it against the running service;",
             "`LEAT_WRITE=1 tests/api/run test_the_table_for_people_is_the_table_that_decides` writes it anew). Sessions and",
             "cloud keys act with these roles; a cluster key acts with Kafka's ACLs instead. A role reaches what lies within the",
             "scope it is bound to.", "", "| role | can be bound to | what for |", "|---|---|---|"]
    lines += [f"| **{r['name']}** | {', '.join(r['scopes'])} | {r['description']} |" for r in t.roles]
    lines += ["", "Where: what the permission is asked for. *in_handler*: what the body names, or each row of a list.", "",
              "| operation | where | permission | " + " | ".join(names) + " |", "|---|---|---|" + "---|" * len(names)]
    for o in t.operations:
        marks = " | ".join("x" if n in o["roles"] else "" for n in names)
        lines.append(f"| `{o['operation']}` | {o['where']} | {o['permission'] or ''} | {marks} |")
    text = "\n".join(lines) + "\n"
    if os.environ.get("LEAT_WRITE"):
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
    with open(path, encoding="utf-8") as f:
        assert f.read() == text, "api/ACCESS.md is not the table of this service"
