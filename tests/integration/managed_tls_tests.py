"""TLS of clusters under leatd: its CA, renewal, certificates of an operator and of clients."""
import os
import signal
import sqlite3
import ssl
import stat
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

from certificates import Authority
from confluent_kafka import Producer
from leatd import Leatd, wait_for
from managed_tests import start_cluster
from tokens import Issuer


class Clients:
    """What connects to one cluster: the CA file, downloaded with the cluster's own key, and a key."""

    def __init__(self, leat, cluster, folder):
        self.leat, self.cluster, self.folder = leat, cluster, folder
        self.key = leat.make_key(cluster["id"])
        self.ca = os.path.join(folder, "leat-ca.pem")
        answer = leat.call("GET", f"/leat/v1/clusters/{cluster['id']}/ca.pem", key=self.key[:2])
        assert answer.status == 200 and answer.headers["Content-Type"] == "application/x-pem-file", answer
        with open(self.ca, "wb") as f:
            f.write(answer.body)

    def config(self, ca=None, **more):
        return {"bootstrap.servers": self.cluster["tls_bootstrap_servers"], "security.protocol": "SASL_SSL",
                "ssl.ca.location": ca or self.ca, "sasl.mechanism": "PLAIN", "sasl.username": self.key[0],
                "sasl.password": self.key[1], "log_level": 0, "message.timeout.ms": 15000, **more}

    def send(self, value, **config):
        outcome = []
        p = Producer(config or self.config())
        p.produce("t", value, on_delivery=lambda e, m: outcome.append(e and str(e)))
        p.flush(20)
        return outcome[0] if outcome else "no answer"

    def served(self):
        """The certificate that is served now, checked against the CA and the host's name."""
        host, port = self.cluster["tls_bootstrap_servers"].split(":")
        return ssl.get_server_certificate((host, int(port)), ca_certs=self.ca)


def with_cluster(test):
    def run():
        with tempfile.TemporaryDirectory() as folder, Leatd() as leat:
            _, cluster = start_cluster(leat)
            leat.make_topic(cluster["id"], "t", 1)
            test(leat, Clients(leat, cluster, folder))
    return run


@with_cluster
def test_every_cluster_serves_tls_with_a_leaf_of_the_services_ca(leat, clients):
    assert clients.send(b"x") is None
    facts = leat.call("GET", f"/leat/v1/clusters/{clients.cluster['id']}/certificate").json
    assert facts["source"] == "leat" and facts["fits_host"] and clients.served() in facts["certificate"], facts
    own = leat.call("GET", "/leat/v1/certificate-authority").json
    with open(clients.ca, encoding="utf-8") as f:
        assert own["certificate"] == f.read()
    cmk = leat.call("GET", f"/leat/v1/clusters/{clients.cluster['id']}").json
    assert cmk["bootstrap_servers"] != cmk["tls_bootstrap_servers"]
    # Keys: the owner's alone, and in no answer, log or command line.
    folder = os.path.join(leat.data, "tls")
    assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700
    secrets = []
    for name in os.listdir(folder):
        assert stat.S_IMODE(os.stat(os.path.join(folder, name)).st_mode) == 0o600, name
        with open(os.path.join(folder, name), encoding="utf-8") as f:
            text = f.read()
        if "PRIVATE KEY" in text:
            secrets.append(text.split("PRIVATE KEY-----\n")[1][:40])
    assert len(secrets) == 2
    seen = str(facts) + str(own) + leat.log_tail()
    for pid in [leat.process.pid, *leat.processes()]:
        with open(f"/proc/{pid}/cmdline", encoding="utf-8") as f:
            seen += f.read()
    for path in (os.path.join(leat.data, "leat.db"), os.path.join(leat.data, "leat.db-wal")):
        if os.path.exists(path):
            with open(path, "rb") as f:
                seen += f.read().decode("latin1")
    assert "PRIVATE KEY" not in seen and not any(s in seen for s in secrets)


@with_cluster
def test_a_leaf_is_renewed_and_pushed_while_connections_stand(leat, clients):
    leat.kill(signal.SIGTERM)
    with sqlite3.connect(os.path.join(leat.data, "leat.db")) as db:
        db.execute("INSERT INTO setting VALUES ('tls_leaf_lifetime_s', '6')")
    db.close()
    outcome = []
    p = Producer(clients.config())
    p.produce("t", b"before", on_delivery=lambda e, m: outcome.append(e))
    assert p.flush(20) == 0
    first = clients.served()
    leat.start()
    leat.running(clients.cluster["id"])
    seen = set()
    wait_for(lambda: seen.add(clients.served()) or len(seen - {first}) >= 2, "two other leaves are served", 30)
    p.produce("t", b"after", on_delivery=lambda e, m: outcome.append(e))
    assert p.flush(20) == 0 and outcome == [None, None], outcome
    broker = os.path.join(leat.data, "clusters", clients.cluster["id"], "log")
    for name in os.listdir(broker):
        with open(os.path.join(broker, name), encoding="utf-8", errors="replace") as f:
            assert f.read().count("is in control") == 2, "the broker was started once"
    assert len([n for n in os.listdir(os.path.join(leat.data, "tls")) if n.startswith("lkc-")]) == 1


@with_cluster
def test_an_operators_certificate_replaces_the_leaf_and_goes_again(leat, clients):
    path = f"/leat/v1/clusters/{clients.cluster['id']}/certificate"
    authority = Authority(clients.folder, "company")

    def read(file):
        with open(file, encoding="utf-8") as f:
            return f.read()

    pem, key = authority.issue("kafka")
    other, other_key = authority.issue("other", san="DNS:elsewhere.example")
    for bad in ({"certificate": read(pem), "private_key": read(other_key)},
                {"certificate": "nonsense", "private_key": read(key)},
                {"certificate": read(pem), "private_key": "nonsense"}):
        answer = leat.call("PUT", path, bad)
        assert answer.status in (400, 422), answer
        assert "PRIVATE" not in answer.body.decode()
    answer = leat.call("PUT", path, {"certificate": read(pem), "private_key": read(key)})
    assert answer.status == 200 and answer.json["source"] == "operator" and answer.json["fits_host"], answer
    assert "private" not in answer.body.decode().lower()
    assert clients.send(b"x", **clients.config(authority.pem)) is None
    answer = leat.call("PUT", path, {"certificate": read(other), "private_key": read(other_key)})
    assert answer.status == 200 and not answer.json["fits_host"], answer
    leat.kill()
    leat.start()
    assert leat.call("GET", path).json["source"] == "operator"
    assert leat.call("DELETE", path).json["source"] == "leat"
    assert clients.send(b"x") is None


@with_cluster
def test_a_client_certificate_is_a_principal_with_acls(leat, clients):
    authority = Authority(clients.folder, "people")
    pem, key = authority.issue("carol", "/O=mill/CN=carol")
    with open(authority.pem, encoding="utf-8") as f:
        body = {"client_auth": "requested", "client_ca": f.read()}
    path = f"/leat/v1/clusters/{clients.cluster['id']}/client-auth"
    assert leat.call("PUT", path, {"client_auth": "required"}).status in (400, 422)
    assert leat.call("PUT", path, body).json["client_auth"] == "requested"
    mutual = {"bootstrap.servers": clients.cluster["tls_bootstrap_servers"], "security.protocol": "SSL",
              "ssl.ca.location": clients.ca, "ssl.certificate.location": pem, "ssl.key.location": key, "log_level": 0,
              "message.timeout.ms": 5000}
    assert clients.send(b"x", **mutual) not in (None, "no answer")
    answer = leat.call("POST", f"/kafka/v3/clusters/{clients.cluster['id']}/acls", {
        "resource_type": "TOPIC", "resource_name": "t", "pattern_type": "LITERAL", "principal": "User:CN=carol,O=mill",
        "host": "*", "operation": "WRITE", "permission": "ALLOW"})
    assert answer.status == 201, answer
    assert clients.send(b"x", **mutual) is None
    assert clients.send(b"x") is None  # a key does as well
    assert leat.call("PUT", path, {**body, "client_auth": "required"}).status == 200
    assert clients.send(b"x", **clients.config(**{"message.timeout.ms": 3000})) is not None
    assert clients.send(b"x", **mutual) is None


def test_clusters_from_before_tls_get_their_port_and_certificate():
    with tempfile.TemporaryDirectory() as folder, Leatd() as leat:
        _, cluster = start_cluster(leat)
        leat.make_topic(cluster["id"], "t", 1)
        leat.kill(signal.SIGINT)
        with sqlite3.connect(os.path.join(leat.data, "leat.db")) as db:
            db.execute("DELETE FROM cluster_tls")
            db.execute("UPDATE broker SET tls_port = NULL")
        db.close()
        for name in os.listdir(os.path.join(leat.data, "tls")):
            os.unlink(os.path.join(leat.data, "tls", name))
        leat.start()
        clients = Clients(leat, leat.running(cluster["id"]), folder)
        assert clients.send(b"x") is None


def test_a_second_cluster_has_ports_and_a_key_of_its_own():
    with tempfile.TemporaryDirectory() as folder, Leatd(ports=4) as leat:
        environment, one = start_cluster(leat)
        two = leat.make_cluster(environment, "two")
        addresses = [c[a] for c in (one, two) for a in ("bootstrap_servers", "tls_bootstrap_servers")]
        assert len(set(addresses)) == 4, addresses
        a, b = Clients(leat, one, folder).served(), ssl.get_server_certificate(
            ("127.0.0.1", int(two["tls_bootstrap_servers"].split(":")[1])))
        assert a != b
        leat.call("DELETE", f"/cmk/v2/clusters/{two['id']}?environment={environment}")
        tls = os.path.join(leat.data, "tls")
        wait_for(lambda: not [n for n in os.listdir(tls) if n.startswith(two["id"])], "its key is gone")


class KeyServer:
    """An issuer's key set by HTTP; `answer` is (status, body, more headers)."""

    def __init__(self, body):
        server = self
        self.answer, self.asked = (200, body, {}), 0

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):  # noqa: N802, the library's name
                server.asked += 1
                status, text, headers = server.answer
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_):
                pass

        self.http = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}/jwks"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.http.shutdown()
        self.http.server_close()


@with_cluster
def test_bearer_tokens_by_a_key_set_that_leatd_fetches(leat, clients):
    issuer = Issuer(clients.folder)
    account = clients.key[2]
    path = f"/leat/v1/clusters/{clients.cluster['id']}/authentication"
    with open(issuer.jwks, encoding="utf-8") as f, KeyServer(f.read()) as keys:
        wanted = {"issuer": issuer.url, "audience": "kafka", "jwks_url": keys.url, "jwks_insecure": True}
        # What a service must not be made to ask, unless told to.
        for bad in ({**wanted, "jwks_insecure": False}, {**wanted, "jwks_insecure": False,
                                                         "jwks_url": keys.url.replace("http:", "https:")}):
            assert leat.call("PUT", path, bad).status in (400, 422)
        assert keys.asked == 0
        good = keys.answer
        for answer in ((302, "", {"Location": keys.url}), (200, "x" * 300000, {}), (200, "{}", {}), (404, "", {})):
            keys.answer = answer
            refused = leat.call("PUT", path, wanted)
            assert refused.status in (400, 422), (answer[0], refused)
        keys.answer = good
        answer = leat.call("PUT", path, wanted)
        assert answer.status == 200 and issuer.kid in answer.json["jwks"], answer
    tokens = {"bootstrap.servers": clients.cluster["tls_bootstrap_servers"], "security.protocol": "SASL_SSL",
              "ssl.ca.location": clients.ca, "sasl.mechanism": "OAUTHBEARER", "log_level": 0,
              "message.timeout.ms": 5000}
    mine = {**tokens, "oauth_cb": lambda _: (issuer.token(account), time.time() + 600)}
    assert clients.send(b"x", **mine) is None  # the principal is User:sa-…, with its ACLs
    nobodys = {**tokens, "oauth_cb": lambda _: (issuer.token("sa-nobody"), time.time() + 600)}
    assert clients.send(b"x", **nobodys) is not None
    leat.kill()
    leat.start()
    assert clients.send(b"x", **mine) is None
