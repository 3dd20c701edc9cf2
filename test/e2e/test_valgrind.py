"""One story with every program under valgrind, of the same build as everywhere else: what AddressSanitizer cannot see, it does not
recompile. In make nightly: each program takes twenty times as long."""
import json
import shutil

import pytest

import cell as cells

PATIENT = ("--lease=30s", "--renew=5s", "--stop=20s", "--heartbeat=5s", "--silent=60s", "--lost=2m")


@pytest.fixture
def under_valgrind(fleet, monkeypatch):
    """The programs' names lead to valgrind with them; each process leaves a report."""
    if shutil.which("valgrind") is None:
        pytest.skip("Debian's package valgrind is not installed")
    real, wrapped = cells.programs(), fleet.folder / "bin"
    fleet.reports = fleet.folder / "reports"
    fleet.reports.mkdir()
    wrapped.mkdir()
    (wrapped / "examples").symlink_to(real / "examples")
    for name in ("berthd", "berth", "berth-agent", "berth-base"):
        script = wrapped / name
        script.write_text(f"#!/bin/sh\nexec valgrind -q --leak-check=full --show-leak-kinds=definite --errors-for-leak-kinds=definite --num-callers=20 "
                          f"--log-file={fleet.reports}/{name}.%p {real}/{name} \"$@\"\n")
        script.chmod(0o755)
    monkeypatch.setenv("BERTH_BIN_DIR", str(wrapped))
    return fleet


class Base:
    """A base and the agent beside it, which did not start it."""

    def __init__(self, fleet, name, token):
        self.name, ports = name, fleet.folder / f"{name}.ports"
        self.process = cells.Process(f"{name}-base", [cells.programs() / "berth-base", "--name", name, "--listen", "127.0.0.1:0",
                                                      "--listen-arklet", "127.0.0.1:0", "--port-file", ports], fleet.folder / f"{name}-base.log", fleet.environment())
        told = cells.until(lambda: ports.exists() and json.loads(ports.read_text()), 120, "the base listens")
        self.http, arklet = (told[k] for k in ("httpAddress", "arkletAddress"))
        self.agent = cells.Process(name, [cells.programs() / "berth-agent", "--id", name, "--data", fleet.folder / name, "--server", fleet.one.rpc,
                                          "--arklet", f"http://{arklet}", "--runtime", "native", "--address", self.http], fleet.folder / f"{name}.log",
                                   fleet.environment({"BERTH_AGENT_TOKEN": token}))
        fleet.others += [self.agent, self.process]

    def says(self, path, text):
        answer = cells.Rest(self.http).try_get(path)
        return answer is not None and answer.status == 200 and text in answer.body.decode()


@pytest.mark.nightly
def test_a_deploy_an_upgrade_and_the_end(under_valgrind, until):
    fleet = under_valgrind
    # valgrind 3.19 does not know pidfd_open, by which servers watch a private PostgreSQL and agents the base that they started.
    fleet.postgres = cells.Postgres(fleet).make().start()
    fleet.server("server", *PATIENT, "--database-url", fleet.postgres.conninfo()).ready(300)
    fleet.group("demo", 5)
    token = fleet.join_token("demo")
    bases = [Base(fleet, name, token) for name in ("n1", "n2")]
    for base in bases:
        fleet.base_ready(base.name, 300)
    for version in ("1.0.0", "2.0.0"):
        done = fleet.berth("deploy", fleet.example(f"hello-{version}"), "--group", "demo", "--replicas", "2", "--min-ready", "0s", timeout=600)
        assert done.returncode == 0, done.stderr
        until(lambda: all(base.says("/hello", f"hello {version}") for base in bases), 120, f"{version} answers")
    assert fleet.berth("offline", "hello", timeout=300).returncode == 0
    fleet.sound()
    for base in bases:
        assert base.agent.stop(300) == 0 and base.process.stop(300) == 0
    assert fleet.one.process.stop(300) == 0
    reports = {r.name: r.read_text() for r in fleet.reports.iterdir()}
    assert {n.split(".")[0] for n in reports} == {"berthd", "berth", "berth-agent", "berth-base"}
    wrong = {n: text[:4000] for n, text in reports.items() if "definitely lost" in text or "Invalid" in text or "uninitialised" in text}
    assert not wrong, wrong
