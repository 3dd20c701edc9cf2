"""What dashboards read: every view of schema dash answers, is current at once, and says what each column is."""
import pytest

import cell as cells

pytest.importorskip("psycopg2", reason="python3-psycopg2 is not installed")


def test_every_view_answers_and_is_explained(shared):
    views = [v for v, in shared.sql("select table_name from information_schema.views where table_schema = 'dash' order by 1")]
    assert len(views) >= 8, views
    shared.deploy(shared.push("hello-1.0.0"))
    for view in views:
        shared.sql(f"select * from dash.{view} limit 100")
        silent = shared.sql(f"select attname from pg_attribute where attrelid = 'dash.{view}'::regclass and attnum > 0 and col_description(attrelid, attnum) is null")
        assert not silent, (view, silent)
        assert shared.sql(f"select obj_description('dash.{view}'::regclass)")[0][0], view


def test_views_say_what_the_api_says(shared):
    plan = shared.deploy(shared.push("hello-2.0.0"))
    deployment = shared.api.get("/v1/deployments/hello").json
    row, = shared.sql("select version, revision, state, instances_ready from dash.deployment_current where deployment = 'hello'")
    assert row == (deployment["version"], deployment["revision"], deployment["state"], deployment["ready"])
    assert shared.sql(f"select state, tasks_failed from dash.plan_progress where plan_id = {plan['id']}") == [("succeeded", 0)]
    bases = {b["id"]: (b["state"], b["unitsUsed"], b["installLimit"]) for b in shared.api.get("/v1/bases").json["bases"]}
    assert {b: (s, u, m) for b, s, u, m in shared.sql("select base, state, units_used, install_limit from dash.base_current")} == bases
    assert sorted(shared.sql("select base from dash.instance_current where module = 'hello' and state = 'ready'")) == [(b,) for b in shared.on("hello")]
    events = shared.api.get("/v1/events", after=0, limit=1000).json["events"]
    assert shared.sql(f"select event, kind from dash.event_recent where event <= {events[-1]['number']} order by event") == [(e["number"], e["kind"]) for e in events]
    cells.until(lambda: shared.sql("select count(*) from dash.drift") == [(0,)], what="all bases have told what they hold")


def test_the_database_refuses_what_the_server_must_never_do(shared):
    import psycopg2
    with pytest.raises(psycopg2.errors.CheckViolation):
        shared.sql("update base set units_used = units_ceiling + 1 where name = 'n1'")
    shared.sound()
