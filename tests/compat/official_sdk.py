"""The official Go SDK of the REST dialect against a leatd: sdk/lifecycle, built and run; its lines are counted."""
import os
import subprocess

import clients as known

HERE = os.path.dirname(os.path.abspath(__file__))
SECONDS = 300


def build():
    """The program's path. Raises clients.Missing without a Go."""
    go, env = known.with_lock(known.find_go)
    out = os.path.join(known.CACHE, "go", "sdk-lifecycle")
    known.run([go, "build", "-o", out, "./lifecycle"], "go build", cwd=os.path.join(HERE, "sdk"), env={**os.environ, **env})
    return out


def run(leat, tell):
    """(passed, failed) of the steps; a missing Go is said and counts as neither."""
    try:
        program = build()
    except known.Missing as e:
        tell(f"skipped: the official Go SDK needs {e}")
        return 0, 0
    except RuntimeError as e:
        tell(f"not ok: the official Go SDK could not be built: {e}")
        return 0, 1
    env = {**os.environ, "SDK_URL": leat.base, "SDK_KEY": leat.cloud[0], "SDK_SECRET": leat.cloud[1]}
    try:
        p = subprocess.run([program], env=env, capture_output=True, text=True, timeout=SECONDS)
    except subprocess.TimeoutExpired as e:
        tell(f"not ok: the official Go SDK took longer than {SECONDS} s: {e.stdout!r}")
        return 0, 1
    passed = failed = 0
    for line in p.stdout.splitlines():
        state, _, rest = line.partition(": ")
        passed, failed = passed + (state == "ok"), failed + (state == "not ok")
        tell(f"{state}: official Go SDK: {rest}")
    if p.returncode and not failed or not passed:
        tell(f"not ok: the official Go SDK ended with {p.returncode}: {p.stderr[-3000:]}")
        failed += 1
    return passed, failed
