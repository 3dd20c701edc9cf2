"""Forty bases, sixteen clients: whatever they ask for at once, no base is given more than its limit."""
import threading

import cell as cells

N = 40


def test_forty_bases_sixteen_clients(fleet, until):
    fleet.begin(bases=0)
    fleet.group("race", 1)
    fleet.join([f"r{i}" for i in range(N)], "race", base=("--workers", "2", "--operations", "2"))
    hello, slow = fleet.push("hello-1.0.0"), fleet.push("slow")
    plans, refused = [], []

    def client(n):
        for i in range(6):
            body = {"name": f"d{n}-{i}", "group": "race", "replicas": 1, "strategy": {"minReady": "0s"}}
            body |= {"module": "hello", "version": "1.0.0"} if (n + i) % 2 else {"module": "slow", "version": "1.0.0", "args": ["--seconds=0"]}
            answer = fleet.api.post("/v1/deployments", body)
            (plans if answer.status == 202 else refused).append(answer.json)
    threads = [threading.Thread(target=client, args=(n,)) for n in range(16)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not refused, refused[:2]
    assert len(plans) == 96
    until(lambda: len(fleet.instances(state="ready")) == N, 40, "every base holds one")
    bases = fleet.api.get("/v1/bases", limit=1000).json["bases"]
    assert len(bases) == N and {b["unitsUsed"] for b in bases} == {1}, [b for b in bases if b["unitsUsed"] != 1]
    assert len({i["base"] for i in fleet.instances()}) == N
    held = [len(cells.Rest(f"127.0.0.1:{a.ports['arklet']}").post("/queryAllBiz").json["data"]) for a in fleet.agents.values()]
    assert max(held) <= 2, held  # the module, and the base's own entry
    waiting = [d for d in fleet.api.get("/v1/deployments", limit=1000).json["deployments"] if d["ready"] == 0]
    assert len(waiting) == 96 - N
    for d in waiting:
        until(lambda: [w["rule"] for w in fleet.api.get(f"/v1/deployments/{d['name']}").json.get("waitingFor", [])] == ["no_room"], 20, f"{d['name']} waits for room")

    # Room for one more each: forty of those that wait go on.
    assert fleet.api.patch("/v1/groups/race", {"installLimit": 2}).status == 200
    until(lambda: len(fleet.instances(state="ready")) == 2 * N, 40, "every base holds two")
    assert {b["unitsUsed"] for b in fleet.api.get("/v1/bases", limit=1000).json["bases"]} == {2}
    fleet.sound()
    assert hello and slow


def test_one_base_many_writers_of_one_deployment(fleet):
    """The same change from everybody is one change."""
    fleet.begin(bases=1)
    fleet.push("hello-1.0.0")
    answers = []

    def client():
        answers.append(fleet.api.post("/v1/deployments", {"module": "hello", "version": "1.0.0", "group": "demo", "replicas": 1}, headers={"Prefer": "wait=30"}))
    threads = [threading.Thread(target=client) for _ in range(16)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert {a.status for a in answers} <= {200, 202}, answers
    assert len(fleet.api.get("/v1/deployments/hello/revisions").json["revisions"]) == 1
    assert len(fleet.instances()) == 1
