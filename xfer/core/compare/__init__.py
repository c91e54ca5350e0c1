"""From result rows to a comparison: scores, tests, costs, what is missing."""
