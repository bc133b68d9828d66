"""Who may do what: every route without credentials, with wrong ones, with a key of the wrong kind; and
sessions with their CSRF token. Denied by default: the matrix is made from the route table."""
import contextlib
import http.cookies
import re

import client
import contract

PASSWORD = "correct horse battery"


class Matrix:
    def __init__(self, server):
        self.s = server
        self.environment = server.make_environment("matrix")
        self.cluster = server.make_cluster(self.environment)["id"]
        self.other = server.make_cluster(self.environment, "other")["id"]
        key, secret, self.account = server.make_key(self.cluster)
        self.key = (key, secret)

    def paths(self, wanted):
        """Concrete (method, path) of every route with this access."""
        for method, path, access, _operation in contract.routes():
            if access in wanted:
                path = path.replace("{cluster_id}", self.cluster)
                yield method.upper(), re.sub(r"\{\w+\}", "x", path)


@contextlib.contextmanager
def fixture():
    with client.running(password=PASSWORD) as server:
        yield Matrix(server)


def test_nothing_but_health_and_login_answers_without_credentials(t):
    for method, path in t.paths(("CLOUD", "CLUSTER")):
        answer = t.s.call(method, path, key=False)
        assert answer.status == 401, (method, path, answer)
        assert answer.headers["WWW-Authenticate"].startswith("Basic "), path


def test_a_wrong_secret_opens_nothing(t):
    for key in ((t.s.cloud[0], "wrong"), ("AAAAAAAAAAAAAAAA", t.s.cloud[1]), (t.s.cloud[0], ""), ("", ""),
                (t.key[0], t.s.cloud[1])):
        for method, path in t.paths(("CLOUD", "CLUSTER")):
            assert t.s.call(method, path, key=key).status == 401, (method, path, key[0])


def test_a_cluster_key_is_refused_on_every_control_route(t):
    for method, path in t.paths(("CLOUD",)):
        assert t.s.call(method, path, key=t.key).status == 401, (method, path)


def test_a_cluster_key_opens_its_own_cluster_alone(t):
    listed = t.s.good("GET", "/kafka/v3/clusters", key=t.key)["data"]
    assert [c["cluster_id"] for c in listed] == [t.cluster]
    t.s.good("GET", f"/kafka/v3/clusters/{t.cluster}/topics", key=t.key)
    for method, path in t.paths(("CLUSTER",)):
        if t.cluster in path:
            answer = t.s.call(method, path.replace(t.cluster, t.other), key=t.key)
            assert answer.status == 401, (method, path, answer)


def test_other_schemes_and_broken_credentials_are_refused(t):
    for header in ("Bearer x", "Basic", "Basic !!!", "Basic bm9jb2xvbg==", "basic", "Digest a=b", "Basic " + "A" * 4000):
        answer = t.s.call("GET", "/leat/v1/clusters", key=False, headers={"Authorization": header})
        assert answer.status in (400, 401), (header[:20], answer)


def test_no_second_spelling_of_a_path_gets_in(t):
    for path in ("//leat/v1/clusters", "/leat//v1/clusters", "/leat/v1/clusters/", "/LEAT/v1/clusters",
                 "/leat/v1/./clusters", "/leat/v1/x/../clusters", "/leat/v1/clusters;x", "/%6ceat/v1/clusters",
                 "/leat/v1%2fclusters"):
        answer = t.s.call("GET", path, key=False)
        assert b"lkc-" not in answer.body and answer.status in (200, 401, 404), (path, answer)
        if answer.status == 200:  # a page of the console, or nothing
            assert "json" not in answer.headers["Content-Type"], path


def login(t, password=PASSWORD, user="admin"):
    answer = t.s.call("POST", "/leat/v1/session", {"login": user, "password": password}, key=False)
    if answer.status != 200:
        return answer, None, None
    cookie = http.cookies.SimpleCookie(answer.headers["Set-Cookie"])["leat_session"]
    assert cookie["httponly"] and cookie["samesite"] == "Strict" and cookie["path"] == "/"
    return answer, f"leat_session={cookie.value}", answer.json["csrf"]


def test_a_session_reads_with_its_cookie_and_writes_with_its_token(t):
    _answer, cookie, csrf = login(t)
    assert cookie, _answer
    t.s.good("GET", "/leat/v1/session", key=False, headers={"Cookie": cookie})
    t.s.good("GET", "/leat/v1/clusters", key=False, headers={"Cookie": cookie})
    body = {"display_name": "by session"}
    for headers in ({"Cookie": cookie}, {"Cookie": cookie, "X-CSRF-Token": "x"},
                    {"Cookie": cookie, "X-CSRF-Token": csrf + "x"},
                    {"Cookie": cookie, "X-CSRF-Token": csrf, "Sec-Fetch-Site": "cross-site"}):
        t.s.refused(403, "POST", "/org/v2/environments", body, key=False, headers=headers)
    good = {"Cookie": cookie, "X-CSRF-Token": csrf, "Sec-Fetch-Site": "same-origin"}
    t.s.good("POST", "/org/v2/environments", body, key=False, headers=good)
    t.s.good("DELETE", "/leat/v1/session", key=False, headers=good)
    t.s.refused(401, "GET", "/leat/v1/clusters", key=False, headers={"Cookie": cookie})


def test_a_browser_is_not_asked_for_a_password_by_its_own_window(t):
    for headers in ({"X-Requested-With": "leat"}, {"Cookie": "leat_session=none"}, {"Sec-Fetch-Mode": "cors"}):
        answer = t.s.call("GET", "/leat/v1/clusters", key=False, headers=headers)
        assert answer.status == 401 and not answer.headers["WWW-Authenticate"], headers


def test_a_form_of_another_site_cannot_log_in(t):
    raw = b'{"login": "admin", "password": "x"}'
    answer = t.s.call("POST", "/leat/v1/session", raw=raw, key=False, headers={"Content-Type": "text/plain"})
    assert answer.status == 415, answer
    answer = t.s.call("POST", "/leat/v1/session", raw=raw, key=False, headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status == 403, answer


def test_wrong_passwords_are_counted_and_slowed(t):
    statuses = [login(t, "wrong")[0].status for _ in range(6)]
    assert statuses[0] == 401 and 429 in statuses, statuses
    limited = t.s.call("POST", "/leat/v1/session", {"login": "admin", "password": "wrong"}, key=False)
    assert limited.status == 429 and int(limited.headers["Retry-After"]) >= 1
