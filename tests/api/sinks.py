"""Receivers of alerts that we did not write: Werkzeug's HTTP server, aiosmtpd's mail server."""
import asyncio
import email
import email.policy
import json
import logging
import os
import subprocess
import threading

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from leatd import wait_for
from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

for noisy in ("werkzeug", "mail.log"):
    logging.getLogger(noisy).setLevel(logging.CRITICAL)


class Http:
    """Keeps what was posted; answers with the statuses given in `answers`, then 200. Of them "cut" is a 200 that breaks off,
    "endless" one whose body never ends, "drip" one whose body comes a byte a second, and "hang" says nothing until close()."""

    def __init__(self, answers=(), headers=None):
        self.posts, self.answers, self.headers = [], list(answers), headers or {}
        self.closed = threading.Event()
        self.server = make_server("127.0.0.1", 0, self.serve, threaded=True)
        self.port = self.server.server_port
        self.url = f"http://127.0.0.1:{self.port}/hook"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def serve(self, environ, start_response):
        request = Request(environ)
        self.posts.append((dict(request.headers), request.get_data()))
        status = self.answers.pop(0) if self.answers else 200
        if status == "cut":
            start_response("200 OK", [("Content-Length", "1000")])
            return [b"seen"]
        if status == "hang":
            self.closed.wait()
            status = 500
        if status in ("endless", "drip"):
            start_response("200 OK", [("Content-Length", "1000000000000")])
            return self.body(*{"endless": (b"x" * 65536, 0), "drip": (b"x", 1)}[status])
        return Response("seen", status=status, headers=self.headers)(environ, start_response)

    def body(self, part, pause):
        while not self.closed.wait(pause):
            yield part

    def bodies(self):
        return [json.loads(body) for _headers, body in list(self.posts)]

    def wait(self, condition, what):
        """The first body that fits."""
        return wait_for(lambda: next((b for b in self.bodies() if condition(b)), None), what, 40)

    def close(self):
        self.closed.set()
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


class Mail:
    """Keeps mails; with a certificate it wants STARTTLS and a login. `answers`: what it says to mails instead ("hang": nothing);
    `unknown`: recipients that it refuses."""

    def __init__(self, context=None, login=None):
        self.mails, self.login, self.answers, self.unknown = [], login, [], set()
        more = {}
        if context:
            more = {"tls_context": context, "require_starttls": True, "auth_required": True,
                    "authenticator": self.authenticate}
        self.controller = Controller(self, hostname="127.0.0.1", port=0, **more)
        self.controller.port = free_port()
        self.controller.start()
        self.url = f"smtp://127.0.0.1:{self.controller.port}"

    def authenticate(self, _server, _session, _envelope, _mechanism, data):
        return AuthResult(success=(data.login.decode(), data.password.decode()) == self.login)

    async def handle_RCPT(self, _server, _session, envelope, address, _options):
        if address in self.unknown:
            return "550 nobody of that name"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server, _session, envelope):
        answer = self.answers.pop(0) if self.answers else None
        if answer == "hang":
            await asyncio.Event().wait()
        if answer:
            return answer
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        self.mails.append((envelope.mail_from, envelope.rcpt_tos, message))
        return "250 OK"

    def wait(self, words, what):
        return self.wait_for(lambda message: words in message["Subject"], what)

    def wait_for(self, condition, what):
        """The first (sender, recipients, message) that fits."""
        return wait_for(lambda: next((m for m in list(self.mails) if condition(m[2])), None), what, 40)

    def close(self):
        self.controller.stop()


def free_port():
    import socket
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def certificate(folder):
    """A self-signed one for 127.0.0.1; (certificate, key)."""
    pem, key = os.path.join(folder, "sink.pem"), os.path.join(folder, "sink.key")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", pem, "-days", "2",
                    "-subj", "/CN=sink", "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
    return pem, key
