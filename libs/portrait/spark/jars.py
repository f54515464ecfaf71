"""The jars that Delta Lake needs: listed with their hashes, fetched once by Spark's own resolver.

`python -m portrait.spark.jars` (what `make setup` calls) brings every jar of `conf/jars.lock` into `.jars/` of
the checkout and checks its SHA-256. Spark knows where Maven Central is; behind a company's mirror set
`PORTRAIT_IVY_SETTINGS` to an Ivy settings file. A jar with a wrong hash is deleted and stops the set-up.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from portrait.errors import ConfigurationError, PortraitError

CHECKOUT = Path(__file__).resolve().parents[3]


@dataclass(frozen=True)
class Jar:
    """One line of `conf/jars.lock`."""

    sha256: str
    coordinate: str

    @property
    def file_name(self) -> str:
        """`module-version.jar`."""
        _, module, version = self.coordinate.split(":")
        return f"{module}-{version}.jar"


def jar_folder() -> Path:
    """Where the jars are: `PORTRAIT_JARS`, else `.jars/` of the checkout."""
    return Path(os.environ.get("PORTRAIT_JARS", CHECKOUT / ".jars"))


def locked_jars(conf: Path = CHECKOUT / "conf") -> list[Jar]:
    """The jars of `jars.lock`, in its order; raises ConfigurationError when the folder has no such file."""
    lock = conf / "jars.lock"
    if not lock.exists():
        raise ConfigurationError(
            "the list of jars does not exist", where=str(lock), remedy="name the suite's configuration with --conf"
        )
    lines = [
        line.split() for line in lock.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")
    ]
    return [Jar(sha256, coordinate) for sha256, coordinate in lines]


def jar_paths(conf: Path = CHECKOUT / "conf") -> list[Path]:
    """The fetched jars; raises ConfigurationError when one is missing."""
    paths = [jar_folder() / jar.file_name for jar in locked_jars(conf)]
    missing = [path.name for path in paths if not path.exists()]
    if missing:
        raise ConfigurationError(
            f"{len(missing)} jar(s) are missing: {', '.join(missing)}",
            where=str(jar_folder()),
            remedy="run `make setup`, or set PORTRAIT_JARS to the folder that holds them",
        )
    return paths


def check_hash(path: Path, jar: Jar) -> None:
    """Delete a jar whose bytes are not the locked ones, and raise."""
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != jar.sha256:
        path.unlink()
        raise PortraitError(
            f"{jar.coordinate} has SHA-256 {found}, the lock says {jar.sha256}; the file was deleted",
            where="conf/jars.lock",
            remedy="find out who serves other bytes before you trust the mirror; then run `make setup` again",
        )


def fetch(folder: Path, jars: list[Jar]) -> list[str]:
    """Bring the absent jars into `folder`, check all of them; returns the coordinates that were fetched."""
    folder.mkdir(parents=True, exist_ok=True)
    absent = [jar for jar in jars if not (folder / jar.file_name).exists()]
    if absent:
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            _resolve(absent, Path(scratch))
            for jar in absent:
                group = jar.coordinate.split(":")[0]
                fetched = Path(scratch) / "jars" / f"{group}_{jar.file_name}"
                check_hash(fetched, jar)
                shutil.move(fetched, folder / jar.file_name)
    for jar in jars:
        check_hash(folder / jar.file_name, jar)
    return [jar.coordinate for jar in absent]


def _resolve(jars: list[Jar], ivy: Path) -> None:
    # Imported here: everything else in this module must work before pyspark does.
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false")
    builder = builder.config("spark.jars.ivy", str(ivy))
    if settings := os.environ.get("PORTRAIT_IVY_SETTINGS"):
        builder = builder.config("spark.jars.ivySettings", settings)
    spark = builder.getOrCreate()
    try:
        for jar in jars:
            try:
                # Not transitive: the closure is the lock file, and Spark already has the other jars.
                spark.sql(f"ADD JAR ivy://{jar.coordinate}?transitive=false")
            except Exception as error:  # Ivy's own error types do not reach Python
                raise PortraitError(
                    f"{jar.coordinate} could not be fetched",
                    where="conf/jars.lock",
                    remedy="check that Java reaches Maven Central and trusts its certificate (behind a proxy: Java's "
                    "own truststore); for a mirror set PORTRAIT_IVY_SETTINGS to an Ivy settings file",
                ) from error
    finally:
        spark.stop()


def main() -> int:
    """Fetch what is absent, check everything, say what was done."""
    try:
        fetched = fetch(jar_folder(), locked_jars())
    except PortraitError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    print(f"jars: {len(fetched)} fetched, all hashes match" if fetched else "jars: present, all hashes match")
    return 0


if __name__ == "__main__":
    sys.exit(main())
