"""A database that is cut off, refuses, keeps silent, is slow, full of connections or locked by somebody: P12, and nothing is lost.

The server reaches its PostgreSQL through a TCP proxy that fails on request. One cell for all cases: each has to leave it as it was.
"""
import http.client
import itertools
import os
import signal
import threading

import psycopg2
import pytest

import cell as cells
from tcp_proxy import Proxy

BASES = ["n1", "n2"]
NAMES = itertools.count(1)


@pytest.fixture(scope="module")
def cell(new_fleet):
    fleet = new_fleet()
    proxy = None
    try:
        fleet.postgres = cells.Postgres(fleet, "max_connections=20", "superuser_reserved_connections=3").make().start()
        proxy = fleet.proxy = Proxy(fleet.postgres.socket)
        host, port = proxy.address.split(":")
        fleet.begin("--database-url", fleet.postgres.conninfo(host, port), bases=2)
        fleet.deploy(fleet.push("hello-1.0.0"), replicas=2)
        yield fleet
    finally:
        fleet.stop(keep=True)
        if proxy:
            proxy.close()
        complaints = fleet.complaints()
        fleet.forget()
    assert not complaints, complaints


def write(fleet, timeout=60):
    return fleet.api.post("/v1/modules", {"name": f"m{next(NAMES)}"}, timeout=timeout)


def notices(fleet):
    """P12 while the database is away."""
    cells.until(lambda: fleet.api.get("/readyz").status == 503, 30, "not ready")
    assert fleet.api.get("/livez").status == 200
    answer = write(fleet, 90)
    assert answer.status == 503 and answer.headers["Retry-After"], answer
    assert all(fleet.says(b, "/hello", "hello 1.0.0") for b in BASES)


def resumes(fleet, seconds=5):
    """… and by itself once it is back; nothing that was told is lost."""
    cells.until(lambda: fleet.api.get("/readyz").status == 200, seconds, "ready again")
    cells.until(lambda: write(fleet).status == 201, 10, "a write is answered")
    assert all("the connection to the server ended" not in fleet.agents[b].process.words() for b in BASES), "an agent lost its stream"
    fleet.sound()


class Writers:
    """Eight at a time, each name under its key until it is answered."""

    def __init__(self, fleet):
        self.fleet, self.made, self.wrong, self.end = fleet, [], [], threading.Event()
        self.threads = [threading.Thread(target=self._run, daemon=True) for _ in range(8)]

    def __enter__(self):
        for t in self.threads:
            t.start()
        cells.until(lambda: len(self.made) > 20, what="writes are answered")
        return self

    def _run(self):
        while not self.end.is_set():
            name = f"w{next(NAMES)}"
            while True:
                try:
                    answer = self.fleet.api.post("/v1/modules", {"name": name}, headers={"Idempotency-Key": name}, timeout=60)
                except (OSError, http.client.HTTPException):
                    if self.end.wait(0.05):
                        return
                    continue
                if answer.status == 201:
                    self.made.append(name)
                    break
                if answer.status != 503:
                    self.wrong.append(answer)
                    return
                if self.end.wait(0.05):
                    return

    def go_on(self):
        """Answers come again."""
        seen = len(self.made)
        cells.until(lambda: len(self.made) > seen + 20, 20, "writes are answered again")

    def __exit__(self, *_):
        self.end.set()
        for t in self.threads:
            t.join()
        assert not self.wrong, self.wrong
        made = self.fleet.sql("select module, count(*) from dash.event_recent where kind = 'module.created' group by module")
        assert set(self.made) <= {m for m, _ in made} and {n for _, n in made} == {1}


def test_connections_cut_again_and_again(cell):
    with Writers(cell) as writers:
        for _ in range(5):
            cell.proxy.cut()
            writers.go_on()
    resumes(cell)


def test_connections_refused(cell):
    with Writers(cell) as writers:
        cell.proxy.refuse()
        notices(cell)
        cell.proxy.accept()
        resumes(cell)
        writers.go_on()


def test_connections_half_open(cell):
    """The database's host is gone and nobody says so: own deadlines notice, and a new connection does."""
    with Writers(cell) as writers:
        cell.proxy.half_open()
        writers.go_on()
    resumes(cell)


def test_a_silent_link(cell):
    """Nothing passes, connections stand and can be made: a firewall that drops, a database that froze. The server gives up the commit it
    has in flight, and its lease; nobody else takes it, so the agents stay and it goes on."""
    with Writers(cell) as writers:
        told = cell.one.process.words().count("no answer to a commit")
        cell.proxy.hold()
        notices(cell)
        cells.until(lambda: cell.one.process.words().count("no answer to a commit") > told, 20, "the commit is given up")
        cell.proxy.go_on()
        resumes(cell)
        writers.go_on()


def test_a_slow_link(cell):
    """Commits take their time, nothing gives up: 64 KB/s."""
    cell.proxy.slow(64 * 1024)
    try:
        with Writers(cell) as writers:
            writers.go_on()
            assert cell.api.get("/readyz").status == 200
    finally:
        cell.proxy.slow(None)
    resumes(cell)


def test_one_frozen_backend(cell):
    """Of the commit connection: what was sent to it is done by another, and not a second time when it wakes. (One that is stopped while it
    writes WAL stops all of PostgreSQL; that is the silent link.)"""
    (pid,), = cells.until(lambda: cell.sql("select pid from pg_stat_activity where application_name = 'berthd commit' and state = 'idle'"), what="nothing is committed")
    os.kill(pid, signal.SIGSTOP)
    try:
        with Writers(cell) as writers:
            assert len(set(writers.made)) == len(writers.made)
    finally:
        os.kill(pid, signal.SIGCONT)
    cells.until(lambda: not cell.sql(f"select pid from pg_stat_activity where pid = {pid}"), 20, "the woken backend ends")
    resumes(cell)


def test_a_database_full_of_connections(cell):
    taken = []
    try:
        cell.proxy.refuse()
        notices(cell)
        with pytest.raises(psycopg2.OperationalError):
            while True:
                taken.append(cell.connect())
        cell.proxy.accept()
        cells.until(lambda: "too many clients" in cell.api.get("/readyz").body.decode(), 20, "it says why")
        notices(cell)
    finally:
        for c in taken:
            c.close()
    resumes(cell)


def locked(fleet, statement):
    session = fleet.connect()
    session.autocommit = False
    with session.cursor() as c:
        c.execute(statement)
    return session


@pytest.mark.parametrize("statement", ["lock table module in access exclusive mode",
                                       pytest.param("lock table event in share mode", marks=pytest.mark.nightly)])
def test_a_long_lock_of_somebody(cell, statement):
    """Who waits for a commit is not kept for ever, who comes later is told at once; without a restart it goes on when the lock is gone."""
    with Writers(cell) as writers:
        session = locked(cell, statement)
        try:
            answers = [write(cell) for _ in range(2)]
            assert [a.status for a in answers] == [503, 503] and all(a.headers["Retry-After"] for a in answers), answers
            assert cell.api.get("/livez").status == 200 and cell.api.get("/readyz").status == 503
            reads = cell.api.get("/v1/modules")
            assert reads.status == 503, reads
        finally:
            session.rollback()
            session.close()
        resumes(cell, 15)
        writers.go_on()


def test_a_lock_on_the_fence(cell):
    """It would keep every server from becoming active: its session is ended (rule 2)."""
    with Writers(cell) as writers:
        session = locked(cell, "select from fence for update")
        assert write(cell).status in (201, 503)
        writers.go_on()
        with pytest.raises(psycopg2.OperationalError):
            session.cursor().execute("select 1")
    resumes(cell)


def test_it_stops_while_the_database_is_silent(cell):
    """SIGTERM with a commit and a renewal under way that nobody answers: it ends within its time, in order."""
    with Writers(cell) as writers:
        cell.proxy.hold()
        cells.until(lambda: cell.api.get("/readyz").status == 503, 30, "not ready")
        cell.one.process.signal(signal.SIGTERM)
        assert cell.one.process.popen.wait(40) == 0
        cell.proxy.cut()
        cell.proxy.go_on()
        cell.one.start().ready()
        writers.go_on()
    cell.sound()
