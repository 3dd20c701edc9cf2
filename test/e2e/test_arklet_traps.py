"""Bases without an agent, scripted: every trap of stock arklets, and the checklist for whoever drives them, line by line: the tests named
test_checklist_…, with the checklist's own words in CHECKLIST. What the memory of a JVM brings is in test_base_memory.py, answers that are no
arklet's in test_hostile_arklet.py, real JVMs in test_koupleless.py."""
import hashlib
import http.client
import json
import time

import pytest

import arklet_script as script
import cell as cells
from conftest import QUICK, _fleet


# Each line of the checklist for control servers, and how the names of the tests begin that hold Berth to it.
CHECKLIST = {
    "POST only, strict JSON object body, one request per connection, read to EOF, no header needed": "post_json",
    "timeouts: connect; help, health, query while installs run; sync install by policy": "timeouts",
    "understands outer and inner codes, REPEAT_BIZ as an idempotent result": "repeat_biz",
    "understands outer and inner codes, NOT_FOUND_BIZ as an idempotent result": "not_found_biz",
    "case-insensitive states; unknown keys ignored; $ref tolerated; numbers in Java notation parsed": "states",
    "serialises per name:version, limits parallelism per base": "serialises",
    "capability discovery through /help": "help",
    "falls back without batchInstallBiz and installStrategy": "a_baseline",
    "accepts /heartbeat with and without activated, unknown keys, 12 s and 120 s senders": "heartbeats",
    "25 s / 60 s thresholds only together with active polling": "silence",
    "key (identity, port); verifies baseIdentity": "identity",
    "detects restarts": "a_restart",
    "answers /queryBaseline with an array for custom bases": "query_baseline",
    "replays the baseline; never leaves a base empty because of a failed replace": "the_baseline",
}


def test_every_line_of_the_checklist_has_a_test():
    names = [n.removeprefix("test_checklist_") for n in globals() if n.startswith("test_checklist_")]
    assert [line for line, begin in CHECKLIST.items() if not any(n.startswith(begin) for n in names)] == []
    assert [n for n in names if not n.startswith(tuple(CHECKLIST.values()))] == []


@pytest.fixture(scope="module")
def cell():
    f = _fleet()
    try:
        f.server("server", *QUICK, "--join-listen", "127.0.0.1:0").ready()
        f.group("shop", 50)
        f.join_rest = cells.Rest(f.one.ports["join"])
        f.count = 0
        yield f
    finally:
        f.stop()


@pytest.fixture
def group(cell):
    """A group of its own for each test."""
    cell.count += 1
    name = f"g{cell.count}"
    cell.group(name, 50)
    return name


def add(cell, group, base, name, wait=True):
    assert cell.api.post("/v1/bases", {"id": name, "group": group, "arklet": base.url}).status == 201
    if wait:
        cell.base_ready(name, 20)


def push(cell, name, version, **more):
    path = cell.folder / f"{name}-{version}.jar"
    path.write_bytes(script.jar(name, version, **more))
    done = cell.berth("module", "push", path, "-o", "json")
    assert done.returncode == 0, done.stderr
    return f"{name}:{version}"


def ended(cell, plan, *states):
    over = cell.ended(plan["id"]) if not plan.get("endTime") else plan
    assert over["state"] in (states or ("succeeded",)), over
    return over


def offline(cell, name):
    answer = cell.api.post(f"/v1/deployments/{name}:offline", {}, headers={"Prefer": "wait=20"})
    assert answer.status in (200, 202), answer
    return answer.json


def test_checklist_post_json_one_request_per_connection_read_to_eof(cell, group):
    base = script.Arklet()
    add(cell, group, base, f"{group}-1")
    ended(cell, cell.deploy(push(cell, f"{group}-m", "1.0.0"), 1, group=group))
    assert base.held() == {f"{group}-m:1.0.0": "activated"}
    assert {a.command for a in base.log} <= {"health", "queryAllBiz", "installBiz", "switchBiz", "help", "batchInstallBiz"}
    assert all(a.head.startswith("POST /") and "connection: close" in a.head.lower() for a in base.log)
    assert base.asked("garbage") == []


def test_checklist_timeouts_a_base_that_never_answers_holds_up_nobody(cell, group):
    hanging, base = script.Arklet(), script.Arklet()
    hanging.hang = True
    add(cell, group, hanging, f"{group}-hangs", wait=False)
    add(cell, group, base, f"{group}-1")
    ended(cell, cell.deploy(push(cell, f"{group}-m", "1.0.0"), 1, group=group))
    assert base.held() == {f"{group}-m:1.0.0": "activated"}
    assert cell.api.get(f"/v1/bases/{group}-hangs:ready").status == 503


def test_checklist_timeouts_an_answer_that_stops_in_between_is_given_up_and_asked_about(cell, group):
    """An install may be silent for minutes; what has begun to answer may not. A base frozen in its answer costs 10 s, not the time-out."""
    base = script.Arklet()
    add(cell, group, base, f"{group}-1")
    base.stall = "installBiz"
    began = time.monotonic()
    ended(cell, cell.deploy(push(cell, f"{group}-m", "1.0.0"), 1, group=group, wait=0))
    assert 9 < time.monotonic() - began < 100, "its task time-out is 120 s"
    assert len(base.asked("installBiz")) == 1 and base.held() == {f"{group}-m:1.0.0": "activated"} and base.stall is None


def test_checklist_timeouts_a_slow_poll_during_an_install_is_not_death(cell, group, until):
    base = script.Arklet(workers=1)  # the one network thread is inside the install: nothing else is answered
    add(cell, group, base, f"{group}-1")
    base.slow[f"{group}-m"] = 14
    plan = cell.deploy(push(cell, f"{group}-m", "1.0.0"), 1, group=group, wait=0)
    until(lambda: len(base.asked("installBiz")) == 1, 10, "the install began")
    ended(cell, cell.ended(plan["id"], 40))
    kinds = [e["kind"] for e in cell.api.get("/v1/events", base=f"{group}-1", limit=1000).json["events"]]
    assert "base.silent" not in kinds and "base.lost" not in kinds and len(base.asked("installBiz")) == 1


def test_checklist_repeat_biz_is_a_success_when_it_matches(cell, group):
    base = script.Arklet()
    add(cell, group, base, f"{group}-1")
    module = push(cell, f"{group}-m", "1.0.0")
    base.biz[(f"{group}-m", "1.0.0")] = {"state": "activated", "path": "/"}  # a start script was quicker
    ended(cell, cell.deploy(module, 1, group=group))
    assert base.held() == {module: "activated"}


def test_checklist_not_found_biz_is_a_success_of_an_uninstall(cell, group):
    base = script.Arklet()
    add(cell, group, base, f"{group}-1")
    ended(cell, cell.deploy(push(cell, f"{group}-m", "1.0.0"), 1, group=group))
    base.biz.clear()
    ended(cell, offline(cell, f"{group}-m"))
    assert cell.instances(module=f"{group}-m") == []


@pytest.mark.parametrize("generation", ["1.2", "2.1.6", "2.1.11"])
def test_checklist_states_in_any_case_unknown_keys_refs_java_numbers(cell, group, generation):
    base = script.Arklet(generation=generation)
    base.many_ref = True
    add(cell, group, base, f"{group}-1")
    ended(cell, cell.deploy(push(cell, f"{group}-m", "1.0.0"), 1, group=group))
    ended(cell, cell.deploy(push(cell, f"{group}-m", "2.0.0"), 1, group=group))
    assert base.held() == {f"{group}-m:2.0.0": "activated"}
    assert cell.api.get(f"/v1/bases/{group}-1").json["ready"]


def test_checklist_serialises_per_module_and_bounds_what_one_base_does(cell, group):
    base = script.Arklet(workers=8)
    add(cell, group, base, f"{group}-1")
    modules = [push(cell, f"{group}-m{i}", "1.0.0") for i in range(6)]
    base.slow = {m.split(":")[0]: 0.3 for m in modules}
    plans = [cell.deploy(m, 1, group=group, wait=0) for m in modules]
    for p in plans:
        ended(cell, p)
    spans = [(a.began, a.ended) for a in base.asked("installBiz")]
    assert len(spans) == 6 and max(sum(b <= at < e for b, e in spans) for at, _ in spans) <= 2


def baseline(cell, group, base, **failing):
    """Three modules of different priority on a base, which is then restarted: each takes its time now, and these fail."""
    base.started -= 1000
    add(cell, group, base, f"{group}-1")
    for name, priority in (("late", 300), ("early", 10), ("middle", 100)):
        ended(cell, cell.deploy(push(cell, f"{group}-{name}", "1.0.0", priority=priority), 1, group=group))
    base.order.clear()
    base.slow = {f"{group}-{n}": 0.3 for n in ("late", "early", "middle")}
    base.failing = {f"{group}-{n}": cause for n, cause in failing.items()}
    base.restart()


def all_three(base):
    return len([s for s in base.held().values() if s == "activated"]) == 3


def test_checklist_help_decides_and_without_batches_the_order_of_priorities_is_kept(cell, group, until):
    base = script.Arklet(generation="2.1.6", workers=8)
    baseline(cell, group, base)
    until(lambda: all_three(base), 40, "restored")
    assert [a.body["bizName"].rpartition("-")[2] for a in base.asked("installBiz")[3:]] == ["early", "middle", "late"]
    assert base.asked("help") and base.asked("batchInstallBiz") == []
    cell.base_ready(f"{group}-1", 10)


def test_checklist_a_baseline_goes_in_by_one_batch_where_help_lists_it(cell, group, until):
    base = script.Arklet(workers=8)
    baseline(cell, group, base)
    until(lambda: all_three(base), 40, "restored")
    batch, = base.asked("batchInstallBiz")
    assert len(batch.body["bizList"]) == 3 and len(base.asked("installBiz")) == 3, "no single install after the first three"
    assert [n.rpartition("-")[2] for n in base.order] == ["early", "middle", "late"]
    cell.base_ready(f"{group}-1", 10)


def test_a_failed_item_of_a_batch_is_installed_alone_to_learn_its_cause(cell, group, until):
    base = script.Arklet(workers=8)
    baseline(cell, group, base, middle="java.lang.IllegalStateException: no database today")
    until(lambda: len(base.held()) == 2 and len(base.asked("installBiz")) > 3, 40, "two are in, the third was tried alone")
    assert {a.body["bizName"] for a in base.asked("installBiz")[3:]} == {f"{group}-middle"}
    until(lambda: "no database today" in cell.instances(module=f"{group}-middle")[0].get("stateReason", ""), 15, "its cause is known")
    base.failing.clear()
    assert len(base.asked("batchInstallBiz")) == 1


def test_the_last_caused_by_is_the_cause(cell, group):
    base = script.Arklet()
    add(cell, group, base, f"{group}-1")
    base.failing[f"{group}-m"] = "java.lang.IllegalStateException: this module refuses to start"
    plan = cell.deploy(push(cell, f"{group}-m", "1.0.0"), 1, group=group, strategy={"minReady": "0s", "retries": 0})
    task = cell.plan(plan["id"])["tasks"][0]
    assert task["cause"] == "java.lang.IllegalStateException: this module refuses to start", task


def test_a_stack_trace_is_kept_with_the_task_and_with_a_module_the_base_keeps(cell, group, until):
    base = script.Arklet()
    base.keep_broken = True
    add(cell, group, base, f"{group}-1")
    base.failing[f"{group}-m"] = "java.lang.IllegalStateException: this module refuses to start"
    plan = cell.deploy(push(cell, f"{group}-m", "1.0.0"), 1, group=group, strategy={"minReady": "0s", "retries": 0})
    task = cell.plan(plan["id"])["tasks"][0]
    assert task["cause"] == "java.lang.IllegalStateException: this module refuses to start"
    assert "at lab.Main.main(Main.java:1)" in task["output"], task
    assert base.held() == {f"{group}-m:1.0.0": "broken"}
    base.biz[(f"{group}-n", "1")] = base.biz[(f"{group}-m", "1.0.0")] | {"state": "broken"}
    until(lambda: [x for x in cell.api.get("/v1/findings", base=f"{group}-1").json.get("findings", []) if x["reportedState"] == "broken"], 15, "seen")


def test_a_manifest_is_read_also_when_the_bytes_have_left_the_cache(cell, group):
    """Of an upload to another server, of a URL whose file is long gone there: the ledger has the bytes."""
    m = f"{group}-m"
    jar = script.jar(m, "1.0.0", path="shop", priority=7)
    digest = hashlib.sha256(jar).hexdigest()
    with script.files({"m.jar": jar}) as url:
        assert cell.api.post("/v1/artifacts", {"url": f"{url}/m.jar"}).status == 201
    cached = cell.one.data / "artifacts" / digest
    for version, module, status in (("2.0.0", m, 400), ("1.0.0", f"{group}-other", 400), ("1.0.0", m, 201)):
        cached.unlink()
        made = cell.api.post(f"/v1/modules/{module}/versions", {"version": version, "artifact": digest})
        assert made.status == status, made
        assert status == 201 or f"manifest says {m}:1.0.0" in made.json["detail"], made
    assert (made.json["runtime"], made.json["contextPath"], made.json["priority"]) == ("ark", "/shop", 7), made.json


def test_an_artifact_that_cannot_be_fetched_leaves_the_old_version_alone(cell, group, until):
    """Bases of this group fetch from where their files are; that server has lost one since it was registered."""
    set_group(cell, group, originArtifacts=True)
    base = script.Arklet()
    add(cell, group, base, f"{group}-1")
    m = f"{group}-m"
    old, new = script.jar(m, "1.0.0", path="shop"), script.jar(m, "2.0.0", path="shop")
    named = {"1.jar": old, "2.jar": new}
    with script.files(named) as url:
        for n, version in (("1", "1.0.0"), ("2", "2.0.0")):
            sha = cell.api.post("/v1/artifacts", {"url": f"{url}/{n}.jar"}).json["sha256"]
            assert cell.api.post(f"/v1/modules/{m}/versions", {"version": version, "artifact": sha, "runtime": "ark"}).status == 201
        ended(cell, cell.deploy(f"{m}:1.0.0", 1, group=group))
        assert base.asked("installBiz")[0].body["bizUrl"] == f"{url}/1.jar"
        for lost, why in ((None, "answers 404"), (b"<html>moved</html>", "no jar")):
            named["2.jar"] = lost
            plan = cell.deploy(f"{m}:2.0.0", 1, group=group, strategy={"minReady": "0s", "retries": 0})
            failed, = [t for t in cell.plan(plan["id"])["tasks"] if t["kind"] == "install"]
            assert failed["fault"] == "artifact" and why in failed["cause"], failed
            assert base.held() == {f"{m}:1.0.0": "activated"} and base.asked("uninstallBiz") == []
            assert cell.berth("rollback", m).returncode == 0
        named["2.jar"] = new
        ended(cell, cell.deploy(f"{m}:2.0.0", 1, group=group))
    assert base.held() == {f"{m}:2.0.0": "activated"}


def test_one_context_path_is_upgraded_in_place_and_the_old_version_comes_back(cell, group, until):
    base = script.Arklet()
    add(cell, group, base, f"{group}-1")
    ended(cell, cell.deploy(push(cell, f"{group}-m", "1.0.0", path="shop"), 1, group=group))
    base.failing[f"{group}-m"] = "java.lang.IllegalStateException: not today"
    cell.deploy(push(cell, f"{group}-m", "2.0.0", path="shop"), 1, group=group, strategy={"minReady": "0s", "retries": 0}, wait=0)
    until(lambda: [a for a in base.asked("installBiz") if a.body["bizVersion"] == "2.0.0" and a.ended], 20, "the new one failed")
    base.failing.clear()
    until(lambda: base.held() == {f"{group}-m:1.0.0": "activated"}, 30, "it is put back")


def test_a_dry_run_tells_that_one_context_path_goes_in_place(cell, group):
    base = script.Arklet()
    add(cell, group, base, f"{group}-1")
    ended(cell, cell.deploy(push(cell, f"{group}-m", "1.0.0", path="shop"), 1, group=group))
    wishes = [(push(cell, f"{group}-m", "2.0.0", path="shop"), True), (push(cell, f"{group}-m", "3.0.0", path="other"), False)]
    for version, in_place in wishes:
        module, number = version.split(":")
        told = cell.api.post("/v1/deployments?dryRun=true", {"module": module, "version": number}).json
        assert [(p["base"], p.get("interrupted", False)) for p in told["forecast"]["peaks"]] == [(f"{group}-1", in_place)], told
        assert (f"{module} is uninstalled before it is installed on each base" in told["notes"]) == in_place, told["notes"]
        assert told["forecast"]["lowestReady"] == (0 if in_place else 1) and told["forecast"]["samples"] == 1, told
        assert any(n.startswith("labels only") for n in told["notes"]) != in_place, told["notes"]
    assert base.held() == {f"{group}-m:1.0.0": "activated"}


def test_a_plan_whose_switch_moves_labels_only_says_so(cell, group):
    """Before it does so: it waits for a group that is frozen."""
    add(cell, group, script.Arklet(), f"{group}-1")
    ended(cell, cell.deploy(push(cell, f"{group}-m", "1.0.0", path="shop"), 1, group=group))
    note = f"labels only: where {group}-m 2.0.0 is installed beside 1.0.0, switchBiz marks it activated, and both answer until the old one is gone"
    for version, notes in ("2.0.0", [note]), ("3.0.0", None):  # the second one in place
        assert cell.berth("freeze", group, "--reason", "it is read first").returncode == 0
        plan = cell.deploy(push(cell, f"{group}-m", version, path="shop2"), 1, group=group, wait=0)
        assert cell.plan(plan["id"]).get("notes") == notes
        assert (note in cell.berth("plan", "show", plan["id"]).stdout) == (notes is not None)
        assert cell.berth("unfreeze", group).returncode == 0
        ended(cell, plan)


def test_two_modules_on_one_context_path_are_never_on_one_base(cell, group):
    base = script.Arklet()
    add(cell, group, base, f"{group}-1")
    ended(cell, cell.deploy(push(cell, f"{group}-a", "1.0.0", path="shop"), 1, group=group))
    cell.deploy(push(cell, f"{group}-b", "1.0.0", path="shop"), 1, group=group, wait=0)
    why = cell.berth("why", f"{group}-b")
    assert "/shop taken by another module" in why.stdout and base.held() == {f"{group}-a:1.0.0": "activated"}
    assert cell.berth("delete", f"{group}-b", "--no-wait").returncode == 0


def test_a_lost_answer_is_asked_about_not_repeated(cell, group):
    base = script.Arklet()
    add(cell, group, base, f"{group}-1")
    base.lose_answer = True
    ended(cell, cell.deploy(push(cell, f"{group}-m", "1.0.0"), 1, group=group))
    assert len(base.asked("installBiz")) == 1 and base.held() == {f"{group}-m:1.0.0": "activated"}


def test_a_lock_that_somebody_else_holds_is_waited_for(cell, group, until):
    """FAILED without an inner result, "exist unfinished command": not a failure of the module."""
    base = script.Arklet()
    add(cell, group, base, f"{group}-1")
    base.busy.add((f"{group}-m", "1.0.0"))
    plan = cell.deploy(push(cell, f"{group}-m", "1.0.0"), 1, group=group, wait=0)
    until(lambda: base.asked("installBiz"), 10, "it was tried")
    base.busy.clear()
    ended(cell, cell.ended(plan["id"]))
    assert base.held() == {f"{group}-m:1.0.0": "activated"}
    assert [t["state"] for t in cell.plan(plan["id"])["tasks"]] == ["succeeded"]


def test_what_is_resolved_already_is_waited_for_and_can_be_neither_stopped_nor_repeated(cell, group, until):
    """A start script was quicker, and its module is still starting."""
    base = script.Arklet()
    add(cell, group, base, f"{group}-1")
    m = f"{group}-m"
    module = push(cell, m, "1.0.0")
    base.biz[(m, "1.0.0")] = {"state": "resolved", "path": "/"}
    plan = cell.deploy(module, 1, group=group, wait=2)
    assert not plan.get("endTime") and base.asked("uninstallBiz") == []
    base.biz[(m, "1.0.0")]["state"] = "activated"
    ended(cell, cell.ended(plan["id"]))
    assert len(base.asked("installBiz")) <= 1, "each attempt would leave a copy on the base's disk"


def test_a_start_that_never_ends_is_reported_at_the_time_out(cell, group, until):
    """It cannot be cancelled, and arklet has no time-out of its own."""
    base = script.Arklet()
    add(cell, group, base, f"{group}-1")
    base.slow[f"{group}-m"] = 60
    plan = cell.deploy(push(cell, f"{group}-m", "1.0.0"), 1, group=group, wait=30,
                       strategy={"minReady": "0s", "retries": 0, "installTimeout": "3s"})
    task, = [t for t in cell.plan(plan["id"])["tasks"] if t["kind"] == "install"]
    assert task["state"] in ("failed", "timed_out") and task["cause"], task
    assert len(base.asked("installBiz")) == 1 and base.asked("uninstallBiz") == []
    assert cell.api.get(f"/v1/bases/{group}-1:ready").status == 200
    base.restart()


def test_a_broken_module_that_the_base_kept_is_removed_before_it_is_tried_again(cell, group):
    """With auto-uninstall off it would be answered by REPEAT_BIZ for ever."""
    base = script.Arklet()
    base.keep_broken = True
    add(cell, group, base, f"{group}-1")
    base.failing[f"{group}-m"] = "java.lang.IllegalStateException: no database today"
    module = push(cell, f"{group}-m", "1.0.0")
    plan = cell.deploy(module, 1, group=group, strategy={"minReady": "0s", "retries": 0})
    assert base.held() == {module: "broken"}
    base.failing.clear()
    again = cell.berth("plan", "retry", plan["id"])
    assert again.returncode == 0, again.stderr
    assert base.held() == {module: "activated"} and len(base.asked("uninstallBiz")) == 1


def test_a_stop_handler_that_throws_does_not_keep_a_module_that_is_gone(cell, group):
    base = script.Arklet()
    base.stop_throws = True
    add(cell, group, base, f"{group}-1")
    ended(cell, cell.deploy(push(cell, f"{group}-m", "1.0.0", path="shop"), 1, group=group))
    ended(cell, cell.deploy(push(cell, f"{group}-m", "2.0.0", path="shop"), 1, group=group))
    assert base.held() == {f"{group}-m:2.0.0": "activated"}
    ended(cell, offline(cell, f"{group}-m"))
    assert base.held() == {} and len(base.asked("uninstallBiz")) == 2


def test_a_base_that_activates_new_versions_by_itself(cell, group):
    base = script.Arklet()
    base.activates = True
    add(cell, group, base, f"{group}-1")
    for version in ("1.0.0", "2.0.0"):
        ended(cell, cell.deploy(push(cell, f"{group}-m", version), 1, group=group))
    assert base.held() == {f"{group}-m:2.0.0": "activated"}


def test_success_is_not_activated_and_what_stays_is_switched_on(cell, group):
    """By default a second version comes up deactivated, and removing the active one promotes nobody: the switch is Berth's to make."""
    base = script.Arklet()
    add(cell, group, base, f"{group}-1")
    for version in ("1.0.0", "2.0.0"):
        ended(cell, cell.deploy(push(cell, f"{group}-m", version), 1, group=group))
    order = [(a.command, a.body["bizVersion"]) for a in base.log if a.command in ("installBiz", "switchBiz", "uninstallBiz")]
    assert order == [("installBiz", "1.0.0"), ("installBiz", "2.0.0"), ("switchBiz", "2.0.0"), ("uninstallBiz", "1.0.0")]


def test_a_state_of_no_known_word_is_broken(cell, group, until):
    base = script.Arklet()
    base.word["hibernating"] = "hibernating"
    base.biz[(f"{group}-m", "1")] = {"state": "hibernating", "path": "/"}
    add(cell, group, base, f"{group}-1")
    found = until(lambda: cell.api.get("/v1/findings", base=f"{group}-1").json.get("findings"), 15, "it is seen")
    assert found[0]["reportedState"] == "broken", found


def test_asynchronous_calls_and_uninstall_then_install_are_never_used(cell, group, until):
    """Why: a conflict frees the lock of what is running, its record never ends, the inner result is lost. As the script shows first."""
    base = script.Arklet()
    base.slow[f"{group}-n"] = 1
    n = {"bizName": f"{group}-n", "bizVersion": "1", "bizUrl": "http://127.0.0.1:1/", "async": True}
    base.busy.add((n["bizName"], "1"))
    assert base._later(base._installBiz, n | {"requestId": "a"})["data"]["status"] == "INITIALIZED"
    assert base.busy == set() and base._queryBizOps({"requestId": "a"})["data"]["status"] == "INITIALIZED", "the lock is lost, the record stays"
    add(cell, group, base, f"{group}-1")
    for version in ("1.0.0", "2.0.0"):
        ended(cell, cell.deploy(push(cell, f"{group}-m", version, path="shop"), 1, group=group))
    ended(cell, offline(cell, f"{group}-m"))
    assert not [a for a in base.log if a.body.get("async") or "installStrategy" in a.body] and base.asked("queryBizOps") == []


def test_a_jar_that_says_another_name_than_the_one_that_was_checked_goes_out_again(cell, group, until):
    """The base takes name and version from the file it fetched itself, which had changed by then."""
    set_group(cell, group, originArtifacts=True)
    base = script.Arklet()
    add(cell, group, base, f"{group}-1")
    m = f"{group}-m"
    good, other = script.jar(m, "2.0.0", path="shop"), script.jar("stranger", "7", path="other")
    named = {"1.jar": script.jar(m, "1.0.0", path="shop"), "2.jar": good}
    with script.files(named) as url:
        for n, version in (("1", "1.0.0"), ("2", "2.0.0")):
            sha = cell.api.post("/v1/artifacts", {"url": f"{url}/{n}.jar"}).json["sha256"]
            assert cell.api.post(f"/v1/modules/{m}/versions", {"version": version, "artifact": sha, "runtime": "ark"}).status == 201
        ended(cell, cell.deploy(f"{m}:1.0.0", 1, group=group))
        named["2.jar"] = lambda headers: good if "Range" in headers else other
        plan = cell.deploy(f"{m}:2.0.0", 1, group=group, strategy={"minReady": "0s", "retries": 0})
        task, = [t for t in cell.plan(plan["id"])["tasks"] if t["state"] == "failed"]
        assert task["fault"] == "artifact" and "stranger:7" in task["cause"], task
        until(lambda: base.held() == {f"{m}:1.0.0": "activated"}, 20, "the stranger is out, the old version is back")


@pytest.mark.parametrize("name, version", [("../../etc/m", "1"), ("m", "../1"), ("a b", "1"), ("m:1", "1"), ("m", "1/2")])
def test_names_that_would_be_paths_on_the_base_are_refused(cell, name, version):
    path = cell.folder / "named.jar"
    path.write_bytes(script.jar(name, version))
    assert cell.berth("module", "push", path).returncode == 2


# ---- heartbeats ----------------------------------------------------------------------------------------------------------------------------

def name_of(base):
    return f"{base.identity}-{base.port}"


def beat(cell, token, base, path="/heartbeat", **more):
    return cell.join_rest.call("POST", (f"/join/{token}" if token else "") + path, base.beat(**more))


def test_the_address_for_bases_answers_what_bases_ask_and_nothing_else(cell):
    """--join-listen stands open to bases, over plain HTTP: neither the API nor the page, with the admin's token or without."""
    token = {"Authorization": f"Bearer {cell.token}"}
    for method, path in (("GET", "/"), ("GET", "/v1/bases"), ("GET", "/v1/bases/x:ready"), ("POST", "/v1/groups"), ("GET", "/metrics"),
                         ("GET", "/openapi.json"), ("GET", "/v1/events"), ("POST", "/v1/tokens"), ("PUT", "/v1/artifacts/" + "0" * 64)):
        for headers in ({}, token):
            answer = cell.join_rest.call(method, path, {} if method != "GET" else None, headers=headers)
            assert answer.status in (401, 404, 405), (method, path, answer)
        assert answer.status != 401 or path.startswith("/v1/artifacts"), (method, path, "a token is of no use here")


@pytest.mark.parametrize("early", [False, True])
def test_checklist_heartbeats_in_both_shapes_with_unknown_keys_and_a_farewell(cell, group, until, early):
    token = cell.join_token(group)
    base = script.Arklet(identity=f"base-{group}")
    answer = beat(cell, token, base, early=early, unheardOf=[1, {"a": None}])
    assert answer.status == 200 and answer.body == b"SUCCESS", answer
    cell.base_ready(name_of(base), 20)
    shown = cell.api.get(f"/v1/bases/{name_of(base)}").json
    assert shown["group"] == group and shown["arklet"] == base.url
    assert beat(cell, token, base, early=early).status == 200  # every 12 s or every 120 s: the same
    assert beat(cell, token, base, path="//heartbeat").status == 200
    assert beat(cell, token, base, early=early, state="deactivated").status == 200
    until(lambda: cell.api.get(f"/v1/bases/{name_of(base)}").json["state"] == "stopped", 20, "it said goodbye")
    base.down()


def test_checklist_silence_is_judged_by_polling_and_a_heartbeat_proves_nothing(cell, group, until):
    """It says activated for ever, also while nothing answers there; and whoever sends none is not dead."""
    token = cell.join_token(group)
    base, quiet = script.Arklet(identity=f"base-{group}"), script.Arklet(identity=f"quiet-{group}")
    for one in (base, quiet):
        assert beat(cell, token, one).status == 200
        cell.base_ready(name_of(one), 20)
    base.down()

    def silent():
        assert beat(cell, token, base).status == 200
        return cell.api.get(f"/v1/bases/{name_of(base)}").json["state"] in ("silent", "lost")
    until(silent, 80, "heartbeats do not keep it alive")
    assert cell.api.get(f"/v1/bases/{name_of(quiet)}:ready").status == 200, "one heartbeat, long ago"


def test_a_first_heartbeat_comes_before_the_port_is_open_and_the_name_is_a_placeholder(cell, group, until):
    token = cell.join_token(group)
    base = script.Arklet(identity=f"base-{group}")
    base.down()
    assert beat(cell, token, base).status == 200
    assert cell.api.get(f"/v1/bases/{name_of(base)}:ready").status == 503
    base.up()
    cell.base_ready(name_of(base), 30)
    until(lambda: cell.api.get(f"/v1/bases/{name_of(base)}").json.get("memory", {}).get("application") == "lab-base", 20, "/health has its name")
    shown = cell.api.get(f"/v1/bases/{name_of(base)}").json
    assert "TO_BE_IMPLEMENTED" not in json.dumps(shown) and shown["displayName"] == "lab-base" and shown["id"] == name_of(base)
    assert "lab-base" in cell.berth("base", "list", "--group", group, "-o", "wide").stdout


def test_the_name_that_a_heartbeat_brings_is_shown_and_is_a_label(cell, group):
    base = script.Arklet(identity=f"base-{group}")
    named = base.beat()
    named["baseMetadata"]["name"] = "checkout"
    assert cell.join_rest.call("POST", f"/join/{cell.join_token(group)}/heartbeat", named).status == 200
    cell.base_ready(name_of(base), 20)
    shown = cell.api.get(f"/v1/bases/{name_of(base)}").json
    assert shown["displayName"] == "checkout" == shown["labels"]["application"], shown


def test_an_identity_that_changes_with_each_heartbeat_is_replaced_by_the_address(cell, group):
    """Without an IPv4 address a base says unknown- and five letters, others each time."""
    token = cell.join_token(group)
    base = script.Arklet()
    base.generation = "2.1.6"
    for identity in ("unknown-ab1cd", "unknown-zz9yx"):
        base.identity = identity
        assert beat(cell, token, base).status == 200
    named = [b["id"] for b in cell.api.get("/v1/bases", group=group).json["bases"]]
    assert named == [f"127.0.0.1-{base.port}"]
    cell.base_ready(named[0], 20)


def test_a_token_that_is_revoked_throws_out_nobody(cell, group):
    token = cell.join_token(group)
    base, late = script.Arklet(identity=f"base-{group}"), script.Arklet(identity=f"late-{group}")
    assert beat(cell, token, base).status == 200
    cell.base_ready(name_of(base), 20)
    listed = cell.api.get("/v1/tokens", limit=1000).json["tokens"]
    mine, = [t["name"] for t in listed if t.get("group") == group]
    assert cell.api.delete(f"/v1/tokens/{mine}").status in (200, 204)
    assert beat(cell, token, base).status == 200
    assert beat(cell, token, late).status == 401
    assert cell.api.get(f"/v1/bases/{name_of(base)}:ready").status == 200
    assert token not in (cell.folder / "server.log").read_text()


def set_group(cell, group, **fields):
    answer = cell.api.call("PATCH", f"/v1/groups/{group}", fields)
    assert answer.status == 200, answer
    return answer.json


def test_heartbeats_without_a_token_need_an_open_group(cell, group):
    base, blue = script.Arklet(identity=f"base-{group}"), script.Arklet(identity=f"blue-{group}")
    blue.cluster = f"blue-{group}"
    assert beat(cell, None, base).status == 401
    assert beat(cell, "join_nonsense", base).status == 401
    assert cell.api.get(f"/v1/bases/{name_of(base)}").status == 404

    assert cell.berth("group", "set", group, "--open-join").returncode == 0
    assert beat(cell, None, base).status == 200  # the only open group there is
    assert beat(cell, "join_nonsense", blue).status == 401, "a wrong token is no missing one"
    cell.group(f"{group}-blue", 50)
    set_group(cell, f"{group}-blue", clusters=[blue.cluster], openJoin=True)
    assert beat(cell, None, blue).status == 200
    assert cell.api.get(f"/v1/bases/{name_of(base)}").json["group"] == group
    assert cell.api.get(f"/v1/bases/{name_of(blue)}").json["group"] == f"{group}-blue"
    for name in (group, f"{group}-blue"):
        set_group(cell, name, openJoin=False)
    assert beat(cell, None, base).status == 200, "who is in stays in"
    assert beat(cell, None, script.Arklet(identity=f"late-{group}")).status == 401


def test_clusters_are_mapped_to_groups_and_a_base_takes_after_its_group(cell, group):
    token = cell.api.post("/v1/tokens", {"name": f"any-{group}", "role": "join"}).json["secret"]
    base = script.Arklet(identity=f"base-{group}")
    base.cluster = f"green-{group}"
    set_group(cell, group, clusters=[base.cluster, "another"], installLimit=7, labels={"zone": "z9", "tier": "web"})
    assert beat(cell, token, base).status == 200
    shown = cell.api.get(f"/v1/bases/{name_of(base)}").json
    assert shown["group"] == group and shown["installLimit"] == 7
    assert shown["zone"] == "z9" and shown["labels"] == {"zone": "z9", "tier": "web"}
    cell.group(f"{group}-b", 50)
    answer = cell.api.call("PATCH", f"/v1/groups/{group}-b", {"clusters": [base.cluster]})
    assert answer.status == 409 and group in answer.json["detail"], answer
    assert set_group(cell, group, clusters=[]).get("clusters", []) == []
    assert set_group(cell, f"{group}-b", clusters=[base.cluster])["clusters"] == [base.cluster]


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"{}", b'{"baseMetadata":7,"port":"x"}', b'{"baseMetadata":{"identity":"a"},"port":70000}', b"\xff\xfe", b"{" * 5000])
def test_bad_heartbeats_are_refused(cell, group, body):
    answer = cell.join_rest.call("POST", f"/join/{cell.join_token(group)}/heartbeat", body, headers={"Content-Type": "application/json"})
    assert answer.status == 400, answer


def test_the_bases_address_serves_bases_only(cell):
    for path in ("/v1/bases", "/", "/metrics", "/v1/status"):
        assert cell.join_rest.call("GET", path).status == 404
    assert cell.join_rest.call("GET", "/heartbeat").status == 405


def test_checklist_identity_and_port_two_bases_on_one_host(cell, group):
    token = cell.join_token(group)
    first, second = script.Arklet(identity=f"host-{group}"), script.Arklet(identity=f"host-{group}")
    for base in (first, second):
        assert beat(cell, token, base).status == 200
        cell.base_ready(name_of(base), 20)
    ended(cell, cell.deploy(push(cell, f"{group}-m", "1.0.0"), 2, group=group))
    assert first.held() == second.held() == {f"{group}-m:1.0.0": "activated"}


def test_checklist_identity_is_verified_by_asking_back(cell, group):
    """The address of the heartbeat is somebody else's: it is never commanded under this name."""
    token = cell.join_token(group)
    other = script.Arklet(identity="somebody-else")
    claimed = other.beat()
    claimed["baseMetadata"]["identity"] = f"claims-{group}"
    assert cell.join_rest.call("POST", f"/join/{token}/heartbeat", claimed).status == 200
    plan = cell.deploy(push(cell, f"{group}-m", "1.0.0"), 1, group=group, wait=2)
    assert not plan.get("endTime") and other.asked("installBiz") == [] and other.asked("health") != []
    assert cell.api.get(f"/v1/bases/claims-{group}-{other.port}:ready").status == 503


def test_checklist_a_restart_is_seen_by_its_run_time(cell, group, until):
    base = script.Arklet(identity=f"base-{group}")
    base.started -= 1000
    add(cell, group, base, f"{group}-1")
    module = push(cell, f"{group}-m", "1.0.0")
    ended(cell, cell.deploy(module, 1, group=group))
    before = cell.api.get(f"/v1/bases/{group}-1").json["incarnation"]
    base.restart()
    until(lambda: base.held() == {module: "activated"}, 30, "its module is back")
    until(lambda: cell.api.get(f"/v1/bases/{group}-1").json["incarnation"] > before, 10, "another life")
    cell.base_ready(f"{group}-1", 10)


def test_checklist_query_baseline_and_its_links(cell, group, until):
    token = cell.join_token(group)
    base = script.Arklet(identity=f"base-{group}")
    assert beat(cell, token, base).status == 200
    cell.base_ready(name_of(base), 20)
    for name, priority in (("second", 200), ("first", 5)):
        ended(cell, cell.deploy(push(cell, f"{group}-{name}", "1.0.0", priority=priority), 1, group=group))
    question = {"identity": base.identity, "name": "TO_BE_IMPLEMENTED", "version": "1.0.0", "clusterName": "default"}
    answer = cell.join_rest.call("POST", f"/join/{token}/queryBaseline", question)
    assert answer.status == 200 and answer.headers["Content-Type"].startswith("application/json")
    assert [(b["bizName"], b["bizVersion"]) for b in answer.json] == [(f"{group}-first", "1.0.0"), (f"{group}-second", "1.0.0")]
    host, _, path = answer.json[0]["bizUrl"].removeprefix("http://").partition("/")
    assert host == cell.one.ports["join"]
    got = cell.join_rest.call("GET", "/" + path)
    assert got.status == 200 and script.manifest(got.body)["Ark-Biz-Name"] == f"{group}-first"
    assert cell.join_rest.call("GET", "/" + path[:-1] + ("0" if path[-1] != "0" else "1")).status == 401
    assert cell.join_rest.call("GET", "/" + path.replace("expires=", "expires=9")).status == 401
    assert cell.join_rest.call("POST", f"/join/{token}/queryBaseline", question | {"identity": "nobody"}).json == []
    assert cell.join_rest.call("POST", "/queryBaseline", question | {"identity": "nobody"}).status == 401


def test_checklist_query_baseline_is_answered_to_a_joined_base_whose_token_was_renewed(cell, group, until):
    """Asked from where the base was found; who only guesses its name, from elsewhere, needs a token. Linux answers to all of 127.0.0.0/8."""
    token = cell.join_token(group)
    base = script.Arklet(identity=f"base-{group}")
    assert beat(cell, token, base).status == 200
    cell.base_ready(name_of(base), 20)
    ended(cell, cell.deploy(push(cell, f"{group}-m", "1.0.0"), 1, group=group))
    name = next(t["name"] for t in cell.api.get("/v1/tokens", limit=1000).json["tokens"] if t.get("group") == group)
    assert cell.api.call("DELETE", f"/v1/tokens/{name}").status == 200
    question = {"identity": base.identity, "port": base.port, "name": "TO_BE_IMPLEMENTED", "version": "1.0.0", "clusterName": "default"}
    assert beat(cell, token, base).status == 200
    answer = cell.join_rest.call("POST", f"/join/{token}/queryBaseline", question)
    assert answer.status == 200 and [b["bizName"] for b in answer.json] == [f"{group}-m"], answer
    port = int(cell.one.ports["join"].rpartition(":")[2])
    elsewhere = http.client.HTTPConnection("127.0.0.1", port, timeout=10, source_address=("127.0.0.9", 0))
    elsewhere.request("POST", f"/join/{token}/queryBaseline", json.dumps(question), {"Content-Type": "application/json"})
    assert elsewhere.getresponse().status == 401
    assert cell.join_rest.call("POST", f"/join/{token}/queryBaseline", question | {"identity": "nobody"}).status == 401


def test_a_base_of_another_tenant_whose_token_was_renewed_is_still_heard(cell, group, until):
    """Its token tells its tenant; once that is revoked, the address it calls from does."""
    where = f"?tenant={group}"
    token = cell.api.post(f"/v1/tokens{where}", {"name": "bases", "role": "join"}).json["secret"]
    base, twin = script.Arklet(identity=f"base-{group}"), script.Arklet(identity=f"twin-{group}")
    for one in (base, twin):
        assert beat(cell, token, one).status == 200
        until(lambda: cell.api.get(f"/v1/bases/{name_of(one)}:ready{where}").status == 200, 20, "it is ready")
    path = cell.folder / f"{group}-t.jar"
    path.write_bytes(script.jar(f"{group}-t", "1.0.0"))
    assert cell.berth("module", "push", path, "--tenant", group).returncode == 0
    body = {"module": f"{group}-t", "version": "1.0.0", "group": "default", "replicas": 2, "strategy": {"minReady": "0s"}}
    plan = cell.api.post(f"/v1/deployments{where}", body, headers={"Prefer": "wait=20"}).json
    assert plan["state"] == "succeeded", plan

    assert cell.api.call("DELETE", f"/v1/tokens/bases{where}").status == 200
    question = {"identity": base.identity, "port": base.port, "name": "TO_BE_IMPLEMENTED", "version": "1.0.0", "clusterName": "default"}
    assert beat(cell, token, base).status == 200
    answer = cell.join_rest.call("POST", f"/join/{token}/queryBaseline", question)
    assert answer.status == 200 and [b["bizName"] for b in answer.json] == [f"{group}-t"], answer
    assert beat(cell, token, script.Arklet(identity=f"late-{group}")).status == 401, "who is not in needs a token"
    assert beat(cell, token, base, state="deactivated").status == 200
    until(lambda: cell.api.get(f"/v1/bases/{name_of(base)}{where}").json["state"] == "stopped", 20, "it said goodbye")
    base.down()

    same = cell.api.post("/v1/tokens", {"name": f"same-{group}", "role": "join", "group": group}).json["secret"]
    assert beat(cell, same, twin).status == 200, "the same base once more, in tenant default"
    question |= {"identity": twin.identity, "port": twin.port}
    assert cell.join_rest.call("POST", f"/join/{token}/queryBaseline", question).json == [], "two tenants know it: nobody guesses"


def test_checklist_the_baseline_is_replayed_and_a_failed_replace_leaves_no_base_empty(cell, group, until):
    base = script.Arklet(identity=f"base-{group}")
    add(cell, group, base, f"{group}-1")
    modules = [push(cell, f"{group}-{n}", "1.0.0") for n in "ab"]
    for m in modules:
        ended(cell, cell.deploy(m, 1, group=group))
    base.down()
    base.restart()
    until(lambda: cell.api.get(f"/v1/bases/{group}-1").json["state"] in ("silent", "restoring"), 30, "it is missed")
    base.up()
    until(lambda: base.held() == {m: "activated" for m in modules}, 30, "its modules are back")
    cell.base_ready(f"{group}-1", 10)


def test_a_list_of_bases_is_added_from_a_file(cell, group):
    bases = [script.Arklet(identity=f"f{i}-{group}") for i in range(3)]
    file = cell.folder / f"{group}.csv"
    file.write_text("# name,url,group\n" + "".join(f"{group}-f{i},{b.url}\n" for i, b in enumerate(bases)))
    assert cell.berth("base", "add", "-f", file, "--group", group).returncode == 0
    for i in range(3):
        cell.base_ready(f"{group}-f{i}", 20)
    for bad in ("http://x", "https://127.0.0.1:1238", "http://127.0.0.1:1238/x", "file:///etc/passwd", "http://a@b:1"):
        assert cell.berth("base", "add", f"{group}-bad", "--group", group, "--arklet", bad).returncode == 2, bad
    taken = cell.berth("base", "add", f"{group}-again", "--group", group, "--arklet", bases[0].url)
    assert taken.returncode == 5 and f"{group}-f0" in taken.stderr
