"""BG/NBD on many customers: counted in Spark and fitted here, beside `lifetimes` on the same customers.

    python bench/lifetime.py [--customers 1000000] [--reference 1000000] [--repeat 3]

ours        purchase counts of a Parquet file put together in Spark, the distinct ones fitted on the driver, with
            standard errors; peak memory of this Python process is quoted for a tenth and for all of the customers
lifetimes   BetaGeoFitter(penalizer_coef=0.0).fit on `--reference` of them, read beforehand, in an environment of its
            own (version 0.11.3 with pandas < 2, made in a temporary folder), quoted as it is and per customer

Customers live as the model says (r 0.8, alpha 6, a 0.9, b 3; 104 weeks at most, whole weeks). They take turns; medians
after a round that is quoted by itself. Parameters are compared on the same customers.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from pyspark.sql import SparkSession

from portrait.capabilities.lifetime import bgnbd
from portrait.capabilities.lifetime.lifetime import seen_purchases
from portrait.capabilities.lifetime.likelihood import Fit
from portrait.spark.session import start_embedded

REFERENCE = """
import json, sys, time
import numpy as np
from lifetimes import BetaGeoFitter
x, t_x, T = np.load(sys.argv[1])
started = time.perf_counter()
fitted = BetaGeoFitter(penalizer_coef=0.0).fit(x, t_x, T)
print(json.dumps({"seconds": time.perf_counter() - started, **fitted.params_.to_dict()}))
"""


def lived(customers: int) -> pd.DataFrame:
    """Customers who come within a year and are seen to the end of the second."""
    dice = np.random.default_rng(11)
    span = dice.integers(52, 104, customers).astype(np.float64)
    rates, leaving = dice.gamma(0.8, 1 / 6.0, customers), dice.beta(0.9, 3.0, customers)
    x, t_x, at = np.zeros(customers), np.zeros(customers), np.zeros(customers)
    here = np.ones(customers, dtype=bool)
    while here.any():
        at = at + dice.exponential(1 / rates)
        bought = here & (at <= span)
        x[bought] += 1
        t_x[bought] = np.ceil(at[bought])
        here = bought & (dice.random(customers) > leaving)
    return pd.DataFrame({"x": x.astype("int32"), "t_x": t_x.astype("int32"), "T": span.astype("int32")})


def ours(spark: SparkSession, path: str) -> tuple[float, int, Fit]:
    """Seconds, distinct counts, and the fit."""
    started = time.perf_counter()
    seen = seen_purchases(spark.read.parquet(path))
    fit = bgnbd.fit(seen)
    return time.perf_counter() - started, len(seen.x), fit


def reference_python(folder: Path) -> Path:
    """An interpreter that has lifetimes."""
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    wanted = ["lifetimes==0.11.3", "pandas<2", "numpy<2", "scipy<1.14"]
    subprocess.run([str(folder / "bin" / "pip"), "install", "--quiet", *wanted], check=True)
    return folder / "bin" / "python"


def peak() -> int:
    """Peak memory of this process so far, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def main() -> None:
    """Make customers, fit by turns, print one Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--customers", type=int, default=1_000_000)
    parser.add_argument("--reference", type=int, default=1_000_000)
    parser.add_argument("--repeat", type=int, default=3)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="portrait-bench-") as folder:
        root = Path(folder)
        python = reference_python(root / "lifetimes")
        sizes = {"tenth": args.customers // 10, "all": args.customers, "reference": args.reference}
        # In a process of its own: what was made of the customers must not count as memory of the fit.
        make = "import sys; from lifetime import lived; lived(int(sys.argv[1])).to_parquet(sys.argv[2])"
        for name, size in sizes.items():
            command = [sys.executable, "-c", make, str(size), str(root / f"{name}.parquet")]
            subprocess.run(command, check=True, cwd=Path(__file__).parent)
        spark = start_embedded(Path("conf"))
        memory = {"start": peak()}
        times: dict[str, list[float]] = {"ours": [], "lifetimes": []}
        ours(spark, str(root / "tenth.parquet"))
        memory["tenth"] = peak()
        for _ in range(args.repeat + 1):
            seconds, distinct, fit = ours(spark, str(root / "all.parquet"))
            times["ours"].append(seconds)
        memory["all"] = peak()
        same = ours(spark, str(root / "reference.parquet"))[2]
        columns = pd.read_parquet(root / "reference.parquet")[["x", "t_x", "T"]].to_numpy(np.float64).T
        np.save(root / "reference.npy", columns)
        for _ in range(args.repeat + 1):
            command = [str(python), "-W", "ignore", "-c", REFERENCE, str(root / "reference.npy")]
            told = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            times["lifetimes"].append(told.pop("seconds"))
        spark.stop()
    each = {name: statistics.median(taken[1:]) for name, taken in times.items()}
    per = {"ours": each["ours"] / args.customers, "lifetimes": each["lifetimes"] / args.reference}
    print(f"\n{args.customers:,} customers, {distinct:,} distinct counts; lifetimes on {args.reference:,}\n")
    print("| | seconds | first | microseconds a customer |\n| --- | --- | --- | --- |")
    for name, taken in times.items():
        print(f"| {name} | {each[name]:.2f} | {taken[0]:.2f} | {1e6 * per[name]:.2f} |")
    print(f"\n{per['lifetimes'] / per['ours']:.0f} times as fast per customer")
    print("| | r | alpha | a | b |\n| --- | --- | --- | --- | --- |")
    for name, found in (("ours", fit.parameters), ("ours, reference", same.parameters), ("lifetimes", told)):
        print(f"| {name} | " + " | ".join(f"{found[key]:.4f}" for key in bgnbd.NAMES) + " |")
    print("standard errors: " + ", ".join(f"{key} {value:.4f}" for key, value in fit.standard_errors.items()))
    print("memory of the driver's Python, MB: " + ", ".join(f"{name} {size}" for name, size in memory.items()))


if __name__ == "__main__":
    main()
