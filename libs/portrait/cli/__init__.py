"""The command line: `portrait COMMAND`."""

from portrait.cli.app import main

__all__ = ["main"]
