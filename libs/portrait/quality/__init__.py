"""Gates: every gold slice against the rules of its contract, and references between feeds, before anybody sees it."""

from portrait.quality.checks import check_slice
from portrait.quality.expectations import gold_suite
from portrait.quality.numbers import missing_rates, unknown_numbers
from portrait.quality.references import check_references, load_reference_policy, recorded_orphans
from portrait.quality.results import RuleResult
from portrait.quality.slices import check_gold, results_frame

__all__ = [
    "RuleResult",
    "check_gold",
    "check_references",
    "check_slice",
    "gold_suite",
    "load_reference_policy",
    "missing_rates",
    "recorded_orphans",
    "results_frame",
    "unknown_numbers",
]
