"""Always say why: what waits says for what, since when, on whom, and names the command that would let it go on; a finished plan says what it took."""
import json
import re

import cell as cells


def said(fleet, *args):
    done = fleet.berth("why", *args)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_plan_a_deployment_a_base_and_an_instance_say_why(fleet):
    fleet.begin("--heartbeat=500ms", "--silent=3s", "--lost=5s", bases=3)
    fleet.push("hello-1.0.0")
    fleet.push("broken")
    fleet.deploy("hello:1.0.0")
    body = {"name": "b", "module": "broken", "version": "1.0.0", "group": "demo", "replicas": 1, "strategy": {"retries": 1, "minReady": "0s"}}
    number = fleet.api.post("/v1/deployments", body).json["id"]
    cells.until(lambda: fleet.plan(number)["state"] == "paused")
    plan = said(fleet, number)
    assert f"next:  berth plan resume {number}" in plan, plan
    # Wanted by whom, the last command with its outcome, the cause.
    missing = said(fleet, "b")
    assert "by admin" in missing and "install, try 2: failed: no database" in missing and f"berth why {number}" in missing, missing
    # The same in SQL, with the same command; it is gone once nothing waits any more.
    cells.until(lambda: fleet.sql("select rule, command from dash.plan_waiting") == [("paused", f"berth plan resume {number}")], what="the view says what it waits for")
    assert fleet.berth("plan", "stop", number).returncode == 0
    cells.until(lambda: not fleet.sql("select 1 from dash.plan_waiting"))
    # A base that went away, and what was on it.
    fleet.agents["n3"].process.kill()
    fleet.agents["n3"].stop()
    cells.until(lambda: fleet.api.get("/v1/bases/n3").json["state"] == "lost")
    base = said(fleet, "n3")
    assert "is lost" in base and "placed elsewhere in" in base and "expect-restart n3" in base and "hello:1.0.0 on n3 is unknown" in base, base
    (instance,) = fleet.instances(base="n3", module="hello")  # the broken one may have been tried there
    assert "last report:  activated" in said(fleet, f"instance/{instance['id']}")
    account = json.loads(fleet.berth("why", f"instance/{instance['id']}", "-o", "json").stdout)
    assert account["wantedBy"] == "admin" and account["next"] == "berth why n3", account
    well = ({"n1", "n2"} - {i["base"] for i in fleet.instances(deployment="b")}).pop()
    assert "nothing is wrong" in said(fleet, f"base/{well}")


def test_status_and_metrics_tell_of_the_oldest_command_without_an_outcome(fleet):
    fleet.begin(bases=1)
    fleet.push("hello-1.0.0")

    def age():
        text = fleet.api.get("/metrics").body.decode()
        return float(re.search(r"^berth_task_sent_oldest_seconds (\S+)", text, re.M)[1])
    fleet.agents["n1"].process.freeze()
    try:
        plan = fleet.deploy("hello:1.0.0", replicas=1, wait=0)["id"]
        cells.until(lambda: age() > 0, what="a command is at its base")
        status = fleet.api.get("/v1/status").json
        assert status["oldestSent"].endswith("s") and status["loopLagMax"].endswith("s"), status
        told = fleet.berth("status").stdout
        assert "oldest command without an outcome" in told and "longest loop lag" in told, told
        before = age()
        cells.until(lambda: age() > before, what="it grows older")
    finally:
        fleet.agents["n1"].process.wake()
    assert fleet.ended(plan)["state"] == "succeeded"
    assert age() == 0 and "oldestSent" not in fleet.api.get("/v1/status").json


def test_what_is_not_there_is_said(shared):
    assert shared.berth("why", "nobody").returncode == 3
    assert shared.berth("why", "planet/9").returncode == 2
    plan = shared.berth("why", "999999")  # a number that is no plan's is no misspelt deployment either
    assert plan.returncode == 3 and "no plan 999999" in plan.stderr and "there is:" not in plan.stderr, plan.stderr
    assert shared.api.try_get("/v1/instances/999999:explain").status == 404
    assert shared.api.try_get("/v1/bases/nobody:explain").status == 404


def test_rows_tell_of_a_queue_a_freeze_and_a_person(fleet):
    fleet.begin(bases=4)
    fleet.push("hello-1.0.0")
    fleet.push("hello-2.0.0")
    first = fleet.deploy("hello:1.0.0", replicas=4, wait=0, strategy={"minReady": "0s", "confirm": "beta"})["id"]

    def rows():
        return fleet.sql("select plan_id, rule, command from dash.plan_waiting order by plan_id, rule")
    cells.until(lambda: rows() == [(first, "confirm", f"berth plan confirm {first} 1")], what="the confirmation is waited for")
    assert fleet.berth("freeze", "demo", "--reason", "sale").returncode == 0
    second = fleet.deploy("hello:2.0.0", replicas=4, wait=0, strategy={"minReady": "0s", "confirm": "none"})["id"]
    waits = {(second, "frozen", "berth unfreeze demo"), (second, "other_plan", f"berth plan show {first}")}
    cells.until(lambda: waits <= set(rows()), what="both that it waits for are told")
    assert fleet.berth("plan", "confirm", first, "1", "--no-wait").returncode == 0
    assert fleet.ended(first)["state"] == "succeeded"
    assert fleet.berth("unfreeze", "demo").returncode == 0
    assert fleet.ended(second)["state"] == "succeeded"
    cells.until(lambda: not rows())
    fleet.sound()


def test_a_finished_plan_says_what_it_took(shared):
    shared.push("hello-1.0.0")
    shared.push("broken")
    done = shared.deploy("hello:1.0.0", strategy={"minReady": "0s", "batches": [1, "100%"]})
    report = shared.ended(done["id"])["report"]
    assert [b["bases"] for b in report["batches"]] == [1, 2] and len(report["bases"]) == 3 and not report.get("failures"), report
    assert float(report["duration"][:-1]) > 0 and float(report["atBases"][:-1]) > 0 and float(report["inBerth"][:-1]) >= 0
    durations = [float(b["duration"][:-1]) for b in report["bases"]]
    assert durations == sorted(durations, reverse=True)
    failed = shared.api.post("/v1/deployments", {"name": "b", "module": "broken", "version": "1.0.0", "group": "demo", "replicas": 1,
                                                 "strategy": {"retries": 1, "minReady": "0s", "onFailure": "stop"}}).json
    report = shared.ended(failed["id"])["report"]
    assert report["retries"] == 1 and report["failures"][0]["fault"] == "module" and "no database" in report["failures"][0]["cause"], report
    text = shared.berth("plan", "report", failed["id"]).stdout
    assert "1 tried again" in text and "no database" in text and "slowest:" in text, text


MORE_TASKS = """
insert into task select (jsonb_populate_record(null::task, to_jsonb(t) || jsonb_build_object('id', 9000000 + i, 'base', 'far' || i % 1500, 'attempt', 1 + i % 2,
  'state', case when i % 30 = 0 then 'failed' else 'succeeded' end, 'fault', case when i % 30 = 0 then 'module' else t.fault end,
  'cause', 'no database', 'duration_us', i, 'ended_at', t.sent_at + i * interval '2 us'))).*
from (select * from task where plan_id = {plan} order by id limit 1) t, generate_series(1, 3000) i"""
SUMS = """
select count(*), count(distinct base), count(*) filter (where state = 'failed'), sum(attempt - 1), sum(duration_us)::float / 1e6
from task where plan_id = {plan}"""


def test_the_report_of_a_large_plan_counts_all_of_it(fleet):
    fleet.begin(bases=3)
    fleet.push("hello-1.0.0")
    plan = fleet.ended(fleet.deploy("hello:1.0.0", strategy={"minReady": "0s"})["id"])
    assert plan["tasksTotal"] == 3 and plan["report"]["basesTotal"] == 3, plan
    fleet.sound()
    fleet.sql(MORE_TASKS.format(plan=plan["id"]))
    tasks, bases, failed, retries, there = fleet.sql(SUMS.format(plan=plan["id"]))[0]
    large = fleet.plan(plan["id"])
    report = large["report"]
    assert (large["tasksTotal"], report["basesTotal"], report["failuresTotal"], report["retries"]) == (tasks, bases, failed, retries) == (3003, 1503, 100, 1500)
    assert abs(float(report["atBases"][:-1]) - there) < 0.001, (report["atBases"], there)
    assert len(large["tasks"]) == 1000 and len(report["bases"]) == 100 and len(report["failures"]) == failed
    told = fleet.berth("plan", "report", plan["id"]).stdout
    assert "slowest of 1503:" in told and "… 90 more" in told and "1500 tried again" in told, told
    assert "Tasks (showing 1000 of 3003, failed ones first)" in fleet.berth("plan", "show", plan["id"]).stdout
