"""Encoders and heads: transformers' own modules over streams, their files, tokenisers and devices."""
