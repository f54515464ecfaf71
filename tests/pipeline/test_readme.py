"""What the README names is there, and what it shows is accepted; its commands are run by test_berka.py."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from tests.pipeline.conftest import CHECKOUT
from tests.pipeline.readme import BLOCKS, MAKE, README, SET_UP


def test_the_bank_is_made_as_the_readme_says(berka_dir: Path) -> None:
    from tests.pipeline import conftest

    text = Path(conftest.__file__).read_text()
    for line in SET_UP[0].strip().splitlines():
        assert line.replace("BERKA", "{berka_dir}") in text


@pytest.mark.parametrize("target", [line.split()[1] for line in MAKE[0].splitlines()])
def test_a_make_target_of_the_readme_exists(target: str) -> None:
    result = subprocess.run(["make", "--dry-run", target], cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def test_every_make_target_that_is_named_exists() -> None:
    named = set(re.findall(r"`make ([a-z-]+)`", README))
    assert named <= set(re.findall(r"^([a-z-]+):", (CHECKOUT / "Makefile").read_text(), flags=re.MULTILINE))


def test_the_example_label_is_accepted(tmp_path: Path) -> None:
    from portrait.contracts import load_catalogue
    from portrait.features import load_features
    from portrait.labels import load_labels

    label = next(block for language, block in BLOCKS if language == "yaml")
    conf = tmp_path / "conf"
    (conf / "labels" / "income").mkdir(parents=True)
    (conf / "labels" / "income" / "salary_customer.yml").write_text(label)
    catalogue = load_catalogue(CHECKOUT / "schemas")
    features = load_features(CHECKOUT / "conf").columns()
    labels = load_labels(conf, catalogue.with_columns("gold.customer_features", features))
    assert [column.name for column in labels.columns()] == ["salary_customer"]
