"""The command line as scripts and people use it: exit codes, documents, typos, contexts, signals."""
import json
import os
import re
import signal
import subprocess

import pytest

import cell as cells


@pytest.fixture(scope="module")
def hello(shared):
    shared.push("hello-1.0.0"), shared.push("hello-2.0.0")
    shared.deploy("hello:1.0.0")
    return shared


def test_exit_codes(hello):
    read = hello.api.post("/v1/tokens", {"name": "cli-read", "role": "read"}).json["secret"]
    for args, status, more in [
        (("status",), 0, {}), (("deploy", "hello:1.0.0"), 0, {}), (("frobnicate",), 2, {}), (("deploy",), 2, {}), (("scale", "hello", "x"), 2, {}),
        (("show", "nothing"), 3, {}), (("deploy", "hello:9.9.9"), 3, {}), (("scale", "hello", "2"), 4, {"token": read}), (("status",), 4, {"token": "nonsense"}),
        (("base", "wait", "n99", "--ready", "--timeout", "300ms"), 6, {}),
    ]:
        done = hello.berth(*args, **more)
        assert done.returncode == status, (args, done)
        assert status == 0 or done.stderr.strip(), args
    argv, env = hello.command("status", "--retry-for", "0s")
    done = subprocess.run(argv, env=env | {"BERTH_ADDRESS": "127.0.0.1:1"}, capture_output=True, text=True, timeout=20)
    assert done.returncode == 7, done


def test_waiting_times_out_with_the_reason(hello):
    assert hello.berth("group", "set", "demo", "--limit", "1").returncode == 0
    done = hello.berth("deploy", hello.example("slow"), "--group", "demo", "--replicas", "1", "--timeout", "2s")
    assert done.returncode == 6 and "full" in done.stdout + done.stderr, done
    assert hello.berth("delete", "slow").returncode == 0
    assert hello.berth("group", "set", "demo", "--limit", "5").returncode == 0


def test_paused_needs_a_person_and_stopped_says_so(hello, until):
    done = hello.berth("deploy", hello.example("broken"), "--group", "demo", "--replicas", "1", "--retries", "0", "-o", "json")
    assert done.returncode in (1, 8), done
    document = json.loads(done.stdout)
    assert "stop" in json.dumps(document) and "no database at" in json.dumps(document), document
    hello.berth("delete", "broken")
    p = hello.spawn("confirming", "deploy", "hello:2.0.0", "--batches", "1,100%", "--confirm", "beta", "--min-ready", "0s")
    until(lambda: hello.api.get("/v1/deployments/hello").json.get("plan"))
    number = hello.api.get("/v1/deployments/hello").json["plan"]
    until(lambda: hello.plan(number)["state"] == "confirming")
    assert p.popen.wait(20) == 8, p.words()
    assert f"berth plan confirm {number}" in p.words()
    assert hello.berth("plan", "confirm", number).returncode == 0
    hello.ended(number)
    assert len(hello.on("hello", "2.0.0")) == 3


def test_interrupt_leaves_the_plan_running(hello, until):
    p = hello.spawn("interrupted", "deploy", hello.example("slow"), "--group", "demo", "--replicas", "1", "--arg=--seconds=2", "--min-ready", "0s")
    until(lambda: "install slow" in p.words())
    p.signal(signal.SIGINT)
    assert p.popen.wait(10) != 0
    assert "berth plan watch" in p.words()
    until(lambda: hello.on("slow"))
    hello.berth("delete", "slow")


def test_documents(hello):
    for args in (("list",), ("base", "list"), ("group", "list"), ("module", "list"), ("version", "list", "hello"), ("instance", "list"), ("finding", "list"),
                 ("plan", "list", "--all"), ("token", "list"), ("events",), ("status",), ("show", "hello"), ("why", "hello"), ("revisions", "hello"), ("base", "show", "n1")):
        done = hello.berth(*args, "-o", "json")
        assert done.returncode == 0, (args, done)
        json.loads(done.stdout)
        table = hello.berth(*args)
        assert table.returncode == 0 and "\x1b" not in table.stdout, args
    assert hello.berth("base", "list", "-o", "name").stdout.split() and set(hello.berth("base", "list", "-o", "name").stdout.split()) == {"n1", "n2", "n3"}


def test_typos_name_the_nearest(hello):
    for args, near in [(("deply", "hello:1.0.0"), "deploy"), (("status", "--outptu", "json"), "--output"), (("show", "helo"), "hello"), (("base", "show", "n33"), "n3"),
                       (("deploy", "hello:1.0.0", "--group", "demi"), "demo")]:
        done = hello.berth(*args)
        assert done.returncode in (2, 3) and near in done.stderr, (args, done)


def test_apply_diff_export(hello):
    exported = hello.berth("export", "hello").stdout
    assert "hello" in exported
    assert hello.berth("diff", "-f", "-", stdin=exported).returncode == 0
    changed = exported.replace("replicas: 3", "replicas: 2")
    assert changed != exported
    assert hello.berth("diff", "-f", "-", stdin=changed).returncode == 1
    done = hello.berth("apply", "-f", "-", stdin=changed)
    assert done.returncode in (0, 8), done
    number = hello.api.get("/v1/deployments/hello").json.get("plan")
    if number:
        hello.berth("plan", "confirm", number)
        hello.ended(number)
    assert hello.api.get("/v1/deployments/hello").json["replicas"] == 2


def test_contexts_and_sql(hello):
    done = hello.berth("context", "set", "here", "--address", hello.one.rest, "--token", hello.token, "--data", str(hello.one.data))
    assert done.returncode == 0, done
    argv, env = hello.command("--context", "here", "base", "list", "-o", "name")
    env = {k: v for k, v in env.items() if k not in ("BERTH_ADDRESS", "BERTH_TOKEN")}
    done = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=20)
    assert done.returncode == 0 and "n1" in done.stdout, done
    argv[1:] = ["--context", "here", "sql", "--", "-XAtc", "select count(*) from dash.base_current"]
    done = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=20)
    assert done.returncode == 0 and done.stdout.strip() == "3", done
    assert hello.token not in hello.berth("context", "list").stdout


def test_logs_events_doctor_version(hello, until):
    assert "berth-base" in hello.berth("base", "logs", "n1").stdout
    assert hello.berth("doctor").returncode == 0
    assert hello.berth("version").returncode == 0
    p = hello.spawn("events", "events", "-f", "-o", "json")
    assert hello.berth("base", "cordon", "n3", "--reason", "told by a test").returncode == 0
    until(lambda: "told by a test" in p.words())
    assert hello.berth("base", "uncordon", "n3").returncode == 0


def test_every_command_explains_itself():
    source = (cells.ROOT / "src/cli/commands.def").read_text()
    names = re.findall(r'^C\("([^"]+)"', source, re.M)
    assert len(names) > 40
    program = cells.programs() / "berth"
    for name in names:
        done = subprocess.run([program, *name.split(), "--help"], capture_output=True, text=True, timeout=60, env={"PATH": os.environ["PATH"], "HOME": "/nonexistent"})
        assert done.returncode == 0 and name in done.stdout, (name, done)
    for shell in ("bash", "zsh", "fish"):
        assert subprocess.run([program, "completion", shell], capture_output=True, timeout=60).returncode == 0
