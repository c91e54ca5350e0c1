"""What every stop of a run needs at hand: settings, plugins, model, store, reporter."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from xfer.core.engine.group import Group
from xfer.core.records import Format, ModelSpec, PlannedPhase, Problem, Strategy, Suite, TaskSpec
from xfer.core.settings import RunSettings

if TYPE_CHECKING:
    from xfer.core.data.transforms import Transform
    from xfer.core.encoders.device import Device
    from xfer.core.encoders.models import Model
    from xfer.core.manager import PluginManager
    from xfer.core.registry import Registry
    from xfer.core.storage.store import Store


@dataclass(frozen=True)
class Toolkit:
    """Everything that is installed, by kind and name."""

    manager: "PluginManager"
    tasks: "Registry[TaskSpec]"
    strategies: "Registry[Strategy]"
    suites: "Registry[Suite]"
    models: "Registry[ModelSpec]"
    formats: "Registry[Format]"
    transforms: "Registry[Transform]"

    def training_task(self, task: "TaskSpec") -> "TaskSpec":
        """The task whose training set a target uses: its own, or the one that it names."""
        if not task.training_task:
            return task
        return self.tasks.get(task.training_task, within=self.tasks.owner(task))

    def listed_as(self, task: "TaskSpec") -> str:
        """The name that means this task and no other: short where it is unique."""
        return next(name for name, known in self.tasks.items() if known is task)

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What went wrong with plugins up to now."""
        return tuple(self.manager.problems)


@dataclass(frozen=True)
class Snapshot:
    """What an observer sees of a training step."""

    step: int
    total_steps: int
    task: str
    loss: float
    learning_rate: float
    tokens_per_second: float
    seconds_left: float


class Reporter:
    """What a run tells while it works. The default tells nothing; the command line draws progress bars."""

    def run_started(self, phases: Sequence[PlannedPhase]) -> None:
        """The phases of the plan, in their order, before the first of them."""

    def phase_submitted(self, planned: PlannedPhase, attempt: int) -> None:
        """A phase is handed to an executor, for the first time or again."""

    def phase_started(self, planned: PlannedPhase, position: int, total: int) -> None:
        """A phase begins. On a grid several are under way at once."""

    def step_logged(self, planned: PlannedPhase, snapshot: Snapshot) -> None:
        """Training logs a step."""

    def evaluated(self, planned: PlannedPhase, done: int, total: int) -> None:
        """Evaluation has done so many of so many tokens."""

    def phase_finished(self, planned: PlannedPhase, seconds: float, reused: bool) -> None:
        """A phase ended, or was found in the store."""

    def phase_failed(self, planned: PlannedPhase, reason: str) -> None:
        """A phase failed, or cannot run for want of one that did; others go on."""

    def problem(self, problem: Problem) -> None:
        """Something did not stop the run but must be told."""

    def close(self) -> None:
        """The run is over, well or not."""


@dataclass
class Run:
    """One run in progress."""

    settings: RunSettings
    toolkit: Toolkit
    suite: Suite
    model: "Model"
    store: "Store"
    device: "Device"
    reporter: Reporter
    name: str
    problems: list[Problem] = field(default_factory=list)
    stop_requested: Callable[[], bool] = lambda: False
    memory: dict[Any, Any] = field(default_factory=dict)
    """Examples and features that several phases of this process share."""
    large_data: Callable[[], None] = lambda: None
    """Called when a phase has tokenised data that are large enough to be kept in the store."""
    group: Group = field(default_factory=Group)
    """The processes that work on this run together."""

    def tell(self, problem: Problem) -> None:
        """Record a problem once and report it."""
        if problem not in self.problems:
            self.problems.append(problem)
            self.reporter.problem(problem)
