#!/usr/bin/env python3
"""The house rules as a test: layers, sizes, banned calls, README files. Reads the tracked files."""
import os
import re
import subprocess
import sys

root = os.environ.get("LEAT_ROOT") or os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
files = subprocess.run(["git", "-C", root, "ls-files"], capture_output=True, text=True, check=True).stdout.split("\n")
files = [f for f in files if f and os.path.exists(os.path.join(root, f))]
text = {}
for f in files:
    try:
        with open(os.path.join(root, f), encoding="utf-8") as h:
            text[f] = h.read()
    except UnicodeDecodeError:
        pass

# A layer may include itself and what stands here; nothing points up.
core = {
    "base": [], "io": ["base"], "wire": ["base", "io"], "storage": ["base", "io", "wire"],
    "client": ["base", "io", "wire"], "cluster": ["base", "io", "wire", "storage"],
    "broker": ["base", "io", "wire", "storage", "cluster"],
}
below = ["base", "io", "wire", "storage", "client", "cluster"]
server = {
    "store": ["base", "io"], "identity": ["base", "io", "store", "cluster", "wire"],
    "supervise": ["base", "io", "wire"], "engine": below + ["supervise"],
    "collect": below + ["store", "supervise", "engine"],
    "notify": ["base", "io"],
    "domain": below + ["store", "identity", "supervise", "engine", "collect", "notify"],
}
api = below + ["domain", "store", "identity", "engine", "supervise", "collect", "api"]
server["http"] = api
server["cli"] = ["base", "io", "wire", "client", "cluster"]


def layer_of(path):
    p = path.split("/")
    if p[0] == "broker-core" and len(p) > 2:
        return p[1], core
    if p[0] == "server" and len(p) > 2 and p[1] in server:
        return p[1], server
    if p[0] == "api":
        return "api", {"api": api}
    return None, None


c_files = [f for f in text if re.match(r"(broker-core|server|api)/.*\.[ch]$", f)]
test_c = [f for f in text if re.match(r"tests/.*\.[ch]$", f)]


def layers_point_down():
    known = set(core) | set(server) | {"api"}
    for f in c_files:
        layer, table = layer_of(f)
        if not layer:
            continue
        for name in re.findall(r'^#include "([a-z_]+)/', text[f], re.M):
            if name in known and name != layer and name not in table[layer]:
                yield f"{f}: {layer} may not include {name}/"


def only_the_adapter_knows_the_http_library():
    for f in c_files:
        if not f.startswith("server/http/") and "<microhttpd.h>" in text[f]:
            yield f"{f}: includes microhttpd.h"
        if f.startswith("broker-core/") and re.search(r"<(sqlite3|jansson|curl/curl|microhttpd)\.h>", text[f]):
            yield f"{f}: broker-core links no SQLite, HTTP or JSON code"


banned = ["strcpy", "strcat", "sprintf", "vsprintf", "strtok", "gets", "atoi", "atol", "system", "alloca", "rand",
          "malloc", "calloc", "realloc", "free"]


def banned_calls_are_not_used():
    call = re.compile(r"(?<![\w.>])(" + "|".join(banned) + r")\s*\(")
    for f in c_files:
        if f.startswith("broker-core/base/mem.") or f.endswith("wiregen.c"):
            continue
        code = re.sub(r"/\*.*?\*/", lambda m: "\n" * m.group().count("\n"), text[f], flags=re.S)
        code = re.sub(r'"(\\.|[^"\\])*"', '""', code)
        for n, line in enumerate(code.split("\n"), 1):
            m = call.search(line)
            if m and "tidy: allowed" not in text[f].split("\n")[n - 1]:
                yield f"{f}:{n}: {m.group(1)}()"


def lines_fit_a_hundred_and_ten_columns():
    for f in c_files + test_c:
        for n, line in enumerate(text[f].split("\n"), 1):
            if len(line) > 110:
                yield f"{f}:{n}: {len(line)} columns"


# Today's largest pieces; the numbers may only go down.
FILE_LIMIT, FUNCTION_LIMIT = 900, 110


def files_and_functions_stay_small():
    for f in c_files:
        lines = text[f].split("\n")
        if len(lines) > FILE_LIMIT:
            yield f"{f}: {len(lines)} lines"
        start = None
        for n, line in enumerate(lines):
            if line == "{":
                start = n
            elif line == "}" and start is not None:
                if n - start - 1 > FUNCTION_LIMIT:
                    yield f"{f}:{start}: a function of {n - start - 1} lines"
                start = None


def nothing_says_it_is_unfinished():
    for f in c_files:
        for n, line in enumerate(text[f].split("\n"), 1):
            if re.search(r"\b(TODO|FIXME|XXX|HACK)\b", line):
                yield f"{f}:{n}: {line.strip()[:60]}"


def every_c_file_says_what_it_is_for():
    for f in c_files:
        if not text[f].lstrip().startswith("/*"):
            yield f"{f}: no comment at its top"


def folders_of_code_have_a_readme_that_names_their_files():
    folders = {}
    for f in c_files:
        folders.setdefault(os.path.dirname(f), []).append(os.path.basename(f))
    for folder, names in sorted(folders.items()):
        readme = text.get(folder + "/README.md")
        if readme is None:
            if len(names) >= 4:
                yield f"{folder}: no README.md"
            continue
        for stem in sorted({n.rsplit(".", 1)[0] for n in names}):
            if stem not in readme:
                yield f"{folder}/README.md does not name {stem}"


def migrations_are_numbered_without_a_gap():
    numbers = sorted(int(m.group(1)) for f in files if (m := re.match(r"migrations/(\d{4})_\w+\.sql$", f)))
    if numbers != list(range(1, len(numbers) + 1)):
        yield f"migrations: {numbers}"


def no_file_carries_a_path_or_host_of_one_machine():
    bad = re.compile(r"(?<![\w/])/" + r"work/|https?://(?!127\.0\.0\.1|localhost|www\.w3\.org|json-schema\.org|host|example|"
                     r"kafka\.apache\.org|cwiki\.apache\.org|spec\.openapis\.org)[\w.-]*(registry|mirror|proxy|artifactory)")
    for f, body in text.items():
        if f != "tests/tidy/run.py" and (m := bad.search(body)):
            yield f"{f}: {m.group()}"


checks = [v for v in list(globals().values()) if callable(v) and getattr(v, "__module__", "") == "__main__" and v is not layer_of]
passed = failed = 0
for check in checks:
    found = list(check())
    if found:
        failed += 1
        print(f"not ok: {check.__name__.replace('_', ' ')}")
        for line in found[:25]:
            print(f"    {line}")
        if len(found) > 25:
            print(f"    … and {len(found) - 25} more")
    else:
        passed += 1
print(f"{passed} passed, {failed} failed")
sys.exit(1 if failed else 0)
