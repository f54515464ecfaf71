"""What happens, one JSON line an event: for whoever watches runs by machine, beside what people read.

`start_log` says where the lines go; without it nobody listens and nothing is written. A line has the moment, the name
of the event and its facts: numbers, names of tables and jobs, versions. Never a value of a row, never the text of a
statement.
"""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from portrait.errors import ConfigurationError

_log = logging.getLogger("portrait.events")
_log.propagate = False
_log.addHandler(logging.NullHandler())


class _JsonLine(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        facts: dict[str, Any] = getattr(record, "facts", {})
        return json.dumps({"at": moment, "event": record.getMessage(), **facts}, default=str)


def start_log(target: str | None) -> None:
    """Append events to a file, or write them to standard error for `-`; None changes nothing.

    Raises ConfigurationError when the file cannot be written.
    """
    if target is None:
        return
    try:
        handler = logging.StreamHandler(sys.stderr) if target == "-" else logging.FileHandler(Path(target))
    except OSError as error:
        raise ConfigurationError(
            "the event log cannot be written", where=target, remedy="name a file in a folder that exists, or -"
        ) from error
    handler.setFormatter(_JsonLine())
    for earlier in list(_log.handlers):
        _log.removeHandler(earlier)
        earlier.close()
    _log.addHandler(handler)
    _log.setLevel(logging.INFO)


def event(name: str, **facts: Any) -> None:
    """Say that something happened."""
    _log.info(name, extra={"facts": facts})
