"""Gates between batches, with somebody real to ask: what holds, refuses and lets through, over a kill -9 as well."""
import contextlib
import json
import os
import re
import subprocess
import sys
import urllib.error
import urllib.request

import pytest

import cell as cells
from conftest import ROOT
from listener import Listener


@pytest.fixture
def gate():
    listener = Listener()
    yield listener
    listener.stop()


@pytest.fixture
def two(fleet):
    fleet.begin(bases=2)
    fleet.push("hello-1.0.0")
    fleet.push("hello-2.0.0")
    fleet.deploy("hello:1.0.0", replicas=2)
    return fleet


def upgrade(cell, **strategy):
    return cell.deploy("hello:2.0.0", replicas=2, wait=0, strategy={"minReady": "0s", "batchCount": 2, "gateEvery": "200ms"} | strategy)["id"]


def waits_for(cell, number, text):
    return cells.until(lambda: any(w["rule"] == "gate" and text in w["text"] for w in cell.plan(number).get("waitingFor", [])), what=f"a gate that says {text}")


def test_a_gate_holds_over_a_kill_and_lets_through(two, gate):
    gate.say = lambda _: (202, {"Retry-After": "1"}, "still counting\nmore")
    number = upgrade(two, gateUrl=gate.url + "/orders")
    waits_for(two, number, "202: still counting")
    said = two.berth("why", "hello").stdout
    assert "gate url holds batch 1" in said and f"berth plan confirm {number} 1" in said, said
    asked = gate.asked[0]
    assert asked | {"plan": number, "batch": 1, "batches": 2, "toVersion": "2.0.0", "deployment": "hello", "done": 1} == asked and len(asked["bases"]) == 1, asked
    two.one.process.kill()
    before = len(gate.asked)
    two.one.start().ready()
    cells.until(lambda: len(gate.asked) > before)
    assert len(two.on("hello", "2.0.0")) == 1
    gate.say = lambda _: (200, {}, "")
    assert two.ended(number)["state"] == "succeeded"
    assert all(a["batch"] == 1 for a in gate.asked)
    two.sound()


def test_what_a_gate_refuses_a_person_decides(two, gate):
    gate.say = lambda _: (409, {}, "errors at 4 %")
    number = upgrade(two, gateUrl=gate.url)
    cells.until(lambda: two.plan(number)["state"] == "paused")
    plan = two.plan(number)
    assert "409: errors at 4 %" in plan["stateReason"] and "confirm" in plan["verbs"], plan
    two.one.process.kill()
    two.one.start().ready()
    done = two.berth("plan", "confirm", number, 1, "--timeout", "60s")
    assert done.returncode == 0, done.stdout + done.stderr
    assert two.ended(number)["state"] == "succeeded" and two.on("hello", "2.0.0") == ["n1", "n2"]


def test_on_failure_undo_takes_back_what_a_gate_refuses(two, gate):
    gate.say = lambda _: (409, {}, "no")
    number = upgrade(two, gateUrl=gate.url, onFailure="undo")
    assert two.ended(number)["state"] == "undone"
    cells.until(lambda: two.on("hello", "1.0.0") == ["n1", "n2"])


def test_nobody_else_is_asked_than_was_named(two, gate):
    other = Listener()
    try:
        gate.say = lambda _: (307, {"Location": other.url}, "")
        number = upgrade(two, gateUrl=gate.url)
        waits_for(two, number, "307")
        assert two.plan(number)["state"] == "running" and not other.asked
        gate.say = lambda _: (200, {}, "x" * 100000)  # more than it may say: no answer
        waits_for(two, number, "no answer")
        gate.say = lambda _: (202, {}, b"caf\xe9 \x1b[31m")  # neither UTF-8 nor anything for a terminal
        waits_for(two, number, "202: caf?  [31m")
        gate.say = lambda _: (200, {}, "fine")
        assert two.ended(number)["state"] == "succeeded"
    finally:
        other.stop()


def test_a_probe_goes_through_the_base(two):
    number = upgrade(two, gateProbe="/hello/nothing-here", gateRetries=1)
    cells.until(lambda: two.plan(number)["state"] == "paused")
    assert "404 instead of 200, 2 of 2 times" in two.plan(number)["stateReason"], two.plan(number)
    assert two.berth("plan", "stop", number).returncode == 0
    path = next(p for p in ("/hello", "/hello/") if two.module("n1", p).status == 200)
    number = two.deploy("hello:2.0.0", replicas=2, wait=0, strategy={"gateProbe": path, "gateState": True})["id"]
    assert two.ended(number)["state"] == "succeeded"
    kinds = [e["text"] for e in two.api.get("/v1/events", plan=number, kind="gate.passed", limit=100).json["events"]]
    assert len(kinds) in (0, 2), kinds  # one batch, or the two gates before the second


def test_refusals_name_the_field(two):
    for field, value in {"gateUrl": "ftp://x/", "gateProbe": "hello", "gateProbeStatus": 9, "gateRetries": -1, "gateFailed": "101%"}.items():
        body = {"module": "hello", "version": "2.0.0", "group": "demo", "strategy": {field: value}}
        answer = two.api.post("/v1/deployments", body)
        assert answer.status == 400 and answer.json["errors"][0]["pointer"].startswith(f"/strategy/{field}"), answer
    hidden = two.api.post("/v1/deployments", {"module": "hello", "version": "2.0.0", "group": "demo", "strategy": {"gateUrl": "http://u:p@x/"}})
    assert hidden.status == 400 and "password" in hidden.json["detail"], hidden


@contextlib.contextmanager
def example(prometheus, **env):
    """The example gate with that Prometheus, until the end of the block; its URL."""
    gate = subprocess.Popen([sys.executable, ROOT / "examples/gate-prometheus/gate.py", "--listen", "127.0.0.1:0", "--prometheus", prometheus.url, "--again", "1",
                             "--max", "0.01", "--query", 'errors{{module="{module}",version="{toVersion}"}}'],
                            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=os.environ | env)
    try:
        yield "http://" + re.search(r"on (\S+)", gate.stdout.readline())[1]
    finally:
        gate.kill()
        gate.wait()


def test_the_prometheus_example(two, gate):
    series = []
    gate.say = lambda _: (200, {}, json.dumps({"status": "success", "data": {"result": series}}))
    with example(gate) as url:
        number = upgrade(two, gateUrl=url)
        waits_for(two, number, "202: no data yet")
        assert 'errors%7Bmodule%3D%22hello%22%2Cversion%3D%222.0.0%22%7D' in gate.asked[0], gate.asked
        series.append({"value": [0, "0.2"]})
        cells.until(lambda: two.plan(number)["state"] == "paused")
        assert "0.2 is more than 0.01" in two.plan(number)["stateReason"]
        series[0] = {"value": [0, "0.001"]}
        assert two.berth("plan", "resume", number, "--timeout", "60s").returncode == 0
        assert two.ended(number)["state"] == "succeeded"


def test_who_asks_is_told_by_the_signature(two, gate):
    """The example answers whom it knows; a secret is exchanged while a plan waits, and nobody is shown it."""
    gate.say = lambda _: (200, {}, json.dumps({"status": "success", "data": {"result": [{"value": [0, "0"]}]}}))
    old, new = "0123456789abcdef-old", "0123456789abcdef-new"
    with example(gate, BERTH_HOOK_SECRET=new) as url:
        with pytest.raises(urllib.error.HTTPError, match="401"):
            urllib.request.urlopen(url, data=b"{}", timeout=10)
        assert two.api.patch("/v1/groups/demo", {"hookSecret": old}).status == 200
        number = upgrade(two, gateUrl=url)
        waits_for(two, number, "401: not signed with the secret that this gate knows")
        assert two.plan(number)["state"] == "running" and not gate.asked, "Prometheus was asked for a stranger"
        done = two.berth("group", "set", "demo", "--hook-secret", new)
        assert done.returncode == 0, done.stdout + done.stderr
        assert two.ended(number)["state"] == "succeeded" and gate.asked
    for shown in (two.api.get("/v1/groups/demo").body, two.api.get("/v1/events", limit=1000).body, two.berth("group", "show", "demo", "-o", "json").stdout.encode()):
        assert old.encode() not in shown and new.encode() not in shown
