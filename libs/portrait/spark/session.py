"""The Spark session: settings come from `conf/spark/*.conf`, never from code.

A job calls `session()`, which takes whatever session `spark-submit` prepared. The command line and the tests run
embedded: `start_embedded` hands the same files to the JVM that pyspark starts.
"""

from __future__ import annotations

import atexit
import logging
import os
import re
import shlex
import shutil
import signal
import stat
import sys
import tempfile
import threading
from pathlib import Path
from types import FrameType

from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from portrait.errors import ConfigurationError, PortraitError
from portrait.spark.jars import CHECKOUT, jar_folder, jar_paths


def session() -> SparkSession:
    """The session that spark-submit, the command line or a test has prepared.

    Raises PortraitError when the master of the cluster does not answer, ConfigurationError for a file that is missing.
    """
    try:
        return SparkSession.builder.getOrCreate()
    except (PySparkException, Py4JError) as error:
        raise _not_started(str(error)) from error


def _not_started(reason: str) -> PortraitError:
    missing = re.search(r"File (?:file:)?(\S+) does not exist|NoSuchFileException: (\S+)", reason)
    if missing:
        return ConfigurationError(
            "a file that was handed to spark-submit does not exist",
            where=missing.group(1) or missing.group(2),
            remedy="make it with `make dist`, or correct --py-files or --jars",
        )
    return PortraitError(
        "Spark did not start" + (": its master does not answer" if "stopped" in reason else ""),
        where="spark.master of the properties file, or --master",
        remedy="check that the master runs and can be reached, and that both know the same secret; see its log",
    )


def java_home() -> str | None:
    """The Java that runs Spark: JAVA_HOME, else the one that set-up put into the checkout; None: what PATH has."""
    if home := os.environ.get("JAVA_HOME"):
        return home
    installed = next(iter(sorted((CHECKOUT / ".java").glob("*/bin/java"))), None)
    return str(installed.parents[1]) if installed else None


def class_archive() -> Path:
    """Where set-up puts the archive of classes that every command loads (`scripts/class_archive.py`)."""
    return jar_folder() / "classes.jsa"


def pin_locale(properties: Path) -> None:
    """Make this process, Java and Python's workers independent of the machine's locale, as the properties file has it.

    The file pins Java's locale on its command line; `_JAVA_OPTIONS`, which Java puts before that, gets the same.
    """
    if sys.platform == "linux":  # file names are UTF-8, also where LC_ALL is C or a Latin one
        os.environ["LC_ALL"] = "C.UTF-8"
    if forced := os.environ.get("_JAVA_OPTIONS"):
        pins = re.findall(r"-D(?:user|file)\.\S+", properties.read_text(encoding="utf-8"))
        os.environ["_JAVA_OPTIONS"] = " ".join([forced, *dict.fromkeys(pins)])


_PREFIX = "portrait-catalogue-"
_OUTDATED = 86_400  # seconds


def catalogue_folder() -> Path:
    """An empty folder for this process, removed when it ends or is told to; those of killed processes go first."""
    folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-"))
    for left in folder.parent.glob(f"{_PREFIX}*"):
        if _is_left_over(left, now=folder.stat().st_mtime):
            shutil.rmtree(left, ignore_errors=True)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:

        def end(number: int, frame: FrameType | None) -> None:
            shutil.rmtree(folder, ignore_errors=True)
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)

        signal.signal(signal.SIGTERM, end)
    return folder


def _is_left_over(folder: Path, *, now: float) -> bool:
    """Whether a folder is our user's and its process is gone; without a process in its name: is a day old."""
    try:
        facts = folder.lstat()
        if not stat.S_ISDIR(facts.st_mode) or facts.st_uid != os.getuid():
            return False
        process = re.fullmatch(rf"{_PREFIX}(\d+)-\w+", folder.name)
        if process is None:
            return now - facts.st_mtime > _OUTDATED
        os.kill(int(process.group(1)), 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):  # gone already, or a process of somebody else
        return False
    return False


def _java_options(quiet: Path) -> list[str]:
    options = [f"-Dlog4j2.configurationFile=file:{quiet}"] if quiet.exists() else []
    if class_archive().exists():
        # Java passes over an archive that it did not write itself; it need not say so.
        options += [f"-XX:SharedArchiveFile={class_archive()}", "-Xlog:cds=off", "-Xlog:cds+dynamic=off"]
    return options


def start_embedded(conf: Path, *, target: str = "local", overrides: dict[str, str] | None = None) -> SparkSession:
    """A session in this process, configured by `conf/spark/<target>.conf`.

    `overrides` are for tests (fewer cores, fewer partitions).
    Raises ConfigurationError when the file or a jar is absent.
    """
    properties = (conf / "spark" / f"{target}.conf").resolve()
    if not properties.exists():
        raise ConfigurationError(
            f"there are no Spark settings for target '{target}'",
            where=str(properties),
            remedy="create the file, or name another --target",
        )
    jars = jar_paths(conf)
    pin_locale(properties)
    if (home := java_home()) is not None:
        os.environ["JAVA_HOME"] = home
    elif shutil.which("java") is None:
        raise ConfigurationError(
            "there is no Java on this machine",
            where="JAVA_HOME, PATH",
            remedy="run `make setup`, or install OpenJDK 17",
        )
    arguments = ["--properties-file", str(properties), "--jars", ",".join(str(jar) for jar in jars)]
    if options := _java_options(properties.parent / "log4j2.properties"):
        arguments += ["--driver-java-options", shlex.join(options)]
    # Databases of the in-memory catalogue want a folder; it must not be the lake, which a DROP DATABASE would delete.
    warehouse = {"spark.sql.warehouse.dir": str(catalogue_folder())}
    for key, value in (warehouse | (overrides or {})).items():
        arguments += ["--conf", f"{key}={value}"]
    # pyspark's own logger repeats errors with parts of the plan, which may hold values of rows.
    logging.getLogger("SQLQueryContextLogger").setLevel(logging.CRITICAL + 1)
    os.environ["PYSPARK_SUBMIT_ARGS"] = shlex.join([*arguments, "pyspark-shell"])
    return session()
