"""Several changes in one plan, and modules that require each other on one base, with real processes."""
import os
import signal

import cell as cells

AT_ONCE = {"minReady": "0s", "prefetch": "0s"}


def together(fleet, *names, replicas=None, wait=30, status=(200, 202), query="", headers=(), **more):
    changes = []
    for name in names:
        module, version = name.split(":")
        changes.append({"module": module, "version": version, "group": "demo"} | ({"replicas": replicas} if replicas is not None else {}))
    body = {"changes": changes, "strategy": AT_ONCE | more.pop("strategy", {})} | more
    answer = fleet.api.post(f"/v1/plans{query}", body, headers={"Prefer": f"wait={wait}"} | dict(headers), timeout=wait + 30)
    assert answer.status in status, answer
    return answer.json


def points_at(refused):
    assert refused.status == 409, refused
    return refused.json["errors"][0]["pointer"]


def order(fleet, number):
    """What was installed and removed by a plan, in the order in which it was done: ("n1", "install", "a:1.0"), …"""
    events = fleet.api.get("/v1/events", plan=number, limit=1000).json["events"]
    done = [e for e in events if e["kind"] == "task.succeeded"]
    return [(e["base"], e["text"].split()[0], f"{e['module']}:{e['version']}") for e in done]


def test_three_modules_as_one_plan(fleet, shop):
    fleet.begin(bases=4)
    for name in ("a", "b", "c"):
        shop(name, "1.0"), shop(name, "2.0")
    plan = together(fleet, "a:1.0", "b:1.0", "c:1.0", replicas=4, headers={"Idempotency-Key": "k1"})
    assert plan["state"] == "succeeded" and plan["kind"] == "release", plan
    assert sorted(c["deployment"] for c in plan["changes"]) == ["a", "b", "c"]
    # One base with all its modules, then the second, then the other two.
    assert [b["size"] for b in plan["batches"]] == [3, 9], plan["batches"]
    assert together(fleet, "a:1.0", "b:1.0", "c:1.0", replicas=4, headers={"Idempotency-Key": "k1"})["id"] == plan["id"]
    again = together(fleet, "a:1.0", "b:1.0", "c:1.0", replicas=4)
    assert "id" not in again and again["notes"] == ["everything is already so"]
    # What is there is changed base by base: the first base has all of its modules at the new version before another one is touched.
    dry = together(fleet, "a:2.0", "b:2.0", "c:2.0", query="?dryRun=true")
    assert len({p["base"] for p in dry["placements"] if p["batch"] == 1}) == 1 and [b["size"] for b in dry["batches"]] == [3, 9], dry
    plan = together(fleet, "a:2.0", "b:2.0", "c:2.0")
    first = [(base, what) for base, how, what in order(fleet, plan["id"]) if how == "installed"][:3]
    assert len({base for base, _ in first}) == 1 and {what for _, what in first} == {"a:2.0", "b:2.0", "c:2.0"}, first
    fleet.sound()


def test_the_command_line_takes_several(fleet, shop, tmp_path):
    fleet.begin(bases=3)
    shop("a", "1.0"), shop("b", "1.0"), shop("b", "2.0")
    done = fleet.berth("deploy", "a:1.0", "b:1.0", "--replicas", "2", "--min-ready", "0s")
    assert done.returncode == 0 and "a 1.0" in done.stdout and "b 1.0" in done.stdout, done
    assert len(fleet.on("a")) == 2 and len(fleet.on("b")) == 2
    assert fleet.berth("deploy", "a:1.0", "b:1.0", "--env", "A=1").returncode == 2
    dry = fleet.berth("deploy", "a:1.0", "b:2.0", "--dry-run")
    assert dry.returncode == 0 and "b 1.0" in dry.stdout, dry
    doc = tmp_path / "shop.yaml"
    doc.write_text("kind: Deployment\nmodule: a\nversion: '1.0'\nname: a\nreplicas: 3\n---\nkind: Deployment\nmodule: b\nname: b\nversion: '2.0'\nreplicas: 3\n")
    assert fleet.berth("apply", "-f", doc, "--idempotency-key", "x").returncode == 0
    plans = fleet.api.get("/v1/plans").json["plans"]
    assert sorted(c["deployment"] for c in plans[0]["changes"]) == ["a", "b"], plans[0]
    assert fleet.on("b", "2.0") == fleet.on("a") == ["n1", "n2", "n3"]
    doc.write_text(doc.read_text().replace("replicas: 3", "replicas: 1"))
    done = fleet.berth("apply", "-f", doc, "--separate")
    assert done.returncode == 0 and len(fleet.api.get("/v1/plans").json["plans"]) == len(plans) + 2, done


def test_one_plan_takes_all_its_deployments_or_waits(fleet, shop):
    fleet.begin(bases=4)
    shop("a", "1.0"), shop("a", "2.0"), shop("b", "1.0"), shop("b", "2.0")
    together(fleet, "a:1.0", "b:1.0", replicas=4)
    busy = fleet.deploy("a:2.0", replicas=4, wait=0, strategy={"confirm": "beta", "minReady": "0s"})
    cells.until(lambda: fleet.plan(busy["id"])["state"] == "confirming")
    refused = fleet.api.post("/v1/plans?ifBusy=refuse", {"changes": [{"module": "b", "version": "2.0"}, {"module": "a", "version": "1.0"}]})
    assert refused.status == 409 and refused.code == "busy" and refused.json["errors"][0]["pointer"] == "/changes/1", refused
    waits = together(fleet, "b:2.0", "a:1.0", wait=0)
    assert waits["state"] == "queued" and waits["waitingFor"][0]["rule"] == "other_plan", waits
    assert fleet.on("b", "2.0") == []
    # A newer change of one of them takes that one out; the other still gets its own.
    newer = fleet.deploy("a:1.0", replicas=2, wait=0, strategy={"confirm": "none", "minReady": "0s"})
    assert fleet.plan(waits["id"])["state"] == "superseded"
    assert fleet.api.post(f"/v1/plans/{busy['id']}:confirm", {"batch": 1}).status == 200
    assert fleet.ended(newer["id"])["state"] == "succeeded"
    cells.until(lambda: len(fleet.on("b", "2.0")) == 4)
    fleet.sound()


def test_what_is_required_comes_first_and_goes_last(fleet, shop):
    fleet.begin(bases=2)
    shop("app", "1.0", lib="^1"), shop("lib", "1.0")
    plan = together(fleet, "app:1.0", "lib:1.0", replicas=2)
    assert plan["state"] == "succeeded", plan
    did = order(fleet, plan["id"])
    for base in ("n1", "n2"):
        assert [what for b, _, what in did if b == base] == ["lib:1.0", "app:1.0"], did
    undone = fleet.api.post(f"/v1/plans/{plan['id']}:undo", {}, headers={"Prefer": "wait=30"}).json
    did = order(fleet, undone["id"])
    for base in ("n1", "n2"):
        assert [what for b, _, what in did if b == base] == ["app:1.0", "lib:1.0"], did


def test_an_exchange_in_place_takes_those_along_that_require_it(fleet, shop):
    fleet.begin(bases=2)
    shop("app", "1.0", lib="^1"), shop("lib", "1.0"), shop("lib", "1.1"), shop("lib", "2.0"), shop("app", "2.0", lib="^2")
    together(fleet, "app:1.0", "lib:1.0", replicas=2)
    body = {"module": "lib", "version": "1.1", "strategy": AT_ONCE | {"upgradePolicy": "in_place"}}
    dry = fleet.api.post("/v1/deployments?dryRun=true", body).json
    assert any("app requires lib" in n for n in dry["notes"]), dry["notes"]
    plan = fleet.api.post("/v1/deployments", body, headers={"Prefer": "wait=30"}).json
    assert plan["state"] == "succeeded", plan
    assert [c["deployment"] for c in plan["changes"] if c.get("accompanies")] == ["app"], plan["changes"]
    for base in ("n1", "n2"):
        did = [(how, what) for b, how, what in order(fleet, plan["id"]) if b == base]
        assert did == [("removed", "app:1.0"), ("removed", "lib:1.0"), ("installed", "lib:1.1"), ("installed", "app:1.0")], did
    assert fleet.on("app", "1.0") == ["n1", "n2"]
    # Both to versions that only go together.
    plan = together(fleet, "app:2.0", "lib:2.0", strategy={"upgradePolicy": "in_place"})
    assert plan["state"] == "succeeded", plan
    for base in ("n1", "n2"):
        did = [what for b, _, what in order(fleet, plan["id"]) if b == base]
        assert did == ["app:1.0", "lib:1.1", "lib:2.0", "app:2.0"], did
    fleet.sound()


REFUSED = [
    # changes, pointer, text
    ([("ring", "1.0")], "/changes/0/version", "ring 1.0 → hoop ^1 → ring"),
    ([("lonely", "1.0")], "/changes/0/version", "lonely 1.0 → nobody ^3: nobody deploys nobody"),
    ([("plain", "1.0"), ("app", "2.0")], "/changes/1/version", "app 2.0 → lib ^2: lib is at 1.0"),
    ([("app", "2.0")], "/changes/0/version", "berth deploy app:2.0 lib:2.0"),
    ([("lib", "2.0")], "/changes/0/version", "app 1.0 → lib ^1, and 2.0 would not do"),
    ([("lib", "2.0")], "/changes/0/version", "berth deploy lib:2.0 app:2.0"),
    ([("plain", "1.0"), ("plain", "1.0")], "/changes/1/name", "twice"),
    ([], "/changes", "from 1 to 100"),
    ([("plain", "9")], "/changes/0/version", "no version 9"),
    ([("plain", "1.0"), ("what", "1")], "/changes/1/module", "does not exist"),
]


def test_refusals_name_the_field_and_the_path(fleet, shop):
    fleet.begin(bases=1)
    shop("lib", "1.0"), shop("lib", "2.0"), shop("app", "1.0", lib="^1"), shop("app", "2.0", lib="^2"), shop("plain", "1.0")
    shop("ring", "1.0", hoop="^1"), shop("hoop", "1.0", ring="^1"), shop("lonely", "1.0", nobody="^3")
    together(fleet, "app:1.0", "lib:1.0", replicas=1)
    hoop = shop("hoop", "1.1")
    together(fleet, hoop, replicas=1)
    fleet.api.post("/v1/plans", {"changes": [{"module": "hoop", "version": "1.0"}]})
    before = fleet.sql("select count(*) from revision")
    for changes, pointer, text in REFUSED:
        if changes and changes[0][0] == "ring":
            changes = [("ring", "1.0"), ("hoop", "1.0")]
        answer = fleet.api.post("/v1/plans", {"changes": [{"module": m, "version": v, "group": "demo"} for m, v in changes]})
        assert answer.status in (400, 404, 409), (changes, answer)
        assert text in answer.json["detail"], (changes, answer.json)
        assert answer.json["errors"][0]["pointer"] == pointer, (changes, answer.json)
    assert fleet.sql("select count(*) from revision") == before
    # Going back alone is the same question.
    together(fleet, "app:2.0", "lib:2.0")
    back = fleet.berth("rollback", "lib")
    assert back.returncode != 0 and "app 2.0 → lib ^2" in back.stderr and "berth deploy lib:1.0 app:1.0" in back.stderr, back
    assert points_at(fleet.api.post("/v1/deployments/lib:rollback", {"to": 1})) == "/to"
    assert fleet.berth("deploy", "lib:1.0", "app:1.0", "--min-ready", "0s").returncode == 0
    assert fleet.on("app", "1.0") == fleet.on("lib", "1.0") == ["n1"]


def test_what_others_require_stays(fleet, shop):
    fleet.begin(bases=2)
    shop("lib", "1.0"), shop("app", "1.0", lib="")
    together(fleet, "lib:1.0", "app:1.0", replicas=2)
    for verb in (("offline", "lib"), ("delete", "lib"), ("scale", "lib", "0"), ("scale", "lib", "1"), ("replace", "lib")):
        done = fleet.berth(*verb)
        assert done.returncode != 0 and "app requires lib" in done.stderr and "berth offline app" in done.stderr, (verb, done)
    assert points_at(fleet.api.post("/v1/deployments/lib:offline", {})) == "/deployment"
    assert points_at(fleet.api.post("/v1/deployments/lib:replace", {"base": "n1"})) == "/base"
    assert points_at(fleet.api.patch("/v1/deployments/lib", {"replicas": 0})) == "/replicas"
    assert fleet.berth("offline", "lib", "--force").returncode != 0  # and why?
    several = {"changes": [{"name": "app"}, {"name": "lib", "replicas": 0}], "meta": {"force": True}}
    assert points_at(fleet.api.post("/v1/plans", several | {"meta": {}})) == "/changes/1/replicas"
    refused = fleet.api.post("/v1/plans", several)
    assert refused.status == 400 and refused.json["errors"][0]["pointer"] == "/meta/reason", refused  # of the request, not of the change
    done = fleet.berth("offline", "lib", "--force", "--reason", "lib leaks")
    assert done.returncode == 0, done
    assert fleet.on("lib") == [] and fleet.on("app") == ["n1", "n2"]
    events = fleet.api.get("/v1/events", kind="plan.created", deployment="lib", limit=1000).json["events"]
    assert events[-1]["reason"] == "lib leaks", events[-1]


def test_what_others_require_is_not_undone(fleet, shop):
    fleet.begin(bases=1)
    shop("lib", "1.0"), shop("lib", "2.0"), shop("app", "1.0", lib=""), shop("app", "2.0", lib="^2")
    first = together(fleet, "lib:1.0", replicas=1)
    together(fleet, "app:1.0", replicas=1)
    taken = fleet.api.post(f"/v1/plans/{first['id']}:undo", {})
    assert points_at(taken) == "/plan" and "app requires lib on 1 base" in taken.json["detail"], taken.json
    second = together(fleet, "lib:2.0")
    together(fleet, "app:2.0")
    back = fleet.api.post(f"/v1/plans/{second['id']}:undo", {})
    assert points_at(back) == "/plan" and "app 2.0 → lib ^2" in back.json["detail"], back.json
    assert fleet.on("lib", "2.0") == fleet.on("app", "2.0") == ["n1"]
    fleet.sound()


def test_a_failing_requirement_fails_what_waits_for_it(fleet, shop):
    fleet.begin(bases=2)
    fleet.push("broken")
    shop("app", "1.0", broken="")
    plan = together(fleet, "app:1.0", "broken:1.0.0", replicas=1, wait=0, strategy={"retries": 0})
    cells.until(lambda: fleet.plan(plan["id"])["state"] == "paused")

    def failures():
        return [t for t in fleet.plan(plan["id"])["tasks"] if t["state"] == "failed"]
    failed = cells.until(lambda: {t["module"] for t in failures()} == {"app", "broken"} and failures(), what="both have failed")
    assert any("which it requires" in t["cause"] for t in failed if t["module"] == "app"), failed
    fleet.sound()


def test_victims_are_named_first(fleet, shop):
    fleet.begin(bases=4)
    shop("a", "1.0")
    fleet.deploy("a:1.0", replicas=4)
    assert fleet.berth("scale", "a", "3", "--victims", "n1,n2").returncode != 0
    assert fleet.berth("scale", "a", "3", "--victims", "n9").returncode != 0
    done = fleet.berth("scale", "a", "2", "--victims", "n1,n3")
    assert done.returncode == 0, done
    assert fleet.on("a") == ["n2", "n4"]


def test_catching_up_where_a_plan_went_on_without(fleet, shop):
    fleet.begin(bases=3)
    fleet.push("hello-1.0.0")
    shop("hello", "9.0")
    fleet.deploy("hello:1.0.0", replicas=3)
    held = fleet.deploy("hello:9.0", replicas=3, wait=0, strategy=AT_ONCE | {"confirm": "beta", "batches": [1, 3]})
    cells.until(lambda: fleet.plan(held["id"])["state"] == "confirming")
    left = ({"n1", "n2", "n3"} - set(fleet.on("hello", "9.0"))).pop()
    assert fleet.api.post(f"/v1/plans/{held['id']}:ignore", {"base": left, "meta": {"reason": "later"}}).status == 200
    fleet.api.post(f"/v1/plans/{held['id']}:confirm", {"batch": 1})
    assert fleet.ended(held["id"])["state"] == "succeeded_with_failures"
    shown = fleet.api.get("/v1/deployments/hello").json
    assert shown["state"] == "degraded" and shown["behind"] == [left], shown
    done = fleet.berth("retry", "hello", "--timeout", "60s", "--no-wait")
    assert done.returncode == 0, done
    number = fleet.api.get("/v1/plans").json["plans"][0]
    assert number["kind"] == "retry", number
    cells.until(lambda: fleet.plan(number["id"])["state"] in ("confirming", "succeeded"))
    if fleet.plan(number["id"])["state"] == "confirming":
        fleet.api.post(f"/v1/plans/{number['id']}:confirm", {"batch": 1})
    assert fleet.ended(number["id"])["state"] == "succeeded" and len(fleet.on("hello", "9.0")) == 3
    again = fleet.api.post("/v1/deployments/hello:retry", {}).json
    assert again["notes"] == ["it is as wanted: nothing to catch up"], again


def test_so_many_may_fail(fleet):
    fleet.begin(bases=2)
    fleet.push("broken")
    options = ("--replicas", "1", "--min-ready", "0s", "--retries", "0", "--on-failure", "continue")
    assert fleet.berth("deploy", "broken:1.0.0", *options).returncode == 1
    assert fleet.berth("delete", "broken").returncode == 0
    assert fleet.berth("deploy", "broken:1.0.0", "--allow-failed", "1", *options).returncode == 0


def test_draining_by_label_and_restarting_a_base(fleet, shop):
    fleet.begin(bases=0)
    fleet.join(["a1", "a2"], options=("--label", "rack=a"))
    fleet.join(["b1", "b2"], options=("--label", "rack=b"))
    shop("app", "1.0", lib=""), shop("lib", "1.0")
    together(fleet, "lib:1.0", "app:1.0", replicas=2)
    assert fleet.api.post("/v1/bases:drain", {"label": "rack=z"}).status == 404
    assert fleet.berth("base", "drain").returncode == 2
    done = fleet.berth("base", "drain", "-l", "rack=a", "--reason", "power", "--timeout", "60s")
    assert done.returncode == 0, done
    assert fleet.on("app") == fleet.on("lib") == ["b1", "b2"]
    assert len([p for p in fleet.api.get("/v1/plans").json["plans"] if p["kind"] == "drain"]) <= 1
    done = fleet.berth("restart", "--base", "b1", "--timeout", "60s")
    assert done.returncode == 0, done
    plan = fleet.api.get("/v1/plans").json["plans"][0]
    did = [(how, what) for _, how, what in order(fleet, plan["id"])]
    assert did == [("removed", "app:1.0"), ("removed", "lib:1.0"), ("installed", "lib:1.0"), ("installed", "app:1.0")], did
    assert fleet.berth("restart").returncode == 2
    assert fleet.berth("base", "undrain", "a1").returncode == 0
    fleet.sound()


def test_a_base_that_restarts_gets_required_modules_first(fleet, shop):
    fleet.begin(bases=1)
    shop("app", "1.0", lib=""), shop("lib", "1.0"), shop("lib", "2.0")
    together(fleet, "lib:1.0", "app:1.0", replicas=1)
    together(fleet, "lib:2.0")  # now the younger one is the required one
    agent = fleet.agents["n1"]
    mark = agent.process.log.stat().st_size
    os.kill(agent.base_pid, signal.SIGKILL)
    cells.until(lambda: "restored app:1.0" in agent.process.log.read_text()[mark:] and "restored lib:2.0" in agent.process.log.read_text()[mark:], 30)
    text = agent.process.log.read_text()[mark:]
    assert text.index("restored lib:2.0") < text.index("restored app:1.0"), text
