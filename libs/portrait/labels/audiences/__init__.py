"""Audiences: one YAML file each, an expression over labels; counted, built, explained, exported."""

from portrait.labels.audiences.clauses import Clause, labels_read
from portrait.labels.audiences.columns import Count, PortraitColumns, portrait_at
from portrait.labels.audiences.declaration import Audience, AudienceSet, CheckedAudience, load_audiences
from portrait.labels.audiences.doubts import REFUSED, Weighed, label_doubts, weigh
from portrait.labels.audiences.explanation import Behind, Line, behind, one_customer, tree
from portrait.labels.audiences.export import Export, export_audience
from portrait.labels.audiences.membership import AUDIENCES, MEMBERS, audience_members, audience_summary, audiences_at

__all__ = [
    "AUDIENCES",
    "MEMBERS",
    "REFUSED",
    "Audience",
    "AudienceSet",
    "Behind",
    "CheckedAudience",
    "Clause",
    "Count",
    "Export",
    "Line",
    "PortraitColumns",
    "Weighed",
    "audience_members",
    "audience_summary",
    "audiences_at",
    "behind",
    "export_audience",
    "label_doubts",
    "labels_read",
    "load_audiences",
    "one_customer",
    "portrait_at",
    "tree",
    "weigh",
]
