"""TLS, client certificates and the ways to log in, against `leat-broker --standalone`."""
import os
import signal
import subprocess
import time

from certificates import Authority
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient
from leatd import free_ports, wait_for
from standalone import Standalone
from tokens import Issuer

USERS = "# who may come\nalice:wonder:land\nbob:builder\n"


class Secure(Standalone):
    """Plain on the first port, SASL_SSL on the second, SSL with client certificates on the third,
    SASL_PLAINTEXT on the fourth."""

    def __init__(self, arguments=(), **settings):
        port = free_ports(5)
        self.sasl_ssl, self.ssl, self.sasl = (f"127.0.0.1:{port + i}" for i in (1, 2, 3))
        super().__init__([
            "--listen", f"SASL_SSL://{self.sasl_ssl}", "--listen", f"SSL://{self.ssl}",
            "--listen", f"SASL_PLAINTEXT://{self.sasl}",
            "--tls-certificate", "{folder}/server.pem", "--tls-key", "{folder}/server.key",
            "--tls-client-ca", "{folder}/ca.pem", "--users", "{folder}/users", *arguments],
            **{"ssl.client.auth": "required", **settings})
        self.port, self.address = port, f"127.0.0.1:{port}"
        self.ca = Authority(self.folder)
        self.ca.issue("server")
        with open(os.path.join(self.folder, "users"), "w", encoding="utf-8") as f:
            f.write(USERS)

    def reload(self, line):
        before = self.log_tail().count(line)
        self.process.send_signal(signal.SIGHUP)
        wait_for(lambda: self.log_tail().count(line) > before, f"the log says: {line}")


def kcat(address, *args, data=None, **config):
    settings = [f for k, v in config.items() for f in ("-X", f"{k.replace('_', '.')}={v}")]
    return subprocess.run(["kcat", "-b", address, *settings, *args], input=data, capture_output=True, text=True,
                          timeout=60, check=False)


def login(broker, mechanism="PLAIN", user="alice", password="wonder:land"):
    return {"security_protocol": "SASL_SSL", "ssl_ca_location": broker.ca.pem, "sasl_mechanism": mechanism,
            "sasl_username": user, "sasl_password": password}


def s_client(address, *args):
    p = subprocess.run(["openssl", "s_client", "-connect", address, *args], input="", capture_output=True,
                       text=True, timeout=60, check=False)
    return p.returncode, p.stdout + p.stderr


def test_kcat_logs_in_under_tls_with_every_mechanism():
    with Secure() as broker:
        for mechanism in ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"):
            p = kcat(broker.sasl_ssl, "-P", "-t", mechanism, data="under\ncover\n", **login(broker, mechanism))
            assert p.returncode == 0, p.stderr
            p = kcat(broker.sasl_ssl, "-C", "-t", mechanism, "-e", "-q", **login(broker, mechanism))
            assert p.stdout == "under\ncover\n", (p.stdout, p.stderr)


def test_a_wrong_password_or_an_unknown_ca_ends_it():
    with Secure() as broker:
        p = kcat(broker.sasl_ssl, "-L", "-m", "5", **login(broker, password="wrong"))
        assert p.returncode != 0 and "uthentication" in p.stderr, p.stderr
        other = Authority(broker.folder, "other")
        p = kcat(broker.sasl_ssl, "-L", "-m", "5", **{**login(broker), "ssl_ca_location": other.pem})
        assert p.returncode != 0 and "verify" in p.stderr, p.stderr


def test_clients_are_told_the_endpoint_they_came_by():
    with Secure() as broker:
        own = kcat(broker.sasl_ssl, "-L", **login(broker)).stdout
        assert broker.sasl_ssl in own and f"{broker.address} " not in own, own
        plain = kcat(broker.address, "-L").stdout
        assert broker.address in plain and broker.sasl_ssl not in plain, plain


def test_mutual_tls_takes_certificates_of_its_ca_alone():
    with Secure() as broker:
        pem, key = broker.ca.issue("carol", "/O=mill/CN=carol")
        base = {"security_protocol": "SSL", "ssl_ca_location": broker.ca.pem}
        p = kcat(broker.ssl, "-P", "-t", "m", data="x\n", **base, ssl_certificate_location=pem, ssl_key_location=key)
        assert p.returncode == 0, p.stderr
        assert kcat(broker.ssl, "-L", "-m", "5", **base).returncode != 0
        pem, key = Authority(broker.folder, "forger").issue("mallory", "/O=mill/CN=carol")
        p = kcat(broker.ssl, "-L", "-m", "5", **base, ssl_certificate_location=pem, ssl_key_location=key)
        assert p.returncode != 0
        assert "certificate" in broker.log_tail()


def test_sessions_resume_and_old_versions_are_refused():
    with Secure() as broker:
        code, text = s_client(broker.sasl_ssl, "-tls1_2", "-reconnect", "-CAfile", broker.ca.pem)
        assert text.count("Reused, TLSv1.2") == 5, text[-3000:]
        code, text = s_client(broker.sasl_ssl, "-tls1_3", "-CAfile", broker.ca.pem)
        assert "New, TLSv1.3" in text and "Verify return code: 0" in text, text[-3000:]
        for old in ("-tls1", "-tls1_1"):
            code, text = s_client(broker.sasl_ssl, old, "-cipher", "ALL:@SECLEVEL=0")
            assert code != 0 and "Cipher is (NONE)" in text, text[-2000:]


def test_a_client_on_the_wrong_port_is_told_in_the_log():
    with Secure() as broker:
        kcat(broker.sasl_ssl, "-L", "-m", "1")
        wait_for(lambda: "it does not speak TLS, which this port needs" in broker.log_tail(), "the log tells")
        s_client(broker.address)
        wait_for(lambda: "it speaks TLS, this port does not" in broker.log_tail(), "the log tells")


def test_a_new_certificate_is_served_without_a_restart():
    with Secure() as broker:
        consumer = subprocess.Popen(
            ["kcat", "-b", broker.sasl_ssl, "-C", "-t", "live", "-u", "-q", "-o", "beginning", "-X", "allow.auto.create.topics=true",
             *[f for k, v in login(broker).items() for f in ("-X", f"{k.replace('_', '.')}={v}")]],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            kcat(broker.address, "-P", "-t", "live", data="before\n")
            assert consumer.stdout.readline() == "before\n"
            old = s_client(broker.sasl_ssl)[1].split("-----BEGIN")[1]
            broker.ca.issue("server")
            broker.reload("the files were read again")
            assert s_client(broker.sasl_ssl)[1].split("-----BEGIN")[1] != old
            kcat(broker.address, "-P", "-t", "live", data="after\n")
            assert consumer.stdout.readline() == "after\n"
            assert "disconnected" not in broker.log_tail()
            with open(os.path.join(broker.folder, "server.pem"), "w", encoding="utf-8") as f:
                f.write("half a file")
            broker.reload("the files are not taken")
            assert "BEGIN CERTIFICATE" in s_client(broker.sasl_ssl)[1]
        finally:
            consumer.kill()
            consumer.communicate()


def test_users_that_are_taken_away_are_cut_off():
    with Secure() as broker:
        assert kcat(broker.sasl_ssl, "-L", **login(broker, user="bob", password="builder")).returncode == 0
        with open(os.path.join(broker.folder, "users"), "w", encoding="utf-8") as f:
            f.write("alice:wonder:land\n")
        broker.reload("the files were read again")
        assert kcat(broker.sasl_ssl, "-L", "-m", "3", **login(broker, user="bob", password="builder")).returncode != 0
        assert kcat(broker.sasl_ssl, "-L", **login(broker)).returncode == 0
        assert "builder" not in broker.log_tail() and "wonder" not in broker.log_tail()


class WithTokens(Secure):
    def __init__(self, **settings):
        super().__init__(**{"sasl.oauthbearer.expected.issuer": "https://issuer.example",
                            "sasl.oauthbearer.expected.audience": "kafka",
                            "sasl.oauthbearer.clock.skew.seconds": "0", **settings})
        self.issuer = Issuer(self.folder)
        self.settings["sasl.oauthbearer.jwks.endpoint.url"] = f"file://{self.issuer.jwks}"

    def client(self, token, lifetime=3600):
        """Settings of librdkafka; `token` is called for every token."""
        return {"bootstrap.servers": self.sasl_ssl, "security.protocol": "SASL_SSL", "ssl.ca.location": self.ca.pem,
                "sasl.mechanism": "OAUTHBEARER", "log_level": 0,
                "oauth_cb": lambda _: (token(), time.time() + lifetime)}


def test_bearer_tokens_of_the_issuer_open_the_door():
    with WithTokens() as broker:
        p = Producer({**broker.client(lambda: broker.issuer.token("alice")), "acks": "all"})
        p.produce("t", b"by token")
        assert p.flush(20) == 0
        c = Consumer({**broker.client(lambda: broker.issuer.token("bob")), "group.id": "g", "auto.offset.reset": "earliest"})
        c.subscribe(["t"])
        m = wait_for(lambda: c.poll(0.5), "a record comes")
        assert m.value() == b"by token", m.error()
        c.close()


def test_other_tokens_are_refused_with_a_reason_in_the_log():
    with WithTokens() as broker:
        stranger = Issuer(broker.folder, "stranger")
        unsigned = broker.issuer.token("alice", header={"alg": "none"}).rsplit(".", 1)[0] + "."
        for token, reason in ((lambda: stranger.token("alice", iss=broker.issuer.url), "its signature does not hold"),
                              (lambda: broker.issuer.token("alice", iss="https://else"), "it is another issuer's"),
                              (lambda: broker.issuer.token("alice", aud="web"), "it is for another audience"),
                              (lambda: broker.issuer.token("alice", header={"kid": "k2"}), "it names no key of the set"),
                              (lambda: broker.issuer.token("alice", -60), "it has expired"),
                              (lambda: unsigned, "its algorithm is not taken")):
            errors = []
            a = AdminClient({**broker.client(token), "error_cb": errors.append})
            try:
                a.list_topics(timeout=3)
                raise AssertionError(f"taken: {reason}")
            except KafkaException:
                pass
            wait_for(lambda: reason in broker.log_tail(), f"the log says: {reason}")
            a.poll(0.1)
            assert any(e.code() == KafkaError._AUTHENTICATION for e in errors), errors
        assert broker.issuer.token("alice")[:30] not in broker.log_tail()


def test_a_client_with_short_tokens_authenticates_again_and_stays():
    with WithTokens() as broker:
        made = []
        p = Producer({**broker.client(lambda: made.append(1) or broker.issuer.token("alice", 6), 6), "acks": "all"})
        failures, end = [], time.monotonic() + 14
        while time.monotonic() < end:
            p.produce("t", b"x", on_delivery=lambda e, m: e and failures.append(e))
            p.poll(0.2)
        assert p.flush(10) == 0 and not failures, failures[:2]
        assert len(made) >= 3, made
        assert "session has expired" not in broker.log_tail(), broker.log_tail()


def test_connections_max_reauth_ms_holds_for_passwords_too():
    with Secure(**{"connections.max.reauth.ms": "2500"}) as broker:
        settings = {k.replace("_", "."): v for k, v in login(broker, "SCRAM-SHA-512").items()}
        p = Producer({"bootstrap.servers": broker.sasl_ssl, **settings, "acks": "all", "log_level": 0})
        failures, end = [], time.monotonic() + 7
        while time.monotonic() < end:
            p.produce("t", b"x", on_delivery=lambda e, m: e and failures.append(e))
            p.poll(0.2)
        assert p.flush(10) == 0 and not failures, failures[:2]
        assert "session has expired" not in broker.log_tail(), broker.log_tail()
