"""Secrets that were made or given are nowhere afterwards: not in logs, arguments, environments, the database, the
brokers' folders or answers. Only quickstart.json, for its owner's eyes, holds the first ones."""
import contextlib
import http.cookies
import os

import client

ADMIN = "canary-admin-password-8313"
PERSON = "canary-person-password-2291"
SCRAM = "canary-scram-password-7745"
TYPED = "canary-typed-into-the-login-field"
EXPECTED_IN = {"quickstart.json"}


class Planted:
    def __init__(self, server):
        self.s, self.secrets, self.answers = server, {}, []
        self.cluster = server.make_cluster(server.make_environment("secrets"))["id"]
        self.secrets |= {"admin password": ADMIN, "person's password": PERSON, "SCRAM password": SCRAM, "typed": TYPED}
        self.secrets["cloud secret"] = server.cloud[1]
        key, secret, _account = server.make_key(self.cluster)
        self.secrets["cluster secret"] = secret
        self.people()
        self.keep("PUT", f"/leat/v1/clusters/{self.cluster}/scram-users/canary", {"password": SCRAM})
        self.keep("PUT", f"/leat/v1/clusters/{self.cluster}/scram-users/canary", {"password": SCRAM, "mechanism": "none"})
        bootstrap = server.good("GET", f"/leat/v1/clusters/{self.cluster}")["bootstrap_servers"]
        client.leatd.kcat(bootstrap, (key, secret), "-L")
        client.leatd.kcat(bootstrap, (key, TYPED), "-L", "-m", "3")

    def keep(self, method, path, body, **kwargs):
        answer = self.s.call(method, path, body, **kwargs)
        self.answers.append((method, path, answer))
        return answer

    def people(self):
        s = self.s
        invited = s.good("POST", "/iam/v2/invitations", {"email": "canary@example.com"}, status=201)
        waiting = s.good("POST", "/iam/v2/invitations", {"email": "waiting@example.com"}, status=201)
        self.secrets |= {"accepted token": invited["token"], "waiting token": waiting["token"]}
        accept = "/leat/v1/invitations:accept"
        for token, name in ((invited["token"], "x" * 500), (invited["token"], "Canary"), (invited["token"], "Again")):
            self.keep("POST", accept, {"token": token, "full_name": name, "password": PERSON}, key=False)
        for user, password in (("admin", ADMIN), ("canary@example.com", PERSON)):
            answer = s.call("POST", "/leat/v1/session", {"login": user, "password": password}, key=False)
            assert answer.status == 200, answer
            cookie = http.cookies.SimpleCookie(answer.headers["Set-Cookie"])["leat_session"].value
            self.secrets[f"session of {user}"] = cookie
        self.keep("POST", "/leat/v1/session", {"login": TYPED, "password": ADMIN}, key=False)
        self.keep("GET", "/leat/v1/clusters", None, key=(TYPED, TYPED))
        self.keep("GET", "/leat/v1/clusters", None, key=(s.cloud[0], TYPED))
        self.keep("POST", "/leat/v1/session", {"login": "admin", "password": PERSON, "x": [1, {}]}, key=False)

    def search(self, where, data):
        for name, secret in self.secrets.items():
            assert secret.encode() not in data, f"the {name} is in {where}"


@contextlib.contextmanager
def fixture():
    with client.running(password=ADMIN) as server:
        yield Planted(server)


def test_no_file_of_the_service_holds_a_secret(t):
    seen = 0
    for folder, _folders, files in os.walk(t.s.folder):
        for name in files:
            path = os.path.join(folder, name)
            if name in EXPECTED_IN or not os.path.isfile(path):
                continue
            with contextlib.suppress(FileNotFoundError), open(path, "rb") as f:
                t.search(os.path.relpath(path, t.s.folder), f.read())
                seen += 1
    assert seen > 5 and os.stat(os.path.join(t.s.data, "quickstart.json")).st_mode & 0o077 == 0


def test_no_process_shows_a_secret_in_its_arguments_or_environment(t):
    for pid in [t.s.process.pid, *t.s.processes()]:
        with open(f"/proc/{pid}/cmdline", "rb") as f:
            t.search(f"the arguments of {pid}", f.read())
    with contextlib.suppress(PermissionError), open(f"/proc/{t.s.process.pid}/environ", "rb") as f:
        t.search("the environment of leatd", f.read())


def test_no_answer_repeats_a_secret(t):
    for method, path, answer in t.answers:
        t.search(f"the answer of {method} {path}", answer.body)
    for path in ("/leat/v1/audit?page_size=1000", "/leat/v1/audit:export", "/iam/v2/api-keys?page_size=100",
                 "/iam/v2/invitations?page_size=100", "/iam/v2/users", f"/leat/v1/clusters/{t.cluster}/scram-users",
                 "/leat/v1/sessions", "/metrics"):
        t.search(path, t.s.call("GET", path).body)
