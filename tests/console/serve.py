#!/usr/bin/env python3
"""A real leatd for the browser tests: prints where it is as one line of JSON, ends when its standard input does."""
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from leatd import Leatd  # noqa: E402

server = Leatd(demo="--demo" in sys.argv)
if "--oidc" in sys.argv:
    server.more += ["--oidc", sys.argv[sys.argv.index("--oidc") + 1]]
if "--alert-near" in sys.argv:
    server.more += ["--alert-near"]
with server as leatd:
    print(json.dumps({"base": leatd.base, "data": leatd.data, "quickstart": leatd.quickstart}), flush=True)
    sys.stdin.read()
