"""The two brokers of this suite, each with a SASL_PLAINTEXT listener: `bootstrap` is its address, `client` what a client sets."""
import os

from leatd import free_ports
from real_kafka import RealKafka
from standalone import Standalone

USER, PASSWORD = "streams", "streams-secret"
LOGIN = f'org.apache.kafka.common.security.plain.PlainLoginModule required username="{USER}" password="{PASSWORD}"'


class Secured:
    def client(self):
        return {"bootstrap.servers": self.bootstrap, "security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "PLAIN",
                "sasl.jaas.config": LOGIN + ";"}


class SecuredLeat(Secured, Standalone):
    def __init__(self):
        port = free_ports(2)
        self.bootstrap = f"127.0.0.1:{port + 1}"
        super().__init__(["--listen", "SASL_PLAINTEXT://" + self.bootstrap, "--users", "{folder}/users"])
        self.port, self.address = port, f"127.0.0.1:{port}"
        with open(os.path.join(self.folder, "users"), "w", encoding="utf-8") as f:
            f.write(f"{USER}:{PASSWORD}\n")


class SecuredKafka(Secured, RealKafka):
    def __init__(self):
        super().__init__()
        self.port = free_ports(3)
        self.address, self.bootstrap = (f"127.0.0.1:{self.port + i}" for i in (0, 2))

    def properties(self):
        settings = super().properties()
        for name in ("listeners", "advertised.listeners"):
            settings[name] += ",SASL_PLAINTEXT://" + self.bootstrap
        settings["listener.security.protocol.map"] += ",SASL_PLAINTEXT:SASL_PLAINTEXT"
        settings["sasl.enabled.mechanisms"] = "PLAIN"
        settings["listener.name.sasl_plaintext.plain.sasl.jaas.config"] = LOGIN + f' user_{USER}="{PASSWORD}";'
        return settings
