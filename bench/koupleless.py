#!/usr/bin/python3
"""make bench-koupleless: what a deploy to real JVMs takes, and how much of it is ours.

Six real Koupleless bases that nobody changed, reached by their arklet's address through a tap that counts what each is asked. Three hold a
real Spring Boot module. Measured, some times over: from typing `berth deploy` of its other version until all three answer with it; split
into the JVMs' part (the longest uninstall + install of the three, as their arklets took it, download included) and the rest, Berth's share.
Then a scale-out to two more; and what the bases saw that none of it concerned.
"""
import collections
import json
import os
import pathlib
import socket
import statistics
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "scripts"), str(ROOT / "test/e2e")]

import cell as cells  # noqa: E402
import jvm  # noqa: E402

RUNS = int(os.environ.get("RUNS", "5"))
HOLDERS, MORE, ASIDE = ("j1", "j2", "j3"), ("j4", "j5"), "j6"
COMMANDS = ("installBiz", "uninstallBiz", "switchBiz", "batchInstallBiz")
AT_ONCE = ("--batches", "100%", "--max-unavailable", "100%", "--min-ready", "0s")


class Tap:
    """Stands before one base's arklet, passes every request on and counts it by its command."""

    def __init__(self, port):
        self.to, self.seen = port, collections.Counter()
        self.listening = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.url = f"http://127.0.0.1:{self.listening.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            threading.Thread(target=self._pass, args=(self.listening.accept()[0],), daemon=True).start()

    def _pass(self, client):
        try:
            with client, socket.create_connection(("127.0.0.1", self.to)) as base:
                first = client.recv(65536)
                self.seen[first.split(b" ")[1].decode().strip("/")] += 1
                base.sendall(first)
                threading.Thread(target=self._copy, args=(client, base), daemon=True).start()
                self._copy(base, client)
                client.shutdown(socket.SHUT_RDWR)  # closing alone would wait for the thread that still reads from it
        except (OSError, IndexError):
            pass

    @staticmethod
    def _copy(from_, to):
        try:
            while piece := from_.recv(65536):
                to.sendall(piece)
        except OSError:
            pass

    def commands(self):
        return sum(self.seen[c] for c in COMMANDS)


class Bench:
    def __init__(self, cell):
        self.cell, self.bases, self.taps = cell, {}, {}

    def berth(self, *args):
        done = self.cell.berth(*args)
        if done.returncode != 0:
            raise SystemExit(f"berth {' '.join(map(str, args))}: exit {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    @property
    def api(self):
        return self.cell.servers["server"].client

    def build(self):
        self.cell.server("server").ready()
        self.berth("group", "create", "shop", "--runtime", "ark")
        for name in (*HOLDERS, *MORE, ASIDE):
            self.bases[name] = jvm.Jvm(self.cell, name).start()
        for name, base in self.bases.items():
            base.up(180)
            self.taps[name] = Tap(base.ark_port)
            self.berth("base", "add", name, "--group", "shop", "--arklet", self.taps[name].url)
        for name in self.bases:
            self.berth("base", "wait", name, "--ready", "--timeout", "60s")
        for name in (*MORE, ASIDE):
            self.berth("base", "cordon", name)
        self.berth("module", "push", jvm.jar("biz1:2.0.0"))
        self.berth("deploy", jvm.jar("biz1:1.0.0"), "--group", "shop", "--replicas", len(HOLDERS), *AT_ONCE)

    def answering(self, names, text, began):
        """Seconds until each answers with it; the slowest."""
        took = {}

        def watch(name):
            cells.until(lambda: self.bases[name].web.says("/biz1/version", text), 120, f"{name} answers {text}")
            took[name] = time.monotonic() - began
        threads = [threading.Thread(target=watch, args=(n,)) for n in names]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        return max(took[n] for n in names)

    def at_the_bases(self, plan, names):
        """The longest of the bases: what its arklet took for all tasks of the plan, in seconds."""
        sums = collections.Counter()
        for task in self.api.get(f"/v1/plans/{plan}").json["tasks"]:
            sums[task["base"]] += float(task.get("duration", "0s").rstrip("s") if not task.get("duration", "").endswith("ms") else float(task["duration"][:-2]) / 1000)
        return max(sums[n] for n in names)

    def measure(self, names, text, *args):
        began = time.monotonic()
        typed = self.cell.spawn(f"typed-{began}", *args, "-o", "json")
        total = self.answering(names, text, began)
        if typed.popen.wait(120) != 0:
            raise SystemExit(typed.words())
        words = typed.words()
        plan = json.loads(words[words.index("{"):])["plan"]["id"]
        at_bases = self.at_the_bases(plan, names)
        return total, at_bases, total - at_bases


def row(name, figures):
    total, bases, ours = (statistics.median(f[k] for f in figures) for k in range(3))
    spread = f"{min(f[2] for f in figures) * 1000:.0f}–{max(f[2] for f in figures) * 1000:.0f} ms"
    print(f"bench {name} total={total:.2f}s jvm={bases:.2f}s berth={ours * 1000:.0f}ms ({spread}, {len(figures)} runs)", flush=True)


def run(b):
    b.build()
    before = {n: t.commands() for n, t in b.taps.items()}
    upgrades = []
    for k in range(RUNS):
        version = "1.0.0" if k % 2 else "2.0.0"
        upgrades.append(b.measure(HOLDERS, f"biz1 {version}", "deploy", f"biz1:{version}", *AT_ONCE))
    row("koupleless_deploy", upgrades)
    print(f"  commands: {', '.join(f'{n} {b.taps[n].commands() - before[n]}' for n in b.taps)}")
    for name in MORE:
        b.berth("base", "uncordon", name)
    version = "1.0.0" if (RUNS - 1) % 2 else "2.0.0"
    row("koupleless_scale_out", [b.measure(MORE, f"biz1 {version}", "scale", "biz1", len(HOLDERS) + len(MORE))])
    aside = b.taps[ASIDE]
    print(f"  the base that none of it concerned: {aside.commands()} commands; asked how it is {sum(aside.seen.values())} times ({dict(aside.seen)})")
    if aside.commands() != 0:
        raise SystemExit("a base that was not concerned got a command")


def main():
    if not jvm.DIR and not jvm.JARS:
        raise SystemExit("run make bench-koupleless")
    cell = cells.Cell()
    try:
        run(Bench(cell))
    finally:
        cell.stop()


if __name__ == "__main__":
    main()
