"""Full disks: of the database, of the server's artifact cache, of an agent. Each is a small file system of its own.

What was answered stays, who is refused hears why, modules run on, and all of it goes on by itself once there is room again.
"""
import hashlib
import itertools
import os
import subprocess

import pytest

import cell as cells

VERSIONS = itertools.count(1)
MIB = 1 << 20


class SmallDisk:
    """A tmpfs of so many MiB."""

    def __init__(self, folder, mib):
        self.folder, self.filler = folder, folder / "filler"
        folder.mkdir(parents=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={mib}m,mode=755", "berth-test", folder], check=True)

    def free(self):
        s = os.statvfs(self.folder)
        return s.f_bavail * s.f_frsize

    def fill(self, leave=0):
        """Until only so many bytes are free."""
        with open(self.filler, "ab", buffering=0) as f:
            try:
                while (n := self.free() - leave) > 0:
                    f.write(b"\0" * min(n, MIB))
            except OSError:
                pass

    def clear(self):
        self.filler.unlink(missing_ok=True)

    def close(self):
        subprocess.run(["umount", "--lazy", self.folder], check=False)


@pytest.fixture
def disk(fleet):
    """Makes small disks below the cell's folder; skips where nobody may mount."""
    made = []

    def make(folder, mib):
        try:
            made.append(SmallDisk(folder, mib))
        except (OSError, subprocess.CalledProcessError) as e:
            pytest.skip(f"a file system of its own needs root: {e}")
        return made[-1]
    yield make
    fleet.stop(keep=True)
    for d in made:
        d.close()


def big_slow(fleet, mib=2):
    """slow under a version that nobody has seen, with so many MiB behind it: the file and "slow:VERSION"."""
    version = f"1.{next(VERSIONS):03}"
    file = fleet.folder / f"slow-{version}.so"
    file.write_bytes(fleet.example("slow").read_bytes().replace(b"1.0.0\0", version.encode() + b"\0") + os.urandom(mib * MIB))
    return file, f"slow:{version}"


def push(fleet, file):
    done = fleet.berth("module", "push", file)
    assert done.returncode == 0, done.stderr


def ends_well(fleet, number):
    """The plan succeeds; a person tries again whenever it is paused, by what failed while the disk was full."""
    def over():
        plan = fleet.plan(number)
        if plan["state"] == "paused":
            assert fleet.berth("plan", "retry", number, "--no-wait").returncode == 0
        return plan.get("endTime") and plan
    assert cells.until(over, 60, f"plan {number} ends")["state"] == "succeeded"


def test_the_servers_cache(fleet, disk, until):
    """A cache, so uploads are taken without it, and what it holds makes room; only a download has to wait."""
    fleet.postgres = cells.Postgres(fleet).make().start()
    small = disk(fleet.folder / "server", 7)
    fleet.begin("--database-url", fleet.postgres.conninfo(), bases=1)
    for _ in range(5):  # 10 MiB through 7
        push(fleet, big_slow(fleet)[0])
    assert small.free() < 5 * MIB, "something is cached"
    for cached in (fleet.one.data / "artifacts").iterdir():
        cached.unlink()
    small.fill()
    file, module = big_slow(fleet)
    push(fleet, file)
    plan = fleet.deploy(module, replicas=1, args=["--seconds=0"], wait=0)
    until(lambda: "is full" in fleet.agents["n1"].process.words(), 30, "the agent hears why")
    assert fleet.api.get("/readyz").status == 200
    small.clear()
    ends_well(fleet, plan["id"])
    assert fleet.says("n1", "/slow", module.split(":")[1])
    fleet.sound()


def test_an_agents_disk(fleet, disk, until):
    fleet.begin(bases=0)
    small = disk(fleet.folder / "bases" / "n1", 8)
    fleet.join(["n1"], options=("--reserve=0",))
    _, first = big_slow(fleet, 1)
    push(fleet, fleet.folder / f"{first.replace(':', '-')}.so")
    fleet.deploy(first, replicas=1, args=["--seconds=0"])
    small.fill(leave=MIB // 2)
    file, module = big_slow(fleet)
    push(fleet, file)
    plan = fleet.deploy(module, replicas=1, args=["--seconds=0"], wait=0)
    until(lambda: fleet.plan(plan["id"])["state"] == "paused", 60, "the plan is paused")
    told = fleet.berth("plan", "show", plan["id"])
    assert "room on the disk" in told.stdout, told.stdout
    assert fleet.says("n1", "/slow", first.split(":")[1]), "what runs there runs on"
    small.clear()
    assert fleet.berth("plan", "retry", plan["id"]).returncode == 0
    assert fleet.ended(plan["id"])["state"] == "succeeded"
    assert fleet.says("n1", "/slow", module.split(":")[1])

    # Not even its state can be written: nothing is obeyed until it can, then it goes on by itself.
    push(fleet, fleet.example("hello-2.0.0"))
    small.fill()
    plan = fleet.deploy("hello:2.0.0", replicas=1, wait=0)

    def stuck():
        small.fill()  # an old artifact may have made room
        return "state cannot be written" in fleet.agents["n1"].process.words() or fleet.plan(plan["id"])["state"] not in ("queued", "running")
    until(stuck, 30, "it cannot be written, or was quicker")
    small.clear()
    ends_well(fleet, plan["id"])
    fleet.sound()


def test_the_database(fleet, disk, until):
    """PostgreSQL refuses, then panics when its log cannot grow; Berth says 503 until it is back."""
    small = disk(fleet.folder / "server", 160)
    fleet.begin(bases=1)
    fleet.deploy(fleet.push("hello-1.0.0"), replicas=1)
    small.fill(leave=24 * MIB)
    kept, refused = [], 0
    while refused < 3:
        data = os.urandom(2 * MIB)
        sha = hashlib.sha256(data).hexdigest()
        answer = fleet.api.call("PUT", f"/v1/artifacts/{sha}", data, {"Content-Type": "application/octet-stream"}, timeout=120)
        if answer.status in (200, 201):
            kept.append((sha, data))
            assert len(kept) < 40, "the disk does not fill"
        else:
            assert answer.status == 503, answer
            refused += 1
    small.fill()
    assert fleet.api.get("/livez").status == 200
    assert fleet.says("n1", "/hello", "hello 1.0.0")
    small.clear()
    until(lambda: fleet.api.get("/readyz").status == 200, 40, "ready again")
    until(lambda: fleet.api.post("/v1/modules", {"name": "later"}).status == 201, 20, "a write is answered")
    for sha, data in kept:
        answer = fleet.api.get(f"/v1/artifacts/{sha}/content")
        assert answer.status == 200 and answer.body == data
    assert fleet.deploy(fleet.push("hello-2.0.0"), replicas=1)["state"] == "succeeded"
    fleet.sound()
