"""Wrong words and configuration: exit 2 with one clear message, before Spark starts."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from portrait.cli import context, main

CHECKOUT = Path(__file__).resolve().parents[2]
PORTRAIT = Path(sys.executable).parent / "portrait"


@dataclass(frozen=True)
class Ended:
    """How a command ended and what it printed."""

    returncode: int
    stdout: str
    stderr: str


Portrait = Callable[..., Ended]


@pytest.fixture
def portrait(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Portrait:
    """Run a command in this process, where whatever starts Spark ends with another message and exit code."""

    def no_spark(*_: object, **__: object) -> None:
        raise AssertionError("Spark was started")

    monkeypatch.setattr(context, "start_embedded", no_spark)
    for key in [key for key in os.environ if key.startswith("PORTRAIT_")]:
        monkeypatch.delenv(key)

    def run(*words: str, cwd: Path = CHECKOUT) -> Ended:
        monkeypatch.chdir(cwd)
        context.suite_of.cache_clear()  # each folder has a suite of its own
        monkeypatch.setattr(sys, "argv", ["portrait", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        code = ended.value.code
        return Ended(code if isinstance(code, int) else 0, *capsys.readouterr())

    return run


def in_a_process(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command on a machine whose Java does not exist."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("PORTRAIT_", "PYSPARK"))}
    variables = {**clean, "JAVA_HOME": "/nonexistent", "COLUMNS": "200", **environment}
    words = (str(PORTRAIT), *words)
    return subprocess.run(words, cwd=CHECKOUT, env=variables, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("run", "--as-of", "2025-02-30"), "'2025-02-30' is not a date"),
        (("run", "--as-of", "20250228"), "'20250228' is not a date as YYYY-MM-DD"),
        (("run", "--as-of", "../../etc"), "'../../etc' is not a date"),
        (("run", "--as-of", "2025-02-28", "--select", "nothing"), "there is no job, table or capability 'nothing'"),
        (("run", "--as-of", "2025-02-28", "--landing", "nowhere"), "the landing folder does not exist"),
        (("run", "--as-of", "2025-02-28", "--target", "moon"), "moon.toml does not exist"),
        (
            ("plan", "--as-of", "2025-02-28", "--select", "gold.nothing+"),
            "table or capability 'gold.nothing'",
        ),
        (("land", "synthetic", "--to", "nowhere", "--feeds", "core,gossip"), "the synthetic bank has no feed 'gossip'"),
        (("show", "gold.nothing"), "there is no table 'gold.nothing'"),
        (("show", "../../etc/passwd"), "there is no table"),
        (("digest", "silver.nothing"), "there is no table 'silver.nothing'"),
        (("sql", "DROP TABLE gold.segments"), "only one SELECT is allowed"),
        (("sql", "SELECT 1; SELECT 2"), "only one SELECT is allowed"),
        (("sql", "SELECT * FROM delta.`/etc`"), "there is no table 'delta./etc'"),
        (("sql", "SELECT * FROM csv.`/etc/passwd`"), "there is no table"),
        (("sql", "SELECT * FROM"), "not a query"),
        (("tiers", "simulate", "--policy", "nowhere.yml"), "the file does not exist"),
        (("tiers", "migration", "--from", "2025-02-28", "--to", "2025-01-31"), "--from must be earlier than --to"),
        (("show", "gold.segments", "--lake", "nowhere"), "there is no lake here"),
        (("status", "--lake", "nowhere"), "there is no lake here"),
    ],
)
def test_wrong_words_exit_2_with_one_message(portrait: Portrait, words: tuple[str, ...], message: str) -> None:
    result = portrait(*words)
    assert result.returncode == 2, result.stderr
    assert message in result.stderr
    assert "remedy:" in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""


def test_a_process_ends_the_same_way() -> None:
    result = in_a_process("show", "gold.nothing")
    assert result.returncode == 2
    assert "there is no table 'gold.nothing'" in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""


def test_an_unknown_command_exits_2(portrait: Portrait) -> None:
    assert portrait("lnad").returncode == 2


def test_an_unknown_time_zone_exits_2_before_spark_starts(portrait: Portrait, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORTRAIT_TIME_ZONE", "Asia/Atlantis")
    result = portrait("run", "--as-of", "2025-02-28")
    assert result.returncode == 2
    assert "'asia/atlantis' is no time zone" in result.stderr.lower()
    assert "Spark was started" not in result.stderr


def test_an_unknown_setting_in_the_environment_exits_2() -> None:
    result = in_a_process("status", PORTRAIT_LAEK="x")
    assert result.returncode == 2
    assert "setting 'laek'" in result.stderr


def test_a_forbidden_label_exits_2_and_names_the_file(portrait: Portrait, tmp_path: Path) -> None:
    for folder in ("conf", "schemas", "jobs"):
        shutil.copytree(CHECKOUT / folder, tmp_path / folder)
    label = tmp_path / "conf" / "labels" / "income" / "salary_customer.yml"
    lines = [line for line in label.read_text().splitlines() if not line.startswith("value:")]
    label.write_text("\n".join([*lines, "value: java_method('java.lang.Runtime', 'getRuntime') is not null"]) + "\n")
    (tmp_path / "landing").mkdir()
    result = portrait("run", "--as-of", "2025-02-28", cwd=tmp_path)
    assert result.returncode == 2, result.stderr
    assert label.name in result.stderr
    assert "java_method" in result.stderr.lower()


@pytest.mark.parametrize(
    ("file", "right", "wrong", "message"),
    [
        ("tiers.yml", "upgrade: next_month", "upgrade: sometimes", "policies.policy_a.upgrade"),
        ("tiers.yml", "shadow: policy_b", "shadow: policy_c", "there is no policy 'policy_c'"),
        ("score.yml", "weights: ahp_and_entropy", "weights: by_feeling", "rfm.weights"),
        ("groups.yml", "scaling: z", "scaling: y", "'scaling'"),
        ("superset.yml", "certified_by:", "certified:", "'certified'"),
    ],
)
def test_a_policy_is_checked_before_the_run(
    portrait: Portrait, tmp_path: Path, file: str, right: str, wrong: str, message: str
) -> None:
    for folder in ("conf", "schemas", "jobs"):
        shutil.copytree(CHECKOUT / folder, tmp_path / folder)
    (tmp_path / "landing").mkdir()
    policy = tmp_path / "conf" / file
    text = policy.read_text()
    assert right in text
    policy.write_text(text.replace(right, wrong, 1))
    result = portrait("run", "--as-of", "2025-02-28", cwd=tmp_path)
    assert result.returncode == 2, result.stderr
    assert message in result.stderr
    assert f"{file}:" in result.stderr


def test_debug_shows_the_stack_trace(portrait: Portrait) -> None:
    assert "Traceback" in portrait("--debug", "show", "gold.nothing").stderr


def test_a_machine_without_java_is_told_so() -> None:
    result = in_a_process("land", "synthetic", "--to", "unused", JAVA_HOME="", PATH="/nonexistent")
    assert result.returncode in (2,), result.stderr
    assert "there is no Java on this machine" in result.stderr
