"""What makes a job run again: its script and the modules that it imports, and nothing else of the code."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from tests.runner.mini_suite import mini_suite

from portrait.contracts import Catalogue, job_graph
from portrait.errors import ConfigurationError
from portrait.run import fingerprint
from portrait.run.fingerprint import code_of, modules_of
from portrait.run.staleness import fingerprints
from portrait.run.suite import load_suite
from portrait.settings import Settings

CHECKOUT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_suite(CHECKOUT / "conf", CHECKOUT / "schemas")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    for name in ("jobs", "conf"):
        shutil.copytree(CHECKOUT / name, tmp_path / name)
    return Settings(jobs=tmp_path / "jobs", conf=tmp_path / "conf")


class Code:
    """The sources of the package as the fingerprints see them, to be changed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sources = dict(fingerprint._sources())
        monkeypatch.setattr(fingerprint, "_sources", lambda: self.sources)

    def write(self, file: str, text: str) -> None:
        self.sources[f"portrait/{file}"] = text.encode()
        fingerprint._imports.cache_clear()

    def change(self, file: str) -> None:
        self.write(file, self.sources[f"portrait/{file}"].decode() + "\n# another version\n")


@pytest.fixture
def code(monkeypatch: pytest.MonkeyPatch) -> Iterator[Code]:
    yield Code(monkeypatch)
    fingerprint._imports.cache_clear()


def changed(before: dict[str, str], after: dict[str, str]) -> set[str]:
    return {job for job in before if before[job] != after[job]}


def test_a_page_of_the_report_recomputes_nothing(catalogue: Catalogue, settings: Settings, code: Code) -> None:
    jobs = job_graph(catalogue)
    before = fingerprints(jobs, catalogue, settings)
    page = code_of(settings.jobs / "report.py")
    for file in (
        "report/page.py",
        "cli/look.py",
        "run/runner.py",
        "run/journal.py",
        "serving/gateway.py",
        "run/suite.py",
    ):
        code.change(file)
    assert changed(before, fingerprints(jobs, catalogue, settings)) == set()
    assert code_of(settings.jobs / "report.py") != page


def test_a_changed_script_makes_its_job_stale_alone(catalogue: Catalogue, settings: Settings) -> None:
    jobs = job_graph(catalogue)
    before = fingerprints(jobs, catalogue, settings)
    for job in jobs:
        script = settings.jobs / f"{job.script}.py"
        text = script.read_text()
        script.write_text(text + "# another version\n")
        assert changed(before, fingerprints(jobs, catalogue, settings)) == {job.name}
        script.write_text(text)


# Which modules each script loads, as Python itself does it.
LOADED = """
import importlib.util, json, sys
found = {}
for path in sys.argv[1:]:
    for name in [name for name in sys.modules if name.split(".")[0] == "portrait"]:
        del sys.modules[name]
    spec = importlib.util.spec_from_file_location("script", path)
    spec.loader.exec_module(importlib.util.module_from_spec(spec))
    found[path] = [name for name in sys.modules if name.split(".")[0] == "portrait"]
print(json.dumps(found))
"""


def test_the_modules_of_a_job_are_those_that_python_loads(catalogue: Catalogue, settings: Settings, code: Code) -> None:
    jobs = job_graph(catalogue)
    paths = {job.name: str(settings.jobs / f"{job.script}.py") for job in jobs}
    done = subprocess.run(
        [sys.executable, "-c", LOADED, *paths.values()], capture_output=True, text=True, check=True, cwd=CHECKOUT
    )
    loaded = {name: set(json.loads(done.stdout)[path]) for name, path in paths.items()}
    for name, path in paths.items():
        files = modules_of(Path(path).read_bytes())
        found = {file.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for file in files}
        assert loaded[name] <= found, name
    before = fingerprints(jobs, catalogue, settings)
    code.change("entities/versions.py")
    stale = changed(before, fingerprints(jobs, catalogue, settings))
    needed = {name for name, modules in loaded.items() if "portrait.entities.versions" in modules}
    assert stale == needed
    assert {"entities", "transactions", "customer_features"} <= stale
    assert not stale & {"ingest", "quality", "publish", "segments"}


@pytest.mark.parametrize(
    ("table", "reached"),
    [("raw.cards", {"ingest"}), ("gold.segments", {"segments", "quality", "publish"})],
)
def test_a_contract_counts_for_who_writes_and_who_reads(
    catalogue: Catalogue, settings: Settings, table: str, reached: set[str]
) -> None:
    jobs = job_graph(catalogue)
    contract = catalogue.table(table)
    other = Catalogue({**catalogue.contracts, table: type(contract)(
        contract.id, contract.description, contract.grain, contract.columns, contract.row_rules,
        {**contract.properties, "usedFor": "a test"},
    )})  # fmt: skip
    assert changed(fingerprints(jobs, catalogue, settings), fingerprints(jobs, other, settings)) == reached


def test_configuration_counts_for_the_jobs_that_read_it(catalogue: Catalogue, settings: Settings) -> None:
    jobs = job_graph(catalogue)
    before = fingerprints(jobs, catalogue, settings)
    file = settings.conf / "tiers.yml"
    file.write_text(file.read_text() + "# another version\n")
    assert changed(before, fingerprints(jobs, catalogue, settings)) == {"customer_tier"}


def test_a_setting_that_changes_results_counts_for_every_job(
    catalogue: Catalogue, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = job_graph(catalogue)
    plain = settings.model_copy(update={"lease_seconds": 7})
    assert fingerprints(jobs, catalogue, settings) == fingerprints(jobs, catalogue, plain)
    monkeypatch.setattr(Settings, "CHANGES_RESULTS", frozenset({*Settings.CHANGES_RESULTS, "lease_seconds"}))
    both = fingerprints(jobs, catalogue, settings), fingerprints(jobs, catalogue, plain)
    assert changed(*both) == {job.name for job in jobs}


SHAPES = {
    "shapes/__init__.py": "",
    "shapes/a.py": "from portrait.shapes import b",
    "shapes/b.py": "import portrait.shapes.a\nfrom . import c",
    "shapes/c.py": "",
    "shapes/typed.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from portrait.shapes import a\n"
    "else:\n    from portrait.shapes import c",
    "shapes/inner.py": "def work():\n    if True:\n        from .deep.one import x",
    "shapes/deep/__init__.py": "from ..c import y",
    "shapes/deep/one.py": "",
    "shapes/deep/two.py": "from ..deep import *",
    "shapes/named.py": "import importlib\nimportlib.import_module('portrait.shapes.c')",
}


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("from portrait.shapes.a import x", {"a", "b", "c"}),  # a circle
        ("from portrait.shapes import typed", {"typed", "c"}),
        ("import portrait.shapes.inner as i", {"inner", "deep/__init__", "deep/one", "c"}),
        ("from portrait.shapes.deep import *", {"deep/__init__", "deep/one", "deep/two", "c"}),
        ("from portrait.shapes.deep.two import *", {"deep/__init__", "deep/one", "deep/two", "c"}),
        ("def f():\n  from portrait.shapes import named", {"named", "c"}),
        ("from portrait.shapes import CONSTANT", set()),
    ],
)
def test_every_shape_of_an_import_is_followed(code: Code, script: str, expected: set[str]) -> None:
    for file, text in SHAPES.items():
        code.write(file, text)
    found = {name.removeprefix("portrait/shapes/") for name in modules_of(script.encode()) if "shapes" in name}
    assert found == {f"{name}.py" for name in {"__init__", *expected}}


def test_data_files_of_the_package_count(code: Code, tmp_path: Path) -> None:
    script = tmp_path / "job.py"
    script.write_text("import portrait")
    before = code_of(script)
    code.sources["portrait/names.csv"] = b"a"
    assert code_of(script) != before


def test_a_script_that_is_not_python_is_named(tmp_path: Path) -> None:
    (tmp_path / "job.py").write_text("import os\ndef main(:\n")
    with pytest.raises(ConfigurationError) as refused:
        code_of(tmp_path / "job.py")
    assert refused.value.where == f"{tmp_path / 'job.py'}:2"


def test_a_zip_has_the_hash_of_its_checkout(tmp_path: Path) -> None:
    archive = tmp_path / "portrait.zip"
    with zipfile.ZipFile(archive, "w") as package:
        for file in sorted((CHECKOUT / "libs" / "portrait").rglob("*")):
            if file.is_file() and file.suffix != ".pyc":
                package.write(file, file.relative_to(CHECKOUT / "libs"))
    script = CHECKOUT / "jobs" / "tiers" / "customer_tier.py"
    asked = (
        f"from portrait.run.fingerprint import code_of; from pathlib import Path; print(code_of(Path({str(script)!r})))"
    )
    done = subprocess.run(
        [sys.executable, "-c", asked], env={**os.environ, "PYTHONPATH": str(archive)}, capture_output=True, text=True,
        check=True, cwd=tmp_path,
    )  # fmt: skip
    assert done.stdout.strip() == code_of(script)


@pytest.mark.delta
@pytest.mark.process
def test_what_a_changed_script_makes_run(spark: SparkSession, tmp_path: Path) -> None:
    suite = mini_suite(spark, tmp_path)
    assert suite.ran() == {"one", "two", "three"}
    assert suite.ran() == set()
    suite.change("two")
    assert suite.ran() == {"two"}
    suite.change("one")
    assert suite.ran() == {"one", "two"}
    from portrait import events

    for handler in list(events._log.handlers):
        events._log.removeHandler(handler)
        handler.close()
