"""Two brokers asked the same: sends a step to both, takes the differences of their answers."""
import json
import os
import subprocess
import sys
import time

import rules

HERE = os.path.dirname(os.path.abspath(__file__))
SETTLE_S = 1.0  # how long a difference may last before it counts: Kafka answers before it has applied a change


class Each:
    """A value that differs from side to side, such as a member id; stands in bodies."""

    def __init__(self, **values):
        self.values = values

    def map(self, f):
        return Each(**{side: f(v) for side, v in self.values.items()})


def of_side(body, side):
    if isinstance(body, Each):
        return of_side(body.values[side], side)
    if isinstance(body, dict):
        return {k: of_side(v, side) for k, v in body.items()}
    if isinstance(body, (list, tuple)):
        return [of_side(v, side) for v in body]
    return body


class Wire:
    """Wire.java as a child process."""

    def __init__(self, jars):
        self.process = subprocess.Popen(
            ["java", "-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", jars + "/*",
             os.path.join(HERE, "Wire.java")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    def ask(self, **request):
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, "Wire.java ended"
        answer = json.loads(line)
        assert not isinstance(answer, dict) or "failed" not in answer, f"{request}: {answer.get('failed')}"
        return answer

    def close(self):
        self.process.stdin.close()
        self.process.wait(timeout=20)


class Result:
    def __init__(self, raw):
        self.raw = raw

    def each(self, f):
        """f(answer) of each side, to be put into later bodies."""
        return Each(**{side: f(a["answer"]) for side, a in self.raw.items()})


class Both:
    SIDES = ("kafka", "leat")

    def __init__(self, wire, kafka_port, leat_port, expected):
        self.wire, self.expected = wire, expected
        for side, port in zip(self.SIDES, (kafka_port, leat_port)):
            wire.ask(op="open", side=side, host="127.0.0.1", port=port)
        self.rules = rules.Rules({"kafka": kafka_port, "leat": leat_port})
        self.ranges = {a["name"]: (a["key"], a["min"], a["max"]) for a in wire.ask(op="apis")}
        self.steps = self.asked = 0
        self.found = {}  # (step, field, kafka, leat) -> versions
        served = wire.ask(op="call", api="ApiVersions", version=0, connection="first", bodies={"kafka": {}, "leat": {}})
        self.advertised = {s: {k["apiKey"] for k in served[s]["answer"]["apiKeys"]} for s in self.SIDES}
        self.scenario = ""

    def epoch(self, n):
        """The n-th epoch of a leader, from 0."""
        return Each(**{s: n + self.rules.first_epoch[s] for s in self.SIDES})

    def serves(self, *apis):
        """Whether both brokers know these APIs; what Leat does not serve yet shows in the ApiVersions steps."""
        return all(self.ranges[a][0] in self.advertised[s] for a in apis for s in self.SIDES)

    def versions(self, api, low=0, high=99):
        _, least, most = self.ranges[api]
        return range(max(low, least), min(high, most) + 1)

    def last(self, api):
        return self.ranges[api][2]

    def ask(self, op, api, version, body, connection, **more):
        self.asked += 1
        return self.wire.ask(op=op, api=api, version=version, connection=connection,
                             bodies={s: of_side(body, s) for s in self.SIDES}, **more)

    def call(self, step, api, body, version=None, connection="main", compare=True, until=None, **more):
        """Asks both; compares. A difference which is not expected is asked again for a while when `until` is given:
        until(answer) must hold on both sides, or until=True for a plain read."""
        version = self.last(api) if version is None else version
        end = time.monotonic() + SETTLE_S * (12 if callable(until) else 1)
        while True:
            raw = self.ask("call", api, version, body, connection, **more)
            if not raw:
                return None
            settled = not callable(until) or all(until(a.get("answer")) for a in raw.values())
            found = self.differences(f"{self.scenario}: {step}", api, raw) if compare else []
            fresh = [d for d in found if not self.expected.covers(*d)]
            if (settled and not fresh) or until is None or time.monotonic() > end:
                break
            time.sleep(0.02)
        assert settled, f"{self.scenario}: {step}: {api} v{version} never was as waited for: {json.dumps(raw)[:1500]}"
        self.note(found, version, compare)
        if os.environ.get("TIMES") and time.monotonic() - end > -SETTLE_S / 2:
            print(f"slow: {self.scenario}: {step}: {api} v{version}: {json.dumps(raw)[:400]}", file=sys.stderr)
        return Result(raw)

    def sweep(self, step, api, body, low=0, high=99, **more):
        """The same in every version that both know; body may be a function of the version."""
        for version in self.versions(api, low, high):
            result = self.call(step, api, body(version) if callable(body) else body, version, **more)
        return result

    def send(self, api, body, connection, version=None, **more):
        self.ask("send", api, self.last(api) if version is None else version, body, connection, **more)

    def receive(self, step, api, connection, version=None, timeout_ms=15000):
        raw = self.wire.ask(op="receive", connection=connection, timeout_ms=timeout_ms)
        self.note(self.differences(f"{self.scenario}: {step}", api, raw), self.last(api) if version is None else version)
        return Result(raw)

    def raw(self, step, frame, **more):
        """A frame as it is on a connection of its own; the answer's bytes are compared."""
        raw = self.wire.ask(op="raw", connection="raw", frame=frame.hex(), **more)
        self.note(self.differences(f"{self.scenario}: {step}", "frame", raw), 0)

    def close(self, connection):
        self.wire.ask(op="close", connection=connection)

    def differences(self, step, api, raw):
        clean = {s: self.rules.clean(s, api, raw[s]) for s in self.SIDES}
        return [(step, api + path, k, v) for path, k, v in rules.compare("", clean["kafka"], clean["leat"])]

    def note(self, found, version, compare=True):
        self.steps += compare
        for difference in found:
            self.found.setdefault(difference, []).append(version)
