"""Every command of the README does what a reader expects of it."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from tests.pipeline.conftest import CHECKOUT, Place

# One worker makes the Berka bank, for both files.
pytestmark = [pytest.mark.delta, pytest.mark.xdist_group("berka")]

README = (CHECKOUT / "README.md").read_text()
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, flags=re.DOTALL)
SHELL = [block for language, block in BLOCKS if language == "sh"]
PYTHON = "\n".join(block for language, block in BLOCKS if language == "python")

# What makes the bank is run once, by the fixture `berka`.
MAKE = [block for block in SHELL if block.startswith("make")]
SET_UP = [block for block in SHELL if "BERKA" in block]
# What needs a cluster is done by tests/cluster, what needs containers by tests/docker.
CLUSTER = [block for block in SHELL if "cluster.conf" in block or "docker compose" in block]
ASKING = [block for block in SHELL if block not in MAKE + SET_UP + CLUSTER]


def test_the_bank_is_made_as_the_readme_says(berka_dir: Path) -> None:
    from tests.pipeline import conftest

    text = Path(conftest.__file__).read_text()
    for line in SET_UP[0].strip().splitlines():
        assert line.replace("BERKA", "{berka_dir}") in text


def commands(block: str) -> list[str]:
    return block.replace("\\\n", "").strip().splitlines()


@pytest.mark.parametrize("command", [command for block in ASKING for command in commands(block)])
def test_a_command_of_the_readme_ends_well(berka: Place, command: str) -> None:
    berka.done(command)


def test_the_python_of_the_readme_reads_the_published_tables(berka: Place) -> None:
    (berka.folder / "readme.py").write_text(PYTHON)
    said = berka.done("python readme.py")
    assert all(tier in said for tier in ("diamond", "vip", "growing", "ordinary"))


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
