"""Banks that went through the whole graph once, by the commands of the README."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
RECORDS_NOTHING = next(
    block for block in re.findall(r"```sh\n(.*?)```", (CHECKOUT / "docs" / "berka.md").read_text(), flags=re.DOTALL)
)


@dataclass
class Place:
    """A working directory like a checkout, in which a user types commands."""

    folder: Path
    environment: dict[str, str]

    def sh(self, command: str) -> subprocess.CompletedProcess[str]:
        """Run a shell command there, to its end."""
        return subprocess.run(
            ["bash", "-euo", "pipefail", "-c", command],
            cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False,
        )  # fmt: skip

    def done(self, command: str) -> str:
        """Run a shell command that must succeed; returns what it printed."""
        result = self.sh(command)
        assert result.returncode == 0, f"{command}\n{result.stdout}\n{result.stderr}"
        return result.stdout


def place(folder: Path) -> Place:
    """A folder with what a checkout has, and the virtual environment first on PATH."""
    for name in ("conf", "schemas", "jobs", "libs", ".jars", "Makefile", "pyproject.toml"):
        if (CHECKOUT / name).exists():
            (folder / name).symlink_to(CHECKOUT / name)
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("PORTRAIT_", "PYSPARK"))}
    return Place(folder, {**clean, "PATH": f"{BIN}:{os.environ['PATH']}", "COLUMNS": "160"})


@pytest.fixture(scope="session")
def berka(berka_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """The PKDD'99 bank, landed and run for its last day."""
    here = place(tmp_path_factory.mktemp("berka"))
    # As docs/berka.md says: this bank records neither consent nor risk levels.
    (here.folder / "conf").unlink()
    shutil.copytree(CHECKOUT / "conf", here.folder / "conf")
    here.done(RECORDS_NOTHING)
    here.done(f"portrait land berka --from {berka_dir} --to bank/landing")
    here.done("portrait run --as-of 1994-03-31 --landing bank/landing --lake bank/lake")
    return here
