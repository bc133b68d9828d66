"""Who may do what, changed by Kafka's own admin clients: under leatd and against a broker alone."""
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (AclBinding, AclBindingFilter, AclOperation, AclPermissionType, AdminClient,
                                   ResourcePatternType, ResourceType)
from leatd import Leatd
from managed_tests import config, send, start_cluster


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
