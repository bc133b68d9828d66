"""Kills leatd at named places of every operation (server/domain/failpoint.h) and holds the world against
the database after the next start: processes, folders, ports, users."""
import http.client
import os
import random
import sqlite3
import time
import urllib.error

from leatd import wait_for

POINTS = ["change.before-commit", "change.committed", "launch.before-folders", "launch.folders", "delete.marked",
          "delete.ended", "delete.rows-gone", "removal.begin", "removal.emptied", "removal.done", "pause.marked",
          "resume.marked", "backup.noted", "backup.taken", "backup.linked", "backup.done", "restore.marked",
          "restore.files", "restore.settled", "reset.noted"]


def brokers(leat):
    """pid -> cluster id of every broker of this folder, by /proc."""
    found = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as f:
                argv = f.read().decode("utf-8", "replace").split("\0")
        except OSError:
            continue
        if argv[0].endswith("leat-broker") and "--data" in argv and argv[argv.index("--data") + 1].startswith(leat.seen):
            found[int(pid)] = argv[argv.index("--cluster-id") + 1]
    return found


def uid_of(pid):
    try:
        return os.stat(f"/proc/{pid}").st_uid
    except OSError:
        return -1


def listening(pids):
    """pid -> the TCP ports it listens on."""
    ports = {}
    for name in ("tcp", "tcp6"):
        with open(f"/proc/net/{name}", encoding="ascii") as f:
            rows = [line.split() for line in f][1:]
        ports |= {row[9]: int(row[1].rsplit(":", 1)[1], 16) for row in rows if row[3] == "0A"}
    found = {}
    for pid in pids:
        try:
            links = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
        except OSError:
            continue
        found[pid] = sorted({ports[x[8:-1]] for x in links if x.startswith("socket:[") and x[8:-1] in ports})
    return found


def port_differences(leat, running, wanted):
    """Of this leatd's processes; another test on this machine may have a free port of the range."""
    wrong, held = [], listening(set(running) | set(leat.processes()))
    for pid, ports in held.items():
        cluster = running.get(pid)
        if cluster not in wanted and ports:
            wrong.append(f"process {pid} holds {ports}")
        elif cluster in wanted and ports != wanted[cluster]:
            wrong.append(f"{cluster} listens on {ports}, its rows say {wanted[cluster]}")
    return wrong


def backup_differences(leat):
    folder = os.path.join(leat.data, "backups")
    names = os.listdir(folder) if os.path.isdir(folder) else []
    return [f"backups has {name}" for name in names if not os.path.exists(os.path.join(folder, name, "backup.json"))
            or ".partial" in name]


def differences(leat):
    """What the machine has and the database does not, and the other way round."""
    with sqlite3.connect(f"file:{leat.data}/leat.db?mode=ro", uri=True) as db:
        rows = db.execute("SELECT id, deleting, wanted, uid, port, tls_port FROM cluster JOIN broker ON cluster_id = id"
                          ).fetchall()
        removals = db.execute("SELECT count(*) FROM removal").fetchone()[0]
        resets = db.execute("SELECT count(*) FROM reset_under_way").fetchone()[0]
        restoring = db.execute("SELECT value FROM setting WHERE name = 'restoring'").fetchone()
    db.close()
    wanted = {row[0]: row[3] for row in rows if not row[1] and row[2] == "running"}
    running, wrong = brokers(leat), []
    if sorted(running.values()) != sorted(wanted):
        wrong.append(f"running {sorted(running.values())}, wanted {sorted(wanted)}")
    wrong += [f"{c} runs as another user" for pid, c in running.items()
              if os.geteuid() == 0 and c in wanted and uid_of(pid) not in (wanted[c], 0)]
    wrong += port_differences(leat, running, {row[0]: sorted(p for p in row[4:6] if p) for row in rows})
    wrong += backup_differences(leat)
    folder = os.path.join(leat.data, "clusters")
    folders = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    if folders != sorted(row[0] for row in rows):
        wrong.append(f"folders {folders}, rows {sorted(row[0] for row in rows)}")
    if removals or any(row[1] for row in rows):
        wrong.append("a deletion is under way")
    if resets:
        wrong.append("an offset reset is under way")
    if restoring and restoring[0]:
        wrong.append("a cluster is being restored")
    return wrong


def settles(leat, seconds=5.0):
    began = time.monotonic()
    try:
        wait_for(lambda: not differences(leat), "the world is as the database says", seconds)
    except AssertionError as e:
        raise AssertionError(f"{e}: {differences(leat)}") from None
    return time.monotonic() - began


def attempt(leat, method, path, body=None):
    """A request whose answer may be the death of leatd."""
    try:
        return leat.call(method, path, body)
    except (urllib.error.URLError, http.client.HTTPException, OSError):
        return None


KINDS = ["create", "delete", "pause", "resume", "resize", "topic", "key", "reset", "backup", "restore"]
LEADS_TO = {"launch": ["create"], "delete": ["delete"], "removal": ["delete"], "pause": ["pause"],
            "resume": ["pause", "resume"], "backup": ["backup"], "restore": ["backup", "restore"], "reset": ["reset"],
            "change": KINDS}
BACKUPS_KEPT = 3


def restore(leat, random_source):
    """A cluster of some backup; the oldest ones go."""
    backups = (attempt(leat, "GET", "/leat/v1/backups") or NOTHING).json["data"]
    for old in backups[BACKUPS_KEPT:]:
        attempt(leat, "DELETE", f"/leat/v1/backups/{old['id']}")
    if not backups:
        return None
    return attempt(leat, "POST", f"/leat/v1/backups/{random_source.choice(backups[:BACKUPS_KEPT])['id']}:restore",
                   {"display_name": f"r{random_source.random()}"})


def operate(leat, environment, clusters, point, random_source):
    """One operation on the clusters that are there, as often as not one that leads to the point."""
    victim = random_source.choice(clusters) if clusters else None
    kinds = LEADS_TO[point.split(".")[0]] if random_source.random() < 0.5 else KINDS
    kind = random_source.choice(kinds) if victim else "create"
    if kind == "create":
        return attempt(leat, "POST", "/cmk/v2/clusters", {"spec": {
            "display_name": f"c{random_source.random()}", "availability": "SINGLE_ZONE", "cloud": "leat",
            "region": "local", "config": {"kind": "Basic"}, "environment": {"id": environment}}})
    if kind == "delete":
        return attempt(leat, "DELETE", f"/cmk/v2/clusters/{victim}?environment={environment}")
    if kind == "resize":
        return attempt(leat, "PATCH", f"/leat/v1/clusters/{victim}",
                       {"plan": random_source.choice(["basic", "standard", "trial"])})
    if kind == "topic":
        return attempt(leat, "POST", f"/kafka/v3/clusters/{victim}/topics",
                       {"topic_name": f"t{random_source.randrange(10**9)}", "partitions_count": 1})
    if kind == "reset":
        attempt(leat, "POST", f"/kafka/v3/clusters/{victim}/topics", {"topic_name": "reset", "partitions_count": 1})
        return attempt(leat, "POST", f"/leat/v1/clusters/{victim}/groups/g:reset-offsets",
                       {"to": "earliest", "topics": [{"topic": "reset"}]})
    if kind == "backup":
        return attempt(leat, "POST", f"/leat/v1/clusters/{victim}/backups", {})
    if kind == "restore":
        return restore(leat, random_source)
    if kind == "key":
        return attempt(leat, "POST", "/iam/v2/service-accounts",
                       {"display_name": f"a{random_source.random()}", "description": ""})
    return attempt(leat, "POST", f"/leat/v1/clusters/{victim}:{kind}")


def cycle(leat, environment, point, random_source):
    """Operations until leatd died at `point` (or a few have passed), a start, and a world that is right."""
    os.environ["LEAT_FAILPOINT"] = point
    try:
        leat.start()
    except AssertionError:
        pass  # it died on its way up: the point lies there too
    finally:
        del os.environ["LEAT_FAILPOINT"]
    for _ in range(12):
        if leat.process.poll() is not None:
            break
        clusters = [row["id"] for row in (attempt(leat, "GET", "/leat/v1/clusters") or NOTHING).json["data"]]
        operate(leat, environment, clusters, point, random_source)
        if len(clusters) >= 5:
            attempt(leat, "DELETE", f"/cmk/v2/clusters/{clusters[0]}?environment={environment}")
    died = leat.process.poll() is not None
    leat.kill()
    leat.start()
    took = settles(leat)
    leat.kill()
    return died, took


class NOTHING:
    json = {"data": []}


def run(leat, cycles, seed):
    random_source = random.Random(seed)
    environment = leat.make_environment()
    leat.kill()
    died, longest = set(), 0.0
    for n in range(cycles):
        point = POINTS[n % len(POINTS)]
        fell, took = cycle(leat, environment, point, random_source)
        died |= {point} if fell else set()
        longest = max(longest, took)
    print(f"    {cycles} cycles, died at {len(died)} of {len(POINTS)} points, settled after {longest:.2f} s at most")
    return died
