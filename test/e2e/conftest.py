"""Cells of real processes for the tests. Whatever a test starts through them is gone after it; of a failed one the logs are shown."""
import hashlib
import json
import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

import cell as cells  # noqa: E402

# Time is shortened where a test would otherwise only wait: leases, silence, replacement.
QUICK = ("--lease=3s", "--renew=1s", "--stop=2s")
LOG_LINES = 40


SMALL_MODULE = """
#include <berth/module.h>
static void say(struct berth_call *c) { berth_printf(c, 200, "%(name)s %(version)s\\n"); }
static const struct berth_route routes[] = { { "GET", "/", say }, { 0 } };
BERTH_MODULE("%(name)s", "%(version)s", .description = "of a test", .routes = routes);
"""


class Fleet(cells.Cell):
    """A cell with what tests need again and again."""

    def example(self, name):
        return cells.programs() / "examples" / f"{name}.so"

    def begin(self, *options, bases=3, limit=5, group="demo", env=None):
        """A server, and bases n1, n2, … that are ready."""
        self.server("server", *QUICK, *options, env=env).ready()
        self.group(group, limit)
        self.join([f"n{i + 1}" for i in range(bases)], group)
        return self

    @property
    def one(self):
        return self.servers["server"]

    @property
    def api(self):
        return self.one.client

    def answered(self, ask, what):
        """Asks until it is answered: with leases as short as these a busy machine misses one now and then."""
        return cells.until(lambda: (a := ask()).status != 503 and a, 20, f"{what} is answered")

    def made(self, path, body):
        """body: of each try."""
        answer = self.answered(lambda: self.api.post(path, body()), f"POST {path}")
        assert answer.status == 201, answer
        return answer.json

    def group(self, name, limit):
        self.made("/v1/groups", lambda: {"name": name, "installLimit": limit})

    def join_token(self, group):
        return self.made("/v1/tokens", lambda: {"name": f"join-{group}-{os.urandom(3).hex()}", "role": "join", "group": group})["secret"]

    def join(self, names, group="demo", options=(), base=()):
        token = self.join_token(group)
        for name in names:
            self.agent(name, token, group, options, base)
        for name in names:
            self.base_ready(name)

    def base_ready(self, name, seconds=30):
        cells.until(lambda: (a := self.api.try_get(f"/v1/bases/{name}:ready")) is not None and a.status == 200, seconds, f"{name} is ready")

    def push(self, name, units=None):
        """An example becomes a module version; "name:version"."""
        more = ["--units", units] if units else []
        done = self.berth("module", "push", self.example(name), *more, "-o", "json")
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)
        return f"{found['module']}:{found['version']}"

    def deploy(self, module, replicas=3, name=None, group="demo", wait=30, status=(200, 202), **fields):
        """The plan, at its end when it ends within `wait`."""
        title, version = module.split(":")
        wait *= cells.PACE
        headers = {"Prefer": f"wait={wait}", "Idempotency-Key": os.urandom(8).hex()}
        body = {"module": title, "version": version, "group": group, "replicas": replicas, "strategy": {"minReady": "0s"}} | fields
        if name:
            body["name"] = name
        answer = self.answered(lambda: self.api.post("/v1/deployments", body, headers=headers, timeout=wait + 30), "the deploy")
        assert answer.status in status, answer
        return answer.json

    def instances(self, **query):
        return self.api.get("/v1/instances", limit=1000, **query).json["instances"]

    def on(self, module, version=None, state="ready"):
        """The bases that hold it."""
        return sorted(i["base"] for i in self.instances(module=module) if i["state"] == state and version in (None, i["version"]))

    def module(self, base, path):
        """A module's answer; None while the base does not listen."""
        ports = self.agents[base].ports
        return cells.Rest(f"127.0.0.1:{ports['http']}").try_get(path, 30) if ports else None

    def says(self, base, path, text):
        answer = self.module(base, path)
        return answer is not None and answer.status == 200 and text in answer.body.decode()

    def plan(self, number):
        return self.api.get(f"/v1/plans/{number}").json

    def ended(self, number, seconds=40):
        """The plan once it is over, whatever server answers."""
        def over():
            answer = self.api.try_get(f"/v1/plans/{number}")
            return answer is not None and answer.status == 200 and answer.json.get("endTime") and answer.json
        return cells.until(over, seconds, f"plan {number} ends")

    def connect(self):
        """A session of somebody else's in the database, past every proxy."""
        import psycopg2
        connection = psycopg2.connect(self.postgres.conninfo() if self.postgres else self.one.conninfo)
        connection.autocommit = True
        return connection

    def sql(self, statement):
        connection = self.connect()
        try:
            with connection.cursor() as c:
                c.execute(statement)
                return c.fetchall() if c.description else []
        finally:
            connection.close()

    def complaints(self):
        """What a sanitizer said in any of the processes, from there on."""
        for log in [*self.folder.glob("*.log"), *self.folder.glob("bases/*/base.log")]:
            text = log.read_text(errors="replace")
            for mark in ("ERROR: AddressSanitizer", "ERROR: LeakSanitizer", "runtime error: ", "WARNING: ThreadSanitizer"):
                if mark in text:
                    return f"{log.name}: {text[text.index(mark):][:4000]}"
        return ""

    def sound(self):
        """What holds at all times: nobody over its limit, units that add up; events without gaps, but for the one that a person made by accepting an older
        database: numbers go on above what was seen of the one that is gone."""
        over = self.sql("select id, units_used, units_ceiling from base where units_used > units_ceiling")
        assert not over, over
        wrong = self.sql("select b.name, b.units_used, sum(i.units) from base b left join instance i on i.base_id = b.id "
                         "group by b.id having b.units_used <> coalesce(sum(i.units), 0)")
        assert not wrong, wrong
        (count, first, last), = self.sql("select count(*), min(event), max(event) from dash.event_recent")
        accepted = any("--accept-older" in server.options for server in self.servers.values())
        assert count == last - first + 1 or accepted, (count, first, last)
        return self


def pytest_configure(config):
    config.addinivalue_line("markers", "nightly: a long form, run by make nightly (BERTH_NIGHTLY=1) only")


def pytest_collection_modifyitems(items):
    if not os.environ.get("BERTH_NIGHTLY"):
        items[:] = [i for i in items if not i.get_closest_marker("nightly")]


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if report.failed:
        for f in [v for v in getattr(item, "funcargs", {}).values() if isinstance(v, Fleet)]:
            for log in sorted(f.folder.glob("*.log")):
                report.sections.append((f"the end of {log.name}", cells.tail(log.read_text(errors="replace"), LOG_LINES)))


def _fleet():
    missing = [p for p in ("berthd", "berth", "berth-agent", "berth-base") if not (cells.programs() / p).exists()]
    if missing:
        pytest.skip(f"no {', '.join(missing)} in {cells.programs()}: set BERTH_BIN_DIR")
    return Fleet()


@pytest.fixture
def fleet():
    """A cell for one test; begin() starts it."""
    f = _fleet()
    try:
        yield f
    finally:
        f.stop(keep=True)
        complaints = f.complaints()
        f.forget()
    assert not complaints, complaints


@pytest.fixture(scope="module")
def shared():
    """A cell with three bases for the tests of a file that leave each other alone."""
    f = _fleet()
    try:
        yield f.begin()
    finally:
        f.stop(keep=True)
        complaints = f.complaints()
        f.forget()
    assert not complaints, complaints


@pytest.fixture(scope="module")
def new_fleet():
    """Makes cells for a file that ends them itself."""
    return _fleet


@pytest.fixture
def until():
    return cells.until


@pytest.fixture
def shop(fleet, tmp_path):
    """Registers small modules: shop("orders", "2.0", catalog="^2")."""
    def make(name, version, **requires):
        source, made = tmp_path / f"{name}-{version}.c", tmp_path / f"{name}-{version}.so"
        source.write_text(SMALL_MODULE % {"name": name, "version": version})
        subprocess.run([os.environ.get("CC", "cc"), "-std=gnu11", "-shared", "-fPIC", "-fvisibility=hidden", "-I", ROOT / "include", "-o", made, source], check=True)
        data = made.read_bytes()
        digest = hashlib.sha256(data).hexdigest()
        put = fleet.api.call("PUT", f"/v1/artifacts/{digest}", data, {"Content-Type": "application/octet-stream"})
        assert put.status in (200, 201), put
        fleet.api.post("/v1/modules", {"name": name})
        needs = [{"module": m, "range": r} for m, r in requires.items()]
        answer = fleet.api.post(f"/v1/modules/{name}/versions", {"version": version, "artifact": digest, "requires": needs})
        assert answer.status == 201, answer
        return f"{name}:{version}"
    return make
