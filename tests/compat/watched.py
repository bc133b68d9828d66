"""What REST says of a client while it works: among the clients of a topic, and as the lag of its group. Features of a
Bench under leatd, as in features.py; a standalone broker has no REST."""
import re
import time

from confluent_kafka import Producer
from leatd import wait_for
from program import Failed, expect

HOUR = 3600.0
NEAR = 900.0  # seconds that may pass on a busy machine between making an old record and looking
# Patterns of what each client tells of itself: its client id, the library's name and its version ({}: the pinned one).
TOLD = {
    "java": ("compat-of-java", "apache-kafka-java", "{}"),
    "librdkafka": ("rdkafka", "librdkafka", "{}"),
    "confluent-kafka": ("rdkafka", "confluent-kafka-python", r"{}-rdkafka-[0-9.]+"),
    "kafkajs": ("leat-compat", "None", "None"),
    "kafka-python": (r"kafka-python-\S+", "kafka-python", "{}"),
    "aiokafka": (r"aiokafka-\S+", "None", "None"),
    "franz": ("kgo", "kgo", "v{}"),
    "sarama": ("sarama", "sarama", "v{}"),
    "kafkago": (r"None|.+ \(github\.com/segmentio/kafka-go\)", "None", "None"),
    "rskafka": ("rskafka", "rskafka", "{}"),
}
PATIENCE = 180  # seconds until REST must have said what is so


def comes(look, what):
    """Waits until look() is (true, …), and returns it; a failure tells the last one."""
    last = None

    def again():
        nonlocal last
        last = look()
        return last[0]
    try:
        wait_for(again, what, PATIENCE)
    except AssertionError as e:
        raise Failed(f"{e}; at the end: {str(last)[:1500]}") from e
    return last


def rest(b, path):
    """A page of the bench's cluster; None: there is none yet, or the broker of a busy machine did not tell in time."""
    a = b.leat.call("GET", f"/leat/v1/clusters/{b.cluster['id']}/{path}")
    expect(a.status in (200, 404, 503), f"{path}: {a}")
    return a.json if a.status == 200 else None


def protocols(b):
    """The group protocols of the client's library, with what `group` is told for them."""
    kip848 = {} if "kip848" in b.client.lacks else {"consumer": ["consumer"]}
    return {} if "group" in b.client.lacks else {"classic": [], **kip848}


def of_client(b, role, wanted=lambda c: True):
    """(those of this client who have the role for the topic "clients" and are as wanted, all who use it)"""
    page = rest(b, "topics/clients/clients")
    if page is None:
        return [], None
    everybody = page["data"]
    return [c for c in everybody if c["principal"] == b.key[2] and role in c["roles"] and wanted(c)], everybody


def is_gone(b, role):
    def look():
        mine, everybody = of_client(b, role)
        return everybody is not None and not mine, everybody
    comes(look, f"the {role} that ended is told no more")


def is_named(b, seen):
    """It is told by the library's name and version, its client id, and where it is."""
    found = [str(seen[k]) for k in ("client_id", "software_name", "software_version")]
    wanted = [t.replace("{}", re.escape(b.client.version)) for t in TOLD[b.client.name]]
    expect(all(map(re.fullmatch, wanted, found)), f"it is told as {found}, wanted {wanted}")
    expect((seen["address"], seen["via"]) == ("127.0.0.1", "kafka"), f"where it is: {seen}")


def clients(b):
    """A producer and a consumer are told as such in the clients of their topic, until they end; the reader with its group."""
    if b.security == "SASL_SSL":
        return "-"
    b.create("clients", 1)
    idempotent = "idempotence" not in b.client.lacks
    with b.program("stream", "clients", 1, "idempotent" if idempotent else "plain") as p:
        p.wait(lambda: p.acked >= 40, "40 records are acknowledged")
        (made,), _ = comes(lambda: of_client(b, "producer", lambda c: c["records_in"] >= 40), "the producer is told")
        is_named(b, made)
        expect(made["roles"] == ["producer"] and made["last_produced_at"] and not made["last_fetched_at"], f"a producer: {made}")
        expect(idempotent == (made["producer_id"] is not None), f"its producer id: {made}")
        expect(made["bytes_in"] > 0 and made["records_out"] == 0 and made["consumer_group_id"] is None, f"it reads: {made}")
        p.stop()
    is_gone(b, "producer")
    for protocol, argument in protocols(b).items():
        with b.program("group", "clients", f"clients-{protocol}", *argument) as c:
            c.wait(lambda: len(c.records) >= 40, "40 records came")
            (seen,), _ = comes(lambda: of_client(b, "consumer", lambda s: s["consumer_group_id"] == f"clients-{protocol}"
                                                 and s["records_out"] >= 40), f"the reader is told with its {protocol} group")
            is_named(b, seen)
            expect(seen["roles"] == ["consumer"] and seen["last_fetched_at"] and not seen["last_produced_at"], f"a reader: {seen}")
            expect(seen["consumer_group_match"] in ("client_id", "connection") and seen["bytes_out"] > 0, f"its group: {seen}")
            c.stop()
        is_gone(b, "consumer")
    return None


def make_old(b, ages):
    """Five records to each partition of the topic "lag", as old as `ages` says in seconds."""
    name, password = b.key[:2]
    p = Producer({"bootstrap.servers": b.bootstrap, "security.protocol": b.security, "sasl.mechanism": "PLAIN",
                  "sasl.username": name, "sasl.password": password, "log_level": 0})
    for partition, age in enumerate(ages):
        for _ in range(5):
            p.produce("lag", b"old", partition=partition, timestamp=int((time.time() - age) * 1000))
    expect(p.flush(60) == 0, "the old records were not sent")


def of_group(b, group):
    """(by partition of the topic "lag": (lag, seconds of time lag, the member's client id), and "all"; {} while not all
    is known), what REST said"""
    g = rest(b, f"groups/{group}")
    known = [(x["topic"], x["partition"]) for x in g["lags"] if x["time_lag_ms"] is not None] if g else []
    if sorted(known) != [("lag", 0), ("lag", 1)] or g["time_lag_ms"] is None:
        return {}, g
    found = {x["partition"]: (x["lag"], x["time_lag_ms"] / 1000, x["client_id"]) for x in g["lags"]}
    found["all"] = (g["total_lag"], g["time_lag_ms"] / 1000)
    return found, g


def settles(b, group, lags, seconds, member="None"):
    """REST comes to say these lags by partition; `seconds`: the least and the greatest time lag by partition, now."""
    def look():
        f, g = of_group(b, group)
        bounds = seconds()
        good = f and all(f[n][0] == lag and low <= f[n][1] <= high and re.fullmatch(member, str(f[n][2]))
                         for n, (lag, (low, high)) in enumerate(zip(lags, bounds)))
        low, high = max(x for x, _ in bounds), max(x for _, x in bounds)
        return good and f["all"][0] == sum(lags) and low <= f["all"][1] <= high, g
    return comes(look, f"{group} has the lags {lags} and the time lags {seconds()}, its member {member}")


def none():
    """The bounds of no time lag."""
    return (0, 0), (0, 0)


def reads_up(b, group, argument, count, before=lambda: None):
    """A member reads `count` records; before() looks while it has not committed them; it does, and no lag is left."""
    with b.program("group", "lag", group, *argument) as c:
        c.wait(lambda: len(c.records) >= count, f"{count} records came")
        before()
        c.stop()
    settles(b, group, (0, 0), none)


def lag(b):
    """Lag and time lag of a group, of each protocol: none; of old records; of what the client itself just made; none."""
    if b.security == "SASL_SSL":
        return "-"
    old = (4 * HOUR, 2 * HOUR)

    def ages():
        return tuple((age - NEAR, age + NEAR) for age in old)
    read = ((0, 0), none) if b.client.commits_alone else ((5, 5), ages)
    b.create("lag", 2)
    b.run("send", "lag", 2, 0, 20, "none", seconds=PATIENCE)
    total = 20
    for protocol, argument in protocols(b).items():
        group = f"lag-{protocol}"
        reads_up(b, group, argument, total)
        make_old(b, old)
        settles(b, group, (5, 5), ages)
        reads_up(b, group, argument, 10, lambda g=group: settles(b, g, *read, TOLD[b.client.name][0]))
        began = time.time()
        b.run("send", "lag", 2, 100, 6, "none", seconds=PATIENCE)
        settles(b, group, (3, 3), lambda t=began: ((2, time.time() - t + 0.01),) * 2)  # it is two seconds old, and no more than that
        reads_up(b, group, argument, 6)
        total += 16
