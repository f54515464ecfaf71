"""What the embedded session hands to Java, and that the archive of classes is used when it is there."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from portrait.session import _java_options, class_archive, java_home


def test_without_an_archive_java_is_told_nothing_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORTRAIT_JARS", str(tmp_path))
    assert _java_options(tmp_path / "log4j2.properties") == []


def test_an_archive_of_another_java_is_passed_over_in_silence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORTRAIT_JARS", str(tmp_path))
    class_archive().write_bytes(b"written by another Java" * 1000)
    java = str(Path(home) / "bin/java") if (home := java_home()) else "java"
    started = subprocess.run(
        [java, *_java_options(tmp_path / "none"), "-version"], capture_output=True, text=True, check=False
    )
    assert started.returncode == 0
    assert "version" in started.stderr.splitlines()[0]
    assert started.stdout == ""
