"""Slow and flooding clients on REST and gRPC while a well-behaved one is served in between. Counted in turns, not in time: the server is
frozen while the flood and then the one request are put into its sockets, so that what it does after it wakes is its own order."""
import json
import os
import re
import socket
import threading

import pytest

import cell as cells

CONNECTIONS, EACH = 60, 40  # the flood: so many connections with so many requests each, all sent at once
ASKERS = 24                 # so many sockets are looked at in one turn
ROUNDS = 6                  # turns that others may have had before the one is answered
SETTLED = 48 << 20          # bytes that may stay with the allocator after a flood
KEEPS = "ASAN_OPTIONS" in os.environ  # AddressSanitizer sets aside what is freed: what the process has says nothing then


def connect(address):
    host, _, port = address.rpartition(":")
    return socket.create_connection((host, int(port)), timeout=20)


def request(fleet, method, path, body=b"", close=False):
    more = "Connection: close\r\n" if close else ""
    length = f"Content-Length: {len(body)}\r\n" if method != "GET" else ""
    return f"{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {fleet.token}\r\n{length}{more}\r\n".encode() + body


def read_answer(s):
    head = b""
    while b"\r\n\r\n" not in head:
        piece = s.recv(65536)
        assert piece, head
        head += piece
    head, _, body = head.partition(b"\r\n\r\n")
    n = int(re.search(rb"(?i)content-length: (\d+)", head)[1])
    while len(body) < n:
        body += s.recv(65536)
    return head, body


def answered(metrics):
    """Requests answered so far, as /metrics says."""
    return sum(int(float(v)) for v in re.findall(rb'^berth_http_answers_total\{[^}]*\} (\S+)', metrics, re.M))


def rss(process):
    return int(re.search(r"VmRSS:\s+(\d+)", open(f"/proc/{process.pid}/status").read())[1]) * 1024


@pytest.fixture(scope="module")
def cell(shared):
    shared.deploy(shared.push("hello-1.0.0"))
    yield shared
    assert shared.one.process.alive()
    shared.sound()


def test_a_flood_of_requests_takes_turns_with_the_one(cell):
    flood = [connect(cell.one.rest) for _ in range(CONNECTIONS)]
    one = connect(cell.one.rest)
    for s in (*flood, one):
        s.sendall(request(cell, "GET", "/livez"))
        read_answer(s)
    one.sendall(request(cell, "GET", "/metrics"))
    before = answered(read_answer(one)[1])
    assert before > 0
    cell.one.process.freeze()
    try:
        for s in flood:
            s.sendall(request(cell, "GET", "/v1/status") * EACH)
        one.sendall(request(cell, "GET", "/metrics"))
    finally:
        cell.one.process.wake()
    served = answered(read_answer(one)[1]) - before
    assert served <= ROUNDS * CONNECTIONS, f"{served} of {CONNECTIONS * EACH} were served first"
    for s in flood:
        s.close()
    one.close()


def test_who_only_asks_holds_up_nobody_s_change(cell):
    """Questions that came first are answered behind the change that came after them, so they do not stand in its way: they tell of it."""
    askers, one = [connect(cell.one.rest) for _ in range(ASKERS)], connect(cell.one.rest)
    for s in (*askers, one):
        s.sendall(request(cell, "GET", "/livez"))
        read_answer(s)
    event = cell.api.get("/v1/status").json["lastEvent"]
    cell.one.process.freeze()
    try:
        for s in askers:
            s.sendall(request(cell, "GET", "/v1/status"))
        one.sendall(request(cell, "POST", "/v1/tokens", b'{"name":"in-between","role":"read"}').replace(b"Host: x", b"Host: x\r\nContent-Type: application/json", 1))
    finally:
        cell.one.process.wake()
    assert b" 201 " in read_answer(one)[0]
    told = [json.loads(read_answer(s)[1])["lastEvent"] > event for s in askers]
    assert sum(told) > ASKERS // 2, f"{ASKERS - sum(told)} of {ASKERS} were answered first"
    for s in (*askers, one):
        s.close()


@pytest.fixture
def strict():
    """A server that refuses once a minute and address without holding back."""
    c = cells.Cell()
    try:
        yield c.server("strict", "--max-refused=1").ready()
    finally:
        c.stop()


def test_wrong_tokens_are_slowed_and_the_right_one_beside_them_is_not(strict):
    """Eight connections that ask again and again with a wrong token wait for their answers; who has a right one, at the same address and
    meanwhile, is served. Counted: what was refused against what was held back."""
    flood = [connect(strict.rest) for _ in range(8)]
    for s in flood:
        s.sendall(b"GET /v1/status HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer wrong\r\n\r\n" * 20)
    cells.until(lambda: metric(strict, "berth_http_held_back_total") >= 7, 20, "refusals are held back")
    for i in range(20):
        assert strict.client.post("/v1/tokens", {"name": f"good-{i}", "role": "read"}).status == 201
        assert strict.client.get("/v1/status").status == 200
    wrong = strict.client.call("GET", "/v1/status", headers={"Authorization": "Bearer wrong"}, timeout=30)
    assert (wrong.status, wrong.json["code"]) == (401, "unauthenticated")
    text = strict.client.get("/metrics").body.decode()
    refused, held = metric(strict, "berth_http_refused_total", text), metric(strict, "berth_http_held_back_total", text)
    assert 1 <= refused - held <= 2, "one a minute is free, each other one was held back"
    for s in flood:
        s.close()
    cells.until(lambda: connections(strict) <= 1, 20, "who left is not waited for")


def test_what_a_standby_passed_on_is_not_held_back(strict):
    """It has few places, and needs them back."""
    for _ in range(10):
        passed_on = strict.client.call("GET", "/v1/status", headers={"Authorization": "Bearer wrong", "Berth-Hop": "1"})
        assert (passed_on.status, passed_on.json["code"]) == (401, "unauthenticated")
    assert metric(strict, "berth_http_refused_total") == metric(strict, "berth_http_held_back_total") == 0


def hold_heads(cell):
    return [b"GET /v1/status HTTP/1.1\r\nHost: x\r\n"] * 150


def hold_bodies(cell):
    whole = request(cell, "POST", "/v1/modules", b'{"name":"' + b"a" * 900000 + b'"}')
    return [whole[:-20].replace(b"\r\n\r\n", b"\r\nContent-Type: application/json\r\n\r\n", 1)] * 60


def hold_uploads(cell):
    head = f"POST /v1/artifacts:upload HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {cell.token}\r\nContent-Type: application/octet-stream\r\nContent-Length: 100000000\r\n\r\n"
    return [head.encode() + b"x" * 300000] * 40


def hold_streams(cell):
    return [request(cell, "GET", "/v1/events:watch?after=0")] * 60


def hold_pipelines(cell):
    """Thousands of requests whose answers nobody reads."""
    return [request(cell, "GET", "/openapi.json") * 60] * 40


@pytest.mark.parametrize("held", [hold_heads, hold_bodies, hold_uploads, hold_streams, hold_pipelines], ids=lambda f: f.__name__)
def test_who_holds_on_to_connections_blocks_nobody_and_memory_returns(cell, held):
    process, before, others = cell.one.process, None, connections(cell.one)  # others: agents that fetched an artifact
    for turn in range(3):  # the first one grows what is kept for good: caches, pools
        sockets = []
        for raw in held(cell):
            s = connect(cell.one.rest)
            s.setblocking(False)
            try:
                s.send(raw)
            except BlockingIOError:
                pass
            sockets.append(s)
        event = cell.api.get("/v1/status").json["lastEvent"]
        for i in range(5):
            assert cell.api.post("/v1/tokens", {"name": f"{held.__name__}-{turn}-{i}", "role": "read"}).status == 201
        assert cell.api.get("/v1/status").json["lastEvent"] >= event + 5
        for s in sockets:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            s.close()
        cells.until(lambda: connections(cell.one) <= others, 20, "the connections are gone")
        if turn == 0:
            before = rss(process)
    assert KEEPS or rss(process) <= before + SETTLED, f"{rss(process) >> 20} MiB after {before >> 20} MiB"


def metric(server, name, text=None):
    return int(float(re.search(rf"^{name} (\S+)", text or server.client.get("/metrics").body.decode(), re.M)[1]))


def connections(server):
    return metric(server, "berth_http_connections")


def test_a_flood_of_calls_takes_turns_with_the_one(cell):
    """As many calls as eight connections keep outstanding, each answer followed by the next call; between two calls of the one there are
    no more of theirs than a few turns of what is outstanding. Counted by the order in which the modules were made."""
    grpc = pytest.importorskip("grpc")
    from rpc import Grpc
    flood, one, outstanding, stop = [Grpc(cell.one.rpc, cell.token) for _ in range(8)], Grpc(cell.one.rpc, cell.token), 25, threading.Event()
    for g in (*flood, one):
        g.channel.close()
        g.channel = grpc.insecure_channel(cell.one.rpc, options=[("grpc.use_local_subchannel_pool", 1)])
        assert g.call("Cell", "GetStatus").active

    def start(g, i, k):
        if stop.is_set():
            return
        call = g.channel.unary_unary("/berth.v1.Modules/CreateModule").future(flat(f"flood-{i}-{k}"), metadata=g.metadata, timeout=30)
        call.add_done_callback(lambda _: start(g, i, k + outstanding))

    for i, g in enumerate(flood):
        for k in range(outstanding):
            start(g, i, k)
    for i in range(15):
        one.call("Modules", "CreateModule", {"module": {"name": f"one-{i}"}})
    stop.set()
    names, cursor = [], ""
    while cursor is not None:
        page = cell.api.get("/v1/modules", limit=1000, **({"cursor": cursor} if cursor else {})).json
        names += [m["name"] for m in page["modules"]]
        cursor = page.get("nextCursor")
    places = [names.index(f"one-{i}") for i in range(15)]
    between = [b - a for a, b in zip(places, places[1:])]
    assert sum(between) > 30, "there was no flood"
    assert max(between) <= ROUNDS * 8 * outstanding, between
    for g in (*flood, one):
        g.close()


def flat(name):
    """CreateModuleRequest{module{name}} on the wire."""
    inner = b"\x0a" + bytes([len(name)]) + name.encode()
    return b"\x12" + bytes([len(inner)]) + inner


def test_who_never_reads_a_grpc_stream_is_dropped_and_others_are_told(cell):
    grpc = pytest.importorskip("grpc")
    from rpc import Grpc
    g = Grpc(cell.one.rpc, cell.token)
    method = g.service("berth.v1.Events").methods_by_name["WatchEvents"]
    streams = [g.channel.unary_stream(f"/berth.v1.Events/{method.name}")(b"", metadata=g.metadata, timeout=60) for _ in range(20)]  # nobody reads them
    event = cell.api.get("/v1/status").json["lastEvent"]
    for i in range(20):
        assert cell.api.post("/v1/tokens", {"name": f"unread-{i}", "role": "read"}).status == 201
    told = cell.api.get("/v1/events", after=event, kind="token.created", limit=100).json["events"]
    assert [e["number"] for e in told] == sorted({e["number"] for e in told}) and len(told) == 20, told
    for s in streams:
        s.cancel()
    g.close()
