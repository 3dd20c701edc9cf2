"""The HTTP front check by check, each under its own name, on every program that has it: the server, a native base's arklet and its modules'
address. What needs time or an own limit is in test/unit/http: too_slow_heads_are_refused, a_slow_body_is_refused,
a_reader_that_stands_still_is_evicted, a_watcher_that_does_not_read_is_dropped, caps_hold_in_all_and_per_address,
handshakes_count_for_the_caps, addresses_of_one_network_share_a_cap, a_refused_upload_still_sees_its_answer, a_request_outlives_its_server,
draining_answers_what_is_pending."""
import re
import socket

import pytest

import cell as cells

H = "Host: x\r\n"


def get(path="/", head=H, version="HTTP/1.1", method="GET"):
    return f"{method} {path} {version}\r\n{head}\r\n"


def post(head, body="", path="/"):
    return f"POST {path} HTTP/1.1\r\n{H}{head}\r\n{body}"


TAKES = {"server": "/v1/modules", "arklet": "/health", "modules": "/hello"}  # a path that reads a body
CHUNKED = "Transfer-Encoding: chunked\r\n"
CHECKS = [
    # line
    ("exact methods: lower case", get(method="get"), 501), ("exact methods: unknown", get(method="FETCH"), 501), ("exact methods: no token", get(method="G(T"), 400),
    ("single spaces: two", "GET  / HTTP/1.1\r\n" + H + "\r\n", 400), ("single spaces: a tab", "GET\t/ HTTP/1.1\r\n" + H + "\r\n", 400), ("single spaces: at the end", "GET / HTTP/1.1 \r\n" + H + "\r\n", 400),
    ("HTTP/1.0 or 1.1: 2.0", get(version="HTTP/2.0"), 505), ("HTTP/1.0 or 1.1: 1.2", get(version="HTTP/1.2"), 505), ("HTTP/1.0 or 1.1: 0.9", "GET /\r\n\r\n", 400),
    ("HTTP/1.0 or 1.1: lower case", get(version="http/1.1"), 400), ("origin-form: absolute", get("http://x/"), 400), ("origin-form: authority", "CONNECT x:80 HTTP/1.1\r\n" + H + "\r\n", None),
    ("origin-form: asterisk", get("*", method="OPTIONS"), 400), ("at most 8 KB", get("/" + "a" * 8200), 414), ("no controls", get("/a\x01b"), 400), ("no controls: DEL", get("/a\x7fb"), 400),
    ("no 8-bit", get("/\xe4"), 400), ("no backslash", get("/a\\b"), 400), ("no fragment", get("/a#b"), 400),
    ("percent decoding: bad escape", get("/%zz"), 400), ("percent decoding: cut short", get("/%4"), 400), ("percent decoding: %00", get("/%00"), 400), ("percent decoding: %2F", get("/a%2Fb"), 400),
    ("percent decoding: %25", get("/a%252e"), 400), ("dot segments", get("/a/../b"), 400), ("dot segments: encoded", get("/a/%2e%2e/b"), 400), ("dot segments: single", get("/./a"), 400),
    ("percent decoding: not UTF-8", get("/%ff"), 400), ("percent decoding: overlong", get("/%c0%af"), 400),
    # head
    ("at most 16 KB of head", get(head=H + "A: " + "b" * 17000 + "\r\n"), 431), ("at most 100 fields", get(head=H + "A: b\r\n" * 101), 431), ("CRLF only: LF", "GET / HTTP/1.1\nHost: x\n\n", 400),
    ("CRLF only: CR", "GET / HTTP/1.1\rHost: x\r\r", 400), ("token names", get(head=H + "A(b: c\r\n"), 400), ("token names: none", get(head=H + ": c\r\n"), 400), ("no colon", get(head=H + "Abc\r\n"), 400),
    ("no fold", get(head=H + "A: b\r\n c\r\n"), 400), ("no fold: first", "GET / HTTP/1.1\r\n Host: x\r\n\r\n", 400), ("no blank before the colon", get(head=H + "A : b\r\n"), 400), ("no NUL", get(head=H + "A: b\0c\r\n"), 400),
    ("no DEL", get(head=H + "A: b\x7fc\r\n"), 400), ("no bare CR", get(head=H + "A: b\rc\r\n"), 400), ("no letter first", "\x16\x03\x01\x02\x00", 400), ("no letter first: an empty line", "\r\n" + get(), 400),
    # framing
    ("one Host in 1.1: none", get(head=""), 400), ("one Host in 1.1: two", get(head=H + H), 400), ("one Host in 1.1: empty", get(head="Host: \r\n"), 400), ("one Host in 1.1: malformed", get(head="Host: a b\r\n"), 400),
    ("one Content-Length", post("Content-Length: 3\r\nContent-Length: 4\r\n", "abcd"), 400), ("one Content-Length: the same twice", post("Content-Length: 3\r\nContent-Length: 3\r\n", "abc"), 400),
    ("one Content-Length: a list", post("Content-Length: 3, 3\r\n", "abc"), 400), ("digits", post("Content-Length: +3\r\n", "abc"), 400), ("digits: hex", post("Content-Length: 0x3\r\n", "abc"), 400),
    ("digits: negative", post("Content-Length: -3\r\n", "abc"), 400), ("digits: none", post("Content-Length: \r\n", "abc"), 400), ("at most 15 digits", post("Content-Length: 0000000000000003\r\n", "abc"), 413),
    ("exactly chunked: gzip", post("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n"), 501), ("exactly chunked: identity", post("Transfer-Encoding: identity\r\n"), 501), ("exactly chunked: a tab", post("Transfer-Encoding:\tchunked\r\n", "0\r\n\r\n"), 400),
    ("chunked once", post(CHUNKED + CHUNKED, "0\r\n\r\n"), 400), ("chunked never with a length", post(CHUNKED + "Content-Length: 5\r\n", "0\r\n\r\n"), 400),
    ("chunked never in 1.0", "POST / HTTP/1.0\r\n" + CHUNKED + "\r\n0\r\n\r\n", 400), ("411 without a length", post(""), 411), ("413 before reading", post("Content-Length: 99999999999\r\n", path="/v1/modules"), 413),
    ("no body on GET", get(head=H + "Content-Length: 3\r\n") + "abc", 400), ("no body on GET: chunked", get(head=H + CHUNKED) + "0\r\n\r\n", 400), ("no body on HEAD", get(head=H + "Content-Length: 3\r\n", method="HEAD") + "abc", 400),
    ("Expect only 100-continue", post("Content-Length: 3\r\nExpect: 200-ok\r\n", "abc"), 417), ("Connection as a token list", get(head=H + "Connection: close; now\r\n"), 400),
    # chunks
    ("at most 12 hex digits", post(CHUNKED, "0000000000003\r\nabc\r\n0\r\n\r\n"), 400), ("hex digits", post(CHUNKED, "3z\r\nabc\r\n0\r\n\r\n"), 400), ("hex digits: a sign", post(CHUNKED, "+3\r\nabc\r\n0\r\n\r\n"), 400),
    ("hex digits: a blank first", post(CHUNKED, " 3\r\nabc\r\n0\r\n\r\n"), 400), ("exact CRLF after the size", post(CHUNKED, "3\nabc\r\n0\r\n\r\n"), 400), ("exact CRLF after the data", post(CHUNKED, "3\r\nabcd\r\n0\r\n\r\n"), 400),
    ("exact CRLF at the end", post(CHUNKED, "3\r\nabc\r\n0\r\n\n"), 400), ("extensions by grammar", post(CHUNKED, "3;\x01=b\r\nabc\r\n0\r\n\r\n"), 400), ("bounded extensions", post(CHUNKED, "3;a=" + "b" * 20000 + "\r\nabc\r\n0\r\n\r\n"), 400),
    ("trailers like headers: name", post(CHUNKED, "3\r\nabc\r\n0\r\nA b: c\r\n\r\n"), 400), ("trailers like headers: fold", post(CHUNKED, "3\r\nabc\r\n0\r\nA: b\r\n c\r\n\r\n"), 400), ("trailers like headers: bounded", post(CHUNKED, "3\r\nabc\r\n0\r\n" + "A: b\r\n" * 5000 + "\r\n"), 400),
]


@pytest.fixture(scope="module")
def fronts(shared):
    shared.deploy(shared.push("hello-1.0.0"))
    ports = shared.agents["n1"].ports
    yield {"server": shared.one.rest, "arklet": f"127.0.0.1:{ports['arklet']}", "modules": f"127.0.0.1:{ports['http']}"}
    assert shared.one.process.alive() and shared.agents["n1"].base_pid


def talk(address, raw):
    """All that comes until the end; the answer's status and whether the connection was closed."""
    host, _, port = address.rpartition(":")
    got = b""
    with socket.create_connection((host, int(port)), timeout=10) as s:
        s.sendall(raw.encode("latin-1"))
        try:
            while piece := s.recv(65536):
                got += piece
        except ConnectionResetError:
            pass
    return got


# A module's own routes take bodies of any length.
CASES = [(front, *c) for c in CHECKS for front in TAKES if (front, c[0]) != ("modules", "413 before reading")]


@pytest.mark.parametrize("front, check, raw, status", CASES, ids=[f"{c} ({front})" for front, c, _, _ in CASES])
def test_check(fronts, front, check, raw, status):
    got = talk(fronts[front], raw.replace("POST / ", f"POST {TAKES[front]} "))
    found = re.match(rb"HTTP/1\.1 (\d+) ", got)
    assert found, got[:200]
    assert int(found[1]) == status if status else int(found[1]) in (400, 501), got[:300]
    assert len(re.findall(rb"HTTP/1\.1 \d+ ", got)) == 1, "what follows a refusal is not read as another request"
    assert b"connection: close" in got.lower()
    answer = cells.Rest(fronts[front]).call("GET", "/livez")
    assert answer.status >= 200, "the next request is answered"
