"""The file of an audience that a command proposes: printed, or written into a folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer
import yaml

from portrait.cli.output import console
from portrait.errors import ConfigurationError

NewName = Annotated[str, typer.Argument(metavar="ID", help="What the audience is to be called.")]
WriteTo = Annotated[Path | None, typer.Option("--write", metavar="FOLDER", help="Write ID.yml there.")]


def give_file(told: Mapping[str, object], folder: Path | None) -> None:
    """Print the keys of an audience as YAML, or write them to `<folder>/<id>.yml`; a file that is there is refused."""
    text = yaml.safe_dump(dict(told), sort_keys=False, allow_unicode=True, width=110)
    if folder is None:
        typer.echo(text, nl=False)
        return
    path = folder / f"{told['id']}.yml"
    if path.exists():
        raise ConfigurationError("the file exists", where=str(path), remedy="give another ID, or remove it")
    path.write_text(text, encoding="utf-8")
    console.print(f"Wrote {path}", soft_wrap=True)
