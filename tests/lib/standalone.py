"""A real leat-broker --standalone in a temporary folder, for tests."""
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile

from leatd import BIN, free_ports, wait_for


class Standalone:
    def __init__(self, arguments=(), **settings):
        """`arguments` more of the command line; "{folder}" in them is the temporary folder."""
        self.folder = tempfile.mkdtemp(prefix="leat-test-")
        self.port = free_ports(1)
        self.address = f"127.0.0.1:{self.port}"
        self.settings = {"group.initial.rebalance.delay.ms": "0", **settings}
        self.process = None
        self.prefix = []  # of the command, as nsenter …
        self.arguments = [a.replace("{folder}", self.folder) for a in arguments]

    def start(self):
        argv = [*self.prefix, os.path.join(BIN, "leat-broker"), "--standalone", "--data", os.path.join(self.folder, "data"),
                "--listen", self.address, *self.arguments]
        for name, value in self.settings.items():
            argv += ["--set", f"{name}={value}"]
        self.log = open(os.path.join(self.folder, "broker.log"), "ab")
        self.process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=self.log)
        wait_for(self.answers, "the broker listens")
        return self

    def answers(self):
        if self.process.poll() is not None:
            raise AssertionError(f"leat-broker ended with {self.process.returncode}: {self.log_tail()}")
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", self.port), 1).close()
            return True
        return False

    def log_tail(self):
        with open(os.path.join(self.folder, "broker.log"), encoding="utf-8", errors="replace") as f:
            return f.read()[-1500:]

    def end(self, sig):
        self.process.send_signal(sig)
        code = self.process.wait(timeout=30)
        self.process = None
        self.log.close()
        return code

    def kill_and_start(self):
        self.end(signal.SIGKILL)
        return self.start()

    def __enter__(self):
        try:
            os.makedirs(os.path.join(self.folder, "data"), mode=0o700, exist_ok=True)
            return self.start()
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *_):
        if self.process and self.process.poll() is None:
            self.end(signal.SIGTERM)
        shutil.rmtree(self.folder, ignore_errors=True)
