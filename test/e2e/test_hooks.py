"""Around a swap: who is called before and after, what is out of traffic meanwhile, and what a failing hook, a kill -9 and a person change."""
import json

import pytest

import cell as cells
from listener import Listener


@pytest.fixture
def balancer():
    listener = Listener()
    yield listener
    listener.stop()


def set_group(cell, **fields):
    done = cell.api.patch("/v1/groups/demo", fields)
    assert done.status == 200, done
    return done.json


@pytest.fixture
def two(fleet, balancer):
    fleet.begin(bases=2)
    fleet.push("hello-1.0.0")
    fleet.push("hello-2.0.0")
    fleet.deploy("hello:1.0.0", replicas=2)
    set_group(fleet, beforeSwap=balancer.url + "/out", afterSwap=balancer.url + "/in")
    return fleet


def upgrade(cell, version="2.0.0", **strategy):
    return cell.deploy(f"hello:{version}", replicas=2, wait=0, strategy={"minReady": "0s", "batchCount": 2, "upgradePolicy": "in_place"} | strategy)["id"]


def calls(balancer):
    return [(a["hook"], a["base"], a["version"]) for a in balancer.asked]


def tasks(cell, number):
    """Kind and base in the order in which they ended."""
    return [tuple(row) for row in cell.sql(f"select kind, base from task where plan_id = {number} and state = 'succeeded' order by ended_at, id")]


def ready(cell, base):
    """Whether a gateway that follows the view sends anything there."""
    return any(e["ready"] for e in cell.api.get("/v1/endpoints", module="hello", base=base).json["endpoints"])


def test_out_swap_in_one_base_after_the_other(two, balancer):
    seen = {}

    def say(asked):
        if asked["hook"] == "beforeSwap":
            seen[asked["base"]] = (ready(two, asked["base"]), two.module(asked["base"], "/hello").status)
        else:
            seen[asked["base"]] += (two.module(asked["base"], "/hello").body.decode(),)
        return 200, {}, ""
    balancer.say = say
    number = upgrade(two)
    plan = two.ended(number)
    assert plan["state"] == "succeeded", plan
    first, second = balancer.asked[0]["base"], balancer.asked[2]["base"]
    assert calls(balancer) == [(hook, base, version) for base in (first, second) for hook, version in (("beforeSwap", "1.0.0"), ("afterSwap", "2.0.0"))]
    assert first != second and seen == {base: (False, 200, seen[base][2]) for base in (first, second)}, seen
    assert all("2.0.0" in s[2] for s in seen.values()), seen
    asked = balancer.asked[0]
    assert asked | {"plan": number, "batch": 1, "group": "demo", "deployment": "hello", "module": "hello", "fromVersion": "1.0.0", "toVersion": "2.0.0",
                    "attempt": 1, "othersAtWork": 0} == asked, asked
    keys = [h["Idempotency-Key"] for h in balancer.headers]
    assert len(set(keys)) == 4, keys
    kinds = [kind for kind, _ in tasks(two, number)]
    assert kinds == ["before_swap", "uninstall", "install", "after_swap"] * 2, kinds
    two.sound()


def test_what_is_called_can_tell_who_calls(two, balancer, tmp_path):
    """Signed like webhooks, once the group has a secret; a new one signs from the next call on, and none stops it."""
    assert two.ended(upgrade(two))["state"] == "succeeded"
    assert not any("Berth-Signature" in h for h in balancer.headers)
    for version, secret in ("1.0.0", "first-secret-of-this-group"), ("2.0.0", "second-secret-of-this-group"):
        (tmp_path / "secret").write_text(secret + "\n")
        missing = two.berth("group", "set", "demo", "--hook-secret", f"@{tmp_path}/nowhere")
        assert missing.returncode != 0 and "--hook-secret" in missing.stderr and "no such file" in missing.stderr, missing.stderr
        done = two.berth("group", "set", "demo", "--hook-secret", f"@{tmp_path}/secret")
        assert done.returncode == 0 and secret not in done.stdout + done.stderr, done.stdout + done.stderr
        before = len(balancer.asked)
        assert two.ended(upgrade(two, version))["state"] == "succeeded"
        assert len(balancer.asked) == before + 4
        assert all(balancer.signed(secret, k) for k in range(before, before + 4))
        assert not balancer.signed("some-other-secret", before)
    two.one.process.kill()
    two.one.start().ready()
    two.deploy("hello:2.0.0", replicas=1, strategy={"minReady": "0s"})
    assert balancer.signed("second-secret-of-this-group"), "it is in the ledger"
    set_group(two, hookSecret="")
    two.deploy("hello:2.0.0", replicas=2, strategy={"minReady": "0s"})
    assert "Berth-Signature" not in balancer.headers[-1]
    assert "hookSecret" not in two.api.get("/v1/groups/demo").json


def test_a_hook_that_fails_is_that_base_failing(two, balancer):
    balancer.say = lambda asked: (409, {}, "the pool is too small") if asked["hook"] == "beforeSwap" else (200, {}, "")
    number = upgrade(two)
    cells.until(lambda: two.plan(number)["state"] == "paused")
    failed = [t for t in two.plan(number)["tasks"] if t["state"] == "failed"]
    assert [(t["kind"], t["fault"]) for t in failed] == [("before_swap", "hook")] and "answered 409: the pool is too small" in failed[0]["cause"], failed
    base = failed[0]["base"]
    assert two.on("hello", "1.0.0") == ["n1", "n2"] and two.module(base, "/hello").status == 200
    cells.until(lambda: ("afterSwap", base, "1.0.0") in calls(balancer), what="what stayed is taken into traffic again")
    balancer.say = lambda _: (200, {}, "")
    assert two.berth("plan", "retry", number).returncode == 0
    assert two.ended(number)["state"] == "succeeded" and two.on("hello", "2.0.0") == ["n1", "n2"]
    # Only the way back into traffic fails: the module is in, the plan says what is missing, and a retry calls that hook alone.
    balancer.say = lambda asked: (503, {}, "not now") if asked["hook"] == "afterSwap" else (200, {}, "")
    number = upgrade(two, "1.0.0", retries=0)
    cells.until(lambda: two.plan(number)["state"] == "paused")
    before = len(balancer.asked)
    balancer.say = lambda _: (200, {}, "")
    assert two.berth("plan", "retry", number).returncode == 0
    assert two.ended(number)["state"] == "succeeded" and two.on("hello", "1.0.0") == ["n1", "n2"]
    assert [a["hook"] for a in balancer.asked[before:]] == ["afterSwap", "beforeSwap", "afterSwap"]
    two.sound()


def test_the_server_dies_while_it_is_called_and_while_it_waits(two, balancer):
    set_group(two, drainWait="4s")
    balancer.say = lambda _: (202, {"Retry-After": "1"}, "connections are ending")
    number = upgrade(two)
    cells.until(lambda: len(balancer.asked) >= 2)
    said = two.berth("why", "hello").stdout
    assert "before_swap of hello" in said and "was called and is not done" in said, said
    two.one.process.kill()
    before = len(balancer.asked)
    two.one.start().ready()
    cells.until(lambda: len(balancer.asked) > before, what="the same call once more")
    assert len({h["Idempotency-Key"] for h in balancer.headers}) == 1, "one call, one key"
    balancer.say = lambda _: (200, {}, "")
    cells.until(lambda: any(w["rule"] == "drain" for w in two.plan(number).get("waitingFor", [])), what="drainWait")
    base, called = balancer.asked[0]["base"], len(balancer.asked)
    assert not ready(two, base) and two.module(base, "/hello").status == 200 and len(two.on("hello", "1.0.0")) == 1
    two.one.process.kill()
    two.one.start().ready()
    plan = two.ended(number, 60)
    assert plan["state"] == "succeeded", plan
    assert [a["hook"] for a in balancer.asked[called:]] == ["afterSwap", "beforeSwap", "afterSwap"], "what was called was not called again"
    assert len({h["Idempotency-Key"] for h in balancer.headers}) == 4
    two.sound()


def test_drain_wait_goes_on_where_a_killed_server_left_it(two, balancer):
    """Killed in the middle of it again and again: what was waited for already is not waited for again."""
    set_group(two, drainWait="20s", beforeSwap="", afterSwap="")
    number = upgrade(two, batchCount=1, maxUnavailable=2)

    def held():
        return [row[0] for row in two.sql(f"select held_us from task where plan_id = {number} and state = 'pending' order by id")]
    for least in 4, 8, 12:
        cells.until(lambda: held() and min(held()) >= least * 1000000, what=f"{least} s of drainWait in the ledger")
        assert two.plan(number)["state"] == "running" and two.on("hello", "2.0.0") == []
        two.one.process.kill()
        two.one.start().ready()
        assert min(held()) >= least * 1000000
    left = cells.until(lambda: [w["text"].split("drainWait is over in ")[1] for w in two.plan(number).get("waitingFor", []) if w["rule"] == "drain"])
    assert max(float(text.removesuffix("s")) for text in left) <= 8, left
    assert two.ended(number, 60)["state"] == "succeeded" and two.on("hello", "2.0.0") == ["n1", "n2"]
    two.sound()


def test_a_stop_puts_back_and_a_scale_in_goes_out_first(two, balancer):
    set_group(two, drainWait="20s")
    number = upgrade(two)
    cells.until(lambda: any(w["rule"] == "drain" for w in two.plan(number).get("waitingFor", [])))
    assert two.berth("plan", "stop", number).returncode == 0
    cells.until(lambda: two.on("hello", "1.0.0") == ["n1", "n2"])
    cells.until(lambda: [c[0] for c in calls(balancer)] == ["beforeSwap", "afterSwap"])
    set_group(two, drainWait="1s", afterSwap="")
    number = two.deploy("hello:1.0.0", replicas=1, wait=0)["id"]
    assert two.ended(number)["state"] == "succeeded"
    assert [kind for kind, _ in tasks(two, number)] == ["before_swap", "uninstall"]
    cells.until(lambda: len(two.instances(module="hello")) == 1)
    two.sound()


def test_a_dry_run_says_what_is_called_and_how_long_it_waits(two, balancer):
    set_group(two, drainWait="30s")
    run = two.api.post("/v1/deployments?dryRun=true", {"name": "hello", "version": "2.0.0", "strategy": {"minReady": "0s", "batchCount": 2, "upgradePolicy": "in_place"}})
    notes = " | ".join(run.json["notes"])
    assert f"beforeSwap {balancer.url}/out, then 30s of drainWait" in notes and f"afterSwap {balancer.url}/in" in notes, run.json
    assert any(note.startswith("takes about 1m") for note in run.json["notes"]), run.json
    assert not balancer.asked


def test_what_a_hook_may_be(two):
    for fields, field in ((dict(beforeSwap="ftp://lb"), "/beforeSwap"), (dict(afterSwap="rm -rf /"), "/afterSwap"), (dict(beforeSwap="http://u:p@lb/"), "/beforeSwap"),
                          (dict(drainWait="2h"), "/drainWait"), (dict(hookTimeout="1ms"), "/hookTimeout"), (dict(drainWait="-1s"), "/drainWait"),
                          (dict(hookSecret="too short"), "/hookSecret"), (dict(hookSecret="a blank is in this one"), "/hookSecret"), (dict(hookSecret="x" * 201), "/hookSecret")):
        refused = two.api.patch("/v1/groups/demo", fields)
        assert refused.status == 400 and refused.json["errors"][0]["pointer"] == field, (fields, refused)
    done = two.berth("group", "set", "demo", "--before-swap", "", "--after-swap", "lb-in", "--drain-wait", "10s", "--hook-timeout", "1m")
    assert done.returncode == 0, done.stdout + done.stderr
    group = two.api.get("/v1/groups/demo").json
    assert group.get("beforeSwap", "") == "" and (group["afterSwap"], group["drainWait"], group["hookTimeout"]) == ("lb-in", "10s", "1m"), group


def test_a_command_that_the_agent_runs(fleet, tmp_path):
    """By name: the agent knows what to run, the server only what it is called."""
    fleet.begin(bases=0)
    fleet.push("hello-1.0.0")
    fleet.push("hello-2.0.0")
    log = tmp_path / "calls"
    script = tmp_path / "hook.sh"
    script.write_text(f'#!/bin/sh\necho "$BERTH_HOOK $BERTH_BASE $BERTH_HOOK_KEY $(cat)" >> {log}\nif [ -e {tmp_path}/broken ]; then echo "a first line"; echo "the pool is full"; exit 3; fi\n')
    script.chmod(0o755)
    fleet.join(["n1"], options=("--hook", f"lb={script} x;exit $?", "--hook", "slow=sleep 60"))
    fleet.join(["n2"])
    for name in ("n1", "n2"):
        fleet.base_ready(name)
    fleet.deploy("hello:1.0.0", replicas=2)
    set_group(fleet, beforeSwap="lb", afterSwap="lb", hookTimeout="20s")
    # n2 has no such hook: its slot fails, at once and with what to do about it; n1's went through.
    number = upgrade(fleet, batchCount=1, onFailure="continue")
    plan = fleet.ended(number)
    assert plan["state"] == "succeeded_with_failures", plan
    failed, = [t for t in plan["tasks"] if t["state"] == "failed"]
    assert (failed["base"], failed["kind"], failed["fault"]) == ("n2", "before_swap", "hook") and "has no hook lb; start it with --hook lb=COMMAND" in failed["cause"], failed
    assert fleet.on("hello", "2.0.0") == ["n1"] and fleet.on("hello", "1.0.0") == ["n2"]
    calls = [line.split(" ", 3) for line in log.read_text().splitlines()]
    assert [(c[0], c[1]) for c in calls] == [("before_swap", "n1"), ("after_swap", "n1")], calls
    assert json.loads(calls[0][3])["toVersion"] == "2.0.0" and calls[0][2] != calls[1][2]
    # One that exits with something else than 0, and one that does not end.
    (tmp_path / "broken").touch()
    number = upgrade(fleet, "1.0.0", retries=0, onFailure="pause")
    cells.until(lambda: fleet.plan(number)["state"] == "paused")
    failed, = [t for t in fleet.plan(number)["tasks"] if t["state"] == "failed"]
    assert failed["cause"] == "exit code 3: the pool is full" and "a first line" in failed["output"], failed
    assert fleet.on("hello", "2.0.0") == ["n1"]
    (tmp_path / "broken").unlink()
    set_group(fleet, beforeSwap="slow", hookTimeout="1s")
    assert fleet.api.post(f"/v1/plans/{number}:retry", {}).status == 200
    cells.until(lambda: any("hookTimeout" in t.get("cause", "") for t in fleet.plan(number)["tasks"]))
    set_group(fleet, beforeSwap="lb", hookTimeout="20s")
    cells.until(lambda: fleet.plan(number)["state"] == "paused")
    assert fleet.berth("plan", "retry", number).returncode == 0
    assert fleet.ended(number)["state"] == "succeeded" and fleet.on("hello", "1.0.0") == ["n1", "n2"]
    fleet.sound()
