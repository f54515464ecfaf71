"""Audiences: one YAML file each, an expression over labels; counted, built, explained, exported."""

from typing import TYPE_CHECKING

from portrait.lazy import exports

if TYPE_CHECKING:
    from portrait.labels.audiences.clauses import Clause, labels_read
    from portrait.labels.audiences.columns import Count, PortraitColumns
    from portrait.labels.audiences.declaration import Audience, AudienceSet, CheckedAudience, load_audiences
    from portrait.labels.audiences.doubts import REFUSED, Weighed, label_doubts, weigh
    from portrait.labels.audiences.explanation import Behind, Line, behind, one_customer, tree
    from portrait.labels.audiences.export import Export, export_audience
    from portrait.labels.audiences.membership import audience_members, audience_summary, portrait_at
    from portrait.labels.audiences.recorded import audiences_at
    from portrait.labels.tables import AUDIENCES, MEMBERS

_PLACES = {
    "AUDIENCES": "portrait.labels.tables",
    "Audience": "portrait.labels.audiences.declaration",
    "AudienceSet": "portrait.labels.audiences.declaration",
    "Behind": "portrait.labels.audiences.explanation",
    "CheckedAudience": "portrait.labels.audiences.declaration",
    "Clause": "portrait.labels.audiences.clauses",
    "Count": "portrait.labels.audiences.columns",
    "Export": "portrait.labels.audiences.export",
    "Line": "portrait.labels.audiences.explanation",
    "MEMBERS": "portrait.labels.tables",
    "PortraitColumns": "portrait.labels.audiences.columns",
    "REFUSED": "portrait.labels.audiences.doubts",
    "Weighed": "portrait.labels.audiences.doubts",
    "audience_members": "portrait.labels.audiences.membership",
    "audience_summary": "portrait.labels.audiences.membership",
    "audiences_at": "portrait.labels.audiences.recorded",
    "behind": "portrait.labels.audiences.explanation",
    "export_audience": "portrait.labels.audiences.export",
    "label_doubts": "portrait.labels.audiences.doubts",
    "labels_read": "portrait.labels.audiences.clauses",
    "load_audiences": "portrait.labels.audiences.declaration",
    "one_customer": "portrait.labels.audiences.explanation",
    "portrait_at": "portrait.labels.audiences.membership",
    "tree": "portrait.labels.audiences.explanation",
    "weigh": "portrait.labels.audiences.doubts",
}
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
if not TYPE_CHECKING:  # or type checkers would take any name for one of the package
    __getattr__ = exports(__name__, _PLACES)
