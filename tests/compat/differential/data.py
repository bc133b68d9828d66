"""Records: produce, fetch, list offsets, leader epochs, delete records, idempotence."""
from topics import NO_ID, SOME_ID, create, topic_id
from topics import topic as any_topic

R = [{"key": "k", "value": "v", "ts": 1000}]


def topic(name, partitions=1, configs=(), **more):
    """A topic that keeps records of 1970."""
    return any_topic(name, partitions, configs=[{"name": "retention.ms", "value": "-1"}, *configs], **more)


def batch(*records, **more):
    return {"records": list(records) or R, **more}


def produce_body(name, *batches, index=0, acks=-1, id=None, **more):
    partition = {"index": index, "records": {"batches": list(batches)} if batches else None}
    return {"acks": acks, "timeoutMs": 10000, "topicData": [{"name": name, "topicId": id or NO_ID, "partitionData": [partition]}], **more}


def produce(t):
    create(t, topic("data", 2), topic("compacted", configs=[{"name": "cleanup.policy", "value": "compact"}]),
           topic("stamped", configs=[{"name": "message.timestamp.type", "value": "LogAppendTime"}]),
           topic("narrow", configs=[{"name": "max.message.bytes", "value": "1000"}]),
           topic("zipped", configs=[{"name": "compression.type", "value": "gzip"}]),
           topic("dated", configs=[{"name": "message.timestamp.before.max.ms", "value": "60000"}]))
    ids = {n: topic_id(t, n) for n in ("data", "compacted", "stamped", "narrow", "zipped", "dated")}
    for v in t.versions("Produce"):
        steps = iter(range(100))  # a partition a step: what one refuses does not move the offsets of the next
        odd = f"odd-{v}"
        create(t, topic(odd, 24), compare=False)
        ids[odd] = topic_id(t, odd)

        def one(step, name, *batches, **more):
            if name == "odd":
                name, more = odd, {"index": next(steps), **more}
            t.call(step, "Produce", produce_body(name, *batches, id=ids.get(name, SOME_ID), **more), v)
        one("ordinary", "data", batch())
        one("acks 1", "data", batch(), acks=1)
        one("acks 2", "odd", batch(), acks=2)
        t.call("acks 0", "Produce", produce_body("data", batch(), id=ids["data"], acks=0), v, reply=False)
        one("after acks 0", "data", batch())
        one("three records with headers", "data", batch(
            {"key": "a", "value": "1", "ts": 1, "headers": [["h", "x"], ["n", None]]}, {"key": None, "value": "2", "ts": 2},
            {"key": "c", "value": None, "ts": 3}))
        one("unknown topic", "nowhere", batch())
        one("unknown partition", "data", batch(), index=7)
        one("partition below zero", "data", batch(), index=-1)
        one("no records", "odd", {"hex": ""})
        one("two batches", "odd", batch(), batch())
        one("wrong checksum", "odd", batch(crc=12345))
        one("cut", "odd", batch(cut=3))
        one("count is wrong", "odd", batch(count=5))
        one("base offset 5", "odd", batch(base=5))
        one("magic 1", "odd", batch(magic=1))
        one("magic 0", "odd", batch(magic=0))
        one("control", "odd", batch({"value": "\0\0\0\0\0\0", "ts": 1}, control=True, pid=5, epoch=0))
        one("marked as stamped by the broker", "odd", batch(attributes=8))
        one("codec 7", "odd", batch(attributes=7))
        one("without a key into a compacted topic", "compacted", batch({"key": None, "value": "v", "ts": 5}))
        one("with a key into a compacted topic", "compacted", batch())
        one("stamped by the broker", "stamped", batch())
        one("too large", "narrow", batch({"key": "k", "size": 2000, "ts": 1}))
        one("into a topic with a codec", "zipped", batch())
        one("long ago", "dated", batch())
        one("far in the future", "odd", batch({"key": "k", "value": "v", "ts": 4000000000000}))
        one("to an internal topic", "__consumer_offsets", batch())
        for codec in ("gzip", "snappy", "lz4", "zstd"):
            one(codec, "data", batch({"key": "k", "size": 500, "ts": 7}, {"key": "l", "size": 500, "ts": 8}, codec=codec), index=1)
        t.call("no topics", "Produce", {"acks": -1, "timeoutMs": 1000, "topicData": []}, v)
        t.call("no partitions", "Produce", {"acks": -1, "timeoutMs": 1000, "topicData": [{"name": "data", "topicId": ids["data"], "partitionData": []}]}, v)
        t.call("partition twice", "Produce", {"acks": -1, "timeoutMs": 1000, "topicData": [{"name": odd, "topicId": ids[odd], "partitionData": [
            {"index": 22, "records": {"batches": [batch()]}}, {"index": 22, "records": {"batches": [batch()]}}]}]}, v)
        t.call("topic twice", "Produce", {"acks": -1, "timeoutMs": 1000, "topicData": 2 * produce_body(odd, batch(), id=ids[odd], index=23)["topicData"]}, v)


def packed(t):
    """Batches of each codec in topics of each codec: small ones and such that a broker packs beside its loop."""
    kinds, levels = ("uncompressed", "gzip", "snappy", "lz4", "zstd"), {"gzip": "1", "lz4": "2", "zstd": "9"}
    create(t, *(topic(f"as-{kind}", configs=[{"name": "compression.type", "value": kind},
                                             *([{"name": f"compression.{kind}.level", "value": levels[kind]}] if kind in levels else [])]) for kind in kinds))
    for kind in kinds:
        name = f"as-{kind}"
        known = topic_id(t, name)
        for codec in ("none", "gzip", "snappy", "lz4", "zstd"):
            for size in (10, 30000):
                records = ({"key": "a", "value": "1", "ts": 7, "headers": [["h", "x"], ["n", None]]}, {"key": None, "size": size, "ts": 5},
                           {"key": "c", "value": None, "ts": 9})
                t.call(f"{codec} of {size} into {kind}", "Produce", produce_body(name, batch(*records, codec=codec), id=known))
        t.call(f"what is in {kind}", "Fetch", fetch_body(name, id=known, most=1 << 22))


def fetch_body(name, offset=0, index=0, id=NO_ID, wait=0, least=0, epoch=-1, most=1 << 20, session=0, number=-1, **more):
    return {"replicaId": -1, "maxWaitMs": wait, "minBytes": least, "maxBytes": 1 << 22, "sessionId": session, "sessionEpoch": number,
            "topics": [{"topic": name, "topicId": id, "partitions": [
                {"partition": index, "fetchOffset": offset, "currentLeaderEpoch": epoch, "partitionMaxBytes": most, "logStartOffset": -1}]}], **more}


def fetch(t):
    ids = {n: topic_id(t, n) for n in ("data", "compacted", "zipped", "dated")}
    for v in t.versions("Fetch"):
        def one(step, name, offset=0, **more):
            t.call(step, "Fetch", fetch_body(name, offset, id=ids.get(name, SOME_ID), **more), v)
        one("ordinary", "data")
        one("from inside a batch", "data", 5)
        one("every codec", "data", index=1)
        one("stored in another codec", "zipped")
        one("an empty log", "dated")
        one("one byte", "data", most=1)
        one("one byte of all", "data", maxBytes=1)
        one("no bytes", "data", most=0)
        one("read committed", "data", isolationLevel=1)
        one("isolation 9", "data", isolationLevel=9)
        one("behind the end", "data", 100000)
        one("below zero", "data", -1)
        one("unknown topic", "nowhere")
        one("unknown partition", "data", index=9)
        one("leader epoch of the future", "data", epoch=t.epoch(9))
        one("leader epoch 0", "data", epoch=t.epoch(0))
        one("leader epoch -2", "data", epoch=-2)
        one("rack", "data", 1, rackId="r1")
        one("waits in vain", "dated", wait=60, least=1)
        t.call("nothing", "Fetch", {"maxWaitMs": 0, "minBytes": 0, "topics": []}, v)
        t.call("partition twice", "Fetch", {"maxWaitMs": 0, "minBytes": 0, "sessionEpoch": -1, "topics": 2 * fetch_body("compacted", id=ids["compacted"])["topics"]}, v)
        one("as a replica", "data", replicaId=3, replicaState={"replicaId": 3, "replicaEpoch": 1})


def sessions(t):
    ids = {n: topic_id(t, n) for n in ("data", "compacted", "dated")}
    for v in t.versions("Fetch", low=7):
        def one(step, name="compacted", **more):
            return t.call(step, "Fetch", fetch_body(name, id=ids[name], **more), v, connection="session")
        first = one("a new session", number=0)
        at = first.each(lambda a: a["sessionId"])
        nothing = {"maxWaitMs": 0, "minBytes": 0, "maxBytes": 1 << 20, "topics": []}
        t.call("nothing changed", "Fetch", {**nothing, "sessionId": at, "sessionEpoch": 1}, v, connection="session")
        one("another partition", "dated", session=at, number=2)
        t.call("produce", "Produce", produce_body("dated", batch({"key": "k", "value": "v", "ts": 4000000000000}), id=ids["dated"]), compare=False)
        t.call("still both", "Fetch", {**nothing, "sessionId": at, "sessionEpoch": 3}, v, connection="session")
        t.call("the same epoch again", "Fetch", {**nothing, "sessionId": at, "sessionEpoch": 3}, v, connection="session")
        t.call("one forgotten", "Fetch", {**nothing, "sessionId": at, "sessionEpoch": 4, "forgottenTopicsData": [
            {"topic": "compacted", "topicId": ids["compacted"], "partitions": [0]}]}, v, connection="session")
        t.call("an unknown session", "Fetch", {**nothing, "sessionId": 12345678, "sessionEpoch": 3}, v, connection="session")
        t.call("the end of the session", "Fetch", {**nothing, "sessionId": at, "sessionEpoch": -1}, v, connection="session")
        t.call("after its end", "Fetch", {**nothing, "sessionId": at, "sessionEpoch": 5}, v, connection="session")


def list_offsets(t):
    api = "ListOffsets"

    def body(*asked, name="data", replica=-1, isolation=0):
        return {"replicaId": replica, "isolationLevel": isolation, "timeoutMs": 5000, "topics": [{"name": name, "partitions": [
            {"partitionIndex": p, "timestamp": ts, "currentLeaderEpoch": e} for p, ts, e in asked]}]}
    for ts in (-1, -2, -3, -4, -5, -6, -7, 0, 2, 1000, 1001, 1 << 50):
        t.sweep(f"timestamp {ts}", api, body((0, ts, -1)))
        t.sweep(f"timestamp {ts}, committed", api, body((0, ts, -1), isolation=1), low=2)
    t.sweep("two partitions", api, body((0, -1, -1), (1, 7, -1)))
    t.sweep("unknown partition", api, body((5, -1, -1)))
    t.sweep("unknown topic", api, body((0, -1, -1), name="nowhere"))
    t.sweep("twice", api, body((0, -1, -1), (0, -2, -1)))
    t.sweep("an epoch too high", api, body((0, -1, t.epoch(5))), low=4)
    t.sweep("epoch 0", api, body((0, -1, t.epoch(0))), low=4)
    t.sweep("an empty log", api, {"replicaId": -1, "topics": [{"name": "shown", "partitions": [
        {"partitionIndex": 0, "timestamp": ts, "currentLeaderEpoch": -1}]} for ts in (-1,)]})
    for ts in (-2, -3, 5):
        t.sweep(f"an empty log, {ts}", api, body((0, ts, -1), name="shown"))
    t.sweep("no topics", api, {"replicaId": -1, "topics": []})
    t.sweep("as a replica", api, body((0, -1, -1), replica=3))
    t.sweep("stamped by the broker", api, body((0, -3, -1), name="stamped"))


def leader_epochs(t):
    api = "OffsetForLeaderEpoch"
    if not t.serves(api):
        return

    def body(epoch, current=-1, name="data", index=0, replica=-2):
        return {"replicaId": replica, "topics": [{"topic": name, "partitions": [
            {"partition": index, "currentLeaderEpoch": current, "leaderEpoch": epoch}]}]}
    for epoch in (-1, -2):
        t.sweep(f"epoch {epoch}", api, body(epoch))
    for epoch in (0, 1, 5):
        t.sweep(f"epoch {epoch}", api, body(t.epoch(epoch)))
    t.sweep("current epoch", api, body(t.epoch(0), t.epoch(0)))
    t.sweep("an epoch too high", api, body(t.epoch(0), t.epoch(7)))
    t.sweep("unknown topic", api, body(t.epoch(0), name="nowhere"))
    t.sweep("unknown partition", api, body(t.epoch(0), index=9))
    t.sweep("an empty log", api, body(t.epoch(0), name="shown"))
    t.sweep("no topics", api, {"replicaId": -2, "topics": []})


def delete_records(t):
    api = "DeleteRecords"
    if not t.serves(api):
        return
    create(t, topic("cut", 2), topic("kept", configs=[{"name": "cleanup.policy", "value": "compact"}]))
    some = topic_id(t, "cut")
    for _ in range(10):
        t.call("fill", "Produce", produce_body("cut", batch(), id=some), compare=False)

    def body(offset, name="cut", index=0):
        return {"timeoutMs": 10000, "topics": [{"name": name, "partitions": [{"partitionIndex": index, "offset": offset}]}]}
    for v in t.versions(api):
        t.call("ordinary", api, body(2 + v), v)
        t.call("the same again", api, body(2 + v), v)
        t.call("below the start", api, body(1), v)
        t.call("behind the end", api, body(100), v)
        t.call("below zero", api, body(-2), v)
        t.call("unknown topic", api, body(0, "nowhere"), v)
        t.call("unknown partition", api, body(0, index=9), v)
        t.call("a compacted topic", api, body(0, "kept"), v)
        t.call("an internal topic", api, body(0, "__consumer_offsets"), v)
        t.call("no topics", api, {"timeoutMs": 1000, "topics": []}, v)
        t.call("partition twice", api, {"timeoutMs": 10000, "topics": 2 * body(2)["topics"]}, v)
    t.call("fetch below the start", "Fetch", fetch_body("cut", 1, id=some))
    t.call("fetch from the start", "Fetch", fetch_body("cut", 4, id=some))
    t.call("all", api, body(-1))
    t.call("fetch at the end", "Fetch", fetch_body("cut", 10, id=some))
    for ts in (-1, -2, -3, 5):
        t.call(f"list offsets {ts}", "ListOffsets", {"replicaId": -1, "topics": [{"name": "cut", "partitions": [
            {"partitionIndex": 0, "timestamp": ts, "currentLeaderEpoch": -1}]}]})


def idempotence(t):
    create(t, topic("once", 1))
    some = topic_id(t, "once")
    t.sweep("a producer id", "InitProducerId", {"transactionalId": None, "transactionTimeoutMs": 1000, "producerId": -1, "producerEpoch": -1})
    t.sweep("an id of before, unknown", "InitProducerId", {"transactionalId": None, "transactionTimeoutMs": 1000, "producerId": 777, "producerEpoch": 3}, low=3)
    t.sweep("half an id of before", "InitProducerId", {"transactionalId": None, "transactionTimeoutMs": 1000, "producerId": 777, "producerEpoch": -1}, low=3)
    t.sweep("an empty transactional id", "InitProducerId", {"transactionalId": "", "transactionTimeoutMs": 1000, "producerId": -1, "producerEpoch": -1})
    mine = t.call("mine", "InitProducerId", {"transactionalId": None, "transactionTimeoutMs": 1000, "producerId": -1, "producerEpoch": -1}).each(lambda a: a["producerId"])

    def one(step, sequence, epoch=0, count=1, pid=None):
        t.call(step, "Produce", produce_body("once", batch(*count * R, pid=pid or mine, epoch=epoch, sequence=sequence), id=some))
    one("sequence 0", 0)
    one("sequence 0 again", 0)
    one("sequence 2 instead of 1", 2)
    for sequence in range(1, 7):
        one(f"sequence {sequence}", sequence)
    one("a duplicate of the last five", 3)
    one("a duplicate that is too old", 0)
    one("overlapping", 6, count=2)
    one("the next epoch not from 0", 5, epoch=1)
    one("the next epoch", 0, epoch=1)
    one("the epoch of before", 7, epoch=0)
    one("an unknown producer, not from 0", 4, pid=991)
    one("an unknown producer from 0", 0, pid=992)
    t.call("what is stored", "Fetch", fetch_body("once", id=some))


SCENARIOS = [produce, packed, fetch, sessions, list_offsets, leader_epochs, delete_records, idempotence]
