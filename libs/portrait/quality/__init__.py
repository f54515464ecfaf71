"""Gates: every gold slice against the rules of its contract, before anybody may see it."""

from portrait.quality.checks import check_slice
from portrait.quality.expectations import gold_suite
from portrait.quality.numbers import missing_rates, unknown_numbers
from portrait.quality.results import RuleResult, gate
from portrait.quality.slices import check_gold, results_frame

__all__ = [
    "RuleResult",
    "check_gold",
    "check_slice",
    "gate",
    "gold_suite",
    "missing_rates",
    "results_frame",
    "unknown_numbers",
]
