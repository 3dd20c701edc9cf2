"""The arklet side. A base that answers with anything but arklet's JSON, to a server that drives it directly: it is not ready, it is followed
no redirect, its neighbour is served. And our own base asked by anybody on its port: each command, with every kind of wrong body."""
import json
import socket
import threading

import pytest

import arklet_script as script
import cell as cells
from conftest import QUICK, _fleet


class Anything:
    """A port that answers every request with these bytes, as often as it is told to, and counts."""

    def __init__(self, raw, times=1):
        self.raw, self.times, self.asked = raw, times, 0
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                s, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(s,), daemon=True).start()

    def _answer(self, s):
        try:
            s.recv(65536)
            self.asked += 1
            for _ in range(self.times):
                s.sendall(self.raw)
            s.close()
        except OSError:
            pass

    def close(self):
        self.socket.close()


def http(body, head=b"", status=b"200 OK"):
    return b"HTTP/1.1 " + status + b"\r\n" + head + b"Connection: close\r\n\r\n" + body


def reply(data, code="SUCCESS"):
    return http(json.dumps({"code": code, "data": data}).encode())


LIES = {
    "nothing": (b"", 1), "no HTTP": (b"\x00\xff" * 500, 1), "half a head": (b"HTTP/1.1 200 OK\r\nContent-", 1), "a head without end": (b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 2000, 100),
    "no JSON": (http(b"<html>it works</html>"), 1), "half of JSON": (http(b'{"code":"SUCCESS","data":{'), 1), "not UTF-8": (http(b'{"code":"\xff\xfe","data":[]}'), 1),
    "deep": (http(b'{"data":' * 50000), 1), "duplicate keys": (http(b'{"code":"FAILED","code":"SUCCESS","data":[]}'), 1), "numbers": (http(b'{"code":1e999,"data":-1}'), 1),
    "wrong types": (reply("x"), 1), "a list": (http(b"[]"), 1), "null": (http(b"null"), 1), "no code": (http(b'{"data":[]}'), 1), "a length that lies": (http(b"{}", b"Content-Length: 9999999\r\n"), 1),
    "without end": (http(b"a" * 65536), 100000), "a redirect": (http(b"", b"Location: http://127.0.0.1:1/\r\n", b"302 Found"), 1), "500": (http(b"{}", status=b"500 No"), 1), "100 for ever": (b"HTTP/1.1 100 Continue\r\n\r\n" * 100, 1000),
    "names that are none": (reply([{"bizName": "a b", "bizVersion": "1 0", "bizState": "ACTIVATED"}, {"bizName": "\u001b[31m", "bizVersion": ""}, {"bizName": 7}, "x", None]), 1),
    "1,024 modules": (reply([{"bizName": f"m{i}", "bizVersion": "1", "bizState": "ACTIVATED"} for i in range(1024)]), 1),
    "1,025 modules": (reply([{"bizName": f"m{i}", "bizVersion": "1", "bizState": "ACTIVATED"} for i in range(1025)]), 1),
    "millions of nothing": (http(b'{"code":"SUCCESS","data":[' + b"{}," * 2_790_000 + b"{}]}"), 1),
    "a list of whatever": (reply([{"a": [[], [], {}]} for _ in range(20000)]), 1),
    "100,000 modules": (reply([{"bizName": f"m{i}", "bizVersion": "1", "bizState": "ACTIVATED"} for i in range(100000)]), 1),
}


@pytest.fixture(scope="module")
def cell():
    f = _fleet()
    try:
        f.server("server", *QUICK).ready()
        f.group("shop", 50)
        f.neighbour = script.Arklet()
        assert f.api.post("/v1/bases", {"id": "neighbour", "group": "shop", "arklet": f.neighbour.url}).status == 201
        f.base_ready("neighbour")
        f.group("native", 5)
        f.join(["own"], group="native")
        yield f
        f.sound()
    finally:
        f.stop(keep=True)
        complaints = f.complaints()
        f.forget()
    assert not complaints, complaints


@pytest.mark.parametrize("lie", LIES)
def test_a_base_that_answers_anything(cell, lie, until):
    raw, times = LIES[lie]
    liar, name = Anything(raw, times), "liar-" + "".join(c if c.isalnum() else "-" for c in lie)
    try:
        before = cell.api.get("/v1/status").json["lastEvent"]
        assert cell.api.post("/v1/bases", {"id": name, "group": "shop", "arklet": liar.url}).status == 201
        until(lambda: liar.asked > 0, 20, "it was asked")
        assert cell.api.get("/v1/bases/neighbour:ready").status == 200
        assert cell.api.get(f"/v1/bases/{name}").status == 200
        assert cell.api.get("/v1/status").json["lastEvent"] - before < 100
        assert len(cell.api.get("/v1/findings", base=name, limit=1000).json["findings"]) <= 66
        assert cell.api.post(f"/v1/bases/{name}:forget").status == 200
    finally:
        liar.close()
    assert cell.one.process.alive()


def test_a_base_with_too_many_modules_is_told_so(fleet, until):
    """Not as a line of the log only: where an operator asks, with what to do."""
    fleet.server("server", "--heartbeat=500ms", "--silent=2s", "--lost=30s").ready()
    fleet.group("shop", 50)
    crowded = Anything(*LIES["1,025 modules"])
    try:
        assert fleet.api.post("/v1/bases", {"id": "crowded", "group": "shop", "arklet": crowded.url}).status == 201
        until(lambda: "1025 modules" in fleet.berth("why", "crowded").stdout, 30, "berth why names it")
        said = fleet.berth("why", "crowded").stdout
        assert "at most 1024" in said and "spread it over more bases" in said, said
        until(lambda: fleet.api.get("/v1/bases/crowded").json["state"] == "silent", 60, "it was never heard")
        assert "1025 modules" in fleet.api.get("/v1/bases/crowded").json["stateReason"], "silence does not hide why"
        kinds = [e["kind"] for e in fleet.api.get("/v1/events", base="crowded").json["events"]]
        assert kinds.count("base.unreached") == 1, kinds
        assert fleet.api.post("/v1/bases/crowded:forget").status == 200
    finally:
        crowded.close()


COMMANDS = ["help", "health", "installBiz", "uninstallBiz", "switchBiz", "queryAllBiz", "queryBizOps", "batchInstallBiz"]
BODIES = [b"", b"{", b"[]", b"null", b"7", b'"x"', b"\xff\xfe", b"\x00", b"[" * 50000, b'{"a":' * 5000 + b"1" + b"}" * 5000, b'{"bizName":"a","bizName":"b"}', b'{"bizName":7,"bizVersion":[]}',
          b'{"bizName":"a b","bizVersion":"1 0"}', b'{"bizName":"' + b"a" * 100000 + b'"}', b'{"bizName":"a","bizVersion":"1","bizUrl":"file:///nowhere"}', b'{"bizName":"a","bizVersion":"1","bizUrl":"file:///etc/passwd"}',
          b'{"bizName":"a","bizVersion":"1","bizUrl":"gopher://x/"}', b'{"bizName":"../../x","bizVersion":"1","bizUrl":"file:///dev/zero"}', b'{"bizName":1e999}', b'{"requestId":"nothing"}']


@pytest.mark.parametrize("command", COMMANDS)
def test_our_base_asked_by_anybody(cell, command):
    own = cells.Rest(f"127.0.0.1:{cell.agents['own'].ports['arklet']}")

    def held():
        return sorted((b["bizName"], b["bizState"]) for b in own.call("POST", "/queryAllBiz", {}).json["data"])
    before, pid = held(), cell.agents["own"].base_pid
    for body in BODIES:
        answer = own.call("POST", f"/{command}", body, {"Content-Type": "application/json"})
        assert answer.status in (200, 400, 413), (body[:60], answer)
        assert held() == before and cell.agents["own"].base_pid == pid, body[:60]
    for method in ("GET", "PUT", "DELETE"):  # arklet's own answer to what is no POST
        assert own.call(method, f"/{command}", b"" if method == "PUT" else None).status == 500
    assert own.call("POST", "/health", {}).status == 200
