"""Bases that the server does not hear: cut off by the network, agents and bases that stand still, and two hundred that come back at once.

P8: modules keep running. P9: afterwards the base converges to what is wanted, without a storm. P10: half a zone gone stops replacement.
"""
import os
import signal
import subprocess
import sys

import pytest

import cell as cells
from tcp_proxy import Proxy

IMPATIENT = ("--heartbeat=500ms", "--silent=1500ms", "--lost=3s", "--replace=1s")
PATIENT = ("--heartbeat=500ms", "--silent=2m", "--lost=5m", "--replace=1s")


def state(fleet, base):
    return fleet.api.get(f"/v1/bases/{base}").json["state"]


def becomes(fleet, base, *states):
    cells.until(lambda: state(fleet, base) in states, 30, f"{base} is {' or '.join(states)}")


@pytest.fixture
def four(fleet, request):
    """hello on three of four bases, each behind a proxy of its own. The address that the server tells them leads nowhere, so that they keep
    to the proxy."""
    patience = getattr(request, "param", IMPATIENT)
    fleet.server("server", *("--lease=3s", "--renew=1s", "--stop=2s"), *patience, "--rpc-advertise=127.0.0.1:9").ready()
    fleet.group("demo", 5)
    token = fleet.join_token("demo")
    fleet.proxies = {}
    host, port = fleet.one.rpc.split(":")
    for name in ("n1", "n2", "n3", "n4"):
        fleet.proxies[name] = Proxy((host, int(port)))
        fleet.agent(name, token, servers=[fleet.proxies[name].address])
    for name in fleet.agents:
        fleet.base_ready(name)
    fleet.deploy(fleet.push("hello-1.0.0"))
    yield fleet
    for p in fleet.proxies.values():
        p.close()


def test_a_base_partitioned_and_healed(four, until):
    away = four.on("hello")[-1]
    spare, = {"n1", "n2", "n3", "n4"} - set(four.on("hello"))
    four.proxies[away].hold()
    becomes(four, away, "lost")
    until(lambda: spare in four.on("hello"), 30, "its instance is placed elsewhere")
    assert four.says(away, "/hello", "hello 1.0.0"), "it runs on where it was"
    plan = four.deploy(four.push("hello-2.0.0"))
    assert plan["state"] == "succeeded", plan
    four.proxies[away].go_on()
    becomes(four, away, "ready")
    until(lambda: not four.says(away, "/hello", "hello"), 30, "what is surplus goes")
    until(lambda: len(four.instances(module="hello")) == 3, 30, "and is known to have gone")
    assert four.on("hello", "2.0.0") == sorted({"n1", "n2", "n3", "n4"} - {away})
    until(lambda: not four.api.get("/v1/findings").json["findings"], 10, "nothing is left to be found")
    four.sound()


@pytest.mark.parametrize("four", [PATIENT], indirect=True, ids=["patient"])
def test_a_link_cut_again_and_again_under_a_deploy(four, until):
    """Nobody is lost by that, however long it takes to dial five times: a try is cut before anything is heard of the base, so the agent's
    pauses grow, up to 10 s for each of its two addresses."""
    plan = four.deploy(four.push("slow"), args=["--seconds=1"], wait=0)
    for _ in range(5):
        for p in four.proxies.values():
            p.cut()
        accepted = {n: p.accepted for n, p in four.proxies.items()}
        until(lambda: all(four.proxies[n].accepted > accepted[n] for n in accepted), 60, "all dial again")
    assert four.ended(plan["id"])["state"] == "succeeded"
    starts = {b: a.data.joinpath("base.log").read_text(errors="replace").count("warming up") for b, a in four.agents.items()}
    assert sorted(starts.values()) == [0, 1, 1, 1], starts
    four.sound()


@pytest.mark.nightly
def test_half_open_links(four, until):
    """The server's end is gone and nobody told the agents: they notice by themselves, and are heard again."""
    streams = {n: p.accepted for n, p in four.proxies.items()}
    four.proxies["n1"].half_open()
    until(lambda: four.proxies["n1"].accepted > streams["n1"], 40, "the agent dials again")
    becomes(four, "n1", "ready")
    until(lambda: len(four.on("hello")) == 3, 30, "three are ready")
    four.sound()


def test_a_frozen_agent(four, until):
    """It is as silent as a dead one; its base serves on, and when it wakes nothing is installed anew."""
    held = four.on("hello")[0]
    agent = four.agents[held]
    installs = agent.process.words().count("install of")
    agent.process.freeze()
    try:
        becomes(four, held, "silent", "lost")
        assert four.says(held, "/hello", "hello 1.0.0")
        becomes(four, held, "lost")
    finally:
        agent.process.wake()
    becomes(four, held, "ready")
    until(lambda: len(four.instances(module="hello")) == 3 and len(four.on("hello")) == 3, 30, "three, wherever they are")
    assert agent.process.words().count("install of") == installs
    four.sound()


def test_a_frozen_base_is_a_failed_task_and_not_a_second_start(four, until):
    """Beyond the time that its install is given: the plan says so; after the base woke, a retry ends it well."""
    frozen = four.on("hello")[0]
    pid = four.agents[frozen].base_pid
    os.kill(pid, signal.SIGSTOP)
    try:
        strategy = {"minReady": "0s", "taskTimeout": "2s", "retries": 0}
        plan = four.deploy(four.push("slow"), replicas=4, args=["--seconds=0"], strategy=strategy, wait=0)
        until(lambda: four.plan(plan["id"])["state"] == "paused", 60, "the plan is paused")
    finally:
        os.kill(pid, signal.SIGCONT)
    assert four.berth("plan", "retry", plan["id"]).returncode == 0
    assert four.ended(plan["id"])["state"] == "succeeded"
    assert four.agents[frozen].data.joinpath("base.log").read_text(errors="replace").count("warming up") == 1
    four.sound()


# ---- two hundred ------------------------------------------------------------------------------------------------------------------------

N = 200


@pytest.fixture
def crowd(fleet, tmp_path):
    """Light agents (light.py) through one proxy, hello on each."""
    pytest.importorskip("grpc.aio")
    protos = [f"berth/v1/{p}.proto" for p in ("types", "agent", "api")]
    subprocess.run(["protoc", f"-I{cells.ROOT}/proto", "-I/usr/include", f"--python_out={tmp_path}", *protos], check=True)
    sys.path.insert(0, str(tmp_path))
    from berth.v1 import agent_pb2, types_pb2
    from light import Crowd
    fleet.server("server", "--lease=3s", "--renew=1s", "--stop=2s", "--heartbeat=1s", "--silent=4s", "--lost=8s", "--replace=1s").ready()
    fleet.group("many", 5)
    host, port = fleet.one.rpc.split(":")
    fleet.proxy = Proxy((host, int(port)))
    c = Crowd(agent_pb2, types_pb2, fleet.proxy.address, fleet.join_token("many"), "many", N).start()
    fleet.crowd = c
    try:
        cells.until(lambda: bases_in(fleet, "ready") == N, 60, "all have joined")
        fleet.push("hello-1.0.0")
        fleet.push("hello-2.0.0")
        plan = fleet.deploy("hello:1.0.0", replicas=N, group="many", wait=60, strategy={"minReady": "0s", "batches": ["100%"]})
        assert plan["state"] == "succeeded", plan
        yield fleet
    finally:
        c.close()
        fleet.proxy.close()
        sys.path.remove(str(tmp_path))


def bases_in(fleet, *states):
    return sum(n for s, n in fleet.sql("select state, count(*) from base group by state") if s in states)


def quiet(fleet, before, streams):
    """Since then: so many new streams a base at most, each with one welcome and one full list, and nothing was commanded, done or moved."""
    now = fleet.crowd.counts()
    now.subtract(before)
    assert now["streams"] <= streams * N and now["welcome"] <= (streams + 1) * N, now
    assert now["full"] <= now["welcome"] and now["repeated"] == 0, now
    assert now["command"] == 0 and now["effects"] == 0 and now["refused"] == 0, now
    moved = fleet.sql("select kind, count(*) from event where kind in ('instance.missing', 'instance.replaced') group by kind")
    assert not moved, moved


def test_two_hundred_healed_at_once(crowd, until):
    before = crowd.crowd.counts()
    assert before["items"] == before["effects"] == N
    crowd.proxy.hold()
    until(lambda: bases_in(crowd, "lost") == N, 60, "all are lost")
    assert any(f["kind"] == "zone_alarm" for f in crowd.api.get("/v1/findings").json["findings"])
    crowd.proxy.go_on()
    until(lambda: bases_in(crowd, "ready") == N, 60, "all are back")
    until(lambda: len(crowd.instances(state="ready")) == N, 30, "all instances are seen")
    until(lambda: not crowd.api.get("/v1/findings").json["findings"], 30, "the alarm is over")
    quiet(crowd, before, 2)

    before = crowd.crowd.counts()
    crowd.one.process.kill()
    crowd.one.start().ready()
    until(lambda: len([a for a in crowd.crowd.agents if a.welcomed]) == N, 60, "all are welcome again")
    until(lambda: len(crowd.instances(state="ready")) == N, 30, "all instances are seen")
    quiet(crowd, before, 3)

    plan = crowd.deploy("hello:2.0.0", replicas=N, group="many", wait=60, strategy={"minReady": "0s", "batches": ["100%"], "upgradePolicy": "install_first"})
    assert plan["state"] == "succeeded", plan
    now = crowd.crowd.counts()
    assert now["items"] - before["items"] == now["effects"] - before["effects"] == 2 * N, "an install and an uninstall each, once"
    crowd.sound()
