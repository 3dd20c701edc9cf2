"""Claims about Berth, shown on real processes: each checked, measured, and with the command to see it oneself. make demo and
make demo-koupleless are stories; a story ends at its first claim that is not so, and keeps the logs then.
"""
import json
import os
import signal
import subprocess
import sys
import time

from cell import Cell, TimedOut, die_with, tail


class NotSo(Exception):
    pass


class Stop(BaseException):
    pass


def check(condition, text):
    if not condition:
        raise NotSo(text() if callable(text) else text)


def timed(fn, *args):
    began = time.monotonic()
    value = fn(*args)
    return time.monotonic() - began, value


class Story:
    """A cell of its own and the claims about it; run() tells them."""

    def __init__(self):
        self.cell = Cell()
        self.count = 0

    @property
    def api(self):
        return self.cell.servers["server"].client

    def berth(self, *args):
        done = self.cell.berth(*args)
        check(done.returncode == 0, lambda: f"berth {' '.join(map(str, args))}: exit {done.returncode}\n{tail(done.stdout + done.stderr, 30)}")
        return done.stdout

    def ask(self, *args):
        return json.loads(self.berth(*args, "-o", "json"))

    def claim(self, what, see, fn):
        self.count += 1
        try:
            figure = fn()
        except (NotSo, TimedOut, subprocess.TimeoutExpired, OSError, KeyError, ValueError, RuntimeError) as e:
            print(f"{self.count:2} ✗ {what}\n     {type(e).__name__}: {e}", flush=True)
            raise NotSo from e
        print(f"{self.count:2} ✓ {what}\n     {figure}\n     $ {see}", flush=True)

    def run(self):
        raise NotImplementedError


def on_signal(number, frame):
    raise Stop


def tell(story):
    """To its end; the exit status of the program."""
    if "MAKELEVEL" in os.environ:
        die_with(os.getppid())
    sys.stdout.reconfigure(encoding="utf-8")
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, on_signal)
    held, began = False, time.monotonic()
    try:
        story.run()
        held = True
        print(f"\nall {story.count} claims hold ({time.monotonic() - began:.0f} s)")
    except NotSo as e:
        if e.args:
            print(f"the demo could not begin: {e}")
        print(f"\nclaim {story.count} is not so; the logs are in {story.cell.folder}")
    except (RuntimeError, TimedOut) as e:
        print(f"the demo could not begin: {e}\nthe logs are in {story.cell.folder}")
    except Stop:
        print("\nstopped")
    finally:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        story.cell.stop(keep=not held)
    return 0 if held else 1

