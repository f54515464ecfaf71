"""What a run costs whatever the size of the bank: by job its wall time, executions, Spark jobs, tasks, CPU, idle time.

    python bench/fixed_cost.py [--customers 300] [--months 3] [--rounds 3] [--against FOLDER]

Each round runs a bank from landed files in a process of its own. With `--against` another checkout (an older commit,
`git worktree add FOLDER COMMIT`) runs the same files in turn, and its figures are printed beside ours.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

from event_log import Checkout, JobCost, RunCost

FIELDS = ("wall", "idle", "cpu", "executions", "jobs", "tasks")


def median(costs: list[RunCost], job: str, field: str) -> float:
    """The median of a figure of a job over the rounds."""
    return statistics.median(getattr(cost.jobs.get(job, JobCost()), field) for cost in costs)


def table(ours: list[RunCost], theirs: list[RunCost]) -> str:
    """Markdown: a row per job, medians; `wall s` of the other checkout and the ratio where there is one."""
    names = list(ours[-1].jobs)
    lines = [
        "| job | wall s | s without a task | CPU s | executions | Spark jobs | tasks |"
        + (" before: wall s | executions | ours / before |" if theirs else ""),
        "| --- " * (7 + 3 * bool(theirs)) + "|",
    ]
    sums = dict.fromkeys(FIELDS, 0.0)
    before = {"wall": 0.0, "executions": 0.0}
    for name in names:
        values = {field: median(ours, name, field) for field in FIELDS}
        sums = {field: sums[field] + values[field] for field in FIELDS}
        other = {field: median(theirs, name, field) for field in before} if theirs else {}
        before = {field: before[field] + other.get(field, 0.0) for field in before}
        lines.append(_line(name, values, other))
    lines.append(_line("all jobs", sums, before if theirs else {}))
    return "\n".join(lines)


def _line(name: str, values: dict[str, float], before: dict[str, float]) -> str:
    cells = [f"{values[field]:.1f}" for field in FIELDS[:3]] + [f"{values[field]:.0f}" for field in FIELDS[3:]]
    if before:
        ratio = f"{values['wall'] / before['wall']:.2f}" if before["wall"] else "-"
        cells += [f"{before['wall']:.1f}", f"{before['executions']:.0f}", ratio]
    return f"| {name} | {' | '.join(cells)} |"


def main() -> None:
    """Run the rounds and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--customers", type=int, default=300)
    parser.add_argument("--months", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--against", type=Path, default=None, help="folder of another checkout")
    args = parser.parse_args()
    as_of = {3: "2025-03-31", 12: "2025-12-31"}.get(args.months)
    if as_of is None:
        parser.error("--months is 3 or 12")
    sides = {"ours": Checkout(Path.cwd())} | ({"before": Checkout(args.against)} if args.against else {})
    costs: dict[str, list[RunCost]] = {name: [] for name in ("ours", "before")}
    with tempfile.TemporaryDirectory(prefix="portrait-bench-") as folder:
        root = Path(folder)
        size = ("--customers", str(args.customers), "--months", str(args.months))
        Checkout(Path.cwd()).portrait("land", "synthetic", *size, "--to", str(root / "landing"))
        for number in range(args.rounds):
            for name, checkout in sides.items():
                shutil.rmtree(root / "lake", ignore_errors=True)
                costs[name].append(checkout.run(root, as_of=as_of))
                print(f"round {number + 1}, {name}: {costs[name][-1].seconds:.1f} s", file=sys.stderr, flush=True)
    print(f"{args.customers:,} customers, {args.months} months, {args.rounds} rounds; medians.\n")
    print(table(costs["ours"], costs["before"]))
    if costs["before"]:
        walls = {name: statistics.median(cost.seconds for cost in costs[name]) for name in costs}
        ratio = walls["ours"] / walls["before"]
        print(f"\nWhole run: {walls['ours']:.1f} s, before {walls['before']:.1f} s, ours / before {ratio:.2f}.")


if __name__ == "__main__":
    main()
