"""Peer mode: a deployment on every fitting base, with real processes."""
import signal

import cell as cells


def everywhere(fleet, module, **more):
    return fleet.deploy(module, replicas="all", **more)


def test_a_base_that_joins_gets_its_baseline_before_it_is_ready(fleet, shop):
    fleet.begin(bases=2)
    shop("app", "1.0", lib="^1"), shop("lib", "1.0"), shop("other", "1.0")
    everywhere(fleet, "lib:1.0"), everywhere(fleet, "app:1.0"), everywhere(fleet, "other:1.0")
    assert fleet.on("app") == fleet.on("lib") == ["n1", "n2"]
    fleet.join(["n3"])
    # Ready means that all of it is in, the required one first.
    assert fleet.module("n3", "/app").status == fleet.module("n3", "/lib").status == fleet.module("n3", "/other").status == 200
    log = fleet.agents["n3"].process.log
    cells.until(lambda: "the base is ready" in log.read_text(), what="its agent says so, too")
    text = log.read_text()
    assert text.index("restored lib:1.0") < text.index("restored app:1.0") < text.index("the base is ready"), text
    cells.until(lambda: fleet.on("app") == fleet.on("lib") == ["n1", "n2", "n3"])
    cells.until(lambda: fleet.api.get("/v1/deployments/app").json["state"] == "running")
    fleet.sound()


def test_one_that_leaves_is_forgotten_without_fuss(fleet, shop):
    fleet.begin("--heartbeat=300ms", "--silent=2s", "--lost=4s", "--replace=1s", "--forget=8s", bases=3)
    shop("a", "1.0")
    everywhere(fleet, "a:1.0")
    fleet.agents["n3"].process.signal(signal.SIGKILL)
    cells.until(lambda: fleet.api.get("/v1/bases/n3").json["state"] == "lost", 30)
    shown = fleet.api.get("/v1/deployments/a").json
    assert shown["state"] == "running", shown
    cells.until(lambda: fleet.api.get("/v1/bases/n3").status == 404, 40)
    shown = fleet.api.get("/v1/deployments/a").json
    assert shown["state"] == "running" and shown["wanted"] == 2 and not shown.get("waitingFor"), shown
    fleet.sound()


def test_an_upgrade_rolls_over_all_in_batches_and_takes_late_ones_along(fleet, shop):
    fleet.begin(bases=4)
    shop("a", "1.0"), shop("a", "2.0")
    everywhere(fleet, "a:1.0")
    plan = fleet.deploy("a:2.0", replicas="all", wait=0, strategy={"minReady": "0s", "confirm": "beta"})
    cells.until(lambda: fleet.plan(plan["id"])["state"] == "confirming")
    assert len(fleet.on("a", "2.0")) == 1
    fleet.join(["n5"])
    # What joins is never ahead of its batch.
    cells.until(lambda: fleet.on("a", "1.0").count("n5") == 1, what="it got the old version")
    assert len(fleet.on("a", "2.0")) == 1
    fleet.api.post(f"/v1/plans/{plan['id']}:confirm", {"batch": 1})
    ended = fleet.ended(plan["id"])
    assert ended["state"] == "succeeded" and len(ended["batches"]) > 1, ended
    assert fleet.on("a", "2.0") == ["n1", "n2", "n3", "n4", "n5"]
    fleet.sound()


def test_a_base_without_room_is_named(fleet, shop):
    fleet.begin(bases=2, limit=1)
    shop("a", "1.0"), shop("b", "1.0")
    fleet.deploy("b:1.0", replicas=1)
    full = fleet.on("b")[0]
    everywhere(fleet, "a:1.0")
    shown = fleet.api.get("/v1/deployments/a").json
    lacking = [w for w in shown["waitingFor"] if full in w["text"]]
    assert lacking and lacking[0]["rule"] == "full" and full in lacking[0]["command"], shown
    assert full in fleet.berth("why", "a").stdout
    fleet.api.patch(f"/v1/bases/{full}", {"installLimit": 2})
    assert fleet.berth("retry", "a").returncode == 0
