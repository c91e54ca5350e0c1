"""Predictions in the formats of others."""
