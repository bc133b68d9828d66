#!/usr/bin/env python3
"""A real leatd for the browser tests: prints where it is as one line of JSON, ends when its standard input does.
Until then a line of JSON there is an order ({"do": "kill" | "start" | "history", …}), answered by a line."""
import contextlib
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import history  # noqa: E402
from leatd import Leatd  # noqa: E402

server = Leatd(demo="--demo" in sys.argv)
if "--oidc" in sys.argv:
    server.more += ["--oidc", sys.argv[sys.argv.index("--oidc") + 1]]
if "--alert-near" in sys.argv:
    server.more += ["--alert-near"]


def obey(order):
    if order["do"] == "kill":
        server.kill()
    elif order["do"] == "start":
        server.start()
    else:  # its past, while it is down: {"minute" | "hour": {when: [[number of the series' type, label, value]]}}
        with contextlib.closing(history.connect(server.data)) as db, db:
            for table, rows in order["past"].items():
                for at, values in rows.items():
                    history.put(db, table, order["cluster"], {(kind, label): value for kind, label, value in values}, [int(at)])


with server as leatd:
    print(json.dumps({"base": leatd.base, "data": leatd.data, "quickstart": leatd.quickstart}), flush=True)
    for line in sys.stdin:
        obey(json.loads(line))
        print("done", flush=True)
