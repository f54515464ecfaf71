"""The options that all commands share, as `with_settings` adds them."""

from __future__ import annotations

from pathlib import Path

import typer
from typer.testing import CliRunner

from portrait.cli.options import Limit, SettingsAndLanding, Target, with_settings
from portrait.settings import Settings

CONF = Path(__file__).resolve().parents[2] / "conf"
app = typer.Typer()


@app.command()
@with_settings
def look(name: str, *, settings: Settings, limit: Limit = 3) -> None:
    """A command that does not ask for the target."""
    print(name, settings.lake, settings.conf, limit)


@app.command()
@with_settings
def start(*, settings: SettingsAndLanding, target: Target = None) -> None:
    """A command that starts Spark, and has --landing."""
    print(settings.landing, settings.lake, target)


def printed(*words: str) -> str:
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    return result.output.strip()


def test_shared_options_become_settings_and_its_own_stay() -> None:
    words = ("look", "x", "--lake", "somewhere", "--conf", str(CONF), "--target", "local", "--limit", "7")
    assert printed(*words) == f"x somewhere {CONF} 7"


def test_landing_and_target_reach_a_command_that_asks_for_them() -> None:
    words = ("start", "--conf", str(CONF), "--landing", "feeds", "--lake", "somewhere", "--target", "local")
    assert printed(*words) == "feeds somewhere local"


def test_defaults_are_those_of_the_configuration() -> None:
    defaults = Settings()
    assert printed("start", "--conf", str(CONF)) == f"{defaults.landing} {defaults.lake} None"


def test_a_command_without_landing_does_not_take_it() -> None:
    assert CliRunner().invoke(app, ["look", "x", "--landing", "feeds"]).exit_code == 2
