"""make bench: measures Berth against its floors and prints one line per goal.

    bench NAME ratio=R goal=G ok|short

Two spaces before a line: details of the bench above. `run.py NAME` runs one; `--short` runs each with fewer and smaller runs. The exit status
is 0 whatever the ratios are: it says whether every bench could run.
"""
import argparse
import sys
import time
import traceback

import cases

# name, at most or at least, goal, the case that measures it
GOALS = [
    ("deploy_p50", "<=", 2.0, cases.deploy),
    ("deploy_p99", "<=", 3.0, cases.deploy),
    ("rest_rate", ">=", 0.60, cases.rest_rate),
    ("rest_rate_wide", ">=", 0.60, cases.rest_rate),
    ("place_rate", ">=", 0.80, cases.place_rate),
    ("heartbeat_rate", ">=", 0.70, cases.heartbeat_rate),
    ("register_rate", ">=", 0.80, cases.register_rate),
    ("memory", "<=", 1.25, cases.memory),
    ("reload", "<=", 2.0, cases.reload),
    ("growth", "<=", 0.10, cases.growth),
    ("hostile", "<=", 2.0, cases.hostile),
    ("rollout", "<=", 2.0, cases.rollout),
    ("koupleless_direct", "<=", 2.0, cases.direct),
    ("rollout_growth", "<=", 1.10, cases.growth),
    ("rollout_overhead", "<=", 1.05, cases.rollout_overhead),
    ("plan_step", "<=", 1.5, cases.plan_step),
    ("dry_run", "<=", 10.0, cases.dry_run),
    ("many_plans", "<=", 1.2, cases.many_plans),
]


def verdict(name, sign, goal, ratio):
    good = ratio <= goal if sign == "<=" else ratio >= goal
    return f"bench {name} ratio={ratio:.2f} goal={goal:g} {'ok' if good else 'short'}"


def run_case(case, names, size):
    began = time.monotonic()
    ratios, details = case(size)
    for name, sign, goal, _ in GOALS:
        if name in names and name in ratios:
            print(verdict(name, sign, goal, ratios[name]))
    for line in details:
        print(f"  {line}")
    print(f"  took {time.monotonic() - began:.0f} s", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--short", action="store_true")
    parser.add_argument("name", nargs="*")
    args = parser.parse_args()
    names = args.name or [g[0] for g in GOALS]
    unknown = [n for n in names if n not in [g[0] for g in GOALS]]
    if unknown:
        sys.exit(f"no bench {unknown[0]}; there are: {' '.join(g[0] for g in GOALS)}")
    size = cases.SHORT if args.short else cases.FULL
    failed = False
    for case in dict.fromkeys(g[3] for g in GOALS if g[0] in names):
        try:
            run_case(case, names, size)
        except Exception:
            failed = True
            traceback.print_exc()
            print(f"bench {case.__name__} could not run", flush=True)
    sys.exit(1 if failed else 0)


main()
