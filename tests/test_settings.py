"""Settings and YAML files: precedence, and refusals with file, line and remedy."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from portrait.errors import ConfigurationError
from portrait.settings import Strict, load_settings, load_yaml


@pytest.fixture
def conf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("PORTRAIT_LAKE", "PORTRAIT_LEASE_SECONDS"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "base.toml").write_text('lake = "base"\nlease_seconds = 1\n')
    (tmp_path / "office.toml").write_text('lake = "target"\n')
    return tmp_path


def test_later_sources_win(conf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_settings(conf).lake == Path("base")
    assert load_settings(conf, target="office").lake == Path("target")
    monkeypatch.setenv("PORTRAIT_LAKE", "environment")
    assert load_settings(conf, target="office").lake == Path("environment")
    assert load_settings(conf, target="office", flags={"lake": Path("flag")}).lake == Path("flag")
    assert load_settings(conf, target="office", flags={"lake": None}).lake == Path("environment")


def test_an_unknown_setting_is_refused_in_a_file(conf: Path) -> None:
    (conf / "base.toml").write_text("lakee = 1\n")
    with pytest.raises(ConfigurationError, match="setting 'lakee'"):
        load_settings(conf)


def test_an_unknown_setting_is_refused_in_the_environment(conf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORTRAIT_LAEK", "x")
    with pytest.raises(ConfigurationError, match="setting 'laek'") as caught:
        load_settings(conf)
    assert "known settings: landing, lake" in str(caught.value)


def test_a_wrong_type_and_a_missing_target_are_refused(conf: Path) -> None:
    with pytest.raises(ConfigurationError, match="setting 'lease_seconds'"):
        load_settings(conf, flags={"lease_seconds": "soon"})
    with pytest.raises(ConfigurationError, match=r"moon\.toml does not exist"):
        load_settings(conf, target="moon")


@pytest.mark.parametrize("zone", ["UTC", "Asia/Shanghai", "America/Los_Angeles", "Asia/Kathmandu"])
def test_a_time_zone_is_one_that_iana_names(conf: Path, monkeypatch: pytest.MonkeyPatch, zone: str) -> None:
    assert load_settings(conf).time_zone == "UTC"
    monkeypatch.setenv("PORTRAIT_TIME_ZONE", zone)
    assert load_settings(conf).time_zone == zone


@pytest.mark.parametrize("zone", ["", "Shanghai", "CST", "+08:00", "GMT+8", "Asia/Atlantis", "asia/shanghai", "local"])
def test_an_unknown_time_zone_is_refused(conf: Path, zone: str) -> None:
    with pytest.raises(ConfigurationError, match=f"setting 'time_zone'.*'{re.escape(zone.lower())}'") as caught:
        load_settings(conf, flags={"time_zone": zone})
    assert caught.value.exit_code == 2


class Inner(Strict):
    weight: float


class Outer(Strict):
    name: str
    parts: list[Inner]


@pytest.mark.parametrize(
    ("text", "message", "line"),
    [
        ("name: x\nparts:\n  - weight: 1\n  - wieght: 2\n", "'parts.1.wieght'", 4),
        ("name: x\nparts:\n  - weight: much\n", "'parts.0.weight'", 3),
        ("parts: []\n", "'name': Field required", 1),
        ("name: x\nname: y\nparts: []\n", "'name' is there twice", 2),
        ("name: [x\nparts: []\n", "not valid YAML", 2),
    ],
)
def test_a_yaml_mistake_names_key_and_line(tmp_path: Path, text: str, message: str, line: int) -> None:
    path = tmp_path / "thing.yml"
    path.write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        load_yaml(path, Outer)
    assert message in str(caught.value)
    assert caught.value.where == f"{path}:{line}"


def test_an_absent_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="does not exist"):
        load_yaml(tmp_path / "none.yml", Outer)
