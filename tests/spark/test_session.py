"""What the embedded session hands to Java, and that the archive of classes is used when it is there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from portrait.spark.session import _java_options, catalogue_folder, class_archive, java_home


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


HOLD = """
import sys, time
from portrait.spark.session import catalogue_folder
print(catalogue_folder(), flush=True)
sys.stdin.readline()
"""


@pytest.mark.parametrize("ends", ["exit", "error", "SIGTERM"])
def test_the_catalogue_s_folder_goes_with_its_process(tmp_path: Path, ends: str) -> None:
    code = HOLD + ("raise SystemError" if ends == "error" else "")
    process = subprocess.Popen(
        [sys.executable, "-c", code], env={**os.environ, "TMPDIR": str(tmp_path)},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    folder = Path(process.stdout.readline().strip())
    assert folder.parent == tmp_path
    assert folder.is_dir()
    (folder / "some.db").mkdir()
    if ends == "SIGTERM":
        process.terminate()
    process.communicate("\n", timeout=60)
    assert process.returncode == {"exit": 0, "error": 1, "SIGTERM": -signal.SIGTERM}[ends]
    assert list(tmp_path.iterdir()) == []


def test_folders_of_killed_processes_go_at_the_next_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    killed = subprocess.Popen(["true"])
    killed.wait()
    gone = [tmp_path / f"portrait-catalogue-{killed.pid}-abc", tmp_path / "portrait-catalogue-old_name"]
    stay = [tmp_path / f"portrait-catalogue-{os.getpid()}-abc", tmp_path / "portrait-catalogue-new_name"]
    stay += [tmp_path / "portrait-other", tmp_path / "portrait-catalogue-1-abc"]
    for folder in gone + stay:
        (folder / "some.db").mkdir(parents=True)
    old = time.time() - 2 * 86_400
    for folder in (gone[1], stay[0], stay[2]):
        os.utime(folder, (old, old))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    link = tmp_path / f"portrait-catalogue-{killed.pid}-link"
    link.symlink_to(elsewhere)
    made = catalogue_folder()
    assert sorted(tmp_path.iterdir()) == sorted([*stay, link, elsewhere, made])
