"""Named points at which a test may kill the process.

`PORTRAIT_FAULT=lake.after_commit:gold.customer_tier` kills the process with SIGKILL, as a power cut would, when it
reaches that point for that table; `PORTRAIT_FAULT=lake.after_commit` at the first table that gets there. Without the
variable a point costs one dictionary look-up.
"""

from __future__ import annotations

import os
import signal


def fault_point(name: str, detail: str = "") -> None:
    """Kill this process here when the environment asks for it."""
    wanted = os.environ.get("PORTRAIT_FAULT")
    if wanted is not None and wanted in (name, f"{name}:{detail}"):
        os.kill(os.getpid(), signal.SIGKILL)
