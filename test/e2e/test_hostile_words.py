"""What people type wrong: configuration of the three programs and the command line. Each gets one line that names it, exit status 2, and
nothing is started, sent or written."""
import os
import subprocess

import pytest

import cell as cells

HERE = {k: v for k, v in os.environ.items() if not k.startswith(("BERTH_", "BERTHD_"))}


def run(program, *args, **env):
    return subprocess.run([cells.programs() / program, *map(str, args)], capture_output=True, timeout=30, stdin=subprocess.DEVNULL, env=HERE | env)


FILES = {  # one wrong configuration file each; what the answer names
    "an unknown section": (b"[nothing]\nx = 1\n", "nothing"), "an unknown option": (b"[cell]\nleese = 10s\n", "lease"), "no section": (b"lease = 10s\n", ":1"), "no value": (b"[cell]\nlease\n", ":2"),
    "a duration": (b"[cell]\nlease = soon\n", "lease"), "out of bounds": (b"[limits]\nmax-calls = 0\n", "max-calls"), "a number": (b"[limits]\nmax-calls = many\n", "max-calls"), "too large": (b"[limits]\nmax-calls = 99999999999999999999\n", "max-calls"),
    "a size": (b"[limits]\nmax-artifact = 1Q\n", "max-artifact"), "negative": (b"[limits]\nmax-streams = -1\n", "max-streams"), "another section's": (b"[log]\nlease = 10s\n", "[cell]"), "not UTF-8": (b"[log]\nlog-level = \xff\xfe\n", "log-level"),
    "a NUL": (b"[log]\nlog-level = info\0warn\n", ""), "no text at all": (bytes(range(256)) * 50, "text file"), "a line without end": (b"[log]\nlog-level = " + b"a" * 100000 + b"\n", ""), "a broken section": (b"[cell\nlease = 10s\n", "[section]"),
    "a budget of nothing": (b"[limits]\nevents-per-base = 0\n", "events-per-base"),
}


@pytest.mark.parametrize("what", FILES)
def test_configuration_of_the_server(tmp_path, what):
    text, says = FILES[what]
    conf = tmp_path / "berthd.conf"
    conf.write_bytes(text)
    done = run("berthd", "--config", conf, "--check-config", "--data", tmp_path / "data")
    assert done.returncode == 2, done
    told = done.stderr.decode()
    assert told.startswith("berthd: ") and told.count("\n") == 1 and says in told and len(told) < 2000, told
    assert not (tmp_path / "data").exists()


ENVIRONMENT = [("berthd", "BERTHD_LEASE", "soon"), ("berthd", "BERTHD_MAX_CALLS", "0"), ("berthd", "BERTHD_LOG_LEVEL", "\udcff")]


@pytest.mark.parametrize("program, name, value", ENVIRONMENT)
def test_environment(program, name, value):
    done = run(program, "--check-config", **{name: value})
    told = done.stderr.decode(errors="replace")
    assert done.returncode == 2 and (name in told or name.partition("_")[2].lower().replace("_", "-") in told), done


ARGUMENTS = [
    ("berth-agent", ["--servr", "x"], "--server"), ("berth-agent", ["--label", "novalue"], "KEY=VALUE"), ("berth-agent", ["--label", "a b=c"], "label"), ("berth-agent", ["--label", "a=" + "b" * 64], "label"),
    ("berth-agent", ["--zone", "a b"], "zone"), ("berth-agent", ["--id", "a b"], "id"), ("berth-agent", ["--id", "x" * 64], "id"), ("berth-agent", ["--group", "a/b"], "group"), ("berth-agent", ["--runtime", "basic"], "runtime"),
    ("berth-base", ["--nothing"], "nothing"), ("berth-base", ["--arklet-port", "x"], "arklet-port"),
    ("berth", ["frobnicate"], "frobnicate"), ("berth", ["deploy"], "deploy"), ("berth", ["deploy", "a:b:c"], ""), ("berth", ["scale", "x", "many"], ""), ("berth", ["scale", "x", "-1"], ""), ("berth", ["list", "--output", "xml"], "json"),
    ("berth", ["list", "--outptu", "json"], "--output"), ("berth", ["plan", "show", "x"], ""), ("berth", ["base", "set", "n1", "--limit", "x"], "limit"), 
    ("berth", ["deploy", "m:1", "--min-ready", "soon"], "min-ready"), ("berth", ["events", "--since", "yesterdayish"], "since"),
    ("berth", ["apply", "-f", "/nowhere.yaml"], "/nowhere.yaml"), ("berth", ["show", "x", "y", "z"], ""), ("berth", ["--context", "none", "status"], "none"),
]


@pytest.mark.parametrize("program, args, says", ARGUMENTS, ids=[f"{p} {' '.join(a)[:40]}" for p, a, _ in ARGUMENTS])
def test_arguments(tmp_path, program, args, says):
    more = ["--data", tmp_path / "data", "--server", "127.0.0.1:1", "--", "true"] if program == "berth-agent" else []
    done = run(program, *args, *more, XDG_CONFIG_HOME=str(tmp_path), HOME=str(tmp_path), BERTH_ADDRESS="127.0.0.1:1")
    told = done.stderr.decode(errors="replace")
    assert done.returncode in (2, 3), done
    assert says in told and 0 < len(told) < 3000 and "\x1b" not in told, told


MANIFESTS = {"no YAML": "a: [", "a list": "- 1\n- 2\n", "an unknown field": "deployments:\n- nmae: x\n", "a wrong type": "deployments:\n- name: x\n  replicas: many\n", "a bomb": "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{chr(98 + i)}: &{chr(98 + i)} [{','.join(['*' + chr(97 + i)] * 9)}]\n" for i in range(9)), "deep": "[" * 5000, "not UTF-8": b"name: \xff\xfe\n", "empty": "", "a tab": "a:\n\tb: 1\n"}


@pytest.mark.parametrize("what", MANIFESTS)
def test_manifests(tmp_path, what):
    text = MANIFESTS[what]
    path = tmp_path / "m.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    done = run("berth", "apply", "-f", path, XDG_CONFIG_HOME=str(tmp_path), BERTH_ADDRESS="127.0.0.1:1", BERTH_TOKEN="x")
    assert done.returncode == 2 and 0 < len(done.stderr) < 3000, done
