"""What a measurement needs: databases on one PostgreSQL, a berthd on each, floors and load drivers as processes, CPU of each, and medians.

bench/cases.py says what is measured; this says how things are started, asked and ended.
"""
import hashlib
import math
import os
import pathlib
import statistics
import subprocess
import sys
import time

import psycopg2

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "scripts"), str(ROOT / "test/e2e")]

import cell as cells  # noqa: E402
from arklet_script import jar  # noqa: E402

TICK = os.sysconf("SC_CLK_TCK")
INSTALLS = "event, base_history, task, instance"
DEPLOYS = INSTALLS + ", batch, plan_change, plan, revision, deployment"


def pg_url(name=None):
    base = os.environ["BERTH_TEST_DATABASE"]
    return f"{base} dbname={name}" if name else base


def sql(text, database=None, rows=False):
    connection = psycopg2.connect(pg_url(database))
    connection.autocommit = True
    try:
        with connection.cursor() as c:
            c.execute(text)
            return c.fetchall() if rows else None
    finally:
        connection.close()


# ---- processes ------------------------------------------------------------------------------------------------------------------------

def cpu_of(pid):
    """Seconds of CPU that a process used, its dead children's with it."""
    try:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(int(x) for x in fields[11:15]) / TICK


def rss_of(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    return 0


def postgres_cpu():
    pid = int((pathlib.Path(os.environ["BERTH_TEST_DIR"]) / "pg/postmaster.pid").read_text().split()[0])
    return cpu_of(pid) + sum(cpu_of(p) for p in cells.children(pid))


class Program:
    """A floor or a load driver: lines in, lines out."""

    def __init__(self, name, *args):
        self.name = name
        parent = os.getpid()
        self.popen = subprocess.Popen([str(cells.programs() / "bench" / name), *map(str, args)], stdin=subprocess.PIPE, text=True, bufsize=1,
                                      stdout=subprocess.PIPE, cwd=ROOT, preexec_fn=lambda: cells.die_with(parent))

    @property
    def pid(self):
        return self.popen.pid

    def line(self, word=None):
        """The next line's words after its first, which has to be `word`."""
        words = self.popen.stdout.readline().split()
        if not words or (word and words[0] != word):
            raise RuntimeError(f"{self.name} said {' '.join(words) or 'nothing more'!r} instead of {word!r}")
        return words[1:]

    def say(self, text):
        self.popen.stdin.write(text + "\n")

    def ask(self, text, word):
        self.say(text)
        return self.line(word)

    def end(self):
        self.popen.kill()
        self.popen.wait()
        self.popen.stdin.close()
        self.popen.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.end()


class Subject:
    """A berthd with a database of its own on the shared PostgreSQL."""

    def __init__(self, name, *options):
        self.name, self.kept = name, False
        sql(f"drop database if exists {name}")
        sql(f"create database {name}")
        self.cell = cells.Cell()
        self.server = self.cell.server("server", "--database-url", pg_url(name), "--heartbeat=10m", "--silent=20h", "--lost=24h",
                                       "--forget=20d", "--in-flight=1000000", "--in-flight-base=1000", "--log-level=warn", *options).ready()

    @property
    def pid(self):
        return self.server.process.pid

    @property
    def api(self):
        return self.server.client

    @property
    def token(self):
        return self.cell.token

    def metric(self, name):
        text = self.api.call("GET", "/metrics").body.decode()
        return next(float(line.split()[1]) for line in text.splitlines() if line.startswith(name + " "))

    def made(self, path, body):
        answer = self.api.post(path, body)
        if answer.status not in (200, 201, 202):
            raise RuntimeError(f"POST {path}: {answer}")
        return answer.json

    def group(self, name="bench", limit=60):
        self.made("/v1/groups", {"name": name, "installLimit": limit})
        return self.made("/v1/tokens", {"name": f"join-{name}", "role": "join", "group": name})["secret"]

    def modules(self, count, runtime="native"):
        """bench-0 …, each with version 1.0.0; all of the same bytes, or jars with manifests of their own."""
        for i in range(count):
            content = jar(f"bench-{i}", "1.0.0", f"/bench-{i}") if runtime == "ark" else b"bench"
            digest = hashlib.sha256(content).hexdigest()
            answer = self.api.call("PUT", f"/v1/artifacts/{digest}", content, {"Content-Type": "application/octet-stream"})
            if answer.status not in (200, 201):
                raise RuntimeError(f"PUT /v1/artifacts: {answer}")
            self.made("/v1/modules", {"name": f"bench-{i}"})
            self.made(f"/v1/modules/bench-{i}/versions", {"version": "1.0.0", "artifact": digest, "runtime": runtime})

    def finish(self, plan, seconds=120):
        """Waits for a plan's end, at the server."""
        answer = self.api.call("GET", f"/v1/plans/{plan}", headers={"Prefer": f"wait={seconds}"}, timeout=seconds + 10)
        if answer.json.get("state") != "succeeded":
            raise RuntimeError(f"plan {plan}: {answer}")

    def stop(self):
        self.server.stop()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.cell.stop()
        if not self.kept:
            sql(f"drop database if exists {self.name} with (force)")


def agents(subject_or_address, token, count, streams=1, *how, prefix="a"):
    address = subject_or_address.server.rpc if isinstance(subject_or_address, Subject) else subject_or_address
    return Program("agents", address, token, prefix, count, streams, *how)


class Twin:
    """What a subject did, for its floor: the subject's database, to read the rows from, and a copy of it without the rows of that work, to
    write them to: the same tables with the same indexes and constraints."""

    def __init__(self, subject, work):
        subject.stop()
        subject.kept = True
        self.of, self.name, self.work = subject.name, f"{subject.name}_floor", work
        sql(f"drop database if exists {self.name}")
        sql(f"create database {self.name} template {subject.name}")
        self.clear()

    def clear(self):
        sql(f"truncate {self.work}", self.name)

    def without_foreign_keys(self):
        """For a detail: what the checks of constraints cost the floor."""
        for table, name in sql("select conrelid::regclass, conname from pg_constraint where contype = 'f' and connamespace = "
                               "'public'::regnamespace", self.name, rows=True):
            sql(f"alter table {table} drop constraint {name}", self.name)

    @property
    def urls(self):
        return pg_url(self.of), pg_url(self.name)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        for name in (self.of, self.name):
            sql(f"drop database if exists {name} with (force)")


# ---- figures --------------------------------------------------------------------------------------------------------------------------

class Watch:
    """Wall time, and CPU of some processes and of PostgreSQL, over a block."""

    def __init__(self, **pids):
        self.pids = pids

    def __enter__(self):
        self.before = {n: cpu_of(p) for n, p in self.pids.items()} | {"postgres": postgres_cpu()}
        self.began = time.monotonic()
        return self

    def __exit__(self, *error):
        self.seconds = time.monotonic() - self.began
        after = {n: cpu_of(p) for n, p in self.pids.items()} | {"postgres": postgres_cpu()}
        self.cpu = {n: after[n] - self.before[n] for n in after}

    def __str__(self):
        return ", ".join(f"{n} {c:.2f} s" for n, c in self.cpu.items()) + f" of CPU in {self.seconds:.2f} s"


class Figure:
    """Values of one thing over the runs."""

    def __init__(self, name, unit="", scale=1.0):
        self.name, self.unit, self.scale, self.values = name, unit, scale, []

    def add(self, value):
        self.values.append(float(value))

    @property
    def median(self):
        return statistics.median(self.values)

    def __str__(self):
        low, high = min(self.values) * self.scale, max(self.values) * self.scale
        return f"{self.name} {self.median * self.scale:.4g} {self.unit} [{low:.4g} … {high:.4g}]"


def exponent(small, large, factor):
    return math.log(large / small) / math.log(factor)


