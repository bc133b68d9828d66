"""The clients: how each is installed, which version the lock files pin, and which features it has."""
import filecmp
import os
import re
import shutil
import subprocess
import sys
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
CACHE = os.path.join(HERE, "..", ".cache", "compat")
CODECS = ("gzip", "snappy", "lz4", "zstd")
GO_NEEDED = (1, 26)
GO_MODULE = "golang.org/toolchain@v0.0.1-go1.26.0.linux-amd64"
RUST_NEEDED = (1, 85)
LOCK = threading.Lock()


class Missing(Exception):
    """A toolchain that is not there or too old: what is needed."""


def text(*path):
    with open(os.path.join(HERE, *path), encoding="utf-8") as f:
        return f.read()


def pinned(pattern, *path):
    """The version that a lock file pins."""
    return re.search(pattern, text(*path), re.M).group(1)


def run(argv, what, **more):
    p = subprocess.run(argv, capture_output=True, text=True, **more)
    if p.returncode:
        raise RuntimeError(f"{what}: {(p.stdout + p.stderr)[-2500:]}")
    return p.stdout


def need(program, what):
    found = shutil.which(program)
    if not found:
        raise Missing(what)
    return found


def version(argv, pattern):
    try:
        p = subprocess.run(argv, capture_output=True, text=True, cwd=HERE, env={**os.environ, "GOTOOLCHAIN": "local"})
    except OSError:
        return (0, 0)
    m = re.search(pattern, p.stdout)
    return (int(m.group(1)), int(m.group(2))) if m else (0, 0)


def fresh(folder, *sources):
    """True when `folder` was installed from the very same lock files; else it is empty afterwards."""
    if all(os.path.exists(os.path.join(folder, os.path.basename(s) + ".done"))
           and filecmp.cmp(s, os.path.join(folder, os.path.basename(s) + ".done"), shallow=False) for s in sources):
        return True
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    return False


def done(folder, *sources):
    for s in sources:
        shutil.copy(s, os.path.join(folder, os.path.basename(s) + ".done"))


class Client:
    """argv, env and cwd start a program; the command is appended."""
    codecs, env, cwd = CODECS, {}, None
    lacks = frozenset()  # features that the library does not have
    untried = frozenset()  # features of the library that our program has no command for
    commits_alone = False  # a member of a group commits what it read without being told
    copier_waits = False  # after a restart of the broker its transaction waits for ever; it is started again

    def prepare(self):
        """Installs and builds; sets argv. Raises Missing."""

    @property
    def title(self):
        return f"{self.label} {self.version}"


class Python(Client):
    def __init__(self, name, lacks=()):
        self.name = self.label = name
        self.lacks = frozenset(("kafka_tools", *lacks))
        self.untried = frozenset(("exactly_once",) if name == "kafka-python" else ())
        self.copier_waits = name == "confluent-kafka"
        self.version = pinned(rf"^{name}==(\S+)$", "python", "requirements.txt")

    def prepare(self):
        """Installed by ./run: we run under the same Python."""
        self.argv = [sys.executable, os.path.join(HERE, "python", self.name.replace("-", "_") + "_client.py")]


class Java(Client):
    """Kafka's own client and, of its tools, the programs of Kafka's system tests."""
    name, label = "java", "Java kafka-clients"
    env = {"COMPAT_CLIENT_ID": "compat-of-java"}

    def __init__(self):
        self.version = pinned(r"<kafka>(.*)</kafka>", "java", "pom.xml")

    def prepare(self):
        folder, here = os.path.join(CACHE, "java"), os.path.join(HERE, "java")
        javac, maven = need("javac", "a JDK (17)"), need("mvn", "Maven")
        pom, lib, classes = os.path.join(here, "pom.xml"), os.path.join(folder, "lib"), os.path.join(folder, "classes")
        sources = [os.path.join(here, f) for f in sorted(os.listdir(here)) if f.endswith(".java")]
        if not fresh(folder, pom):
            run([maven, "--batch-mode", "--quiet", "-f", pom, "dependency:copy-dependencies", f"-DoutputDirectory={lib}"],
                "maven")
            done(folder, pom)
        run([javac, "-d", classes, "-cp", f"{lib}/*", *sources], "javac")
        self.classpath = f"{classes}:{lib}/*"
        self.java = ["java", "-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", self.classpath]
        self.argv = [*self.java, "Compat"]


class KafkaJs(Client):
    name = label = "kafkajs"
    lacks = frozenset(("kip848", "scram", "quotas", "kafka_tools"))
    untried = frozenset(("exactly_once",))
    commits_alone = True
    codecs = ("gzip",)  # the others need packages of other people

    def __init__(self):
        self.version = pinned(r'"kafkajs": "(.*)"', "kafkajs", "package.json")

    def prepare(self):
        folder, here = os.path.join(CACHE, "kafkajs"), os.path.join(HERE, "kafkajs")
        node, npm = need("node", "Node.js"), need("npm", "npm")
        locks = [os.path.join(here, f) for f in ("package.json", "package-lock.json")]
        if not fresh(folder, *locks):
            for f in locks:
                shutil.copy(f, folder)
            run([npm, "ci", "--silent", "--no-audit", "--no-fund"], "npm", cwd=folder)
            done(folder, *locks)
        self.env = {"NODE_PATH": os.path.join(folder, "node_modules"), "KAFKAJS_NO_PARTITIONER_WARNING": "1"}
        self.argv = [node, os.path.join(here, "client.js")]


class Librdkafka(Client):
    """The library of Debian, from C."""
    name, label = "librdkafka", "librdkafka (Debian 12)"
    lacks = frozenset(("kip848", "scram", "quotas", "kafka_tools"))
    untried = frozenset(("exactly_once",))

    @property
    def version(self):
        p = subprocess.run(["pkg-config", "--modversion", "rdkafka"], capture_output=True, text=True)
        return p.stdout.strip() or "?"

    def prepare(self):
        if subprocess.run(["pkg-config", "--exists", "rdkafka"]).returncode:
            raise Missing("librdkafka-dev")
        os.makedirs(CACHE, exist_ok=True)
        out = os.path.join(CACHE, "librdkafka-client")
        run(["gcc", "-std=gnu17", "-O1", "-Wall", "-Werror", "-o", out, os.path.join(HERE, "librdkafka", "client.c"), "-lrdkafka",
             "-lpthread"], "gcc")
        self.argv = [out]


class Go(Client):
    def __init__(self, name, label, module, lacks=()):
        self.name, self.label, self.lacks = name, label, frozenset(("kafka_tools", *lacks))
        self.untried = frozenset(("exactly_once",) if name == "sarama" else ())
        self.version = pinned(rf"{module} v(\S+)$", "go", "go.mod")

    def prepare(self):
        go, env = with_lock(find_go)
        out = os.path.join(CACHE, "go", self.name)
        run([go, "build", "-o", out, f"./{self.name}"], "go build", cwd=os.path.join(HERE, "go"), env={**os.environ, **env})
        self.argv = [out]


def find_go():
    """A Go that is new enough: the installed one, or the one it fetches as a module (Go 1.19 can, too)."""
    go = need("go", "Go")
    if version([go, "version"], r"go(\d+)\.(\d+)") >= GO_NEEDED:
        return go, {"GOFLAGS": "-mod=readonly"}
    folder = os.path.join(CACHE, "go")
    os.makedirs(folder, exist_ok=True)
    said = run([go, "mod", "download", "-json", GO_MODULE], "go mod download", cwd="/",
               env={**os.environ, "GOMODCACHE": os.path.join(folder, "toolchain"), "GOFLAGS": "-modcacherw"})
    root = re.search(r'"Dir": "(.*)"', said).group(1)
    for where in ("bin", "pkg/tool/linux_amd64"):
        for f in os.listdir(os.path.join(root, where)):
            os.chmod(os.path.join(root, where, f), 0o755)
    return os.path.join(root, "bin", "go"), {"GOROOT": root, "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly"}


class Rskafka(Client):
    name = label = "rskafka"
    lacks = frozenset(("group", "rebalance", "kip848", "idempotence", "transactions", "exactly_once", "configs", "groups",
                       "acls", "scram", "quotas", "lag", "kafka_tools"))

    def __init__(self):
        self.version = pinned(r'rskafka = \{ version = "=([^"]*)"', "rskafka", "Cargo.toml")

    def prepare(self):
        cargo = need("cargo", "Rust and cargo")
        if version(["rustc", "--version"], r"rustc (\d+)\.(\d+)") < RUST_NEEDED:
            raise Missing("Rust %d.%d (Debian 12: rustc-web, cargo-web)" % RUST_NEEDED)
        target = os.path.join(CACHE, "rskafka")
        run([cargo, "build", "--quiet", "--locked", "--target-dir", target], "cargo", cwd=os.path.join(HERE, "rskafka"))
        self.argv = [os.path.join(target, "debug", "leat-tests-compat-rskafka")]


def with_lock(f, *args):
    with LOCK:
        return f(*args)


def clients():
    """In the order of the table's rows."""
    return [Java(), Librdkafka(), Python("confluent-kafka", ("quotas",)), KafkaJs(), Python("kafka-python", ("kip848", "quotas")),
            Python("aiokafka", ("kip848", "acls", "scram", "quotas", "kafka_tools")), Go("franz", "franz-go", "github.com/twmb/franz-go"),
            Go("sarama", "sarama", "github.com/IBM/sarama", ("kip848",)),
            Go("kafkago", "kafka-go", "github.com/segmentio/kafka-go", ("kip848", "idempotence", "transactions", "exactly_once", "delete_records")), Rskafka()]
