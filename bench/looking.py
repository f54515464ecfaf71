"""How long a user waits for a command that looks at a lake: each a whole process, from the shell to its end.

    python bench/looking.py --lake FOLDER [--rounds 5] [--against FOLDER] [--label ID] [--audience ID]

Medians of the rounds, and whether the command started Java. With `--against` another checkout (an older commit,
`git worktree add FOLDER COMMIT`) answers the same questions in turn, once a round: its medians are printed beside ours,
and whether it printed the same.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

PORTRAIT = Path(sys.executable).parent / "portrait"


def ask(folder: Path, words: list[str], *, java: bool = True) -> tuple[float, str]:
    """Seconds of one process, and what it printed; raises SystemExit where it failed."""
    environment = {**os.environ, "PYTHONPATH": str((folder / "libs").resolve()), "COLUMNS": "200", "TZ": "UTC"}
    if not java:
        environment |= {"JAVA_HOME": "/nonexistent"}
    started = time.perf_counter()
    done = subprocess.run(
        [str(PORTRAIT), *words], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"portrait {' '.join(words)} in {folder} ended with {done.returncode}:\n{done.stderr}")
    return time.perf_counter() - started, done.stdout


def questions(lake: Path, label: str, audience: str) -> dict[str, list[str]]:
    """Each command that looks, with its words."""
    at = ["--lake", str(lake)]
    rows = json.loads(ask(Path.cwd(), ["show", "gold.segments", "--limit", "1", "--format", "json", *at])[1])
    customer = str(rows[0]["customer_id"])
    return {
        "status": ["status", *at],
        "show": ["show", "gold.customer_tier", "--format", "csv", *at],
        "show published": ["show", "published.customer_features", "--format", "json", *at],
        "show silver": ["show", "silver.transactions", "--format", "csv", *at],
        "explain": ["explain", customer, *at],
        "quarantine": ["quarantine", "--format", "csv", *at],
        "quarantine --conflicts": ["quarantine", "--conflicts", "--format", "csv", *at],
        "labels list": ["labels", "list", "--format", "csv"],
        "labels show": ["labels", "show", label, *at],
        "labels history": ["labels", "history", customer, "--format", "csv", *at],
        "audience count": ["audience", "count", audience, *at],
        "audience members": ["audience", "members", audience, "--format", "csv", *at],
        "audience explain": ["audience", "explain", audience, customer, *at],
    }


def main() -> None:
    """Ask in turn and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lake", type=Path, required=True, help="a lake that a run has written and published")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--against", type=Path, default=None, help="folder of another checkout")
    parser.add_argument("--label", default="salary_customer")
    parser.add_argument("--audience", default="affluent_mobile")
    args = parser.parse_args()
    print("| command | s | without Java |" + (" before s | ours / before | same output |" if args.against else ""))
    print("| --- " * (6 if args.against else 3) + "|")
    for name, words in questions(args.lake.resolve(), args.label, args.audience).items():
        ask(Path.cwd(), words, java=False)  # fails where the command starts Java
        ours, before, same = [], [], True
        for _ in range(args.rounds):
            seconds, printed = ask(Path.cwd(), words)
            ours.append(seconds)
            if args.against:
                seconds, other = ask(args.against, words)
                before.append(seconds)
                same &= printed == other
        line = f"| {name} | {statistics.median(ours):.2f} | yes |"
        if before:
            ratio = statistics.median(ours) / statistics.median(before)
            line += f" {statistics.median(before):.1f} | {ratio:.2f} | {'yes' if same else 'NO'} |"
        print(line, flush=True)


if __name__ == "__main__":
    main()
