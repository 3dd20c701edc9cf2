"""The native base as a process: every arklet command and outcome, routing, switching under load, unloading, crashes, the orderly end.

BERTH_BIN_DIR is the folder that holds berth-base and examples/. Nothing else is needed but a C compiler (some modules are made here,
as an outside author makes them, from the header alone).
"""
import concurrent.futures
import hashlib
import http.client
import http.server
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
import uuid

import pytest

from cell import until

BIN = pathlib.Path(os.environ.get("BERTH_BIN_DIR", "build/debug")).resolve()
ROOT = pathlib.Path(__file__).resolve().parents[2]
EXAMPLES = BIN / "examples"

pytestmark = pytest.mark.skipif(not (BIN / "berth-base").exists(), reason=f"no berth-base in {BIN}: set BERTH_BIN_DIR")


class Base:
    def __init__(self, folder, *options, fixed=True):
        self.folder = folder
        self.ports = folder / f"ports-{uuid.uuid4().hex}.json"
        self.log = folder / f"log-{uuid.uuid4().hex}.txt"
        listen = ["--listen", "127.0.0.1:0", "--listen-arklet", "127.0.0.1:0"] if fixed else ["--listen", "127.0.0.1:0"]
        self.tmp = folder / f"tmp-{uuid.uuid4().hex}"
        self.tmp.mkdir()
        self.out = open(self.log, "wb")
        self.process = subprocess.Popen([BIN / "berth-base", "--name", "b1", "--port-file", self.ports, *listen, *options],
                                        stdout=self.out, stderr=subprocess.STDOUT, env=os.environ | {"TMPDIR": str(self.tmp)})
        until(lambda: self.ports.exists() or self.process.poll() is not None)
        if self.process.poll() is None:
            self.where = json.loads(self.ports.read_text())

    def words(self):
        return self.log.read_text(errors="replace")

    def arklet(self, command, body=None, raw=None, headers=None, method="POST", timeout=30):
        """(status, headers, decoded body)"""
        c = http.client.HTTPConnection("127.0.0.1", self.where["arklet"], timeout=timeout)
        data = raw if raw is not None else json.dumps(body if body is not None else {}).encode()
        c.request(method, "/" + command, data, {"Content-Type": "application/json", **(headers or {})})
        r = c.getresponse()
        text = r.read()
        c.close()
        try:
            return r.status, r.headers, json.loads(text)
        except ValueError:
            return r.status, r.headers, text

    def do(self, command, **params):
        status, headers, answer = self.arklet(command, params)
        assert status == 200
        assert headers["Content-Type"] == "application/json"
        assert isinstance(answer, dict), answer
        return answer

    def install(self, file, name=None, version=None, **more):
        if name:
            more |= {"bizName": name, "bizVersion": version}
        return self.do("installBiz", bizUrl=f"file://{file}", **more)

    def have(self, file, **more):
        answer = self.install(file, **more)
        assert answer["code"] == "SUCCESS", answer
        return answer

    def states(self):
        return {f'{m["bizName"]}:{m["bizVersion"]}': m["bizState"] for m in self.do("queryAllBiz")["data"]}

    def get(self, path, method="GET", data=None, timeout=30):
        request = urllib.request.Request(f'http://127.0.0.1:{self.where["http"]}{path}', data=data, method=method)
        try:
            with urllib.request.urlopen(request, timeout=timeout) as r:
                return r.status, r.read().decode(), r.headers
        except urllib.error.HTTPError as e:
            return e.code, e.read().decode(), e.headers

    def end(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.out.close()
        return self.process.returncode


@pytest.fixture
def start(tmp_path):
    bases = []

    def make(*options, **more):
        bases.append(Base(tmp_path, *options, **more))
        return bases[-1]

    yield make
    for b in bases:
        b.end()
        assert "Sanitizer" not in b.words(), b.words()
        if b.process.returncode in (0, 1):  # an end of its own: nothing is left behind
            assert list(b.tmp.iterdir()) == []


@pytest.fixture
def base(start):
    return start()


@pytest.fixture(scope="session")
def author(tmp_path_factory):
    """Makes a module from source text with nothing but the header."""
    def make(name, body, version="1.0.0", extra=""):
        folder = tmp_path_factory.mktemp("author")
        (folder / "m.c").write_text(f'#include <berth/module.h>\n{body}\nBERTH_MODULE("{name}", "{version}"{extra});\n')
        subprocess.run([os.environ.get("CC", "cc"), "-std=gnu11", "-shared", "-fPIC", "-Wall", "-Wextra", "-Wno-missing-field-initializers", "-I", ROOT / "include", "-o", folder / "m.so", folder / "m.c"],
                       check=True)
        return folder / "m.so"
    return make


DOOR = r"""
#include <unistd.h>
static void through(const char *path) { while (access(path, F_OK) != 0) usleep(2000); }
static int start(struct berth_run *r) { if (r->argc > 0) through(r->argv[0]); return 0; }
static void answer(struct berth_call *c) { berth_printf(c, 200, "open"); }
static void inside(struct berth_call *c) { through("%s"); berth_printf(c, 200, "through"); }
static const struct berth_route routes[] = { { "GET", "/", answer }, { "GET", "/inside", inside }, { 0 } };"""


class Door:
    """A module whose start, when it is given `shut` as arguments, and whose requests to /door/inside take until the door is opened."""

    def __init__(self, author, path):
        self.path, self.shut = path, [str(path)]
        self.file = author("door", DOOR % path, extra=", .start = start, .routes = routes")

    def open(self):
        self.path.touch()


@pytest.fixture
def door(author, tmp_path):
    made = Door(author, tmp_path / "door")
    yield made
    made.open()


@pytest.fixture
def web(tmp_path):
    """An HTTP server over a folder that also takes heartbeats."""
    class Handler(http.server.SimpleHTTPRequestHandler):
        beats = []

        def __init__(self, *a, **k):
            super().__init__(*a, directory=str(tmp_path / "web"), **k)

        def do_POST(self):
            self.beats.append((self.path, json.loads(self.rfile.read(int(self.headers["Content-Length"])))))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"SUCCESS")

        def log_message(self, *a):
            pass

    (tmp_path / "web").mkdir()
    shutil.copytree(EXAMPLES, tmp_path / "web" / "m")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    server.url = f"http://127.0.0.1:{server.server_address[1]}"
    server.beats = Handler.beats
    yield server
    server.shutdown()
    server.server_close()


def refused_internally(answer, text, cause=None):
    assert answer["code"] == "CMD_PROCESS_INTERNAL_ERROR"
    assert answer["message"].startswith("Internal Error: ")
    assert text in answer["message"]
    assert "data" not in answer and "baseIdentity" not in answer
    last = [line for line in answer["errorStackTrace"].splitlines() if line.startswith("Caused by:")][-1]
    assert (cause or text) in last


HELLO1, HELLO2 = EXAMPLES / "hello-1.0.0.so", EXAMPLES / "hello-2.0.0.so"


# ---- the protocol around the commands ----

def test_help_lists_every_command(base):
    answer = base.do("help")
    assert answer["code"] == "SUCCESS"
    assert {c["id"] for c in answer["data"]} == {"help", "installBiz", "batchInstallBiz", "uninstallBiz", "switchBiz", "queryAllBiz", "health", "queryBizOps"}
    assert all(c["desc"] for c in answer["data"])
    assert answer["baseIdentity"] == base.where["identity"]


def test_envelope_and_methods(base):
    for path in ("nothing", "help/", ""):
        assert base.arklet(path)[::2] == (200, {"code": "CMD_NOT_FOUND", "message": "please follow the doc"})
    assert base.arklet("help?x=1")[2]["code"] == "SUCCESS"
    assert base.arklet("help", raw=b"")[2]["code"] == "SUCCESS"
    assert base.arklet("help", raw=b"null")[2]["code"] == "SUCCESS"
    for method in ("GET", "PUT", "DELETE"):
        status, _, text = base.arklet("help", raw=b"", method=method)
        assert (status, text) == (500, b"POST http request only supported by arklet")
    assert base.arklet("help", headers={"Origin": "http://evil.example"})[0] == 403
    assert base.arklet("installBiz", raw=b"x" * (1 << 20) + b"y")[0] == 413


@pytest.mark.parametrize("raw", [b"{", b"[]", b'"x"', b"5", b'{"a":}', b"\xff\xfe", b"[" * 100000, b'{"bizUrl":"\\ud800"}'])
def test_bad_json_is_answered(base, raw):
    status, headers, answer = base.arklet("installBiz", raw=raw, timeout=5)
    assert status == 200
    assert answer["code"] == "CMD_PROCESS_INTERNAL_ERROR" and "JSON" in answer["message"]
    assert int(headers["Content-Length"]) > 0


def test_reading_to_the_end_of_the_connection_works(base):
    with socket.create_connection(("127.0.0.1", base.where["arklet"]), timeout=10) as s:
        s.sendall(b"POST /help HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}")
        data = b""
        while piece := s.recv(65536):
            data += piece
    assert b'"code":"SUCCESS"' in data


# ---- installBiz ----

def test_install(base):
    answer = base.install(HELLO1, "hello", "1.0.0", args=["a"], envs={"K": "v"}, units=3, unknown={"x": 1})
    data = answer["data"]
    assert answer["code"] == data["code"] == "SUCCESS" and "message" not in answer
    assert data["message"].startswith("Install Biz: hello:1.0.0 success, cost: ")
    assert isinstance(data["elapsedSpace"], int)
    info = data["bizInfos"][0]
    assert (info["bizName"], info["bizVersion"], info["bizState"], info["webContextPath"]) == ("hello", "1.0.0", "activated", "/hello")
    assert info["identity"] == "hello:1.0.0" and info["priority"] == 100 and info["attributes"] == {}
    assert info["sha256"] == hashlib.sha256(HELLO1.read_bytes()).hexdigest()
    assert base.get("/hello")[:2] == (200, "hello 1.0.0 from b1\n")
    module = base.do("queryAllBiz")["data"][0]
    records = module["bizStateRecords"]
    assert [(r["state"], r["reason"]) for r in records] == [("resolved", "Created"), ("activated", "Started")]
    assert all(isinstance(r["changeTime"], int) and abs(r["changeTime"] / 1000 - time.time()) < 60 and r["message"] == "" for r in records)
    assert set(module) == {"bizName", "bizVersion", "bizState", "mainClass", "webContextPath", "bizStateRecords"}


def test_install_without_name_takes_it_from_the_file(base):
    assert base.have(HELLO2)["data"]["bizInfos"][0]["identity"] == "hello:2.0.0"


def test_install_again_is_a_repeat(base):
    base.have(HELLO1)
    for more in ({}, {"name": "hello", "version": "1.0.0"}):
        answer = base.install(HELLO1, **more)
        assert answer["code"] == "FAILED" and answer["message"] == "install biz not success!"
        assert answer["data"]["code"] == "REPEAT_BIZ"
        assert answer["data"]["message"] == "Biz: hello:1.0.0 has been installed or registered."
    assert base.states() == {"hello:1.0.0": "activated"}


def test_install_parameters_that_are_refused(base):
    refused_internally(base.arklet("installBiz", raw=b"")[2], "needs parameters")
    for params, text in [
        ({}, "bizUrl should not be blank"),
        ({"bizUrl": " "}, "bizUrl should not be blank"),
        ({"bizUrl": f"file://{HELLO1}", "bizName": "hello"}, "bizName and bizVersion should be both blank or both not blank."),
        ({"bizUrl": f"file://{HELLO1}", "bizVersion": "1"}, "bizName and bizVersion should be both blank or both not blank."),
        ({"bizUrl": f"file://{HELLO1}", "async": True}, "requestId should not be blank when async is true"),
        ({"bizUrl": f"file://{HELLO1}", "bizName": "../x", "bizVersion": "1"}, "bizName"),
        ({"bizUrl": f"file://{HELLO1}", "bizName": "x", "bizVersion": "1:2"}, "bizVersion"),
        ({"bizUrl": f"file://{HELLO1}", "args": {"a": 1}}, "args"),
        ({"bizUrl": f"file://{HELLO1}", "envs": ["a"]}, "envs"),
        ({"bizUrl": f"file://{HELLO1}", "sha256": "12"}, "sha256"),
        ({"bizUrl": f"file://{HELLO1}", "async": "perhaps"}, "async"),
    ]:
        refused_internally(base.do("installBiz", **params), text)
    assert base.states() == {}


def test_install_lenient_types(base):
    answer = base.do("installBiz", bizUrl=f"file://{EXAMPLES}/slow.so", args="--seconds=0", **{"async": "false"})
    assert answer["code"] == "SUCCESS", answer


def test_install_files_that_are_refused(base, web, tmp_path, author):
    jar = tmp_path / "x.so"
    jar.write_bytes(b"PK\x03\x04 no zip")
    text = tmp_path / "text.so"
    text.write_text("hello")
    cut = tmp_path / "cut.so"
    cut.write_bytes(HELLO1.read_bytes()[:9000])
    plain = tmp_path / "plain.so"
    (tmp_path / "p.c").write_text("int x;")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", plain, tmp_path / "p.c"], check=True)
    unresolved = author("unresolved", "int nobody_has_this(void);\nstatic int start(struct berth_run *r) { (void)r; return nobody_has_this(); }", extra=", .start = start")
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        closed = s.getsockname()[1]
    for url, words in [
        ("file:///nowhere/x.so", "there is no file /nowhere/x.so"),
        ("file:///", "not a regular file"),
        ("file:///dev/zero", "not a regular file"),
        ("file://x/y", "absolute path"),
        ("file:///%zz", "escape"),
        ("oss://bucket/x", "unknown protocol"),
        ("/tmp/x", "unknown protocol"),
        (f"http://127.0.0.1:{closed}/x.so", ""),
        (f"{web.url}/m/none.so", "404"),
        (f"file://{jar}", ""),
        (f"file://{text}", "not a module file"),
        (f"file://{cut}", ""),
        (f"file://{plain}", "no Berth module"),
        (f"file://{unresolved}", "nobody_has_this"),
    ]:
        refused_internally(base.do("installBiz", bizUrl=url), words)
    refused_internally(base.install(HELLO1, "hello", "2.0.0"), "is module hello:1.0.0, not hello:2.0.0")
    refused_internally(base.install(HELLO1, sha256="0" * 64), "sha256")
    answer = base.do("installBiz", bizUrl=f"{web.url.replace('//', '//u:s3cret@')}/m/none.so?sig=s3cret")
    refused_internally(answer, f"there is no file at {web.url}/m/none.so (HTTP 404)")
    assert "s3cret" not in json.dumps(answer) + base.words()
    assert base.states() == {}


def test_install_over_http_with_digest(base, web):
    answer = base.do("installBiz", bizUrl=f"{web.url}/m/hello-1.0.0.so", bizName="hello", bizVersion="1.0.0", sha256=hashlib.sha256(HELLO1.read_bytes()).hexdigest().upper())
    assert answer["code"] == "SUCCESS"
    assert base.get("/hello")[0] == 200


def test_start_that_fails(base, start):
    answer = base.install(EXAMPLES / "broken.so", "broken", "1.0.0", envs={"DATABASE_URL": "db7:5432"})
    refused_internally(answer, "module broken:1.0.0 did not start", "no database at db7:5432")
    assert base.states() == {}
    keeping = start("--keep-broken")
    keeping.install(EXAMPLES / "broken.so")
    assert keeping.states() == {"broken:1.0.0": "broken"}
    last = keeping.do("queryAllBiz")["data"][0]["bizStateRecords"][-1]
    assert last["reason"] == "Install Failed" and "no database" in last["message"]
    assert keeping.install(EXAMPLES / "broken.so")["data"]["code"] == "REPEAT_BIZ"
    answer = keeping.do("switchBiz", bizName="broken", bizVersion="1.0.0")
    assert (answer["code"], answer["data"]["code"]) == ("FAILED", "ILLEGAL_STATE_BIZ")
    assert keeping.do("uninstallBiz", bizName="broken", bizVersion="1.0.0")["code"] == "SUCCESS"
    assert keeping.states() == {}


def test_second_version_waits_beside(base, start):
    base.have(HELLO1)
    assert base.have(HELLO2)["data"]["bizInfos"][0]["bizState"] == "deactivated"
    assert base.states() == {"hello:1.0.0": "activated", "hello:2.0.0": "deactivated"}
    assert "1.0.0" in base.get("/hello")[1]
    eager = start("--activate-new")
    eager.have(HELLO1)
    assert eager.have(HELLO2)["data"]["bizInfos"][0]["bizState"] == "activated"
    assert eager.states() == {"hello:1.0.0": "deactivated", "hello:2.0.0": "activated"}


def test_uninstall_then_install(base):
    base.have(HELLO1)
    base.have(HELLO2)
    answer = base.install("/nowhere/x.so", "hello", "3.0.0", installStrategy="uninstallThenInstall")
    refused_internally(answer, "no file")
    assert base.states() == {"hello:1.0.0": "activated", "hello:2.0.0": "deactivated"}  # better than the original: nothing lost
    base.have(HELLO2, installStrategy="uninstallThenInstall")
    assert base.states() == {"hello:2.0.0": "activated"}
    base.have(HELLO2, installStrategy="uninstallThenInstall")
    assert base.states() == {"hello:2.0.0": "activated"}
    assert base.install(HELLO2, installStrategy="whatever")["data"]["code"] == "REPEAT_BIZ"


def test_context_path_belongs_to_one_module(base, author):
    base.have(HELLO1)
    other = author("greeter", "", extra=', .context_path = "/hello"')
    refused_internally(base.install(other), "belongs to module hello:1.0.0")


def test_install_in_progress(base, door):
    """While a start takes long: listed as resolved, other commands are answered meanwhile, the same module is locked."""
    with concurrent.futures.ThreadPoolExecutor() as pool:
        running = pool.submit(base.install, door.file, "door", "1.0.0", args=door.shut)
        until(lambda: base.states().get("door:1.0.0") == "resolved")
        base.have(HELLO1)
        assert base.get("/hello")[0] == 200 and base.get("/door")[0] == 404
        for command, url in (("installBiz", f"file://{door.file}"), ("uninstallBiz", None), ("switchBiz", None)):
            answer = base.do(command, bizName="door", bizVersion="1.0.0", bizUrl=url)
            assert answer["code"] == "FAILED" and "data" not in answer
            assert answer["message"] == f"FAILED:door:1.0.0 {command} conflict, exist unfinished command(installBiz) for this biz"
        assert not running.done()
        door.open()
        assert running.result()["code"] == "SUCCESS"
    assert base.get("/door")[0] == 200


# ---- uninstallBiz, switchBiz, queries ----

def test_uninstall(base):
    base.have(HELLO1)
    answer = base.do("uninstallBiz", bizName="hello", bizVersion="1.0.0", bizUrl="ignored")
    assert answer["code"] == "SUCCESS" and set(answer["data"]) == {"code", "message"}
    assert base.get("/hello")[0] == 404 and base.states() == {}
    answer = base.do("uninstallBiz", bizName="hello", bizVersion="1.0.0")
    assert (answer["code"], answer["message"], answer["data"]["code"]) == ("FAILED", "uninstall biz not success!", "NOT_FOUND_BIZ")
    answer = base.do("uninstallBiz", bizName="b1", bizVersion="1.0.0")
    assert (answer["code"], answer["data"]["code"]) == ("FAILED", "FAILED") and "aster biz" in answer["data"]["message"]
    refused_internally(base.do("uninstallBiz", bizName="hello"), "bizVersion should not be blank")
    refused_internally(base.do("uninstallBiz", bizVersion="1"), "bizName should not be blank")
    refused_internally(base.arklet("uninstallBiz", raw=b"")[2], "needs parameters")


def test_stop_that_fails(base, author):
    module = author("sulky", 'static int stop(struct berth_run *r) { return berth_fail(r, "queue not empty"); }', extra=", .stop = stop")
    base.have(module)
    refused_internally(base.do("uninstallBiz", bizName="sulky", bizVersion="1.0.0"), "queue not empty")
    assert base.states() == {}


def test_switch(base):
    answer = base.do("switchBiz", bizName="hello", bizVersion="1.0.0")
    assert (answer["code"], answer["message"], answer["data"]["code"]) == ("FAILED", "switch biz not success!", "NOT_FOUND_BIZ")
    refused_internally(base.do("switchBiz", bizName="hello"), "bizVersion should not be blank")
    base.have(HELLO1)
    base.have(HELLO2)
    for _ in range(2):  # the second time it is so already
        assert base.do("switchBiz", bizName="hello", bizVersion="2.0.0")["data"]["code"] == "SUCCESS"
        assert base.states() == {"hello:1.0.0": "deactivated", "hello:2.0.0": "activated"}
        assert "2.0.0" in base.get("/hello")[1]
    base.do("uninstallBiz", bizName="hello", bizVersion="2.0.0")
    assert base.states() == {"hello:1.0.0": "deactivated"}
    assert base.get("/hello")[0] == 404
    assert base.do("switchBiz", bizName="hello", bizVersion="1.0.0")["code"] == "SUCCESS"
    assert base.get("/hello")[0] == 200


def test_health(base):
    base.have(HELLO1)
    data = base.do("health")["data"]["healthData"]
    assert data["masterBizInfo"] == {"bizName": "b1", "bizVersion": "1.0.0", "bizState": "activated", "webContextPath": "/"}
    for key in ("java used metaspace", "java committed metaspace", "java max metaspace", "loaded class count"):
        assert type(data["jvm"][key]) is int
    assert data["jvm"]["total memory(M)"] > 1 and 0 <= data["jvm"]["run time(s)"] < 600
    assert set(data["cpu"]) == {"count", "type", "total used (%)", "user used (%)", "system used (%)", "free (%)"}
    assert {m["bizName"] for m in data["bizListInfo"]} == {"b1", "hello"} and data["pluginListInfo"] == []
    assert set(base.do("health", type="system")["data"]["healthData"]) == {"cpu", "jvm"}
    assert set(base.do("health", type="system", metrics=["cpu"])["data"]["healthData"]) == {"cpu"}
    assert set(base.do("health", type="biz")["data"]["healthData"]) == {"bizListInfo"}
    one = base.do("health", type="biz", bizName="hello", bizVersion="1.0.0")["data"]["healthData"]["bizInfo"]
    assert one["bizState"] == "activated" and one["healthy"] is True
    assert "bizInfo" in base.do("health", type="biz", moduleName="hello", moduleVersion="1.0.0")["data"]["healthData"]
    for params in ({"type": "system", "metrics": ["disk"]}, {"type": "biz", "bizName": "x", "bizVersion": "1"}, {"type": "biz", "bizName": "x"}, {"type": "plugin", "bizName": "x"}):
        answer = base.do("health", **params)
        assert answer["code"] == "FAILED" and answer["message"].startswith("can not find") and "data" not in answer
    refused_internally(base.do("health", type="weather"), "weather")


def test_health_of_a_module(start, author):
    base = start("--health-interval", "100ms")
    module = author("sick", 'static int health(struct berth_run *r) { return berth_fail(r, "disk is full"); }', extra=", .health = health")
    base.have(module)

    def sick():
        one = base.do("health", type="biz", bizName="sick", bizVersion="1.0.0")["data"]["healthData"]["bizInfo"]
        return not one["healthy"] and one["healthMessage"] == "disk is full"
    until(sick)
    assert base.do("uninstallBiz", bizName="sick", bizVersion="1.0.0")["code"] == "SUCCESS"


# ---- batch and asynchronous ----

def test_batch(base, author, web):
    files = [author(f"m{p}", f'static int start(struct berth_run *r) {{ berth_log(r->host, BERTH_LOG_INFO, "start %d", {p}); return 0; }}', extra=f", .priority = {p}, .start = start") for p in (30, 10, 20)]
    urls = [f"file://{f}" for f in files] + [f"{web.url}/m/hello.so"]
    answer = base.do("batchInstallBiz", bizList=[{"bizUrl": u} for u in urls])
    assert answer["code"] == "SUCCESS" and answer["data"]["code"] == "SUCCESS" and answer["data"]["message"] == "batch install success"
    assert isinstance(answer["data"]["elapsedSpace"], int)
    assert set(answer["data"]["bizUrlToResponse"]) == set(urls)
    order = [line.split('start ')[1][:2] for line in base.words().splitlines() if '"start ' in line]
    assert order == ["10", "20", "30"]
    assert list(base.states()) == ["m10:1.0.0", "m20:1.0.0", "m30:1.0.0", "hello:1.0.0"]
    again = base.do("batchInstallBiz", bizList=[{"bizUrl": urls[0]}, {"bizUrl": f"file://{EXAMPLES}/broken.so"}, {"bizUrl": f"file://{HELLO2}"}])
    results = again["data"]["bizUrlToResponse"]
    assert again["code"] == again["data"]["code"] == "FAILED" and again["message"] == "install biz not success!" and again["data"]["message"] == "batch install failed"
    assert results[urls[0]]["code"] == "REPEAT_BIZ"
    assert results[f"file://{EXAMPLES}/broken.so"]["message"].startswith("internal exception: ")
    assert results[f"file://{HELLO2}"]["code"] == "SUCCESS"
    assert all(r["bizInfos"][0]["bizName"] for r in results.values())


def test_batch_refused_as_a_whole(base):
    assert base.do("batchInstallBiz", bizList=[])["data"]["code"] == "SUCCESS"
    refused_internally(base.do("batchInstallBiz"), "bizList")
    refused_internally(base.do("batchInstallBiz", bizList=[5]), "not an object")
    refused_internally(base.do("batchInstallBiz", bizList=[{"bizName": "x"}]), "bizUrl should not be blank")
    refused_internally(base.do("batchInstallBiz", bizList=[{"bizUrl": f"file://{HELLO1}"}, {"bizUrl": "file:///nowhere"}]), "there is no file")
    assert base.states() == {}


def finished(base, request_id):
    return until(lambda: (r := base.do("queryBizOps", requestId=request_id)["data"]) and r["endTimestamp"] and r)


def test_async(base, door):
    answer = base.install(door.file, "door", "1.0.0", args=door.shut, requestId="r1", **{"async": True})
    record = answer["data"]
    assert answer["code"] == "SUCCESS" and record["requestId"] == "r1" and record["status"] in ("INITIALIZED", "EXECUTING")
    assert record["arkBizMeta"]["bizName"] == "door" and record["endTimestamp"] == 0 and "endTime" not in record
    until(lambda: base.states().get("door:1.0.0") == "resolved")
    began = time.monotonic()
    assert base.do("uninstallBiz", bizName="door", bizVersion="1.0.0", requestId="r2", **{"async": True})["code"] == "SUCCESS"
    conflict = finished(base, "r2")  # better than the original: it ends
    assert conflict["status"] == "FAILED" and conflict["message"] == "command conflict, exist unfinished command for this biz"
    again = base.do("uninstallBiz", bizName="door", bizVersion="1.0.0", requestId="r1", **{"async": True})
    assert again["code"] == "FAILED" and again["message"] == "The request corresponding to the requestId(r1) has been executed."
    least = int((time.monotonic() - began) * 1000)
    door.open()
    done = finished(base, "r1")
    assert done["status"] == "SUCCEEDED" and done["elapsedTime"] >= least and done["endTime"] == done["endTimestamp"] >= done["startTimestamp"] == done["startTime"]
    base.install(EXAMPLES / "broken.so", requestId="r3", **{"async": True})
    failed = finished(base, "r3")
    assert failed["status"] == "FAILED" and "no database" in failed["message"] and "no database" in failed["throwable"]["cause"]["message"]
    base.install(door.file, "door", "1.0.0", requestId="r4", **{"async": True})
    assert "REPEAT_BIZ" in finished(base, "r4")["message"]
    base.do("batchInstallBiz", bizList=[{"bizUrl": f"file://{HELLO1}"}], requestId="r5", **{"async": True})
    assert finished(base, "r5")["status"] == "SUCCEEDED"
    unknown = base.do("queryBizOps", requestId="nobody")
    assert unknown["code"] == "FAILED" and unknown["message"] == "Not found the corresponding ops record."
    refused_internally(base.do("queryBizOps"), "requestId should not be blank")


# ---- requests ----

def test_front(base, author):
    module = author("echo", r'''
#include <string.h>
static void item(struct berth_call *c) { berth_printf(c, 201, "%s %s|%s|%s|%s", c->method, berth_param(c, "id"), berth_query(c, "q") ? berth_query(c, "q") : "-", berth_header(c, "x-test") ? "h" : "-", c->subpath); }
static void file(struct berth_call *c) { berth_printf(c, 200, "file %s", berth_param(c, "*")); }
static void post(struct berth_call *c) { c->host->add_header(c, "X-Size", "many"); c->host->add_header(c, "Content-Length", "1"); c->host->add_header(c, "X-Bad", "a\r\nb"); berth_reply(c, 200, "application/octet-stream", c->body, c->body_size); }
static void silent(struct berth_call *c) { (void)c; }
static void twice(struct berth_call *c) { berth_printf(c, 200, "one"); berth_printf(c, 200, "two"); }
static void huge(struct berth_call *c) { static char b[20 << 20]; berth_reply(c, 200, 0, b, sizeof b); }
static const struct berth_route routes[] = { { "*", "/items/{id}", item }, { "GET", "/files/" "*", file }, { "POST", "/post", post },
	{ "GET", "/silent", silent }, { "GET", "/twice", twice }, { "GET", "/huge", huge }, { 0 } };''', extra=', .context_path = "/shop/echo", .routes = routes')
    base.have(module)
    assert base.get("/shop/echo/items/a%20b?q=1%2B1&q=2")[:2] == (201, "GET a b|1+1|-|/items/a b")
    assert base.get("/shop/echo/items/7", method="DELETE")[:2] == (201, "DELETE 7|-|-|/items/7")
    assert base.get("/shop/echo/files/a/b.txt")[1] == "file a/b.txt"
    assert base.get("/shop/echo/files/")[1] == "file "
    status, body, headers = base.get("/shop/echo/post", method="POST", data=b"\0bytes")
    assert (status, body, headers["X-Size"], headers["X-Bad"]) == (200, "\0bytes", "many", None)
    status, body, headers = base.get("/shop/echo/post")
    assert status == 405 and headers["Allow"] == "POST" and headers["Content-Type"] == "application/problem+json"
    assert base.get("/shop/echo/files/x", method="HEAD")[:2] == (200, "")
    for path in ("/shop/echo", "/shop/echo/items/", "/shop/echo/items/a/b", "/shop", "/shop/echox", "/nowhere"):
        status, body, _ = base.get(path)
        assert status == 404 and json.loads(body)["status"] == 404
    assert base.get("/shop/echo/silent")[0] == 500
    assert base.get("/shop/echo/twice")[:2] == (200, "one")
    status, body, _ = base.get("/shop/echo/huge")
    assert status == 500 and "--max-reply" in json.loads(body)["detail"]
    assert base.get("/shop/echo/post", method="POST", data=b"x" * (1 << 20 | 1))[0] == 413
    status, page, headers = base.get("/")
    assert status == 200 and "echo" in page and headers["Content-Type"].startswith("text/html")


def test_longest_context_path_wins(base, author):
    def module(name, path):
        base.have(author(name, f'static void h(struct berth_call *c) {{ berth_printf(c, 200, "{name} %s %s", c->subpath, c->host->context_path); }}\n'
                         'static const struct berth_route routes[] = { { "GET", "/" "*", h }, { 0 } };', extra=f', .context_path = "{path}", .routes = routes'))
    module("shop", "/shop")
    module("orders", "/shop/orders/")
    assert base.get("/shop/orders/7")[1] == "orders /7 /shop/orders"
    assert base.get("/shop/ordersx")[1] == "shop /ordersx /shop"
    assert "<table>" in base.get("/")[1]
    module("root", "/")
    assert base.get("/")[1] == "root / "
    assert base.get("/a/b")[1] == "root /a/b "
    assert base.get("/shop")[1] == "shop / /shop"


def test_any_json_is_survived(base):
    """Every parameter with every kind of value, for every command: an answer each time, and the base lives."""
    values = [None, True, 0, -1, 1e300, "", "x", "\x00", "a" * 70000, [], [[]], [None], {}, {"a": {}}, {"": "x"}, [1, "2", True]]
    keys = ["bizName", "bizVersion", "bizUrl", "sha256", "args", "envs", "installStrategy", "async", "requestId", "bizList", "type", "metrics"]
    good = {"bizName": "hello", "bizVersion": "1.0.0", "bizUrl": f"file://{HELLO1}"}
    for command in ("help", "installBiz", "uninstallBiz", "switchBiz", "batchInstallBiz", "queryAllBiz", "queryBizOps", "health"):
        for key in keys:
            for value in values:
                answer = base.do(command, **(good | {key: value}))
                assert answer["code"] in ("SUCCESS", "FAILED", "CMD_PROCESS_INTERNAL_ERROR")
    assert base.do("help")["code"] == "SUCCESS"


def test_module_symbols_stay_its_own(base, author):
    """A function that is called like one of the base is still the module's."""
    module = author("own", 'const char *arena_strdup(void); const char *arena_strdup(void) { return "mine"; }\n'
                    'static void h(struct berth_call *c) { berth_printf(c, 200, "%s", arena_strdup()); }\n'
                    'static const struct berth_route routes[] = { { "GET", "/", h }, { 0 } };', extra=", .routes = routes")
    base.have(module)
    assert base.get("/own")[:2] == (200, "mine")


def test_globals_are_fresh_after_a_reinstall(base, author):
    module = author("count", 'static int n;\nstatic void h(struct berth_call *c) { berth_printf(c, 200, "%d", ++n); }\n'
                    'static const struct berth_route routes[] = { { "GET", "/", h }, { 0 } };', extra=", .routes = routes")
    for _ in range(3):
        base.have(module)
        assert [base.get("/count")[1] for _ in range(2)] == ["1", "2"]
        assert base.do("uninstallBiz", bizName="count", bizVersion="1.0.0")["code"] == "SUCCESS"


def test_slow_handlers_block_nobody_else(start, door):
    base = start("--workers", "4", "--queue", "8")
    base.have(door.file)
    base.have(HELLO1)
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        waits = [pool.submit(base.get, "/door/inside") for _ in range(12)]
        # three at work, four in the queue of this module, the others refused at once
        until(lambda: sum(w.done() for w in waits) == 5)
        assert all(w.result()[0] == 503 and w.result()[2]["Retry-After"] for w in waits if w.done())
        assert base.get("/hello")[0] == 200
        assert "<td>7<td>fine" in base.get("/")[1]
        door.open()
        assert sorted(w.result()[0] for w in waits) == [200] * 7 + [503] * 5


def test_switch_and_uninstall_under_load_lose_no_request(base):
    base.have(HELLO1)
    stop, answers, failures = threading.Event(), [], []

    def client():
        c = http.client.HTTPConnection("127.0.0.1", base.where["http"], timeout=10)
        while not stop.is_set():
            try:
                c.request("GET", "/hello")
                r = c.getresponse()
                answers.append((r.status, r.read().split()[1]))
            except Exception as e:
                failures.append(e)
                c.close()

    threads = [threading.Thread(target=client) for _ in range(4)]
    for t in threads:
        t.start()
    version, other = "1.0.0", "2.0.0"
    for _ in range(10):
        seen = len(answers)
        base.have(EXAMPLES / f"hello-{other}.so")
        assert base.do("switchBiz", bizName="hello", bizVersion=other)["code"] == "SUCCESS"
        assert base.do("uninstallBiz", bizName="hello", bizVersion=version)["code"] == "SUCCESS"
        version, other = other, version
        until(lambda: len(answers) > seen + 20)
    stop.set()
    for t in threads:
        t.join()
    assert not failures
    assert {s for s, _ in answers} == {200}
    assert {v for _, v in answers} == {b"1.0.0", b"2.0.0"}


def test_uninstall_waits_for_requests_inside(base, door):
    base.have(door.file)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        inside = pool.submit(base.get, "/door/inside")
        until(lambda: "<td>1<td>fine" in base.get("/")[1])
        leaving = pool.submit(base.do, "uninstallBiz", bizName="door", bizVersion="1.0.0")
        until(lambda: base.states() == {"door:1.0.0": "deactivated"})
        assert base.get("/door")[0] == 404  # the route is gone at once
        assert not leaving.done()
        door.open()
        assert inside.result()[:2] == (200, "through")
        assert leaving.result()["code"] == "SUCCESS"
    assert base.states() == {}


def test_uninstall_gives_up_at_its_deadline(start, door):
    base = start("--uninstall-wait", "200ms")
    base.have(door.file)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        inside = pool.submit(base.get, "/door/inside")
        until(lambda: "<td>1<td>fine" in base.get("/")[1])
        answer = base.do("uninstallBiz", bizName="door", bizVersion="1.0.0")
        assert answer["code"] == answer["data"]["code"] == "FAILED" and "1 request is still inside" in answer["data"]["message"]
        assert base.states() == {"door:1.0.0": "deactivated"}
        door.open()
        assert inside.result()[0] == 200
    assert base.do("uninstallBiz", bizName="door", bizVersion="1.0.0")["code"] == "SUCCESS"


def test_client_that_leaves_harms_nobody(base):
    base.have(EXAMPLES / "slow.so", args=["--seconds=0"])
    for _ in range(5):
        with socket.create_connection(("127.0.0.1", base.where["http"])) as s:
            s.sendall(b"GET /slow/wait?ms=300 HTTP/1.1\r\nHost: x\r\n\r\n")
    until(lambda: "<td>5<td>0<td>fine" in base.get("/")[1])
    assert base.do("uninstallBiz", bizName="slow", bizVersion="1.0.0")["code"] == "SUCCESS"


# ---- crashes, start and end ----

def test_crash_in_a_handler(base):
    base.have(EXAMPLES / "crash.so")
    with pytest.raises((OSError, http.client.HTTPException)):
        base.get("/crash/now")
    assert base.process.wait(30) < 0
    assert "berth-base: crashed in module crash:1.0.0 GET /crash/now (SIG" in base.words()


def test_crash_in_start(base):
    with pytest.raises((OSError, http.client.HTTPException)):
        base.install(EXAMPLES / "crash.so", args=["--in-start"])
    assert base.process.wait(30) == -signal.SIGABRT
    assert "berth-base: crashed in module crash:1.0.0 start (SIGABRT)" in base.words()


def test_stack_overflow_and_exit_are_named(start, author):
    deep = author("deep", "static int f(volatile char *p) { volatile char b[4096]; b[0] = p ? *p : 1; return f(b) + b[0]; }\n"
                  "static void h(struct berth_call *c) { berth_printf(c, 200, \"%d\", f(0)); }\n"
                  'static const struct berth_route routes[] = { { "GET", "/", h }, { 0 } };', extra=", .routes = routes")
    leaver = author("leaver", "#include <stdlib.h>\nstatic int start(struct berth_run *r) { (void)r; exit(3); }", extra=", .start = start")
    base = start()
    base.have(deep)
    with pytest.raises((OSError, http.client.HTTPException)):
        base.get("/deep")
    base.process.wait(30)
    assert "crashed in module deep:1.0.0 GET /deep" in base.words()
    base = start()
    with pytest.raises((OSError, http.client.HTTPException)):
        base.install(leaver)
    assert base.process.wait(30) == 3
    assert "exit() called by module leaver:1.0.0 start" in base.words()


def test_crash_in_a_thread_of_the_modules_own(base, author):
    module = author("threaded", r'''
#include <pthread.h>
static void *die(void *arg) { *(volatile int *)arg = 1; return NULL; }
static void h(struct berth_call *c) { pthread_t t; pthread_create(&t, NULL, die, c->state); pthread_join(t, NULL); }
static const struct berth_route routes[] = { { "GET", "/", h }, { 0 } };''', extra=", .routes = routes")
    base.have(module)
    with pytest.raises((OSError, http.client.HTTPException)):
        base.get("/threaded")
    base.process.wait(30)
    assert "berth-base: crashed in module threaded:1.0.0 thread of its own (SIGSEGV)" in base.words()


def test_orderly_end(start, author, tmp_path, door):
    work = tmp_path / "work"
    base = start("--work-dir", str(work))
    for name in ("one", "two", "three"):
        base.have(author(name, 'static int stop(struct berth_run *r) { berth_log(r->host, BERTH_LOG_INFO, "bye"); return 0; }', extra=", .stop = stop"))
    base.have(door.file)
    assert len(list((work / "modules").iterdir())) == 4
    with concurrent.futures.ThreadPoolExecutor() as pool:
        inside = pool.submit(base.get, "/door/inside")
        until(lambda: "<td>1<td>fine" in base.get("/")[1])
        base.process.terminate()
        until(lambda: "msg=stopping" in base.words())
        door.open()
        assert inside.result()[:2] == (200, "through")
    assert base.process.wait(30) == 0
    byes = [line.split("module=")[1].split()[0] for line in base.words().splitlines() if "msg=bye" in line or '"bye"' in line]
    assert byes == ["three", "two", "one"]
    assert list((work / "modules").iterdir()) == []


def test_end_during_a_start(start, door):
    base = start()
    with concurrent.futures.ThreadPoolExecutor() as pool:
        running = pool.submit(base.install, door.file, args=door.shut)
        until(lambda: base.states().get("door:1.0.0") == "resolved")
        base.process.terminate()
        until(lambda: "msg=stopping" in base.words())
        door.open()
        assert running.result()["code"] == "SUCCESS"
    assert base.process.wait(30) == 0
    assert "state=stopped" in base.words()


def test_end_with_a_module_that_hangs(start, author):
    base = start("--stop-wait", "300ms")
    base.have(author("hang", "#include <unistd.h>\nstatic int stop(struct berth_run *r) { (void)r; for (;;) pause(); }", extra=", .stop = stop"))
    base.process.terminate()
    assert base.process.wait(30) == 1
    assert "not stopped in time" in base.words()


def test_heartbeats(start, web):
    base = start("--heartbeat", web.url + "/t/s3cret", "--heartbeat-interval", "200ms", "--identity", "i7")
    until(lambda: len(web.beats) >= 3)
    path, beat = web.beats[0]
    assert path == "/t/s3cret/heartbeat"
    assert beat["baseMetadata"] == {"clusterName": "default", "identity": "i7", "name": "b1", "version": "1.0.0"}
    assert (beat["localIP"], beat["port"], beat["state"]) == ("127.0.0.1", base.where["arklet"], "activated") and beat["localHostName"]
    base.process.terminate()
    assert base.process.wait(30) == 0
    until(lambda: web.beats[-1][1]["state"] == "deactivated")
    assert "s3cret" not in base.words()


def test_a_heartbeat_that_fails_does_not_tell_its_token(start):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))  # nobody listens
        base = start("--heartbeat", f"http://127.0.0.1:{s.getsockname()[1]}/t/s3cret", "--heartbeat-interval", "200ms")
        until(lambda: "heartbeat not taken" in base.words())
    assert "s3cret" not in base.words()


def test_heartbeats_nobody_takes(start):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        base = start("--heartbeat", f"http://127.0.0.1:{s.getsockname()[1]}", "--heartbeat-interval", "100ms")
        until(lambda: "heartbeat not taken" in base.words())
        assert base.do("help")["code"] == "SUCCESS"
        base.process.terminate()
        assert base.process.wait(30) == 0


def test_last_heartbeat_does_not_hold_the_modules(start):
    with socket.socket() as s:  # takes connections, never answers
        s.bind(("127.0.0.1", 0))
        s.listen()
        base = start("--heartbeat", f"http://127.0.0.1:{s.getsockname()[1]}", "--stop-wait", "1s")
        base.have(HELLO1)
        base.process.terminate()
        assert base.process.wait(30) == 1
        assert "state=stopped" in base.words() and "module not stopped" not in base.words()


def test_listening(start, tmp_path):
    first, second = start(fixed=False), start(fixed=False)
    ports = {b.where["arklet"] for b in (first, second)}
    assert len(ports) == 2 and min(ports) >= 1238 and max(ports) <= 1337
    for address in ("127.example.org:0", "localhost.example.org:0", "[::]:0", "[::1].x:0"):
        assert start("--listen-arklet", address).process.wait(30) == 1
    taken = start("--listen-arklet", f'127.0.0.1:{first.where["arklet"]}')
    assert taken.process.wait(30) == 1
    open_door = start("--listen-arklet", "0.0.0.0:0")
    assert open_door.process.wait(30) == 1 and "--insecure-listen" in open_door.words()
    one = start("--work-dir", str(tmp_path / "w"))
    other = start("--work-dir", str(tmp_path / "w"))
    assert other.process.wait(30) == 1 and "another base uses the work folder" in other.words()
    assert one.do("help")["code"] == "SUCCESS"


def test_command_line():
    def run(*args):
        return subprocess.run([BIN / "berth-base", *args], capture_output=True, text=True, timeout=20)
    assert run("--help").returncode == 0 and "--listen-arklet" in run("--help").stdout
    assert run("--version").stdout.startswith("berth-base ")
    assert "127.0.0.1:8080" in run("--show-config").stdout
    for wrong in (["--nmae", "x"], ["--workers", "0"], ["x"], ["--log-level", "loud"], ["--name", "a b"]):
        result = run(*wrong)
        assert result.returncode == 2 and result.stderr.startswith("berth-base: "), wrong
