"""Webhooks against a real receiver: signed, in order, again until taken, over a kill, a replay, and of a database that went away."""
import contextlib
import hashlib
import hmac
import http.server
import json
import os
import signal
import threading

import pytest

import cell as cells


class Receiver:
    """Keeps what arrived; answers what it is told to."""

    def __init__(self):
        self.got, self.status = [], 204
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = receiver.status
                receiver.got.append((status, dict(self.headers), body))
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args):
                pass
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"

    def taken(self):
        """Events that were answered 2xx."""
        return [json.loads(body) for status, _, body in self.got if status < 300]

    def kinds(self):
        return [headers["Berth-Kind"] for status, headers, _ in self.got if status < 300]


@pytest.fixture
def receiver():
    r = Receiver()
    yield r
    r.server.shutdown()


def hook(fleet, receiver, name="ops", **fields):
    made = fleet.api.post("/v1/webhooks", {"name": name, "url": receiver.url} | fields)
    assert made.status == 201, made
    return made.json["secret"]


def paused(fleet, module, name):
    """A plan that a failing module pauses."""
    return fleet.deploy(module, 1, name=name, strategy={"minReady": "0s", "retries": 0})


def test_signed_in_order_and_only_what_was_asked_for(fleet, until, receiver):
    fleet.begin(bases=1)
    secret = hook(fleet, receiver, kinds=["plan.paused", "group.*"])
    shown = fleet.api.get("/v1/webhooks/ops").json
    assert "secret" not in shown and shown["kinds"] == ["plan.paused", "group.*"]
    broken = fleet.push("broken")
    paused(fleet, broken, "first")
    fleet.api.post("/v1/groups", {"name": "other"})
    until(lambda: len(receiver.got) == 2)
    assert receiver.kinds() == ["plan.paused", "group.created"]
    first = receiver.taken()[0]
    assert first["deployment"] == "first" and first["plan"] and first["text"] and first["tenant"] == "default"
    for _, headers, body in receiver.got:
        stamp, mac = (part.split("=", 1)[1] for part in headers["Berth-Signature"].split(","))
        assert mac == hmac.new(secret.encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
        assert headers["Berth-Event"] == str(json.loads(body)["number"]) and headers["Berth-Kind"] == json.loads(body)["kind"]
    until(lambda: fleet.api.get("/v1/webhooks/ops").json["sentEvent"] == receiver.taken()[1]["number"], what="how far it was told is kept")


def test_again_until_it_is_taken_and_nothing_is_left_out(fleet, until, receiver):
    fleet.begin(bases=1)
    hook(fleet, receiver, kinds=["group.created"])
    receiver.status = 500
    for k in range(3):
        fleet.api.post("/v1/groups", {"name": f"g{k}"})
    until(lambda: fleet.api.get("/v1/webhooks/ops").json.get("failures", 0) >= 2, what="failed tries are counted")
    shown = fleet.api.get("/v1/webhooks/ops").json
    assert shown["lastError"] == "the receiver answered 500" and shown["failingSince"]
    fleet.one.process.kill()
    receiver.status = 200
    fleet.one.start().ready()
    until(lambda: len(receiver.taken()) >= 3, what="what was not taken comes after the restart")
    assert list(dict.fromkeys(e["text"].split()[2] for e in receiver.taken())) == ["g0", "g1", "g2"]
    until(lambda: (a := fleet.api.get("/v1/webhooks/ops")).status == 200 and "failures" not in a.json, what="it is fine again")


def test_kill_between_delivery_and_its_record(fleet, until, receiver):
    """Killed again and again while a burst is told: every event arrives, in order, doubles only side by side."""
    fleet.begin(bases=0)
    hook(fleet, receiver, kinds=["group.created"])
    wanted = []
    for k in range(40):
        assert fleet.api.post("/v1/groups", {"name": f"g{k}"}).status == 201
        wanted.append(f"g{k}")
        if k % 10 == 9:
            fleet.one.process.kill()
            fleet.one.start().ready()
    names = lambda: [e["text"].split()[2] for e in receiver.taken()]  # noqa: E731
    until(lambda: names() and names()[-1] == "g39", what="all are told")
    numbers = [e["number"] for e in receiver.taken()]
    assert numbers == sorted(numbers), "in order"
    assert list(dict.fromkeys(names())) == wanted


def test_replay_test_change_and_delete(fleet, until, receiver):
    fleet.begin(bases=0)
    hook(fleet, receiver, kinds=["group.created"])
    fleet.api.post("/v1/groups", {"name": "a"})
    until(lambda: len(receiver.got) == 1)
    number = receiver.taken()[0]["number"]
    again = fleet.berth("webhook", "replay", "ops", "--after", number - 1)
    assert again.returncode == 0, again.stderr
    until(lambda: len(receiver.got) == 2)
    assert receiver.taken()[1]["number"] == number
    assert fleet.berth("webhook", "test", "ops").returncode == 0
    until(lambda: receiver.kinds()[-1] == "webhook.test")
    chat = '{"msgtype":"text","text":{"content":"{text}"}}'
    assert fleet.berth("webhook", "set", "ops", "--template", chat, "--event", "group.*").returncode == 0
    fleet.api.patch("/v1/groups/a", {"installLimit": 7})
    until(lambda: b"msgtype" in receiver.got[-1][2])
    assert "a" in json.loads(receiver.got[-1][2])["text"]["content"]
    assert fleet.berth("webhook", "set", "ops", "--template", "", "--event", "").returncode == 0
    shown = json.loads(fleet.berth("webhook", "show", "ops", "-o", "json").stdout)
    assert "template" not in shown and "plan.paused" in shown["kinds"] and "base.lost" in shown["kinds"]
    assert "ops" in fleet.berth("webhook", "list").stdout
    assert fleet.berth("webhook", "delete", "ops").returncode == 0
    told = len(receiver.got)
    hook(fleet, receiver, name="last", kinds=["token.created"])
    fleet.api.post("/v1/groups", {"name": "b"})
    fleet.join_token("b")
    until(lambda: receiver.kinds()[-1:] == ["token.created"], what="the other one is told")
    assert len(receiver.got) == told + 1, "the deleted one is not"


def test_quarantine_lost_bases_and_the_brake(fleet, until, receiver):
    fleet.begin("--silent=1s", "--lost=2s", "--heartbeat=300ms", bases=3)
    hook(fleet, receiver)
    fleet.deploy(fleet.push("crash"), replicas=1, args=["--in-start"], strategy={"retries": 0, "minReady": "0s"}, wait=20)
    until(lambda: "instance.quarantined" in receiver.kinds(), 30, "the quarantine is told")
    for agent in fleet.agents.values():
        agent.process.freeze()
    until(lambda: {"base.lost", "group.braked"} <= set(receiver.kinds()), 30, "the loss and the brake are told")
    for agent in fleet.agents.values():
        agent.process.wake()


@pytest.mark.parametrize("writing", [False, True], ids=["idle", "with a commit under way"])
def test_a_database_that_is_away_is_told_from_memory(fleet, until, receiver, writing):
    fleet.begin(bases=0)
    hook(fleet, receiver)
    postmaster = fleet.one.postmaster
    everything = [postmaster, *cells.children(postmaster)]
    until(lambda: receiver.taken() and fleet.api.get("/v1/webhooks/ops").json["sentEvent"] == receiver.taken()[0]["number"], what="nothing else is under way")
    for pid in everything:
        os.kill(pid, signal.SIGSTOP)
    writer = threading.Thread(target=lambda: fleet.api.post("/v1/groups", {"name": "other"}), daemon=True)
    if writing:
        writer.start()
    try:
        until(lambda: "database.away" in receiver.kinds(), 60, "the alarm is told")
    finally:
        for pid in everything:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
    until(lambda: "database.back" in receiver.kinds(), 40, "so is its end")
    away = next(e for e in receiver.taken() if e["kind"] == "database.away")
    assert away["text"].startswith("the database does not answer") and away["number"] == 0


@pytest.mark.parametrize("fields, pointer", [
    ({"url": "ftp://x/"}, "/url"), ({"url": "http://"}, "/url"), ({"url": "https://x/ y"}, "/url"), ({"url": "https://x/" + "a" * 1100}, "/url"),
    ({"kinds": ["PLAN"]}, "/kinds/0"), ({"kinds": ["plan.*", ""]}, "/kinds/1"), ({"kinds": ["plan.failed"] * 40}, "/kinds"),
    ({"template": "{nosuch}"}, "/template"), ({"name": "a b"}, "/name")])
def test_what_is_wrong_is_said(shared, receiver, fields, pointer):
    wrong = shared.api.post("/v1/webhooks", {"name": "wrong", "url": receiver.url} | fields)
    assert wrong.status == 400 and wrong.json["errors"][0]["pointer"] == pointer, wrong
    assert shared.api.get("/v1/webhooks/wrong").status == 404
