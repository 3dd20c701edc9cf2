"""What is older than its time is removed by the active server, and nothing else. Rows are made old by hand."""
import cell as cells


def test_upkeep_removes_what_is_old(fleet):
    fleet.begin("--upkeep=1s", bases=1)
    first = fleet.deploy(fleet.push("hello-1.0.0"), replicas=1)
    second = fleet.deploy(fleet.push("hello-2.0.0"), replicas=1)
    assert fleet.sql("select count(*) from base_history where ended_at is not null") == [(1,)]
    last, = fleet.sql("select max(number) from event where plan_id = %d" % first["id"])[0]

    fleet.sql(f"update event set at = at - interval '91 days' where number <= {last}")
    fleet.sql(f"update plan set ended_at = ended_at - interval '366 days' where id = {first['id']}")
    fleet.sql("update base_history set since = since - interval '402 days', ended_at = ended_at - interval '401 days' where ended_at is not null")
    fleet.sql("insert into idempotency (hash, body_hash, tenant_id, status, created_at) values ('0123456789abcdef', '0123456789abcdef', 1, 200, now() - interval '25 hours')")

    def gone():
        return (fleet.sql(f"select count(*) from event where number <= {last}") == [(0,)]
                and fleet.sql("select count(*) from idempotency where hash = '0123456789abcdef'") == [(0,)]
                and fleet.sql("select id from plan") == [(second["id"],)]
                and fleet.sql("select count(*), count(ended_at) from base_history") == [(1, 0)])
    cells.until(gone, 30, "what is old goes")
    assert fleet.sql("select distinct plan_id from task where plan_id is not null") == [(second["id"],)]
    assert fleet.sql("select min(number), max(number) - min(number) + 1 = count(*) from event") == [(last + 1, True)]
    assert fleet.on("hello", "2.0.0") == ["n1"]
    fleet.sound()


def test_upkeep_spares_what_is_young(fleet):
    fleet.begin("--upkeep=1s", bases=1)
    fleet.deploy(fleet.push("hello-1.0.0"), replicas=1)
    fleet.deploy(fleet.push("hello-2.0.0"), replicas=1)
    count = "select (select count(*) from event where plan_id is not null), (select count(*) from plan), (select count(*) from task), (select count(*) from base_history)"
    before = fleet.sql(count)
    # An orphan's bytes go at each upkeep's end: when they are gone, an upkeep was done from beginning to end.
    fleet.sql("insert into artifact_chunk (sha256, seq, bytes, created_at) values ('orphan', 0, '', now() - interval '2 days')")
    cells.until(lambda: fleet.sql("select count(*) from artifact_chunk where sha256 = 'orphan'") == [(0,)], 30, "an upkeep is done")
    assert fleet.sql(count) == before
