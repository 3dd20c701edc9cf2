"""Real Koupleless bases for the tests: the jars of test/koupleless, JVMs with and without an agent, and their arklet.

BERTH_KOUPLELESS_DIR is the folder with the built project (make test-koupleless sets it). KOUPLELESS_JARS may point at another folder with
base.jar and modules of the same names that somebody has built with another runtime.
"""
import json
import os
import pathlib
import random
import shutil
import socket
import zipfile

import pytest

import cell as cells

DIR = os.environ.get("BERTH_KOUPLELESS_DIR")
JARS = os.environ.get("KOUPLELESS_JARS")
OPTIONS = ("-Xmx256m", "-XX:MaxMetaspaceSize=160m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")

needed = pytest.mark.skipif(not (DIR or JARS) or not shutil.which("java"),
                            reason="real JVM bases: run make test-koupleless, which needs Java 17 and Maven")

PLACES = {
    "base": "base/target/base.jar",
    "biz1:1.0.0": "biz1-v1/target/biz1-1.0.0-ark-biz.jar",
    "biz1:2.0.0": "biz1-v2/target/biz1-2.0.0-ark-biz.jar",
    "biz1:2.0.0-own-path": "biz1-v2/target/biz1-2.0.0-ark-biz-own-path.jar",
    "biz-slow": "biz-slow/target/biz-slow-1.0.0-ark-biz.jar",
    "biz-broken": "biz-broken/target/biz-broken-1.0.0-ark-biz.jar",
    "biz-plain": "biz-plain/target/biz-plain-1.0.0-ark-biz.jar",
}


def jar(what):
    path = pathlib.Path(JARS) / pathlib.Path(PLACES[what]).name if JARS else pathlib.Path(DIR) / PLACES[what]
    assert path.exists(), f"{path} is missing"
    return path.resolve()


def remade(path, to, **manifest):
    """A copy of a module's jar with other words in its manifest: remade(jar, folder, Ark_Biz_Version="3.0.0")."""
    words = {k.replace("_", "-"): v for k, v in manifest.items()}
    name = "-".join([path.stem, *words.values()]).replace("/", "_") + ".jar"
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(pathlib.Path(to) / name, "w") as new:
        for item in old.infolist():
            data = old.read(item)
            if item.filename == "META-INF/MANIFEST.MF":
                lines = [line for line in data.decode().split("\r\n") if line.partition(":")[0] not in words]
                data = "\r\n".join(lines[:1] + [f"{k}: {v}" for k, v in words.items()] + lines[1:]).encode()
            new.writestr(item, data)
    return pathlib.Path(to) / name


given = set()


def free_port():
    """Of those that the kernel gives to nobody by itself: the JVM takes it only seconds later. None is given twice."""
    while True:
        with socket.socket() as s:
            port = random.randrange(20000, 32000)
            if port in given:
                continue
            try:
                s.bind(("127.0.0.1", port))
            except OSError:
                continue
            given.add(port)
            return port


class Arklet:
    """One base's arklet, asked as any tool would."""

    def __init__(self, port):
        self.port = port

    def call(self, command, body=None, timeout=60):
        """The answer, or None while nobody listens. It has no headers and ends with the connection."""
        text = json.dumps(body or {}).encode()
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=timeout) as s:
                s.sendall(b"POST /%s HTTP/1.1\r\nHost: base\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (command.encode(), len(text), text))
                answer = b""
                while piece := s.recv(65536):
                    answer += piece
        except OSError:
            return None
        return json.loads(answer.partition(b"\r\n\r\n")[2]) if b"\r\n\r\n" in answer else None

    def modules(self, timeout=60):
        answer = self.call("queryAllBiz", timeout=timeout)
        return {f"{b['bizName']}:{b['bizVersion']}": b["bizState"].lower() for b in answer["data"]} if answer else None

    def installing(self, module):
        """Whether it is at it. One connection in four waits behind the install that it asks about: it is not waited for."""
        return (self.modules(timeout=1) or {}).get(module) == "resolved"

    def install(self, name, version, path):
        return self.call("installBiz", {"bizName": name, "bizVersion": version, "bizUrl": f"file://{path}"})


class Web:
    """What people see of a base: its web port."""

    def __init__(self, port):
        self.rest = cells.Rest(f"127.0.0.1:{port}")

    def says(self, path, text):
        answer = self.rest.try_get(path, 30)
        return answer is not None and answer.status == 200 and text in answer.body.decode()

    def status(self, path):
        answer = self.rest.try_get(path, 30)
        return answer.status if answer else None


class Jvm:
    """A base that nobody changed and no agent looks after."""

    def __init__(self, fleet, name, *options):
        self.fleet, self.name, self.options = fleet, name, options
        self.web_port, self.ark_port = free_port(), free_port()
        self.web, self.arklet = Web(self.web_port), Arklet(self.ark_port)
        self.process = None

    def start(self):
        work = self.fleet.folder / f"{self.name}-ark"
        argv = ["java", *OPTIONS, f"-Dserver.port={self.web_port}", f"-Dkoupleless.arklet.http.port={self.ark_port}",
                "-Dsofa.ark.telnet.server.enable=false", f"-Dcom.alipay.sofa.ark.biz.dir={work}", *self.options, "-jar", jar("base")]
        self.process = cells.Process(self.name, argv, self.fleet.folder / f"{self.name}.log", self.fleet.environment())
        self.fleet.others.append(self.process)
        return self

    @property
    def url(self):
        return f"http://127.0.0.1:{self.ark_port}"

    def up(self, seconds=60):
        def there():
            self.process.check_alive()
            return self.arklet.call("health", timeout=5)
        cells.until(there, seconds, f"arklet of {self.name} answers")
        return self


class JvmAgent(cells.Agent):
    """berth-agent around a JVM; its arklet port is the agent's choice, its web port is handed over as {http_port}."""

    def __init__(self, cell, name, token, group, options=(), jvm=()):
        super().__init__(cell, name, [s.rpc for s in cell.servers.values()], token, group, options)
        end = self.argv.index("--")
        self.argv[end + 1:] = ["java", *OPTIONS, *jvm, "-jar", jar("base"), "--server.port={http_port}"]
        cell.agents[name] = self

    @property
    def base_pid(self):
        mark = f"BERTH_WORK_DIR={self.data / 'work'}".encode()
        for entry in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                if (entry / "comm").read_text().strip() == "java" and mark in (entry / "environ").read_bytes().split(b"\0"):
                    if cells.running(int(entry.name)):
                        return int(entry.name)
            except OSError:
                continue
        return None

    @property
    def web(self):
        return Web(self.ports["http"])

    @property
    def arklet(self):
        return Arklet(self.ports["arklet"])
