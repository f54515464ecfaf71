"""A bank's telephone campaign as UCI's bank marketing has it, drawn with a planted probability; no row is real.

Like there: 11 % take the deposit, `duration` of the call is known only after it, texts use `unknown`, `pdays` is 999
where nobody called before, the economy's features (`emp.var.rate`, `euribor3m`, `nr.employed`) move together.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

BEFORE_THE_CALL = [
    "age",
    "job",
    "education",
    "default",
    "contact",
    "month",
    "campaign",
    "pdays",
    "previous",
    "poutcome",
]
BEFORE_THE_CALL += ["euribor3m", "nr.employed", "emp.var.rate", "cons.conf.idx"]
DURATION = "duration"


def marketing_calls(rows: int, seed: int = 3) -> pd.DataFrame:
    """Columns as in bank-additional, `y` 0/1, and `planted`: the probability that duration is not asked for."""
    draw = np.random.default_rng(seed)
    economy = draw.choice([-1.6, -0.9, 0.2, 0.9, 1.1], rows, p=[0.12, 0.10, 0.18, 0.25, 0.35])
    known = draw.random(rows) < 0.14
    success = known & (draw.random(rows) < 0.35)
    age = np.round(np.clip(draw.gamma(12, 3.4, rows), 18, 95))
    job = draw.choice(["admin.", "blue-collar", "student", "retired", "technician", "unknown"], rows)
    confidence = np.round(-40 + 4.5 * np.sin(3 * economy) + draw.normal(0, 0.8, rows), 1)
    contact = np.where(draw.random(rows) < 0.63 - 0.1 * (economy < 0), "cellular", "telephone")
    before = (
        -1.35 * economy
        + 2.2 * success
        + 0.00125 * (age - 42) ** 2
        + 0.75 * (contact == "cellular")
        + 0.12 * (confidence + 40)
        + 0.5 * np.isin(job, ["student", "retired"])
        - 0.35 * (job == "blue-collar")
    )
    talk = draw.normal(0, 1, rows)
    odds = -4.6 + 1.2 * before + 2.2 * talk
    took = draw.random(rows) < 1 / (1 + np.exp(-odds))
    nodes, parts = np.polynomial.hermite_e.hermegauss(40)  # the expectation over the talk, which is standard normal
    planted = (1 / (1 + np.exp(-(-4.6 + 1.2 * before[:, None] + 2.2 * nodes)))) @ (parts / parts.sum())
    return pd.DataFrame(
        {
            "age": np.where(draw.random(rows) < 0.02, np.nan, age),
            "job": job,
            "education": draw.choice(["basic.9y", "high.school", "university.degree", None], rows),
            "default": draw.choice(["no", "unknown"], rows, p=[0.8, 0.2]),
            "contact": contact,
            "month": np.where(economy < 0, draw.choice(["mar", "sep", "oct"], rows), draw.choice(["may", "jul"], rows)),
            "campaign": draw.geometric(0.4, rows),
            "pdays": np.where(known, draw.integers(1, 25, rows), 999),
            "previous": known.astype(int),
            "poutcome": np.where(success, "success", np.where(known, "failure", "nonexistent")),
            "euribor3m": np.round(3.0 + 1.7 * economy + draw.normal(0, 0.05, rows), 3),
            "nr.employed": np.round(5170 + 60 * economy + draw.normal(0, 15, rows)),
            "emp.var.rate": np.round(economy, 1),
            "cons.conf.idx": confidence,
            DURATION: np.round(np.exp(5.2 + 0.85 * talk + 0.1 * draw.normal(0, 1, rows))),
            "y": took.astype(int),
            "planted": planted,
        }
    )
