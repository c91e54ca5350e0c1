"""Experiment trackers: `xfer run --tracker NAME` tells them of every phase. Each needs its extra."""
