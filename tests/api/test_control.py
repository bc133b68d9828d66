"""Environments and clusters as the official tools read them: bodies, phases, refusals, pages. The Go SDK itself is in tests/compat."""
import contextlib

import client
from leatd import wait_for


class Control:
    def __init__(self, service):
        self.s = service
        self.environment = service.make_environment("control")

    def spec(self, name, config, **more):
        return {"spec": {"display_name": name, "availability": "HIGH", "cloud": "GCP", "region": "anywhere",
                         "config": config, "environment": {"id": self.environment}, **more}}

    def path(self, cluster):
        return f"/cmk/v2/clusters/{cluster}?environment={self.environment}"

    def make(self, name, kind="Basic", **more):
        return self.s.good("POST", "/cmk/v2/clusters", self.spec(name, {"kind": kind}, **more), status=202)["id"]


@contextlib.contextmanager
def fixture():
    with client.running() as service:
        yield Control(service)


def error(body):
    return body["errors"][0]


def test_an_environment_keeps_its_governance_package(t):
    assert "stream_governance_config" not in t.s.good("POST", "/org/v2/environments", {"display_name": "ungoverned"}, status=201)
    made = t.s.good("POST", "/org/v2/environments", {
        "display_name": "governed", "stream_governance_config": {"package": "ADVANCED"}}, status=201)
    path = "/org/v2/environments/" + made["id"]
    assert made["stream_governance_config"] == {"package": "ADVANCED"}
    assert t.s.good("PATCH", path, {"display_name": "renamed"})["stream_governance_config"]["package"] == "ADVANCED"
    changed = t.s.good("PATCH", path, {"stream_governance_config": {"package": "ESSENTIALS"}})
    assert (changed["display_name"], changed["stream_governance_config"]["package"]) == ("renamed", "ESSENTIALS")
    t.s.refused(400, "PATCH", path, {"stream_governance_config": {"package": "GOLD"}})
    t.s.refused(400, "PATCH", path, {"stream_governance_config": "GOLD"})
    assert t.s.good("GET", path)["stream_governance_config"]["package"] == "ESSENTIALS"
    t.s.good("DELETE", path, status=204)


def test_the_organization_has_a_name_of_its_own(t):
    path = "/org/v2/organizations/" + t.s.good("GET", "/org/v2/organizations")["data"][0]["id"]
    assert t.s.good("GET", path)["display_name"] == "Leat"
    assert t.s.good("PATCH", path, {"display_name": "Mill"})["display_name"] == "Mill"
    assert t.s.good("GET", "/org/v2/organizations")["data"][0]["display_name"] == "Mill"
    t.s.refused(400, "PATCH", path, {"display_name": ""})
    t.s.refused(422, "PATCH", path, {"jit_enabled": True})
    t.s.refused(404, "PATCH", "/org/v2/organizations/other", {"display_name": "x"})


def test_what_one_machine_cannot_mean_is_refused_with_a_pointer(t):
    for config, more, pointer in (
            ({"kind": "Enterprise"}, {}, "/spec/config/kind"), ({"kind": "Freight"}, {}, "/spec/config/kind"),
            ({"kind": "Basic", "max_ecku": 5}, {}, "/spec/config/max_ecku"),
            ({"kind": "Dedicated", "cku": 0}, {}, "/spec/config/cku"), ({"kind": "Dedicated", "cku": 101}, {}, "/spec/config/cku"),
            ({"kind": "Dedicated", "cku": 1, "encryption_key": "arn"}, {}, "/spec/config/encryption_key"),
            ({"kind": "Basic"}, {"byok": {"id": "cck-1"}}, "/spec/byok"),
            ({"kind": "Basic"}, {"network": {"id": "n-1"}}, "/spec/network")):
        e = error(t.s.refused(422, "POST", "/cmk/v2/clusters", t.spec("no", config, **more)))
        assert (e["source"]["pointer"], e["status"]) == (pointer, "422") and e["detail"].endswith("."), e
    assert error(t.s.refused(400, "GET", "/cmk/v2/clusters"))["source"]["parameter"] == "environment"


def test_a_cluster_shows_its_endpoint_under_every_name_that_tools_read(t):
    cluster = t.make("doors", deletion_protection=True)
    spec = t.s.good("GET", t.path(cluster))["spec"]
    assert spec["endpoints"] == {"PUBLIC": {"kafka_bootstrap_endpoint": spec["kafka_bootstrap_endpoint"],
                                            "http_endpoint": spec["http_endpoint"], "connection_type": "PUBLIC"}}
    assert spec["api_endpoint"] == spec["http_endpoint"] == t.s.base and spec["deletion_protection"]
    every = f"/cmk/v2/clusters?environment={t.environment}"
    assert [c["id"] for c in t.s.good("GET", every + "&spec.deletion_protection=true")["data"]] == [cluster]
    assert t.s.good("GET", every + "&spec.deletion_protection=false")["metadata"]["total_size"] == 0
    assert t.s.good("GET", every + "&spec.network=n-1")["data"] == []
    t.s.refused(400, "GET", every + "&spec.deletion_protection=maybe")
    t.s.good("PATCH", t.path(cluster), {"spec": {"deletion_protection": False}})
    t.s.good("DELETE", t.path(cluster), status=204)


def test_a_name_is_taken_once_in_an_environment(t):
    first, second = t.make("first"), t.make("second")
    for answer in (t.s.call("POST", "/cmk/v2/clusters", t.spec("first", {"kind": "Basic"})),
                   t.s.call("PATCH", t.path(second), {"spec": {"display_name": "first"}})):
        assert answer.status == 409 and answer.headers["Location"].endswith("/cmk/v2/clusters/" + first), answer
    elsewhere = {"spec": {"environment": {"id": "env-other"}, "display_name": "third"}}
    t.s.refused(404, "PATCH", f"/cmk/v2/clusters/{first}", elsewhere)
    page = t.s.good("GET", f"/cmk/v2/clusters?environment={t.environment}&page_size=1")
    assert "page_token=" in page["metadata"]["next"] and len(page["data"]) == 1
    for cluster in (first, second):
        t.s.good("DELETE", t.path(cluster), status=204)


def test_a_kind_changes_from_basic_to_standard_only(t):
    cluster = t.make("grows")
    change = {"spec": {"config": {"kind": "Standard"}}}
    t.s.running(cluster)
    assert t.s.good("PATCH", t.path(cluster), change)["spec"]["config"]["kind"] == "Standard"
    assert t.s.good("GET", f"/leat/v1/clusters/{cluster}")["plan"] == "standard"
    for kind in ("Basic", "Dedicated"):
        e = error(t.s.refused(422, "PATCH", t.path(cluster), {"spec": {"config": {"kind": kind, "cku": 1}}}))
        assert e["source"]["pointer"] == "/spec/config/kind", e
    t.s.good("PATCH", f"/leat/v1/clusters/{cluster}", {"plan": "trial"})
    assert t.s.good("GET", t.path(cluster))["spec"]["config"] == {"kind": "Basic"}
    t.s.good("DELETE", t.path(cluster), status=204)


def test_an_environment_goes_when_its_clusters_are_gone(t):
    path = f"/org/v2/environments/{t.environment}"
    wait_for(lambda: t.s.call("DELETE", path).status == 204, "the environment is deleted")
    t.s.refused(404, "GET", path)
