"""Settings and configuration files: read strictly, refused with file, line, key and remedy.

`conf/base.toml` < `conf/<target>.toml` < `PORTRAIT_*` < flags; an unknown key is an error in each of them.
Everything else in `conf/` is YAML that the subject's own pydantic model describes; `load_yaml` reads it.
"""

from __future__ import annotations

import getpass
import os
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeVar, cast
from zoneinfo import available_timezones

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from portrait.errors import ConfigurationError

UTC = "UTC"
Model = TypeVar("Model", bound=BaseModel)
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Strict(BaseModel):
    """A configuration model: unknown keys are errors, values do not change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Settings(Strict):
    """The suite's settings; paths are relative to the working directory."""

    landing: Path = Path("landing")
    lake: Path = Path("lake")
    conf: Path = Path("conf")
    schemas: Path = Path("schemas")
    jobs: Path = Path("jobs")
    quarantined_file: Literal["refuse", "warn"] = "refuse"
    """What a feed that brings nothing but quarantined files does to a run: stops it with exit 3, or is a warning."""
    lease_seconds: int = 120
    """How long a silent run keeps the lake before another may take it over."""
    compact_after: int = 200
    """Small files of a table of layer ops after which a run merges them."""
    interpreted_below: int = 64_000_000
    """Bytes of a job's inputs, as text, up to which Spark interprets its queries instead of compiling them to Java."""
    log: str | None = None
    """File to which events are appended as JSON lines; `-` is standard error."""
    metrics: Path | None = None
    """File for Prometheus' textfile collector, rewritten at the end of every run."""
    time_zone: str = UTC
    """The bank's, as IANA names it: it decides to which day an instant belongs, and when a day ends."""

    capabilities: tuple[str, ...] | None = None
    """Capabilities that the bank uses (`portrait capabilities` lists them); None: all."""

    @field_validator("capabilities", mode="before")
    @classmethod
    def _listed(cls, value: object) -> object:
        """A variable or flag has names with commas between them."""
        return [name.strip() for name in value.split(",") if name.strip()] if isinstance(value, str) else value

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        if value != UTC and ("/" not in value or value not in available_timezones()):
            raise ValueError(f"'{value}' is no time zone as IANA names it, such as Asia/Shanghai")
        return value

    CHANGES_RESULTS: ClassVar[frozenset[str]] = frozenset({"time_zone"})
    """Names of the settings that change what jobs compute: with another value every job is out of date."""

    def of_results(self) -> dict[str, str]:
        """The settings that change results, as text: they are part of the fingerprint of every job."""
        return {name: str(getattr(self, name)) for name in self.CHANGES_RESULTS}


def load_settings(conf: Path, *, target: str | None = None, flags: dict[str, Any] | None = None) -> Settings:
    """The settings of a run: base file, target file, environment, flags, later ones winning.

    Raises ConfigurationError for an unknown key, a wrong type or a target without a file.
    """
    if target is not None and not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", target):
        raise ConfigurationError(
            f"{target[:80]!r} is not the name of a target", where="--target", remedy="letters, digits, _ and -; no path"
        )
    values: dict[str, Any] = {"conf": conf}
    files = [conf / "base.toml"] + ([conf / f"{target}.toml"] if target else [])
    for file in files:
        values |= _load_toml(file)
    values |= _environment()
    values |= {key: value for key, value in (flags or {}).items() if value is not None}
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise ConfigurationError(
            f"setting '{key}': {first['msg'].lower()}",
            where=" < ".join(str(file) for file in files) + " < PORTRAIT_* < flags",
            remedy=f"known settings: {', '.join(Settings.model_fields)}",
        ) from error


def check_targets(conf: Path) -> None:
    """Raise ConfigurationError for a settings file of any target that is not TOML or has an unknown key."""
    for file in sorted(conf.glob("*.toml")):
        for key in _load_toml(file):
            if key not in Settings.model_fields:
                lines = file.read_text(encoding="utf-8").splitlines()
                line = next((number for number, text in enumerate(lines, 1) if text.split("=")[0].strip() == key), 1)
                raise ConfigurationError(
                    f"setting '{key}': there is no such setting",
                    where=f"{file}:{line}",
                    remedy=f"known settings: {', '.join(Settings.model_fields)}",
                )


def _load_toml(file: Path) -> dict[str, Any]:
    if not file.exists():
        raise ConfigurationError(
            f"the settings file {file.name} does not exist", where=str(file), remedy="check --conf and --target"
        )
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"not valid TOML: {error}", where=str(file), remedy="correct the line") from error


# Variables that other parts read themselves: where jars are, what a test injects, what docker-compose.yml mounts.
_NOT_SETTINGS = {"jars", "ivy_settings", "fault", "test_data", "actor", "data"}


def _environment() -> dict[str, str]:
    names = {
        key.removeprefix("PORTRAIT_").lower(): value for key, value in os.environ.items() if key.startswith("PORTRAIT_")
    }
    return {name: value for name, value in names.items() if name not in _NOT_SETTINGS}


def actor_of() -> str:
    """Who acts, for records of what people did: PORTRAIT_ACTOR, or the user of the machine."""
    return os.environ.get("PORTRAIT_ACTOR") or getpass.getuser()


@dataclass(frozen=True)
class _Document:
    """A YAML file as it was when it was parsed: its nodes, which know their lines, and its plain tree."""

    content: bytes
    node: yaml.Node | None
    tree: Any


# Parsed once per process and content: a run and its jobs ask for the same files again and again.
_documents: dict[Path, _Document] = {}
_models: dict[tuple[Path, type[BaseModel]], tuple[_Document, BaseModel]] = {}


def load_yaml(path: Path, model: type[Model]) -> Model:
    """One configuration file as its model; the same object while the file stays the same.

    Raises ConfigurationError naming file, line and key when the file is absent, not YAML, or not what the model says.
    """
    document, key = _document(path), (path.absolute(), model)
    known = _models.get(key)
    if known is not None and known[0] is document:
        return cast(Model, known[1])
    try:
        loaded = model.model_validate(document.tree)
    except ValidationError as error:
        # A misspelt key shows twice, as one too many and one missing: the first of these says what happened.
        first = min(error.errors(), key=lambda item: item["type"] != "extra_forbidden")
        raise ConfigurationError(
            f"'{'.'.join(str(part) for part in first['loc'])}': {first['msg']}",
            where=f"{path}:{line_of(path, first['loc'])}",
            remedy=_remedy(first["type"], model, first["loc"]),
        ) from error
    _models[key] = document, loaded
    return loaded


def load_yaml_tree(path: Path) -> Any:
    """The plain tree of a YAML file, not to be changed; a repeated key is an error, as is a file that is absent."""
    return _document(path).tree


def _document(path: Path) -> _Document:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        remedy = "create it, or correct the path"
        raise ConfigurationError("the file does not exist", where=str(path), remedy=remedy) from None
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ConfigurationError(f"the file cannot be read: {reason}", where=str(path), remedy="correct it") from error
    loaded = _documents.get(path.absolute())
    if loaded is None or loaded.content != content:
        loaded = _documents[path.absolute()] = _parsed(path, content)
    return loaded


def _parsed(path: Path, content: bytes) -> _Document:
    try:
        loader = _LOADER(content.decode("utf-8"))
        node = loader.get_single_node()
        _refuse_repeated_keys(node, path)
        return _Document(content, node, None if node is None else loader.construct_document(node))
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise ConfigurationError("not UTF-8", where=f"{path}:{line}", remedy="save the file as UTF-8") from error
    except (yaml.YAMLError, ValueError) as error:  # a date like 2025-02-30 is a ValueError
        mark = getattr(error, "problem_mark", None)
        where = f"{path}:{mark.line + 1}" if mark else str(path)
        raise ConfigurationError(
            "not valid YAML", where=where, remedy="correct the line; mind indentation and quotes"
        ) from error


def line_of(path: Path, location: tuple[Any, ...]) -> int:
    """The 1-based line of a key in a YAML file; of its nearest existing parent when the key is absent."""
    node: yaml.Node | None = _document(path).node
    line = 1
    for part in location:
        step = _child(node, part)
        if step is None:
            break
        line, node = step
    return line


def _child(node: yaml.Node | None, part: Any) -> tuple[int, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == str(part):
                return key.start_mark.line + 1, value
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        child = node.value[part]
        return child.start_mark.line + 1, child
    return None


def _refuse_repeated_keys(node: yaml.Node | None, path: Path) -> None:
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if key.value in seen:
                raise ConfigurationError(
                    f"the key '{key.value}' is there twice",
                    where=f"{path}:{key.start_mark.line + 1}",
                    remedy="keep one of them",
                )
            seen.add(key.value)
            _refuse_repeated_keys(value, path)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _refuse_repeated_keys(item, path)


def _remedy(kind: str, model: type[BaseModel], location: tuple[Any, ...]) -> str:
    if kind == "extra_forbidden" and len(location) == 1:
        return f"known keys: {', '.join(model.model_fields)}"
    if kind == "extra_forbidden":
        return "remove the key, or correct its spelling"
    if kind == "missing":
        return "add the key"
    return "correct the value"
