"""Putting feed files into a landing folder: staged beside it, then renamed, so that no reader meets half a file."""

from __future__ import annotations

import filecmp
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from portrait.errors import ConfigurationError


class Staging:
    """A hidden folder inside the landing folder in which a delivery is prepared.

    Files go to `<feed>/<name>`; `truth/` is kept apart, and is moved beside the landing folder.
    """

    def __init__(self, landing: Path, folder: Path) -> None:
        self.landing = landing
        self.folder = folder

    def file(self, feed: str, name: str) -> Path:
        """Where to write a file of a feed; its folder is made."""
        path = self.folder / "feeds" / feed / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def truth(self, name: str) -> Path:
        """Where to write a file that no job may read."""
        path = self.folder / "truth" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def work(self, name: str) -> Path:
        """A scratch folder that does not outlive the delivery."""
        return self.folder / "work" / name


@contextmanager
def delivery(landing: Path) -> Iterator[Staging]:
    """Stage files, and move them into `landing` when the block ends without an error.

    A file that already stands there with the same bytes stays. Raises ConfigurationError, and moves nothing, when a
    file of that name has other bytes: two banks, or two states of one bank, do not share a landing folder.
    """
    landing.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=".staging-", dir=landing))
    try:
        staging = Staging(landing, folder)
        yield staging
        _refuse_other_bytes(staging)
        _move(folder / "feeds", landing)
        _move(folder / "truth", landing.parent / "truth")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _refuse_other_bytes(staging: Staging) -> None:
    feeds = staging.folder / "feeds"
    for staged in sorted(feeds.rglob("*")):
        target = staging.landing / staged.relative_to(feeds)
        if staged.is_file() and target.exists() and not filecmp.cmp(staged, target, shallow=False):
            raise ConfigurationError(
                "the landing folder already holds a file of this name with other content",
                where=str(target),
                remedy="land into an empty folder, or remove the earlier delivery",
            )


def _move(source: Path, destination: Path) -> None:
    for staged in sorted(source.rglob("*")):
        if staged.is_file():
            target = destination / staged.relative_to(source)
            target.parent.mkdir(parents=True, exist_ok=True)
            if not (target.exists() and filecmp.cmp(staged, target, shallow=False)):
                staged.replace(target)
