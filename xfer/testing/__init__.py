"""The kit that authors of plugins and xfer's own tests use: checks of tasks and strategies, fakes, fixtures."""

from xfer.testing.checks import check_strategy, check_task, plan_text
from xfer.testing.fakes import fake_distribution

__all__ = ["check_strategy", "check_task", "fake_distribution", "plan_text"]
