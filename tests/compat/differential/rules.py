"""What two brokers may say differently, rule by rule, and how two answers are compared.

port       the port that a broker advertises is its own
ids        topic ids by the topic's name, other ids (producers, members, sessions) in their order of appearance
epochs     of leaders are counted from that of a new partition: 0 in Kafka, one more a start of the broker in Leat
time       a time of the wall clock (2020 to 2109) is <time>; times that a client wrote here are smaller or greater
disk       the folder of the logs, and how large its disk is
words      a sentence for people may be worded as one likes, but must be there when Kafka has one
rows       that have a key come in any order; where error codes differ, the rest of the row is not compared
"""
import json
import re

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
ZERO_ID = "AAAAAAAAAAAAAAAAAAAAAA"
WALL_CLOCK = 1577836800000
ID_FIELDS = {"topicId", "clusterId", "incarnationId", "logDirUuid"}
EPOCHS = {"leaderEpoch", "committedLeaderEpoch", "coordinatorEpoch"}
WORDS = {"errorMessage", "batchIndexErrorMessage", "documentation"}
KEYS = ("apiKey", "name", "topicName", "topic", "groupId", "nodeId", "brokerId", "partitionIndex", "partition", "partitionId",
        "key", "memberId", "transactionalId", "configName", "resourceName", "topicId", "logDir", "index", "user",
        "patternType", "resourceType", "principal", "host", "operation", "permissionType", "mechanism", "producerId",
        "updateType", "entityType", "entityName")
ORDERED = {"records", "batches", "timestampDeltas"}


class Rules:
    def __init__(self, ports):
        self.ports, self.first_epoch = ports, dict.fromkeys(ports, 0)
        self.seen, self.topics = {side: {} for side in ports}, {side: {} for side in ports}

    def begin(self):
        """A scenario counts its producers anew: one that only one side gave out does not shift all later ones."""
        for seen in self.seen.values():
            seen.pop("producer", None)

    def topic_named(self, side, row):
        name = row.get("name") or row.get("topicName")
        if name and row.get("topicId", ZERO_ID) != ZERO_ID:
            self.topics[side][row["topicId"]] = name

    def name(self, side, kind, value):
        """The n-th value of its kind that this side has said."""
        known = self.seen[side].setdefault(kind, {})
        return known.setdefault(value, f"<{kind} {len(known) + 1}>")

    def clean(self, side, api, raw):
        return self.value(side, "", raw)

    def value(self, side, field, v):
        """Ids before order: rows are ordered by what both sides name alike."""
        if isinstance(v, dict):
            self.topic_named(side, v)
            return {k: self.value(side, k, v[k]) for k in v}
        if isinstance(v, list):
            rows = [self.value(side, field, x) for x in (v if field in ORDERED else sorted(v, key=row_key))]
            return rows if field in ORDERED else sorted(rows, key=row_key)
        if isinstance(v, bool) or v is None:
            return v
        if field == "port" and v == self.ports[side]:
            return "<port>"
        if isinstance(v, int):
            return self.number(side, field, v)
        return self.text(side, field, v)

    def number(self, side, field, v):
        if field == "producerId" and v >= 0:
            return self.name(side, "producer", v)
        if field in EPOCHS and v >= 0:
            return v - self.first_epoch[side]
        if field == "sessionId" and v:
            return "<session>"
        if field in ("totalBytes", "usableBytes") and v > 0:
            return "<bytes of the disk>"
        return "<time>" if v >= WALL_CLOCK and field not in ("baseOffset", "offset") and v < 1 << 42 else v

    def text(self, side, field, v):
        if field == "logDir":
            return "<dir>"
        if field in WORDS:
            return "<words>" if v else None
        if field == "topicId" and v in self.topics[side]:
            return f"<id of {self.topics[side][v]}>"
        if field in ID_FIELDS and v != ZERO_ID:
            return self.name(side, field, v)
        return UUID.sub(lambda m: self.name(side, "uuid", m.group()), v) if isinstance(v, str) else v


def row_key(row):
    if isinstance(row, dict):
        keys = "entity" not in row and [row.get(k) for k in KEYS if k in row and (k != "topicId" or not row.get("name"))]
        return json.dumps(keys or row, sort_keys=True)
    return json.dumps(row)


def compare(path, kafka, leat):
    """(path, kafka's, leat's) of every place that differs; a row is named by its place in the order of keys."""
    if isinstance(kafka, dict) and isinstance(leat, dict):
        if kafka.get("errorCode") != leat.get("errorCode"):  # what else differs in the row follows from it
            yield f"{path}.errorCode", short(kafka.get("errorCode", "<absent>")), short(leat.get("errorCode", "<absent>"))
            return
        for k in sorted(set(kafka) | set(leat)):
            yield from compare(f"{path}.{k}" if k != "answer" else path, kafka.get(k, "<absent>"), leat.get(k, "<absent>"))
    elif isinstance(kafka, list) and isinstance(leat, list):
        yield from compare_rows(path, kafka, leat)
    elif leat == "<words>" and kafka is None:
        return
    elif kafka != leat or isinstance(kafka, bool) != isinstance(leat, bool):
        yield path, short(kafka), short(leat)


def compare_rows(path, kafka, leat):
    for names in ([label(r) for r in rows] for rows in (kafka, leat)), ([row_key(r) for r in rows] for rows in (kafka, leat)):
        theirs, ours = names
        if None not in theirs + ours and len({*theirs}) == len(theirs) and len({*ours}) == len(ours):
            named = dict(zip(theirs, kafka)), dict(zip(ours, leat))
            for name in {**named[0], **named[1]}:
                yield from compare(f"{path}[{name}]", named[0].get(name, "<absent>"), named[1].get(name, "<absent>"))
            return
    for i in range(max(len(kafka), len(leat))):
        yield from compare(path + "[]", kafka[i] if i < len(kafka) else "<absent>", leat[i] if i < len(leat) else "<absent>")


def label(row):
    """How a row is called in paths: its first key."""
    return next((str(row[k]) for k in KEYS if row.get(k) is not None), None) if isinstance(row, dict) else None


def short(v):
    text = json.dumps(v, sort_keys=True)
    return text if len(text) <= 300 else text[:300] + "…"
