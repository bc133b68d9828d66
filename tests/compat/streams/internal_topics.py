"""What Kafka's console consumer prints of __consumer_offsets and __transaction_state with the formatters of kafka-tools."""
import json
import os

from programs import Child, command, compiled, console_consumer, properties

# TransactionState.id() of Kafka
EMPTY, ONGOING, PREPARE_COMMIT, PREPARE_ABORT, COMPLETE_COMMIT, COMPLETE_ABORT = range(6)


def records(broker, folder, topic, formatter):
    """What the formatter printed, as pairs of key and value without their versions."""
    text = "".join(console_consumer(broker, folder, topic, "--formatter", "org.apache.kafka.tools.consumer." + formatter))
    at, found = 0, []
    while at < len(text):  # one follows the other without a line's end
        one, at = json.JSONDecoder().raw_decode(text, at)
        found.append((one["key"]["data"], one["value"] and one["value"]["data"]))
    return found


def equal(what, found, expected):
    assert found == expected, f"{what}: {found}, expected {expected}"


def check_offsets(broker, folder):
    found = {(k["group"], k["topic"], k["partition"]): (v["offset"], v["metadata"])
             for k, v in records(broker, folder, "__consumer_offsets", "OffsetsMessageFormatter") if k["topic"] == "data"}
    equal("committed offsets", found, {("readers", "data", 0): (5, "half"), ("readers", "data", 1): (5, ""), ("copied", "data", 0): (3, "")})


def check_groups(broker, folder):
    found = [v for k, v in records(broker, folder, "__consumer_offsets", "GroupMetadataMessageFormatter") if k["group"] == "readers"]
    full, empty = found[-2:]  # Kafka writes one of generation 0 before
    member = full["members"][0]
    equal("the full group", [full["protocolType"], full["generation"], full["protocol"], full["leader"], len(full["members"]),
                             member["clientId"], member["clientHost"]],
          ["consumer", 1, "range", member["memberId"], 1, "reader", "/127.0.0.1"])
    equal("the empty group", [empty[k] for k in ("protocolType", "generation", "protocol", "leader", "members")], ["consumer", 2, None, None, []])


def check_transactions(broker, folder):
    found = {}
    for k, v in records(broker, folder, "__transaction_state", "TransactionLogMessageFormatter"):
        topics = {p["topic"] for p in v["transactionPartitions"] or ()}
        found.setdefault(k["transactionalId"], []).append((v["transactionStatus"], v["producerEpoch"], topics))
    data, both = {"data"}, {"data", "__consumer_offsets"}
    begun = [(EMPTY, 0, set()), (ONGOING, 0, data)]
    equal("transactions", found, {  # an end moves the epoch (KIP-890)
        "committing": [*begun, (ONGOING, 0, both), (PREPARE_COMMIT, 1, both), (COMPLETE_COMMIT, 1, set())],
        "aborting": [*begun, (ONGOING, 0, both), (PREPARE_ABORT, 1, both), (COMPLETE_ABORT, 1, set())],
        "open": begun})


def test_kafka_prints_offsets_groups_and_transactions_from_the_internal_topics(broker, folder):
    client = properties(os.path.join(folder, "client.properties"), broker.client())
    log = os.path.join(folder, "internal")
    making = Child(command(compiled(folder), 128, log + ".log", "Internal", client), log + ".err")
    try:
        making.says("made")
    finally:
        making.kill()
    broker.kill_and_start()
    check_offsets(broker, folder)
    check_groups(broker, folder)
    check_transactions(broker, folder)
