"""HTTPS: with a certificate of the service's own CA, and with an operator's that changes while clients come."""
import contextlib
import http.cookies
import os
import shutil
import socket
import ssl
import subprocess
import tempfile
import threading

import client
from certificates import Authority
from leatd import BIN, wait_for

PASSWORD = "correct horse battery"


@contextlib.contextmanager
def https(ca, *arguments):
    server = client.Checked(ports=4, password=PASSWORD)
    server.base = f"https://127.0.0.1:{server.http_port}"
    server.more, server.ca = list(arguments), ca or os.path.join(server.data, "tls", "ca.pem")
    try:
        yield server.start()
    finally:
        server.stop()


@contextlib.contextmanager
def fixture():
    with https(None, "--https") as server:
        yield server


def test_https_serves_with_the_services_own_ca(server):
    answer = server.call("GET", "/org/v2/environments")
    assert answer.status == 200 and "max-age" in answer.headers["Strict-Transport-Security"]
    assert answer.json["metadata"]["first"].startswith(server.base), "links name https"
    assert server.quickstart["rest_url"] == server.base and server.quickstart["ca_file"] == server.ca


def test_the_session_cookie_is_for_this_host_over_https_alone(server):
    answer = server.call("POST", "/leat/v1/session", {"login": "admin", "password": PASSWORD}, key=False)
    cookie = http.cookies.SimpleCookie(answer.headers["Set-Cookie"])["__Host-leat_session"]
    assert cookie["secure"] and cookie["httponly"] and cookie["path"] == "/" and cookie["samesite"] == "Strict"
    who = server.call("GET", "/leat/v1/session", key=False, headers={"Cookie": f"__Host-leat_session={cookie.value}"})
    assert who.status == 200 and who.json["user"]["login"] == "admin"
    plain = server.call("GET", "/leat/v1/session", key=False, headers={"Cookie": f"leat_session={cookie.value}"})
    assert plain.status == 401


def test_old_tls_and_plain_http_get_nothing(server):
    context = ssl.create_default_context(cafile=server.ca)
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    with socket.create_connection(("127.0.0.1", server.http_port), 10) as s:
        try:
            context.wrap_socket(s, server_hostname="127.0.0.1")
            raise AssertionError("TLS 1.1 was accepted")
        except (ssl.SSLError, ConnectionError):
            pass
    with socket.create_connection(("127.0.0.1", server.http_port), 10) as s:
        s.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
        with contextlib.suppress(OSError):
            s.shutdown(socket.SHUT_WR)
            assert b"HTTP/1.1" not in s.recv(4096)


def test_the_command_line_takes_the_ca_from_the_quickstart(server):
    home = tempfile.mkdtemp(prefix="leat-test-")
    environment = {"PATH": os.environ["PATH"], "HOME": home, "XDG_CONFIG_HOME": home,
                   "ASAN_OPTIONS": "detect_leaks=0"}  # it ends at once
    try:
        for arguments in (["login", "--quickstart", os.path.join(server.data, "quickstart.json")], ["clusters", "list"]):
            done = subprocess.run([os.path.join(BIN, "leat"), *arguments], env=environment, capture_output=True, text=True,
                                  timeout=60, check=False)
            assert done.returncode == 0, (arguments, done.stderr)
    finally:
        shutil.rmtree(home)


def serial(server):
    with socket.create_connection(("127.0.0.1", server.http_port), 10) as s:
        with ssl.create_default_context(cafile=server.ca).wrap_socket(s, server_hostname="127.0.0.1") as t:
            return t.getpeercert()["serialNumber"]


def put(pair, to):
    """As a renewing tool does it: each file appears whole."""
    for path, target in zip(pair, to):
        shutil.copy(path, target + ".new")
        os.replace(target + ".new", target)


def test_a_new_certificate_is_served_without_a_restart_and_a_broken_one_never(_server):
    folder = tempfile.mkdtemp(prefix="leat-test-")
    try:
        authority = Authority(folder)
        files = os.path.join(folder, "served.pem"), os.path.join(folder, "served.key")
        put(authority.issue("first"), files)
        with https(authority.pem, "--https-cert", files[0], "--https-key", files[1]) as server:
            troubles, done = [], threading.Event()

            def ask():
                while not done.is_set():
                    try:
                        assert server.call("GET", "/healthz", key=False).status == 200
                    except Exception as e:  # whatever goes wrong while the files change
                        troubles.append(e)
            threads = [threading.Thread(target=ask) for _ in range(3)]
            for t in threads:
                t.start()
            try:
                first = serial(server)
                put(authority.issue("second"), files)
                second = wait_for(lambda: (now := serial(server)) != first and now, "the new certificate is served")
                with open(files[0], "w", encoding="utf-8") as f:
                    f.write("no certificate")
                wait_for(lambda: serial(server) and "cannot be read" in server.log_tail(), "the log names the broken file")
                assert serial(server) == second
                put(authority.issue("third"), files)
                wait_for(lambda: serial(server) not in (first, second), "the third certificate is served")
            finally:
                done.set()
                for t in threads:
                    t.join()
            assert not troubles, troubles[:3]
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def test_half_a_pair_and_a_wrong_key_end_the_start_with_a_sentence(_server):
    folder = tempfile.mkdtemp(prefix="leat-test-")
    try:
        authority = Authority(folder)
        pem, key = authority.issue("leaf")
        _, other = authority.issue("other")
        for arguments, sentence in ((["--https-cert", pem], "go together"),
                                    (["--https-cert", pem, "--https-key", other], "is not the key of"),
                                    (["--https-cert", folder, "--https-key", key], "cannot be read")):
            done = subprocess.run([os.path.join(BIN, "leatd"), "--data", os.path.join(folder, "data"), "--listen",
                                   "127.0.0.1:0", "--no-demo", *arguments], capture_output=True, text=True, timeout=60,
                                  check=False)
            assert done.returncode != 0 and sentence in done.stderr, (arguments, done.returncode, done.stderr[-300:])
    finally:
        shutil.rmtree(folder, ignore_errors=True)
