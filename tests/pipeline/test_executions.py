"""How many SQL executions each job of a run plans, against a budget: a count, whatever the machine."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from bench.event_log import Checkout
from tests.tiny_bank import AS_OF, CHECKOUT, Bank

BUDGET = Path(__file__).with_name("executions.yml")


@pytest.mark.process
def test_no_job_plans_more_executions_than_its_budget(tmp_path: Path) -> None:
    bank = Bank(tmp_path)
    landed = bank.portrait("land", "synthetic", "--customers", "300", "--months", "3", "--to", str(bank.landing))
    assert landed.returncode == 0, landed.stderr
    cost = Checkout(CHECKOUT).run(bank.folder, as_of=str(AS_OF))
    found = {name: job.executions for name, job in cost.jobs.items()}
    print(found, sum(found.values()))
    allowed = yaml.safe_load(BUDGET.read_text(encoding="utf-8"))
    assert set(found) == set(allowed)
    assert {name: count for name, count in found.items() if count > allowed[name]} == {}
    assert all(count > 0 for count in found.values())
