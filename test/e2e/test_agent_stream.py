"""The agents' stream spoken by hand: who is let in, what is refused, what a hostile agent may not do, what a reload leaves standing."""
import os
import pathlib
import sys
import threading
from types import SimpleNamespace

import pytest

grpc = pytest.importorskip("grpc")
ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
import cell as cells  # noqa: E402
from agent_wire import Stream, messages, welcomed  # noqa: E402
from tcp_proxy import Proxy  # noqa: E402

pytestmark = pytest.mark.skipif(not (cells.programs() / "berthd").exists(), reason=f"no berthd in {cells.programs()}: set BERTH_BIN_DIR")


@pytest.fixture(scope="module")
def pb(tmp_path_factory):
    return messages(tmp_path_factory.mktemp("pb"))


@pytest.fixture(scope="module")
def server():
    cell = cells.Cell()
    try:
        one = cell.server("server", "--heartbeat", "1s", "--renew", "500ms", "--stop", "2s", "--lease", "3s")
        yield one.ready()
    finally:
        cell.stop()


@pytest.fixture(scope="module")
def join(server):
    answer = server.client.post("/v1/tokens", {"name": "nodes", "role": "join"})
    assert answer.status == 201, answer
    return answer.json["secret"]


@pytest.fixture
def agent(pb, server):
    made = []

    def make(**options):
        made.append(Stream(pb, server, **options))
        return made[-1]
    yield make
    for stream in made:
        stream.close()


def test_a_base_joins_reports_and_hears_ticks(agent, join, pb, server):
    a = agent().hello("joins", join_token=join)
    w = welcomed(a)
    assert w.base == "joins" and w.base_key.startswith("bk_") and w.epoch > 0 and server.rpc in list(w.servers)
    a.send(report=pb.Report(seq=1, full=True, base_ready=True, base_running=True))
    assert a.next("ack").ack.committed_seq == 1
    assert a.next("tick").tick.epoch == w.epoch
    assert server.client.get("/v1/bases/joins").status == 200


def test_bases_that_join_at_once_share_commits(fleet, pb):
    """At most one commit in 20 ms is for them alone. Four of forty are on their way at any time."""
    fleet.server("server").ready()
    fleet.group("demo", 5)
    token = fleet.join_token("demo")
    many = [Stream(pb, fleet.one)]
    many += [Stream(pb, fleet.one, channel=many[0].channel) for _ in range(39)]
    for i, stream in enumerate(many):
        stream.hello(f"many-{i}", join_token=token)
        if i >= 4:
            welcomed(many[i - 4])
    for stream in many[-4:]:
        welcomed(stream)
    (commits, seconds), = fleet.sql("select count(distinct xmin::text), extract(epoch from max(joined_at) - min(joined_at)) from public.base")
    many[0].close()
    assert commits <= float(seconds) / 0.02 + 2, f"{commits} commits in {seconds} s"


def test_what_a_commit_holds_for_a_base_is_one_message(fleet, pb, until):
    """While one commit waits, the next takes up what several requests want of a base."""
    fleet.server("server").ready()
    fleet.group("demo", 5)
    one = Stream(pb, fleet.one).hello("one", join_token=fleet.join_token("demo"))
    welcomed(one)
    one.send(report=pb.Report(seq=1, full=True, base_ready=True, base_running=True, base_start=1))
    assert one.next("ack").ack.committed_seq == 1
    modules = [fleet.push(name) for name in ("hello-1.0.0", "slow", "crash")]
    session = fleet.connect()
    session.autocommit = False
    session.cursor().execute("lock table task in share mode")
    asking = []
    for n, module in enumerate(modules, 1):
        asking.append(threading.Thread(target=fleet.deploy, args=(module,), kwargs={"replicas": 1, "wait": 0}))
        asking[-1].start()
        until(lambda: f"\nberth_units_used {n}\n" in fleet.api.get("/metrics").body.decode(), 10, f"{module} is placed")
    session.rollback()
    session.close()
    messages = []
    while sum(map(len, messages)) < len(modules):
        messages.append([item.module.module for item in one.next("command").command.items])
    for thread in asking:
        thread.join()
    one.close()
    assert sum(messages, []) == [m.split(":")[0] for m in modules] and len(messages) <= 2, messages


def test_only_its_key_takes_over_a_living_base(agent, join, pb):
    first = agent().hello("held", join_token=join)
    key = welcomed(first).base_key
    first.send(report=pb.Report(seq=1, full=True, base_ready=True, base_running=True))
    assert first.next("ack").ack.committed_seq == 1
    stranger = agent().hello("held", join_token=join)
    refused = stranger.next("welcome", "refused").refused
    assert refused.code == "already_exists" and refused.final
    assert stranger.ended()[0] == grpc.StatusCode.OK
    again = agent().hello("held", base_key=key, boot="b2")
    assert not welcomed(again).base_key
    assert first.next("refused").refused.code == "superseded"
    first.ended()


def test_a_half_open_link_is_judged_by_what_is_heard(fleet, pb, until):
    """Nobody tells the server that the link leads nowhere; it is closed after three heartbeats. Before that, what ran there is placed
    elsewhere, and the base comes back on another path at once, while the old link still seems to stand."""
    fleet.server("server", f"--heartbeat={6 * cells.PACE}s", "--silent=6500ms", "--lost=7s", "--replace=500ms").ready()
    fleet.group("demo", 5)
    token = fleet.join_token("demo")
    host, port = fleet.one.rpc.split(":")
    proxy = Proxy((host, int(port)))
    frozen = Stream(pb, SimpleNamespace(rpc=proxy.address)).hello("frozen", join_token=token)
    key = welcomed(frozen).base_key
    spare = Stream(pb, fleet.one).hello("spare", join_token=token)
    welcomed(spare)
    for stream in (frozen, spare):
        stream.send(report=pb.Report(seq=1, full=True, base_ready=True, base_running=True, base_start=1))
        assert stream.next("ack").ack.committed_seq == 1
    stop = threading.Event()
    beats = [frozen, spare]

    def beat():
        while not stop.wait(0.3):
            for stream in list(beats):
                stream.send(heartbeat=pb.Heartbeat(report_seq=1, base_ready=True))
    threading.Thread(target=beat, daemon=True).start()

    def state():
        return fleet.api.get("/v1/bases/frozen").json

    def installs(stream):
        item, = stream.next("command").command.items
        stream.send(report=pb.Report(seq=2, outcomes=[pb.Outcome(
            generation=item.generation, task=item.task, instance=item.module.instance, kind=item.kind, ok=True, code="SUCCESS",
            state="activated", module=item.module.module, version=item.module.version)]))
        assert stream.next("ack").ack.committed_seq == 2
    try:
        assert fleet.berth("base", "cordon", "spare", "--reason", "later").returncode == 0
        plan = fleet.deploy(fleet.push("hello-1.0.0"), replicas=1, wait=0)
        installs(frozen)
        assert fleet.ended(plan["id"])["state"] == "succeeded"
        assert fleet.berth("base", "uncordon", "spare").returncode == 0
        beats.remove(frozen)
        proxy.hold()
        until(lambda: state()["state"] in ("silent", "lost"), 20, "it is silent")
        assert state()["connected"], "nobody noticed the link"
        said = fleet.berth("why", "frozen").stdout
        assert "nothing heard from it, though its connection stands" in said, said
        installs(spare)
        until(lambda: fleet.on("hello") == ["spare"], 20, "its instance is placed elsewhere")
        assert state()["state"] == "lost" and state()["connected"]
        again = Stream(pb, fleet.one).hello("frozen", base_key=key, boot="b2", report_seq=2)
        assert not welcomed(again).base_key
        again.send(report=pb.Report(seq=3, full=True, base_ready=True, base_running=True, base_start=1))
        assert again.next("ack").ack.committed_seq == 3
        assert state()["state"] == "ready" and state()["connected"]
        again.close()
    finally:
        stop.set()
        for stream in (frozen, spare):
            stream.close()
        proxy.close()


def test_a_key_that_nobody_could_store_is_given_again(agent, join, pb):
    """The Welcome was lost on its way, or with the agent's host: its base must not be locked out of its own name."""
    first = agent().hello("unheard", join_token=join)
    lost = welcomed(first).base_key
    second = agent().hello("unheard", join_token=join, boot="b2")
    refused = second.next("welcome", "refused").refused
    assert refused.code == "already_exists" and not refused.final, "while the first connection stands"
    same = agent().hello("unheard", join_token=join)
    again = welcomed(same).base_key
    assert again and again != lost, "the same process on another connection: its first one may be half open"
    assert first.next("refused").refused.code == "superseded"
    same.close()

    def joined():
        a = agent().hello("unheard", join_token=join, boot="b3")
        m = a.next("welcome", "refused")
        return m.WhichOneof("kind") == "welcome" and (a, m.welcome)
    third, w = cells.until(joined, 20, "it joins once the first connection has ended")
    assert w.base_key and w.base_key not in (lost, again) and w.committed_seq == 0
    third.send(report=pb.Report(seq=1, full=True, base_ready=True, base_running=True))
    assert third.next("ack").ack.committed_seq == 1
    stranger = agent().hello("unheard", base_key=lost, boot="b4")
    assert stranger.next("welcome", "refused").refused.final


@pytest.mark.parametrize("raw, code", [
    (b"\xff\xff\xff", grpc.StatusCode.INVALID_ARGUMENT),
    (b"", grpc.StatusCode.INVALID_ARGUMENT),
    (b"\x0a\x03\x0a\x01\xff", grpc.StatusCode.INVALID_ARGUMENT),              # a base name that is not UTF-8
    (b"\x0a" + b"\x80\x80\x28" + b"\x72\x00" * 327680, grpc.StatusCode.RESOURCE_EXHAUSTED),  # far too many modules
    (b"x" * (2 << 20), grpc.StatusCode.RESOURCE_EXHAUSTED),
])
def test_garbage_ends_the_stream_with_its_reason(agent, raw, code):
    a = agent(raw=True)
    a.out.put(raw)
    end = a.ended()
    assert end[0] == code and end[1]


def test_the_first_message_is_hello_and_the_only_one(agent, join, pb):
    early = agent()
    early.send(heartbeat=pb.Heartbeat())
    assert early.ended() == (grpc.StatusCode.INVALID_ARGUMENT, "the first message must be Hello")
    twice = agent().hello("twice", join_token=join)
    welcomed(twice)
    twice.hello("twice")
    assert twice.ended() == (grpc.StatusCode.INVALID_ARGUMENT, "a second Hello on one stream")


def test_without_a_valid_token_nobody_gets_in(agent):
    a = agent().hello("nobody", join_token="join_wrong")
    assert a.next("refused").refused.code == "unauthenticated"
    assert a.next("welcome") is None


def test_a_silent_stream_is_closed(agent, join):
    quiet = agent().hello("quiet", join_token=join)
    welcomed(quiet)
    assert quiet.ended(15)[0] == grpc.StatusCode.DEADLINE_EXCEEDED


def test_a_flapping_base_is_slowed_down_but_not_a_neighbour(agent, join):
    key = welcomed(agent().hello("flaps", join_token=join)).base_key
    codes = []
    for i in range(40):
        message = agent().hello("flaps", base_key=key, boot=f"b{i}").next("welcome", "refused")
        codes.append(message.refused.code if message.WhichOneof("kind") == "refused" else "")
    assert "too_many_requests" in codes and codes.index("too_many_requests") >= 15
    welcomed(agent().hello("neighbour", join_token=join))


def test_after_a_goodbye_only_a_hello_brings_a_base_back(agent, join, pb, server):
    """Its process may take long to stop: what is still on its way then says how it was before."""
    a = agent().hello("leaves", join_token=join)
    key = welcomed(a).base_key
    a.send(report=pb.Report(seq=1, full=True, base_ready=True, base_running=True))
    assert a.next("ack").ack.committed_seq == 1
    a.send(goodbye=pb.Goodbye(reason="SIGTERM"))
    a.send(heartbeat=pb.Heartbeat(report_seq=1, base_ready=True))
    a.send(report=pb.Report(seq=2, base_ready=True, base_running=True))
    a.hello("leaves")  # wrong, so that its answer tells that the others were heard
    assert a.ended() == (grpc.StatusCode.INVALID_ARGUMENT, "a second Hello on one stream")
    assert server.client.get("/v1/bases/leaves").json["state"] == "stopped"
    again = agent().hello("leaves", base_key=key, boot="b2")
    welcomed(again)
    again.send(report=pb.Report(seq=3, full=True, base_ready=True, base_running=True))
    assert again.next("ack").ack.committed_seq == 3
    assert server.client.get("/v1/bases/leaves").json["state"] == "ready"


def test_a_flood_harms_only_its_sender(agent, join, pb, server):
    flood = agent().hello("floods", join_token=join)
    welcomed(flood)
    for i in range(20000):
        flood.send(heartbeat=pb.Heartbeat(memory_bytes=i))
    flood.send(report=pb.Report(seq=1, full=True, base_running=True))
    for _ in range(50):
        assert server.client.get("/v1/status").status == 200
    assert flood.got.empty() or flood.next("ack", "tick").WhichOneof("kind") == "tick"  # its report stands in its own queue
    assert flood.end is None


def test_streams_outlive_the_database(agent, join, pb, server):
    """Rule 6: the connection to PostgreSQL goes and comes; the stream stays, and what the base reported since is not forgotten."""
    a = agent().hello("stays", join_token=join)
    before = welcomed(a).epoch
    a.send(report=pb.Report(seq=1, full=True, base_ready=True, base_running=True))
    assert a.next("ack").ack.committed_seq == 1
    stop = threading.Event()

    def beat():
        while not stop.wait(0.5):
            a.send(heartbeat=pb.Heartbeat(report_seq=1))
    threading.Thread(target=beat, daemon=True).start()
    try:
        os.kill(server.postmaster, 9)
        cells.until(lambda: server.client.try_get("/readyz") and server.client.try_get("/readyz").status == 200, 30, "the server is ready again")
        second = pb.Report(seq=2, base_ready=True, base_running=True)
        a.send(report=second)
        # Repeated until it is acknowledged, at each Welcome: one may be on its way still.
        while (m := a.next("ack", "welcome")).WhichOneof("kind") == "welcome" or m.ack.committed_seq < 2:
            if m.WhichOneof("kind") == "welcome" and m.welcome.committed_seq < 2:
                a.send(report=second)
            elif m.WhichOneof("kind") == "welcome":
                break
        assert a.next("tick").tick.epoch >= before
        assert a.end is None
    finally:
        stop.set()
