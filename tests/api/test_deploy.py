"""What deploy/ says to containers and to systemd is what this leatd does: its arguments start it, its probe finds it, its
signals stop what they should."""
import contextlib
import json
import os
import re
import shutil
import signal
import subprocess

import client
import contract
import yaml
from leatd import BIN, Leatd, wait_for

DEPLOY = os.path.join(contract.ROOT, "deploy")


@contextlib.contextmanager
def fixture():
    yield None


def read(*path):
    with open(os.path.join(DEPLOY, *path), encoding="utf-8") as f:
        return f.read()


def of_dockerfile(word):
    """The arguments of the last such instruction."""
    said = re.findall(rf"^{word}((?:.*\\\n)*.*)$", read("docker", "Dockerfile"), re.M)[-1].replace("\\\n", "").strip()
    return said if word == "STOPSIGNAL" else json.loads(said[said.index("["):])


def pod():
    docs = yaml.safe_load_all(read("kubernetes", "leat.yaml"))
    return next(d for d in docs if d["kind"] == "StatefulSet")["spec"]["template"]["spec"]


def without_places(argv):
    """What tests choose themselves is left out: folder, address and ports."""
    kept, words = [], iter(argv)
    for word in words:
        if word in ("--data", "--listen", "--broker-ports"):
            next(words)
        elif word != "--no-demo":
            kept.append(re.sub(r"\$\{LEAT_HOST:-(.*)\}", r"\1", word))
    return kept


def arguments():
    """Of every place that starts leatd: its name and the arguments."""
    entry = of_dockerfile("ENTRYPOINT")
    service = yaml.safe_load(read("docker", "compose.yaml"))["services"]["leat"]
    unit = re.search(r"^ExecStart=(.*)$", read("systemd", "leatd.service"), re.M)[1].replace("$LEATD_OPTIONS", "").split()
    assert entry[0] == "leatd" and unit[0] == "/usr/bin/leatd"
    places = {"Dockerfile": entry[1:] + of_dockerfile("CMD"), "compose.yaml": entry[1:] + service["command"],
              "leat.yaml": entry[1:] + pod()["containers"][0]["args"], "leatd.service": unit[1:]}
    return [(place, without_places(argv)) for place, argv in places.items()]


def test_leatd_takes_the_arguments_of_every_place_and_serves(_):
    for place, argv in arguments():
        server = Leatd()
        server.more = argv
        try:
            server.start()
            assert server.call("GET", "/healthz", key=False).status == 200, place
        finally:
            server.stop()


def test_the_signals_of_a_container_stop_everything_with_its_records(_):
    assert of_dockerfile("STOPSIGNAL") == "SIGINT"
    server = client.Checked()
    try:
        server.start()
        cluster = server.make_cluster(server.make_environment("container"), "one")["id"]
        server.make_topic(cluster, "kept", 1)
        server.produce(cluster, "kept", client.text("before the stop"))
        assert server.processes()
        server.kill(getattr(signal, of_dockerfile("STOPSIGNAL")))
        assert server.processes() == [], "a broker outlived its container"
        server.start()
        server.running(cluster)
        records = server.good("GET", f"/leat/v1/clusters/{cluster}/topics/kept/records?from=oldest")
        assert "before the stop" in json.dumps(records), records
    finally:
        server.note_audit()
        server.stop()


def test_the_probes_ask_what_is_there(_):
    container = pod()["containers"][0]
    ports = {p["name"]: p["containerPort"] for p in container["ports"]}
    listen = of_dockerfile("ENTRYPOINT")[of_dockerfile("ENTRYPOINT").index("--listen") + 1]
    assert listen == f"0.0.0.0:{ports['rest']}"
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert container[probe]["httpGet"] == {"path": "/healthz", "port": "rest"}, probe
    mounts = {m["mountPath"] for m in container["volumeMounts"]}
    assert {of_dockerfile("ENTRYPOINT")[2], "/tmp"} <= mounts and container["securityContext"]["readOnlyRootFilesystem"]
    server = Leatd()
    try:
        server.start()
        shell, flag, line = of_dockerfile("HEALTHCHECK .*CMD")
        probe = line.replace("/8080", f"/{server.http_port}")
        assert probe != line
        assert subprocess.run([shell, flag, probe], check=False, timeout=30).returncode == 0
        server.kill(signal.SIGINT)
        assert subprocess.run([shell, flag, probe], check=False, capture_output=True, timeout=30).returncode != 0
    finally:
        server.stop()


def test_compose_gives_what_leatd_needs_and_no_more(_):
    service = yaml.safe_load(read("docker", "compose.yaml"))["services"]["leat"]
    assert service["cap_drop"] == ["ALL"] == pod()["containers"][0]["securityContext"]["capabilities"]["drop"]
    assert service["cap_add"] == pod()["containers"][0]["securityContext"]["capabilities"]["add"]
    assert service["read_only"] and service["volumes"] == [f"leat:{of_dockerfile('ENTRYPOINT')[2]}"]
    context = os.path.normpath(os.path.join(DEPLOY, "docker", service["build"]["context"]))
    assert os.path.samefile(context, contract.ROOT) and os.path.exists(os.path.join(context, service["build"]["dockerfile"]))
    wanted = service["command"][service["command"].index("--broker-ports") + 1]
    assert f"{wanted}:{wanted}" in service["ports"], "Kafka ports are published as they are given out"


def test_the_units_are_sound_and_fence_leatd_in(_):
    unit = read("systemd", "leatd.service")
    assert re.search(r"^KillMode=process$", unit, re.M), "brokers outlive leatd"
    if not shutil.which("systemd-analyze"):
        return
    path = os.path.join(DEPLOY, "systemd", "leatd.service")
    said = subprocess.run(["systemd-analyze", "security", "--offline=true", path], capture_output=True, text=True, check=False, timeout=60)
    found = re.search(r"Overall exposure level for leatd.service: ([\d.]+)", said.stdout)
    assert found and float(found[1]) < 4.0, said.stdout[-500:]


def test_a_broker_outlives_the_leatd_of_the_unit(_):
    server = client.Checked()
    try:
        server.start()
        cluster = server.make_cluster(server.make_environment("unit"), "one")["id"]
        pid = server.good("GET", f"/leat/v1/clusters/{cluster}")["state"]["pid"]
        server.kill(signal.SIGTERM)  # what systemd sends with KillMode=process
        os.kill(pid, 0)
        server.start()
        wait_for(lambda: server.good("GET", f"/leat/v1/clusters/{cluster}")["state"]["pid"] == pid, "it is adopted")
    finally:
        server.note_audit()
        server.stop()


def test_every_option_that_is_spoken_of_exists(_):
    known = set(re.findall(r"--[a-z-]+", subprocess.run([os.path.join(BIN, "leatd"), "--help"], capture_output=True, text=True,
                                                       check=True, timeout=30).stdout))
    for place, argv in arguments():
        assert {a for a in argv if a.startswith("--")} <= known, (place, argv)
    assert set(re.findall(r"--[a-z-]+", read("debian", "leatd.default"))) <= known | {"--help"}
