"""berthd as a command: options from all origins, and what is refused before anything starts. BERTH_BIN_DIR holds berthd."""
import os
import pathlib
import re
import signal
import subprocess
import threading
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("BERTH_BIN_DIR", "build/debug")).resolve()

pytestmark = pytest.mark.skipif(not (BIN / "berthd").exists(), reason=f"no berthd in {BIN}: set BERTH_BIN_DIR")


def berthd(*args, **env):
    plain = {k: v for k, v in os.environ.items() if not k.startswith("BERTHD_")}
    return subprocess.run([BIN / "berthd", *map(str, args)], capture_output=True, text=True, timeout=30, env={**plain, **env})


def shown(*args, **env):
    done = berthd("--show-config", *args, **env)
    assert done.returncode == 0, done.stderr
    return dict(re.match(r"(\S+) = (.*)", line).groups() for line in done.stdout.splitlines())


def test_the_documented_file_is_the_table():
    assert berthd("--print-config-file").stdout == (ROOT / "conf/berthd.conf").read_text()


def test_every_default_may_be_written_down(tmp_path):
    conf = tmp_path / "berthd.conf"
    conf.write_text(re.sub(r"^#(\S+ = \S)", r"\1", (ROOT / "conf/berthd.conf").read_text(), flags=re.M))
    done = berthd("--config", conf, "--check-config")
    assert (done.returncode, done.stderr) == (0, "")


def test_later_origins_win(tmp_path):
    conf = tmp_path / "berthd.conf"
    conf.write_text("[cell]\nlease = 20s\n[bases]\nsilent = 40s\n[log]\nlog-level = warn\n")
    env = {"BERTHD_SILENT": "45s", "BERTHD_LOG_LEVEL": "error"}
    values = shown("--config", conf, "--log-level", "debug", **env)
    assert values["lease"] == "20s  (file)"
    assert values["silent"] == "45s  (environment)"
    assert values["log-level"] == "debug  (argument)"
    assert values["renew"] == "3s  (default)"


def test_secrets_are_not_shown():
    values = shown("--database-url", "postgresql://u:hunter2@db/x", "--artifact-credential", "nexus@repo.example.com=Authorization: Basic hunter2")
    assert "hunter2" not in str(values)
    assert values["database-url"] == "(set)  (argument)"


@pytest.mark.parametrize("args, told", [
    (["--listne", "x"], "did you mean --listen?"),
    (["--listen", "0.0.0.0:7777"], "--insecure-listen"),
    (["--listen", "[::]:7777"], "--insecure-listen"),
    (["--rpc-listen", "10.0.0.1:7778"], "--tls-cert"),
    (["--listen", "localhost"], "HOST:PORT"),
    (["--listen", "127.0.0.1:99999"], "HOST:PORT"),
    (["--listen", "::1:80"], "HOST:PORT"),
    (["--rest-advertise", "x"], "HOST:PORT"),
    (["--server", "x"], "HOST:PORT"),
    (["--lease", "3s"], "--stop shorter than --lease"),
    (["--renew", "8s"], "--renew has to be shorter"),
    (["--lost", "10s"], "--silent has to be shorter"),
    (["--heartbeat", "40s"], "--heartbeat has to be shorter"),
    (["--lease", "soon"], "lease"),
    (["--max-calls", "0"], "out of bounds"),
    (["--tls-cert", "/dev/null"], "belong together"),
    (["--tls-cert", "/nowhere", "--tls-key", "/nowhere"], "cannot be read"),
    (["--tls-client-ca", "/dev/null"], "needs --tls-cert"),
    (["--artifact-credential", "nexus"], "NAME@HOST=HEADER"),
    (["--artifact-credential", "nexus=Authorization: Basic eA=="], "write nexus@repo.example.com="),
    (["--artifact-credential", "nexus@*=Authorization: Basic eA=="], '"*" names no host'),
    (["--log-level", "loud"], "debug, info, warn and error"),
    (["--log-format", "xml"], "logfmt and json"),
    (["--config", "/nowhere"], "/nowhere"),
    (["extra"], "unexpected argument extra"),
    (["--listen"], "needs a value"),
])
def test_what_is_wrong_is_said(args, told):
    done = berthd("--check-config", *args)
    assert done.returncode == 2
    assert told in done.stderr
    assert done.stderr.startswith("berthd: ") and done.stderr.count("\n") == 1


@pytest.mark.parametrize("text, told", [
    ("[listen]\nlisten-port = 1\n", "berthd.conf:2"),
    ("[lsiten]\nlisten = 127.0.0.1:1\n", "did you mean [listen]?"),
    ("[log]\nlisten = 127.0.0.1:1\n", "belongs in section [listen]"),
    ("listen\n", "berthd.conf:1"),
])
def test_a_wrong_file_names_the_line(tmp_path, text, told):
    conf = tmp_path / "berthd.conf"
    conf.write_text(text)
    done = berthd("--config", conf, "--check-config")
    assert done.returncode == 2 and told in done.stderr


@pytest.mark.parametrize("args", [["--listen", "127.0.0.1:0"], ["--listen", "[::1]:0"], ["--listen", "localhost:80"],
                                  ["--listen", "0.0.0.0:1", "--insecure-listen"], ["--join-listen", "0.0.0.0:1"]])
def test_what_is_fine(args):
    assert berthd("--check-config", *args).returncode == 0


def test_what_only_prints_needs_no_configuration():
    for option, word in (("--help", "--database-url"), ("--version", "berthd "), ("--man", ".TH BERTHD"), ("--dump-states", "quarantined")):
        done = berthd(option, BERTHD_LISTEN="nonsense")
        assert done.returncode == 0 and word in done.stdout


def test_one_folder_one_server(tmp_path):
    """A folder in use is refused; no database is needed to find that out."""
    url = "postgresql://nobody@127.0.0.1:1/none"
    listen = ["--listen", "127.0.0.1:0", "--rpc-listen", "127.0.0.1:0"]
    ports = tmp_path / "ports"
    first = subprocess.Popen([BIN / "berthd", "--data", tmp_path / "data", "--database-url", url, "--port-file", ports, *listen],
                             stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 20
        while not ports.exists():
            assert first.poll() is None and time.monotonic() < end
            threading.Event().wait(0.02)
        second = berthd("--data", tmp_path / "data", "--database-url", url, *listen)
        assert second.returncode == 1 and f"process {first.pid}" in second.stderr
    finally:
        first.send_signal(signal.SIGTERM)
        assert first.wait(20) == 0
