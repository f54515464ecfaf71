"""A run whose gate refuses one data product publishes the others, ends with exit code 4, and judges again next time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from tests.runner.mini_suite import CHECKOUT, DAY, MiniSuite, mini_suite

from portrait.contracts import Catalogue
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
