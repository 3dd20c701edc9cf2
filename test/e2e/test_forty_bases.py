"""Rollouts over forty native bases in four zones, on two servers: under load, with the active server killed in every batch, with people who
press buttons in the middle, with a drain at the same time and a base that joins in every batch. The tests share the cell and leave it whole."""
import http.client
import os
import random
import signal
import threading

import psycopg2
import pytest

import cell as cells

ZONES = "abcd"
BASES = [f"{zone}{i}" for zone in ZONES for i in range(10)]
STEADY = {"minReady": "0s", "confirm": "none", "soak": "0s", "upgradePolicy": "auto", "maxUnavailable": "25%"}


@pytest.fixture(scope="module")
def forty(new_fleet):
    f = new_fleet()
    database = cells.Postgres(f).make().start()
    try:
        f.a = f.server("a", "--lease=3s", "--renew=1s", "--stop=2s", "--database-url", database.conninfo()).ready()
        f.servers["server"] = f.a
        f.b = f.server("b", "--lease=3s", "--renew=1s", "--stop=2s", "--database-url", database.conninfo()).listening()
        f.sql = lambda statement: ask(database, statement)
        f.group("demo", 5)
        f.joined = f.join_token("demo")
        for name in BASES:
            f.agent(name, f.joined, "demo", ("--zone", name[0]))
        cells.until(lambda: f.api.get("/v1/groups/demo").json.get("readyBases") == len(BASES), 90, "forty bases are ready")
        for example in ("hello-1.0.0", "hello-2.0.0"):
            f.push(example)
        yield f
    finally:
        f.stop(keep=True)
        database.stop()
        complaints = f.complaints()
        f.forget()
    assert not complaints, complaints


def ask(database, statement):
    connection = psycopg2.connect(database.conninfo())
    try:
        connection.autocommit = True
        with connection.cursor() as c:
            c.execute(statement)
            return c.fetchall()
    finally:
        connection.close()


def roll(f, version, wait=60, **strategy):
    return f.deploy(f"hello:{version}", replicas=strategy.pop("replicas", len(BASES)), wait=wait, strategy=STEADY | strategy)


def settled(f, version, n=len(BASES)):
    cells.until(lambda: len(f.on("hello", version)) == n, 40, f"{n} bases serve {version}")
    assert len(f.instances(module="hello")) == n
    return f.sound()


class Caller(threading.Thread):
    """A client that asks the endpoints view before each call, as a gateway follows it, and counts each call that does not get 200."""

    def __init__(self, f):
        super().__init__()
        self.f, self.over = f, threading.Event()
        self.calls, self.failed, self.seen = 0, [], set()

    def once(self):
        view = self.f.api.get("/v1/endpoints", module="hello", ready="true", limit=1000)
        if view.status == 503:  # no call of a module: it asks again
            return None
        at = random.choice(view.json["endpoints"])
        host, _, port = at["address"].rpartition("/")[2].rpartition(":")
        connection = http.client.HTTPConnection(host, int(port), timeout=10)
        try:
            connection.request("GET", "/hello")
            reply = connection.getresponse()
            text = reply.read().decode()
        finally:
            connection.close()
        self.seen.add(text.split()[1] if reply.status == 200 else "")
        return None if reply.status == 200 else f"{at['base']}: {reply.status} {text}"

    def run(self):
        while not self.over.is_set():
            self.calls += 1
            try:
                wrong = self.once()
            except (OSError, http.client.HTTPException) as e:
                wrong = repr(e)
            if wrong is not None:
                self.failed.append(wrong)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.join()


def test_install_first_under_load_fails_no_call(forty):
    assert roll(forty, "1.0.0")["state"] == "succeeded"
    with Caller(forty) as client:
        done = roll(forty, "2.0.0", upgradePolicy="install_first", batches=[1, "25%", "50%", "75%", "100%"], soak="300ms")
    assert done["state"] == "succeeded", done
    assert client.calls > 20 and client.seen == {"1.0.0", "2.0.0"}, (client.calls, client.seen)
    assert not client.failed, client.failed
    settled(forty, "2.0.0")


@pytest.fixture
def drained(forty):
    """What leaves is out of the endpoints for a while before it goes: who asked just before is answered."""
    forty.api.patch("/v1/groups/demo", {"drainWait": "2s"})
    yield forty
    forty.api.patch("/v1/groups/demo", {"drainWait": "0s"})


def test_surge_under_load_fails_no_call(drained):
    assert roll(drained, "1.0.0", replicas=30)["state"] == "succeeded"
    with Caller(drained) as client:
        done = roll(drained, "2.0.0", replicas=30, upgradePolicy="surge", maxSurge=10, batches=[1, "50%", "100%"], soak="300ms")
    assert done["state"] == "succeeded", done
    assert client.calls > 20 and client.seen == {"1.0.0", "2.0.0"}, (client.calls, client.seen)
    assert not client.failed, client.failed
    settled(drained, "2.0.0", 30)


def test_in_place_under_load_fails_no_call(drained):
    assert roll(drained, "1.0.0")["state"] == "succeeded"
    with Caller(drained) as client:
        done = roll(drained, "2.0.0", upgradePolicy="in_place", batches=[1, "50%", "100%"], soak="300ms")
    assert done["state"] == "succeeded", done
    assert client.calls > 20 and client.seen == {"1.0.0", "2.0.0"}, (client.calls, client.seen)
    assert not client.failed, client.failed
    settled(drained, "2.0.0")


def active(f):
    found = [s for s in (f.a, f.b) if (r := s.client.try_get("/v1/status")) is not None and r.status == 200 and r.json["address"] == s.rest]
    return found[0] if found else None


def kill_active(f):
    """The active server dies; the other one takes over, the dead one starts again and stands by."""
    dead = cells.until(lambda: active(f), 20, "a server is active")
    other = f.b if dead is f.a else f.a
    dead.process.kill()
    f.servers["server"] = other
    cells.until(lambda: active(f) is other, 20, "the other server is active")
    dead.start().listening()


def test_the_active_server_dies_in_every_batch(forty):
    number = roll(forty, "1.0.0", wait=0, batches=[4, "25%", "60%", "100%"], soak="1s")["id"]
    for batch in (1, 2, 3, 4):
        def there(now=batch):
            plan = forty.plan(number)
            return plan["currentBatch"] >= now or plan.get("endTime")
        cells.until(there, 40, f"batch {batch} runs")
        kill_active(forty)
    done = forty.ended(number, 90)
    assert done["state"] == "succeeded" and done["basesDone"] == len(BASES), done
    settled(forty, "1.0.0")
    # Nothing that had an outcome was done again: one install per base.
    (twice,), = forty.sql(f"select count(*) from (select base from task where plan_id = {number} and kind = 'install' and state = 'succeeded' "
                          "group by base having count(*) > 1) x")
    assert twice == 0


def test_people_press_buttons_in_the_middle(forty):
    number = roll(forty, "2.0.0", wait=0, batches=[2, "50%", "100%"], confirm="each")["id"]
    cells.until(lambda: forty.plan(number)["state"] == "confirming", 40)
    wrong = forty.api.post(f"/v1/plans/{number}:confirm", {"batch": 2})
    assert wrong.status == 409 and f"berth plan confirm {number} 1" in wrong.json["detail"], wrong
    answers = []
    two = [threading.Thread(target=lambda: answers.append(forty.api.post(f"/v1/plans/{number}:confirm", {"batch": 1}).status)) for _ in range(2)]
    for person in two:
        person.start()
    for person in two:
        person.join()
    assert answers == [200, 200], answers
    assert [forty.api.post(f"/v1/plans/{number}:pause", {}).status for _ in range(2)] == [200, 200]
    assert forty.plan(number)["state"] == "paused"
    assert [forty.api.post(f"/v1/plans/{number}:resume", {}).status for _ in range(2)][0] == 200
    cells.until(lambda: forty.plan(number)["state"] == "confirming" and forty.plan(number)["currentBatch"] == 2, 40)
    # A base dies while a person is waited for: its module comes back all the same.
    pid = forty.agents["a0"].base_pid
    os.kill(pid, signal.SIGKILL)
    cells.until(lambda: forty.agents["a0"].base_pid not in (None, pid), 30, "the base is back")
    cells.until(lambda: "a0" in forty.on("hello"), 30, "and serves again")
    assert forty.plan(number)["state"] == "confirming"
    undone = forty.api.post(f"/v1/plans/{number}:undo", {"meta": {}}, headers={"Prefer": "wait=60"})
    assert undone.status in (200, 202), undone
    cells.until(lambda: forty.plan(number)["state"] == "undone", 40)
    settled(forty, "1.0.0")
    number = roll(forty, "2.0.0", wait=0, batches=[2, "100%"], confirm="beta")["id"]
    cells.until(lambda: forty.plan(number)["state"] == "confirming", 40)
    assert [forty.api.post(f"/v1/plans/{number}:stop", {}).status for _ in range(2)] == [200, 200]
    assert len(forty.on("hello", "2.0.0")) == 2 and len(forty.on("hello")) == len(BASES)
    assert roll(forty, "1.0.0")["state"] == "succeeded"
    settled(forty, "1.0.0")


def test_a_drain_while_a_rollout_runs(forty):
    assert roll(forty, "1.0.0", replicas=38)["state"] == "succeeded"
    number = roll(forty, "2.0.0", wait=0, replicas=38, batches=[2, "25%", "50%", "75%", "100%"])["id"]
    victim = forty.on("hello")[0]
    drained = forty.berth("base", "drain", victim, "--reason", "new disk", "--timeout", "90s")
    assert drained.returncode == 0, drained.stdout + drained.stderr
    assert forty.ended(number, 90)["state"] == "succeeded"
    cells.until(lambda: not forty.instances(base=victim), 40, f"{victim} is empty")
    settled(forty, "2.0.0", 38)
    assert forty.berth("base", "undrain", victim).returncode == 0
    assert roll(forty, "2.0.0")["state"] == "succeeded"


def test_a_base_joins_in_every_batch(forty):
    body = {"name": "hello", "module": "hello", "version": "1.0.0", "group": "demo", "replicas": "all",
            "strategy": STEADY | {"batches": [2, "25%", "50%", "100%"], "soak": "1s"}}
    number = forty.api.post("/v1/deployments", body).json["id"]
    for batch in (1, 2, 3, 4):
        cells.until(lambda now=batch: forty.plan(number)["currentBatch"] >= now or forty.plan(number).get("endTime"), 40, f"batch {batch}")
        forty.agent(f"late{batch}", forty.joined, "demo", ("--zone", ZONES[batch - 1]))
    assert forty.ended(number, 90)["state"] == "succeeded"
    settled(forty, "1.0.0", len(BASES) + 4)
