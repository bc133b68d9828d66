"""The command line against a leatd, through a proxy that notes which operations it used and holds every request
and answer against openapi.yaml."""
import contextlib
import http.client
import http.server
import json
import os
import shutil
import subprocess
import tempfile
import threading

import client
import contract
from leatd import BIN

LEAT = os.path.join(BIN, "leat")


class Proxy(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, port):
        super().__init__(("127.0.0.1", 0), Handler)
        self.port, self.used, self.faults, self.break_after = port, set(), [], None
        self.too_many = 0  # so many requests are answered 429


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def serve(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.server.break_after is not None and self.command != "GET":
            self.server.break_after -= 1
            if self.server.break_after < 0:
                self.close_connection = True
                return
        if self.server.too_many > 0:
            self.server.too_many -= 1
            self.send_response(429)
            self.send_header("Retry-After", "1")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        upstream = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=60)
        headers = {k: v for k, v in self.headers.items() if k.lower() not in ("connection", "expect")}
        upstream.request(self.command, self.path, body or None, headers)
        answer = upstream.getresponse()
        stream = answer.getheader("Content-Type", "").startswith("text/event-stream")
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("transfer-encoding", "connection", "content-length", "server", "date"):
                self.send_header(name, value)
        if stream:
            self.note(body, answer, None)
            self.send_header("Connection", "close")
            self.end_headers()
            with contextlib.suppress(OSError):
                while part := answer.read1(65536):
                    self.wfile.write(part)
                    self.wfile.flush()
            self.close_connection = True
        else:
            text = answer.read()
            self.note(body, answer, text)
            if answer.status != 204:
                self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)
        upstream.close()

    def note(self, request, answer, text):
        operation = contract.find(self.command, self.path)
        self.server.used.add(operation["operationId"] if operation else f"{self.command} {self.path}")
        try:
            client.check(self.command, self.path, answer.status, answer.headers, text,
                         self.headers.get("Content-Type", "application/json"), request)
        except AssertionError as fault:
            self.server.faults.append(str(fault))

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = serve


class Cli:
    """leat as somebody who is logged in by the first start's key."""

    def __init__(self, service, home):
        self.s, self.home = service, home
        self.proxy = Proxy(service.http_port)
        threading.Thread(target=self.proxy.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.proxy.server_port}"
        self.environment = {"PATH": os.environ["PATH"], "HOME": home, "XDG_CONFIG_HOME": home,
                            "ASAN_OPTIONS": "detect_leaks=0", "LC_ALL": "C.UTF-8"}  # it gives memory back by leaving
        self.run("login", "--quickstart", os.path.join(service.data, "quickstart.json"))
        self.environment["LEAT_URL"] = self.url

    def start(self, *arguments, env=None, **options):
        return subprocess.Popen([LEAT, *arguments], env={**self.environment, **(env or {})}, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, stdin=subprocess.PIPE, **options)

    def raw(self, *arguments, data=b"", env=None):
        """(exit code, stdout, stderr), as bytes."""
        done = subprocess.run([LEAT, *arguments], env={**self.environment, **(env or {})}, input=data, capture_output=True,
                              timeout=120, check=False)
        assert done.returncode in range(6), (arguments, done)
        return done.returncode, done.stdout, done.stderr

    def run(self, *arguments, code=0, data="", env=None):
        """What it printed; on stderr when it is to fail."""
        done, out, err = self.raw(*arguments, data=data.encode(), env=env)
        assert done == code, (arguments, done, out.decode(), err.decode())
        return (out if code in (0, 5) else err).decode()

    def json(self, *arguments, **options):
        return json.loads(self.run("--json", *arguments, **options))

    def lines(self, *arguments, **options):
        return [json.loads(line) for line in self.run("--json", *arguments, **options).splitlines()]

    def close(self):
        self.proxy.shutdown()
        self.proxy.server_close()


@contextlib.contextmanager
def running(**options):
    """A leatd and its Cli."""
    home = tempfile.mkdtemp(prefix="leat-test-")
    try:
        with client.running(**options) as service:
            cli = Cli(service, home)
            try:
                yield cli
                assert not cli.proxy.faults, "\n".join(cli.proxy.faults)
            finally:
                cli.close()
    finally:
        shutil.rmtree(home)
