"""Real JVM bases with real modules (test/koupleless): with the agent around them, beside one that something else started, and without any
agent, by address and by heartbeat."""
import hashlib
import json
import os
import signal
import threading

import pytest

import arklet_script as script
import cell as cells
import jvm
from conftest import QUICK, _fleet

pytestmark = jvm.needed


@pytest.fixture(scope="module")
def shop():
    """A server, and base j1: a JVM with the agent around it."""
    f = _fleet()
    try:
        f.server("server", *QUICK).ready()
        f.group("shop", 10)
        jvm.JvmAgent(f, "j1", f.join_token("shop"), "shop").start()
        f.base_ready("j1", 90)
        yield f
    finally:
        f.stop()


def push(f, path):
    done = f.berth("module", "push", path, "-o", "json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    return f"{found['module']}:{found['version']}"


def deploy(f, path, *more, group="shop", status=0):
    done = f.berth("deploy", path, "--group", group, *more)
    assert done.returncode == status, (done.returncode, done.stdout, done.stderr)
    return done


def away(f, *names):
    for name in names:
        assert f.berth("offline", name).returncode == 0
        assert f.berth("delete", name).returncode == 0


def test_join_deploy_upgrade_in_place_uninstall(shop, until):
    j1 = shop.agents["j1"]
    shown = shop.api.get("/v1/bases/j1").json
    assert shown["runtime"] == "ark" and shown["state"] == "ready", shown

    def memory_is_told():  # counted by its agent; told by itself, with a heartbeat that follows its being ready
        memory = shop.api.get("/v1/bases/j1").json.get("memory", {})
        return memory.get("threads", 0) > 10 and memory.get("metaspaceUsed", 0) > 20 << 20
    until(memory_is_told, 20, "its memory is told")
    deploy(shop, jvm.jar("biz1:1.0.0"), "--replicas", "1", "--min-ready", "0s")
    assert j1.web.says("/biz1/version", "biz1 1.0.0")

    deploy(shop, jvm.jar("biz1:2.0.0"))  # on one context path the second version cannot start beside the first
    assert j1.web.says("/biz1/version", "biz1 2.0.0")
    assert j1.arklet.modules() == {"biz1:2.0.0": "activated"}

    assert shop.berth("offline", "biz1").returncode == 0
    assert j1.arklet.modules() == {} and j1.web.status("/biz1/version") == 404
    assert shop.berth("delete", "biz1").returncode == 0


def test_install_first_where_the_context_paths_differ(shop):
    """The old version answers until the new one is in: no moment without an answer on one of the two paths."""
    j1 = shop.agents["j1"]
    deploy(shop, jvm.jar("biz1:1.0.0"), "--replicas", "1", "--min-ready", "0s")
    beside = jvm.remade(jvm.jar("biz1:1.0.0"), shop.folder, Ark_Biz_Version="3.0.0", web_context_path="biz1-v3")
    without, seen, end = [], [0], threading.Event()

    def client():
        while not end.is_set():
            seen[0] += 1
            if not j1.web.says("/biz1/version", "biz1") and not j1.web.says("/biz1-v3/version", "biz1"):
                without.append(seen[0])
    watcher = threading.Thread(target=client, daemon=True)
    watcher.start()
    deploy(shop, beside, "--upgrade-policy", "install_first")
    end.set()
    watcher.join()
    assert seen[0] > 0 and not without
    assert j1.web.says("/biz1-v3/version", "biz1") and j1.web.status("/biz1/version") == 404
    assert j1.arklet.modules() == {"biz1:3.0.0": "activated"}
    away(shop, "biz1")


def test_broken_module_with_its_cause(shop):
    j1 = shop.agents["j1"]
    done = deploy(shop, jvm.jar("biz-broken"), "--replicas", "1", "--min-ready", "0s", "--retries", "0", status=8)
    assert "this module refuses to start" in done.stdout + done.stderr
    assert j1.arklet.modules() == {}
    assert shop.api.get("/v1/bases/j1").json["state"] == "ready"
    away(shop, "biz-broken")


def test_slow_module(shop, until):
    """While it starts, its base is no less alive, and others are asked as usual."""
    j1 = shop.agents["j1"]
    title, version = push(shop, jvm.jar("biz-slow")).split(":")
    plan = shop.deploy(f"{title}:{version}", 1, group="shop", wait=0, args=["--slow.seconds=4"])
    until(lambda: j1.arklet.installing("biz-slow:1.0.0"), 20, "arklet is at it")
    assert shop.api.get("/v1/bases/j1").json["state"] == "ready"
    assert shop.ended(plan["id"])["state"] == "succeeded"
    assert j1.web.says("/slow/hello", "slow module")
    away(shop, "biz-slow")


def test_a_plain_module_and_its_arguments(shop):
    j1 = shop.agents["j1"]
    deploy(shop, jvm.jar("biz-plain"), "--replicas", "1", "--min-ready", "0s")
    assert j1.arklet.modules() == {"biz-plain:1.0.0": "activated"}
    away(shop, "biz-plain")
    assert j1.arklet.modules() == {}


def test_a_jar_that_says_something_else_is_refused(shop):
    """Before any base sees it: what is installed is what the manifest says, not what was asked for."""
    body = jvm.jar("biz1:1.0.0").read_bytes()
    digest = hashlib.sha256(body).hexdigest()
    answer = shop.api.call("PUT", f"/v1/artifacts/{digest}", body, headers={"Content-Type": "application/java-archive"})
    assert answer.status in (200, 201), answer
    assert shop.api.post("/v1/modules", {"name": "other"}).status == 201
    for module, version in (("other", "1.0.0"), ("biz1", "5.5.5")):
        answer = shop.api.post(f"/v1/modules/{module}/versions", {"version": version, "artifact": digest, "runtime": "ark"})
        assert answer.status == 400 and "biz1:1.0.0" in answer.json["detail"], answer
    assert shop.api.delete("/v1/modules/other").status in (200, 204)


def test_a_vanished_artifact_leaves_the_old_version_alone(shop, until):
    """The server has lost a file it had: the agent cannot fetch it, and nothing was removed for it."""
    j1 = shop.agents["j1"]
    deploy(shop, jvm.jar("biz1:1.0.0"), "--replicas", "1", "--min-ready", "0s")
    path = jvm.remade(jvm.jar("biz1:2.0.0"), shop.folder, Ark_Biz_Version="4.0.0")
    push(shop, path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    shop.sql(f"delete from artifact_chunk where sha256 = '{digest}'")
    (shop.one.data / "artifacts" / digest).unlink(missing_ok=True)
    plan = shop.deploy("biz1:4.0.0", 1, group="shop", strategy={"minReady": "0s", "retries": 0})
    failed, = until(lambda: [t for t in shop.plan(plan["id"])["tasks"] if t["kind"] == "install" and t["state"] == "failed"], 30, "it failed")
    assert failed["fault"] == "artifact", failed
    assert j1.web.says("/biz1/version", "biz1 1.0.0") and j1.arklet.modules() == {"biz1:1.0.0": "activated"}
    assert shop.berth("rollback", "biz1").returncode == 0
    away(shop, "biz1")


def test_a_frozen_jvm_is_waited_for(shop, until):
    """Its agent lives and is heard; a module sent meanwhile is in once the JVM goes on: once, and in the same JVM."""
    j1 = shop.agents["j1"]
    pid = j1.base_pid
    os.kill(pid, signal.SIGSTOP)
    try:
        plan = shop.deploy("biz1:1.0.0", 1, group="shop", wait=3)
        assert not plan.get("endTime"), plan
    finally:
        os.kill(pid, signal.SIGCONT)
    assert shop.ended(plan["id"])["state"] == "succeeded" and j1.base_pid == pid
    assert j1.web.says("/biz1/version", "biz1 1.0.0")
    assert len(list((j1.data / "work").glob("biz1-1.0.0-*"))) == 1
    away(shop, "biz1")


def test_a_jvm_whose_start_failed_is_not_ready_though_it_lives(shop, until):
    """Its arklet port is taken, so arklet never opens; process and web port live on."""
    broken = jvm.JvmAgent(shop, "j3", shop.join_token("shop"), "shop", jvm=[f"-Dkoupleless.arklet.http.port={shop.agents['j1'].ports['arklet']}"])
    broken.start()
    until(lambda: broken.ports and broken.web.status("/base/hello") is not None, 60, "its web port answers")
    assert broken.base_pid and shop.api.get("/v1/bases/j3:ready").status != 200
    assert shop.api.get("/v1/bases/j1:ready").status == 200
    broken.stop()
    del shop.agents["j3"]
    shop.berth("base", "forget", "j3")


def test_restored_after_it_was_killed(shop, until):
    j1 = shop.agents["j1"]
    deploy(shop, jvm.jar("biz1:1.0.0"), "--replicas", "1", "--min-ready", "0s")
    old = j1.base_pid
    os.kill(old, signal.SIGKILL)
    until(lambda: j1.base_pid not in (None, old), 30, "another JVM")
    until(lambda: j1.web.says("/biz1/version", "biz1 1.0.0"), 60, "its module is back")
    shop.base_ready("j1", 30)
    until(lambda: shop.on("biz1") == ["j1"], 30, "the server knows")
    away(shop, "biz1")


def test_restored_while_the_server_is_away(shop, until):
    j1, server = shop.agents["j1"], shop.one
    deploy(shop, jvm.jar("biz1:2.0.0"), "--replicas", "1", "--min-ready", "0s")
    server.stop()
    os.kill(j1.base_pid, signal.SIGKILL)
    until(lambda: j1.web.says("/biz1/version", "biz1 2.0.0"), 60, "its module is back")
    server.start().ready()
    shop.base_ready("j1", 30)
    until(lambda: shop.on("biz1", "2.0.0") == ["j1"], 30, "the server knows")
    away(shop, "biz1")


def test_server_killed_in_an_install(shop, until):
    """What was sent is not sent twice: one install, one unpacked copy."""
    j1, server = shop.agents["j1"], shop.one
    plan = shop.deploy("biz-slow:1.0.0", 1, group="shop", wait=0, args=["--slow.seconds=6"])
    until(lambda: j1.arklet.installing("biz-slow:1.0.0"), 20, "arklet is at it")
    server.process.kill()
    server.stop_database()
    server.start().ready()
    assert shop.ended(plan["id"], 60)["state"] == "succeeded"
    assert len([p for p in (j1.data / "work").glob("biz-slow-*")]) == 1
    away(shop, "biz-slow")


def test_base_killed_in_an_install(shop, until):
    j1 = shop.agents["j1"]
    plan = shop.deploy("biz-slow:1.0.0", 1, group="shop", wait=0, args=["--slow.seconds=5"])
    until(lambda: j1.arklet.installing("biz-slow:1.0.0"), 20, "arklet is at it")
    os.kill(j1.base_pid, signal.SIGKILL)
    ended = shop.ended(plan["id"], 90)
    assert ended["state"] in ("succeeded", "failed", "paused"), ended
    shop.base_ready("j1", 60)
    away(shop, "biz-slow")


def test_thirty_upgrades(shop):
    j1 = shop.agents["j1"]
    thirty_upgrades(shop, "j1", j1, j1.data / "work")


def evicted(f, base, name, until):
    """What somebody installed by hand on that base goes, and is not found there any more."""
    found, = until(lambda: f.api.get("/v1/findings", base=name).json["findings"], 60, "it is found")
    assert (found["kind"], found["module"]) == ("unmanaged", "biz1"), found
    done = f.berth("finding", "evict", found["id"], "--grace", "1s", "--reason", "left over")
    assert done.returncode == 0, done.stderr
    until(lambda: base.arklet.modules() == {}, 30, "it is gone")
    assert base.web.status("/biz1/version") == 404
    until(lambda: not f.api.get("/v1/findings", base=name).json["findings"], 30, "so is the finding")


def test_what_somebody_installed_by_hand_is_evicted_through_the_agent(shop, until):
    j1 = shop.agents["j1"]
    assert j1.arklet.install("biz1", "1.0.0", jvm.jar("biz1:1.0.0"))["code"] == "SUCCESS"
    evicted(shop, j1, "j1", until)


def test_agent_beside_a_base_that_something_else_starts(shop, until):
    """Observe, adopt, manage, through an agent, with a module that was there before. Beside j1, on one host."""
    base = jvm.Jvm(shop, "legacy").start().up()
    assert base.arklet.install("biz1", "1.0.0", jvm.jar("biz1:1.0.0"))["code"] == "SUCCESS"
    push(shop, jvm.jar("biz1:1.0.0"))
    shop.group("legacy", 10)
    assert shop.berth("group", "set", "legacy", "--mode", "observe").returncode == 0
    agent = jvm.JvmAgent(shop, "j2", shop.join_token("legacy"), "legacy")
    agent.argv[agent.argv.index("--"):] = ["--runtime", "ark", "--arklet", base.url]
    agent.start()
    shop.base_ready("j2", 30)
    found = until(lambda: shop.api.get("/v1/findings", group="legacy").json.get("findings"), 20, "what it had is found")
    assert [(x["kind"], x["module"], x["version"]) for x in found] == [("unmanaged", "biz1", "1.0.0")]
    assert shop.berth("finding", "adopt", "--group", "legacy").returncode == 0
    assert shop.on("biz1", "1.0.0") == ["j2"] and base.web.says("/biz1/version", "biz1 1.0.0")
    deployment, = shop.api.get("/v1/deployments", group="legacy").json["deployments"]
    assert shop.berth("group", "set", "legacy", "--mode", "manage").returncode == 0
    deploy(shop, jvm.jar("biz1:2.0.0"), "--name", deployment["name"], "--min-ready", "0s", group="legacy")
    deploy(shop, jvm.jar("biz1:1.0.0"), "--name", "here", "--replicas", "all", "--min-ready", "0s")
    assert base.web.says("/biz1/version", "biz1 2.0.0") and shop.agents["j1"].web.says("/biz1/version", "biz1 1.0.0")
    assert (shop.on("biz1", "2.0.0"), shop.on("biz1", "1.0.0")) == (["j2"], ["j1"])
    base.process.kill()
    base.start().up()
    until(lambda: base.web.says("/biz1/version", "biz1 2.0.0"), 40, "restored after a restart by somebody else")
    away(shop, "here", deployment["name"])


# ---- without an agent -----------------------------------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def plain():
    """A server that opens the bases' own address, and base s1: a JVM nobody changed, added by its address."""
    f = _fleet()
    try:
        f.server("server", *QUICK, "--join-listen", "127.0.0.1:0").ready()
        f.group("shop", 10)
        f.s1 = jvm.Jvm(f, "s1").start().up()
        assert f.berth("base", "add", "s1", "--group", "shop", "--arklet", f.s1.url).returncode == 0
        f.base_ready("s1", 20)
        yield f
    finally:
        f.stop()


def test_by_address_deploy_upgrade_uninstall(plain):
    s1 = plain.s1
    shown = plain.api.get("/v1/bases/s1").json
    assert shown["runtime"] == "ark" and shown["arklet"] == s1.url and shown["ready"]
    assert plain.berth("base", "add", "s1", "--group", "shop", "--arklet", s1.url).returncode == 0  # already so
    deploy(plain, jvm.jar("biz1:1.0.0"), "--replicas", "1", "--min-ready", "0s")
    assert s1.web.says("/biz1/version", "biz1 1.0.0")
    deploy(plain, jvm.jar("biz1:2.0.0"))
    assert s1.web.says("/biz1/version", "biz1 2.0.0") and s1.arklet.modules() == {"biz1:2.0.0": "activated"}
    beside = jvm.remade(jvm.jar("biz1:1.0.0"), plain.folder, Ark_Biz_Version="3.0.0", web_context_path="biz1-v3")
    deploy(plain, beside)
    assert s1.web.says("/biz1-v3/version", "biz1") and s1.arklet.modules() == {"biz1:3.0.0": "activated"}
    away(plain, "biz1")
    assert s1.arklet.modules() == {}


def test_by_address_broken_module_with_its_cause(plain):
    done = deploy(plain, jvm.jar("biz-broken"), "--replicas", "1", "--min-ready", "0s", "--retries", "0", status=8)
    assert "this module refuses to start" in done.stdout + done.stderr
    assert plain.s1.arklet.modules() == {} and plain.api.get("/v1/bases/s1").json["ready"]
    away(plain, "biz-broken")



def test_by_address_slow_module(plain, until):
    """One of its few network threads is busy for as long: polls may be slow, and it is no less alive."""
    module = push(plain, jvm.jar("biz-slow"))
    plan = plain.deploy(module, 1, group="shop", wait=0, args=["--slow.seconds=4"])
    until(lambda: plain.s1.arklet.installing(module), 20, "arklet is at it")
    assert plain.api.get("/v1/bases/s1").json["state"] == "ready"
    assert plain.ended(plan["id"])["state"] == "succeeded" and plain.s1.web.says("/slow/hello", "slow module")
    away(plain, "biz-slow")


def test_by_address_a_vanished_artifact_or_another_manifest_takes_nothing_away(plain, until):
    """The base fetches from where its files are; one has gone from there since it was registered, or says another name now."""
    assert plain.api.call("PATCH", "/v1/groups/shop", {"originArtifacts": True}).status == 200
    deploy(plain, jvm.jar("biz1:1.0.0"), "--replicas", "1", "--min-ready", "0s")
    good = jvm.remade(jvm.jar("biz1:2.0.0"), plain.folder, Ark_Biz_Version="4.0.0").read_bytes()
    named = {"biz1.jar": good}
    with script.files(named) as url:
        sha = plain.api.post("/v1/artifacts", {"url": f"{url}/biz1.jar"}).json["sha256"]
        wrong = plain.api.post("/v1/modules/biz1/versions", {"version": "4.0.1", "artifact": sha, "runtime": "ark"})
        assert wrong.status == 400 and "biz1:4.0.0" in wrong.json["detail"], wrong
        assert plain.api.post("/v1/modules/biz1/versions", {"version": "4.0.0", "artifact": sha, "runtime": "ark"}).status == 201
        other = jvm.remade(jvm.jar("biz1:2.0.0"), plain.folder, Ark_Biz_Name="stranger", Ark_Biz_Version="4.0.0").read_bytes()
        for now, why in ((None, "answers 404"), (other, "stranger:4.0.0")):
            named["biz1.jar"] = now
            plan = plain.deploy("biz1:4.0.0", 1, group="shop", strategy={"minReady": "0s", "retries": 0})
            failed, = until(lambda: [t for t in plain.plan(plan["id"])["tasks"] if t["kind"] == "install" and t["state"] == "failed"], 30, "it failed")
            assert failed["fault"] == "artifact" and why in failed["cause"], failed
            until(lambda: plain.s1.arklet.modules() == {"biz1:1.0.0": "activated"}, 20, "the old version is there")
            assert plain.s1.web.says("/biz1/version", "biz1 1.0.0")
            assert plain.berth("rollback", "biz1").returncode == 0
        named["biz1.jar"] = good
        deploy(plain, "biz1:4.0.0", "--min-ready", "0s")
    assert plain.s1.arklet.modules() == {"biz1:4.0.0": "activated"}
    away(plain, "biz1")
    assert plain.api.call("PATCH", "/v1/groups/shop", {"originArtifacts": False}).status == 200


def test_by_address_restored_after_a_restart(plain, until):
    """Nobody tells of a restart: the base is asked."""
    deploy(plain, jvm.jar("biz1:1.0.0"), "--replicas", "1", "--min-ready", "0s")
    plain.s1.process.kill()
    plain.s1.start().up()
    until(lambda: plain.s1.web.says("/biz1/version", "biz1 1.0.0"), 40, "its module is back")
    plain.base_ready("s1", 20)
    until(lambda: plain.on("biz1") == ["s1"], 20, "the server knows")
    away(plain, "biz1")


def test_by_address_server_killed_in_an_install(plain, until):
    """The next server asks what the base holds before it sends anything again: one install, one unpacked copy."""
    module = push(plain, jvm.jar("biz-slow"))
    plan = plain.deploy(module, 1, group="shop", wait=0, args=["--slow.seconds=6"])
    until(lambda: plain.s1.arklet.installing(module), 20, "arklet is at it")
    plain.one.process.kill()
    plain.one.stop_database()
    plain.one.start().ready()
    assert plain.ended(plan["id"], 60)["state"] == "succeeded"
    assert plain.s1.arklet.modules() == {module: "activated"} and plain.s1.web.says("/slow/hello", "slow module")
    assert len(list((plain.folder / "s1-ark").glob("biz-slow-*"))) == 1
    away(plain, "biz-slow")


def test_by_address_base_killed_in_an_install(plain, until):
    plan = plain.deploy("biz-slow:1.0.0", 1, group="shop", wait=0, args=["--slow.seconds=5"])
    until(lambda: plain.s1.arklet.installing("biz-slow:1.0.0"), 20, "arklet is at it")
    plain.s1.process.kill()
    plain.s1.start().up()
    ended = plain.ended(plan["id"], 90)
    assert ended["state"] in ("succeeded", "paused", "failed"), ended
    plain.base_ready("s1", 60)
    away(plain, "biz-slow")


def test_a_base_whose_start_failed_is_not_ready(plain, until):
    """Its process lives and its web port answers; its arklet never opened, because the port was taken."""
    broken = jvm.Jvm(plain, "taken")
    broken.ark_port = plain.s1.ark_port
    broken.arklet = jvm.Arklet(jvm.free_port())
    broken.start()
    until(lambda: broken.web.status("/base/hello") is not None, 60, "its web port answers")
    assert broken.process.alive()
    url = f"http://127.0.0.1:{broken.arklet.port}"
    assert plain.berth("base", "add", "taken", "--group", "shop", "--arklet", url).returncode == 0
    assert plain.berth("base", "wait", "taken", "--ready", "--timeout", "2s").returncode == 6
    answer = plain.api.get("/v1/bases/taken:ready")
    assert answer.status == 503, answer
    broken.process.kill()
    assert plain.berth("base", "forget", "taken").returncode == 0


def test_forget_leaves_its_modules_running(plain):
    deploy(plain, jvm.jar("biz1:1.0.0"), "--replicas", "1", "--min-ready", "0s")
    assert plain.berth("base", "forget", "s1").returncode == 0
    assert plain.s1.web.says("/biz1/version", "biz1 1.0.0") and plain.s1.arklet.modules() == {"biz1:1.0.0": "activated"}
    assert plain.berth("base", "add", "s1", "--group", "shop", "--arklet", plain.s1.url).returncode == 0
    plain.base_ready("s1", 20)
    kinds = [x["kind"] for x in plain.api.get("/v1/findings").json.get("findings", []) if x.get("base") == "s1"]
    assert kinds in ([], ["unmanaged"])  # wanted again by its deployment, or nobody's
    away(plain, "biz1")


def test_by_address_what_somebody_installed_by_hand_is_evicted(plain, until):
    plain.s1.arklet.install("biz1", "1.0.0", jvm.jar("biz1:1.0.0"))  # or it is there already, let go by a test before
    assert plain.s1.arklet.modules() == {"biz1:1.0.0": "activated"}
    evicted(plain, plain.s1, "s1", until)


def test_a_base_nobody_changed_is_adopted_upgraded_restarted_drained_forgotten(plain, until):
    """Observe, adopt, manage, by address, with a module that was there before: no restart and no command. Then what everyday brings, and out
    by the door. Two bases on this host."""
    base, other = jvm.Jvm(plain, "living").start(), jvm.Jvm(plain, "beside").start()
    assert base.up().arklet.install("biz1", "1.0.0", jvm.jar("biz1:1.0.0"))["code"] == "SUCCESS"
    plain.group("living", 10)
    assert plain.berth("group", "set", "living", "--mode", "observe").returncode == 0
    for one in (base, other.up()):
        assert plain.berth("base", "add", one.name, "--group", "living", "--arklet", one.url).returncode == 0
        plain.base_ready(one.name, 20)
    found, = until(lambda: plain.api.get("/v1/findings", group="living").json["findings"], 20, "what it had is found")
    assert (found["kind"], found["module"], found["version"], found["contextPath"]) == ("unmanaged", "biz1", "1.0.0", "/biz1")
    assert plain.berth("finding", "adopt", "--group", "living").returncode == 0
    deployment, = [d for d in plain.api.get("/v1/deployments", group="living").json["deployments"]]
    assert deployment["state"] == "running" and deployment["version"] == "1.0.0", deployment
    assert plain.berth("group", "set", "living", "--mode", "manage").returncode == 0
    deploy(plain, jvm.jar("biz1:2.0.0"), "--name", deployment["name"], "--min-ready", "0s", group="living")
    assert base.web.says("/biz1/version", "biz1 2.0.0") and base.arklet.modules() == {"biz1:2.0.0": "activated"}

    base.process.kill()
    base.start()
    until(lambda: base.web.says("/biz1/version", "biz1 2.0.0"), 60, "its module is back after a restart")
    plain.base_ready("living", 20)
    until(lambda: plain.on("biz1", "2.0.0") == ["living"], 20, "the server knows")

    drained = plain.berth("base", "drain", "living", "--reason", "new memory")
    assert drained.returncode == 0, drained.stderr
    assert other.web.says("/biz1/version", "biz1 2.0.0") and plain.on("biz1", "2.0.0") == ["beside"]
    assert base.arklet.modules() == {} and base.web.says("/base/hello", "hello")

    for one in (base, other):
        assert plain.berth("base", "forget", one.name).returncode == 0
    assert other.web.says("/biz1/version", "biz1 2.0.0")
    for one in (base, other):
        one.process.kill()
    plain.berth("delete", deployment["name"])


def test_memory_is_what_the_jvm_says(plain, until):
    deploy(plain, jvm.jar("biz1:1.0.0"), "--replicas", "1", "--min-ready", "0s")
    until(lambda: "memory" in plain.api.get("/v1/bases/s1").json, 20, "told")

    def close():
        told, own = plain.api.get("/v1/bases/s1").json["memory"], plain.s1.arklet.call("health")["data"]["healthData"]["jvm"]
        return told["metaspaceMax"] == own["java max metaspace"] and abs(told["metaspaceUsed"] - own["java used metaspace"]) < 2 << 20
    until(close, 20, "as the JVM has it")
    cost = [c for c in plain.api.get("/v1/modules/biz1").json["installCosts"] if c["group"] == "shop"]
    assert cost and cost[0]["installs"] >= 1 and 0 <= cost[0].get("metaspaceBytes", 0) < 64 << 20, cost
    away(plain, "biz1")


def test_by_heartbeat_two_bases_on_one_host_deploy_upgrade_and_survive(plain, until):
    """An endpoint with a join token is all that bases are told; of one identity, the ports tell them apart. The heartbeat is a bean,
    HeartbeatAs2111, that sends what runtime 2.1.11 sends."""
    plain.group("beats", 10)
    endpoint = f"http://{plain.one.ports['join']}/join/{plain.join_token('beats')}"
    options = f"-Dkoupleless.arklet.http.heartbeat.endpoint={endpoint}", "-Dlab.heartbeat.ip=127.0.0.1"
    bases = [jvm.Jvm(plain, f"beats{i}", *options).start() for i in range(2)]
    names = sorted(f"127.0.0.1-{b.ark_port}" for b in bases)
    for name in names:
        until(lambda: (a := plain.api.try_get(f"/v1/bases/{name}:ready")) is not None and a.status == 200, 60, "it joined by itself")
        assert plain.api.get(f"/v1/bases/{name}").json["group"] == "beats"
    deploy(plain, jvm.jar("biz1:1.0.0"), "--replicas", "2", "--min-ready", "0s", "--name", "beaten", group="beats")
    assert plain.on("biz1", "1.0.0") == names
    deploy(plain, jvm.jar("biz1:2.0.0"), "--min-ready", "0s", "--name", "beaten", group="beats")
    assert all(b.web.says("/biz1/version", "biz1 2.0.0") and b.arklet.modules() == {"biz1:2.0.0": "activated"} for b in bases)
    bases[0].process.kill()
    bases[0].start()
    until(lambda: bases[0].web.says("/biz1/version", "biz1 2.0.0"), 60, "its module is back")
    until(lambda: plain.on("biz1", "2.0.0") == names, 30, "the server knows")
    away(plain, "beaten")
    assert [b.arklet.modules() for b in bases] == [{}, {}]
    for b in bases:
        b.process.kill()
    for name in names:
        assert plain.berth("base", "forget", name).returncode == 0


def test_by_heartbeat_observe_adopt_manage_evict_forget(plain, until):
    """The hand-over of a base of which nobody told Berth anything: it came by its heartbeats, with a module that somebody had installed."""
    plain.group("heard", 10)
    assert plain.berth("group", "set", "heard", "--mode", "observe").returncode == 0
    endpoint = f"http://{plain.one.ports['join']}/join/{plain.join_token('heard')}"
    base = jvm.Jvm(plain, "heard0", f"-Dkoupleless.arklet.http.heartbeat.endpoint={endpoint}", "-Dlab.heartbeat.ip=127.0.0.1").start()
    assert base.up().arklet.install("biz1", "1.0.0", jvm.jar("biz1:1.0.0"))["code"] == "SUCCESS"
    name = f"127.0.0.1-{base.ark_port}"
    found, = until(lambda: plain.api.get("/v1/findings", group="heard").json.get("findings"), 60, "it joined, and what it had is found")
    assert (found["base"], found["kind"], found["module"], found["version"]) == (name, "unmanaged", "biz1", "1.0.0"), found
    until(lambda: plain.api.get(f"/v1/bases/{name}").json["displayName"] not in ("", "TO_BE_IMPLEMENTED", name), 20, "/health has its name")
    push(plain, jvm.jar("biz1:1.0.0"))

    def adopted():
        assert plain.berth("finding", "adopt", "--group", "heard").returncode == 0
        return plain.api.get("/v1/deployments", group="heard").json.get("deployments")
    deployment, = until(adopted, 60, "what was seen while it was being installed is adopted once it is in")
    assert plain.berth("group", "set", "heard", "--mode", "manage").returncode == 0
    deploy(plain, jvm.jar("biz1:2.0.0"), "--name", deployment["name"], "--min-ready", "0s", group="heard")
    assert base.web.says("/biz1/version", "biz1 2.0.0") and base.arklet.modules() == {"biz1:2.0.0": "activated"}
    away(plain, deployment["name"])
    assert base.arklet.install("biz1", "1.0.0", jvm.jar("biz1:1.0.0"))["code"] == "SUCCESS"
    evicted(plain, base, name, until)
    base.process.kill()
    assert plain.berth("base", "forget", name).returncode == 0


def test_by_address_in_place_failure_puts_the_old_version_back(plain, until):
    deploy(plain, jvm.jar("biz1:1.0.0"), "--replicas", "1", "--min-ready", "0s")
    bad = jvm.remade(jvm.jar("biz-broken"), plain.folder, Ark_Biz_Name="biz1", Ark_Biz_Version="9.9.9", web_context_path="biz1")
    deploy(plain, bad, "--retries", "0", status=8)
    until(lambda: plain.s1.web.says("/biz1/version", "biz1 1.0.0"), 20, "the old version is back")
    until(lambda: plain.s1.arklet.modules() == {"biz1:1.0.0": "activated"}, 10, "it is in")
    away(plain, "biz1")


def test_a_frozen_base_goes_silent_and_comes_back(plain, until):
    plain.s1.process.freeze()
    until(lambda: plain.api.get("/v1/bases/s1").json["state"] in ("silent", "lost"), 80, "it is missed")
    plain.s1.process.wake()
    plain.base_ready("s1", 40)


def memory_agrees(f, name, arklet):
    """What the ledger has of a base is what its JVM says itself, to the one percent that it takes for news."""
    (used, most, heap, classes), = f.sql("select metaspace_used_bytes, metaspace_max_bytes, heap_max_bytes, classes from dash.base_memory"
                                         f" where base = '{name}'") or [(0, 0, 0, 0)]
    own = arklet.call("health")["data"]["healthData"]["jvm"]
    return (most == own["java max metaspace"] and abs(used - own["java used metaspace"]) * 100 <= used
            and abs(classes - own["loaded class count"]) * 100 <= classes and abs(heap - own["max heap memory(M)"] * 2**20) < 1 << 20)


def thirty_upgrades(f, name, base, copies):
    """Every cycle ends with the module answering; the base holds one version, and its work folder one copy."""
    before = set(copies.glob("biz1-*-unpack"))  # of earlier lives of the JVM: nobody cleans them but the next start's owner
    deploy(f, jvm.jar("biz1:1.0.0"), "--replicas", "1", "--min-ready", "0s")
    push(f, jvm.jar("biz1:2.0.0"))
    for i in range(30):
        module = ("biz1:2.0.0", "biz1:1.0.0")[i % 2]
        deploy(f, module, "--min-ready", "0s")
        assert base.web.says("/biz1/version", module.replace(":", " ")), module
    assert base.arklet.modules() == {"biz1:1.0.0": "activated"}
    assert len(set(copies.glob("biz1-*-unpack")) - before) == 1
    cells.until(lambda: memory_agrees(f, name, base.arklet), 60, "the ledger has the memory as the JVM has it")
    cost, = f.sql("select installs, measured, metaspace_bytes from dash.install_cost where module = 'biz1' and base_group = 'shop'")
    assert cost[0] >= cost[1] >= 30 and 0 <= cost[2] < 64 << 20, cost
    away(f, "biz1")


def test_by_address_thirty_upgrades(plain):
    thirty_upgrades(plain, "s1", plain.s1, plain.folder / "s1-ark")
