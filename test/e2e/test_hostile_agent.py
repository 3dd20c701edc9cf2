"""Agents are strangers: one that lies, floods or flaps harms its own base at most. Honest bases of the same group stay as they are, the
server answers, what it tells costs no more events than its budget, and the outcomes of its commands are recorded all the same."""
import threading

import pytest

grpc = pytest.importorskip("grpc")
import cell as cells  # noqa: E402
from agent_wire import Stream, messages, welcomed  # noqa: E402
from conftest import QUICK, _fleet  # noqa: E402

PER_MINUTE, AT_ONCE = 6, 60  # the budget of this file's server; ten minutes' worth at once
HUGE = 2**62


@pytest.fixture(scope="module")
def pb(tmp_path_factory):
    return messages(tmp_path_factory.mktemp("pb"))


@pytest.fixture(scope="module")
def fleet():
    f = _fleet()
    try:
        f.server("server", *QUICK, "--heartbeat=1s", f"--events-per-base={PER_MINUTE}").ready()
        f.group("demo", 20)
        f.join(["n1", "n2"])
        f.open_token = f.api.post("/v1/tokens", {"name": "open", "role": "join"}).json["secret"]
        f.read_token = f.api.post("/v1/tokens", {"name": "reads", "role": "read"}).json["secret"]
        f.deploy(f.push("hello-1.0.0"), replicas=2)
        yield f
        f.sound()
    finally:
        f.stop(keep=True)
        complaints = f.complaints()
        f.forget()
    assert not complaints, complaints


@pytest.fixture
def agent(pb, fleet):
    made = []

    def make(**options):
        made.append(Stream(pb, fleet.one, **options))
        return made[-1]
    yield make
    for stream in made:
        stream.close()


class Liar:
    """A base that joined, in a group of its own, keeps its stream alive, and says what it likes."""

    def __init__(self, fleet, pb, agent, name):
        self.fleet, self.pb, self.name, self.seq = fleet, pb, name, 0
        self.stream = agent().hello(name, group=name, join_token=fleet.open_token)
        self.key = welcomed(self.stream).base_key
        self.stop = threading.Event()
        threading.Thread(target=self._beat, daemon=True).start()
        self.report(full=True, base_ready=True, base_running=True)

    def _beat(self):
        while not self.stop.wait(0.5):
            self.stream.send(heartbeat=self.pb.Heartbeat(report_seq=self.seq))

    def tell(self, **more):
        self.seq += 1
        self.stream.send(report=self.pb.Report(seq=self.seq, **more))

    def report(self, **more):
        """Told, and acknowledged."""
        self.tell(**more)
        self.settled()

    def settled(self):
        while True:
            message = self.stream.next("ack")
            assert message is not None, self.stream.end
            if message.ack.committed_seq >= self.seq:
                return

    def held(self, module, version="1.0.0", state="activated", **more):
        return self.pb.HeldModule(module=module, version=version, state=state, **more)


@pytest.fixture
def liar(fleet, pb, agent, request):
    name = request.node.originalname.replace("test_", "")[:40].strip("_") + str(abs(hash(request.node.name)) % 1000)
    one = Liar(fleet, pb, agent, name)
    yield one
    one.stop.set()
    one.stream.close()


def honest(fleet):
    """What the honest bases are and hold, without what moves by itself."""
    bases = [{k: v for k, v in b.items() if k not in ("seenTime", "memoryBytes")} for b in fleet.api.get("/v1/bases", group="demo").json["bases"]]
    return bases, fleet.instances(module="hello"), fleet.api.get("/v1/deployments/hello").json


def events_of(fleet, base, **more):
    return fleet.api.get("/v1/events", base=base, limit=1000, **more).json["events"]


def findings_of(fleet, base):
    return fleet.api.get("/v1/findings", base=base, limit=1000).json["findings"]


# ---- what is no message of the protocol ------------------------------------------------------------------------------------------------

WRONG_HELLOS = [
    ({"base": ""}, "invalid_argument", "is not a name"), ({"base": "a b"}, "invalid_argument", "is not a name"), ({"base": "x" * 64}, "invalid_argument", "is not a name"),
    ({"base": "../n1"}, "invalid_argument", "is not a name"), ({"group": "a b", "join_token": "open"}, "invalid_argument", "group name"),
    ({"join_token": ""}, "unauthenticated", "join token"), ({"join_token": "join_wrong"}, "unauthenticated", "join token"), ({"join_token": "x" * 100000}, "unauthenticated", "join token"),
    ({"join_token": "read"}, "unauthenticated", "join token"), ({"tenant": "nobody"}, "unauthenticated", "join token"), ({"tenant": "a b"}, "unauthenticated", "join token"),
    ({"base": "n1"}, "already_exists", "does not have its key"), ({"base": "n1", "base_key": "bk_wrong"}, "already_exists", "does not have its key"),
    ({"boot": "b" * 64}, "invalid_argument", "boot id"), ({"agent_version": "v" * 64}, "invalid_argument", "version"), ({"address": "a" * 256}, "invalid_argument", "address"),
    ({"zone": "a zone"}, "invalid_argument", "zone"), ({"install_limit": -1}, "invalid_argument", "install limit"), ({"install_limit": 2**31 - 1}, "invalid_argument", "install limit"),
    ({"taints": ["a b"]}, "invalid_argument", "taint"), ({"taints": ["t"] * 65}, "invalid_argument", "64"), ({"labels": [("a b", "c")]}, "invalid_argument", "label"),
    ({"labels": [("a", "b" * 64)]}, "invalid_argument", "label"), ({"labels": [("", "")]}, "invalid_argument", "label"), ({"labels": [(f"l{i}", "") for i in range(65)]}, "invalid_argument", "64"),
]


@pytest.mark.parametrize("more, code, says", WRONG_HELLOS, ids=[str(m)[:60] for m, _, _ in WRONG_HELLOS])
def test_a_wrong_hello_is_refused_with_its_reason(fleet, pb, agent, more, code, says):
    from berth.v1 import types_pb2
    fields = {"base": "stranger", "join_token": fleet.open_token} | more
    fields["join_token"] = {"open": fleet.open_token, "read": fleet.read_token}.get(fields["join_token"], fields["join_token"])
    fields["labels"] = [types_pb2.Entry(key=k, value=v) for k, v in fields.get("labels", [])]
    before, event = honest(fleet), fleet.api.get("/v1/status").json["lastEvent"]
    refused = agent().hello(**fields).next("welcome", "refused").refused
    assert (refused.code, refused.final) == (code, True) and says in refused.detail, refused
    assert fleet.api.get("/v1/status").json["lastEvent"] == event
    assert honest(fleet) == before
    assert fleet.api.get("/v1/bases/stranger").status == 404


def test_a_later_protocol_is_not_spoken(agent, fleet):
    end = agent().hello("stranger", join_token=fleet.open_token, protocol=2).ended()
    assert end[0] == grpc.StatusCode.UNIMPLEMENTED and "version 1" in end[1], end


def test_a_hello_that_is_too_large(agent, fleet, pb):
    end = agent().hello("stranger", join_token=fleet.open_token, held=[pb.HeldModule(module="m" * 60, version=str(i)) for i in range(8000)]).ended()
    assert end[0] == grpc.StatusCode.RESOURCE_EXHAUSTED and "at most" in end[1], end


# ---- lies -------------------------------------------------------------------------------------------------------------------------------

def lies(pb, liar, theirs):
    """Reports about what is not the liar's, or not at all; `theirs`: an instance of an honest base."""
    outcome = {"task": 1, "instance": theirs["id"], "kind": 1, "module": "hello", "version": "1.0.0"}
    yield "an outcome of somebody else's task", {"outcomes": [pb.Outcome(generation=theirs["generation"], ok=False, code="crash", cause="it lies", **outcome)]}
    yield "a crash of somebody else's instance", {"outcomes": [pb.Outcome(instance=theirs["id"], ok=False, code="crash", cause="it lies")]}
    yield "an outcome of nothing", {"outcomes": [pb.Outcome(generation=HUGE, task=HUGE, instance=HUGE, kind=1, ok=True)]}
    yield "negative numbers", {"outcomes": [pb.Outcome(generation=-1, task=-1, instance=-1, duration_us=-1, memory_bytes=-1)], "base_start": -1, "restarts": -1}
    yield "somebody else's module is gone", {"gone": [pb.ModuleRef(module="hello", version="1.0.0")]}
    yield "somebody else's instance is quarantined", {"changed": [liar.held("hello", instance=theirs["id"], generation=theirs["generation"], quarantined=True, cause="it lies")]}
    yield "names that are none", {"changed": [liar.held("a b"), liar.held("m", "1 0"), liar.held(""), liar.held("m" * 3000), liar.held("m", "v" * 3000)]}
    yield "states of nobody", {"changed": [liar.held("m", state="x" * 100000)]}
    yield "the same thing 4000 times", {"changed": [liar.held("m")] * 4000}
    yield "last words without end", {"base_running": False, "base_note": "ü" * 100000}
    yield "last words cut inside a character", {"base_running": False, "base_note": "x" + "ü" * 2000}
    yield "everything at once", {"full": True, "base_ready": True, "base_running": True, "crash_loop": True, "base_note": "\x1b[31m\n\t" * 1000}


def test_lies_about_others_change_nothing_of_them(fleet, pb, liar):
    before = honest(fleet)
    for what, more in lies(pb, liar, fleet.instances(module="hello")[0]):
        liar.report(**more)
        assert honest(fleet) == before, what
        assert liar.stream.end is None, what
    assert not any("it lies" in str(e) for e in fleet.api.get("/v1/events", limit=1000, newestFirst="true").json["events"] if e.get("base") != liar.name)


def test_the_base_key_is_the_bases_own(fleet, pb, agent, liar):
    """The key of one base does not open another, nor the same name in another tenant."""
    for base, tenant in (("n1", ""), ("stranger", ""), (liar.name, "other")):
        refused = agent().hello(base, tenant=tenant, base_key=liar.key).next("welcome", "refused").refused
        assert refused.code in ("unauthenticated", "already_exists") and refused.final, (base, refused)
    assert liar.stream.end is None


def test_old_reports_have_no_second_effect(fleet, pb, liar):
    liar.report(changed=[liar.held("mine")])
    assert [f["module"] for f in findings_of(fleet, liar.name)] == ["mine"]
    liar.report(gone=[pb.ModuleRef(module="mine", version="1.0.0")])
    told = events_of(fleet, liar.name)
    for seq in (liar.seq - 1, liar.seq, 1, 0, -5):
        liar.stream.send(report=pb.Report(seq=seq, changed=[liar.held("mine")], base_running=False))
    liar.report()
    assert findings_of(fleet, liar.name) == [] and events_of(fleet, liar.name) == told


def test_numbers_out_of_this_world(fleet, pb, agent, liar):
    """Witness, generation and sequence numbers that cannot be: the cell is not stopped, the base goes on or harms itself."""
    again = agent().hello(liar.name, base_key=liar.key, boot="b2", report_seq=HUGE, high_generation=2**63 - 1, base_start=-HUGE, witness_cell="00000000-0000-0000-0000-000000000000",
                          witness_epoch=HUGE, witness_event=HUGE, restarts=-1)
    welcomed(again)
    again.send(report=pb.Report(seq=2**63 - 1, full=True, base_ready=True, base_running=True))
    assert again.next("ack").ack.committed_seq == 2**63 - 1
    status = fleet.api.get("/v1/status").json
    assert status["active"] and not status.get("readOnly")
    assert fleet.api.post("/v1/modules", {"name": "still-works"}).status in (200, 201)


def test_modules_nobody_told_of_are_listed_up_to_a_bound(fleet, pb, liar):
    for i in range(5):
        liar.report(full=True, base_ready=True, base_running=True, changed=[liar.held(f"m{i}-{k}") for k in range(1000)])
    found = findings_of(fleet, liar.name)
    assert 0 < len(found) <= 66, len(found)
    assert {f["kind"] for f in found} <= {"unmanaged", "flooding"}
    liar.report(full=True, base_ready=True, base_running=True)
    assert [f["kind"] for f in findings_of(fleet, liar.name)] in ([], ["flooding"])


# ---- floods -----------------------------------------------------------------------------------------------------------------------------

def test_a_flood_of_changes_stays_within_its_budget(fleet, pb, liar):
    """Up and down and up again: its state is followed; of its events a budget is written, and one that says so."""
    before = honest(fleet)
    for i in range(400):
        liar.tell(base_running=False, base_note=f"down {i}")
        liar.tell(base_running=True, base_ready=True)
    for _ in range(20):
        assert fleet.api.get("/v1/status").status == 200
    liar.settled()
    told = events_of(fleet, liar.name)
    assert AT_ONCE / 2 < len(told) <= AT_ONCE + 8, len(told)
    assert [e["kind"] for e in told].count("finding.flooding") == 1
    assert "flooding" in [f["kind"] for f in findings_of(fleet, liar.name)]
    assert "flooding" in fleet.berth("status").stdout
    assert fleet.api.get(f"/v1/bases/{liar.name}").json["state"] == "ready"
    liar.report(base_running=False, base_note="the last word")
    assert fleet.api.get(f"/v1/bases/{liar.name}").json["stateReason"] == "the last word"
    liar.report(base_running=True, base_ready=True)
    assert honest(fleet) == before
    # the outcome of a command is recorded while it is flooding
    plan = fleet.deploy("hello:1.0.0", replicas=1, name="on-a-liar", group=liar.name, wait=0, strategy={"minReady": "0s", "retries": 0})
    items = liar.stream.next("command").command.items
    liar.report(outcomes=[pb.Outcome(generation=i.generation, task=i.task, instance=i.module.instance, kind=i.kind, ok=True, code="SUCCESS", state="activated",
                                     module="hello", version="1.0.0") for i in items])
    over = fleet.ended(plan["id"])
    assert over["state"] == "succeeded", over
    assert [e["kind"] for e in events_of(fleet, liar.name, plan=plan["id"])], "events of a plan are always written"


def test_coming_and_going_stays_within_its_budget(fleet, pb, agent, liar):
    """Reconnects are slowed down; those that get through cost the budget, and neighbours come in meanwhile."""
    event = fleet.api.get("/v1/status").json["lastEvent"]
    refused = 0
    for i in range(60):
        s = agent().hello(liar.name, base_key=liar.key, boot=f"b{i}")
        refused += s.next("welcome", "refused").WhichOneof("kind") == "refused"
        s.close()
    assert refused > 0
    welcomed(agent().hello(f"neighbour-of-{liar.name}"[:60], join_token=fleet.join_token("demo")))
    assert fleet.api.get("/v1/status").json["lastEvent"] - event <= AT_ONCE + 20


def test_a_flood_of_small_messages_is_read_at_its_pace(fleet, pb, liar):
    """Thousands of heartbeats wait in the sender's own queue, by flow control; a client of the server is served in between, in order."""
    for i in range(20000):
        liar.stream.send(heartbeat=pb.Heartbeat(memory_bytes=i))
    liar.tell(full=True, base_running=True, base_ready=True)
    numbers = [fleet.api.post("/v1/modules", {"name": f"between-{i}"}).json["createTime"] for i in range(30)]
    assert numbers == sorted(numbers)
    assert liar.stream.got.empty() or liar.stream.next("ack", "tick").WhichOneof("kind") == "tick"  # its report stands in its own queue
    assert liar.stream.end is None


def test_more_modules_than_one_base_can_hold(fleet, pb, liar):
    """Reports that only add: what the server keeps of one base is bounded, and says so."""
    for i in range(40):
        liar.tell(changed=[liar.held(f"{'m' * 55}{i}", f"{'v' * 55}{k}") for k in range(4000)])
        if liar.stream.end:
            break
    end = liar.stream.ended(60)
    assert end[0] == grpc.StatusCode.RESOURCE_EXHAUSTED and "more modules" in end[1], end
    assert fleet.api.get("/v1/status").status == 200


def test_a_flood_is_over_when_its_base_is_quiet(fleet, pb, liar):
    """Over a kill of the server the finding stands until it was looked at anew; then an event says how many were not written."""
    for i in range(AT_ONCE):
        liar.tell(base_running=False, base_note=f"down {i}")
        liar.tell(base_running=True, base_ready=True)
    liar.settled()
    cells.until(lambda: "flooding" in [f["kind"] for f in findings_of(fleet, liar.name)])
    assert not events_of(fleet, liar.name, kind="base.quieter")
    fleet.one.process.kill()
    fleet.one.start().ready()
    (over,) = cells.until(lambda: events_of(fleet, liar.name, kind="base.quieter"), 60, "it is quieter")
    assert f"base {liar.name} is quieter" in over["text"], over
    assert "flooding" not in [f["kind"] for f in findings_of(fleet, liar.name)]
    for name in ("n1", "n2"):
        fleet.base_ready(name)
