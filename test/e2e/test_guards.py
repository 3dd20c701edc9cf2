"""What keeps Berth from making a bad day worse: the brake of a zone, planned absences, bases where installs fail."""
import json
import shutil

import cell as cells

# Silent, lost and replaced in seconds; a killed agent's connection ends at once.
SWIFT = ("--heartbeat=500ms", "--silent=1500ms", "--lost=3s", "--replace=1s")


def zoned(fleet, zones):
    """Bases of those zones, hello on all of them."""
    fleet.begin(*SWIFT, bases=0)
    for zone, names in zones.items():
        fleet.join(names, options=("--zone", zone))
    fleet.push("hello-1.0.0")
    return fleet


def kill(fleet, *names):
    for name in names:
        fleet.agents[name].process.kill()
        fleet.agents[name].stop()


def findings(fleet, kind):
    return [f for f in fleet.api.get("/v1/findings").json["findings"] if f["kind"] == kind]


def states(fleet, *names):
    return [fleet.api.get(f"/v1/bases/{n}").json["state"] for n in names]


def test_half_a_zone_is_not_replaced_until_somebody_says_so(fleet):
    zoned(fleet, {"a": ["a1", "a2", "a3", "a4"], "b": ["b1", "b2"]})
    fleet.deploy("hello:1.0.0", replicas=4)
    gone = [b for b in fleet.on("hello") if b.startswith("a")] + ["a1", "a2", "a3", "a4"]
    gone = list(dict.fromkeys(gone))[:3]
    kill(fleet, *gone)
    (alarm,) = cells.until(lambda: findings(fleet, "zone_alarm"), what="the brake is on")
    assert alarm["command"] == "berth group release-brake demo --zone a", alarm
    cells.until(lambda: states(fleet, *gone) == ["lost"] * 3)
    wanted = {i["base"] for i in fleet.instances(module="hello")}
    fleet.one.process.kill()
    fleet.one.start().ready()
    cells.until(lambda: states(fleet, *gone) == ["lost"] * 3)
    assert findings(fleet, "zone_alarm") and fleet.api.get("/v1/groups/demo").json["brakedZones"] == ["a"]
    cells.until(lambda: "group_braked" in fleet.berth("status", "-o", "json").stdout)
    assert {i["base"] for i in fleet.instances(module="hello")} == wanted
    refused = fleet.berth("group", "release-brake", "demo", "--zone", "nowhere")
    assert refused.returncode != 0 and "no base in zone nowhere" in refused.stderr
    done = fleet.berth("group", "release-brake", "demo", "--zone", "a", "--reason", "the rack burnt down")
    assert done.returncode == 0, done.stderr
    cells.until(lambda: len(fleet.on("hello")) == 3 and not set(fleet.on("hello")) & set(gone), what="what was lost runs elsewhere")
    assert not findings(fleet, "zone_alarm")
    assert fleet.berth("group", "release-brake", "demo").returncode == 0
    said = fleet.api.get("/v1/events", kind="group.released", limit=5).json["events"]
    assert said[-1]["reason"] == "the rack burnt down", said
    fleet.sound()


def test_bases_that_come_back_lift_the_brake(fleet):
    zoned(fleet, {"a": ["a1", "a2", "a3"]})
    fleet.deploy("hello:1.0.0", replicas=3)
    kill(fleet, "a1", "a2", "a3")
    cells.until(lambda: findings(fleet, "zone_alarm"))
    for name in ("a1", "a2", "a3"):
        fleet.agents[name].start()
    cells.until(lambda: not findings(fleet, "zone_alarm"), what="the brake is off by itself")
    cells.until(lambda: fleet.on("hello") == ["a1", "a2", "a3"])
    fleet.sound()


def test_planned_absences_raise_no_alarm(fleet):
    zoned(fleet, {"a": ["a1", "a2", "a3", "a4"]})
    fleet.deploy("hello:1.0.0", replicas=3)
    away = fleet.on("hello")
    assert fleet.berth("base", "expect-restart", away[0]).returncode == 2
    assert fleet.api.post(f"/v1/bases/{away[0]}:expect-restart", {"within": "30h"}).status == 400
    for name in away[:2]:
        done = fleet.berth("base", "expect-restart", name, "--for", "10m", "--reason", "kernel update")
        assert done.returncode == 0, done.stderr
    kill(fleet, *away[:2])
    fleet.agents[away[2]].process.stop()  # a polite goodbye
    cells.until(lambda: states(fleet, *away) == ["lost", "lost", "stopped"])
    (spare,) = {"a1", "a2", "a3", "a4"} - set(away)
    # The one that only said goodbye is replaced in time; those whose restart is expected are not.
    cells.until(lambda: fleet.on("hello") == [spare])
    assert not findings(fleet, "zone_alarm")
    fleet.agents[away[0]].start()
    fleet.base_ready(away[0])
    cells.until(lambda: away[0] in fleet.on("hello"))
    assert "absence" not in fleet.api.get(f"/v1/bases/{away[0]}").json
    refused = fleet.api.post(f"/v1/bases/{away[0]}:leave", {})
    assert refused.status == 409 and "expect-restart" in refused.json["detail"], refused
    fleet.sound()


def test_a_base_without_an_agent_leaves_politely(fleet):
    fleet.begin(bases=0)
    assert fleet.api.post("/v1/bases", {"id": "stock", "arklet": "http://127.0.0.1:9", "group": "demo"}).status == 201
    for _ in range(2):
        assert fleet.api.post("/v1/bases/stock:leave", {"meta": {"reason": "moved"}}).json["state"] == "stopped"
    assert fleet.berth("base", "leave", "stock").returncode == 0


def test_a_base_where_installs_fail_is_set_aside(fleet):
    fleet.begin("--set-aside=2", bases=3)
    for example in ("hello-1.0.0", "hello-2.0.0", "slow"):
        fleet.push(example)
    fleet.deploy("hello:1.0.0", replicas=2)
    sick = next(n for n in ("n1", "n2", "n3") if n not in fleet.on("hello"))
    modules = fleet.agents[sick].data / "work" / "modules"
    shutil.rmtree(modules)
    modules.write_text("no folder any more")
    tries = {"strategy": {"retries": 0, "minReady": "0s", "onFailure": "continue"}}
    for _ in range(2):
        body = {"name": "hello", "replicas": 3, "module": "hello", "version": "1.0.0", "group": "demo"} | tries
        number = fleet.api.post("/v1/deployments", body).json["id"]
        fleet.ended(number)
        fleet.api.post("/v1/deployments", body | {"replicas": 2}, headers={"Prefer": "wait=20"})
    (found,) = cells.until(lambda: findings(fleet, "installs_fail"), what="the base is set aside")
    base = fleet.api.get(f"/v1/bases/{sick}").json
    assert found["base"] == sick and base["cordoned"] and "its last 2 installs failed" in base["cordonReason"], base
    assert found["command"] == f"berth base uncordon {sick}"
    # It survives a takeover, and ends by the command it names.
    fleet.one.process.kill()
    fleet.one.start().ready()
    assert fleet.api.get(f"/v1/bases/{sick}").json["cordoned"] and findings(fleet, "installs_fail")
    assert fleet.berth(*found["command"].split()[1:]).returncode == 0
    assert not findings(fleet, "installs_fail") and not fleet.api.get(f"/v1/bases/{sick}").json["cordoned"]
    fleet.sound()


def test_a_bad_version_sets_no_base_aside(fleet):
    fleet.begin("--set-aside=1", bases=3)
    fleet.push("broken")
    plan = fleet.api.post("/v1/deployments", {"module": "broken", "version": "1.0.0", "group": "demo", "replicas": 3,
                                              "strategy": {"retries": 0, "minReady": "0s", "onFailure": "continue"}}).json
    fleet.ended(plan["id"])
    assert not findings(fleet, "installs_fail")
    assert not any(b.get("cordoned") for b in fleet.api.get("/v1/bases").json["bases"])


BASES = """
insert into base (id, tenant_id, group_id, name, state, state_at, runtime, zone, install_limit, units_used, units_ceiling, incarnation, generation,
    report_seq, cordoned, key_hash, boot, address, agent_version, process_start, etag, joined_at, seen_at)
select g.id * 1000 + i, g.tenant_id, g.id, t.name || '-' || i, 'ready', now(), 'native', 'z' || i / 3, 0, 0, 5, 1, 0, 1, false,
    sha256((t.name || i)::bytea), 'boot-' || i, '10.0.0.1:8080', 'test', 1, 1, now(), now()
from base_group g join tenant t on t.id = g.tenant_id, generate_series(0, 3 * {zones} - 1) i where t.name = '{tenant}'"""


def braked(fleet, tenant="default"):
    return set(fleet.api.get("/v1/groups/demo", tenant=tenant).json.get("brakedZones", []))


def test_very_many_zones_of_two_tenants_over_a_restart(fleet):
    """Bases that no agent speaks for: each is silent as soon as the server that knows them runs."""
    fleet.begin("--heartbeat=500ms", "--silent=1500ms", "--lost=1h", bases=0)
    assert fleet.api.post("/v1/tokens?tenant=acme", {"name": "ops", "role": "admin"}).status == 201
    assert fleet.api.post("/v1/groups?tenant=acme", {"name": "demo", "installLimit": 5}).status == 201
    zones = {"default": {f"z{k}" for k in range(40)}, "acme": {"z0", "z1"}}
    for tenant, names in zones.items():
        fleet.sql(BASES.format(tenant=tenant, zones=len(names)))
    fleet.sql("update counter set value = 1000000 where name = 'base'")

    def restart():
        fleet.one.process.kill()
        fleet.one.start().ready()

    restart()
    cells.until(lambda: all(braked(fleet, t) == zones[t] for t in zones), 60, "the brake is on in every zone of both")
    restart()
    assert all(braked(fleet, t) == zones[t] for t in zones), "and is at once after a restart"
    listed = json.loads(fleet.berth("finding", "list", "--kind", "zone_alarm", "-o", "json").stdout)["findings"]
    assert {f["command"].rpartition(" ")[2] for f in listed} == zones["default"], listed
    why = fleet.berth("why", "default-7")
    assert "half of its zone fell silent" in why.stdout, why.stdout
    done = fleet.berth("group", "release-brake", "demo", "--zone", "z7", "--reason", "that rack is gone")
    assert done.returncode == 0, done.stderr
    restart()
    assert braked(fleet) == zones["default"] - {"z7"} and braked(fleet, "acme") == zones["acme"]
    assert fleet.berth("group", "release-brake", "demo").returncode == 0
    assert not braked(fleet) and braked(fleet, "acme") == zones["acme"], "each tenant's is its own"
    assert fleet.api.post("/v1/groups/demo:release-brake?tenant=acme", {}).status == 200
    restart()
    assert not braked(fleet) and not braked(fleet, "acme") and not findings(fleet, "zone_alarm")
    fleet.sound()
