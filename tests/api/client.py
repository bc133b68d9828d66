"""A leatd whose every answer is held against openapi.yaml."""
import base64
import contextlib
import datetime
import http.client
import json
import os
import socket
import sqlite3
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))
import contract  # noqa: E402
import leatd  # noqa: E402
from leatd import wait_for  # noqa: E402,F401

EXERCISED = set()  # operationIds that were answered below 400
ANSWERED = set()   # and those that were answered at all
AUDITED = {}       # operationId of a change: for each time it was done, its audit rows as (operation, detail)


def check(method, path, status, headers, body, request_type=None, request=b""):
    """Holds one request and its answer against openapi.yaml. body: None when it is not looked at."""
    operation = contract.find(method, path)
    if operation is None:
        return
    name = operation["operationId"]
    ANSWERED.add(name)
    bad = contract.response_faults(operation, status, headers.get("Content-Type"), body)
    if status < 400:
        EXERCISED.add(name)
        bad += contract.request_faults(operation, path, request_type, request)
    assert not bad, (f"{method} {path} was answered {status}, and api/openapi.yaml says otherwise of {name}: "
                     + "; ".join(bad[:5]))
    assert headers.get("X-Request-Id"), f"{method} {path}: the answer has no X-Request-Id"


class Checked(leatd.Leatd):
    changes = ()  # (operation, request id) of what was asked for other than by GET, and done

    def call(self, method, path, body=None, key=None, headers=None, raw=None):
        answer = super().call(method, path, body, key, headers, raw)
        sent = raw if raw is not None else json.dumps(body).encode() if body is not None else b""
        kind = (headers or {}).get("Content-Type", "application/json")
        check(method, path.removeprefix(self.base), answer.status, answer.headers,
              None if method == "HEAD" else answer.body, kind, sent)
        if method not in ("GET", "HEAD") and answer.status < 400 and contract.find(method, path.removeprefix(self.base)):
            operation = contract.find(method, path.removeprefix(self.base))["operationId"]
            self.changes = (*self.changes[-5000:], (operation, answer.headers["X-Request-Id"]))
        return answer

    def note_audit(self):
        """Into AUDITED what the audit log says of each change, read from the file as it lies there."""
        path = os.path.join(self.data, "leat.db")
        if not self.changes or not os.path.exists(path):
            return
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
            told = {}
            for request, operation, detail in db.execute("SELECT request_id, operation, detail FROM audit"):
                told.setdefault(request, []).append((operation, json.loads(detail)))
        for operation, request in self.changes:
            AUDITED.setdefault(operation, []).append(told.get(request, []))

    def good(self, method, path, body=None, status=None, **kwargs):
        """The JSON of an answer that must be good."""
        answer = self.call(method, path, body, **kwargs)
        fine = answer.status == status if status else answer.status < 300
        assert fine, f"{method} {path}: {answer}"
        return answer.json

    def refused(self, status, method, path, body=None, **kwargs):
        answer = self.call(method, path, body, **kwargs)
        assert answer.status == status, f"{method} {path}: {answer}, not {status}"
        return answer.json

    def produce(self, cluster, topic, *records, key=None):
        """Records as one body of concatenated objects (bytes stay as they are); the result objects."""
        raw = b"\n".join(r if isinstance(r, bytes) else json.dumps(r).encode() for r in records)
        answer = self.call("POST", f"/kafka/v3/clusters/{cluster}/topics/{topic}/records", raw=raw, key=key)
        assert answer.status == 200, answer
        return [json.loads(line) for line in answer.body.decode().splitlines() if line]


@contextlib.contextmanager
def running(**options):
    server = Checked(**options)
    try:
        yield server.start()
    finally:
        server.note_audit()
        server.stop()


def text(value, key=None):
    record = {"value": {"type": "STRING", "data": value}}
    if key is not None:
        record["key"] = {"type": "STRING", "data": key}
    return record


def milliseconds(moment):
    """Since 1970, of an RFC 3339 time in an answer."""
    return round(datetime.datetime.fromisoformat(moment.replace("Z", "+00:00")).timestamp() * 1000)


@contextlib.contextmanager
def stream(server, path, key=None, last=None):
    """Gives a function that returns the next (event, data) of a stream; (None, None) at its end. Its `id` is what
    a client would come back with; `last` is such an id."""
    credentials = base64.b64encode(":".join(key or server.cloud).encode()).decode()
    with socket.create_connection(("127.0.0.1", server.http_port), timeout=15) as s:
        s.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Basic {credentials}\r\n"
                  f"{f'Last-Event-ID: {last}' if last else 'Accept: text/event-stream'}\r\n\r\n".encode())
        f = s.makefile("rb")
        status = int(f.readline().split()[1])
        headers = http.client.parse_headers(f)
        check("GET", path, status, headers, None)
        assert status == 200 and headers["Content-Type"] == "text/event-stream", (status, headers)

        def lines():
            left = b""
            while size := int(f.readline() or b"0", 16):
                *whole, left = (left + f.read(size)).split(b"\n")
                yield from (line.decode() for line in whole)
                f.readline()
        source = lines()

        def following():
            event = None
            for line in source:
                if line.startswith("id: "):
                    following.id = line[4:]
                if line.startswith("event: "):
                    event = line[7:]
                if line.startswith("data: "):
                    data = json.loads(line[6:])
                    bad = contract.event_faults(contract.find("GET", path), event, data)
                    assert not bad, f"an event of {path} is not as in api/openapi.yaml: {bad[:5]}"
                    return event, data
            return None, None
        following.id = None
        yield following


def until(following, event, condition=lambda data: True):
    for _ in range(200):
        name, data = following()
        if name == event and condition(data):
            return data
    raise AssertionError(f"no such {event}")
