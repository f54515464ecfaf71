"""Hashes that say whether anything that could change a result has changed."""

from __future__ import annotations

import ast
import hashlib
import re
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import TypeGuard

from portrait.errors import ConfigurationError


def hash_files(paths: Iterable[Path]) -> str:
    """One hash of the names and bytes of files; folders stand for the files below them."""
    digest = hashlib.sha256()
    for path in paths:
        files = sorted(item for item in path.rglob("*") if item.is_file()) if path.is_dir() else [path]
        for file in files:
            if file.suffix == ".pyc":
                continue
            digest.update(str(file.relative_to(path.parent)).encode())
            digest.update(file.read_bytes() if file.exists() else b"absent")
    return digest.hexdigest()


def code_of(script: Path) -> str:
    """A hash of a script and of every module of the package that it imports, through other modules too.

    Data files of the package count for every script. A script that is not there is `absent`.
    Raises ConfigurationError for one that is not Python.
    """
    if not script.exists():
        return "absent"
    source = script.read_bytes()
    try:
        found, digest = modules_of(source), hashlib.sha256(source)
    except SyntaxError as error:
        raise ConfigurationError(
            f"this is not Python: {error.msg}", where=f"{script}:{error.lineno}", remedy="correct the script"
        ) from error
    sources = _sources()
    for name in sorted(name for name in sources if name in found or not name.endswith(".py")):
        digest.update(name.encode())
        digest.update(sources[name])
    return digest.hexdigest()


def modules_of(script: bytes) -> set[str]:
    """The files of the package that run when a script is imported or works: `portrait/lake/lake.py`.

    Read off the source, so no module has to be imported: imports within functions count, imports for type checkers do
    not, a package counts with its `__init__`, and what it imports, like any module; of what it imports when it is asked
    (`portrait.lazy`) counts what is asked for.
    """
    waiting, found = list(_imported(script, package="")), set[str]()
    while waiting:
        module = waiting.pop()
        if module not in found:
            found.add(module)
            waiting += _imports(module) - found
    return {_file_of(module) for module in found}


# How a job that runs alone gets its lake. This loads every part of the suite, to check it; what of it reaches the
# results of a job are its contracts and its configuration, and these are in its fingerprint themselves.
_ASKED_OF_ROOMS = {
    f"modules_of_rooms('{name}')": rf"portrait\.capabilities\.\w+\.{name}" for name in ("feature_source", "events")
}
"""Calls that bring modules of rooms into a result, and which; policies and reports are no part of any result."""
_NOT_FOLLOWED = {("portrait.run.job", "portrait.run.standalone")}


@cache
def _imports(module: str) -> frozenset[str]:
    """The modules of the package that a module of it imports itself, packages above them included."""
    package = module if _is_package(module) else module.rpartition(".")[0]
    imported = _imported(_sources()[_file_of(module)], package=package)
    return frozenset(name for name in imported if (module, name) not in _NOT_FOLLOWED)


def _imported(source: bytes, *, package: str) -> set[str]:
    found: set[str] = set()
    for node in _running(ast.parse(source)):
        named: list[str] = []
        if isinstance(node, ast.Import):
            named = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".") if node.level else []
            above = parents[: len(parents) - node.level + 1]
            base = ".".join([*above, *([node.module] if node.module else [])])
            named = [base, *(f"{base}.{alias.name}" for alias in node.names)]
            if _is_module(base):
                places = _exported(_sources()[_file_of(base)])
                named += [places[alias.name] for alias in node.names if alias.name in places]
            if any(alias.name == "*" for alias in node.names):  # whatever the package has may be meant
                modules = (_module_of(file) for file in _sources() if file.endswith(".py"))
                named += [name for name in modules if name.startswith(f"{base}.")]
        elif isinstance(node, ast.Call) and ast.unparse(node) in _ASKED_OF_ROOMS:
            named = [name for name in _modules() if re.fullmatch(_ASKED_OF_ROOMS[ast.unparse(node)], name)]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith("portrait."):
            named = [node.value]  # import_module("portrait.x")
        for name in named:
            parts = name.split(".") if name.startswith("portrait") else []
            found |= {known for count in range(1, len(parts) + 1) if _is_module(known := ".".join(parts[:count]))}
    return found


@cache
def _exported(source: bytes) -> dict[str, str]:
    """The names of a package that are imported when they are asked for, and the module of each (`portrait.lazy`)."""
    found: dict[str, str] = {}
    for node in ast.parse(source).body:
        if _is_places(node):
            found = ast.literal_eval(node.value)
    return found


def _is_places(node: ast.AST) -> TypeGuard[ast.Assign]:
    return isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == ["_PLACES"]


def _running(tree: ast.AST) -> Iterator[ast.AST]:
    """Every node of a module but the bodies of `if TYPE_CHECKING` and what others may import through it."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if _is_places(node):
            continue
        yield node
        if isinstance(node, ast.If) and ast.unparse(node.test).split(".")[-1] == "TYPE_CHECKING":
            waiting += node.orelse
        else:
            waiting += ast.iter_child_nodes(node)


@cache
def _sources() -> dict[str, bytes]:
    """The files of the package by name below its parent. Not by path: on a cluster the package is in a zip."""
    return dict(_files(files("portrait"), "portrait"))


def _files(folder: Traversable, prefix: str) -> Iterator[tuple[str, bytes]]:
    for item in folder.iterdir():
        name = f"{prefix}/{item.name}"
        if item.is_dir():
            if item.name != "__pycache__":
                yield from _files(item, name)
        elif not item.name.endswith(".pyc"):
            yield name, item.read_bytes()


def _module_of(file: str) -> str:
    return file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def _file_of(module: str) -> str:
    name = module.replace(".", "/")
    return f"{name}/__init__.py" if _is_package(module) else f"{name}.py"


def _modules() -> list[str]:
    return [_module_of(file) for file in _sources() if file.endswith(".py")]


def _is_module(name: str) -> bool:
    return _file_of(name) in _sources()


def _is_package(module: str) -> bool:
    return f"{module.replace('.', '/')}/__init__.py" in _sources()


def hash_text(*parts: str) -> str:
    """A short hash of texts."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]
