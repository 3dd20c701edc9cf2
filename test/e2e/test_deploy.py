"""From a file to an answer: deploy, upgrade under load, scale, wait for room, offline, back again; repair of what somebody broke."""
import json
import os
import shutil
import signal
import subprocess
import threading

import pytest

import cell as cells

BASES = ["n1", "n2", "n3"]


def test_deploy_upgrade_scale_offline_rollback(fleet, until):
    fleet.begin()
    done = fleet.berth("deploy", fleet.example("hello-1.0.0"), "--replicas", "2", "--min-ready", "0s")
    assert done.returncode == 0, done
    on = fleet.on("hello", "1.0.0")
    assert len(on) == 2 and all(fleet.says(b, "/hello", "hello 1.0.0") for b in on)

    assert fleet.berth("scale", "hello", "3").returncode == 0
    assert fleet.on("hello", "1.0.0") == BASES

    assert fleet.berth("deploy", fleet.example("hello-2.0.0")).returncode == 0
    assert fleet.on("hello", "2.0.0") == BASES and all(fleet.says(b, "/hello", "hello 2.0.0") for b in BASES)
    assert fleet.on("hello", "1.0.0") == []

    assert fleet.berth("scale", "hello", "1").returncode == 0
    assert len(fleet.on("hello")) == 1

    assert fleet.berth("offline", "hello").returncode == 0
    assert fleet.instances(module="hello") == []
    assert {fleet.module(b, "/hello").status for b in BASES} == {404}
    assert {b["unitsUsed"] for b in fleet.api.get("/v1/bases").json["bases"]} == {0}
    shown = fleet.api.get("/v1/deployments/hello").json
    assert shown["state"] == "offline"

    first = fleet.api.get("/v1/deployments/hello/revisions").json["revisions"][-1]["revision"]
    assert fleet.berth("rollback", "hello", "--to", first).returncode == 0
    assert len(fleet.on("hello", "1.0.0")) == 2
    assert fleet.berth("delete", "hello").returncode == 0
    assert fleet.api.get("/v1/deployments/hello").status == 404
    fleet.sound()


@pytest.mark.parametrize("policy", ["install_first", "in_place"])
def test_upgrade_under_load(fleet, until, policy):
    """install_first loses no request; in_place may be away for a moment, but only on maxUnavailable bases at a time."""
    fleet.begin()
    old, new = fleet.push("hello-1.0.0"), fleet.push("hello-2.0.0")
    fleet.deploy(old)
    calls, away, end = [0], [], threading.Event()

    def client(base):
        while not end.is_set():
            answer = fleet.module(base, "/hello")
            calls[0] += 1
            if answer is None or answer.status != 200:
                away.append((base, answer))
    threads = [threading.Thread(target=client, args=(b,), daemon=True) for b in BASES]
    for t in threads:
        t.start()
    try:
        until(lambda: calls[0] > 50)
        plan = fleet.deploy(new, strategy={"upgradePolicy": policy, "minReady": "0s"})
    finally:
        end.set()
        for t in threads:
            t.join()
    assert plan["state"] == "succeeded", plan
    assert fleet.on("hello", "2.0.0") == BASES
    if policy == "install_first":
        assert not away, away[:3]
    fleet.sound()


def test_one_too_many_waits_with_a_reason_and_goes_on(fleet, until):
    fleet.begin(limit=1)
    hello, slow = fleet.push("hello-1.0.0"), fleet.push("slow")
    fleet.deploy(hello)
    plan = fleet.deploy(slow, replicas=1, wait=0, args=["--seconds=0"])

    def waits():
        return [w for w in fleet.api.get("/v1/deployments/slow").json.get("waitingFor", []) if w["rule"] == "no_room"]
    wait = until(waits)[0]
    assert "3 of 3 bases full" in wait["text"] and wait["command"].startswith("berth "), wait
    refusals = fleet.api.get("/v1/deployments/slow:explain").json["refusals"]
    assert sum(r["bases"] for r in refusals) == 3, refusals
    assert fleet.api.patch("/v1/bases/n2", {"installLimit": 2}).status == 200
    assert fleet.ended(plan["id"])["state"] == "succeeded"
    assert fleet.on("slow") == ["n2"]
    # Room that somebody else gives back is as good.
    fleet.deploy(fleet.push("crash"), replicas=1, wait=0)
    assert fleet.api.post("/v1/deployments/slow:offline", headers={"Prefer": "wait=20"}).status in (200, 202)
    until(lambda: fleet.on("crash") == ["n2"])
    fleet.sound()


def test_limits_are_kept_and_lowering_removes_nothing(fleet, until):
    fleet.begin(bases=1, limit=2)
    fleet.deploy(fleet.push("hello-1.0.0"), replicas=1)
    fleet.deploy(fleet.push("slow"), replicas=1, args=["--seconds=0"])
    assert fleet.api.patch("/v1/bases/n1", {"installLimit": 1}).status == 200
    assert len(fleet.on("hello") + fleet.on("slow")) == 2
    fleet.deploy(fleet.push("crash"), replicas=1, wait=1)
    assert fleet.on("crash") == []
    fleet.api.post("/v1/deployments/slow:offline", headers={"Prefer": "wait=20"})
    assert fleet.on("crash") == []
    fleet.sound()


def test_failing_module_names_fault_and_cause(fleet):
    fleet.begin()
    done = fleet.berth("deploy", fleet.example("broken"), "--replicas", "1", "--retries", "0", "--on-failure", "stop", "-o", "json")
    assert done.returncode == 1, done
    report = json.loads(done.stdout)
    failed = report["failedTasks"] if "failedTasks" in report else report["tasks"]
    assert failed and failed[0]["fault"] == "module" and "no database at" in failed[0]["cause"], report
    fleet.sound()


def test_a_module_of_ones_own_copied_from_hello(fleet):
    """What the README tells a stranger to do."""
    mine = fleet.folder / "mine"
    shutil.copytree(cells.ROOT / "examples/hello", mine)
    (mine / "hello.c").write_text((mine / "hello.c").read_text().replace('BERTH_MODULE("hello"', 'BERTH_MODULE("mine"').replace("hello \"", "mine \""))
    subprocess.run(["make", "-s", "-C", mine, f"INCLUDE={cells.ROOT / 'include'}"], check=True, timeout=60, env=fleet.environment())
    fleet.begin()
    done = fleet.berth("deploy", mine / "hello.so", "--replicas", "3", "--min-ready", "0s")
    assert done.returncode == 0, done
    assert all(fleet.says(b, "/mine", "mine 1.0.0") for b in BASES)


def test_dry_run_has_no_effect(fleet):
    fleet.begin()
    fleet.push("hello-1.0.0")
    events = fleet.api.get("/v1/status").json["lastEvent"]
    answer = fleet.api.call("POST", "/v1/deployments?dryRun=true", {"module": "hello", "version": "1.0.0", "group": "demo", "replicas": 2})
    assert answer.status == 200 and answer.json["dryRun"] and len(answer.json["placements"]) == 2, answer
    assert fleet.api.get("/v1/deployments/hello").status == 404
    assert fleet.api.get("/v1/status").json["lastEvent"] == events


def what_where_when(steps):
    """Of (base, kind, batch): a removal beside an install of the same batch is the change of a slot."""
    new = {(base, batch) for base, kind, batch in steps if kind == "install"}
    return {(base, "install", batch) for base, batch in new} | {(b, "uninstall", n) for b, kind, n in steps if kind == "uninstall" and (b, n) not in new}


def seen(plan):
    return what_where_when([(t["base"], t["kind"], t["batch"]) for t in plan["tasks"]])


def foretold(preview):
    return what_where_when([(p["base"], p["action"].replace("upgrade", "install"), p["batch"]) for p in preview["placements"]])


def test_a_dry_run_is_what_then_happens(fleet):
    fleet.begin(bases=0)
    for zone, names in {"a": ["a1", "a2", "a3"], "b": ["b1", "b2"]}.items():
        fleet.join(names, options=("--zone", zone))
    fleet.push("hello-1.0.0")
    fleet.push("hello-2.0.0")
    quick = {"minReady": "0s", "prefetch": "0s"}
    wishes = [
        ("hello:1.0.0", {"replicas": 4, "strategy": quick | {"batchCount": 2}}),
        ("hello:2.0.0", {"replicas": 4, "strategy": quick | {"batchesBy": "zone", "upgradePolicy": "in_place"}}),
        ("hello:1.0.0", {"replicas": 4, "strategy": quick | {"batches": [1, "50%"], "upgradePolicy": "install_first"}}),
        ("hello:2.0.0", {"replicas": 4, "strategy": quick | {"upgradePolicy": "surge", "batchCount": 2}}),
        ("hello:2.0.0", {"replicas": 2, "strategy": quick}),
        ("hello:2.0.0", {"replicas": "all", "strategy": quick | {"batchCount": 1}}),
    ]
    for module, fields in wishes:
        title, version = module.split(":")
        body = {"module": title, "version": version, "group": "demo"} | fields
        preview = fleet.api.call("POST", "/v1/deployments?dryRun=true", body)
        assert preview.status == 200, preview
        done = fleet.deploy(module, **fields)
        assert done["state"] == "succeeded", done
        done = fleet.plan(done["id"])
        assert foretold(preview.json) == seen(done), (body, preview.json, done)
        assert [(b["size"], b.get("label")) for b in preview.json["batches"]] == [(b["size"], b.get("label")) for b in done["batches"]]
        assert preview.json["forecast"]["lowestReady"] <= preview.json["forecast"]["ready"]
    told = fleet.berth("deploy", "hello:1.0.0", "--upgrade-policy", "in_place", "--batch-count", "2", "--confirm", "each", "--dry-run")
    for text in ("is uninstalled before it is installed on each base", "at the lowest", "takes about", "waits for a person 1 time"):
        assert text in told.stdout, told.stdout + told.stderr
    both = fleet.berth("deploy", "hello:1.0.0", "--upgrade-policy", "install_first", "--dry-run")  # each base holds both for a moment
    assert "PEAK UNITS" in both.stdout and both.stdout.count(" 2/5") == 5, both.stdout + both.stderr
    events = fleet.api.get("/v1/status").json["lastEvent"]
    many = [{"module": "hello", "version": v, "group": "demo", "replicas": n} for v, n in (("1.0.0", 2), ("2.0.0", 3), ("7.0.0", 1))]
    told = fleet.api.post("/v1/deployments:bulk?dryRun=true", {"deployments": many}).json["items"]
    assert told[0]["plan"]["changes"][0]["toVersion"] == "1.0.0" and told[1]["plan"]["changes"][0]["toReplicas"] == 3, told
    assert told[2]["problem"]["code"] == "not_found" and fleet.api.get("/v1/status").json["lastEvent"] == events, told
    fleet.push("broken")
    # Each of many, and each module of a plan, has its own history.
    many = [{"module": m, "version": "1.0.0", "group": "demo", "replicas": 1} for m in ("hello", "broken")]
    known, new = (item["plan"] for item in fleet.api.post("/v1/deployments:bulk?dryRun=true", {"deployments": many}).json["items"])
    assert known["forecast"]["samples"] > 0 and any("as the last" in n and "of hello did" in n for n in known["notes"]), known
    assert not new["forecast"].get("samples") and any("no history of broken" in n for n in new["notes"]), new
    both = fleet.api.post("/v1/plans?dryRun=true", {"changes": many}).json
    assert both["forecast"]["samples"] == known["forecast"]["samples"], both
    assert any("of its modules did; no history of broken" in n for n in both["notes"]), both
    unknown = fleet.berth("deploy", "broken:1.0.0", "--replicas", "9", "--dry-run")
    assert "no history of broken" in unknown.stdout and "waiting for room" in unknown.stdout, unknown.stdout + unknown.stderr
    fleet.sound()


def test_what_somebody_removed_by_hand_comes_back(fleet, until):
    fleet.begin(bases=1)
    fleet.deploy(fleet.push("hello-1.0.0"), replicas=1)
    arklet = fleet.agents["n1"].ports["arklet"]
    gone = cells.Rest(f"127.0.0.1:{arklet}").post("/uninstallBiz", {"bizName": "hello", "bizVersion": "1.0.0"})
    assert gone.json["code"] == "SUCCESS", gone
    until(lambda: fleet.says("n1", "/hello", "hello 1.0.0"), 40, "hello is installed again")


def test_a_crashed_base_comes_back_with_its_modules(fleet, until):
    fleet.begin()
    fleet.deploy(fleet.push("hello-1.0.0"))
    was = fleet.api.get("/v1/bases/n2").json["incarnation"]
    os.kill(fleet.agents["n2"].base_pid, signal.SIGKILL)
    until(lambda: fleet.api.get("/v1/bases/n2").json["incarnation"] > was, what="a higher incarnation")
    fleet.base_ready("n2")
    assert fleet.says("n2", "/hello", "hello 1.0.0")
    fleet.sound()


def test_a_crashing_module_is_quarantined_and_its_neighbour_lives(fleet, until):
    fleet.begin(bases=1)
    fleet.deploy(fleet.push("hello-1.0.0"), replicas=1)
    plan = fleet.deploy(fleet.push("crash"), replicas=1, args=["--in-start"], strategy={"retries": 0, "minReady": "0s"}, wait=20)
    assert plan["state"] in ("paused", "failed"), plan
    assert plan["tasks"][0]["fault"] == "module", plan
    until(lambda: fleet.says("n1", "/hello", "hello 1.0.0"), 30, "the neighbour is back")
    found = until(lambda: [f for f in fleet.api.get("/v1/findings").json["findings"] if f["kind"] == "quarantined"])
    assert found[0]["module"] == "crash" and found[0]["command"]


def test_a_second_base_of_the_same_name_is_refused(fleet, until):
    fleet.begin(bases=1)
    was = fleet.api.get("/v1/bases/n1").json["incarnation"]  # 2 where it joined before its process was started
    other = fleet.agent("twin", fleet.join_token("demo"), options=("--id", "n1"))
    until(lambda: "n1" in other.process.words() and ("refuse" in other.process.words() or "key" in other.process.words()), 15, "a reason is logged")
    assert fleet.api.get("/v1/bases/n1").json["incarnation"] == was


def test_peer_mode_fills_a_base_that_joins(fleet, until):
    fleet.begin(bases=2)
    fleet.deploy(fleet.push("hello-1.0.0"), replicas="all")
    assert fleet.on("hello") == ["n1", "n2"]
    fleet.join(["n3"])
    until(lambda: fleet.says("n3", "/hello", "hello 1.0.0"), what="the new base has it")


def test_lost_base_is_replaced_and_its_surplus_settled(fleet, until):
    fleet.begin("--heartbeat=200ms", "--silent=600ms", "--lost=1200ms", "--replace=1s")
    fleet.deploy(fleet.push("hello-1.0.0"), replicas=1)
    base, = fleet.on("hello")
    fleet.agents[base].process.freeze()
    until(lambda: len([b for b in fleet.on("hello") if b != base]) == 1, 30, "another base has it")
    assert fleet.api.get(f"/v1/bases/{base}").json["state"] == "lost"
    fleet.agents[base].process.wake()
    until(lambda: len(fleet.instances(module="hello")) == 1 and len(fleet.on("hello")) == 1, 30, "the surplus is gone")
    assert sum(fleet.says(b, "/hello", "hello") for b in BASES) == 1
    fleet.sound()
