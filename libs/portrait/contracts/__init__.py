"""Contracts: the only place where columns, types, keys, rules, PII class and lineage are written.

`schemas/**/*.yml` holds one Open Data Contract Standard document a table. Everything else is derived from them: the
StructType, the Delta DDL, the quarantine predicate, the Great Expectations suite, the data dictionary, the job graph.
"""

from portrait.contracts.catalogue import Catalogue, load_catalogue
from portrait.contracts.contract import Column, Contract, Rule
from portrait.contracts.graph import Job, job_graph

__all__ = ["Catalogue", "Column", "Contract", "Job", "Rule", "job_graph", "load_catalogue"]
