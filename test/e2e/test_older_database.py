"""A database that was restored to an older state (P13): noticed by what the server's folder and the agents have seen, also after a restart;
read only until a person accepts it; then epoch, events and generations go on above all that was seen."""
import re
import shutil

import pytest

import cell as cells

BASES = ["n1", "n2"]
QUICK = ("--lease=3s", "--renew=1s", "--stop=2s", "--heartbeat=500ms")


def status(fleet, server):
    answer = server.client.try_get("/v1/status")
    return answer.json if answer is not None and answer.status == 200 else {}


def refuses(fleet, server):
    """Read only: an alarm, reads answered, nothing written, nothing commanded; modules run on."""
    cells.until(lambda: status(fleet, server).get("readOnly"), 40, "it notices")
    answer = server.client.post("/v1/modules", {"name": "lost"})
    assert answer.status == 503 and answer.code == "read_only" and "--accept-older" in answer.json["detail"], answer
    seen = re.search(r"seen before \(event (\d+), epoch (\d+);", answer.json["detail"])
    fleet.seen["event"], fleet.seen["epoch"] = max(fleet.seen["event"], int(seen[1])), max(fleet.seen["epoch"], int(seen[2]))
    assert server.client.get("/v1/modules").status == 200
    assert server.client.get("/readyz").status == 503
    assert all(fleet.says(b, "/hello", "hello 2.0.0") for b in BASES)


@pytest.fixture
def restored(fleet):
    """hello 2.0.0 runs; the database is one that knows of 1.0.0 only. No server runs."""
    fleet.postgres = cells.Postgres(fleet).make().start()
    fleet.server("server", *QUICK, "--database-url", fleet.postgres.conninfo()).ready()
    fleet.group("demo", 5)
    fleet.join(BASES)
    fleet.deploy(fleet.push("hello-1.0.0"), replicas=2)
    copy = fleet.folder / "copy"

    fleet.one.process.kill()
    fleet.postgres.stop()
    shutil.copytree(fleet.postgres.data, copy)
    fleet.postgres.start()
    fleet.one.start().ready()
    fleet.deploy(fleet.push("hello-2.0.0"), replicas=2)
    cells.until(lambda: all(fleet.says(b, "/hello", "hello 2.0.0") for b in BASES), what="2.0.0 answers")
    told = status(fleet, fleet.one)
    # Of events the witnesses may have missed the last second; epochs and generations are theirs before anything follows from them.
    fleet.seen = {"epoch": told["epoch"], "event": 0, "generation": fleet.sql("select max(generation) from base")[0][0]}
    witness = fleet.one.data / "witness"
    cells.until(lambda: witness.exists() and int(witness.read_text().split()[-1]) >= told["lastEvent"], 20, "the folder has seen it")
    fleet.one.process.kill()
    fleet.postgres.stop()
    shutil.rmtree(fleet.postgres.data)
    shutil.copytree(copy, fleet.postgres.data)
    for path in [fleet.postgres.data, *fleet.postgres.data.rglob("*")]:
        if fleet.postgres.user:
            shutil.chown(path, fleet.postgres.user, fleet.postgres.user)
    fleet.postgres.start()
    return fleet


def accept(fleet, server):
    server.process.kill()
    server.options = (*server.options, "--accept-older")
    server.start().ready()
    now = cells.until(lambda: (s := status(fleet, server)) and not s.get("readOnly") and s, 40, "it is accepted")
    assert now["epoch"] > fleet.seen["epoch"] and now["lastEvent"] > fleet.seen["event"], (now, fleet.seen)
    fleet.servers["server"] = server
    for b in BASES:
        fleet.base_ready(b, 60)
    assert fleet.api.get("/v1/deployments/hello").json["version"] == "1.0.0"
    plan = fleet.deploy(fleet.push("hello-2.0.0"), replicas=2)
    assert plan["state"] == "succeeded", plan
    cells.until(lambda: fleet.on("hello", "2.0.0") == BASES, 30, "the bases hold it")
    lowest, = fleet.sql("select min(generation) from instance where wanted")[0]
    assert lowest > fleet.seen["generation"], "an agent obeys only what is above all it obeyed"
    assert all(fleet.says(b, "/hello", "hello 2.0.0") for b in BASES)
    assert fleet.sql("select count(*) from event where kind = 'database.accepted'") == [(1,)]
    fleet.sound()


def test_noticed_by_the_servers_folder(restored):
    restored.one.start().listening()
    refuses(restored, restored.one)
    assert "what a base was told" not in restored.one.process.words().split("msg=active")[0], "at once, before any base came"
    restored.one.process.kill()
    restored.one.start().listening()
    refuses(restored, restored.one)
    accept(restored, restored.one)


def test_noticed_by_the_agents_alone(restored):
    """A server with a folder of its own, on another host say, has seen nothing."""
    fresh = restored.server("fresh", *QUICK, "--database-url", restored.postgres.conninfo(), f"--listen={restored.one.rest}",
                            f"--rpc-listen={restored.one.rpc}").listening()
    refuses(restored, fresh)
    cells.until((fresh.data / "witness").exists, 10, "what the agents told is kept")
    for agent in restored.agents.values():
        agent.process.freeze()
    fresh.process.kill()
    fresh.start().listening()
    refuses(restored, fresh)
    for agent in restored.agents.values():
        agent.process.wake()
    accept(restored, fresh)
