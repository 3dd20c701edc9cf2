"""The benches: each alternates floor and subject, and returns {name: ratio} with lines of detail."""
import dataclasses
import json
import socket
import threading
import time

from lab import DEPLOYS, INSTALLS, Figure, Program, Subject, Twin, Watch, agents, cells, cpu_of, exponent, pg_url, rss_of, sql

STRATEGY = {"minReady": "0s", "batches": ["100%"], "maxInFlight": 100000}


@dataclasses.dataclass
class Size:
    runs: int
    deploys: int
    posts: int
    place_bases: int
    beats: int
    registers: int
    connected: int
    reload_bases: int
    rollout_bases: int
    direct_bases: int
    large: int
    step_bases: int


FULL = Size(runs=5, deploys=200, posts=4000, place_bases=2000, beats=1000, registers=2000, connected=5000, reload_bases=20000,
            rollout_bases=2000, direct_bases=100, large=20000, step_bases=100000)
SHORT = Size(runs=1, deploys=50, posts=500, place_bases=200, beats=200, registers=300, connected=500, reload_bases=2000,
             rollout_bases=200, direct_bases=20, large=1000, step_bases=10000)


def body(name, replicas=1, module="bench-0", strategy=STRATEGY, group="bench"):
    return {"name": name, "module": module, "version": "1.0.0", "group": group, "replicas": replicas, "strategy": strategy}


ONE = json.dumps(body("@", module="bench-#"))
MODULES = 50  # more than BODY_MODULES of bench/request.h


def fleet_on(subject, count, streams=1, *how, group="bench", limit=60):
    """Agents that are connected, their bases ready."""
    driver = agents(subject, subject.group(group, limit), count, streams, *how, prefix=group)
    driver.ask("welcome", "welcomed")
    driver.ask("ready", "ready")
    return driver


def floor_fleet(address, count, streams=1):
    driver = agents(address, "x", count, streams)
    driver.ask("welcome", "welcomed")
    driver.ask("ready", "ready")
    return driver


def recorded(name, bases, streams, work, tables, *how):
    """The work, done once by a subject; its rows are what the floor writes."""
    with Subject(name) as s:
        s.modules(MODULES)
        with fleet_on(s, bases, streams, *how) as fleet:
            work(s, fleet)
        return Twin(s, tables)


def pair(what, unit, scale=1.0):
    return Figure(f"floor {what}".strip(), unit, scale), Figure(f"berthd {what}".strip(), unit, scale)


def details(*figures, **watches):
    return [str(f) for f in figures] + [f"{name}: {w}" for name, w in watches.items()]


# ---- one deploy -----------------------------------------------------------------------------------------------------------------------

BASES = 100


def deploys(fleet, address, token, count, name, p50, p99, **pid):
    with Watch(**pid) as watch:
        _, a, b = fleet.ask(f"deploys {address} {token} {count} {name} {ONE}", "deploys")
    p50.add(a)
    p99.add(b)
    return watch


def deploy_floor(twin, count, p50, p99):
    twin.clear()
    with Program("floor_deploy", *twin.urls, BASES) as floor:
        rpc, rest = floor.line("rpc")[0], floor.line("rest")[0]
        with floor_fleet(rpc, BASES) as fleet:
            return deploys(fleet, rest, "x", count, "floor", p50, p99, floor=floor.pid)


def deploy(size):
    """One deploy through REST to the acknowledged outcome of a zero-time agent."""
    p50, p99 = pair("p50", "ms", 1e-3), pair("p99", "ms", 1e-3)
    ignored = Figure("")

    def once(s, fleet):
        deploys(fleet, s.server.rest, s.token, size.deploys, "rec", ignored, ignored)
    with recorded("deploy_recorded", BASES, 1, once, DEPLOYS) as twin, Subject("deploy") as s:
        s.modules(MODULES)
        with fleet_on(s, BASES) as fleet:
            for run in range(size.runs):
                floor = deploy_floor(twin, size.deploys, p50[0], p99[0])
                berthd = deploys(fleet, s.server.rest, s.token, size.deploys, f"run{run}", p50[1], p99[1], berthd=s.pid)
    return ({"deploy_p50": p50[1].median / p50[0].median, "deploy_p99": p99[1].median / p99[0].median},
            details(*p50, *p99, floor=floor, berthd=berthd))


# ---- many at once ---------------------------------------------------------------------------------------------------------------------

def posts(address, token, count, name):
    with Program("rest", address, token, 64, count, "/v1/deployments", name, ONE) as load:
        done, us, _, _ = load.line("rest")
    return int(done) / (int(us) / 1e6)


def rest_rate(size):
    """Deploys per second from 64 keep-alive clients, each durable before its answer; agents leave their commands unanswered. Once more on
    bases that have room for a thousand modules each."""
    rate, on_wide = pair("", "deploys/s"), Figure("berthd, wide bases", "deploys/s")

    def once(s, fleet):
        posts(s.server.rest, s.token, size.posts, "rec")
    with (recorded("rest_recorded", 600, 100, once, DEPLOYS, "mute") as twin, Subject("rest") as s,
          Subject("rest_wide") as wide):
        s.modules(MODULES)
        wide.modules(MODULES)
        with fleet_on(s, 600, 100, "mute"), fleet_on(wide, 600, 100, "mute", limit=1000):
            for run in range(size.runs):
                twin.clear()
                with Program("floor_rest", *twin.urls) as floor:
                    address = floor.line("rest")[0]
                    with Watch(floor=floor.pid) as floor_watch:
                        rate[0].add(posts(address, "-", size.posts, "floor"))
                with Watch(berthd=s.pid) as watch:
                    rate[1].add(posts(s.server.rest, s.token, size.posts, f"run{run}"))
                on_wide.add(posts(wide.server.rest, wide.token, size.posts, f"run{run}"))
    return ({"rest_rate": rate[1].median / rate[0].median, "rest_rate_wide": on_wide.median / rate[0].median},
            details(*rate, on_wide, floor=floor_watch, berthd=watch))


WAVE = 10  # modules that go to every base at once


def placed(s, fleet, name, bases, first):
    """Ten deployments over all bases in one request, until every base has its commands: all placements are in the ledger then."""
    began = time.monotonic()
    before = int(fleet.ask("count", "count")[0])
    s.made("/v1/deployments:bulk", {"deployments": [body(f"{name}-{i}", bases, f"bench-{first + i}") for i in range(WAVE)]})
    fleet.ask(f"await {before + bases * WAVE}", "await")
    return bases * WAVE / (time.monotonic() - began)


def place_floor(twin):
    twin.clear()
    with Program("floor_place", *twin.urls) as floor:
        with Watch(floor=floor.pid) as watch:
            count, us = floor.line("place")
    return int(count) / (int(us) / 1e6), watch


def place_rate(size):
    rate, bases = pair("", "placements/s"), size.place_bases
    with (recorded("place_recorded", bases, 100, lambda s, fleet: placed(s, fleet, "rec", bases, 0), INSTALLS, "mute") as twin,
          Subject("place") as s):
        s.modules(MODULES)
        with fleet_on(s, bases, 100, "mute") as fleet:
            for run in range(size.runs):
                value, floor_watch = place_floor(twin)
                rate[0].add(value)
                with Watch(berthd=s.pid) as watch:
                    rate[1].add(placed(s, fleet, f"run{run}", bases, run * WAVE))
        twin.without_foreign_keys()
        bare = Figure("floor without foreign keys", "placements/s")
        for run in range(size.runs):
            bare.add(place_floor(twin)[0])
    return {"place_rate": rate[1].median / rate[0].median}, details(*rate, bare, floor=floor_watch, berthd=watch)


# ---- streams --------------------------------------------------------------------------------------------------------------------------

def beat(fleet, count, **pid):
    """Heartbeats per second of the server's CPU."""
    with Watch(**pid) as watch:
        messages, _ = fleet.ask(f"beats {count}", "beats")
    return int(messages) / next(iter(watch.cpu.values())), watch


def heartbeat_rate(size):
    """Heartbeats that 400 streams pour in, per second of CPU of who reads them."""
    rate = pair("", "messages per s of CPU")
    for run in range(size.runs):
        with Program("floor_stream") as floor, floor_fleet_welcomed(floor.line("rpc")[0], 400, 20) as fleet:
            value, floor_watch = beat(fleet, size.beats, floor=floor.pid)
            rate[0].add(value)
        with Subject("beats") as s, fleet_on(s, 400, 20) as fleet:
            value, watch = beat(fleet, size.beats, berthd=s.pid)
            rate[1].add(value)
    return {"heartbeat_rate": rate[1].median / rate[0].median}, details(*rate, floor=floor_watch, berthd=watch)


def floor_fleet_welcomed(address, count, streams=1):
    driver = agents(address, "x", count, streams)
    driver.ask("welcome", "welcomed")
    return driver


def registered(driver, count):
    _, us = driver.ask("welcome", "welcomed")
    return count / (int(us) / 1e6)


def register_rate(size):
    """Agents per second, each with a connection of its own, until each is welcomed: joined durably, or just answered."""
    rate = pair("", "agents/s")
    for run in range(size.runs):
        with Program("floor_stream") as floor, agents(floor.line("rpc")[0], "x", size.registers) as driver:
            with Watch(floor=floor.pid, driver=driver.pid) as floor_watch:
                rate[0].add(registered(driver, size.registers))
        with Subject("register") as s, agents(s, s.group(), size.registers) as driver:
            with Watch(berthd=s.pid, driver=driver.pid) as watch:
                rate[1].add(registered(driver, size.registers))
    return {"register_rate": rate[1].median / rate[0].median}, details(*rate, floor=floor_watch, berthd=watch)


def memory(size):
    """Resident memory with so many agents connected, each with a connection of its own, all ready, after some heartbeats."""
    rss = pair("", "MB", 1e-6)
    for run in range(min(size.runs, 3)):
        with Program("floor_stream") as floor, floor_fleet_welcomed(floor.line("rpc")[0], size.connected):
            rss[0].add(rss_of(floor.pid))
        with Subject("memory") as s:
            empty = rss_of(s.pid)
            with fleet_on(s, size.connected):
                rss[1].add(rss_of(s.pid))
    return {"memory": rss[1].median / rss[0].median}, details(*rss) + [f"berthd without agents {empty / 1e6:.1f} MB"]


# ---- a large fleet --------------------------------------------------------------------------------------------------------------------

FILL_BASES = """
insert into base (id, tenant_id, group_id, name, state, state_at, runtime, install_limit, units_used, units_ceiling, incarnation, generation,
    report_seq, cordoned, key_hash, boot, address, agent_version, process_start, etag, joined_at, seen_at)
select i, g.tenant_id, g.id, 'base-' || i, 'ready', now(), 'native', 0, {used}, g.install_limit, 1, {used}, 1, false,
    sha256(i::text::bytea), 'boot-' || i, '10.0.0.1:8080', 'bench', 1, 1, now(), now()
from base_group g, generate_series(1, {bases}) i where g.name = 'bench'"""
FILL_INSTANCES = """
insert into instance (id, base_id, deployment_id, version_id, revision, wanted, state, state_at, commanded, generation, reported, units,
    failures, created_at)
select (b - 1) * {each} + d.id, b, d.id, r.version_id, 1, true, 'ready', now(), 'install', d.id, 'activated', 1, 0, now()
from generate_series(1, {bases}) b, deployment d join revision r on r.deployment_id = d.id where d.id <= {each}"""
FILL_DEPLOYMENTS = """update deployment set state = 'running', completed_revision = 1; update revision set replicas = {bases};
    delete from batch; delete from plan_change; delete from plan"""
FILL_COUNTERS = "insert into counter select '{name}', {value} on conflict (name) do update set value = excluded.value"


def filled(subject, bases, each):
    """A stopped subject whose ledger holds so many ready bases with so many instances each. Their agents never come."""
    subject.modules(each)
    subject.group()
    for i in range(each):
        subject.made("/v1/deployments", body(f"d-{i}", 1, f"bench-{i}"))
    subject.stop()
    fill = [FILL_DEPLOYMENTS, FILL_BASES, FILL_INSTANCES] if each else [FILL_BASES]
    for text in fill:
        sql(text.format(bases=bases, each=each, used=each), subject.name)
    for name, value in (("base", bases), ("instance", bases * each)):
        sql(FILL_COUNTERS.format(name=name, value=value), subject.name)
    sql("vacuum analyze", subject.name)


def restarted(subject):
    """Seconds from the start of the process until it answers writes."""
    began = time.monotonic()
    subject.server.start()
    while (answer := subject.server.client.try_get("/readyz")) is None or answer.status != 200:
        subject.server.process.check_alive()
        time.sleep(0.002)
    return time.monotonic() - began


def reload(size):
    """From the start of the process to ready, with ten instances on every base; the floor reads the same rows in binary."""
    took = pair("", "s")
    with Subject("reload") as s:
        filled(s, size.reload_bases, 10)
        for run in range(size.runs):
            began = time.monotonic()
            with Program("floor_reload", pg_url(s.name)) as floor:
                rows = floor.line("reload")[0]
                took[0].add(time.monotonic() - began)
            took[1].add(restarted(s))
            cpu, rss = cpu_of(s.pid), rss_of(s.pid)
            s.stop()
    return ({"reload": took[1].median / took[0].median},
            details(*took) + [f"{rows} rows; berthd used {cpu:.2f} s of CPU and {rss / 1e6:.0f} MB"])


def dry_run(size):
    """The longest turn of the server's loop in ms, from the question what a release to all of very many bases would do until the copy that
    it was tried on is gone. By the CPU that the loop's thread got, too: what other processes take in between is not the server's."""
    turn, cpu = Figure("longest turn", "ms", 1e3), Figure("its longest by CPU", "ms", 1e3)
    took, gone = Figure("answer", "s"), Figure("copy gone", "s")
    with Subject("dry_run") as s:
        filled(s, size.step_bases, 0)
        s.server.start().ready()
        s.modules(1)
        for run in range(size.runs):
            s.stop()
            s.server.start().ready()
            began = time.monotonic()
            answer = s.api.post("/v1/deployments?dryRun=true", body("dry", size.step_bases))
            took.add(time.monotonic() - began)
            if answer.status != 200 or not answer.json["dryRun"]:
                raise RuntimeError(f"dry run: {answer}")
            while s.metric("berth_fleets_discarded") > 0:
                time.sleep(0.01)
            gone.add(time.monotonic() - began)
            turn.add(s.metric("berth_turn_seconds_max"))
            cpu.add(s.metric("berth_turn_cpu_seconds_max"))
    return {"dry_run": turn.median * 1e3}, details(turn, cpu, took, gone)


def timed_rollout(s, name, bases, modules, first):
    """Seconds until so many modules are on so many bases, durably."""
    began = time.monotonic()
    items = s.made("/v1/deployments:bulk", {"deployments": [body(f"{name}-{i}", bases, f"bench-{first + i}") for i in range(modules)]})["items"]
    for item in items:
        s.finish(item["plan"]["id"])
    return time.monotonic() - began


def growth(size):
    """The same deploy, and the same kind of rollout, on a small and on a large fleet; several streams share a connection."""
    small, large = 100, size.large
    deploy_us = Figure(f"deploy on {small}", "ms", 1e-3), Figure(f"deploy on {large}", "ms", 1e-3)
    commit_s = Figure(f"commit on {small}", "ms", 1e3), Figure(f"commit on {large}", "ms", 1e3)
    roll_s = Figure("rollout on 200", "s"), Figure(f"rollout on {large}", "s")
    ignored = Figure("")
    with Subject("small") as a, Subject("middle") as m, Subject("large") as b:
        for s in (a, m, b):
            s.modules(MODULES)
        with fleet_on(a, small, 50) as fa, fleet_on(m, 200, 50), fleet_on(b, large, 100) as fb:
            for run in range(size.runs):
                for k, s, fleet in ((0, a, fa), (1, b, fb)):
                    commits, seconds = s.metric("berth_commits_total"), s.metric("berth_commit_seconds_total")
                    deploys(fleet, s.server.rest, s.token, size.deploys, f"run{run}", deploy_us[k], ignored)
                    commits, seconds = s.metric("berth_commits_total") - commits, s.metric("berth_commit_seconds_total") - seconds
                    commit_s[k].add(seconds / commits)
                roll_s[0].add(timed_rollout(m, f"roll{run}", 200, 1, 40 + run))
                roll_s[1].add(timed_rollout(b, f"roll{run}", large, 1, 40 + run))
    of_deploy = exponent(deploy_us[0].median, deploy_us[1].median, large / small)
    of_commit = exponent(commit_s[0].median, commit_s[1].median, large / small)
    return ({"growth": max(of_deploy, of_commit), "rollout_growth": exponent(roll_s[0].median, roll_s[1].median, large / 200)},
            details(*deploy_us, *commit_s, *roll_s) + [f"exponents: deploy {of_deploy:.3f}, commit {of_commit:.3f}"])


# ---- rollouts -------------------------------------------------------------------------------------------------------------------------

def rollout(size):
    """Ten modules to every base, zero-time agents: from the request to the end of the last plan."""
    bases, took = size.rollout_bases, pair("", "s")
    with (recorded("rollout_recorded", bases, 50, lambda s, fleet: timed_rollout(s, "rec", bases, WAVE, 0), INSTALLS) as twin,
          Subject("rollout") as s):
        s.modules(MODULES)
        with fleet_on(s, bases, 50):
            for run in range(size.runs):
                twin.clear()
                with Program("floor_rollout", *twin.urls, bases, WAVE) as floor, floor_fleet(floor.line("rpc")[0], bases, 50):
                    with Watch(floor=floor.pid) as floor_watch:
                        took[0].add(int(floor.ask("go", "rollout")[1]) / 1e6)
                with Watch(berthd=s.pid) as watch:
                    took[1].add(timed_rollout(s, f"run{run}", bases, WAVE, run * WAVE))
    return {"rollout": took[1].median / took[0].median}, details(*took, floor=floor_watch, berthd=watch)


def direct_bases(s, arklets, count):
    """Bases without an agent, at their arklets' addresses, and ready."""
    s.group()
    for i, port in enumerate(arklets.line("ports")):
        s.made("/v1/bases", {"id": f"d{i}", "group": "bench", "arklet": f"http://127.0.0.1:{port}"})
    cells.until(lambda: s.api.get("/v1/status").json.get("readyBases") == count, 60, "the bases are ready")


def direct(size):
    """Ten modules to each of a hundred bases without an agent, arklets that take no time: from the request to the end of the last plan."""
    bases, took = size.direct_bases, pair("", "s")
    with Subject("direct_recorded") as s, Program("arklets", bases) as arklets:
        s.modules(MODULES, "ark")
        direct_bases(s, arklets, bases)
        timed_rollout(s, "rec", bases, WAVE, 0)
        twin = Twin(s, INSTALLS)
    with twin, Subject("direct") as s, Program("arklets", bases) as arklets:
        s.modules(MODULES, "ark")
        direct_bases(s, arklets, bases)
        for run in range(size.runs):
            twin.clear()
            with Program("arklets", bases) as others:
                ports = others.line("ports")
                with Program("floor_direct", *twin.urls, WAVE, *ports) as floor:
                    floor.line("ready")
                    with Watch(floor=floor.pid) as floor_watch:
                        took[0].add(int(floor.ask("go", "direct")[1]) / 1e6)
            arklets.ask("seen", "seen")
            with Watch(berthd=s.pid) as watch:
                took[1].add(timed_rollout(s, f"run{run}", bases, WAVE, run * WAVE))
            installs, others_asked = map(int, arklets.ask("seen", "seen"))
            if installs != bases * WAVE:
                raise RuntimeError(f"{installs} installs arrived instead of {bases * WAVE}")
    return {"koupleless_direct": took[1].median / took[0].median}, details(*took, floor=floor_watch, berthd=watch) + [
        f"{bases * WAVE / took[1].median:.0f} installs per second; {others_asked} other requests to arklets in the last run"]


def rollout_overhead(size):
    """Agents that take 1 to 3 s per install; three batches of a hundred bases: the wall time over what the slowest base of each batch took."""
    ratio = Figure("wall over the slowest of each wave")
    bases, strategy = 300, STRATEGY | {"batches": ["33%", "66%", "100%"]}
    with Subject("overhead") as s:
        s.modules(MODULES)
        with fleet_on(s, bases, 50, 1000, 3000):
            for run in range(size.runs):
                began = time.monotonic()
                plan = s.made("/v1/deployments", body(f"run{run}", bases, f"bench-{run}", strategy))["id"]
                s.finish(plan)
                wall = time.monotonic() - began
                slowest = sql(f"select max(duration_us) from task where plan_id = {plan} group by batch", s.name, rows=True)
                ratio.add(wall / (sum(int(us) for us, in slowest) / 1e6))
    return {"rollout_overhead": ratio.median}, details(ratio) + [f"last run: {wall:.2f} s in {len(slowest)} waves"]


def many_plans(size):
    """Ten plans of a hundred bases each at once, against one of a thousand."""
    one, ten = Figure("one plan", "s"), Figure("ten plans", "s")
    with Subject("plans") as s:
        s.modules(MODULES)
        with fleet_on(s, 1000, 50):
            for run in range(min(size.runs, 4)):
                one.add(timed_rollout(s, f"one{run}", 1000, 1, run * 11))
                ten.add(timed_rollout(s, f"ten{run}", 100, 10, run * 11 + 1))
    return {"many_plans": ten.median / one.median}, details(one, ten)


def plan_step(size):
    """Nanoseconds per event of the plan engine, on very many bases against a thousand."""
    few, many = Figure("1,000 bases", "µs per event", 1e-3), Figure(f"{size.step_bases:,} bases", "µs per event", 1e-3)
    for run in range(size.runs):
        for figure, bases in ((few, 1000), (many, size.step_bases)):
            with Program("plan_step", bases, 1000) as p:
                figure.add(p.line("plan_step")[1])
    return {"plan_step": many.median / few.median}, details(few, many)


# ---- hostile clients ------------------------------------------------------------------------------------------------------------------

def drip(address, count, stop):
    """Connections that send a request's head one byte at a time."""
    host, port = address.split(":")
    head, at = b"GET /v1/status HTTP/1.1\r\nHost: bench\r\nX-Slow: " + b"x" * 4000, 0
    open_ones = [socket.create_connection((host, int(port))) for _ in range(count)]
    while not stop.wait(0.2):
        for s in open_ones:
            try:
                s.send(head[at:at + 1])
            except OSError:
                pass
        at += 1
    for s in open_ones:
        s.close()


def hostile(size):
    """p99 of a well-behaved client's deploys, alone and while 200 clients drip, 8 flood with wrong tokens and 4 read as fast as they can."""
    p99 = Figure("alone", "ms", 1e-3), Figure("under attack", "ms", 1e-3)
    with Subject("hostile") as s:
        s.modules(MODULES)
        with fleet_on(s, 600, 100, "mute"):
            for run in range(size.runs):
                p99[0].add(good_client(s, f"alone{run}", 5 * size.deploys))
                stop = threading.Event()
                slow = threading.Thread(target=drip, args=(s.server.rest, 200, stop))
                slow.start()
                with (Program("rest", s.server.rest, "wrong", 8, 0, "/v1/status"), Program("rest", s.server.rest, s.token, 4, 0, "/v1/status")):
                    p99[1].add(good_client(s, f"attacked{run}", 5 * size.deploys))
                stop.set()
                slow.join()
    return {"hostile": p99[1].median / p99[0].median}, details(*p99)


def good_client(s, name, count):
    with Program("rest", s.server.rest, s.token, 1, count, "/v1/deployments", name, ONE) as load:
        return load.line("rest")[3]
