"""Phases at work: the walk through a plan, training, evaluation, weights made out of weights."""
