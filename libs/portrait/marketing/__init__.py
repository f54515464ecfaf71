"""What to offer whom: eligibility before ranking, recommendations, segments."""
