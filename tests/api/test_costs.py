"""What clusters use, by day: counted once, through restarts and kills of leatd, and kept when the cluster is gone."""
import contextlib
import datetime

import client
from client import text, wait_for


class Costs:
    def __init__(self, service):
        self.s = service
        self.environment = service.make_environment("costs")
        self.cluster = service.make_cluster(self.environment, name="measured")["id"]

    def lines(self):
        """line_type -> line, summed over the days around midnight."""
        today = datetime.datetime.now(datetime.timezone.utc).date()
        start, end = today - datetime.timedelta(days=1), today + datetime.timedelta(days=1)
        found = {}
        for line in self.s.good("GET", f"/billing/v1/costs?start_date={start}&end_date={end}")["data"]:
            if line["resource"]["id"] == self.cluster:
                found[line["line_type"]] = found.get(line["line_type"], 0) + line["quantity"]
        return found

    def written(self):
        return round(self.lines().get("KAFKA_NETWORK_WRITE", 0) * 1e9)


@contextlib.contextmanager
def fixture():
    with client.running() as service:
        yield Costs(service)


def test_dates_are_dates(t):
    for query in ("", "?start_date=2026-01-01", "?start_date=2026-01-01&end_date=2026-02-30", "?start_date=x&end_date=2026-01-01",
                  "?start_date=2026-01-02&end_date=2026-01-02", "?start_date=2026-01-01&end_date=2026-01-02&page_size=10001",
                  "?start_date=2026-01-01&end_date=2026-01-02&page_token=other"):
        t.s.refused(400, "GET", "/billing/v1/costs" + query)
    assert t.s.good("GET", "/billing/v1/costs?start_date=2001-01-01&end_date=2001-02-01")["data"] == []


def test_what_is_produced_stored_and_held_is_counted(t):
    t.s.make_topic(t.cluster, "orders", partitions=4)
    for _ in range(5):
        t.s.produce(t.cluster, "orders", text("x" * 20000))
    wait_for(lambda: t.written() > 100000, "the bytes are counted")
    wait_for(lambda: t.lines().get("KAFKA_STORAGE", 0) > 0, "storage is counted")
    lines = t.lines()
    assert lines["KAFKA_PARTITION"] > 0 and lines["KAFKA_BASE"] > 0
    assert t.written() < 200000


def test_prices_are_zero_until_they_are_set(t):
    prices = {p["line_type"]: p["price"] for p in t.s.good("GET", "/leat/v1/prices")["data"]}
    assert len(prices) == 5 and not any(prices.values())
    t.s.good("PUT", "/leat/v1/prices", {"prices": {"KAFKA_NETWORK_WRITE": 2.5}})
    today = datetime.datetime.now(datetime.timezone.utc).date()
    span = f"start_date={today - datetime.timedelta(days=1)}&end_date={today + datetime.timedelta(days=1)}"
    page = t.s.good("GET", f"/billing/v1/costs?{span}&page_size=1")
    lines = list(page["data"])
    while page["metadata"]["next"]:
        page = t.s.good("GET", page["metadata"]["next"])
        assert len(page["data"]) == 1
        lines += page["data"]
    assert len({line["id"] for line in lines}) == len(lines) >= 4
    line = next(x for x in lines if x["line_type"] == "KAFKA_NETWORK_WRITE")
    assert abs(line["amount"] - 2.5 * line["quantity"]) < 1e-9 and line["unit"] == "GB"
    assert line["resource"] == {"id": t.cluster, "display_name": "measured", "environment": {"id": t.environment}}
    for bad in ({"KAFKA_TEA": 1}, {"KAFKA_BASE": -1}, {"KAFKA_BASE": "free"}):
        t.s.refused(422, "PUT", "/leat/v1/prices", {"prices": bad})


def test_a_killed_leatd_counts_nothing_twice_and_leaves_nothing_out(t):
    before = t.written()
    t.s.kill()
    t.s.start()
    t.s.running(t.cluster)
    assert t.written() == before
    t.s.produce(t.cluster, "orders", text("y" * 50000))
    wait_for(lambda: t.written() > before + 50000, "what came after the kill is counted")
    assert t.written() < before + 60000


def test_costs_outlive_their_cluster(t):
    path = f"/cmk/v2/clusters/{t.cluster}?environment={t.environment}"
    before = t.written()
    t.s.good("DELETE", path, status=204)
    wait_for(lambda: t.s.call("GET", path).status == 404, "the cluster is gone")
    assert t.written() == before
