"""A client program under test: started with a command, followed by what it prints (README.md has the protocol)."""
import os
import subprocess
import tempfile
import threading
import time


class Failed(Exception):
    """A feature does not work, and why."""


def expect(condition, what):
    if not condition:
        raise Failed(what)


class Program:
    """One run of a client program. Use as a context: it is ended by its process id."""

    def __init__(self, argv, env, cwd=None):
        self.argv, self.changed = argv, threading.Condition()
        self.acked, self.assigned, self.records, self.others = 0, None, [], []
        self.end = None  # the words after ok, or the Failed to raise
        self.errors = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(argv, env={**os.environ, **env}, cwd=cwd, text=True, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=self.errors)
        self.reader = threading.Thread(target=self.follow, daemon=True)
        self.reader.start()

    def follow(self):
        for line in self.process.stdout:
            if not line.endswith("\n"):
                break  # it was killed within a line
            word, _, rest = line.rstrip("\n").partition(" ")
            with self.changed:
                if word == "record":
                    partition, offset, value = rest.split(" ", 2)
                    self.records.append((int(partition), int(offset), value))
                elif word == "acked":
                    self.acked = int(rest)
                elif word == "assigned":
                    self.assigned = set() if rest in ("", "-") else {int(p) for p in rest.split(",")}
                elif word == "ok":
                    self.end = rest
                elif word == "error":
                    self.end = Failed(rest)
                else:
                    self.others.append(line.rstrip("\n"))
                self.changed.notify_all()
        with self.changed:
            if self.end is None:
                self.end = Failed(f"ended with {self.process.wait()} and without a result")
            self.changed.notify_all()

    def told(self):
        """The end of what the program wrote to its standard error, for a failure's text."""
        self.errors.flush()
        self.errors.seek(0)
        return self.errors.read()[-1500:]

    def fail(self, why):
        raise Failed(f"{why} [{' '.join(os.path.basename(self.argv[0:1][0]).split() + self.argv[1:])[-120:]}] {self.told()}")

    def wait(self, condition, what, seconds=120):
        """Until condition() is true; a program that ended before it is a failure."""
        end = time.monotonic() + seconds
        with self.changed:
            while not condition():
                if self.end is not None:
                    self.fail(f"the program ended ({self.end!r}) before: {what}")
                if not self.changed.wait(min(0.5, end - time.monotonic())) and time.monotonic() > end:
                    self.fail(f"waited {seconds} s in vain: {what} (acked {self.acked}, assigned {self.assigned}, "
                              f"{len(self.records)} records)")

    def values(self):
        with self.changed:
            return [v for _, _, v in self.records]

    def result(self, seconds=60):
        """Waits for the end; what stands after ok."""
        end = time.monotonic() + seconds
        with self.changed:
            while self.end is None:
                if not self.changed.wait(min(0.5, max(0.01, end - time.monotonic()))) and time.monotonic() > end:
                    self.fail(f"no result after {seconds} s")
        if isinstance(self.end, Failed):
            self.fail(self.end)
        return self.end

    def stop(self, seconds=60):
        """Asks the program to come to its end, and waits for its result."""
        try:
            self.process.stdin.write("stop\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass
        return self.result(seconds)

    def kill(self):
        """kill -9."""
        self.process.kill()
        self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.reader.join(5)
        self.process.stdin.close()
        self.process.stdout.close()
        self.errors.close()
