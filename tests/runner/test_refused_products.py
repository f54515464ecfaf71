"""A run whose gate refuses one data product publishes the others, ends with exit code 4, and judges again next time."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from functools import cached_property
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from tests.runner.mini_suite import CHECKOUT, DAY, MiniSuite, mini_suite

from portrait.contracts import Catalogue, load_catalogue
from portrait.contracts.contract import contract_of
from portrait.contracts.document import load_document
from portrait.errors import GateRefused
from portrait.lake import Lake, publications

pytestmark = pytest.mark.delta

QUALITY = '''"""ops.quality_results: what the variable FAILING says."""

from __future__ import annotations

import os

from portrait.run.job import job_arguments, open_lake
from portrait.quality import RuleResult, results_frame


def main(argv: list[str] | None = None) -> None:
    args = job_arguments(__doc__).parse_args(argv)
    with open_lake(args) as lake:
        names = [contract.id for contract in lake.catalogue.layer("gold")]
        results = [RuleResult(name, "n.range", "error", name != os.environ.get("FAILING"), 1, 1) for name in names]
        lake.replace("ops.quality_results", results_frame(lake, results, as_of=args.as_of), args.as_of)
'''


class WithGate(MiniSuite):
    """The suite with a gate and a publication; the table `three` is a product of its own."""

    @property
    def catalogue(self) -> Catalogue:
        known = super().catalogue.contracts
        documents = CHECKOUT / "schemas" / "ops"
        added = [contract_of(load_document(documents / f"{name}.yml")) for name in ("quality_results", "publication")]
        reads = {"quality": {"reads": ["gold.*"]}, "publish": {"reads": ["ops.quality_results", "gold.*"]}}
        added = [replace(item, properties={"job": str(item.job), **reads[str(item.job)]}) for item in added]
        toy = replace(known["gold.three"], product="toy")
        return Catalogue({**known, **{item.id: item for item in (*added, toy)}})


@pytest.fixture
def suite(spark: SparkSession, tmp_path: Path) -> Iterator[WithGate]:
    from portrait import events

    made = mini_suite(spark, tmp_path)
    (tmp_path / "jobs" / "quality.py").write_text(QUALITY)
    (tmp_path / "jobs" / "publish.py").write_text((CHECKOUT / "jobs" / "publish.py").read_text())
    yield WithGate(made.spark, made.folder)
    for handler in list(events._log.handlers):
        events._log.removeHandler(handler)
        handler.close()


def test_a_refused_product_does_not_hold_back_the_others(suite: WithGate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAILING", "gold.three")
    with pytest.raises(GateRefused, match=r"toy: gold\.three: version \d failed n\.range") as refused:
        suite.run()
    assert refused.value.exit_code == 4
    lake = Lake(suite.spark, suite.folder / "lake", suite.catalogue)
    served = publications(lake)[0]
    assert served.versions.keys() == {"gold.one", "gold.two"}
    assert served.products == ("core",)
    assert suite.records()[-1][:2] == (1, "refused")
    assert suite.metric("run_success") == 0

    # Nothing else changed, but what the gate refused may have been mended by something that it does not read.
    monkeypatch.delenv("FAILING")
    assert suite.ran() == {"quality", "publish"}
    served = publications(Lake(suite.spark, suite.folder / "lake", suite.catalogue))[0]
    assert served.days_of(suite.catalogue) == {"core": DAY, "toy": DAY}
    assert suite.records()[-1][:2] == (2, "done")
    assert suite.ran() == set()


LATER = date(2025, 4, 30)
Portrait = Callable[..., tuple[int, str]]


class WithReport(WithGate):
    """The same, and every table of the suite, unwritten and without a job: the report asks whether they are there."""

    @cached_property
    def catalogue(self) -> Catalogue:
        unwritten = {item.id: replace(item, properties={}) for item in load_catalogue(CHECKOUT / "schemas")}
        own = super().catalogue.contracts
        gold = [name for name in own if name.startswith("gold.")]
        reads = {"ops.quality_results": gold, "ops.publication": ["ops.quality_results", *gold]}
        gates = {name: replace(own[name], properties={"job": own[name].job, "reads": reads[name]}) for name in reads}
        return Catalogue({**unwritten, **own, **gates})


@pytest.fixture
def portrait(suite: WithGate, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Portrait:
    """`portrait WORDS` on the lake of this suite, in this session: its exit code, and all that it printed."""
    from portrait.cli import context, main, runs

    whole = WithReport(suite.spark, suite.folder)
    # The mappings of the shipped sources make feeds that this suite does not have.
    conf = shutil.copytree(suite.settings.conf, suite.folder / "conf", ignore=shutil.ignore_patterns("sources"))
    monkeypatch.setattr(context, "suite_of", lambda settings: whole.catalogue)
    monkeypatch.setattr(runs, "suite_of", lambda settings: whole.catalogue)
    monkeypatch.setattr(context, "start_embedded", lambda conf, target: suite.spark)
    monkeypatch.setattr(SparkSession, "stop", lambda session: None)  # the other tests go on with it
    for name in ("jobs", "log", "landing", "lake", "metrics"):
        monkeypatch.setenv(f"PORTRAIT_{name.upper()}", str(getattr(suite.settings, name)))

    def call(*words: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["portrait", *words, "--conf", str(conf)])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        return int(ended.value.code or 0), printed.out + printed.err

    return call


def test_products_are_served_and_taken_back_one_by_one(
    suite: WithGate, portrait: Portrait, monkeypatch: pytest.MonkeyPatch
) -> None:
    def served() -> dict[str, date]:
        return publications(Lake(suite.spark, suite.folder / "lake", suite.catalogue))[0].days_of(suite.catalogue)

    code, printed = portrait("run", "--as-of", str(DAY))
    assert code == 0, printed
    assert served() == {"core": DAY, "toy": DAY}
    monkeypatch.setenv("FAILING", "gold.three")
    code, printed = portrait("run", "--as-of", str(LATER))
    assert (code, served()) == (4, {"core": LATER, "toy": DAY})
    assert "2 tables of 2025-04-30; toy of 2025-03-31 (run 2)" in printed
    assert "refused for toy: core of 2025-04-30 served" in printed
    # The report is written in spite of the refusal, and says which product stayed.
    report = Path(next(line.split()[-1] for line in printed.splitlines() if line.split()[:1] == ["report"]))
    assert "but for toy (readers see 31 March 2025)" in report.read_text().replace("\N{NO-BREAK SPACE}", " ")

    code, printed = portrait("publish", "2", "--product", "toy")
    assert (code, served()) == (4, {"core": LATER, "toy": DAY})
    assert "toy: gold.three" in printed
    code, printed = portrait("publish", "1", "--product", "core")
    assert (code, served()) == (0, {"core": DAY, "toy": DAY})
    assert "Published run 1 (core): 3 tables of 2025-03-31 are served." in printed
    code, printed = portrait("rollback", "2", "--product", "core")
    assert (code, served()) == (0, {"core": LATER, "toy": DAY})
    assert "Rolled back to run 2 (core): 2 tables of 2025-04-30; toy of 2025-03-31 are served." in printed

    code, printed = portrait("rollback", "2", "--product", "toy")
    assert (code, served()) == (2, {"core": LATER, "toy": DAY})
    assert "run 2 published nothing of toy" in printed
    assert "runs that did: 1" in printed
    for command in ("publish", "rollback"):
        code, printed = portrait(command, "1", "--product", "nothing")
        assert (code, "there is no data product 'nothing'" in printed) == (2, True)
