"""Who may do what, changed by Kafka's own admin clients: under leatd and against a broker alone."""
import os
import signal
import time

from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka.admin import (AclBinding, AclBindingFilter, AclOperation, AclPermissionType, AdminClient, NewTopic,
                                   ResourcePatternType, ResourceType, ScramCredentialInfo, ScramMechanism,
                                   UserScramCredentialDeletion, UserScramCredentialUpsertion)
from kafka.admin import KafkaAdminClient
from kafka.errors import KafkaError as KafkaPythonError
from kafka.protocol.admin.client_quotas import AlterClientQuotasRequest, DescribeClientQuotasRequest
from leatd import Leatd, free_ports, kcat, wait_for
from managed_tests import config, first_error, holds, make_quota, send, start_cluster
from standalone import Standalone


def binding(principal, operation, name="t", kind=ResourceType.TOPIC, pattern=ResourcePatternType.LITERAL):
    return AclBinding(kind, name, pattern, principal, "*", operation, AclPermissionType.ALLOW)


def everything(name=None):
    return AclBindingFilter(ResourceType.ANY, name, ResourcePatternType.ANY, None, None, AclOperation.ANY,
                            AclPermissionType.ANY)


def refusal(futures):
    """The code of the one future's error."""
    try:
        next(iter(futures.values())).result(20)
    except KafkaException as e:
        return e.args[0].code()
    raise AssertionError("it was allowed")


def test_acls_of_a_kafka_admin_open_and_close_and_rest_shows_the_same():
    with Leatd() as leat:
        _, cluster = start_cluster(leat)
        boss, app = leat.make_key(cluster["id"], "boss"), leat.make_key(cluster["id"], "app", acls=False)
        leat.make_topic(cluster["id"], "t", 1)
        base = f"/kafka/v3/clusters/{cluster['id']}/acls"
        admin, other = AdminClient(config(cluster, boss)), AdminClient(config(cluster, app))
        acl = binding(f"User:{app[2]}", AclOperation.WRITE)
        assert send(cluster, app, "t", [b"x"])[0].code() == KafkaError.TOPIC_AUTHORIZATION_FAILED
        assert refusal(other.create_acls([acl])) == KafkaError.CLUSTER_AUTHORIZATION_FAILED
        admin.create_acls([acl])[acl].result(20)
        assert send(cluster, app, "t", [b"x"]) == [None]
        rows = leat.call("GET", f"{base}?principal=User:{app[2]}").json["data"]
        assert [(r["resource_name"], r["operation"], r["permission"]) for r in rows] == [("t", "WRITE", "ALLOW")], rows
        # What REST makes, a Kafka client sees and deletes.
        answer = leat.call("POST", base, {"resource_type": "TOPIC", "resource_name": "t", "pattern_type": "PREFIXED",
                                          "principal": f"User:{app[2]}", "host": "*", "operation": "READ",
                                          "permission": "ALLOW"})
        assert answer.status == 201, answer
        assert len(admin.describe_acls(everything("t")).result(20)) == 2
        gone = next(iter(admin.delete_acls([everything("t")]).values())).result(20)
        assert len(gone) == 2, gone
        assert leat.call("GET", f"{base}?principal=User:{app[2]}").json["data"] == []
        assert send(cluster, app, "t", [b"x"])[0].code() == KafkaError.TOPIC_AUTHORIZATION_FAILED
        audit = leat.call("GET", "/leat/v1/audit").json["data"]
        assert sum(row["operation"] == "acl.delete" and row["door"] == "kafka" for row in audit) == 2, audit


SHA_256, SHA_512 = ScramMechanism.SCRAM_SHA_256, ScramMechanism.SCRAM_SHA_512


def alter(admin, *alterations):
    for future in admin.alter_user_scram_credentials(list(alterations)).values():
        future.result(20)


def upsert(user, mechanism, password, iterations=4096):
    return UserScramCredentialUpsertion(user, ScramCredentialInfo(mechanism, iterations), password.encode())


def scram_users_log_in(cluster, admin, restart):
    """Users made by `admin` log in by both mechanisms, also after restart(), and not when deleted."""
    alter(admin, upsert("alice", SHA_256, "one"))
    alter(admin, upsert("alice", SHA_512, "two", 8192))
    acl = binding("User:alice", AclOperation.WRITE)
    admin.create_acls([acl])[acl].result(20)
    for again in (False, True):
        if again:
            restart()
        assert send(cluster, ("alice", "one"), "t", [b"x"], "SCRAM-SHA-256") == [None]
        assert send(cluster, ("alice", "two"), "t", [b"x"], "SCRAM-SHA-512") == [None]
        assert first_error(cluster, ("alice", "one"), "SCRAM-SHA-512").code() == KafkaError._AUTHENTICATION
        code, _, err = kcat(cluster["bootstrap_servers"], ("alice", "one"), "-P", "-t", "t", "-X", "acks=all",
                            "-X", "sasl.mechanism=SCRAM-SHA-256", data="kcat\n")
        assert code == 0, err
    users = admin.describe_user_scram_credentials(["alice"])
    told = {(i.mechanism, i.iterations) for i in users["alice"].result(20).scram_credential_infos}
    assert told == {(SHA_256, 4096), (SHA_512, 8192)}, told
    alter(admin, UserScramCredentialDeletion("alice", SHA_256))
    assert first_error(cluster, ("alice", "one"), "SCRAM-SHA-256").code() == KafkaError._AUTHENTICATION
    assert send(cluster, ("alice", "two"), "t", [b"x"], "SCRAM-SHA-512") == [None]
    assert refusal(admin.alter_user_scram_credentials([UserScramCredentialDeletion("alice", SHA_256)])) == \
        KafkaError.RESOURCE_NOT_FOUND
    assert refusal(admin.alter_user_scram_credentials([upsert("sa-abc123", SHA_256, "x")])) == \
        KafkaError.UNACCEPTABLE_CREDENTIAL


def test_scram_users_of_a_kafka_admin_log_in_under_leatd():
    with Leatd() as leat:
        _, cluster = start_cluster(leat)
        key = leat.make_key(cluster["id"])
        leat.make_topic(cluster["id"], "t", 1)

        def restart():
            pid = leat.running(cluster["id"])["state"]["pid"]
            os.kill(pid, signal.SIGKILL)
            wait_for(lambda: leat.running(cluster["id"])["state"]["pid"] != pid, "the broker is back")
        admin = AdminClient(config(cluster, key))
        scram_users_log_in(cluster, admin, restart)
        path = f"/leat/v1/clusters/{cluster['id']}/scram-users"
        shown = leat.call("GET", path).json["data"]
        assert [(u["user_name"], u["credentials"]) for u in shown] == [
            ("alice", [{"mechanism": "SCRAM-SHA-512", "iterations": 8192}])], shown
        assert leat.call("PUT", f"{path}/bob", {"mechanism": "SCRAM-SHA-256", "iterations": 5000}).status == 201
        told = admin.describe_user_scram_credentials(["bob"])["bob"].result(20).scram_credential_infos
        assert [(i.mechanism, i.iterations) for i in told] == [(SHA_256, 5000)], told


AUTHORIZER = {"authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
              "super.users": "User:ANONYMOUS"}


def test_scram_users_and_acls_of_a_broker_alone_hold_through_a_kill():
    sasl = f"127.0.0.1:{free_ports(2) + 1}"
    with Standalone(["--listen", f"SASL_PLAINTEXT://{sasl}"], **AUTHORIZER) as broker:
        cluster = {"bootstrap_servers": sasl}
        admin = AdminClient({"bootstrap.servers": broker.address, "log_level": 0})
        admin.create_topics([NewTopic("t", 1, 1)])["t"].result(20)
        scram_users_log_in(cluster, admin, broker.kill_and_start)
        alice = ("alice", "two")
        other = AdminClient(config(cluster, alice, "SCRAM-SHA-512"))
        assert refusal(other.create_acls([binding("User:alice", AclOperation.READ)])) == \
            KafkaError.CLUSTER_AUTHORIZATION_FAILED
        assert len(next(iter(admin.delete_acls([everything("t")]).values())).result(20)) == 1
        outcome = send(cluster, alice, "t", [b"x"], "SCRAM-SHA-512")
        assert outcome[0].code() == KafkaError.TOPIC_AUTHORIZATION_FAILED, outcome


def ask(admin, request):
    """The answer; a broker that was just restarted is looked for again."""
    def answer():
        try:
            return admin._manager.run(admin._manager.send, request)
        except KafkaPythonError as e:
            if not e.retriable:
                raise
    return wait_for(answer, "the broker answers")


def alter_quota(admin, entity, **rates):
    """Sets rates of an entity ({"user": "alice"}; None is the default one), or removes those that are None."""
    ops = [(key, rate or 0.0, rate is None) for key, rate in rates.items()]
    answer = ask(admin, AlterClientQuotasRequest(entries=[(list(entity.items()), ops)], validate_only=False))
    return answer.entries[0].error_code


def quotas_told(admin):
    answer = ask(admin, DescribeClientQuotasRequest(components=[], strict=False))
    assert answer.error_code == 0, answer
    return {tuple(sorted((e.entity_type, e.entity_name) for e in entry.entity)): {v.key: v.value for v in entry.values}
            for entry in answer.entries}


def bytes_a_second(settings, seconds):
    """What a producer gets through behind the first second, which is the bucket's; and what it was told."""
    throttled, delivered = [], 0

    def on_delivery(error, message):
        nonlocal delivered
        assert error is None, error
        delivered += len(message.value())
    p = Producer({**settings, "acks": "all", "linger.ms": 5, "batch.size": 50_000, "queue.buffering.max.kbytes": 2_000,
                  "message.timeout.ms": 120_000, "throttle_cb": throttled.append})
    began = counted_from = time.monotonic()
    before = 0
    while time.monotonic() - began < seconds + 2:
        if counted_from == began and time.monotonic() - began >= 2:
            counted_from, before = time.monotonic(), delivered
        try:
            p.produce("t", b"x" * 5_000, on_delivery=on_delivery)
            p.poll(0)
        except BufferError:
            p.poll(0.02)
    measured = (delivered - before) / (time.monotonic() - counted_from)
    p.purge()
    return measured, max((e.throttle_time for e in throttled), default=0)


def quotas_hold(admin, settings, user, restart):
    assert alter_quota(admin, {"user": user, "client-id": "slow"}, producer_byte_rate=400_000.0) == 0
    assert alter_quota(admin, {"user": None}, consumer_byte_rate=1_000_000.0, request_percentage=90.0) == 0
    assert alter_quota(admin, {"ip": "192.0.2.9"}, connection_creation_rate=3.0) == 0
    assert alter_quota(admin, {"ip": "192.0.2.9"}, producer_byte_rate=3.0) == 42
    restart()
    assert quotas_told(admin) == {
        (("client-id", "slow"), ("user", user)): {"producer_byte_rate": 400_000.0},
        (("user", None),): {"consumer_byte_rate": 1_000_000.0, "request_percentage": 90.0},
        (("ip", "192.0.2.9"),): {"connection_creation_rate": 3.0}}
    told = []

    def slow():
        measured, throttled = bytes_a_second({**settings, "client.id": "slow"}, 4)
        told.append(throttled)
        return measured
    holds(400_000, 0.9, 1.1, slow)
    assert told[-1] > 0
    holds(600_000, 1, float("inf"), lambda: bytes_a_second({**settings, "client.id": "fast"}, 1)[0])
    assert alter_quota(admin, {"user": user, "client-id": "slow"}, producer_byte_rate=None) == 0
    assert len(quotas_told(admin)) == 2


def test_quotas_of_a_kafka_admin_hold_clients_under_leatd():
    with Leatd() as leat:
        environment, cluster = start_cluster(leat)
        key = leat.make_key(cluster["id"])
        leat.make_topic(cluster["id"], "t", 1)
        make_quota(leat, environment, cluster, key[2], 20_000_000, 20_000_000)

        def restart():
            pid = leat.running(cluster["id"])["state"]["pid"]
            os.kill(pid, signal.SIGKILL)
            wait_for(lambda: leat.running(cluster["id"])["state"]["pid"] != pid, "the broker is back")
        admin = KafkaAdminClient(bootstrap_servers=cluster["bootstrap_servers"], security_protocol="SASL_PLAINTEXT",
                                 sasl_mechanism="PLAIN", sasl_plain_username=key[0], sasl_plain_password=key[1])
        # The user's own entity is REST's.
        assert alter_quota(admin, {"user": key[2]}, producer_byte_rate=1.0) == 44
        leat.call("DELETE", "/kafka-quotas/v1/client-quotas/" + leat.call(
            "GET", f"/kafka-quotas/v1/client-quotas?spec.cluster={cluster['id']}&environment={environment}")
            .json["data"][0]["id"])
        quotas_hold(admin, config(cluster, key), key[2], restart)
        admin.close()


def test_quotas_of_a_kafka_admin_hold_clients_of_a_broker_alone():
    with Standalone() as broker:
        admin = KafkaAdminClient(bootstrap_servers=broker.address)
        maker = AdminClient({"bootstrap.servers": broker.address, "log_level": 0})
        maker.create_topics([NewTopic("t", 1, 1)])["t"].result(20)
        quotas_hold(admin, {"bootstrap.servers": broker.address, "log_level": 0}, "ANONYMOUS", broker.kill_and_start)
        admin.close()
