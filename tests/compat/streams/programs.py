"""Java programs as this suite starts them."""
import os
import re
import subprocess
import threading

from leatd import wait_for
from real_kafka import jars, java

HERE = os.path.dirname(os.path.abspath(__file__))


class Child:
    """A Java program whose lines are kept; ended by its process id."""

    def __init__(self, argv, log):
        self.errors = open(log, "ab")
        self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors, text=True)
        self.lines = []
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        for line in self.process.stdout:
            self.lines.append(line.strip())

    def says(self, pattern, seconds=60):
        """Waits for a line; the last one that matches."""
        def found():
            match = next((m for m in (re.fullmatch(pattern, x) for x in reversed(self.lines)) if m), None)
            if not match and self.process.poll() is not None and not self.thread.is_alive():
                raise AssertionError(f"ended with {self.process.returncode} before it said {pattern}; {self.lines[-5:]}")
            return match
        return wait_for(found, f"{pattern}; last: {self.lines[-1:]}", seconds)

    def tell(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def end(self):
        if self.process.poll() is None:
            self.process.stdin.close()
            try:
                self.process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                self.kill()
        self.errors.close()

    def kill(self):
        self.process.kill()
        self.process.wait()


def compiled(folder):
    """The Java programs of this folder as classes."""
    sources = [os.path.join(HERE, name) for name in sorted(os.listdir(HERE)) if name.endswith(".java")]
    subprocess.run(["javac", "-nowarn", "-cp", jars() + "/*", "-d", folder, *sources], check=True, stderr=subprocess.DEVNULL)
    return folder


def command(folder, heap, log, *argv):
    argv = [*java(heap, log), *argv]
    at = argv.index("-cp") + 1
    argv[at] += os.pathsep + folder
    return argv


def properties(file, settings):
    """Writes a Java properties file; returns its path."""
    with open(file, "w", encoding="utf-8") as f:
        f.writelines(f"{k}={v}\n" for k, v in settings.items())
    return file


def console_consumer(broker, folder, topic, *arguments):
    """The lines that Kafka's console consumer prints of the committed records of a topic, from its beginning. It
    ends when nothing came for a while; on a busy machine that can be before the first one: it gets longer then."""
    config = properties(os.path.join(folder, "console.properties"), broker.client())
    for patience in (4000, 15000, 40000):
        argv = [*java(128, os.path.join(folder, "consumer.log")), "org.apache.kafka.tools.consumer.ConsoleConsumer",
                "--bootstrap-server", broker.bootstrap, "--command-config", config, "--topic", topic, "--from-beginning",
                "--isolation-level", "read_committed", "--timeout-ms", str(patience), *arguments]
        done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr[-1000:]
        if done.stdout:
            break
    return done.stdout.splitlines()
