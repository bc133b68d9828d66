"""ApiVersions, SASL, and what is no request at all."""
import struct

from topics import create, topic, visible


def header(key, version, correlation=7, client=b"differential"):
    return struct.pack(">hhih", key, version, correlation, len(client)) + client


def ready(t):
    """Not compared: Kafka makes its internal topics when a coordinator is first asked for, Leat has them."""
    there = lambda a: a and all(c["errorCode"] == 0 for c in a["coordinators"])
    for kind in (0, 1) if t.serves("AddPartitionsToTxn") else (0,):
        t.call("coordinator", "FindCoordinator", {"keyType": kind, "coordinatorKeys": ["any"]}, compare=False, until=there)
    t.call("producer ids", "InitProducerId", {"transactionalId": None, "producerId": -1, "producerEpoch": -1}, compare=False,
           until=lambda a: a and a["errorCode"] == 0)
    create(t, topic("first"), compare=False)
    epochs = visible(t, "first").each(lambda a: a["topics"][0]["partitions"][0]["leaderEpoch"])
    t.rules.first_epoch.update(epochs.values)


def api_versions(t):
    t.sweep("every version", "ApiVersions", {"clientSoftwareName": "differential", "clientSoftwareVersion": "1.0"})
    for name, version in (("", "1"), ("a b", "1"), ("-a", "1"), ("a", ""), ("a", "1."), ("a.b-c", "1.0-rc.1"), ("ä", "1")):
        t.sweep(f"software '{name}' '{version}'", "ApiVersions", {"clientSoftwareName": name, "clientSoftwareVersion": version}, low=3)
    for version in (5, 99, 32767):
        t.raw(f"version {version}", header(18, version) + b"\0")
    t.raw("version -1", header(18, -1))


def what_is_not_served(t):
    """A key or a version that is unknown ends the connection."""
    for key in (-1, 4, 5, 6, 7, 67, 93, 999, 32767):
        t.raw(f"key {key}", header(key, 0))
    for api, (key, least, most) in t.ranges.items():
        if api == "ApiVersions" or not t.serves(api):
            continue
        t.raw(f"{api} above its versions", header(key, most + 1 if api != "InitProducerId" else 7))
        if least > 0 and api != "Produce":
            t.raw(f"{api} below its versions", header(key, least - 1))


def what_cannot_be_read(t):
    """A body that ends too early ends the connection."""
    for api, (key, least, most) in t.ranges.items():
        empty = {"Metadata", "ListGroups", "DescribeCluster", "ApiVersions", "DescribeLogDirs"}
        if t.serves(api) and api not in empty:
            t.raw(f"{api} v{least} without a body", header(key, least))
    t.raw("no header", b"")
    t.raw("half a header", b"\0\3\0\0")
    t.raw("a client id longer than the frame", struct.pack(">hhih", 18, 0, 1, 1000))
    t.raw("a null client id", struct.pack(">hhih", 12, 0, 1, -1) + b"\0\1g\0\0\0\1\0\1m")
    t.raw("an array of two thousand million", header(3, 1) + struct.pack(">i", 2 ** 31 - 1))


def sasl_without_sasl(t):
    """On a listener without SASL."""
    for version in t.versions("SaslHandshake"):
        t.call("handshake", "SaslHandshake", {"mechanism": "PLAIN"}, version, connection="sasl")
        t.close("sasl")
    for version in t.versions("SaslAuthenticate"):
        t.call("authenticate", "SaslAuthenticate", {"authBytes": {"text": "\0a\0b"}}, version, connection="sasl")
        t.close("sasl")


SCENARIOS = [ready, api_versions, what_is_not_served, what_cannot_be_read, sasl_without_sasl]
