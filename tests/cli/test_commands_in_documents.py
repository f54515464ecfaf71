"""Every `portrait` command in the README and the docs is one that exists, with options that it takes."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest
import typer

from portrait.cli.app import app

CHECKOUT = Path(__file__).resolve().parents[2]
PAGES = [CHECKOUT / "README.md", CHECKOUT / "CONTRIBUTING.md", *sorted((CHECKOUT / "docs").glob("*.md"))]
PLACEHOLDERS = {"D": "2024-03-31", "DATE": "2024-03-31", "RUN": "7", "ID": "some_id", "NAME": "name", "N": "7"}


def commands_of(page: Path) -> Iterator[str]:
    """Lines of shell blocks that start with `portrait`, lines that end with a backslash joined with the next."""
    for block in re.findall(r"^```sh\n(.*?)^```", page.read_text(encoding="utf-8"), flags=re.M | re.S):
        for line in block.replace("\\\n", " ").splitlines():
            if line.startswith("portrait "):
                yield line


def parse(words: list[str]) -> None:
    """Raise where a command does not exist or does not take its words; nothing is executed."""
    command: Any = typer.main.get_command(app)
    name = "portrait"
    while hasattr(command, "list_commands"):
        name, *words = words
        found = command.get_command(command.make_context(name, [], resilient_parsing=True), name)
        assert found is not None, f"no command {name}"
        command = found
    command.make_context(name, words)


COMMANDS = [(page.relative_to(CHECKOUT), line) for page in PAGES for line in commands_of(page)]


@pytest.mark.parametrize(("page", "line"), COMMANDS, ids=[f"{page}:{line[:60]}" for page, line in COMMANDS])
def test_commands_in_documents_exist_and_take_their_words(page: Path, line: str) -> None:
    words = list(takewhile(lambda word: word not in (">", "|"), shlex.split(line, comments=True)))
    parse([PLACEHOLDERS.get(word, word) for word in words[1:]])


def test_a_wrong_command_or_option_is_found() -> None:
    with pytest.raises(AssertionError, match="no command shwo"):
        parse(["shwo", "gold.segments"])
    with pytest.raises(Exception, match="--lack"):
        parse(["show", "gold.segments", "--lack", "lake"])
