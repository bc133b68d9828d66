"""Comes last: every operation of openapi.yaml was answered by some test of this run."""
import contextlib

import client
import contract

REFUSED = {  # always: a broker's configs are its plan's, and with one broker nothing moves
    "updateKafkaClusterConfigs", "getKafkaClusterConfig", "updateKafkaClusterConfig", "deleteKafkaClusterConfig",
    "beginSignIn", "endSignIn",  # without a provider; tests/console walks through one
    "updateKafkaBrokerConfigBatch", "updateKafkaBrokerConfig", "deleteKafkaBrokerConfig", "getKafkaReassignment"}


NO_CHANGE = {  # of anything that the service keeps: records are the brokers', and processes come and go
    "produceRecords", "produceRecordsBatch"}
SAME_AFTERWARDS = {  # audited, with nothing before that is another thing after
    "restartCluster", "rollingRestart", "restartClusters", "upgradeCluster"}


@contextlib.contextmanager
def fixture():
    yield None


def test_every_operation_was_exercised(_):
    operations = {o["operationId"] for o in contract.operations().values()}
    missing = operations - client.EXERCISED - (REFUSED & client.ANSWERED)
    assert not missing, f"no test of this folder gets a good answer of: {', '.join(sorted(missing))}"


def test_every_mutation_is_audited_with_what_was_before_and_after(_):
    """By the request ids of everything that all tests of this run have changed."""
    for operation, times in client.AUDITED.items():
        if operation in NO_CHANGE:
            continue
        rows = [row for told in times for row in told]
        assert rows, f"{operation} was done {len(times)} times and has no audit row"
        for name, detail in rows:
            assert {"before", "after"} <= detail.keys() or "error" in detail, (operation, name, detail)
        told = any(detail.get("before") or detail.get("after") for _name, detail in rows)
        assert told or operation in SAME_AFTERWARDS, f"{operation}: no row says what was before or after: {rows[:3]}"
    mutating = {o["operationId"] for (method, _path), o in contract.operations().items()
                if method.upper() not in ("GET", "HEAD")}
    missing = mutating - client.AUDITED.keys() - NO_CHANGE - REFUSED
    assert not missing, f"done by no test: {sorted(missing)}"
