"""A fleet that runs already: observed, adopted, managed, and let go again. Bases are scripted; real JVMs are in test_koupleless.py."""
import hashlib
import json

import arklet_script as script
import cell as cells
from test_arklet_traps import add, beat, cell, ended, group, name_of, push, set_group  # noqa: F401


def living(cell, group, *modules, count=1, **options):
    """Bases with modules that nobody told Berth about."""
    bases = []
    for i in range(count):
        base = script.Arklet(identity=f"b{i}-{group}", **options)
        base.started -= 1000
        for m in modules:
            name, version, *path = m.split(":")
            base.biz[(name, version)] = {"state": "activated", "path": path[0] if path else "/"}
        add(cell, group, base, f"{group}-{i}")
        bases.append(base)
    return bases


GRACE = f"{6 * cells.PACE}s"  # in which a command or two are given
COMMANDS = ("installBiz", "uninstallBiz", "switchBiz", "batchInstallBiz")


def commanded(base):
    return [a.command for a in base.log if a.command in COMMANDS]


def test_an_observed_group_is_seen_and_never_commanded(cell, group, until):
    set_group(cell, group, mode="observe")
    base, = living(cell, group, f"{group}-old:1.0.0")
    found = cell.api.get("/v1/findings", base=f"{group}-0").json["findings"]
    assert [(x["kind"], x["module"], x["version"]) for x in found] == [("unmanaged", f"{group}-old", "1.0.0")]

    module = push(cell, f"{group}-m", "1.0.0")
    plan = cell.deploy(module, "all", group=group, wait=1)
    assert plan["state"] == "queued"
    why = cell.berth("why", f"{group}-m")
    assert "only observed" in why.stdout and f"berth group set {group} --mode manage" in why.stdout
    base.restart()
    until(lambda: len([e for e in cell.api.get("/v1/events", base=f"{group}-0", limit=1000).json["events"] if e["kind"] == "base.ready"]) > 1,
          30, "its new life is seen")
    assert commanded(base) == []

    assert cell.berth("group", "set", group, "--mode", "manage").returncode == 0
    ended(cell, cell.ended(plan["id"]))
    assert base.held() == {module: "activated"}


def test_a_managed_group_that_is_observed_again_is_left_alone(cell, group, until):
    base, = living(cell, group)
    module = push(cell, f"{group}-m", "1.0.0")
    base.slow[f"{group}-m"] = 2
    plan = cell.deploy(module, "all", group=group, wait=0)
    answer = cell.api.call("PATCH", f"/v1/groups/{group}", {"mode": "observe"})
    assert answer.status == 409 and f"plan {plan['id']}" in answer.json["detail"], answer
    ended(cell, cell.ended(plan["id"]))
    assert set_group(cell, group, mode="observe")["mode"] == "observe"

    done = len(commanded(base))
    base.restart()
    until(lambda: cell.api.get(f"/v1/deployments/{group}-m").json["state"] == "degraded", 30, "it is seen to be missing")
    cell.base_ready(f"{group}-0", 20)
    assert len(commanded(base)) == done
    base.slow.clear()
    set_group(cell, group, mode="manage")
    until(lambda: base.held() == {module: "activated"}, 30, "put back once it is managed again")


def findings(cell, **query):
    return cell.api.get("/v1/findings", limit=1000, **query).json["findings"]


def test_what_runs_is_adopted_and_mixed_versions_stay_as_they_are(cell, group, until):
    m = f"{group}-m"
    old, = living(cell, group, f"{m}:1.0.0:shop")
    new, other = (script.Arklet(identity=f"{n}-{group}") for n in "xy")
    for base, name in ((new, "x"), (other, "y")):
        base.biz[(m, "2.0.0")] = {"state": "activated", "path": "shop"}
        add(cell, group, base, f"{group}-{name}")
    other.biz[(f"{group}-n", "7")] = {"state": "activated", "path": "/"}
    until(lambda: len(findings(cell, group=group)) == 4, 15, "all are found")

    dry = cell.berth("finding", "adopt", "--group", group, "--dry-run")
    assert dry.returncode == 0, dry.stderr
    assert f"new deployment {m}: {m}:2.0.0 on 3 bases of group {group}" in dry.stdout
    assert f"behind: {group}-0 at 1.0.0" in dry.stdout and "not restorable" in dry.stdout
    assert cell.api.get(f"/v1/deployments/{m}").status == 404 and len(findings(cell, group=group)) == 4

    assert cell.berth("finding", "adopt", "--group", group).returncode == 0
    shown = cell.api.get(f"/v1/deployments/{m}").json
    assert (shown["version"], shown["wanted"], shown["ready"], shown["updated"]) == ("2.0.0", 3, 3, 2), shown
    assert shown["state"] == "degraded" and "1 of 3 behind" in shown["stateReason"]
    assert cell.on(m, "1.0.0") == [f"{group}-0"] and cell.on(m, "2.0.0") == [f"{group}-x", f"{group}-y"]
    assert [commanded(b) for b in (old, new, other)] == [[], [], []]
    assert {x["kind"] for x in findings(cell, group=group)} == {"not_restorable"}
    assert cell.api.get(f"/v1/bases/{group}-0").json["unitsUsed"] == 1

    refused = cell.berth("deploy", f"{m}:2.0.0", "--group", group)
    assert refused.returncode != 0 and "has no artifact" in refused.stderr, refused.stderr
    assert cell.berth("rollback", m).returncode != 0
    cell.deploy(push(cell, m, "3.0.0", path="shop"), group=group, replicas=3)
    assert [b.held() for b in (old, new)] == [{f"{m}:3.0.0": "activated"}] * 2
    assert other.held() == {f"{m}:3.0.0": "activated", f"{group}-n:7": "activated"}
    until(lambda: [x["module"] for x in findings(cell, group=group)] == [f"{group}-n"], 30, "what is gone needs no putting back")


def test_a_version_without_its_file_is_not_put_back_until_it_has_one(cell, group, until, tmp_path):
    m = f"{group}-m"
    base, = living(cell, group, f"{m}:1.0.0")
    assert cell.berth("finding", "adopt", "--group", group).returncode == 0
    base.restart()
    until(lambda: cell.instances(base=f"{group}-0")[0]["state"] == "missing", 30, "it is missed")
    until(lambda: "not restorable" in cell.instances(base=f"{group}-0")[0].get("stateReason", ""), 10, "and why it stays away is told")
    assert commanded(base) == []
    cell.deploy(f"{m}:1.0.0", 2, group=group, wait=1)
    why = cell.berth("why", m).stdout
    assert f"Berth has no artifact of {m}:1.0.0" in why, why

    with script.files({"m.jar": script.jar(m, "1.0.0")}) as url:
        table = tmp_path / "versions.csv"
        table.write_text(f"# where our files are\n{m}:1.0.0,{url}/m.jar\n")
        done = cell.berth("finding", "adopt", "--group", group, "--artifacts", table)
        assert done.returncode == 0, done.stderr
    until(lambda: base.held() == {f"{m}:1.0.0": "activated"}, 30, "whole again, and put back")
    until(lambda: findings(cell, group=group) == [], 10, "and known to be")


def test_one_finding_is_adopted_another_let_be(cell, group, until):
    base, = living(cell, group, f"{group}-a:1", f"{group}-b:1")
    a, b = sorted(findings(cell, group=group), key=lambda x: x["module"])
    assert a["command"] == f"berth finding adopt {a['id']}" and a["reportedState"] == "activated"
    assert cell.berth("finding", "ignore", b["id"]).returncode == 2
    assert cell.berth("finding", "ignore", b["id"], "--reason", "debug agent").returncode == 0
    assert [x["id"] for x in findings(cell, group=group)] == [a["id"]]
    assert f"{group}-b" not in json.dumps(cell.api.get("/v1/status").json)
    ignored, = [x for x in findings(cell, group=group, ignored="true") if x.get("ignored")]
    assert ignored["id"] == b["id"] and ignored["ignoreReason"] == "debug agent"
    assert cell.sql(f"select ignore_reason from dash.finding_current where finding_id = {b['id']}") == [("debug agent",)]
    assert cell.berth("finding", "adopt", a["id"]).returncode == 0
    assert cell.api.get(f"/v1/deployments/{group}-a").json["ready"] == 1
    assert cell.berth("finding", "adopt", "--group", group).returncode == 0
    assert cell.api.get(f"/v1/deployments/{group}-b").status == 404, "what is ignored is not adopted with the rest"
    assert cell.berth("finding", "unignore", b["id"]).returncode == 0
    assert b["id"] in [x["id"] for x in findings(cell, group=group)]
    assert commanded(base) == []


def test_a_base_joined_later_is_adopted_into_its_deployment(cell, group, until):
    m = f"{group}-m"
    module = push(cell, m, "1.0.0")
    base, = living(cell, group, module)
    plan = cell.deploy(module, 1, group=group)
    ended(cell, plan)
    assert findings(cell, group=group) == [], "asked for by now"
    late = script.Arklet(identity=f"late-{group}")
    late.biz[(m, "1.0.0")] = {"state": "activated", "path": "/"}
    strange = script.Arklet(identity=f"strange-{group}")
    strange.biz[(m, "0.5")] = {"state": "activated", "path": "/"}
    add(cell, group, late, f"{group}-late")
    add(cell, group, strange, f"{group}-strange")
    until(lambda: len(findings(cell, group=group)) == 2, 15, "both are found")
    reply = cell.api.post("/v1/findings:adopt", {"group": group}).json["adoptions"]
    assert [i["base"] for i in reply[0]["instances"]] == [f"{group}-late"] and not reply[0].get("created")
    assert any("keeps no revision of that version" in n for n in reply[0]["notes"]), reply
    assert any("would have more" in n for n in reply[0]["notes"]), reply
    assert cell.on(m) == [f"{group}-0", f"{group}-late"]
    assert [x["base"] for x in findings(cell, group=group)] == [f"{group}-strange"]


def test_observe_adopt_manage_forget(cell, group, until):
    """The whole hand-over: nobody's modules become Berth's without a command, and are let go again."""
    set_group(cell, group, mode="observe")
    m = f"{group}-m"
    base, = living(cell, group, f"{m}:1.0.0")
    push(cell, m, "1.0.0")
    assert cell.berth("finding", "adopt", "--group", group).returncode == 0
    assert cell.api.get(f"/v1/deployments/{m}").json["state"] == "running"
    assert findings(cell, group=group) == [] and commanded(base) == []
    set_group(cell, group, mode="manage")
    ended(cell, cell.deploy(push(cell, m, "2.0.0"), 1, group=group))
    assert base.held() == {f"{m}:2.0.0": "activated"}
    base.restart()
    until(lambda: base.held() == {f"{m}:2.0.0": "activated"}, 30, "put back after a restart")
    cell.base_ready(f"{group}-0", 10)
    until(lambda: cell.on(m) == [f"{group}-0"], 10, "and known to be")
    done = len(commanded(base))
    assert cell.berth("base", "forget", f"{group}-0").returncode == 0
    assert base.held() == {f"{m}:2.0.0": "activated"} and len(commanded(base)) == done


def test_a_base_that_came_by_its_heartbeats_is_observed_adopted_managed(cell, group, until):
    """Nobody told Berth of it: no address, no file; the heartbeat brings it, polling finds what it holds."""
    set_group(cell, group, mode="observe")
    m = f"{group}-m"
    base = script.Arklet(identity=f"heard-{group}")
    base.biz[(m, "1.0.0")] = {"state": "activated", "path": "/shop"}
    assert beat(cell, cell.join_token(group), base).status == 200
    cell.base_ready(name_of(base), 20)
    found, = until(lambda: findings(cell, base=name_of(base)), 15, "found")
    assert (found["kind"], found["contextPath"]) == ("unmanaged", "/shop") and commanded(base) == []
    push(cell, m, "1.0.0", path="shop")
    assert cell.berth("finding", "adopt", "--group", group).returncode == 0
    assert cell.on(m, "1.0.0") == [name_of(base)] and commanded(base) == []
    set_group(cell, group, mode="manage")
    ended(cell, cell.deploy(push(cell, m, "2.0.0", path="shop"), 1, group=group))
    assert base.held() == {f"{m}:2.0.0": "activated"}
    base.restart()
    until(lambda: base.held() == {f"{m}:2.0.0": "activated"}, 30, "put back after a restart")
    base.biz[("stray", "1")] = {"state": "activated", "path": "/"}
    stray, = until(lambda: findings(cell, base=name_of(base)), 15, "found")
    ended(cell, evict(cell, stray["id"]).json)
    assert base.held() == {f"{m}:2.0.0": "activated"}


# ---- out of service by hand -----------------------------------------------------------------------------------------------------------

def standing_by(cell, m, base):
    return [i["state"] for i in cell.instances(module=m) if i["base"] == base] == ["standby"]


def test_what_is_put_out_of_service_by_hand_is_made_active_again(cell, group, until):
    m = f"{group}-m"
    base, = living(cell, group)
    module = push(cell, m, "1.0.0")
    ended(cell, cell.deploy(module, 1, group=group))
    base.biz[(m, "1.0.0")]["state"] = "deactivated"
    until(lambda: base.held() == {module: "activated"}, 20, "it is active again")
    until(lambda: cell.on(m) == [f"{group}-0"], 10, "and known to be")
    assert commanded(base)[-1] == "switchBiz"
    told = [e["text"] for e in cell.api.get("/v1/events", base=f"{group}-0", kind="repair.succeeded", limit=100).json["events"]]
    assert told == [f"switch {module} on {group}-0"]


def test_a_version_made_active_by_hand_serves_until_it_is_gone(cell, group, until):
    """Which of two versions is right is a person's to say; when the other one goes the wanted one gets the requests."""
    m = f"{group}-m"
    base, = living(cell, group)
    module = push(cell, m, "2.0.0")
    ended(cell, cell.deploy(module, 1, group=group))
    base.biz[(m, "1.0.0")] = {"state": "activated", "path": "/"}
    base.biz[(m, "2.0.0")]["state"] = "deactivated"
    until(lambda: findings(cell, base=f"{group}-0") and standing_by(cell, m, f"{group}-0"), 15, "both are seen")
    why = cell.berth("why", m, "--base", f"{group}-0")
    assert "another version of it gets the requests" in why.stdout, why.stdout
    drift, = findings(cell, base=f"{group}-0")
    ended(cell, evict(cell, drift["id"]).json)
    until(lambda: base.held() == {module: "activated"}, 20, "the wanted one serves")
    assert "switchBiz" in commanded(base)


# ---- eviction -------------------------------------------------------------------------------------------------------------------------

def strangers(cell, group, until, *modules):
    """A base with modules nobody told Berth about, and their findings by module."""
    base, = living(cell, group, *modules)
    until(lambda: len(findings(cell, base=f"{group}-0")) == len(modules), 15, "all are found")
    return base, {x["module"]: x["id"] for x in findings(cell, base=f"{group}-0")}


def evict(cell, number, grace="0s", **query):
    return cell.api.call("POST", f"/v1/findings/{number}:evict?" + "&".join(f"{k}={v}" for k, v in query.items()), {"grace": grace})


def test_what_is_evicted_goes_and_what_stands_beside_it_stays(cell, group, until):
    base, found = strangers(cell, group, until, f"{group}-a:1", f"{group}-b:1")
    done = cell.berth("finding", "evict", found[f"{group}-a"], "--grace", "1s", "--reason", "left over")
    assert done.returncode == 0, done.stdout + done.stderr
    assert base.held() == {f"{group}-b:1": "activated"} and commanded(base) == ["uninstallBiz"]
    until(lambda: [x["module"] for x in findings(cell, base=f"{group}-0")] == [f"{group}-b"], 10, "settled")
    assert cell.api.get("/v1/instances", base=f"{group}-0").json.get("instances", []) == []
    assert cell.api.get(f"/v1/bases/{group}-0").json.get("unitsUsed", 0) == 0
    events = cell.api.get("/v1/events", base=f"{group}-0", limit=1000).json["events"]
    made, = [e for e in events if e["kind"] == "plan.created"]
    assert made["actor"] == "admin" and made["reason"] == "left over" and f"evict {group}-a:1 from {group}-0 after 1s" in made["text"]
    plan = cell.plan(made["plan"])
    assert (plan["kind"], plan["state"], plan["basesDone"], [t["kind"] for t in plan["tasks"]]) == ("evict", "succeeded", 1, ["uninstall"])

    base.biz[(f"{group}-a", "1")] = {"state": "activated", "path": "/"}
    until(lambda: f"{group}-a" in [x["module"] for x in findings(cell, base=f"{group}-0")], 15, "what came back is found anew")
    assert found[f"{group}-a"] not in [x["id"] for x in findings(cell, base=f"{group}-0")]


def test_another_version_than_wanted_is_evicted_and_the_wanted_one_stays(cell, group, until):
    m = f"{group}-m"
    base, = living(cell, group)
    ended(cell, cell.deploy(push(cell, m, "2.0.0"), 1, group=group))
    base.biz[(m, "1.0.0")] = {"state": "deactivated", "path": "/old"}
    until(lambda: findings(cell, base=f"{group}-0"), 15, "found")
    drift, = findings(cell, base=f"{group}-0")
    assert drift["kind"] == "version_drift"
    ended(cell, evict(cell, drift["id"]).json)
    assert base.held() == {f"{m}:2.0.0": "activated"} and cell.on(m) == [f"{group}-0"]
    until(lambda: findings(cell, base=f"{group}-0") == [], 10, "settled")


def test_in_its_grace_an_eviction_is_told_joined_and_called_off(cell, group, until):
    base, found = strangers(cell, group, until, f"{group}-a:1", f"{group}-b:1", f"{group}-c:1")
    a, b, c = (found[f"{group}-{n}"] for n in "abc")
    plan = evict(cell, a, "1h").json
    assert plan["state"] == "queued" and evict(cell, a, "0s").json["id"] == plan["id"]
    told = cell.api.get(f"/v1/findings/{a}").json
    assert told["plan"] == plan["id"] and told["command"] == f"berth plan show {plan['id']}" and "takes it out" in told["text"]
    why, = [w for w in cell.plan(plan["id"])["waitingFor"] if w["rule"] == "grace"]
    assert f"{group}-a:1 goes from base {group}-0" in why["text"] and why["command"] == f"berth plan stop {plan['id']}"
    assert cell.berth("finding", "ignore", a, "--reason", "debug agent").returncode == 0
    assert (cell.plan(plan["id"])["state"], cell.plan(plan["id"])["stateReason"]) == ("stopped", "debug agent")
    refused = evict(cell, a)
    assert refused.status == 409 and "unignore" in refused.json["detail"], refused

    plan = evict(cell, b, "1h").json
    assert cell.berth("finding", "adopt", b).returncode == 0
    assert cell.plan(plan["id"])["state"] == "stopped" and cell.api.get(f"/v1/deployments/{group}-b").json["ready"] == 1

    plan = evict(cell, c, "1h").json
    assert cell.berth("plan", "stop", plan["id"], "--reason", "no").returncode == 0
    assert "plan" not in cell.api.get(f"/v1/findings/{c}").json
    assert commanded(base) == [] and len(base.held()) == 3


def test_an_observed_group_refuses_an_eviction_and_a_frozen_one_lets_it_wait(cell, group, until):
    base, found = strangers(cell, group, until, f"{group}-a:1")
    number = found[f"{group}-a"]
    set_group(cell, group, mode="observe")
    refused = evict(cell, number)
    assert refused.status == 409 and f"berth group set {group} --mode manage" in refused.json["detail"], refused
    set_group(cell, group, mode="manage")
    assert cell.berth("freeze", group, "--reason", "audit").returncode == 0
    plan = evict(cell, number).json
    until(lambda: [w["rule"] for w in cell.plan(plan["id"]).get("waitingFor", [])] == ["frozen"], 10, "it says so")
    assert commanded(base) == []
    assert cell.berth("unfreeze", group).returncode == 0
    ended(cell, cell.ended(plan["id"]))
    assert base.held() == {}


def test_an_eviction_waits_for_a_base_that_is_away(cell, group, until):
    base, found = strangers(cell, group, until, f"{group}-a:1", f"{group}-b:1")
    base.down()
    until(lambda: cell.api.get(f"/v1/bases/{group}-0").json["state"] != "ready", 60, "away")
    plan = evict(cell, found[f"{group}-a"]).json
    until(lambda: [w["rule"] for w in cell.plan(plan["id"]).get("waitingFor", [])] == ["base_away"], 10, "it says so")
    gone = evict(cell, found[f"{group}-b"]).json
    del base.biz[(f"{group}-b", "1")]
    base.up()
    ended(cell, cell.ended(plan["id"]))
    ended(cell, cell.ended(gone["id"]))
    assert base.held() == {}
    assert [b["bizName"] for b in map(lambda x: x.body, base.asked("uninstallBiz"))][:1] == [f"{group}-a"]


def requiring(cell, app, lib):
    """Version 1 of app, which requires lib on its base."""
    file = cell.folder / f"{app}.jar"
    file.write_bytes(script.jar(app, "1"))
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    assert cell.api.call("PUT", f"/v1/artifacts/{digest}", file.read_bytes()).status in (200, 201)
    assert cell.api.post("/v1/modules", {"name": app}).status == 201
    made = cell.api.post(f"/v1/modules/{app}/versions", {"version": "1", "artifact": digest, "requires": [{"module": lib, "range": ">=1"}]})
    assert made.status == 201, made


def test_what_another_module_requires_is_evicted_by_force_only(cell, group, until):
    app, lib = f"{group}-app", f"{group}-lib"
    requiring(cell, app, lib)
    base, found = strangers(cell, group, until, f"{app}:1", f"{lib}:1")
    assert cell.berth("finding", "adopt", found[app]).returncode == 0
    refused = evict(cell, found[lib])
    assert refused.status == 409 and f"{app}:1 on {group}-0 requires {lib}" in refused.json["detail"] and "--force --reason" in refused.json["detail"], refused
    assert evict(cell, found[lib], force="true").status == 400, "nobody says why"
    done = cell.berth("finding", "evict", found[lib], "--grace", "0s", "--force", "--reason", "it is broken")
    assert done.returncode == 0, done.stdout + done.stderr
    assert base.held() == {f"{app}:1": "activated"}


def held_by(cell, plan, app):
    """The eviction is over its grace, and waits for what came to require its module."""
    waits = cell.plan(plan["id"]).get("waitingFor", [])
    return [w["rule"] for w in waits] == ["requires"] and f"{app}:1 on base" in waits[0]["text"]


def test_what_came_to_require_a_module_in_its_grace_holds_the_eviction(cell, group, until):
    app, lib = f"{group}-app", f"{group}-lib"
    requiring(cell, app, lib)
    base, found = strangers(cell, group, until, f"{app}:1", f"{lib}:1")
    plan = evict(cell, found[lib], GRACE).json
    told = cell.berth("why", f"{group}-0")
    assert f"plan {plan['id']} takes {lib}:1 out of it" in told.stdout and f"berth why {plan['id']}" in told.stdout, told.stdout
    assert cell.berth("finding", "adopt", found[app]).returncode == 0
    until(lambda: held_by(cell, plan, app), 15, "it is held, and says by whom")
    why = cell.berth("why", plan["id"])
    assert f"berth finding evict {found[lib]} --force --reason WHY" in why.stdout, why.stdout
    assert commanded(base) == []
    assert evict(cell, found[lib], force="true").status == 400, "nobody says why"
    assert cell.berth("offline", app).returncode == 0
    ended(cell, cell.ended(plan["id"]))
    assert base.held() == {} and [b["bizName"] for b in map(lambda x: x.body, base.asked("uninstallBiz"))] == [app, lib]


def test_an_eviction_that_is_held_is_forced(cell, group, until):
    app, lib = f"{group}-app", f"{group}-lib"
    requiring(cell, app, lib)
    base, found = strangers(cell, group, until, f"{app}:1", f"{lib}:1")
    plan = evict(cell, found[lib], GRACE).json
    assert cell.berth("finding", "adopt", found[app]).returncode == 0
    until(lambda: held_by(cell, plan, app), 15, "it is held")
    cell.one.process.kill()
    cell.one.start().ready()
    cell.base_ready(f"{group}-0", 30)
    until(lambda: held_by(cell, plan, app), 30, "also by another server")
    done = cell.berth("finding", "evict", found[lib], "--force", "--reason", "it is broken")
    assert done.returncode == 0, done.stdout + done.stderr
    assert cell.plan(plan["id"])["state"] == "succeeded" and base.held() == {f"{app}:1": "activated"}


def test_sql_says_what_is_evicted_by_which_plan(cell, group, until):
    base, found = strangers(cell, group, until, f"{group}-a:1", f"{group}-b:1")
    plan = evict(cell, found[f"{group}-a"], GRACE).json
    by_plan = f"select module, plan_id from dash.finding_current where base = '{group}-0' order by module"
    work = f"select kind, state, modules, from_versions, to_versions, base, tasks, tasks_done from dash.plan_progress where plan_id = {plan['id']}"
    assert cell.sql(by_plan) == [(f"{group}-a", plan["id"]), (f"{group}-b", None)]
    assert cell.sql(work) == [("evict", "queued", f"{group}-a", "1", None, f"{group}-0", 0, 0)]
    ended(cell, cell.ended(plan["id"]))
    until(lambda: cell.sql(by_plan) == [(f"{group}-b", None)], 10, "settled")
    assert cell.sql(work) == [("evict", "succeeded", f"{group}-a", "1", None, f"{group}-0", 1, 1)]
    stopped = evict(cell, found[f"{group}-b"], "1h").json
    assert cell.berth("plan", "stop", stopped["id"]).returncode == 0
    assert cell.sql(by_plan) == [(f"{group}-b", None)]


def test_an_eviction_outlives_the_server(cell, group, until):
    base, found = strangers(cell, group, until, f"{group}-a:1")
    plan = evict(cell, found[f"{group}-a"], "4s").json
    cell.one.process.kill()
    cell.one.start().ready()
    ended(cell, cell.ended(plan["id"], 40))
    assert base.held() == {} and commanded(base) == ["uninstallBiz"]


def test_a_module_of_a_native_base_is_evicted(cell, group, until):
    name = f"{group}-native"
    cell.join([name], group)
    arklet = cells.Rest(f"127.0.0.1:{cell.agents[name].ports['arklet']}")
    assert arklet.post("/installBiz", {"bizName": "hello", "bizVersion": "1.0.0", "bizUrl": f"file://{cell.example('hello-1.0.0')}"}).json["code"] == "SUCCESS"
    until(lambda: [x["module"] for x in findings(cell, base=name)] == ["hello"], 30, "found")
    number = findings(cell, base=name)[0]["id"]
    plan = evict(cell, number, "2s").json
    cell.one.process.kill()
    cell.one.start().ready()
    ended(cell, cell.ended(plan["id"], 40))
    assert not cell.says(name, "/hello", "hello 1.0.0")
    until(lambda: findings(cell, base=name) == [], 10, "settled")
