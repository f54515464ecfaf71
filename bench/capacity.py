"""What a run costs by job, read from Spark's event log, and what that says of a larger bank.

    python bench/capacity.py [--customers 2500 5000 10000 20000] [--months 12] [--write docs/capacity.md]

Each bank is landed and run from nothing as a user would, in a process of its own. A job's tasks are those that ended
between its start and its end. Cost is taken as a + b x bookings, fitted (least squares) to all banks but the largest;
what that predicts for the largest is printed beside what was measured.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from event_log import Checkout, JobCost, RunCost

AS_OF = "2025-12-31"


@dataclass(frozen=True)
class Run:
    """One bank and what each job of its run cost."""

    customers: int
    cost: RunCost

    @property
    def bookings(self) -> int:
        """Bookings that silver.transactions took."""
        return self.cost.bookings

    @property
    def jobs(self) -> dict[str, JobCost]:
        """By job."""
        return self.cost.jobs


def measure(customers: int, months: int) -> Run:
    """Land a bank and run it."""
    with tempfile.TemporaryDirectory(prefix="portrait-bench-") as folder:
        root, checkout = Path(folder), Checkout(Path.cwd())
        size = ("--customers", str(customers), "--months", str(months))
        checkout.portrait("land", "synthetic", "--feeds", "core", *size, "--to", str(root / "landing"))
        return Run(customers, checkout.run(root, as_of=AS_OF))


def table(runs: list[Run], nodes: int, cores: int) -> str:
    """Markdown: cost by job of the largest bank, the model, its error, and a bank of 100 million customers."""
    runs = sorted(runs, key=lambda run: run.bookings)
    largest, million = runs[-1], runs[-1].bookings / 1e6
    lines = [
        f"Largest bank: {largest.customers:,} customers, {largest.bookings:,} bookings.\n",
        "| job | wall s | CPU s | CPU s per million bookings beyond the fixed cost | shuffle MB per million"
        " | spill MB per million | CPU s predicted from the smaller banks | error |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    totals: dict[str, float] = defaultdict(float)
    for job, cost in largest.jobs.items():
        known = [(run.bookings / 1e6, run.jobs[job].cpu) for run in runs[:-1]]
        slope, fixed = np.polyfit([x for x, _ in known], [y for _, y in known], 1)
        predicted = fixed + slope * million
        totals["predicted"] += predicted
        totals["cpu"] += cost.cpu
        every = np.polyfit([run.bookings / 1e6 for run in runs], [run.jobs[job].cpu for run in runs], 1)
        totals["slope"] += max(every[0], 0.0)
        lines.append(
            f"| {job} | {cost.wall:.1f} | {cost.cpu:.1f} | {every[0]:.2f} | {cost.shuffle / million:.1f}"
            f" | {cost.spill / million:.1f} | {predicted:.1f} | {_percent(predicted, cost.cpu)} |"
        )
    lines.append(
        f"| all | {sum(cost.wall for cost in largest.jobs.values()):.1f} | {totals['cpu']:.1f} | {totals['slope']:.2f}"
        f" | | | {totals['predicted']:.1f} | {_percent(totals['predicted'], totals['cpu'])} |"
    )
    bookings = largest.bookings / largest.customers * 100e6
    hours = totals["slope"] * bookings / 1e6 / 3600
    lines.append(
        f"\nA bank of 100 million customers has {bookings / 1e9:.1f} billion bookings per year at this rate: "
        f"{hours:,.0f} core hours from nothing, {hours / nodes / cores:.1f} hours on {nodes} nodes of {cores} cores if"
        " all are busy (twice that is prudent: skew, stragglers, a store over the network)."
    )
    return "\n".join(lines)


def _percent(predicted: float, measured: float) -> str:
    return f"{(predicted / measured - 1) * 100:+.0f} %" if measured else "-"


def main() -> None:
    """Measure every size, print the table, and put it into a page between its markers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--customers", type=int, nargs="+", default=[2500, 5000, 10000, 20000])
    parser.add_argument("--months", type=int, default=12)
    parser.add_argument("--nodes", type=int, default=20)
    parser.add_argument("--cores", type=int, default=32)
    parser.add_argument("--write", type=Path, default=None)
    args = parser.parse_args()
    runs = []
    for customers in args.customers:
        runs.append(measure(customers, args.months))
        done = runs[-1]
        cpu = sum(cost.cpu for cost in done.jobs.values())
        print(f"{customers:,} customers, {done.bookings:,} bookings: {cpu:.0f} CPU s", file=sys.stderr, flush=True)
    text = table(runs, args.nodes, args.cores)
    print(text)
    if args.write:
        start, end = "<!-- measured -->", "<!-- /measured -->"
        page = args.write.read_text()
        before, after = page.index(start) + len(start), page.index(end)
        args.write.write_text(f"{page[:before]}\n{text}\n{page[after:]}")


if __name__ == "__main__":
    main()
