"""A fleet that runs already: observed, adopted, managed, and let go again. Bases are scripted; real JVMs are in test_koupleless.py."""
import arklet_script as script
from test_arklet_traps import add, cell, ended, group, push, set_group  # noqa: F401


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
