"""F22: hostile words in every text argument of every command are refused before Spark starts, or are only compared."""

from __future__ import annotations

import inspect
import os
import shutil
import sys
import types
import typing
from collections.abc import Callable, Iterator
from datetime import date
from importlib import import_module
from pathlib import Path

import pytest
from tests.cli.test_bad_words import CHECKOUT, Ended
from typer import Typer

from portrait.cli import app as application
from portrait.cli import context, main
from portrait.cli.ask import readable_tables
from portrait.cli.commands import function_of
from portrait.dates import business_date
from portrait.errors import ConfigurationError
from portrait.run.suite import load_suite
from portrait.serving import read_only_query

HOSTILE = [
    "../../x", "/etc/passwd", "a/b", "..", "gold.x;--", "2024-01-01; DROP TABLE gold.segments", "x' or '1'='1",
    "`gold`.`segments`", "${env:HOME}", "$(id)", "[/x]", "x\ny", "\x1b[2J", "٢٠٢٥-٠١-٣١", "é", " ", "a" * 10_000, "%s",
    "gold.segments version as of 0", "delta.`/etc`", "1e3", "NaN",
]  # fmt: skip
_LABEL = "--title T --from customer_features --type boolean --description D --value tenure_days>1 --owner o"
LABEL_NEW = ["labels", "new", *_LABEL.split(), "--unknown-means", "never"]
# By command and parameter: the words with which it is called, {} is what is hostile.
REFUSED: dict[str, list[str]] = {
    "run as_of": ["run", "--as-of", "{}"],
    "run first": ["run", "--from", "{}", "--to", "2025-01-31"],
    "run last": ["run", "--from", "2025-01-31", "--to", "{}"],
    "run select": ["run", "--as-of", "2025-01-31", "--select", "{}"],
    "plan as_of": ["plan", "--as-of", "{}"],
    "plan select": ["plan", "--as-of", "2025-01-31", "--select", "{}"],
    "publish run_number": ["publish", "{}"],
    "rollback run_number": ["rollback", "{}"],
    "show table": ["show", "{}"],
    "show as_of": ["show", "gold.segments", "--as-of", "{}"],
    "digest table": ["digest", "{}"],
    "digest as_of": ["digest", "gold.segments", "--as-of", "{}"],
    "sql query": ["sql", "{}"],
    "explain as_of": ["explain", "1", "--as-of", "{}"],
    "report as_of": ["report", "--as-of", "{}"],
    "quarantine feed": ["quarantine", "--feed", "{}"],
    "sql-user name": ["sql-user", "{}/"],
    "land berka until": ["land", "berka", "--from", ".", "--to", "unused", "--until", "{}"],
    "land synthetic until": ["land", "synthetic", "--to", "unused", "--until", "{}"],
    "land synthetic feeds": ["land", "synthetic", "--to", "unused", "--feeds", "{}"],
    "features explain name": ["features", "explain", "{}", "--as-of", "2025-01-31"],
    "features explain as_of": ["features", "explain", "tenure_days", "--as-of", "{}"],
    "tiers simulate as_of": ["tiers", "simulate", "--policy", "conf/tiers.yml", "--as-of", "{}"],
    "tiers migration since": ["tiers", "migration", "--from", "{}", "--to", "2025-01-31"],
    "tiers migration until": ["tiers", "migration", "--from", "2025-01-31", "--to", "{}"],
    "value calibrate as_of": ["value", "calibrate", "--as-of", "{}", "--held-out", "3"],
    "labels show name": ["labels", "show", "{}"],
    "labels show as_of": ["labels", "show", "salary_customer", "--as-of", "{}"],
    "labels history name": ["labels", "history", "1", "{}"],
    "labels history as_of": ["labels", "history", "1", "--as-of", "{}"],
    "labels test name": ["labels", "test", "{}"],
    "labels new name": [*LABEL_NEW, "--theme", "income", "--id", "{}"],
    "labels new theme": [*LABEL_NEW, "--id", "fine", "--theme", "{}"],
    "labels new source": [*LABEL_NEW, "--id", "fine", "--theme", "income", "--from", "{}"],
    "labels new kind": [*LABEL_NEW, "--id", "fine", "--theme", "income", "--type", "{}"],
    "labels new sensitivity": [*LABEL_NEW, "--id", "fine", "--theme", "income", "--sensitivity", "{}"],
    "audience count expression": ["audience", "count", "{}"],
    "audience count as_of": ["audience", "count", "is_new", "--as-of", "{}"],
    "audience build as_of": ["audience", "build", "--as-of", "{}"],
    "audience members name": ["audience", "members", "{}"],
    "audience members as_of": ["audience", "members", "x", "--as-of", "{}"],
    "audience overlap one": ["audience", "overlap", "{}", "x"],
    "audience overlap other": ["audience", "overlap", "x", "{}"],
    "audience overlap as_of": ["audience", "overlap", "x", "x", "--as-of", "{}"],
    "audience export name": ["audience", "export", "{}", "--purpose", "p", "--to", "unused"],
    "audience export kind": ["audience", "export", "affluent_mobile", "--purpose", "p", "--to", "unused", "--as", "{}"],
    "audience explain name": ["audience", "explain", "{}", "1"],
    "audience explain as_of": ["audience", "explain", "x", "1", "--as-of", "{}"],
    "advice show as_of": ["advice", "show", "--as-of", "{}"],
    "advice audience kind": ["advice", "audience", "{}", "1"],
    "advice audience as_of": ["advice", "audience", "x", "1", "--as-of", "{}"],
    "advice audience name": ["advice", "audience", "x", "1", "--id", "{}"],
    "campaign plan name": ["campaign", "plan", "{}"],
    "campaign plan as_of": ["campaign", "plan", "x", "--as-of", "{}"],
    "campaign start name": ["campaign", "start", "{}"],
    "campaign start as_of": ["campaign", "start", "x", "--as-of", "{}"],
    "campaign status as_of": ["campaign", "status", "--as-of", "{}"],
    "campaign effect as_of": ["campaign", "effect", "x", "--as-of", "{}"],
    "campaign explain name": ["campaign", "explain", "{}", "1"],
    "campaign explain as_of": ["campaign", "explain", "x", "1", "--as-of", "{}"],
    "card-terms show as_of": ["card-terms", "show", "1", "--as-of", "{}"],
    "core-group show population": ["core-group", "show", "{}"],
    "core-group show as_of": ["core-group", "show", "--as-of", "{}"],
    "core-group audience population": ["core-group", "audience", "{}"],
    "core-group audience as_of": ["core-group", "audience", "elderly", "--as-of", "{}"],
    "core-group audience name": ["core-group", "audience", "elderly", "--id", "{}"],
    "credit fairness as_of": ["credit", "fairness", "--as-of", "{}"],
    "funds alerts as_of": ["funds", "alerts", "--as-of", "{}"],
    "funds trace as_of": ["funds", "trace", "1", "--as-of", "{}"],
    "groups show as_of": ["groups", "show", "1", "--as-of", "{}"],
    "product show given": ["product", "show", "{}"],
    "recommend as_of": ["recommend", "1", "--as-of", "{}"],
    "relations as_of": ["relations", "1", "--as-of", "{}"],
    "source infer feed": ["source", "infer", "conf/tiers.yml", "--feed", "{}"],
    "source infer name": ["source", "infer", "conf/tiers.yml", "--source", "{}"],
    "source test name": ["source", "test", "{}"],
    "source list name": ["source", "list", "{}"],
    "warnings list as_of": ["warnings", "list", "--as-of", "{}"],
    "warnings missed as_of": ["warnings", "missed", "--as-of", "{}"],
    "warnings show as_of": ["warnings", "show", "x", "--as-of", "{}"],
}
# What may be any text: it is compared as a value, or written as text into a file that is checked as a whole.
FREE = {
    *("explain customer", "labels history customer", "audience explain customer", "audience export purpose"),
    *("labels new title", "labels new value", "labels new description", "labels new unknown_means", "labels new owner"),
    *("campaign effect name", "campaign explain customer", "campaign start accept_small", "relations customer"),
    *("credit explain application", "warnings show loan", "superset uri"),
    *("funds trace customer", "card-terms show customer", "recommend customer", "product list template"),
}


def commands() -> Iterator[tuple[str, Callable[..., None]]]:
    for name, place in application.commands().items():
        found = function_of(place)
        if not isinstance(found, Typer):
            yield name, found
            continue
        for command in found.registered_commands:
            if command.callback is not None:
                yield f"{name} {command.name}", command.callback
        for part, there in getattr(import_module(place.split(":")[0]), "COMMANDS", {}).items():
            yield f"{name} {part}", function_of(there)


def text_parameters() -> Iterator[str]:
    """Every parameter that takes text of the user's, but for paths, choices and --target, which all share."""
    for name, function in commands():
        hints = typing.get_type_hints(function, include_extras=False)
        for parameter in inspect.signature(function).parameters:
            hint = hints[parameter]
            kinds = set(typing.get_args(hint)) if isinstance(hint, types.UnionType) else {hint}
            if kinds & {str, date} and parameter != "target":
                yield f"{name} {parameter}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout with a lake in it, below a folder that must stay as it is."""
    place = tmp_path_factory.mktemp("outside") / "checkout"
    for name in ("conf", "schemas", "jobs"):
        shutil.copytree(CHECKOUT / name, place / name)
    (place / "landing").mkdir()
    (place / "lake" / "ops").mkdir(parents=True)
    return place


@pytest.fixture
def portrait(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Ended]:
    """Run a command in that checkout; whatever starts Spark ends with exit code 1. Configuration is read once."""

    def no_spark(*_: object, **__: object) -> None:
        raise AssertionError("Spark was started")

    monkeypatch.setattr(context, "start_embedded", no_spark)
    for key in [key for key in os.environ if key.startswith("PORTRAIT_")]:
        monkeypatch.delenv(key)
    monkeypatch.chdir(folder)

    def run(*words: str) -> Ended:
        if words[:2] == ("labels", "new"):
            context.suite_of.cache_clear()
        monkeypatch.setattr(sys, "argv", ["portrait", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        code = ended.value.code
        return Ended(code if isinstance(code, int) else 0, *capsys.readouterr())

    return run


def files(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))


def test_every_text_argument_is_looked_at() -> None:
    known = {name for name in REFUSED if not name.endswith("run_number")}
    assert set(text_parameters()) == known | FREE


def refused(ended, words: list[str]) -> None:
    assert ended.returncode == 2, (words, ended.stderr)
    assert "Traceback" not in ended.stderr
    assert "java" not in ended.stderr.lower()


@pytest.mark.parametrize("case", REFUSED)
def test_hostile_words_are_refused_before_spark(portrait: Callable[..., Ended], folder: Path, case: str) -> None:
    before = files(folder.parent)
    place = list(REFUSED).index(case)
    slow = case in ("labels new source", "labels new kind", "labels new sensitivity")  # read all configuration
    # Everywhere the two worst, and by turns some of the others.
    for hostile in [*HOSTILE[:1], *HOSTILE[5:6], *[HOSTILE[(place + step) % len(HOSTILE)] for step in (0,)]]:
        words = [word.replace("{}", hostile) for word in REFUSED[case]]
        refused(portrait(*words), words)
        if slow:
            break
    assert files(folder.parent) == before, "nothing was written, inside or outside"


@pytest.mark.parametrize("command", ["run --as-of 2025-01-31", "status", "show gold.segments"])
def test_a_target_is_a_name_and_no_path(portrait: Callable[..., Ended], folder: Path, command: str) -> None:
    evil = folder.parent / "evil.toml"
    evil.write_text("lake = '/'\n")
    for hostile in ("../../evil", "../evil", "/etc/passwd", "", ".", "x\ny", "local.toml"):
        refused(portrait(*command.split(), "--target", hostile), [hostile])
    evil.unlink()


@pytest.mark.parametrize("hostile", [text for text in HOSTILE if text not in ("1e3", "NaN")])
def test_jobs_take_dates_only(hostile: str) -> None:
    with pytest.raises(ConfigurationError, match="is not a date"):
        business_date(hostile)


@pytest.mark.parametrize(
    "query",
    [
        "select reflect('java.lang.System', 'getenv')",
        "select `java_method`('java.lang.System', 'getenv') from gold.segments",
        "select transform(tier) using 'cat /etc/passwd' from gold.segments",
        "select '${env:HOME}'",
        "with `delta./etc` as (select 1) select * from delta.`/etc`",
        "with segments as (select 1) select * from published.nothing",
        "select * from read_files('/etc/passwd')",
        "select * from gold.segments /* a */; drop table gold.segments",
        "from gold.segments insert overwrite directory '/tmp/x' select *",
        "select * from `csv`.`/etc/passwd`",
    ],
)
def test_a_query_of_the_command_line_reads_tables_and_nothing_else(query: str) -> None:
    catalogue = load_suite(CHECKOUT / "conf", CHECKOUT / "schemas")

    def ask() -> None:
        readable_tables(query, catalogue)
        read_only_query(query)

    with pytest.raises(ConfigurationError):
        ask()


def test_what_is_printed_is_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    from portrait.cli.options import Format
    from portrait.cli.output import console, emit

    console.print("Customer [/x] of Bank [bold]1[/]")
    emit(["a [/y]"], [["[/z]"]], Format.table, title="[/t]")
    out = capsys.readouterr().out
    for text in ("[/x]", "[bold]1[/]", "[/y]", "[/z]", "[/t]"):
        assert text in out
