"""The grid: a plan's phases as jobs of their own, handed to an executor; the store is the only channel."""
