"""ACLs, quotas, SCRAM users."""
ANY, TOPIC, GROUP, CLUSTER, TXN = 1, 2, 3, 4, 5
ALL, READ, WRITE, DESCRIBE = 2, 3, 4, 8
ALLOW, DENY = 3, 2
LITERAL, PREFIXED, MATCH = 3, 4, 2


def acl(name="bills", kind=TOPIC, pattern=LITERAL, who="User:ann", host="*", operation=READ, permission=ALLOW):
    return {"resourceType": kind, "resourceName": name, "resourcePatternType": pattern, "principal": who, "host": host,
            "operation": operation, "permissionType": permission}


def acl_filter(name=None, kind=ANY, pattern=1, who=None, host=None, operation=1, permission=1):
    return {"resourceTypeFilter": kind, "resourceNameFilter": name, "patternTypeFilter": pattern, "principalFilter": who,
            "hostFilter": host, "operation": operation, "permissionType": permission}


def acls(t):
    bad = [acl(""), acl(kind=0), acl(kind=ANY), acl(kind=99), acl(pattern=0), acl(pattern=1), acl(pattern=MATCH), acl(who="ann"), acl(who=""),
           acl(who="User:"), acl(who="Group:x"), acl(host=""), acl(operation=0), acl(operation=1), acl(operation=99), acl(permission=0),
           acl(permission=1), acl("other", kind=CLUSTER), acl(operation=WRITE, kind=GROUP), acl("kafka-cluster", kind=CLUSTER, operation=READ)]
    good = [acl(), acl(operation=WRITE, permission=DENY), acl("bi", pattern=PREFIXED), acl("*"), acl("g", kind=GROUP), acl("kafka-cluster", kind=CLUSTER, operation=DESCRIBE),
            acl("tx", kind=TXN, operation=ALL), acl(host="10.0.0.1"), acl(who="User:*"), acl(who="User:ann bob")]
    for v in t.versions("CreateAcls"):
        t.call("create good ones", "CreateAcls", {"creations": good}, v)
        t.call("create one again", "CreateAcls", {"creations": [acl()]}, v)
        t.call("create none", "CreateAcls", {"creations": []}, v)
        for i, one in enumerate(bad):
            t.call(f"create bad {i}", "CreateAcls", {"creations": [one]}, v)
        t.call("create good and bad", "CreateAcls", {"creations": [acl("mixed"), acl("", who="x")]}, v)
    filters = {"all": acl_filter(), "of a topic": acl_filter("bills", TOPIC, LITERAL), "that match a topic": acl_filter("bills", TOPIC, MATCH),
               "prefixed": acl_filter(pattern=PREFIXED), "of ann": acl_filter(who="User:ann"), "of a host": acl_filter(host="10.0.0.1"),
               "that deny": acl_filter(permission=DENY), "to read": acl_filter(operation=READ), "of groups": acl_filter(kind=GROUP),
               "of nothing there": acl_filter("nowhere", TOPIC, LITERAL), "badly of an unknown kind": acl_filter(kind=0), "badly of kind 99": acl_filter(kind=99),
               "badly of pattern 0": acl_filter(pattern=0), "badly of operation 0": acl_filter(operation=0), "badly of permission 0": acl_filter(permission=0),
               "of no principal": acl_filter(who="ann"), "of an empty name": acl_filter("")}
    for name, one in filters.items():
        t.sweep(f"describe {name}", "DescribeAcls", one, until=True)
    for v in t.versions("DeleteAcls"):
        t.call("create", "CreateAcls", {"creations": good}, v, compare=False)
        t.call("are there", "DescribeAcls", acl_filter(), compare=False, until=lambda a: a and sum(len(r["acls"]) for r in a["resources"]) >= len(good))
        t.call("delete of a host", "DeleteAcls", {"filters": [acl_filter(host="10.0.0.1"), acl_filter("nowhere", TOPIC, LITERAL)]}, v)
        t.call("delete none", "DeleteAcls", {"filters": []}, v)
        t.call("delete badly of an unknown kind", "DeleteAcls", {"filters": [acl_filter(kind=0)]}, v)
        t.call("delete that match", "DeleteAcls", {"filters": [acl_filter("bills", TOPIC, MATCH)]}, v)
        t.call("delete all", "DeleteAcls", {"filters": [acl_filter()]}, v)
        t.call("are gone", "DescribeAcls", acl_filter(), until=lambda a: a and not a["resources"])


def quota(entity, *ops):
    return {"entity": [{"entityType": k, "entityName": n} for k, n in entity], "ops": [
        {"key": k, "value": x or 0, "remove": x is None} for k, x in ops]}


def quotas(t):
    user, client, pair = [("user", "u")], [("client-id", "c")], [("user", "u"), ("client-id", "c")]
    good = [quota(user, ("producer_byte_rate", 1e6), ("consumer_byte_rate", 2e6)), quota(client, ("request_percentage", 200)),
            quota(pair, ("controller_mutation_rate", 5.5)), quota([("ip", "10.1.2.3")], ("connection_creation_rate", 10))]
    bad = {"no entity": quota([], ("producer_byte_rate", 1)), "an unknown entity": quota([("team", "x")], ("producer_byte_rate", 1)),
           "an unknown key": quota(user, ("speed", 1)), "ip and user": quota([("ip", "10.1.2.3"), ("user", "u")], ("connection_creation_rate", 1)),
           "no address": quota([("ip", "nowhere at all")], ("connection_creation_rate", 1)), "rate of an ip of a user": quota(user, ("connection_creation_rate", 1)),
           "rate of a user of an ip": quota([("ip", "10.1.2.3")], ("producer_byte_rate", 1)), "below zero": quota(user, ("producer_byte_rate", -1)),
           "a broken rate": quota([("ip", "10.1.2.3")], ("connection_creation_rate", 1.5)), "a broken byte": quota(user, ("producer_byte_rate", 1.5)),
           "an empty name": quota([("user", "")], ("producer_byte_rate", 1)), "an entity twice": quota([("user", "a"), ("user", "b")], ("producer_byte_rate", 1)),
           "no ops": quota(user), "remove what is not set": quota([("user", "nobody")], ("producer_byte_rate", None)), "zero": quota([("user", "z")], ("producer_byte_rate", 0.0))}
    for v in t.versions("AlterClientQuotas"):
        t.call("only validated", "AlterClientQuotas", {"entries": good, "validateOnly": True}, v)
        t.call("set", "AlterClientQuotas", {"entries": good}, v)
        for name, one in bad.items():
            t.call(f"set {name}", "AlterClientQuotas", {"entries": [one]}, v)
        t.call("set none", "AlterClientQuotas", {"entries": []}, v)
        t.call("set good and bad", "AlterClientQuotas", {"entries": [quota([("user", "w")], ("producer_byte_rate", 7)), bad["an unknown key"]]}, v)
    part = lambda kind, how, match=None: {"entityType": kind, "matchType": how, "match": match}
    asked = {"all": [], "users": [part("user", 2)], "a user": [part("user", 0, "u")], "default users": [part("user", 1)], "a pair": [part("user", 0, "u"), part("client-id", 0, "c")],
             "ips": [part("ip", 2)], "an unknown kind": [part("team", 2)], "a kind twice": [part("user", 2), part("user", 0, "u")], "a bad match": [part("user", 9)],
             "an exact match of nothing": [part("user", 0)], "ip and user": [part("ip", 2), part("user", 2)], "an empty kind": [part("", 2)]}
    for name, components in asked.items():
        for strict in (False, True):
            t.sweep(f"describe {name}{', strictly' if strict else ''}", "DescribeClientQuotas", {"components": components, "strict": strict}, until=True)
    remove = [quota(user, ("producer_byte_rate", None), ("consumer_byte_rate", None)), quota(client, ("request_percentage", None)), quota(pair, ("controller_mutation_rate", None))]
    t.call("remove", "AlterClientQuotas", {"entries": remove})
    t.call("describe what is left", "DescribeClientQuotas", {"components": [], "strict": False}, until=True)


def scram(t):
    api = "AlterUserScramCredentials"
    salt, salted = {"hex": "00112233445566778899aabbccddeeff"}, {"hex": "ab" * 32}

    def up(name="sue", mechanism=1, iterations=4096, salt=salt, salted=salted):
        return {"name": name, "mechanism": mechanism, "iterations": iterations, "salt": salt, "saltedPassword": salted}

    def one(step, deletions=(), upsertions=()):
        t.call(step, api, {"deletions": [{"name": n, "mechanism": m} for n, m in deletions], "upsertions": list(upsertions)})
    one("nothing")
    one("delete what is not there", [("sue", 1)])
    one("create", upsertions=[up()])
    one("create with the other mechanism", upsertions=[up(mechanism=2, salted={"hex": "cd" * 64})])
    one("create with an unknown mechanism", upsertions=[up(mechanism=0)])
    one("create with mechanism 9", upsertions=[up(mechanism=9)])
    one("too few iterations", upsertions=[up("few", iterations=4095)])
    one("too many iterations", upsertions=[up("many", iterations=16385)])
    one("an empty name", upsertions=[up("")])
    one("an empty salt", upsertions=[up("nosalt", salt={"hex": ""})])
    one("a short password", upsertions=[up("short", salted={"hex": "ab"})])
    one("one user twice", upsertions=[up("dup"), up("dup")])
    one("delete and create", [("sue", 1)], [up()])
    one("delete twice", [("sue", 2), ("sue", 2)])
    one("good and bad", upsertions=[up("fine"), up("few", iterations=1)])
    show = "DescribeUserScramCredentials"
    for name, users in {"all": None, "none": [], "some": [{"name": "sue"}, {"name": "nobody"}], "twice": [{"name": "sue"}, {"name": "sue"}], "an empty name": [{"name": ""}]}.items():
        t.call(f"describe {name}", show, {"users": users}, until=True)
    one("delete", [("sue", 1), ("nobody", 1)])
    one("delete with an unknown mechanism", [("sue", 0)])
    t.call("describe at last", show, {"users": None}, until=True)


def tokens(t):
    """Without SASL there are none."""
    for api, body in (("CreateDelegationToken", {"renewers": [], "maxLifetimeMs": 1000}), ("RenewDelegationToken", {"hmac": {"text": "x"}, "renewPeriodMs": 1}),
                      ("ExpireDelegationToken", {"hmac": {"text": "x"}, "expiryTimePeriodMs": 1}), ("DescribeDelegationToken", {"owners": None})):
        if t.serves(api):
            t.sweep("token", api, body)


SCENARIOS = [acls, quotas, scram, tokens]
