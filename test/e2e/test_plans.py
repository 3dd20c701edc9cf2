"""What people do to plans, with real processes: letting a base be, taking back, freezing."""
import http.client
import json

import pytest

import cell as cells


@pytest.fixture
def three(fleet):
    fleet.begin(bases=3)
    fleet.push("hello-1.0.0")
    fleet.push("hello-2.0.0")
    fleet.push("broken")
    return fleet


def said(done):
    return done.stdout + done.stderr


def test_undo_of_a_finished_plan_and_of_the_first_release(three):
    first = three.deploy("hello:1.0.0")
    second = three.deploy("hello:2.0.0")
    assert second["state"] == "succeeded"
    back = three.berth("plan", "undo", second["id"], "--reason", "errors in checkout", "--timeout", "60s")
    assert back.returncode == 0, said(back)
    assert three.on("hello", "1.0.0") == ["n1", "n2", "n3"]
    # The first one is overtaken now: the answer names what is newer.
    refused = three.api.post(f"/v1/plans/{first['id']}:undo", {})
    assert refused.status == 409 and "newer" in refused.json["detail"], refused
    three.sound()


def test_what_a_plan_cannot_do_points_at_what_is_in_the_way(three):
    first, second = three.deploy("hello:1.0.0"), three.deploy("hello:2.0.0")
    restart = three.api.post("/v1/deployments/hello:restart", {}, headers={"Prefer": "wait=30"}).json
    assert three.ended(restart["id"])["state"] == "succeeded"
    for plan, verb, body, status, pointer, text in (
            (first, "undo", {}, 409, "/plan", "newer than what plan"),
            (restart, "undo", {}, 409, "/plan", "changed no revision"),
            (second, "undo", {"now": True}, 400, "/meta/reason", "say why"),
            (second, "pause", {}, 409, "/plan", "is succeeded"),
            (second, "confirm", {"batch": 1}, 409, "/plan", "is succeeded"),
            (second, "retry", {}, 409, "/plan", "is succeeded")):
        refused = three.api.post(f"/v1/plans/{plan['id']}:{verb}", body)
        assert refused.status == status and refused.json["errors"][0]["pointer"] == pointer and text in refused.json["detail"], (verb, body, refused)
    assert three.berth("offline", "hello", "--timeout", "60s").returncode == 0
    for verb in "restart", "replace", "retry":
        refused = three.api.post(f"/v1/deployments/hello:{verb}", {})
        assert refused.status == 409 and refused.json["errors"][0]["pointer"] == "/deployment", refused


def test_undo_of_a_release_takes_it_away(three):
    first = three.deploy("hello:1.0.0")
    undone = three.api.post(f"/v1/plans/{first['id']}:undo", {}, headers={"Prefer": "wait=30"})
    assert undone.status in (200, 202), undone
    cells.until(lambda: three.api.get("/v1/deployments/hello").json["state"] == "offline")
    assert not three.instances(module="hello")


def test_a_failing_release_takes_itself_back(three):
    three.deploy("hello:1.0.0")
    body = {"name": "b", "module": "broken", "version": "1.0.0", "group": "demo", "replicas": 2, "strategy": {"retries": 0, "minReady": "0s", "onFailure": "undo"}}
    plan = three.api.post("/v1/deployments", body).json
    assert three.ended(plan["id"])["state"] == "undone"
    cells.until(lambda: three.api.get("/v1/deployments/b").json["state"] == "offline")
    kinds = [p["kind"] for p in three.api.get("/v1/plans", deployment="b").json["plans"]]
    assert kinds[0] == "undo", kinds


def test_letting_the_failed_base_be(three):
    body = {"name": "b", "module": "broken", "version": "1.0.0", "group": "demo", "replicas": 1, "strategy": {"retries": 0, "minReady": "0s"}}
    number = three.api.post("/v1/deployments", body).json["id"]
    cells.until(lambda: three.plan(number)["state"] == "paused")
    base = next(t["base"] for t in three.plan(number)["tasks"] if t["state"] == "failed")
    assert three.api.post(f"/v1/plans/{number}:ignore", {"base": base}).status == 400
    done = three.berth("plan", "ignore", number, "--base", base, "--reason", "disk is being replaced", "--no-wait")
    assert done.returncode == 0, said(done)
    three.ended(number)
    three.one.process.kill()
    three.one.start().ready()  # the plan is history now
    shown = three.berth("plan", "show", number)
    assert "disk is being replaced" in shown.stdout, said(shown)
    assert three.api.get("/v1/plans").json["plans"][0]["notes"] == three.plan(number)["notes"] == [f"base {base} is let be: disk is being replaced (admin)"]


def test_a_frozen_group_starts_nothing_and_says_why(three):
    assert three.berth("freeze", "demo").returncode != 0
    assert three.berth("freeze", "demo", "--reason", "sale weekend").returncode == 0
    plan = three.deploy("hello:1.0.0", wait=0)
    assert plan["state"] == "queued" and "sale weekend" in plan["waitingFor"][0]["text"], plan
    assert "sale weekend" in three.berth("why", "hello").stdout
    assert three.berth("unfreeze", "demo").returncode == 0
    assert three.ended(plan["id"])["state"] == "succeeded"


def test_a_drained_base_is_empty_and_stays_so(three):
    three.deploy("hello:1.0.0", replicas=2)
    busy = three.on("hello")[0]
    free = ({"n1", "n2", "n3"} - set(three.on("hello"))).pop()
    done = three.berth("base", "drain", busy, "--reason", "new disk", "--timeout", "60s")
    assert done.returncode == 0, said(done)
    assert not three.instances(base=busy) and free in three.on("hello") and len(three.on("hello")) == 2
    again = three.berth("base", "drain", busy)
    assert again.returncode == 0, said(again)
    waiting = three.deploy("hello:1.0.0", replicas=3, wait=1, status=(200, 202))
    assert "cordoned" in waiting["waitingFor"][0]["text"], waiting
    assert three.berth("base", "undrain", busy).returncode == 0
    assert three.ended(waiting["id"])["state"] == "succeeded"
    assert busy in three.on("hello")
    three.sound()


def test_a_drain_without_room_says_since_when_and_which_command_ends_it(three):
    three.deploy("hello:1.0.0", replicas=3)
    begun = three.sql("select now()")[0][0]
    drain = three.berth("base", "drain", "n2", "--reason", "new disk", "--wait", "--timeout", "1s")
    assert drain.returncode == 6, said(drain)
    why = json.loads(three.berth("why", "base/n2", "-o", "json").stdout)
    waits = {w["rule"]: w for w in why["waitingFor"]}
    assert waits["cordoned"]["command"] == "berth base undrain n2" and "new disk" in waits["cordoned"]["text"], why
    assert waits["drain"]["command"].startswith("berth why "), why
    # The base has been ready for longer than it has been closed.
    ((cordoned, ready),) = three.sql("select cordoned_at, state_since from dash.base_current where base = 'n2'")
    assert cordoned >= begun > ready, (cordoned, begun, ready)
    shown = three.api.get("/v1/bases/n2").json
    assert waits["cordoned"]["since"] == shown["cordonTime"] > shown["stateTime"], (why, shown)
    assert three.berth("base", "undrain", "n2").returncode == 0
    assert "cordonTime" not in three.api.get("/v1/bases/n2").json
    # Nothing is on its way, and nothing to scale to where it is as wanted.
    three.ended(int(waits["drain"]["command"].split()[-1]))
    assert "berth plan list --all" in three.berth("plan", "list").stderr
    well = three.berth("why", "hello").stdout
    assert "as wanted" in well and "already hold hello" in well and "berth scale" not in well, well
    three.sound()


def test_replace_goes_elsewhere_and_restart_stays(three):
    three.deploy("hello:1.0.0", replicas=1)
    (before,) = three.instances(module="hello")
    done = three.berth("restart", "hello", "--timeout", "60s")
    assert done.returncode == 0, said(done)
    (restarted,) = three.instances(module="hello")
    assert restarted["base"] == before["base"] and restarted["id"] > before["id"]
    done = three.berth("replace", "hello", "--base", before["base"], "--timeout", "60s")
    assert done.returncode == 0, said(done)
    (moved,) = three.instances(module="hello")
    assert moved["base"] != before["base"] and moved["state"] == "ready"
    three.sound()


def test_surge_leaves_nothing_unanswered(three):
    three.deploy("hello:1.0.0", replicas=2)
    done = three.deploy("hello:2.0.0", replicas=2, strategy={"minReady": "0s", "upgradePolicy": "surge"})
    assert done["state"] == "succeeded" and three.on("hello") == three.on("hello", "2.0.0") and len(three.on("hello")) == 2
    order = [(t["kind"], t["state"]) for t in sorted(three.plan(done["id"])["tasks"], key=lambda t: t["id"])]
    assert order == [("install", "succeeded"), ("uninstall", "succeeded")] * 2, order


def test_zone_by_zone_behind_a_named_base(fleet):
    fleet.begin(bases=0)
    for zone, names in {"a": ["a1", "a2"], "b": ["b1", "b2"]}.items():
        fleet.join(names, options=("--zone", zone))
    fleet.push("hello-1.0.0")
    fleet.push("hello-2.0.0")
    fleet.deploy("hello:1.0.0", replicas=4)
    shown = fleet.berth("deploy", "hello:2.0.0", "--beta", "a2", "--batches-by", "zone", "--batch-order", "b,a", "--min-ready", "0s", "--no-wait", "-o", "json")
    number = json.loads(shown.stdout)["id"]
    cells.until(lambda: fleet.plan(number)["state"] == "confirming")
    fleet.one.process.kill()
    fleet.one.start().ready()
    assert fleet.on("hello", "2.0.0") == ["a2"]
    assert [(b["size"], b["label"]) for b in fleet.plan(number)["batches"]] == [(1, "base=a2"), (2, "zone=b"), (1, "zone=a")]
    assert fleet.berth("plan", "confirm", number, 1).returncode == 0
    assert fleet.ended(number)["state"] == "succeeded"
    order = [(t["batch"], t["base"]) for t in sorted(fleet.plan(number)["tasks"], key=lambda t: t["id"]) if t["kind"] == "install"]
    assert [b for b, _ in order] == [1, 2, 2, 3] and {n for b, n in order if b == 2} == {"b1", "b2"}, order
    unknown = fleet.berth("deploy", "hello:2.0.0", "--beta", "zz", "--no-wait")
    assert unknown.returncode != 0 and "has no base zz" in said(unknown), said(unknown)
    fleet.sound()


def test_going_back_now_needs_a_reason_and_keeps_it(three):
    three.deploy("hello:1.0.0")
    done = three.deploy("hello:2.0.0")
    refused = three.berth("plan", "undo", done["id"], "--now")
    assert refused.returncode != 0 and "say why" in said(refused), said(refused)
    back = three.berth("plan", "undo", done["id"], "--now", "--reason", "checkout is down", "--timeout", "60s")
    assert back.returncode == 0, said(back)
    plan = three.api.get("/v1/plans", deployment="hello").json["plans"][0]
    assert plan["kind"] == "undo" and plan["reason"] == "checkout is down" and plan["state"] == "succeeded", plan
    assert three.on("hello", "1.0.0") == ["n1", "n2", "n3"]


def test_artifacts_are_there_before_the_first_batch(fleet):
    fleet.begin(bases=4)
    fleet.push("hello-1.0.0")
    fleet.push("hello-2.0.0")
    fleet.deploy("hello:1.0.0", replicas=4)
    sha = fleet.api.get("/v1/modules/hello/versions/2.0.0").json["artifact"]

    def held():
        """The file in each agent's cache: another inode would be another download."""
        return {f: f.stat().st_ino for f in (fleet.folder / "bases").rglob(sha)}
    plan = fleet.deploy("hello:2.0.0", replicas=4, wait=0, strategy={"minReady": "0s", "confirm": "beta"})
    cells.until(lambda: fleet.plan(plan["id"])["state"] == "confirming")
    before = held()
    assert len(fleet.on("hello", "2.0.0")) == 1 and len(before) == 4, before
    assert fleet.api.post(f"/v1/plans/{plan['id']}:confirm", {"batch": 1}).status == 200
    assert fleet.ended(plan["id"])["state"] == "succeeded" and held() == before
    kinds = [e["kind"] for e in fleet.api.get("/v1/events", plan=plan["id"], limit=100).json["events"]]
    assert kinds.index("plan.prefetching") < kinds.index("plan.prefetched") < kinds.index("batch.started") < kinds.index("task.sent"), kinds


class Watch:
    """GET /v1/endpoints:watch, read as it comes: what is ready where."""

    def __init__(self, cell, query):
        host, port = cell.one.rest.rsplit(":", 1)
        self.connection = http.client.HTTPConnection(host, int(port), timeout=60)
        self.connection.request("GET", f"/v1/endpoints:watch?{query}", headers={"Authorization": f"Bearer {cell.token}"})
        self.answer = self.connection.getresponse()
        assert self.answer.status == 200, self.answer.read()
        self.now, self.names, self.synced, self.told = {}, {}, False, 0

    def read_until(self, wanted):
        kind = None
        while not wanted():
            line = self.answer.readline().decode()
            assert line, "the server ended the stream"
            line = line.rstrip()
            if line.startswith("event: "):
                kind = line[7:]
            elif line.startswith("data: "):
                self.told += 1
                self.take(kind, json.loads(line[6:]))
        return self

    def take(self, kind, change):
        if kind == "synced":
            self.synced = True
        elif kind == "gone":
            self.now.pop(change["endpoint"]["instance"], None)
        else:
            e = change["endpoint"]
            self.now[e["instance"]] = (e["base"], e["version"], e["ready"])

    def ready(self):
        return sorted((base, version) for base, version, ready in self.now.values() if ready)


def test_a_gateway_follows_endpoints(three):
    three.deploy("hello:1.0.0", replicas=2)
    watch = Watch(three, "module=hello")
    watch.read_until(lambda: watch.synced)
    assert watch.ready() == [(b, "1.0.0") for b in three.on("hello")]
    three.deploy("hello:2.0.0", replicas=2)
    watch.read_until(lambda: watch.ready() == [(b, "2.0.0") for b in three.on("hello")] and len(watch.now) == 2)
    gone = watch.ready()[0][0]
    three.agents[gone].stop()
    watch.read_until(lambda: gone not in [b for b, _ in watch.ready()])
    three.agents[gone].start()
    watch.read_until(lambda: gone in [b for b, _ in watch.ready()])
    assert watch.told < 60, "only changes are told"


def test_endpoints_say_where_a_module_answers(three):
    three.deploy("hello:1.0.0", replicas=2)
    found = three.api.get("/v1/endpoints", module="hello", ready="true").json["endpoints"]
    found.sort(key=lambda e: e["base"])
    assert [e["base"] for e in found] == three.on("hello") and all(e["address"] and e["version"] == "1.0.0" for e in found), found
    assert three.sql("select base, address, ready from dash.endpoint_current where module = 'hello' order by base") == [(e["base"], e["address"], True) for e in found]
    shown = three.berth("endpoints", "hello", "--ready", "-o", "name")
    assert sorted(shown.stdout.split()) == sorted(e["address"] for e in found), said(shown)
    three.agents[found[0]["base"]].stop()
    cells.until(lambda: [e["base"] for e in three.api.get("/v1/endpoints", ready="true").json["endpoints"]] == [found[1]["base"]])
