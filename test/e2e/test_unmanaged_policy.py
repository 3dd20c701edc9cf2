"""What a group does by itself about modules that nobody told Berth about: report, repair, adopt, evict. Bases are scripted."""
import pytest

import arklet_script as script
from test_arklet_traps import add, cell, ended, push, set_group  # noqa: F401
from test_living_fleet import commanded, findings, living

WAIT = 45  # a finding stands for 10 s first, and an eviction has a grace of 10 s on top


@pytest.fixture
def groups(cell):
    """Makes groups by the policy that they are to have."""
    def make(**policies):
        cell.count += 1
        names = {}
        for key, policy in policies.items():
            names[key] = f"u{cell.count}{key}"
            cell.group(names[key], 50)
            set_group(cell, names[key], unmanagedPolicy=policy)
        return names
    return make


def events(cell, kind, base):
    return [e for e in cell.api.get("/v1/events", base=base, kind=kind, limit=1000).json.get("events", [])]


def test_each_policy_does_what_it_says_and_is_named_in_the_events(cell, groups, until):
    g = groups(report="report", evict="evict", adopt="adopt", repair="repair")
    m = g["repair"] + "-m"
    left, = living(cell, g["report"], "a:1")
    cleaned, = living(cell, g["evict"], "b:1", "c:1:/c")
    taken = living(cell, g["adopt"], "d:1", count=2)
    mended, = living(cell, g["repair"], "x:1:/x")
    ended(cell, cell.deploy(push(cell, m, "2.0.0"), 1, group=g["repair"]))
    mended.biz[(m, "1.0.0")] = {"state": "deactivated", "path": "/old"}

    until(lambda: cell.api.get("/v1/deployments/d").status == 200, WAIT, "it is adopted")
    deployment = cell.api.get("/v1/deployments/d").json
    assert (deployment["replicas"], deployment["ready"], deployment["state"]) == (2, 2, "running")
    assert [commanded(b) for b in taken] == [[], []] and findings(cell, group=g["adopt"], kind="unmanaged") == []
    adopted, = events(cell, "finding.adopted", g["adopt"] + "-0")
    assert adopted["actor"] == "policy" and adopted["reason"] == f"unmanagedPolicy of group {g['adopt']} is adopt"

    until(lambda: cleaned.held() == {}, WAIT, "what nobody asked for is gone")
    made = events(cell, "plan.created", g["evict"] + "-0")
    assert {(e["actor"], e["reason"]) for e in made} == {("policy", f"unmanagedPolicy of group {g['evict']} is evict")} and len(made) == 2
    plan = cell.ended(made[0]["plan"])
    assert (plan["kind"], plan["state"], plan["actor"]) == ("evict", "succeeded", "policy")
    until(lambda: mended.held() == {"x:1": "activated", f"{m}:2.0.0": "activated"}, WAIT, "only the wrong version went")
    until(lambda: [f["module"] for f in findings(cell, group=g["repair"])] == ["x"], 10, "and is known to have gone")
    assert left.held() == {"a:1": "activated"} and [f["module"] for f in findings(cell, group=g["report"])] == ["a"]
    assert commanded(left) == []

    # One more than the deployment wants would be a surplus, which the next plan removes: that is for a person to say.
    late = script.Arklet(identity="late")
    late.biz |= {("d", "1"): {"state": "activated", "path": "/"}, ("e", "1"): {"state": "activated", "path": "/e"}}
    add(cell, g["adopt"], late, g["adopt"] + "-2")
    until(lambda: cell.api.get("/v1/deployments/e").status == 200, WAIT, "another module of that base is adopted")
    assert [f["module"] for f in findings(cell, base=g["adopt"] + "-2", kind="unmanaged")] == ["d"] and commanded(late) == []
    assert cell.api.get("/v1/deployments/d").json["wanted"] == 2


def test_no_policy_acts_where_nothing_is_to_be_done_or_a_person_said_no(cell, groups, until):
    g = groups(control="evict", observed="evict", frozen="evict", let="evict", stopped="evict")
    assert cell.berth("freeze", g["frozen"], "--reason", "holidays").returncode == 0
    set_group(cell, g["observed"], mode="observe")
    bases = {key: living(cell, name, "s:1")[0] for key, name in g.items()}
    until(lambda: findings(cell, group=g["let"]), 20, "found")
    found, = findings(cell, group=g["let"])
    assert cell.berth("finding", "ignore", found["id"], "--reason", "debug agent").returncode == 0
    plan = until(lambda: next((e["plan"] for e in events(cell, "plan.created", g["stopped"] + "-0")), None), WAIT, "it begins")
    assert cell.berth("plan", "stop", plan, "--reason", "needed").returncode == 0
    let_be = until(lambda: [f for f in findings(cell, group=g["stopped"], ignored="true") if f.get("ignored")], 20, "let be")
    assert let_be[0]["ignoreReason"] == f"plan {plan} was stopped: needed", let_be

    until(lambda: bases["control"].held() == {}, WAIT, "the others had the time, too")
    assert all(commanded(b) == [] for key, b in bases.items() if key != "control")
    assert [events(cell, "plan.created", g[key] + "-0") for key in ("observed", "frozen", "let")] == [[], [], []]
    set_group(cell, g["observed"], mode="manage")
    assert cell.berth("unfreeze", g["frozen"]).returncode == 0
    assert cell.berth("finding", "unignore", found["id"]).returncode == 0
    until(lambda: all(bases[key].held() == {} for key in ("observed", "frozen", "let")), WAIT, "they are free to act")
    assert bases["stopped"].held() == {"s:1": "activated"}
