"""Commands that look at a lake answer without Java: a lake that delta-rs wrote, on a machine that has none."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from portrait.labels.declared import load_declared

CHECKOUT = Path(__file__).resolve().parents[2]
D1, D2 = date(2025, 1, 31), date(2025, 2, 28)
NOW = datetime(2025, 3, 1, 4, 5, 6, 789, tzinfo=UTC)
HASH = "0" * 64
LABELS = ("salary_customer", "prefers_mobile", "value_tier", "early_warning")
TABLES: dict[str, list[dict[str, Any]]] = {
    "ops.runs": [
        {"run": 1, "as_of": D1, "status": "started", "seconds": 0.04, "recorded_at": NOW},
        {"run": 2, "as_of": D2, "status": "done", "seconds": 61.26, "recorded_at": NOW, "facts": {"absent": "gold.x"}},
    ],
    "ops.publication": [
        {"sequence": 1, "run": 2, "as_of": D2, "action": "publish", "published_at": NOW,
         "days": dict.fromkeys(  # the offers of D2 were refused
             ["gold.recommendations", "gold.shopping_recommendations", "gold.recommendation_quality"], D1),
         "versions": dict.fromkeys(
             ["gold.customer_tier", "gold.customer_portrait", "gold.label_statistics", "gold.customer_features",
              "gold.audiences", "gold.audience_members", "gold.label_history", "gold.recommendations",
              "gold.shopping_recommendations", "gold.recommendation_quality", "gold.fund_flows", "gold.loan_hazards"],
              0)},
    ],
    "gold.customer_tier": [
        {"as_of": D2, "customer_id": "C2", "tier": "vip", "assets": Decimal("74558.93")},
        {"as_of": D2, "customer_id": "C1", "tier": "ordinary", "assets": Decimal("1.50")},
        {"as_of": D1, "customer_id": "C0", "tier": "ordinary"},
    ],
    "gold.customer_features": [
        {"as_of": D2, "customer_id": "C1", "salary_count_90d": 3, "tenure_days": 400},
        {"as_of": D2, "customer_id": "C2", "tenure_days": 10},
    ],
    "gold.recommendations": [
        {"as_of": D1, "customer_id": "C1", "rank": 1, "product_id": "P1", "product_name": "Card", "score": 0.42,
         "reason": "Because.", "because": ["travel"], "parts": {"group": 0.2, "tier": 0.1, "shopping": 0.12}},
    ],
    "gold.shopping_recommendations": [
        {"as_of": D1, "customer_id": "C1", "kind": kind, "rank": 1, "item": item, "title": title, "affinity": 0.3,
         "because": ["travel", "merchant S2"]}
        for kind, item, title in (("merchant", "S1", "merchant S1"), ("product", "P1", "Card"))
    ],
    "gold.recommendation_quality": [
        {"as_of": D1, "basis": "new", "kind": "all", "method": "als", "used": True},
    ],
    "gold.customer_portrait": [
        {"as_of": D2, "customer_id": "C1", "salary_customer": True, "value_tier": "vip", "prefers_mobile": True,
         "early_warning": False},
        {"as_of": D2, "customer_id": "C2"},
    ],
    "gold.label_history": [
        {"as_of": day, "customer_id": "C1", "label": "salary_customer", "valid_from": day, "value": value, "version": 1}
        for day, value in ((D1, "false"), (D2, "true"))
    ],
    "gold.label_statistics": [
        {"as_of": D2, "label": "salary_customer", "customers": 2, "known": 1, "coverage": 0.5, "status": "suspect",
         "reasons": ["it shook"]},
    ],
    "gold.audiences": [
        {"as_of": D2, "audience": "affluent_mobile", "title": "A", "purpose": "marketing",
         "expression": "value_tier = 'vip'", "unknown_policy": "exclude", "labels": ["value_tier"],
         "customers": 2, "members": 2, "unknown": 0,
         "trust": "trusted"},
    ],
    "gold.audience_members": [
        {"as_of": D2, "audience": "affluent_mobile", "customer_id": "C2"},
        {"as_of": D2, "audience": "affluent_mobile", "customer_id": "C1"},
        {"as_of": D2, "audience": "another", "customer_id": "C0"},
    ],
    "gold.fund_flows": [
        {"as_of": D2, "account_id": "A1", "customer_id": "C1", "from_id": "t1", "to_id": target, "from_on": D1,
         "from_type": "salary", "from_other": "E1", "to_on": day, "to_type": kind, "amount": Decimal(amount),
         "method": "fifo"}
        for target, day, kind, amount in (("t2", D2, "card_payment", "10.05"), ("left", None, None, "0.95"))
    ],
    "gold.loan_hazards": [
        {"as_of": D2, "loan_id": loan, "customer_id": "C1", "months_on_book": 7, "arrears_on": day, "is_missed": missed}
        for loan, day, missed in (("L1", D1, True), ("L2", D2, True), ("L3", D2, False), ("L4", None, False))
    ],
    "ops.models": [
        {"name": "scorecard", "version": "v2", "as_of": D2, "path": "models/scorecard/v2", "is_current": True,
         "run": 2},
    ],
    "ops.files": [
        {"feed": "customers", "file": "customers/a.csv", "file_hash": HASH, "status": "accepted", "contract_hash": "c",
         "columns": [], "seen_at": NOW, "run": 1},
        {"feed": "customers", "file": "customers/cut.csv.gz", "file_hash": "1" * 64, "status": "quarantined",
         "reason": "file.gzip: cut", "contract_hash": "c", "columns": [], "seen_at": NOW, "run": 1},
    ],
    "ops.quarantine": [
        {"feed": "customers", "file": "customers/a.csv", "file_hash": HASH, "line": line, "record": "x,y",
         "reasons": ["row.malformed", "gender.enum"][: 1 + line % 2], "status": status, "quarantined_at": NOW, "run": 1}
        for line, status in ((7, "open"), (4, "open"), (9, "released"))
    ],
    "ops.conflicts": [
        {"feed": "customers", "file": "customers/a.csv", "line": 3, "day": D1, "why": "later_line", "counts": "record",
         "differs": ["op", "gender"], "run": 1},
    ],
}  # fmt: skip
_ARROW = {
    "STRING": pa.string(), "INT": pa.int32(), "BIGINT": pa.int64(), "DOUBLE": pa.float64(), "BOOLEAN": pa.bool_(),
    "DATE": pa.date32(), "TIMESTAMP": pa.timestamp("us", tz="UTC"),
}  # fmt: skip
DRIVER = """
import io, json, sys
from contextlib import redirect_stderr, redirect_stdout
from portrait.cli import main

answers = []
for words in json.load(sys.stdin):
    out, err, code = io.StringIO(), io.StringIO(), 0
    sys.argv = ["portrait", *words]
    from portrait.cli import output
    output.console.file, output.errors.file = out, err
    with redirect_stdout(out), redirect_stderr(err):
        try:
            main()
        except SystemExit as ended:
            code = ended.code or 0
    answers.append([code, out.getvalue(), err.getvalue()])
heavy = [name for name in ("pyspark", "py4j", "pandas", "altair", "scipy", "great_expectations") if name in sys.modules]
print(json.dumps({"answers": answers, "heavy": heavy}))
"""


def arrow_type(physical: str) -> pa.DataType:
    inner = re.findall(r"\w+", physical)
    if physical.startswith("ARRAY"):
        return pa.list_(_ARROW[inner[1]])
    if physical.startswith("MAP"):
        return pa.map_(_ARROW[inner[1]], _ARROW[inner[2]])
    return pa.decimal128(int(inner[1]), int(inner[2])) if physical.startswith("DECIMAL") else _ARROW[physical]


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small bank of two customers, published, of which an earlier run died."""
    root = tmp_path_factory.mktemp("looking") / "lake"
    catalogue = load_declared(CHECKOUT / "conf", CHECKOUT / "schemas").catalogue
    written = [{"run": 2, "job": "j", "table_name": name, "as_of": day, "version": 0, "fingerprint": "f",
                "recorded_at": NOW} for name, rows in TABLES.items() if name.startswith("gold.")
               for day in {row["as_of"] for row in rows}]  # fmt: skip
    for name, rows in {**TABLES, "ops.table_versions": written}.items():
        contract = catalogue.table(name)
        assert not {key for row in rows for key in row} - set(contract.column_names), name
        columns = {
            c.name: pa.array([row.get(c.name) for row in rows], type=arrow_type(c.physical_type))
            for c in contract.columns
        }
        path = root.joinpath(*name.split("."))
        write_deltalake(path, pa.table(columns), partition_by=contract.partitioned_by or None)
    card = root / "models" / "scorecard" / "v2" / "scorecard.json"
    card.parent.mkdir(parents=True)
    # Grade, percent by this card and by v1, applications, bad.
    outcomes = [["A", 2, 2, 80, 2], ["C", 9, 30, 10, 1], ["D", 15, 15, 6, 3], ["E", 60, 10, 4, 4]]
    card.write_text(json.dumps({"outcomes": outcomes, "earlier": "v1"}))
    return root


def ask(questions: list[list[str]], *, cwd: Path = CHECKOUT) -> dict[str, Any]:
    """The answers of one process that finds no Java: exit code, output and errors of each command."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("PORTRAIT_", "PYSPARK", "JAVA"))}
    environment = {**clean, "PATH": "/nonexistent", "JAVA_HOME": "/nonexistent", "COLUMNS": "200", "TZ": "UTC"}
    done = subprocess.run(
        [sys.executable, "-c", DRIVER], input=json.dumps(questions), cwd=cwd, env=environment,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_every_command_that_looks_answers_without_java(lake: Path) -> None:
    at = ["--lake", str(lake)]
    csv = [*at, "--format", "csv"]
    questions = {
        "status": ["status", *csv],
        "status, for people": ["status", *at],
        "show": ["show", "gold.customer_tier", *csv, "--limit", "1"],
        "show, a past day": ["show", "gold.customer_tier", "--as-of", "2025-01-31", *csv],
        "show, published": ["show", "published.audience_members", *csv],
        "show, no slices": ["show", "ops.conflicts", *at, "--format", "json"],
        "explain": ["explain", "C1", *at],
        "explain, nobody": ["explain", "C9", *at],
        "recommend": ["recommend", "C1", *csv],
        "recommend, nobody": ["recommend", "C9", *at, "--as-of", "2025-02-28"],
        "quarantine": ["quarantine", *csv],
        "quarantine, for people": ["quarantine", *at],
        "conflicts": ["quarantine", "--conflicts", *csv],
        "labels list": ["labels", "list", "--format", "csv"],
        "labels show": ["labels", "show", "salary_customer", *csv],
        "labels history": ["labels", "history", "C1", *csv],
        "audience count": ["audience", "count", "salary_customer", *csv],
        "audience members": ["audience", "members", "affluent_mobile", *csv],
        "audience members, an earlier day": ["audience", "members", "affluent_mobile", "--as-of", "2025-02-01", *csv],
        "audience explain": ["audience", "explain", "affluent_mobile", "C1", *at],
        "funds trace": ["funds", "trace", "C1", *csv],
        "warnings missed": ["warnings", "missed", *csv],
        "credit cutoff": ["credit", "cutoff", *csv],
        "credit cutoff, for people": ["credit", "cutoff", "--cutoff", "15", *at],
    }
    told = ask(list(questions.values()))
    assert told["heavy"] == []
    answers = dict(zip(questions, told["answers"], strict=True))
    codes = {name: code for name, (code, _, _) in answers.items() if code}
    assert codes == {"explain, nobody": 2, "recommend, nobody": 1, "audience members, an earlier day": 4}, answers
    out = {name: answer[1] for name, answer in answers.items()}
    assert out["status"].splitlines()[1:] == [
        "2,2025-02-28,done,61.3,2025-03-01 04:05:06.000789,,gold.x",
        "1,2025-01-31,died,0.0,2025-03-01 04:05:06.000789,"
        '"no end was recorded: the process was killed, or the machine stopped",',
    ]
    assert "Served: 9 tables of 2025-02-28; offers of 2025-01-31, run 2 (publish)." in out["status, for people"]
    assert out["funds trace"].splitlines()[1:] == [
        "2025-02-28,A1,card payment,10.05,10.05 of salary from E1 on 2025-01-31",
        ",A1,left on the account,0.95,0.95 of salary from E1 on 2025-01-31",
    ]
    assert [line.split(",")[0] for line in out["warnings missed"].splitlines()[1:]] == ["L2", "L1"]
    # At a cost of 5: 2 % costs 10 + 12, 9 % 15 + 3, 15 % 30 + 0; the rules decline above 20 %.
    assert out["credit cutoff"].splitlines()[1:] == [
        "both,80,2,2.5%", "only new,10,1,10.0%", "only old,10,7,70.0%", "none,0,0,",
    ]  # fmt: skip
    assert "Cut-off 15 % costs 30 and accepts 96 (6 bad)" in " ".join(out["credit cutoff, for people"].split())
    assert [line.split(",")[:3] for line in out["show"].splitlines()[1:]] == [["2025-02-28", "C1", "ordinary"]]
    assert [line.split(",")[:3] for line in out["show, a past day"].splitlines()[1:]] == [
        ["2025-01-31", "C0", "ordinary"]
    ]
    assert out["show, published"].splitlines()[1:] == [
        "2025-02-28,affluent_mobile,C1", "2025-02-28,affluent_mobile,C2", "2025-02-28,another,C0",
    ]  # fmt: skip
    (conflict,) = json.loads(out["show, no slices"])
    assert (conflict["differs"], conflict["day"]) == (["op", "gender"], "2025-01-31")
    assert re.search(r"assets +│ 1\.50", out["explain"])
    assert re.search(r"Recommendations of 2025-01-31[^\n]+\n.*\n.*│ rank.*\n│ product_id +│ P1", out["explain"])
    assert "no such customer in the slice of 2025-02-28" in answers["explain, nobody"][2]
    assert out["recommend"].splitlines() == [
        "kind,rank,what,score,group,tier,popularity,shopping,reason,because",
        "product,1,Card,0.42,0.2,0.1,,0.12,Because.,travel",
        'merchant,1,merchant S1,0.3,,,,,"New to the customer. travel, merchant S2 speak most for it.",'
        '"travel, merchant S2"',
    ]
    assert "no such customer in the slice of" in answers["recommend, nobody"][2]
    assert out["quarantine"].splitlines()[1:] == [
        "customers,gender.enum,customers/a.csv,accepted,1,7,,,",
        "customers,row.malformed,customers/a.csv,accepted,2,4,,,",
        'customers,file.gzip,customers/cut.csv.gz,quarantined,,,,file.gzip: cut,"deliver the file again, whole, '
        'under a new name"',
    ]
    assert re.search(r"later_line +│ 1 +│ 2025-01-31", out["quarantine, for people"])
    assert out["conflicts"].splitlines()[1:] == [
        "customers,customers/a.csv,3,2025-01-31,later_line,record,\"['op', 'gender']\",1"
    ]
    assert len(out["labels list"].splitlines()) > 100
    assert '"coverage, 2025-02-28",0.5\n' in out["labels show"]
    assert "used by audience affluent_mobile" not in out["labels show"]
    assert out["labels history"].splitlines()[1:] == [
        "salary_customer,false,2025-01-31,2025-02-27,1", "salary_customer,true,2025-02-28,,1",
    ]  # fmt: skip
    assert out["audience count"].splitlines()[1:] == ["1,0,1,2"]
    assert "salary_customer is suspect (it shook)" in answers["audience count"][2]
    assert out["audience members"].splitlines()[1:] == ["C1", "C2"]
    assert "no published slice" in answers["audience members, an earlier day"][2]
    assert "Customer C1 is in affluent_mobile." in out["audience explain"]


def test_status_is_a_process_without_java(lake: Path) -> None:
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("PORTRAIT_", "PYSPARK"))}
    done = subprocess.run(
        [str(Path(sys.executable).parent / "portrait"), "status", "--lake", str(lake), "--format", "json"],
        cwd=CHECKOUT, env={**clean, "JAVA_HOME": "/nonexistent"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert [row["run"] for row in json.loads(done.stdout)] == [2, 1]


def test_every_command_has_its_help() -> None:
    (answer,) = ask([["--help"]])["answers"]
    assert answer[0] == 0
    for command in ("run", "status", "quarantine", "labels", "audience", "land"):
        assert re.search(rf"^. {command} +\w", answer[1], re.MULTILINE), command
