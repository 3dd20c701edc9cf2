"""Two servers on one database: how long a takeover takes, one that is frozen with half a commit sent, and an upgrade from an older build.

P7: when the active server dies, a write is answered within the lease, one second, and the load. Measured with a lease of 3 s instead of
10 s: what follows its end is the same. Three kills in make test, twenty in make nightly.
"""
import os
import pathlib
import statistics
import subprocess
import threading
import time

import pytest

import cell as cells

BASES = ["n1", "n2", "n3"]
LEASE = 3.0 * cells.PACE
QUICK = ("--lease=3s", "--renew=1s", "--stop=2s")
LOAD = 1.0 * cells.PACE  # of a fleet as small as this on a machine that does other things too
KILLS = 20 if os.environ.get("BERTH_NIGHTLY") else 3
PREVIOUS = "807ff53"


def holder(pair):
    """The server that is active."""
    for s in pair:
        if s.process.alive() and (answer := s.client.try_get("/v1/status")) is not None and answer.status == 200 and answer.json["address"] == s.rest:
            return s
    return None


@pytest.fixture
def pair(fleet):
    fleet.postgres = cells.Postgres(fleet).make().start()
    a = fleet.server("a", *QUICK, "--database-url", fleet.postgres.conninfo()).ready()
    b = fleet.server("b", *QUICK, "--database-url", fleet.postgres.conninfo()).listening()
    fleet.servers["server"] = a
    fleet.pair = [a, b]
    fleet.group("demo", 5)
    fleet.join(BASES)
    return fleet


def stands_by(fleet, server):
    """It forwards: what it is asked is answered by the other."""
    cells.until(lambda: (a := server.client.try_get("/v1/status")) is not None and a.status == 200, 20, f"{server.name} stands by")


def until_answered(servers, name):
    """Seconds until a write is answered, asked at every address in turn, as a client that knows both would."""
    began = time.monotonic()

    def answered():
        for s in servers:
            try:
                answer = s.client.call("POST", "/v1/modules", {"name": name}, {"Idempotency-Key": name}, timeout=30)
            except OSError:
                continue
            if answer.status == 201:
                return True
        return False
    cells.until(answered, 30, "a write is answered")
    return time.monotonic() - began


def test_kills(pair, capsys):
    took = []
    for i in range(KILLS):
        active = cells.until(lambda: holder(pair.pair), 20, "one is active")
        other, = [s for s in pair.pair if s is not active]
        stands_by(pair, other)
        plan = pair.deploy(pair.push("slow"), name=f"slow-{i}", replicas=1, args=["--seconds=1"], wait=0) if i == 0 else None
        active.process.kill()
        took.append(until_answered([other], f"kill-{i}"))
        pair.servers["server"] = other
        if plan:
            assert pair.ended(plan["id"])["state"] == "succeeded"
        active.start().listening()
    with capsys.disabled():
        print(f"\n{KILLS} takeovers at a lease of {LEASE:.0f} s: a write answered after {min(took):.2f} s at best, {statistics.median(took):.2f} s median, "
              f"{max(took):.2f} s at worst")
    assert max(took) <= LEASE + 1 + LOAD, took
    (made,), = pair.sql("select count(*) from dash.event_recent where kind = 'module.created' and module like 'kill-%'")
    assert made == KILLS
    starts = sum(a.data.joinpath("base.log").read_text(errors="replace").count("warming up") for a in pair.agents.values())
    assert starts == 1, "a finished task is not run again"
    pair.sound()


def test_a_server_frozen_with_half_a_commit_sent(pair, until):
    """Its backend holds the fence, and no time-out of PostgreSQL's ends it: the taker does (rule 2)."""
    a, b = pair.pair
    if b"commit.half" not in subprocess.run([cells.programs() / "berthd", "--dump-faults"], capture_output=True, check=False).stdout:
        pytest.skip("this build has no fault points")
    stands_by(pair, b)
    plan = pair.deploy(pair.push("slow"), args=["--seconds=1"], wait=0)
    a.faults.ask("commit.half=stall")
    lost = threading.Thread(target=lambda: a.client.call("POST", "/v1/modules", {"name": "half"}, timeout=60), daemon=True)
    lost.start()
    until(lambda: cells.process_state(a.process.pid) == "T", 20, "it stands still in mid-commit")
    took = until_answered([b], "whole")
    assert took <= LEASE + 1 + LOAD + 0.5, took
    pair.servers["server"] = b
    epoch = b.client.get("/v1/status").json["epoch"]
    a.process.wake()
    until(lambda: "standing by" in a.process.words(), 20, "it hears that it is not the active one")
    assert pair.ended(plan["id"])["state"] == "succeeded"
    stands_by(pair, a)
    assert b.client.get("/v1/status").json["epoch"] == epoch and holder(pair.pair) is b
    names = {n for n, in pair.sql("select name from module")}
    events = {m for m, in pair.sql("select module from dash.event_recent where kind = 'module.created'")}
    assert "whole" in names and names == events, "half is wholly there or not at all"
    assert pair.on("slow") == BASES
    pair.sound()


# ---- upgrade ----------------------------------------------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def previous(tmp_path_factory):
    """The programs of an earlier build, made from this repository's history in a folder of the test's own."""
    folder = tmp_path_factory.mktemp("previous")
    folder.chmod(0o755)
    archive = subprocess.run(["git", "-C", cells.ROOT, "archive", PREVIOUS], capture_output=True, check=False)
    if archive.returncode != 0:
        pytest.skip(f"no commit {PREVIOUS} in this repository's history (a shallow clone, or no git)")
    subprocess.run(["tar", "-x", "-C", folder], input=archive.stdout, check=True)
    built = subprocess.run(["make", "-C", folder, "-j2", "all"], capture_output=True, text=True, env={k: v for k, v in os.environ.items() if not k.startswith("MAKE") and k not in ("BUILD", "O", "MFLAGS")}, check=False)
    assert built.returncode == 0, built.stdout[-2000:] + built.stderr[-2000:]
    return folder / "build/debug"


class Caller:
    """Calls a module on every base, all the time."""

    def __init__(self, fleet):
        self.fleet, self.calls, self.failed, self.end = fleet, 0, [], threading.Event()
        self.threads = [threading.Thread(target=self._run, args=(b,), daemon=True) for b in BASES]

    def __enter__(self):
        for t in self.threads:
            t.start()
        return self

    def _run(self, base):
        while not self.end.wait(0.005):
            answer = self.fleet.module(base, "/hello")
            self.calls += 1
            if answer is None or answer.status != 200:
                self.failed.append((base, answer))

    def __exit__(self, *_):
        self.end.set()
        for t in self.threads:
            t.join()
        assert self.calls > 100 and not self.failed, (self.calls, self.failed[:3])


@pytest.mark.nightly
def test_upgrade_from_an_earlier_build(fleet, previous, until, monkeypatch):
    """Rule 15. Server first: the new one stands by, takes over, migrates. Then agent by agent, under their living bases."""
    now = os.environ.get("BERTH_BIN_DIR", str(cells.programs()))
    fleet.postgres = cells.Postgres(fleet).make().start()
    monkeypatch.setenv("BERTH_BIN_DIR", str(previous))
    a = fleet.server("a", *QUICK, "--database-url", fleet.postgres.conninfo()).ready()
    monkeypatch.setenv("BERTH_BIN_DIR", now)
    b = fleet.server("b", *QUICK, "--database-url", fleet.postgres.conninfo()).listening()
    fleet.servers["server"] = a
    fleet.group("demo", 5)
    monkeypatch.setenv("BERTH_BIN_DIR", str(previous))
    fleet.join(BASES)
    fleet.deploy(fleet.push("hello-1.0.0"))
    monkeypatch.setenv("BERTH_BIN_DIR", now)
    with Caller(fleet):
        plan = fleet.deploy(fleet.push("slow"), args=["--seconds=2"], wait=0)
        until(lambda: sum(f.data.joinpath("base.log").read_text(errors="replace").count("warming up") for f in fleet.agents.values()) == 3, 30, "it is under way")
        schema = fleet.sql("select count(*) from schema_migration")
        assert a.process.stop() == 0
        fleet.servers["server"] = b
        until(lambda: holder([b]) is b, 20, "the new one is active")
        assert fleet.sql("select count(*) from schema_migration") > schema, "it migrates"
        assert fleet.ended(plan["id"])["state"] == "succeeded"
        assert fleet.on("slow") == BASES

        monkeypatch.setenv("BERTH_BIN_DIR", str(previous))
        a.start().listening()
        stands_by(fleet, a)  # until its turn comes it may stand by, and forward
        assert a.client.post("/v1/modules", {"name": "by-the-old-one"}).status == 201 and holder([b]) is b
        assert a.process.stop() == 0
        monkeypatch.setenv("BERTH_BIN_DIR", now)

        for name in BASES:
            agent = fleet.agents[name]
            base = agent.base_pid
            agent.process.kill()
            agent.argv[0] = pathlib.Path(now) / "berth-agent"
            agent.start()
            fleet.base_ready(name)
            until(lambda: "took it over" in agent.process.words(), 20, "the new agent takes over the base")
            assert agent.base_pid == base
        upgraded = fleet.deploy(fleet.push("hello-2.0.0"), strategy={"minReady": "0s", "upgradePolicy": "install_first"})
        assert upgraded["state"] == "succeeded", upgraded
        until(lambda: all(fleet.says(x, "/hello", "hello 2.0.0") for x in BASES), what="2.0.0 answers")
    fleet.sound()
