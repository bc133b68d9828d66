"""Runs clients through features, prints the table, and holds MATRIX.md to it."""
import argparse
import contextlib
import os
import sys
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
import clients as known  # noqa: E402
import official_sdk  # noqa: E402
from features import FEATURES, Managed, Secure  # noqa: E402
from leatd import BIN, Leatd, free_ports  # noqa: E402

SECURITIES = ("SASL_PLAINTEXT", "SASL_SSL")
MATRIX = os.path.join(HERE, "MATRIX.md")
HEAD = """# Clients and features

Made by `tests/compat/run --write`; `./tests/run compat` compares it with what it sees. Each client has brokers of its own and speaks
SCRAM-SHA-512: over SASL_PLAINTEXT with a cluster under leatd, over SASL_SSL with a standalone broker. `-`: the library has no such feature;
`not tried`: it has, our program does not use it.
`clients`: the client is told among those of its topic, by name, version, client id, role and group (classic, KIP-848); `lag`: lag and
time lag of its group are what they must be, and 0 again; both by REST, which a standalone broker has not.
`kafka tools`: ClientCompatibilityTest and TransactionalMessageCopier of Kafka's system tests; they know no SASL and come by a plain
listener. (a): with librdkafka's consumer and producer in one program, send_offsets_to_transaction never returns when the
broker is killed between its steps (every request was answered); the copier is started again.

"""
SDK = "sdk"
out = threading.Lock()


def tell(line):
    with out:
        print(line, flush=True)


class Outcome:
    def __init__(self):
        self.cells, self.passed, self.failed, self.skipped, self.seconds = {}, 0, 0, [], 0.0


def attempt(client, security, name, bench, outcome):
    """One feature of one client: its cell."""
    began = time.monotonic()
    try:
        cell = FEATURES[name](bench) or "yes"
        if cell != "-":
            outcome.passed += 1
            tell(f"ok: {client.name} {security} {name} ({time.monotonic() - began:.1f} s)")
    except Exception as e:
        cell = "FAILED"
        outcome.failed += 1
        why = str(e) or repr(e)
        tell(f"not ok: {client.name} {security} {name} ({time.monotonic() - began:.1f} s): {why[:3000]}")
        if not isinstance(e, (AssertionError, known.Missing)) and type(e).__name__ != "Failed":
            tell(traceback.format_exc())
    outcome.cells[name] = cell


def job(client, ready, benches, wanted, outcomes):
    """Takes one client through everything when it is installed (`ready`)."""
    try:
        ready.result()
    except known.Missing as e:
        tell(f"skipped: {client.name} needs {e}")
        outcomes[client.name, None] = "skipped"
        return
    except Exception as e:
        tell(f"not ok: {client.name} could not be made ready: {e}")
        outcomes[client.name, None] = "broken"
        return
    tell(f"{client.title} is ready")
    for bench in benches:
        outcome = outcomes[client.name, bench.security] = Outcome()
        for name in FEATURES:
            if name in client.lacks:
                outcome.cells[name] = "-"
            elif name in client.untried:
                outcome.cells[name] = "not tried"
            elif name in wanted:
                attempt(client, bench.security, name, bench, outcome)
        bench.close()


def table(clients, outcomes, wanted):
    rows = [["client", "listener", *(n.replace("_", " ") for n in FEATURES if n in wanted)]]
    rows.append(["---"] * len(rows[0]))
    for c in clients:
        for s in SECURITIES:
            o = outcomes.get((c.name, s))
            cells = [o.cells.get(n, "?") for n in FEATURES if n in wanted] if o else \
                [outcomes[c.name, None]] * (len(rows[0]) - 2)
            rows.append([c.title, s, *cells])
    return "".join("| " + " | ".join(r) + " |\n" for r in rows)


def matrix(write, printed):
    """Compares or writes MATRIX.md; False when it differs."""
    body = HEAD + printed
    if write:
        with open(MATRIX, "w", encoding="utf-8") as f:
            f.write(body)
        return True
    try:
        with open(MATRIX, encoding="utf-8") as f:
            return f.read() == body
    except FileNotFoundError:
        return False


def options(every):
    p = argparse.ArgumentParser(prog="tests/compat/run")
    p.add_argument("--write", action="store_true", help="make MATRIX.md anew")
    p.add_argument("--jobs", type=int, default=3, help="clients at a time")
    p.add_argument("--only", default="", help="features, with commas between")
    p.add_argument("client", nargs="*", help=f"of {' '.join(every)}; or {SDK}: the official Go SDK's life cycle")
    o = p.parse_args()
    o.wanted = o.only.split(",") if o.only else list(FEATURES)
    o.sdk = SDK in o.client or not o.client and not o.only
    o.clients = bool([n for n in o.client if n != SDK]) or not o.client
    for name in [n for n in o.client if n not in (*every, SDK)] + [n for n in o.wanted if n not in FEATURES]:
        p.error(f"there is no {name}")
    return o


def main():
    all_clients = known.clients()
    o = options([c.name for c in all_clients])
    chosen = [c for c in all_clients if not o.client or c.name in o.client] if o.clients else []
    missing = [p for p in ("leat-broker", "leatd") if not os.path.exists(os.path.join(BIN, p))]
    if missing:
        print(f"not ok: {missing} not built (LEAT_BIN names the folder)\n0 passed, {len(missing)} failed")
        return 1
    outcomes, sdk = {}, (0, 0)
    with Leatd() as leat, contextlib.ExitStack() as stack, ThreadPoolExecutor(1) as builder, ThreadPoolExecutor(o.jobs) as pool:
        ready = {c.name: builder.submit(c.prepare) for c in chosen}  # while the first ones run, the others are built
        benches = {c.name: [Managed(c, leat)] for c in chosen}  # all ports are taken before the first broker is killed
        port = free_ports(2 * len(chosen)) if chosen else 0
        for i, c in enumerate(chosen):
            benches[c.name].append(Secure(c, port + 2 * i))
            stack.callback(benches[c.name][1].close)
        for done in [pool.submit(job, c, ready[c.name], benches[c.name], o.wanted, outcomes) for c in chosen]:
            done.result()
    if o.sdk:
        with Leatd() as leat:  # of its own: the clusters of all clients leave no port
            sdk = official_sdk.run(leat, tell)
    printed = table(chosen, outcomes, o.wanted)
    if chosen:
        print(printed, end="")
    results = [v for v in outcomes.values() if isinstance(v, Outcome)]
    passed, failed = sum(r.passed for r in results) + sdk[0], sum(r.failed for r in results) + sdk[1]
    failed += sum(1 for v in outcomes.values() if v == "broken")
    whole = len(chosen) == len(all_clients) and not o.only and len(results) == len(chosen) * len(SECURITIES)
    if whole and not matrix(o.write, printed):
        failed += 1
        print("not ok: MATRIX.md is not what was seen (tests/compat/run --write)")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
