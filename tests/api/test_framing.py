"""Messages that two parsers would cut differently are refused with 400 or a closed connection, and what
follows them on the connection is never taken for a request (raw sockets)."""
import contextlib
import socket

import client


@contextlib.contextmanager
def fixture():
    with client.running() as server:
        yield server


def talk(server, raw, wait=3.0):
    """All that the server says until it closes or falls silent."""
    with socket.create_connection(("127.0.0.1", server.http_port), timeout=wait) as s:
        s.sendall(raw)
        out = b""
        try:
            while chunk := s.recv(65536):
                out += chunk
                if b"\r\n\r\n" in out and out.startswith(b"HTTP/1.1 4"):
                    s.settimeout(0.3)
        except TimeoutError:
            pass
        return out


SMUGGLED = b"GET /healthz HTTP/1.1\r\nHost: smuggled\r\n\r\n"
BODY = b'{"login":"a","password":"b"}'


def post(*headers, body=BODY):
    lines = [b"POST /leat/v1/session HTTP/1.1", b"Content-Type: application/json", *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def refused(server, raw):
    out = talk(server, raw + SMUGGLED)
    assert not out or out.split(b" ")[1] in (b"400", b"413"), out[:200]
    assert b'"status":"ok"' not in out and b"200 OK" not in out, out[-300:]


def test_two_lengths_are_refused(s):
    refused(s, post(b"Host: a", b"Content-Length: 28", b"Content-Length: 3"))
    refused(s, post(b"Host: a", b"Content-Length: 28", b"Content-Length: 28"))


def test_length_with_chunks_is_refused(s):
    refused(s, post(b"Host: a", b"Content-Length: 28", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n"))
    refused(s, post(b"Host: a", b"Transfer-Encoding: chunked", b"Content-Length: 5", body=b"0\r\n\r\n"))


def test_other_encodings_are_refused(s):
    for value in (b"gzip, chunked", b"identity", b"chunked, identity", b"xchunked", b"chunked;a=b"):
        refused(s, post(b"Host: a", b"Transfer-Encoding: " + value, body=b"0\r\n\r\n"))
    refused(s, post(b"Host: a", b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n"))


def test_two_hosts_or_none_are_refused(s):
    refused(s, post(b"Host: a", b"Host: b", b"Content-Length: 28"))
    refused(s, post(b"Content-Length: 28"))


def test_lengths_that_are_no_number_are_refused(s):
    for value in (b"-1", b"+28", b"0x1c", b"28, 28", b"28a", b"99999999999999999999999"):
        refused(s, post(b"Host: a", b"Content-Length: " + value))


def test_space_before_the_colon_is_refused(s):
    refused(s, post(b"Host: a", b"Content-Length : 28"))


def test_bare_line_feeds_are_refused(s):
    head = b"GET /healthz HTTP/1.1\r\nHost: a\r\nX: y\r\nZ: w\r\n\r\n"
    ends = [i for i in range(len(head)) if head.startswith(b"\r\n", i)]
    for i in ends[:-2]:  # before the empty line it hides nothing, and the library accepts it
        refused(s, head[:i] + head[i + 1:])
    refused(s, head.replace(b"\r\n", b"\n"))


def test_folded_lines_are_refused(s):
    for name in (b"X", b"Host", b"Content-Length", b"Transfer-Encoding"):
        for fold in (b"\r\n ", b"\r\n\t"):
            refused(s, b"GET /healthz HTTP/1.1\r\nHost: a\r\n" + name + b": a" + fold + b"b\r\n\r\n")
            refused(s, b"GET /healthz HTTP/1.1\r\nHost: a\r\n" + name + b": a" + fold + b"b\r\nY: z\r\n\r\n")


def test_headers_without_a_value_are_fine(s):
    out = talk(s, b"GET /healthz HTTP/1.1\r\nHost: a\r\nX:\r\nY: \r\nConnection: close\r\nZ:\r\n\r\n")
    assert out.startswith(b"HTTP/1.1 200"), out[:300]


def test_a_header_too_large_ends_the_connection(s):
    out = talk(s, b"GET /healthz HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 100000 + b"\r\n\r\n")
    assert not out or out.split(b" ")[1] in (b"400", b"413", b"414", b"431"), out[:100]


def test_honest_requests_share_a_connection(s):
    out = talk(s, SMUGGLED + SMUGGLED.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    assert out.count(b"HTTP/1.1 200") == 2, out


def test_a_chunked_body_is_read(s):
    chunks = b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)
    out = talk(s, post(b"Host: a", b"Transfer-Encoding: chunked", b"Connection: close", body=chunks))
    assert out.startswith(b"HTTP/1.1 401"), out[:200]


def test_bad_chunks_are_refused(s):
    for chunks in (b"zz\r\nabc\r\n0\r\n\r\n", b"-1\r\na\r\n0\r\n\r\n", b"ffffffffffffffffff\r\na\r\n0\r\n\r\n",
                   b"0x3\r\nabc\r\n0\r\n\r\n", b"3\r\nabcdef\r\n0\r\n\r\n"):
        refused(s, post(b"Host: a", b"Transfer-Encoding: chunked", body=chunks))


def status_of(server, raw):
    out = talk(server, raw)
    return int(out.split(b" ")[1]) if out else None


def test_a_nul_ends_nothing(s):
    for line in (b"GET /healthz\0/x HTTP/1.1", b"GET /healthz HTTP/1.1\r\nX\0Y: a", b"GET /healthz%00x HTTP/1.1"):
        assert status_of(s, line + b"\r\nHost: a\r\nConnection: close\r\n\r\n") in (None, 400, 404), line


def test_a_path_has_one_spelling(s):
    for path in (b"//healthz", b"/healthz/", b"/healthz;a=b", b"/./healthz", b"/x/../healthz", b"/%2e/healthz", b"/HEALTHZ",
                 b"/healthz%2f", b"/healthz/x", b"/leat/v1//info", b"/leat/v1/%2e%2e/v1/info", b"/leat%2fv1%2finfo",
                 b"/leat/v1/info/", b"/LEAT/v1/info", b"/leat/v1/info%20", b"/leat\\v1\\info"):
        out = talk(s, b"GET " + path + b" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert b'"status":"ok"' not in out and b'"version"' not in out, (path, out[-200:])
    assert status_of(s, b"GET http://elsewhere/healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n") in (400, 404)
    assert status_of(s, b"CONNECT elsewhere:443 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n") in (400, 404, 405)


def test_long_targets_are_414_and_many_headers_431(s):
    close = b"Host: a\r\nConnection: close\r\n"
    assert status_of(s, b"GET /healthz?" + b"a" * 9000 + b" HTTP/1.1\r\n" + close + b"\r\n") == 414
    many = b"".join(b"X-%d: a\r\n" % i for i in range(120))
    out = talk(s, b"GET /healthz HTTP/1.1\r\n" + close + many + b"\r\n")
    assert out.split(b" ")[1] == b"431" and b"100 headers" in out, out[:200]
    assert status_of(s, b"GET /healthz HTTP/1.1\r\n" + close + many[:many.index(b"X-90")] + b"\r\n") == 200


def test_a_request_keeps_the_name_that_its_client_gave(s):
    named = s.call("GET", "/leat/v1/info", headers={"X-Request-Id": "job-7:step.2_a"})
    assert named.headers["X-Request-Id"] == "job-7:step.2_a"
    for bad in ("a b", "a<b>", "x" * 64, "\u00e4".encode().decode("latin-1"), ""):
        answer = s.call("GET", "/leat/v1/info", headers={"X-Request-Id": bad})
        assert answer.headers["X-Request-Id"] != bad and len(answer.headers["X-Request-Id"]) == 36, bad
    made = s.call("POST", "/org/v2/environments", {"display_name": "named"}, headers={"X-Request-Id": "n" * 63})
    assert made.status == 201 and made.headers["X-Request-Id"] == "n" * 63
    assert any(a["request_id"] == "n" * 63 for a in s.call("GET", "/leat/v1/audit?page_size=10").json["data"])
    refusal = s.call("GET", "/leat/v1/nothing", headers={"X-Request-Id": "asked-for-nothing"})
    assert refusal.json["errors"][0]["id"] == "asked-for-nothing"
