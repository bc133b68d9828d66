"""Who may do what, changed by Kafka's own admin clients: under leatd and against a broker alone."""
import os
import signal

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (AclBinding, AclBindingFilter, AclOperation, AclPermissionType, AdminClient, NewTopic,
                                   ResourcePatternType, ResourceType, ScramCredentialInfo, ScramMechanism,
                                   UserScramCredentialDeletion, UserScramCredentialUpsertion)
from leatd import Leatd, free_ports, kcat, wait_for
from managed_tests import config, first_error, send, start_cluster
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
        scram_users_log_in(cluster, AdminClient(config(cluster, key)), restart)


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
