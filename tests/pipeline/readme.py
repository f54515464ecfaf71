"""The code blocks of the README, by what they do."""

from __future__ import annotations

import re

from tests.pipeline.conftest import CHECKOUT

README = (CHECKOUT / "README.md").read_text()
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, flags=re.DOTALL)
SHELL = [block for language, block in BLOCKS if language == "sh"]
PYTHON = "\n".join(block for language, block in BLOCKS if language == "python")

# What makes the bank is run once, by the fixture `berka`; test_berka.py runs what asks about it.
MAKE = [block for block in SHELL if block.startswith("make")]
SET_UP = [block for block in SHELL if "BERKA" in block]
# What needs a cluster is done by tests/cluster, what needs containers by tests/docker.
CLUSTER = [block for block in SHELL if "cluster.conf" in block or "docker compose" in block]
ASKING = [block for block in SHELL if block not in MAKE + SET_UP + CLUSTER]


def commands(block: str) -> list[str]:
    """The commands of a block, each on one line."""
    return block.replace("\\\n", "").strip().splitlines()
