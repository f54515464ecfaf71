"""Packages whose names are imported when they are asked for: every name is there, and is what its module has."""

from __future__ import annotations

import ast
from importlib import import_module
from pathlib import Path

import pytest

PACKAGES = ["features", "ingest", "labels", "lake"]


@pytest.mark.parametrize("package", PACKAGES)
def test_every_exported_name_is_that_of_its_module(package: str) -> None:
    module = import_module(f"portrait.{package}")
    assert sorted(module._PLACES) == sorted(module.__all__)
    # Type checkers are told the same names from the same modules.
    tree = ast.parse(Path(module.__file__ or "").read_text(encoding="utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    told = {
        alias.name: node.module for node in ast.walk(block) if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    assert told == module._PLACES
    for name, place in module._PLACES.items():
        assert getattr(module, name) is getattr(import_module(place), name)
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = module.nothing
