"""What JVM bases say of their memory, what modules cost there, and the limit that holds installs to it. Bases are scripted."""
import arklet_script as script
from test_arklet_traps import add, cell, ended, group, push, set_group  # noqa: F401

MIB = 1 << 20


def jvm(cell, group, name, used=60, most=100, **cost):
    base = script.Arklet(identity=f"{name}-{group}")
    base.metaspace, base.metaspace_max = used * MIB, most * MIB
    base.cost = {f"{group}-{m}": c * MIB for m, c in cost.items()}
    add(cell, group, base, f"{group}-{name}")
    return base


def memory(cell, name):
    return cell.api.get(f"/v1/bases/{name}").json.get("memory", {})


def test_memory_and_install_cost_are_recorded(cell, group, until):
    jvm(cell, group, "0", m=5)
    ended(cell, cell.deploy(push(cell, f"{group}-m", "1.0.0"), 1, group=group))
    until(lambda: memory(cell, f"{group}-0").get("metaspaceUsed") == 65 * MIB, 20, "the next health is told")
    shown = memory(cell, f"{group}-0")
    assert shown["metaspaceMax"] == 100 * MIB and shown["classes"] == 12000 and shown["heapUsed"] == 30.5 * MIB
    assert shown["application"] == "lab-base" and shown["javaVersion"] == "17.0.15" and "threads" not in shown
    cost, = cell.api.get(f"/v1/modules/{group}-m").json["installCosts"]
    assert cost["group"] == group and cost["installs"] == 1 and cost["metaspaceBytes"] == 5 * MIB and cost["duration"].endswith("s")
    wide = cell.berth("base", "list", "--group", group, "-o", "wide").stdout
    assert "METASPACE" in wide and "17.0.15" in wide

    rows = until(lambda: cell.sql(f"select application, metaspace_used_bytes, metaspace_max_bytes, metaspace_percent, classes, threads"
                                  f" from dash.base_memory where base = '{group}-0' and metaspace_used_bytes = {65 * MIB}"), 20, "in SQL")
    assert [(a, u, m, float(p), c, t) for a, u, m, p, c, t in rows] == [("lab-base", 65 * MIB, 100 * MIB, 65.0, 12000, None)]
    assert cell.sql(f"select base_group, installs, metaspace_bytes from dash.install_cost where module = '{group}-m'") == [(group, 1, 5 * MIB)]


def test_installs_that_would_cross_the_limit_are_refused_with_the_numbers(cell, group, until):
    first = jvm(cell, group, "0", m=5)
    ended(cell, cell.deploy(push(cell, f"{group}-m", "1.0.0"), 1, group=group))
    tight = jvm(cell, group, "tight", used=68, m=5)
    until(lambda: memory(cell, f"{group}-tight").get("metaspaceUsed") == 68 * MIB, 20, "its memory is told")
    assert cell.berth("group", "set", group, "--metaspace-limit", "70").returncode == 0
    plan = cell.deploy(f"{group}-m:1.0.0", 2, group=group, wait=1)
    why = cell.berth("why", f"{group}-m").stdout
    assert f"68.0 MiB needed now and 5.0 for it, of 70.0 at 70 % of 100.0 on {group}-tight" in why, why
    assert tight.held() == {} and len(first.held()) == 1
    set_group(cell, group, metaspaceLimit=80)
    ended(cell, cell.ended(plan["id"]))
    assert tight.held() == {f"{group}-m:1.0.0": "activated"}


def test_what_memory_pressure_would_give_back_does_not_count(cell, group, until):
    """Versions that were removed stay softly reachable: the metaspace in use grows with each upgrade, and nothing is wrong."""
    base, other = jvm(cell, group, "0", m=5, n=4), jvm(cell, group, "1", m=5, n=4)
    cell.api.call("PATCH", f"/v1/bases/{group}-1", {"labels": {"other": "yes"}})
    for version in ("1.0.0", "2.0.0", "3.0.0", "4.0.0"):
        ended(cell, cell.deploy(push(cell, f"{group}-m", version, path="shop"), "all", group=group))
    until(lambda: memory(cell, f"{group}-0").get("metaspaceUsed") == 80 * MIB, 20, "it has grown")
    until(lambda: memory(cell, f"{group}-1").get("metaspaceUsed") == 80 * MIB, 20, "and so has the other one's")
    assert memory(cell, f"{group}-0")["metaspaceNeeded"] == 65 * MIB
    ended(cell, cell.deploy(push(cell, f"{group}-n", "1.0.0"), 1, group=group))  # now its cost is known
    set_group(cell, group, metaspaceLimit=75)
    ended(cell, cell.deploy(f"{group}-n:1.0.0", "all", group=group))
    assert base.held() == other.held() == {f"{group}-m:4.0.0": "activated", f"{group}-n:1.0.0": "activated"}


def upgraded(cell, group, version, path, **strategy):
    return cell.deploy(push(cell, f"{group}-m", version, path=path), 1, group=group, wait=1, strategy={"minReady": "0s"} | strategy)


def test_an_upgrade_side_by_side_asks_for_room_for_both(cell, group, until):
    """In place what goes makes room for what comes, and is never refused: a base at its limit can still be upgraded."""
    base = jvm(cell, group, "0", m=5)
    ended(cell, upgraded(cell, group, "1.0.0", "shop"))
    until(lambda: memory(cell, f"{group}-0").get("metaspaceUsed") == 65 * MIB, 20, "the next health is told")
    set_group(cell, group, metaspaceLimit=68)
    waits = upgraded(cell, group, "2.0.0", "shop2", upgradePolicy="install_first")
    why = cell.berth("why", f"{group}-m").stdout
    assert f"{group}-m:1.0.0 goes from {group}-0 once its successor stands beside it (install_first)" in why, why
    assert f"65.0 MiB needed now and 5.0 for it, of 68.0 at 68 % of 100.0 on {group}-0" in why, why
    assert base.held() == {f"{group}-m:1.0.0": "activated"} and cell.plan(waits["id"])["waitingFor"][0]["rule"] == "metaspace"
    set_group(cell, group, metaspaceLimit=72)
    ended(cell, cell.ended(waits["id"]))
    until(lambda: memory(cell, f"{group}-0").get("metaspaceUsed") == 70 * MIB, 20, "the next health is told")
    set_group(cell, group, metaspaceLimit=60)
    ended(cell, upgraded(cell, group, "3.0.0", "shop3", upgradePolicy="auto"))  # in place where there is no room for both
    assert base.held() == {f"{group}-m:3.0.0": "activated"}
    order = [a.command for a in base.log if a.command in ("installBiz", "uninstallBiz")]
    assert order == ["installBiz", "installBiz", "uninstallBiz", "uninstallBiz", "installBiz"]


def test_a_base_that_joins_gets_what_all_have_only_within_the_limit(cell, group, until):
    first = jvm(cell, group, "0", m=5, n=4)
    for m in ("m", "n"):
        ended(cell, cell.deploy(push(cell, f"{group}-{m}", "1.0.0"), "all", group=group))
    set_group(cell, group, metaspaceLimit=70)
    tight = jvm(cell, group, "tight", used=64, m=5, n=4)  # one of them fits
    assert len(first.held()) == 2
    until(lambda: len(tight.held()) == 1, 20, "one is in")
    lacks = next(m for m in ("m", "n") if f"{group}-{m}:1.0.0" not in tight.held())
    until(lambda: "MiB needed now" in cell.berth("why", f"{group}-{lacks}").stdout, 20, "the numbers are told")
    why = cell.berth("why", f"{group}-{lacks}").stdout
    assert f"base {group}-tight lacks it: 1 where it would pass the metaspace limit" in why, why
    set_group(cell, group, metaspaceLimit=90)
    until(lambda: len(tight.held()) == 2, 30, "with more room the other one comes")
