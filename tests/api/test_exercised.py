"""Comes last: every operation of openapi.yaml was answered by some test of this run."""
import contextlib

import client
import contract

REFUSED = {  # always: a broker's configs are its plan's, and with one broker nothing moves
    "updateKafkaClusterConfigs", "getKafkaClusterConfig", "updateKafkaClusterConfig", "deleteKafkaClusterConfig",
    "beginSignIn", "endSignIn",  # without a provider; tests/console walks through one
    "updateKafkaBrokerConfigBatch", "updateKafkaBrokerConfig", "deleteKafkaBrokerConfig", "getKafkaReassignment"}


NO_CHANGE = {  # records are the brokers', figures are asked for by POST, no cluster here runs an older program
    "produceRecords", "produceRecordsBatch", "queryMetrics", "listMetricAttributes", "upgradeCluster",
    "confirmClusterUpgrade"}
SAME_AFTERWARDS = {"restartCluster", "startRollingRestart", "testAlertChannel"}  # audited, with nothing that is another thing after


@contextlib.contextmanager
def fixture():
    yield None


def test_every_operation_was_exercised(_):
    operations = {o["operationId"] for o in contract.operations().values()}
    missing = operations - client.EXERCISED - (REFUSED & client.ANSWERED)
    assert not missing, f"no test of this folder gets a good answer of: {', '.join(sorted(missing))}"


def faults_of(operation, times):
    rows = [row for told in times for row in told]
    if not rows:
        yield f"{operation} was done {len(times)} times and has no audit row"
        return
    for name, detail in rows:
        if not {"before", "after"} <= detail.keys():
            yield f"{operation}: {name} has no before and after: {detail}"
    if operation not in SAME_AFTERWARDS and not any(d.get("before") or d.get("after") for _name, d in rows):
        yield f"{operation}: no row says what was before or after: {rows[:3]}"


def test_every_mutation_is_audited_with_what_was_before_and_after(_):
    """By the request ids of everything that all tests of this run have changed."""
    mutating = {o["operationId"] for (method, _path), o in contract.operations().items()
                if method.upper() not in ("GET", "HEAD")} - NO_CHANGE - REFUSED
    faults = [f for operation in sorted(mutating) for f in faults_of(operation, client.AUDITED.get(operation, []))]
    assert not faults, "\n".join(faults)
