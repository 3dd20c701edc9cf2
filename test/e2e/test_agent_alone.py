"""The agent with a real native base and a scripted server: joining, commands, artifacts, its own death and the base's, restoring from disk.

BERTH_BIN_DIR is the folder that holds berth-agent, berth-base, examples/ and gen/berth.desc.
"""
import hashlib
import http.server
import json
import os
import pathlib
import queue
import re
import signal
import socket
import subprocess
import threading
import urllib.error
import urllib.request
from concurrent import futures

import pytest

from cell import until

grpc = pytest.importorskip("grpc", reason="python3-grpcio is not installed")
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory  # noqa: E402

BIN = pathlib.Path(os.environ.get("BERTH_BIN_DIR", "build/debug")).resolve()
EXAMPLES = BIN / "examples"

pytestmark = pytest.mark.skipif(not (BIN / "berth-agent").exists() or not (BIN / "berth-base").exists(), reason=f"no agent or base in {BIN}")


def load_messages():
    files = descriptor_pb2.FileDescriptorSet.FromString((BIN / "gen/berth.desc").read_bytes())
    pool = descriptor_pool.DescriptorPool()
    for f in files.file:
        pool.Add(f)
    factory = message_factory.MessageFactory(pool)
    return lambda name: factory.GetPrototype(pool.FindMessageTypeByName("berth.v1." + name))


M = load_messages() if (BIN / "gen/berth.desc").exists() else None


class Artifacts(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        cell = self.server.cell
        sha = self.path.split("/")[3]
        data = cell.files.get(sha)
        cell.requests.append((self.path, self.headers.get("Range"), self.headers.get("Authorization")))
        if data is None:
            self.send_response(404)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        start = 0
        if self.headers.get("Range"):
            start = int(re.match(r"bytes=(\d+)-", self.headers["Range"]).group(1))
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        if cell.cut_at is not None and start < cell.cut_at:
            self.wfile.write(data[start:cell.cut_at])
            cell.cut_at = None
            self.close_connection = True
            return
        self.wfile.write(data[start:])

    def log_message(self, *args):
        pass


class Stream:
    def __init__(self, hello):
        self.hello, self.out, self.closed = hello, queue.Queue(), False


class Cell:
    """A server of a few lines: it keeps what agents say and sends what the test wants."""

    def __init__(self, tls=None):
        self.tls = tls
        self.files, self.requests, self.cut_at = {}, [], None
        self.reports, self.outcomes, self.heartbeats, self.logs, self.goodbyes = [], {}, [], b"", []
        self.wanted, self.epoch, self.refuse, self.streams, self.generation, self.committed, self.log_eof = [], 1, None, [], 0, 0, False
        self.acknowledges = True
        self.web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Artifacts)
        self.web.cell = self
        threading.Thread(target=self.web.serve_forever, daemon=True).start()
        self.port = 0
        self.start()

    def start(self):
        handler = grpc.stream_stream_rpc_method_handler(
            self.connect, request_deserializer=M("AgentMessage").FromString, response_serializer=lambda m: m.SerializeToString())
        self.grpc = grpc.server(futures.ThreadPoolExecutor(8))
        self.grpc.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("berth.v1.AgentService", {"Connect": handler}),))
        where = f"127.0.0.1:{self.port}"
        self.port = self.grpc.add_secure_port(where, self.tls) if self.tls else self.grpc.add_insecure_port(where)
        self.grpc.start()

    def stop(self):
        for s in self.streams:
            s.out.put(None)
        self.grpc.stop(0).wait()
        self.streams = []

    def close(self):
        self.stop()
        self.web.shutdown()

    def connect(self, messages, context):
        first = next(messages)
        stream = Stream(first.hello)
        if self.refuse:
            m = M("ServerMessage")()
            m.refused.code, m.refused.detail, m.refused.final = "unauthenticated", self.refuse, True
            yield m
            return
        threading.Thread(target=self.listen, args=(messages, stream), daemon=True).start()
        yield self.welcome()
        self.streams.append(stream)
        while (m := stream.out.get()) is not None:
            yield m

    def listen(self, messages, stream):
        try:
            for m in messages:
                self.take(m, stream)
        except Exception:
            pass
        stream.out.put(None)

    def take(self, m, stream):
        kind = m.WhichOneof("kind")
        if kind == "report":
            self.reports.append(m.report)
            for o in m.report.outcomes:
                self.outcomes.setdefault(o.generation, []).append(o)
            if not self.acknowledges:
                return
            self.committed = max(self.committed, m.report.seq)
            ack = M("ServerMessage")()
            ack.ack.committed_seq = self.committed
            stream.out.put(ack)
        elif kind == "heartbeat":
            self.heartbeats.append(m.heartbeat)
        elif kind == "log":
            self.logs += m.log.data
            self.log_eof = self.log_eof or m.log.eof
        elif kind == "goodbye":
            self.goodbyes.append(m.goodbye.reason)

    def welcome(self):
        m = M("ServerMessage")()
        w = m.welcome
        w.cell, w.epoch, w.incarnation, w.base_key, w.committed_seq = "cell-1", self.epoch, 1, "key-1", self.committed
        w.lease.seconds, w.heartbeat.seconds = 60, 1
        w.artifacts = f"http://127.0.0.1:{self.web.server_port}"
        w.wanted.extend(self.wanted)
        return m

    def add(self, path, data=None):
        data = path.read_bytes() if data is None else data
        sha = hashlib.sha256(data).hexdigest()
        self.files[sha] = data
        return sha, len(data)

    def module(self, name, version, file, sha=None):
        w = M("WantedModule")()
        real, size = self.add(EXAMPLES / file)
        w.module, w.version, w.sha256, w.size, w.runtime = name, version, sha or real, size, 1
        return w

    def command(self, *items):
        """items: (kind, module); returns their generations"""
        m, made = M("ServerMessage")(), []
        m.command.epoch = self.epoch
        for kind, module in items:
            self.generation += 1
            i = m.command.items.add()
            i.kind, i.generation, i.task, i.activate = {"install": 1, "uninstall": 2, "switch": 3}[kind], self.generation, self.generation, kind == "install"
            i.module.CopyFrom(module)
            i.module.generation = i.module.instance = self.generation
            i.timeout.seconds = 30
            made.append(self.generation)
            if kind == "install":
                self.wanted = [x for x in self.wanted if (x.module, x.version) != (module.module, module.version)] + [i.module]
            elif kind == "uninstall":
                self.wanted = [x for x in self.wanted if (x.module, x.version) != (module.module, module.version)]
        until(lambda: self.streams)[-1].out.put(m)
        return made

    def outcome(self, generation):
        return until(lambda: self.outcomes.get(generation))[-1]

    def do(self, kind, module):
        return self.outcome(self.command((kind, module))[0])


class Agent:
    def __init__(self, folder, cell, *options, command=None):
        self.folder, self.cell = folder, cell
        self.options = list(options)
        self.command = command if command is not None else ["--", str(BIN / "berth-base")]
        self.log = folder / "agent.log"
        self.start()

    def start(self):
        port_file = self.folder / "ready-port"
        port_file.unlink(missing_ok=True)
        server = f"127.0.0.1:{self.cell.port}" if self.cell else "127.0.0.1:1"
        out = open(self.log, "ab")
        self.process = subprocess.Popen(
            [BIN / "berth-agent", "--server", server, "--data", "data", "--id", "b1", "--ready-listen", "127.0.0.1:0",
             "--ready-port-file", port_file, *self.options, *self.command],
            stdout=out, stderr=out, cwd=self.folder, env=os.environ | {"BERTH_AGENT_TOKEN": "join-1"})
        out.close()
        until(lambda: (port_file.exists() and port_file.read_text().strip()) or self.process.poll() is not None)
        self.port = int(port_file.read_text()) if port_file.exists() else 0

    def get(self, path):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as r:
                return r.status, r.read().decode()
        except urllib.error.HTTPError as e:
            return e.code, e.read().decode()

    def status(self):
        return json.loads(self.get("/status")[1])

    def ready(self):
        return until(lambda: self.get("/ready")[0] == 200)

    def module(self, path):
        try:
            with urllib.request.urlopen(f"http://{self.status()['address']}{path}", timeout=5) as r:
                return r.read().decode()
        except (urllib.error.URLError, ConnectionError):
            return None

    def kill(self):
        self.process.kill()
        self.process.wait()

    def end(self):
        pid = 0
        if self.process.poll() is None:
            try:
                pid = self.status()["pid"]
            except OSError:
                pass
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()
        if pid:
            try:
                os.killpg(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass


def alive(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


@pytest.fixture
def cell():
    c = Cell()
    yield c
    c.close()


@pytest.fixture
def agent(tmp_path, cell):
    a = Agent(tmp_path, cell)
    yield a
    a.end()


def test_joins_installs_switches_uninstalls(agent, cell):
    agent.ready()
    stream = until(lambda: cell.streams)[0]
    assert stream.hello.base == "b1" and stream.hello.join_token == "join-1" and stream.hello.base_key == ""
    one, two = cell.module("hello", "1.0.0", "hello-1.0.0.so"), cell.module("hello", "2.0.0", "hello-2.0.0.so")
    o = cell.do("install", one)
    assert o.ok and o.state == "activated" and o.memory_bytes > 0 and o.fetch_us > 0
    first = agent.module("/hello")
    assert first and "1.0.0" in first
    o = cell.do("install", two)
    assert o.ok and o.state == "activated"
    assert "2.0.0" in agent.module("/hello")
    assert cell.do("switch", one).ok
    assert "1.0.0" in agent.module("/hello")
    assert cell.do("uninstall", two).ok
    again = cell.do("uninstall", two)
    assert again.ok and again.code == "NOT_FOUND_BIZ"
    until(lambda: cell.heartbeats)
    assert cell.requests[0][2] == "Bearer key-1"
    assert not list((agent.folder / "data/staging").iterdir())


def test_upgrade_in_place_is_one_command(agent, cell):
    one, two = cell.module("hello", "1.0.0", "hello-1.0.0.so"), cell.module("hello", "2.0.0", "hello-2.0.0.so")
    assert cell.do("install", one).ok
    a, b = cell.command(("uninstall", one), ("install", two))
    assert cell.outcome(a).ok and cell.outcome(b).ok
    assert "2.0.0" in agent.module("/hello")


def test_own_death_leaves_the_base_and_the_next_agent_adopts_it(agent, cell):
    assert cell.do("install", cell.module("hello", "1.0.0", "hello-1.0.0.so")).ok
    agent.ready()
    before = agent.status()
    agent.kill()
    assert alive(before["pid"])
    agent.start()
    agent.ready()
    after = agent.status()
    assert after["pid"] == before["pid"] and after["address"] == before["address"]
    assert "1.0.0" in agent.module("/hello")
    until(lambda: len(cell.streams) >= 2)
    assert cell.streams[-1].hello.base_key == "key-1" and cell.streams[-1].hello.high_generation == 1
    assert cell.do("install", cell.module("hello", "2.0.0", "hello-2.0.0.so")).ok
    os.kill(after["pid"], signal.SIGKILL)  # not its own child, noticed all the same
    until(lambda: agent.status()["pid"] not in (0, after["pid"]))
    agent.ready()
    assert "2.0.0" in agent.module("/hello")


def test_restores_from_its_own_disk_without_a_server(agent, cell):
    assert cell.do("install", cell.module("hello", "1.0.0", "hello-1.0.0.so")).ok
    assert cell.do("install", cell.module("hello", "2.0.0", "hello-2.0.0.so")).ok
    cell.stop()
    cell.files.clear()
    was = agent.status()["pid"]
    os.kill(was, signal.SIGKILL)
    until(lambda: agent.status()["pid"] not in (0, was))
    agent.ready()
    assert "2.0.0" in agent.module("/hello")
    pid = agent.status()["pid"]
    agent.kill()
    os.killpg(pid, signal.SIGKILL)
    agent.start()
    agent.ready()
    assert "2.0.0" in agent.module("/hello")
    assert agent.status()["held"] == 2
    cell.start()
    until(lambda: cell.streams)
    assert len(cell.streams[-1].hello.held) == 2


def test_outcome_is_repeated_until_acknowledged(agent, cell):
    until(lambda: cell.committed)  # what it said when it joined
    cell.acknowledges = False
    g = cell.command(("install", cell.module("hello", "1.0.0", "hello-1.0.0.so")))[0]
    cell.outcome(g)
    cell.stop()
    agent.kill()
    seen = len(cell.outcomes[g])
    cell.start()
    agent.start()
    until(lambda: len(cell.outcomes[g]) > seen)
    cell.acknowledges = True


def test_a_crashing_module_is_set_aside_and_its_neighbours_live(agent, cell):
    assert cell.do("install", cell.module("hello", "1.0.0", "hello-1.0.0.so")).ok
    assert cell.do("install", cell.module("crash", "1.0.0", "crash.so")).ok
    pid = agent.status()["pid"]
    agent.module("/crash/now")
    until(lambda: agent.status()["pid"] not in (0, pid))
    agent.ready()
    bad = until(lambda: [h for r in cell.reports for h in r.changed if h.quarantined])[0]
    assert bad.module == "crash" and "SIG" in bad.cause and bad.generation == 2
    assert agent.module("/hello") and agent.module("/crash/now") is None
    states = {m["module"]: m for m in agent.status()["modules"]}
    assert states["crash"]["quarantined"] and not states["hello"]["quarantined"]
    until(lambda: any("last words" in r.base_note for r in list(cell.reports)))


def test_failures_say_whose_fault_it_is(agent, cell):
    o = cell.do("install", cell.module("broken", "1.0.0", "broken.so"))
    assert not o.ok and o.fault == 1 and o.cause
    bad = cell.module("hello", "1.0.0", "hello-1.0.0.so", sha="0" * 64)
    cell.files["0" * 64] = b"something else" * 1000
    bad.size = 14000
    o = cell.do("install", bad)
    assert not o.ok and o.code == "digest" and o.fault == 3
    assert not (agent.folder / "data/artifacts" / ("0" * 64)).exists()
    missing = cell.module("hello", "1.0.0", "hello-1.0.0.so", sha="1" * 64)
    o = cell.do("install", missing)
    assert not o.ok and o.code == "download" and "404" in o.cause
    other = cell.module("other", "9.9.9", "hello-1.0.0.so")
    o = cell.do("install", other)
    assert not o.ok
    assert agent.status()["held"] == 0


def test_a_cut_transfer_goes_on_where_it_stopped(agent, cell):
    cell.cut_at = 3000
    assert cell.do("install", cell.module("hello", "1.0.0", "hello-1.0.0.so")).ok
    ranges = [r for _, r, _ in cell.requests]
    assert ranges == [None, "bytes=3000-"]


def test_stops_with_the_base(agent, cell):
    agent.ready()
    pid = agent.status()["pid"]
    agent.process.terminate()
    assert agent.process.wait(20) == 0
    assert not alive(pid)
    until(lambda: cell.goodbyes)


def test_refused_for_good_before_it_joined(tmp_path, cell):
    cell.refuse = "the token is not known"
    a = Agent(tmp_path, cell)
    assert a.process.wait(20) == 3
    assert "the token is not known" in a.log.read_text()


def test_two_agents_in_one_folder(agent, cell):
    second = subprocess.run([BIN / "berth-agent", "--server", "127.0.0.1:1", "--data", agent.folder / "data", "--", "true"], capture_output=True, text=True)
    assert second.returncode == 1 and "another berth-agent" in second.stderr


def test_damaged_state_is_set_aside(agent, cell):
    assert cell.do("install", cell.module("hello", "1.0.0", "hello-1.0.0.so")).ok
    agent.process.terminate()
    agent.process.wait(20)
    path = agent.folder / "data/agent.state"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    agent.start()
    agent.ready()  # by the server's word
    assert (agent.folder / "data/agent.state.damaged").exists()
    assert "1.0.0" in agent.module("/hello")


def test_logs_of_the_base(agent, cell):
    agent.ready()
    m = M("ServerMessage")()
    m.log.id, m.log.bytes = 7, 10000
    until(lambda: cell.streams)[-1].out.put(m)
    until(lambda: cell.log_eof)
    assert cell.logs


def test_beside_a_base_that_something_else_starts(tmp_path, cell):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]

    def base():
        ports = tmp_path / "ports.json"
        ports.unlink(missing_ok=True)
        p = subprocess.Popen([BIN / "berth-base", "--listen", "127.0.0.1:0", "--listen-arklet", f"127.0.0.1:{port}", "--port-file", ports],
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(ports.exists)
        return p

    a = Agent(tmp_path, cell, "--runtime", "native", command=["--arklet", f"http://127.0.0.1:{port}"])
    b = None
    try:
        assert a.get("/ready")[0] == 503
        b = base()
        a.ready()
        assert cell.do("install", cell.module("hello", "1.0.0", "hello-1.0.0.so")).ok
        b.kill()
        b.wait()
        until(lambda: a.get("/ready")[0] == 503)
        b = base()
        a.ready()
        assert a.status()["held"] == 1
        a.process.terminate()
        assert a.process.wait(20) == 0
        assert b.poll() is None
    finally:
        a.end()
        if b is not None:
            b.kill()
            b.wait()


def test_tls_checked_against_the_given_authority(tmp_path):
    for name in "good", "bad":
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=cell", "-addext", "subjectAltName=IP:127.0.0.1",
                        "-keyout", tmp_path / f"{name}.key", "-out", tmp_path / f"{name}.pem"], check=True, capture_output=True)
    pair = ((tmp_path / "good.key").read_bytes(), (tmp_path / "good.pem").read_bytes())
    cell = Cell(tls=grpc.ssl_server_credentials([pair]))
    a = Agent(tmp_path, cell, "--tls-ca", str(tmp_path / "bad.pem"))
    try:
        until(lambda: "cannot reach the server" in a.log.read_text())
        assert not cell.streams
        a.process.terminate()
        assert a.process.wait(20) == 0
        a.options = ["--tls-ca", str(tmp_path / "good.pem")]
        a.start()
        assert cell.do("install", cell.module("hello", "1.0.0", "hello-1.0.0.so")).ok
    finally:
        a.end()
        cell.close()


def test_learns_other_servers_and_follows(tmp_path, cell):
    second = Cell()
    second.epoch = 2
    before = cell.welcome

    def welcome():
        m = before()
        m.welcome.servers.append(f"127.0.0.1:{second.port}")
        return m
    cell.welcome = welcome
    a = Agent(tmp_path, cell)
    try:
        until(lambda: a.status()["joined"])
        cell.stop()
        until(lambda: second.streams)
        assert second.streams[0].hello.witness_epoch == 1
        assert second.do("install", second.module("hello", "1.0.0", "hello-1.0.0.so")).ok
        until(lambda: a.status()["epoch"] == 2)
    finally:
        a.end()
        second.close()
