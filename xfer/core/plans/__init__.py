"""From strategies to a plan: start points, phases and their ids, leaks, forecasts. No torch."""
