"""From strategies to a plan: a graph of phases with ids, shared wherever they are the same work."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from xfer.core.data import transforms
from xfer.core.data.sources import settable
from xfer.core.encoders.models import Model, has_lm_head
from xfer.core.errors import PluginError, UnknownName, UserError, XferError
from xfer.core.plans import leaks
from xfer.core.plans.dev_scores import Fingerprint, scored_on_dev
from xfer.core.plans.identity import ADDED_TO_USE, NEVER_HASHED, SCHEMA, digest, lean
from xfer.core.plans.start_points import StartPoint, chosen_targets, start_points
from xfer.core.records import (
    PRETRAINED,
    Cell,
    Phase,
    Plan,
    PlanContext,
    PlannedPhase,
    Problem,
    Suite,
    TaskSpec,
    TaskUse,
    TrainSettings,
)
from xfer.core.registry import BUILTIN
from xfer.core.run import Toolkit
from xfer.core.settings import (
    RunSettings,
    check_overrides,
    resolve_options,
    resolve_training,
    unread_overrides,
)


def build_plan(
    settings: RunSettings,
    toolkit: Toolkit,
    suite: Suite,
    model: Model,
    precision: str,
    fingerprint: Fingerprint,
    starts: Sequence[StartPoint] = (),
) -> Plan:
    """Plan every (start point, seed, target); the settings' strategies give the start points if none are given.

    Raises UserError for names, parameters and settings at fault.
    """
    tasks = {name: toolkit.tasks.get(name) for name in toolkit.tasks.names()}
    formats = {name: toolkit.formats.get(name) for name in toolkit.formats.names()}
    check_overrides(settings.set, tasks, formats, settable(tasks.values()))
    preset = settings.preset or suite.default_preset
    if preset not in suite.presets:
        raise UnknownName("preset", preset, suite.presets)
    targets = chosen_targets(settings, toolkit, suite)
    starts = starts or start_points(settings, toolkit, suite)
    builder = _Builder(settings, toolkit, suite, preset, tasks, formats, model, precision, fingerprint)
    if settings.intermediate and not any("intermediate" in start.strategy.params.model_fields for start in starts):
        named = " ".join(settings.intermediate)
        builder.tell(f"--intermediate {named} is not used: no chosen strategy takes it", stage="plan")
    cells = []
    for start in starts:
        for seed in dict.fromkeys(settings.seeds):
            for target in targets:
                chain = builder.chain(start, seed, target)
                if chain:
                    cells.append(
                        Cell(
                            label=start.label,
                            strategy=start.strategy.name,
                            params=start.params.model_dump(mode="json"),
                            intermediate=start.intermediate,
                            seed=seed,
                            target=toolkit.listed_as(target),
                            phase=chain[-1],
                            chain=tuple(chain),
                            dev_phase=builder.dev_phases.get(chain[-1], ""),
                            sees=leaks.seen(
                                [builder.phases[id] for id in chain],
                                target,
                                tasks,
                                builder.transform_languages(chain),
                            ),
                        )
                    )
    for message in unread_overrides(settings.set, builder.phases.values(), tasks, formats):
        builder.tell(message, stage="plan")
    return Plan(phases=tuple(builder.phases.values()), cells=tuple(cells), problems=tuple(builder.problems))


@dataclass
class _Builder:
    settings: RunSettings
    toolkit: Toolkit
    suite: Suite
    preset: str
    tasks: Mapping[str, TaskSpec]
    formats: Mapping[str, Any]
    model: Model
    precision: str
    fingerprint: Fingerprint

    def __post_init__(self) -> None:
        self.phases: dict[str, PlannedPhase] = {}
        self.problems: list[Problem] = []
        self.dev_phases: dict[str, str] = {}
        """Scoring phases to those that score the same on dev of all languages."""
        owner = self.toolkit.suites.owner(self.suite)
        own = {task.name: task for task in self.toolkit.tasks if self.toolkit.tasks.owner(task) == owner}
        # within a suite, a short name means the task of the plugin that brings the suite
        self.known = {**self.tasks, **{name: task for name, task in own.items() if name not in self.tasks}}

    def chain(self, start: StartPoint, seed: int, target: TaskSpec) -> list[str]:
        """Plan one cell: ids of its phases in order, the scoring one last; empty when no language has rows."""
        training = self._training(target)
        context = PlanContext(
            target=target,
            training=training,
            tasks=self.known,
            suite=self.suite,
            strategies=dict(self.toolkit.strategies.items()),
        )
        ids: dict[str, str] = {}
        found: dict[str, PlannedPhase] = {}
        for phase in self._phases(start, context):
            missing = [name for name in (*phase.starts_from, *phase.needs) if name not in {*ids, PRETRAINED}]
            if missing or phase.name in ids:
                raise UserError(
                    f"strategy {start.strategy.name} plans a phase {phase.name!r} that "
                    + (f"starts from unknown {missing}" if missing else "exists already")
                )
            uses = tuple(use for use in (self._present(use, phase) for use in phase.uses) if use is not None)
            if phase.uses and not uses:
                return []
            planned = self._planned(self._few_shot(phase.model_copy(update={"uses": uses})), target, ids, seed)
            found[planned.id] = planned
            ids[phase.name] = planned.id
        if self.settings.dev_languages == "all" and ids:
            scored = ids[phase.name]
            again = scored_on_dev(found[scored].phase, self.known, self.fingerprint, self.tell)
            if again is not None:
                planned = self._planned(again, target, ids, seed)
                found[planned.id] = planned
                self.dev_phases[scored] = planned.id
        self.phases |= {id: planned for id, planned in found.items() if id not in self.phases}
        return list(dict.fromkeys(self._ancestors(ids[phase.name]))) if ids else []

    def _few_shot(self, phase: Phase) -> Phase:
        """A target's training with no more examples than `limit.target`."""
        limit = self.settings.limit.target
        if limit is None or phase.does != "train" or phase.role != "target":
            return phase
        uses = [use.model_copy(update={"cap": min(limit, use.cap or limit)}) for use in phase.uses]
        return phase.model_copy(update={"uses": tuple(uses)})

    def _phases(self, start: StartPoint, context: PlanContext) -> tuple[Phase, ...]:
        """What the strategy plans. Raises PluginError where a third party's fails."""
        try:
            phases = tuple(start.strategy.plan(context, start.params))
            if wrong := [phase for phase in phases if not isinstance(phase, Phase)]:
                raise TypeError(f"it planned a {type(wrong[0]).__name__} where a Phase belongs")
            return phases
        except XferError:
            raise
        except Exception as error:
            owner = self.toolkit.strategies.owner(start.strategy)
            if owner == BUILTIN:
                raise
            told = f"{type(error).__name__}: {error}"
            raise PluginError(f"strategy {start.strategy.name} of plugin {owner} failed: {told}") from error

    def _ancestors(self, id: str) -> Iterator[str]:
        for parent in (*self.phases[id].needs, *self.phases[id].parents):
            yield from self._ancestors(parent)
        yield id

    def _training(self, target: TaskSpec) -> TaskSpec | None:
        task = self.toolkit.training_task(target)
        return task if "en" in task.train_languages else None

    def _present(self, use: TaskUse, phase: Phase) -> TaskUse | None:
        """Drop languages without rows: told where they were not asked for, an error where they were."""
        if use.task not in self.known:
            raise UnknownName("task", use.task, self.tasks)
        task = self.known[use.task]
        evaluates = phase.does == "evaluate"
        wanted = use.languages
        if evaluates and self.settings.language:
            wanted = tuple(code for code in wanted if code in self.settings.language)
            if not wanted:
                self.tell(f"{task.name}: not scored, for it has none of {', '.join(self.settings.language)}")
        present = [code for code in wanted if self.fingerprint(task, use.split, code, use.via) is not None]
        absent = [code for code in wanted if code not in present]
        strict = not evaluates and not (use.where_present and present)
        if absent and (strict or (evaluates and self.settings.language)):
            raise UserError(
                f"{task.name}: no {use.split} rows in {', '.join(absent)}",
                where=str(self.settings.data_root or "hub"),
                fix=f"`xfer data fetch --target {task.name}` gets what can be had; or leave this out",
            )
        if absent:
            lacking = "its averages are incomplete" if evaluates else "training goes without"
            self.tell(f"{task.name}: no {use.split} rows in {', '.join(absent)}; {lacking}")
        name = self.toolkit.listed_as(task)
        return use.model_copy(update={"task": name, "languages": tuple(present)}) if present else None

    def tell(self, message: str, stage: str = "data") -> None:
        """A problem of the plan, once."""
        problem = Problem(stage=stage, message=message, where=str(self.settings.data_root or ""))
        if problem not in self.problems:
            self.problems.append(problem)

    def _planned(self, phase: Phase, target: TaskSpec, ids: Mapping[str, str], seed: int) -> PlannedPhase:
        training = phase.does == "train"
        settings = self._train_settings(phase, target) if training else {}
        fixed = {use.task: use.options for use in phase.uses}
        options = {task: self._options(task, own) for task, own in fixed.items()}
        model = f"model:{self.model.fingerprint}"
        alone = [] if phase.does == "translate" else [model]
        parents = [model if name == PRETRAINED else ids[name] for name in phase.starts_from] or alone
        needs = tuple(ids[name] for name in phase.needs)
        if training:
            self._tell_of_lm_head(phase)
        engine = self.settings.engine
        identity = {
            "schema": SCHEMA,
            "does": phase.does,
            "uses": [self._use_identity(use) | self._dev_identity(use, phase, settings) for use in phase.uses],
            "parents": parents,
            "heads": phase.heads,
            "sampling": phase.sampling.model_dump(mode="json"),
            "transform": transforms.identity(phase, self.toolkit),
            "pooling": phase.pooling,
            "params": transforms.params_identity(phase, self.toolkit),
            "settings": {self._short(name): lean(value, {"snapshots"}) for name, value in settings.items()},
            "options": {self._short(name): value for name, value in options.items()},
            "padding": engine.padding,
            "precision": self.precision,
            "seed": seed if training else None,
        } | ({"needs": list(needs)} if needs else {})
        return PlannedPhase(
            id=digest(identity),
            phase=phase,
            parents=tuple(parent for parent in parents if parent != model),
            needs=needs,
            seed=seed if training else None,
            settings=settings,
            options=options,
            identity=identity,
        )

    def _short(self, listed: str) -> str:
        """A task's own name: what else is installed, and makes it ambiguous, is not part of the work."""
        return self.tasks[listed].name if listed else ""

    def transform_languages(self, ids: Sequence[str]) -> dict[str, Sequence[str]]:
        """By phase id, the languages that its transform brings into training."""
        found = {}
        for id in ids:
            phase = self.phases[id].phase
            transform = self.toolkit.transforms.get(phase.transform) if phase.transform else None
            if transform is not None and transform.languages is not None:
                found[id] = transform.languages(phase.params)
        return found

    def _train_settings(self, phase: Phase, target: TaskSpec) -> dict[str, TrainSettings]:
        """Settings by task, and under "" those that the phase as a whole follows (learning rate, schedule)."""
        own = (target.name, self.toolkit.listed_as(target)) if phase.role == "target" else ()
        names = {use.task: tuple(dict.fromkeys((self.tasks[use.task].name, use.task, *own))) for use in phase.uses}
        leading = {use.task for use in phase.uses if use.steps_ratio is None} or set(names)
        names[""] = names[leading.pop()] if len(leading) == 1 else own
        return {
            task: resolve_training(self.suite, self.preset, self.settings.set, phase.role, keys, phase.overrides)
            for task, keys in names.items()
        }

    def _tell_of_lm_head(self, phase: Phase) -> None:
        masked = any(self.tasks[use.task].format == "masked-lm" and not use.counts_only for use in phase.uses)
        if masked and not has_lm_head(self.model.folder):
            self.tell(
                f"{self.model.name} has no masked-LM head; continued masked LM begins with one drawn afresh, whose "
                "transform is random (its output layer is tied to the embeddings)"
            )

    def _options(self, task: str, fixed: Mapping[str, Any]) -> dict[str, Any]:
        spec = self.tasks[task]
        if spec.format not in self.formats:
            raise UnknownName("format", spec.format, self.formats, f"(of task {spec.name})")
        record = resolve_options(
            self.formats[spec.format], spec, self.suite, self.model.options, self.settings.set, fixed
        )
        return record.model_dump(mode="json")

    def _use_identity(self, use: TaskUse) -> dict[str, Any]:
        task = self.tasks[use.task]
        owner = self.toolkit.tasks.owner(task)
        return {
            **lean(use, ADDED_TO_USE, NEVER_HASHED),
            "task": task.name,
            "version": task.version,
            **({} if owner == BUILTIN else {"owner": owner}),
            "limit": self.settings.limit.of(use.split),
            "data": {code: self.fingerprint(task, use.split, code, use.via) for code in use.languages},
        }

    def _dev_identity(self, use: TaskUse, phase: Phase, settings: Mapping[str, TrainSettings]) -> dict[str, Any]:
        """The dev rows that numbers depend on: English ones that weights are chosen on, those of a threshold."""
        task = self.tasks[use.task]
        languages: tuple[str, ...]
        if phase.does == "train" and settings[use.task].keep == "best" and task.format != "masked-lm":
            languages, via = (() if use.counts_only else ("en",)), "original"
        elif phase.does == "evaluate" and task.tune is not None:
            languages, via = use.languages, use.via
        else:
            return {}
        data = {code: self.fingerprint(task, task.dev_split, code, via) for code in languages}
        if absent := [code for code, rows in data.items() if rows is None]:
            raise UserError(
                f"{task.name}: no {task.dev_split} rows in {', '.join(absent)}, which "
                + ("keep=best chooses the weights on" if phase.does == "train" else "its threshold is tuned on"),
                where=str(self.settings.data_root or "hub"),
                fix=f"`xfer data fetch --target {task.name}` gets what can be had"
                + (", or --set train.keep=last" if phase.does == "train" else ""),
            )
        return {"dev": {"limit": self.settings.limit.of(task.dev_split), "data": data}}
