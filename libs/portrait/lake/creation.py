"""The first commit of a table, as its contract says: what `CREATE TABLE` would write, without a statement.

Spark plans two statements and reads the table back for what are two small files. They are described in Delta's
PROTOCOL.md: protocol and metadata of version 0, and the checksum of that version, from which Spark takes both.
"""

from __future__ import annotations

import json
import os
import time
import uuid
from pathlib import Path
from typing import Any

from portrait.contracts import Contract

Action = dict[str, Any]


def first_commit(contract: Contract) -> list[Action]:
    """The actions of version 0: who made it, the metadata, the protocol, and clustering where the contract has some."""
    now = time.time_ns() // 1_000_000
    metadata = {
        "id": str(uuid.uuid4()),
        "description": contract.description,
        "format": {"provider": "parquet", "options": {}},
        "schemaString": contract.struct_type.json(),
        "partitionColumns": contract.partitioned_by,
        "configuration": contract.table_properties,
        "createdTime": now,
    }
    info = {"timestamp": now, "operation": "CREATE TABLE", "operationParameters": {}, "isBlindAppend": True}
    actions: list[Action] = [{"commitInfo": info}, {"metaData": metadata}, {"protocol": _protocol(contract)}]
    if contract.clustered_by:
        domain = "delta.clustering"
        clustering = {"clusteringColumns": [[name] for name in contract.clustered_by], "domainName": domain}
        action = {"domain": domain, "configuration": json.dumps(clustering), "removed": False}
        actions.append({"domainMetadata": action})
    return actions


def _protocol(contract: Contract) -> Action:
    """The least versions that the table's properties need; clustering has no version, only a name."""
    checked = any(name.startswith("delta.constraints.") for name in contract.table_properties)
    changes = "delta.enableChangeDataFeed" in contract.table_properties
    if not contract.clustered_by:
        return {"minReaderVersion": 1, "minWriterVersion": 4 if changes else 3 if checked else 2}
    features = ["appendOnly", "invariants", "domainMetadata", "clustering"]
    features += ["checkConstraints"] * checked + ["changeDataFeed"] * changes
    return {"minReaderVersion": 1, "minWriterVersion": 7, "writerFeatures": sorted(features)}


def create_table(folder: Path, contract: Contract) -> None:
    """Make an empty Delta table in this folder; nothing happens where there is one."""
    log = folder / "_delta_log"
    log.mkdir(parents=True, exist_ok=True)
    actions = first_commit(contract)
    named = {kind: action[kind] for action in actions for kind in action}
    checksum = {
        "tableSizeBytes": 0,
        "numFiles": 0,
        "numMetadata": 1,
        "numProtocol": 1,
        "setTransactions": [],
        "domainMetadata": [named["domainMetadata"]] if "domainMetadata" in named else [],
        "metadata": named["metaData"],
        "protocol": named["protocol"],
        "allFiles": [],
    }
    draft = log / f".{uuid.uuid4()}.tmp"
    try:
        draft.write_text("".join(json.dumps(action) + "\n" for action in actions), encoding="utf-8")
        os.link(draft, log / f"{0:020d}.json")  # whole or not at all, and never in place of another
        (log / f"{0:020d}.crc").write_text(json.dumps(checksum), encoding="utf-8")
    except FileExistsError:
        return
    finally:
        draft.unlink(missing_ok=True)
