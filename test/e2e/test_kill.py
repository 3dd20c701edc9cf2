"""kill -9 and freezing of everything in mid-deploy: what was acknowledged stays, the deploy ends, nothing is done twice."""
import os
import re
import signal
import threading
import time

import pytest

import cell as cells

BASES = ["n1", "n2", "n3"]


def starts(fleet):
    """How often slow was started, by base."""
    return {b: fleet.agents[b].data.joinpath("base.log").read_text(errors="replace").count("warming up") for b in BASES}


@pytest.fixture
def midway(fleet, until):
    """A deploy of slow to three bases, with every install under way."""
    fleet.begin()
    plan = fleet.deploy(fleet.push("slow"), args=["--seconds=2"], wait=0)
    until(lambda: all(starts(fleet).values()), what="all installs are under way")
    fleet.number = plan["id"]
    return fleet


def ends_well(fleet):
    plan = fleet.ended(fleet.number)
    assert plan["state"] == "succeeded", plan
    assert fleet.on("slow") == BASES
    cells.until(lambda: all(fleet.says(b, "/slow", "is ready") for b in BASES), what="slow answers everywhere")
    fleet.sound()


def test_server(midway):
    midway.one.process.kill()
    midway.one.start().ready()
    ends_well(midway)
    assert set(starts(midway).values()) == {1}


def test_server_again_and_again(midway):
    for _ in range(3):
        midway.one.process.kill()
        midway.one.start().listening()
    midway.one.ready()
    ends_well(midway)
    assert set(starts(midway).values()) == {1}


def test_postmaster(midway, until):
    os.kill(midway.one.postmaster, signal.SIGKILL)
    until(lambda: midway.api.get("/livez").status == 200)
    midway.one.ready()
    ends_well(midway)
    assert midway.one.process.alive() and set(starts(midway).values()) == {1}


def test_database_backends(midway):
    for _ in range(3):
        midway.sql("select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and backend_type = 'client backend'")
        midway.one.ready()
    ends_well(midway)
    assert set(starts(midway).values()) == {1}


def test_backend_by_sigkill(midway):
    """The whole cluster restarts for one of its processes."""
    (pid,), *_ = midway.sql("select pid from pg_stat_activity where pid <> pg_backend_pid() and backend_type = 'client backend'")
    os.kill(pid, signal.SIGKILL)
    midway.one.ready()
    ends_well(midway)


def test_agent(midway):
    agent = midway.agents["n2"]
    base = agent.base_pid
    agent.process.kill()
    agent.start()
    ends_well(midway)
    assert agent.base_pid == base, "its base lived on"


def test_base(midway, until):
    agent = midway.agents["n2"]
    was = agent.base_pid
    os.kill(was, signal.SIGKILL)
    until(lambda: agent.base_pid not in (None, was), what="the agent starts it again")
    until(lambda: midway.plan(midway.number)["state"] not in ("queued", "running"), 40, "the plan ends or is paused")
    if midway.plan(midway.number)["state"] == "paused":
        assert midway.berth("plan", "retry", midway.number).returncode == 0
    ends_well(midway)


def test_everything_at_once(midway):
    bases = [a.base_pid for a in midway.agents.values()]
    postmaster = midway.one.postmaster
    midway.one.process.kill()
    for a in midway.agents.values():
        a.process.kill()
    for pid in [postmaster, *bases]:
        os.kill(pid, signal.SIGKILL)
    midway.one.start()
    for a in midway.agents.values():
        a.start()
    midway.one.ready()
    for b in BASES:
        midway.base_ready(b)
    ends_well(midway)


def test_command_line_follows_through_a_kill(fleet, until):
    fleet.begin()
    p = fleet.spawn("cli", "deploy", fleet.example("slow"), "--arg=--seconds=2", "--replicas", "3", "--min-ready", "0s", "-o", "json")
    until(lambda: all(starts(fleet).values()))
    fleet.one.process.kill()
    fleet.one.start()
    assert p.popen.wait(60) == 0, p.words()
    assert fleet.on("slow") == BASES


def test_frozen_server_and_frozen_base(midway, until):
    """No standby: the frozen one goes on where it was. A frozen base is waited for."""
    pid = midway.agents["n3"].base_pid
    os.kill(pid, signal.SIGSTOP)
    midway.one.process.freeze()
    began = time.monotonic()
    until(lambda: time.monotonic() - began > 4 * cells.PACE)
    midway.one.process.wake()
    os.kill(pid, signal.SIGCONT)
    midway.one.ready()
    ends_well(midway)
    assert set(starts(midway).values()) == {1}


def test_a_server_that_stood_still_tells_its_lag(fleet, until):
    """Its timers were due meanwhile: /metrics says by how much they were late."""
    fleet.server("server").ready()

    def lag():
        text = fleet.api.get("/metrics").body.decode()
        return [float(re.search(rf"^{name} (\S+)", text, re.M)[1]) for name in ("berth_loop_lag_seconds_max", "berth_loop_late_total")]
    longest, late = lag()
    frozen = time.monotonic()
    fleet.one.process.freeze()
    until(lambda: time.monotonic() > frozen + longest + 4, 60, "a renewal of its lease is overdue")
    fleet.one.process.wake()
    until(lambda: lag()[0] >= 1 + longest and lag()[1] > late, 20, "the lag is told")


def test_what_was_answered_is_there(fleet):
    """Sixteen writers, a server killed under them: every 2xx is found afterwards, every other is wholly there or not at all."""
    fleet.begin(bases=0)
    answered, lost, end = [], [], threading.Event()

    def writer(n):
        i = 0
        while not end.is_set():
            name = f"m{n}-{i}"
            i += 1
            try:
                answer = fleet.api.call("POST", "/v1/modules", {"name": name}, timeout=5)
            except Exception:
                lost.append(name)
                continue
            (answered if answer.status == 201 else lost).append(name)
    threads = [threading.Thread(target=writer, args=(n,), daemon=True) for n in range(16)]
    for t in threads:
        t.start()
    cells.until(lambda: len(answered) > 300)
    fleet.one.process.kill()
    end.set()
    for t in threads:
        t.join()
    fleet.one.start().ready()
    there = {name for name, in fleet.sql("select name from module")}
    assert set(answered) <= there, sorted(set(answered) - there)[:5]
    assert there <= set(answered) | set(lost)
    fleet.sound()


def test_base_restarts_while_the_server_is_away(fleet, until):
    fleet.begin()
    fleet.deploy(fleet.push("hello-1.0.0"))
    fleet.one.process.kill()
    were = {b: fleet.agents[b].base_pid for b in BASES}
    for pid in were.values():
        os.kill(pid, signal.SIGKILL)
    until(lambda: all(fleet.agents[b].base_pid not in (None, were[b]) for b in BASES), what="their agents start them again")
    until(lambda: all(fleet.says(b, "/hello", "hello 1.0.0") for b in BASES), 30, "all have hello again, without a server")
    agent = fleet.agents["n1"]
    agent.process.kill()
    os.kill(agent.base_pid, signal.SIGKILL)
    agent.start()
    until(lambda: fleet.says("n1", "/hello", "hello 1.0.0"), 30, "even after the agent's own death")
    fleet.one.start().ready()
    until(lambda: fleet.on("hello") == BASES)
    fleet.sound()


def test_database_away_and_back(fleet, until):
    """P12: up, not ready, writes 503 with Retry-After, agents stay; then it goes on by itself."""
    fleet.begin()
    fleet.deploy(fleet.push("hello-1.0.0"))
    pid = fleet.one.postmaster
    family = [pid, *cells.children(pid)]
    for p in family:
        os.kill(p, signal.SIGSTOP)
    try:
        until(lambda: fleet.api.get("/readyz").status == 503, 30, "not ready")
        assert fleet.api.get("/livez").status == 200
        answer = fleet.api.post("/v1/modules", {"name": "late"}, timeout=90)
        assert answer.status == 503 and answer.headers["Retry-After"], answer
        assert all(fleet.says(b, "/hello", "hello") for b in BASES)
    finally:
        for p in family:
            try:
                os.kill(p, signal.SIGCONT)
            except ProcessLookupError:
                pass
    until(lambda: fleet.api.get("/readyz").status == 200, 10, "ready again")
    until(lambda: fleet.api.post("/v1/modules", {"name": "later"}).status == 201, 10)
    assert all("ended" not in a.process.words() for a in fleet.agents.values()), "an agent lost its stream"
    fleet.sound()


# ---- two servers on one database ------------------------------------------------------------------------------------------------------

@pytest.fixture
def pair(fleet, request):
    """Server a with its embedded database, b on the same one, three bases that know both."""
    options = (f"--lease={getattr(request, 'param', '3s')}", "--renew=1s", "--stop=2s")
    a = fleet.server("a", *options).ready()
    fleet.servers["server"] = a
    b = fleet.server("b", *options, "--database-url", a.conninfo).listening()
    fleet.a, fleet.b = a, b
    fleet.group("demo", 5)
    fleet.join(BASES)
    return fleet


def active(server):
    answer = server.client.try_get("/v1/status")
    return answer is not None and answer.status == 200 and answer.json["address"] == server.rest


def test_standby_forwards(pair):
    answer = pair.answered(lambda: pair.b.client.post("/v1/modules", {"name": "via-b"}), "a write that b forwards")
    assert answer.status == 201, answer
    assert pair.a.client.get("/v1/modules/via-b").status == 200


def test_standby_takes_over_from_a_frozen_server_that_changes_nothing_when_it_wakes(pair, until):
    plan = pair.deploy(pair.push("slow"), args=["--seconds=2"], wait=0)
    until(lambda: all(starts(pair).values()))
    epoch = pair.a.client.get("/v1/status").json["epoch"]
    pair.a.process.freeze()
    pair.servers["server"] = pair.b
    until(lambda: active(pair.b), 15, "b is active")
    assert pair.b.client.get("/v1/status").json["epoch"] > epoch
    assert pair.b.client.post("/v1/modules", {"name": "by-b"}).status == 201
    written = pair.b.client.get("/v1/status").json["lastEvent"]
    pair.a.process.wake()
    # The woken server had this in its socket, and believes to be active until it looks at the clock.
    answer = pair.a.client.post("/v1/modules", {"name": "by-a"}, timeout=30)
    assert answer.status in (201, 503), answer
    ended = pair.ended(plan["id"])
    assert ended["state"] == "succeeded", ended
    assert set(starts(pair).values()) == {1}
    holder, = [s for s in (pair.a, pair.b) if active(s)]
    assert holder is pair.b and pair.b.client.get("/v1/status").json["lastEvent"] >= written
    pair.servers["server"] = pair.a
    pair.sound()


@pytest.mark.parametrize("pair", ["30s"], indirect=True, ids=["a long lease"])
def test_a_stopping_server_hands_over_at_once(pair, until):
    """a must go while its database stays, so b is made active first, and a takes over from it."""
    pair.a.process.freeze()
    until(lambda: active(pair.b), 60)
    pair.a.process.wake()
    until(lambda: (x := pair.a.client.try_get("/v1/status")) is not None and x.status == 200 and x.json["address"] == pair.b.rest, 30, "a stands by")
    began = time.monotonic()
    pair.b.process.signal(signal.SIGTERM)
    until(lambda: active(pair.a), 20, "a is active")
    took = time.monotonic() - began
    assert pair.b.process.popen.wait(20) == 0
    assert took < 5 * cells.PACE, f"{took:.1f} s: it waited for the lease to run out"
    pair.deploy(pair.push("hello-1.0.0"))
    assert pair.on("hello") == BASES
    pair.sound()
