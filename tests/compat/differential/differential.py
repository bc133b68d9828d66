"""The suite: both brokers, all scenarios, the differences against EXPECTED.md.

differential.py [scenario…]      only these (then rows of EXPECTED.md may stay unused)
"""
import importlib
import os
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "..", "lib")]

from both import Both, Wire
from expected import Expected
from real_kafka import RealKafka, jars
from standalone import Standalone

MODULES = ["connection", "topics", "configs", "data", "groups", "consumer_groups", "transactions", "transaction_views", "security", "cluster"]
ACLS = {"authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer", "super.users": "User:ANONYMOUS"}


def scenarios(names):
    every = [s for m in MODULES for s in importlib.import_module(m).SCENARIOS]
    unknown = set(names) - {s.__name__ for s in every}
    assert not unknown, f"no such scenario: {unknown}; there are: {' '.join(s.__name__ for s in every)}"
    return [s for s in every if not names or s.__name__ in ("ready", *names)]


def report(both, expected, partial):
    """Prints what is new and what is gone; their number."""
    bad = 0
    for difference, versions in sorted(both.found.items()):
        if not expected.use(difference):
            bad += 1
            step, field, kafka, leat = difference
            print(f"new: {step} | {field} | {kafka} | {leat} |  (v{','.join(map(str, sorted(set(versions))))})")
    for number, row in [] if partial else expected.unused():
        bad += 1
        print(f"EXPECTED.md:{number}: does not occur any more: {row}")
    return bad


def main(names):
    expected, failed, passed = Expected(), 0, 0
    wire = Wire(jars())
    with RealKafka(**ACLS) as kafka, Standalone(**ACLS) as leat:
        both = Both(wire, kafka.port, leat.port, expected)
        for scenario in scenarios(names):
            begin, both.scenario = time.monotonic(), scenario.__name__.replace("_", " ")
            both.rules.begin()
            try:
                scenario(both)
                passed += 1
            except Exception as e:
                failed += 1
                print(f"{both.scenario}: {type(e).__name__}: {e}")
                for broker in (kafka, leat):
                    if broker.process.poll() is not None:
                        print(f"{broker.address} ended with {broker.process.returncode}: {broker.log_tail()}")
                        return 1
            if os.environ.get("VERBOSE"):
                print(f"  {both.scenario}: {time.monotonic() - begin:.1f} s", file=sys.stderr)
        wire.close()
    bad = report(both, expected, bool(names))
    print(f"{both.steps} answers compared in {passed + failed} scenarios, {len(both.found)} differences, {len(both.found) - bad} of them expected")
    print(f"{both.steps - bad if both.steps > bad else 0} passed, {failed + bad} failed")
    return 1 if failed or bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
