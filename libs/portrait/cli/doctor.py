"""`portrait doctor`: what a machine lacks, each finding with its remedy."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import typer

from portrait.cli.options import CONF, Conf, Format, LakeRoot, Output, Target, settings_of
from portrait.cli.output import emit
from portrait.errors import PortraitError
from portrait.spark.jars import check_hash, jar_folder, jar_paths, locked_jars
from portrait.spark.session import java_home

GIB = 1024**3


@dataclass(frozen=True)
class Finding:
    """One check: what was found, and what to do when it is not good."""

    subject: str
    good: bool
    found: str
    remedy: str = ""


def doctor_command(
    lake: LakeRoot = None, conf: Conf = CONF, target: Target = None, output: Output = Format.table
) -> None:
    """Check Python, Java, jars, memory, disk and the lake."""
    findings = [check_python(), check_java(), check_jars(conf), check_memory()]
    try:
        settings = settings_of(conf, target, lake=lake)
        findings += [check_disk(settings.lake), check_lake(settings.lake)]
    except PortraitError as error:
        findings.append(Finding("settings", False, error.message, error.remedy))
    rows = [[f.subject, "ok" if f.good else "NOT OK", f.found, "" if f.good else f.remedy] for f in findings]
    emit(["check", "state", "found", "remedy"], rows, output)
    if not all(finding.good for finding in findings):
        raise typer.Exit(1)


def check_python() -> Finding:
    """Python 3.11 or 3.12, as the lock file was made for."""
    good = (3, 11) <= sys.version_info[:2] <= (3, 12)
    return Finding("python", good, sys.version.split()[0], "install Python 3.11, then `make clean setup`")


def check_java() -> Finding:
    """Java 17 or 21 with the vector module, without which Spark 4 does not start."""
    home = java_home()
    java = str(Path(home) / "bin" / "java") if home else shutil.which("java")
    remedy = "`make setup` installs one, or install OpenJDK 17 and set JAVA_HOME"
    if java is None:
        return Finding("java", False, "none", remedy)
    text = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    match = re.search(r'version "(\d+)', text)
    modules = subprocess.run([java, "--list-modules"], capture_output=True, text=True, check=False).stdout
    good = match is not None and match[1] in ("17", "21") and "jdk.incubator.vector" in modules
    return Finding("java", good, text.splitlines()[0] if text else java, remedy)


def check_jars(conf: Path) -> Finding:
    """The seven Delta jars, with the right bytes."""
    try:
        for path, jar in zip(jar_paths(conf), locked_jars(conf), strict=True):
            check_hash(path, jar)
    except PortraitError as error:
        return Finding("jars", False, error.message, error.remedy)
    return Finding("jars", True, f"{len(locked_jars(conf))} in {jar_folder().name}/, hashes match")


def check_memory() -> Finding:
    """At least 4 GiB for an embedded run."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GIB
    return Finding("memory", total >= 4, f"{total:.0f} GiB", "an embedded run wants 4 GiB; lower spark.driver.memory")


def check_disk(lake: Path) -> Finding:
    """At least 2 GiB free where the lake is, or will be."""
    place = next(path for path in (lake.resolve(), *lake.resolve().parents) if path.exists())
    free = shutil.disk_usage(place).free / GIB
    return Finding(
        "disk", free >= 2, f"{free:.0f} GiB free", "free some space, or place the lake elsewhere with --lake"
    )


def check_lake(lake: Path) -> Finding:
    """Whether a lake is there; a missing one is no fault."""
    if not lake.exists():
        return Finding("lake", True, f"none yet at {lake}; `portrait run` makes it")
    writable = os.access(lake, os.W_OK)
    return Finding("lake", writable, f"{lake}", "the lake is not writable for you: check its owner")
