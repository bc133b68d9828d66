"""A real Apache Kafka 4.2 in a temporary folder, for tests: one combined node, from Maven's jars."""
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile

from leatd import free_ports, wait_for

HERE = os.path.dirname(os.path.abspath(__file__))

LOG4J = """<?xml version="1.0" encoding="UTF-8"?>
<Configuration status="off"><Appenders><File name="f" fileName="%s" append="true">
<PatternLayout pattern="%%d %%p %%c{1}: %%m%%n"/></File></Appenders>
<Loggers><Root level="%s"><AppenderRef ref="f"/></Root></Loggers></Configuration>
"""


def jars():
    """The folder with Kafka's jars, fetched when it is not there."""
    done = subprocess.run([os.path.join(HERE, "kafka", "jars")], stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout.strip()


def java(heap, log, level="WARN"):
    """The beginning of a command line: java with Kafka's jars, which logs into the file `log`."""
    config = log + ".xml"
    with open(config, "w", encoding="utf-8") as f:
        f.write(LOG4J % (log, level))
    return ["java", f"-Xmx{heap}m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Dlog4j2.disable.jmx=true",
            f"-Dlog4j2.configurationFile={config}", f"-Dlog4j.configurationFile={config}", "-cp", jars() + "/*"]


class RealKafka:
    """The same face as lib/standalone.py has."""

    def __init__(self, **settings):
        self.folder = tempfile.mkdtemp(prefix="leat-kafka-")
        self.port = free_ports(2)
        self.address = f"127.0.0.1:{self.port}"
        self.process, self.settings = None, settings

    def properties(self):
        data, controller = os.path.join(self.folder, "data"), f"127.0.0.1:{self.port + 1}"
        return {
            "process.roles": "broker,controller", "node.id": "1", "log.dirs": data,
            "controller.quorum.voters": f"1@{controller}",
            "listeners": f"PLAINTEXT://127.0.0.1:{self.port},CONTROLLER://{controller}",
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{self.port}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "controller.listener.names": "CONTROLLER", "inter.broker.listener.name": "PLAINTEXT",
            "offsets.topic.replication.factor": "1", "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1", "share.coordinator.state.topic.replication.factor": "1",
            "share.coordinator.state.topic.min.isr": "1", "group.initial.rebalance.delay.ms": "0",
            "num.network.threads": "1", "num.io.threads": "2", "log.cleaner.dedupe.buffer.size": "4194304",
            **self.settings}

    def prepare(self):
        os.makedirs(os.path.join(self.folder, "data"), exist_ok=True)
        self.file = os.path.join(self.folder, "server.properties")
        with open(self.file, "w", encoding="utf-8") as f:
            f.writelines(f"{k}={v}\n" for k, v in self.properties().items())
        self.command = java(512, os.path.join(self.folder, "broker.log"))
        subprocess.run([*self.command, "kafka.tools.StorageTool", "format", "-t", "MkU3OEVBNTcwNTJENDM2Qg", "-c", self.file],
                       stdout=subprocess.DEVNULL, check=True)

    def start(self):
        self.process = subprocess.Popen([*self.command, "kafka.Kafka", self.file], stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)
        wait_for(self.answers, "Kafka listens", 60)
        return self

    def answers(self):
        if self.process.poll() is not None:
            raise AssertionError(f"Kafka ended with {self.process.returncode}: {self.log_tail()}")
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", self.port), 1).close()
            return True
        return False

    def log_tail(self):
        with contextlib.suppress(OSError), \
                open(os.path.join(self.folder, "broker.log"), encoding="utf-8", errors="replace") as f:
            return f.read()[-1500:]
        return ""

    def end(self, sig):
        self.process.send_signal(sig)
        code = self.process.wait(timeout=60)
        self.process = None
        return code

    def kill_and_start(self):
        self.end(signal.SIGKILL)
        return self.start()

    def __enter__(self):
        try:
            self.prepare()
            return self.start()
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *_):
        if self.process and self.process.poll() is None:
            self.end(signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)
