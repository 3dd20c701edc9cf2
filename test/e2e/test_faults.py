"""Every fault point (src/base/faultpoints.def) crashed, failed and frozen once in a deploy under way, with writers beside it.

The cases come from the table: berthd --dump-faults lists it. Whatever the point, the same has to hold afterwards: the deploy that was
under way ends well, what was acknowledged is there, nothing was done twice, the units add up.
"""
import collections
import http.client
import itertools
import operator
import subprocess
import threading
import time

import pytest

import cell as cells

Point = collections.namedtuple("Point", "name program failure sentence")
BASES = ["n1", "n2"]
VERSIONS = itertools.count(1)


def points():
    berthd = cells.programs() / "berthd"
    told = subprocess.run([str(berthd), "--dump-faults"], capture_output=True, text=True) if berthd.exists() else None
    return [Point(*line.split(None, 3)) for line in told.stdout.splitlines()] if told and told.returncode == 0 else []


POINTS = points()
pytestmark = pytest.mark.skipif(not POINTS, reason="this build has no fault points: BUILD=debug, asan or tsan")
NAME = operator.attrgetter("name")
FROZEN_ALWAYS = ("commit.half", "command.out", "agent.called")


class Writer:
    """Makes modules one after the other, each under a key of its own that it repeats until it has an answer."""

    def __init__(self, fleet, title):
        self.fleet, self.title = fleet, title
        self.answered, self.wrong = [], []
        self.end = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.end.set()
        self.thread.join()

    def _run(self):
        for i in itertools.count():
            name = f"{self.title}-{i}"
            while not self.end.is_set():
                try:
                    answer = self.fleet.api.call("POST", "/v1/modules", {"name": name}, headers={"Idempotency-Key": name}, timeout=20)
                except (OSError, http.client.HTTPException):
                    continue
                if answer.status == 201:
                    self.answered.append(name)
                    break
                if answer.status != 503:
                    self.wrong.append(answer)
                    return
            if self.end.is_set():
                return

    def check(self):
        assert not self.wrong, self.wrong
        made = collections.Counter(m for m, in self.fleet.sql(f"select module from dash.event_recent where kind = 'module.created' and module like '{self.title}-%'"))
        there = {m for m, in self.fleet.sql(f"select name from module where name like '{self.title}-%'")}
        assert self.answered and set(self.answered) <= there, sorted(set(self.answered) - there)
        assert set(made) == there and set(made.values()) == {1}, made


class Stage:
    """The cell of all cases; a new one after a case that went wrong."""

    def __init__(self, make):
        self.make, self.fleet, self.sound = make, None, False

    def ready(self):
        if not self.sound:
            self.clear()
            self.fleet = self.make().begin(bases=2)
            self.fleet.group("guests", 5)
        self.sound = False
        return self.fleet

    def clear(self):
        complaints = ""
        if self.fleet:
            self.fleet.stop(keep=True)
            complaints = self.fleet.complaints()
            self.fleet.forget()
            self.fleet = None
        assert not complaints, complaints


@pytest.fixture(scope="module")
def stage(new_fleet):
    s = Stage(new_fleet)
    yield s
    s.clear()


@pytest.fixture
def fleet(stage):
    f = stage.ready()
    yield f
    f.one.faults.forget()


def module(fleet):
    """slow under a version that nobody has seen: the file and "slow:VERSION"."""
    version = f"1.{next(VERSIONS):03}"
    file = fleet.folder / f"slow-{version}.so"
    file.write_bytes(fleet.example("slow").read_bytes().replace(b"1.0.0\0", version.encode() + b"\0"))
    return file, version


def warmed_up(fleet):
    return {b: fleet.agents[b].data.joinpath("base.log").read_text(errors="replace").count("warming up") for b in BASES}


def take_effect(fleet, victim, action):
    """Waits for the fault, and does what an operator would do about it."""
    cells.until(victim.faults.happened, 40, "the point was reached")
    if action == "crash":
        victim.process.popen.wait(20)
        victim.start()
    elif action == "stall":
        cells.until(lambda: cells.process_state(victim.process.pid) == "T", 20, "it stands still")
        if victim is fleet.one:
            out_of_its_lease(fleet)
        victim.process.wake()


def out_of_its_lease(fleet):
    """Until well after the lease of a server that was frozen just now."""
    began = time.monotonic()
    cells.until(lambda: time.monotonic() - began > 4 * cells.PACE, what="its lease is over")


def push(fleet, point, action, file):
    """The artifact goes in; the faults of uploads are met on the way."""
    mine = point.name.startswith("upload.")
    if mine:
        fleet.one.faults.ask(f"{point.name}={action}")
    pushed = fleet.spawn(file.stem, "module", "push", file)
    if mine:
        take_effect(fleet, fleet.one, action)
    if pushed.popen.wait(60) != 0:
        assert mine and action == "fail", pushed.words()
        again = fleet.berth("module", "push", file)
        assert again.returncode == 0, again.stderr


def deploy(fleet, point, action, version):
    """Onto both bases, while another one joins; all other faults are met on the way."""
    visitor = cells.Agent(fleet, f"v{version}", [fleet.one.rpc], fleet.join_token("guests"), "guests")
    fleet.agents[visitor.name] = visitor
    joins = point.name in ("agent.hello", "agent.welcome")
    victim = fleet.one if point.program == "berthd" else visitor if joins else fleet.agents["n1"]
    for cached in (fleet.one.data / "artifacts").glob("*"):
        cached.unlink()  # so that it comes from the ledger
    mine = not point.name.startswith("upload.")
    if mine:
        victim.faults.ask(f"{point.name}={action}")
    if point.name == "load.raised":
        fleet.one.process.kill()
        fleet.one.start()
    visitor.start()
    deployed = fleet.spawn(f"deploy-{version}", "deploy", f"slow:{version}", "--group", "demo", "--replicas", "2", "--min-ready", "0s", "--arg=--seconds=0")
    if mine:
        take_effect(fleet, victim, action)
    assert deployed.popen.wait(90) == 0, deployed.words()
    fleet.one.ready()
    fleet.base_ready(visitor.name)
    visitor.stop()


def prove(stage, fleet, point, action):
    before = warmed_up(fleet)
    file, version = module(fleet)
    with Writer(fleet, f"{point.name.replace('.', '-')}-{action}") as writer:
        push(fleet, point, action, file)
        deploy(fleet, point, action, version)
        cells.until(lambda: writer.answered, what="writes are answered")
    writer.check()
    assert fleet.on("slow", version) == BASES
    cells.until(lambda: all(fleet.says(b, "/slow", f"slow {version}") for b in BASES), what="it answers everywhere")
    cells.until(lambda: {i["version"] for i in fleet.instances(module="slow")} == {version}, what="only the new version is left")
    assert {b: n - before[b] for b, n in warmed_up(fleet).items()} == {b: 1 for b in BASES}, "each was started once"
    fleet.sound()
    stage.sound = True


@pytest.mark.parametrize("point", POINTS, ids=NAME)
def test_crash(stage, fleet, point):
    prove(stage, fleet, point, "crash")


@pytest.mark.parametrize("point", [p for p in POINTS if p.failure != "-"], ids=NAME)
def test_failure(stage, fleet, point):
    prove(stage, fleet, point, "fail")


@pytest.mark.parametrize("point", [pytest.param(p, marks=() if p.name in FROZEN_ALWAYS else pytest.mark.nightly) for p in POINTS], ids=NAME)
def test_freeze(stage, fleet, point):
    prove(stage, fleet, point, "stall")
