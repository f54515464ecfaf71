"""The jars of the lock: a wrong byte stops the set-up."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from portrait.errors import ConfigurationError, PortraitError
from portrait.spark.jars import Jar, check_hash, jar_paths, locked_jars


def test_the_lock_lists_seven_jars_with_hashes() -> None:
    jars = locked_jars()
    assert len(jars) == 7
    assert all(len(jar.sha256) == 64 and jar.coordinate.count(":") == 2 for jar in jars)
    assert jars[0].file_name == "delta-spark_4.1_2.13-4.4.0.jar"


def test_a_jar_with_other_bytes_is_deleted_and_refused(tmp_path: Path) -> None:
    path = tmp_path / "a-1.jar"
    path.write_bytes(b"not the jar")
    with pytest.raises(PortraitError, match="the file was deleted"):
        check_hash(path, Jar("0" * 64, "g:a:1"))
    assert not path.exists()


def test_a_jar_with_the_locked_bytes_stays(tmp_path: Path) -> None:
    path = tmp_path / "a-1.jar"
    path.write_bytes(b"the jar")
    check_hash(path, Jar(hashlib.sha256(b"the jar").hexdigest(), "g:a:1"))
    assert path.exists()


def test_missing_jars_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORTRAIT_JARS", str(tmp_path))
    with pytest.raises(ConfigurationError, match=r"7 jar\(s\) are missing: delta-spark_4.1_2.13-4.4.0.jar") as caught:
        jar_paths()
    assert "make setup" in caught.value.remedy
