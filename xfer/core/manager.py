"""Plugins found, imported and asked. The only module that touches pluggy's hooks.

Owners: built-ins belong to "xfer", an installed package's plugin to its entry-point name, a loose file to its
stem. Third parties are isolated: what they do wrong becomes a `Problem` with plugin, distribution and version
(or a `PluginError`, where their answer is needed or plugins are strict). A failing built-in is a bug in xfer
and raises as it is, except where it only observes. Two things always pass: Ctrl-C and `Stopped`.
"""

import hashlib
import inspect
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import pluggy

from xfer.core import hookspecs
from xfer.core.data.transforms import Transform
from xfer.core.discovery import (
    Plugin,
    Refused,
    Switches,
    TooLong,
    check_owner,
    import_file,
    installed,
    time_limit,
)
from xfer.core.errors import PluginError, Stopped, UserError, near
from xfer.core.hookspecs import PROJECT
from xfer.core.records import Format, ModelSpec, Problem, Record, Strategy, Suite, TaskSpec
from xfer.core.registry import BUILTIN, Registry
from xfer.core.storage.last_calls import calling
from xfer.version import __version__

R = TypeVar("R", bound=Record)
KINDS: Mapping[type[Record], tuple[str, str]] = {
    TaskSpec: ("task", "xfer_tasks"),
    Strategy: ("strategy", "xfer_strategies"),
    Suite: ("suite", "xfer_suites"),
    ModelSpec: ("model", "xfer_models"),
    Format: ("format", "xfer_formats"),
    Transform: ("transform", "xfer_transforms"),
}
"""Collected records: what one is called, and the hook that gives them."""
_WANTED = {hook: record for record, (_, hook) in KINDS.items()} | {"xfer_check_plan": Problem}
_STAGES = {"xfer_check_plan": "plan"}


class StopRun(Stopped):
    """Raised by an observer to end the run: the state is saved, and the same command continues it."""


class PluginManager:
    """Loads built-ins, then installed packages, then files; asks them in the opposite order.

    So files come first, then packages by (distribution, name), then built-ins; `tryfirst` and `trylast` move
    a plugin among third parties, or among built-ins. `problems` grows while the manager is used. Raises
    UserError for a file that cannot be read, PluginError in place of any problem when `switches.strict`.
    `trial` is asked before an installed plugin is imported, and answers why it must not be, or "".
    """

    def __init__(
        self,
        builtins: Iterable[ModuleType] = (),
        files: Iterable[Path] = (),
        switches: Switches | None = None,
        trial: Callable[[Plugin], str] = lambda plugin: "",
    ) -> None:
        self.switches = Switches.read() if switches is None else switches
        self.problems: list[Problem] = []
        self.missing: list[str] = []
        """Plugins that did not load, and why in a word."""
        self._pluggy = pluggy.PluginManager(PROJECT)
        self._pluggy.add_hookspecs(hookspecs)
        self._plugins: dict[str, Plugin] = {}
        self._asked: dict[str, list[tuple[Plugin, Callable[..., Any]]]] = {}
        self._told: set[tuple[str, str]] = set()
        for module in reversed(list(builtins)):
            self._register(Plugin(BUILTIN, "xfer-stilts", __version__, module.__name__, builtin=True), module)
        self._load_installed(trial)
        for path in files:
            self.load_file(path)

    # ------------------------------------------------------------ loading

    def load_file(self, path: Path) -> None:
        """Load one Python file as a plugin. Raises UserError when it cannot be read."""
        path = path.absolute()
        try:
            digest = hashlib.sha256(path.read_bytes()).hexdigest()[:12]
        except OSError as error:
            raise UserError(
                f"plugin file cannot be read: {error.strerror}",
                str(path),
                "give a Python file: --plugin my_task.py",
            ) from None
        owner = path.stem.lower()
        plugin = Plugin(owner, path.name, f"sha256:{digest}", owner, "leave the file out")
        with self._isolated(plugin, "import", "load"):
            self._reserve(owner)
            self._register(plugin, import_file(path, f"xfer_file_{path.stem}_{digest}"))

    def _load_installed(self, trial: Callable[[Plugin], str]) -> None:
        if self.switches.off:
            self.missing.append("installed plugins, by XFER_NO_PLUGINS")
            return
        loaded: dict[str, tuple[Plugin, Any]] = {}
        for plugin, load in installed():
            if not self.switches.let_in(plugin.owner):
                self.missing.append(f"{plugin} is switched off")
                continue
            refused = trial(plugin)
            with self._isolated(plugin, "import", "load"):
                self._reserve(plugin.owner)
                if plugin.owner in loaded:
                    raise Refused(f"the name is taken by {loaded[plugin.owner][0]}")
                if refused:
                    raise Refused(refused)
                loaded[plugin.owner] = plugin, load()
        # pluggy calls the last registered first.
        for plugin, module in reversed(loaded.values()):
            with self._isolated(plugin, "registration", "load"):
                self._register(plugin, module)

    def _reserve(self, owner: str) -> None:
        check_owner(owner)
        if owner in self._plugins:
            raise Refused(f"the name is taken by {self._plugins[owner]}")

    def _register(self, plugin: Plugin, module: Any) -> None:
        if inspect.isclass(module):
            raise Refused("its entry point names a class; name a module or an instance")
        known = [name for name in dir(hookspecs) if name.startswith("xfer_")]
        marked = {name: self._pluggy.parse_hookimpl_opts(module, name) for name in dir(module)}
        for name, options in marked.items():
            if options is None:
                if name in known:
                    raise Refused(f"{name} is not marked with @hookimpl")
                continue
            # Plugins are asked one at a time by attribute name, which these would escape.
            if options["wrapper"] or options["hookwrapper"] or options["specname"]:
                raise Refused(f"{name}: hook wrappers and specname are not supported")
            if name not in known and not options["optionalhook"]:
                close = near(name, known)
                raise Refused(f"unknown hook {name}" + (f"; did you mean {close[0]}?" if close else ""))
        if not any(marked.values()) and not plugin.builtin:
            raise Refused("it answers no hook; mark its functions with @hookimpl of xfer.api")
        hash(module)  # pluggy keeps plugins in sets
        self._pluggy.register(module, plugin.name)
        self._plugins[plugin.name] = plugin
        self._asked.clear()

    # ------------------------------------------------------------ asking

    def collect(self, hook: str, **arguments: Any) -> list[tuple[str, Any]]:
        """All answers to a collecting hook, each with its owner. A plugin that fails gives none."""
        found: list[tuple[str, Any]] = []
        for plugin, ask in self._askers(hook):
            with self._isolated(plugin, hook, _STAGES.get(hook, "load")):
                # A generator fails only while it is read, so it is read here.
                answers = [item for answer in ask(**arguments) for item in _items(hook, answer)]
                found += [(plugin.owner, answer) for answer in answers]
        return found

    def first(self, hook: str, **arguments: Any) -> tuple[Any, str] | None:
        """The first answer that is not None, and its owner; None if nobody answers.

        Raises PluginError when a third party fails, also later, while an iterator that it answered is read.
        """
        for plugin, ask in self._askers(hook):
            answer = None
            with self._isolated(plugin, hook, "answer", needed=True):
                answer = ask(**arguments)
            if answer is not None:
                return self._watched(plugin, hook, answer), plugin.owner
        return None

    def observe(self, hook: str, **arguments: Any) -> None:
        """Tell every plugin. A failure is recorded once a plugin and hook; `StopRun` passes."""
        for plugin, ask in self._askers(hook):
            with self._isolated(plugin, hook, "observe", observer=True):
                ask(**arguments)

    def configure(self, hook: str, **arguments: Any) -> None:
        """Hand something over to be changed, to every plugin in turn."""
        for plugin, ask in self._askers(hook):
            with self._isolated(plugin, hook, "load"):
                ask(**arguments)

    def registry(self, record: type[R], settings: Any = None) -> Registry[R]:
        """All records of one of `KINDS` by name. A name given twice by one plugin counts once."""
        kind, hook = KINDS[record]
        registry: Registry[R] = Registry(kind, self.missing)
        for owner, answer in self.collect(hook, settings=settings):
            if not registry.add(owner, answer):
                plugin = next(plugin for plugin in self._plugins.values() if plugin.owner == owner)
                with self._isolated(plugin, hook, "load"):
                    raise Refused(f"the {kind} {answer.name!r} is given twice")
        return registry

    def asked(self, hook: str) -> list[str]:
        """Names of the plugins that implement a hook, in the order in which they are asked."""
        return [plugin.name for plugin, _ in self._askers(hook)]

    def plugins(self) -> list[Plugin]:
        """Third-party plugins that loaded, by name."""
        return sorted((p for p in self._plugins.values() if not p.builtin), key=lambda plugin: plugin.name)

    def working_for(self, owner: str, doing: str) -> AbstractContextManager[None]:
        """A block of core's own work over what a plugin brought, such as a task, whose functions it calls."""
        plugin = next((p for p in self._plugins.values() if p.owner == owner and not p.builtin), None)
        return self._noted(plugin, doing) if plugin else nullcontext()

    def versions(self) -> dict[str, str]:
        """Distribution and version of each third-party plugin, by owner, for the provenance of results."""
        return {plugin.owner: f"{plugin.distribution} {plugin.version}" for plugin in self.plugins()}

    def _askers(self, hook: str) -> list[tuple[Plugin, Callable[..., Any]]]:
        """Each implementing plugin with a caller that asks it alone, so that answers and failures have a name."""
        if hook not in self._asked:
            everyone = self._pluggy.get_plugins()
            found = [
                (self._plugins[impl.plugin_name], self._pluggy.subset_hook_caller(hook, everyone - {impl.plugin}))
                for impl in reversed(getattr(self._pluggy.hook, hook).get_hookimpls())
            ]
            # Not even `trylast` puts a third party behind the built-ins, which would never let it answer.
            self._asked[hook] = sorted(found, key=lambda pair: pair[0].builtin)
        return self._asked[hook]

    def _watched(self, plugin: Plugin, hook: str, answer: Any) -> Any:
        if plugin.builtin or not isinstance(answer, Iterator):
            return answer

        end = object()

        def watched() -> Iterator[Any]:
            while True:
                with self._isolated(plugin, hook, "answer", needed=True):
                    item = next(answer, end)
                if item is end:
                    return
                yield item

        return watched()

    def _noted(self, plugin: Plugin, doing: str) -> AbstractContextManager[None]:
        """Whatever else happens to this process, whose code it was in can be told afterwards."""
        if plugin.builtin:
            return nullcontext()
        return calling(plugin.owner, plugin.distribution, plugin.version, doing)

    @contextmanager
    def _isolated(
        self, plugin: Plugin, doing: str, stage: str, *, needed: bool = False, observer: bool = False
    ) -> Iterator[None]:
        if plugin.builtin and not observer:  # what fails there is a bug in xfer
            yield
            return
        try:
            with (
                self._noted(plugin, doing),
                time_limit(self.switches.seconds if stage == "load" else 0),
            ):
                yield
        except (KeyboardInterrupt, GeneratorExit, Stopped):
            raise
        except BaseException as error:
            problem = _problem(plugin, doing, stage, error)
            if needed or self.switches.strict:
                fix = f"to run without it: {plugin.without}" if plugin.without else ""
                raise PluginError(f"plugin {plugin}: {problem.message}", problem.where, fix) from error
            if stage == "load" and f"{plugin} failed" not in self.missing:
                self.missing.append(f"{plugin} failed")
            if (plugin.name, doing) not in self._told:
                self.problems.append(problem)
            if observer:
                self._told.add((plugin.name, doing))


# ---------------------------------------------------------------- helpers


def _items(hook: str, answer: Any) -> list[Any]:
    """A collecting hook's answer as a list of the right records. Raises Refused for anything else."""
    if isinstance(answer, Record | str | bytes | Mapping) or not isinstance(answer, Iterable):
        raise Refused(f"it answered one {type(answer).__name__}, not a list")
    items, wanted = list(answer), _WANTED[hook]
    for item in items:
        if not isinstance(item, wanted):
            raise Refused(f"it answered a {type(item).__name__} where a {wanted.__name__} belongs")
    return items


def _problem(plugin: Plugin, doing: str, stage: str, error: BaseException) -> Problem:
    if isinstance(error, Refused | TooLong):
        told, where, detail = str(error), "", ""
    else:
        told = " ".join("".join(traceback.format_exception_only(error)).split())
        detail = "".join(traceback.format_exception(error))
        frames = traceback.extract_tb(error.__traceback__)
        where = f"{frames[-1].filename}:{frames[-1].lineno}" if frames else ""
    return Problem(
        stage=stage,
        message=f"{doing} failed: {told}",
        plugin=plugin.name,
        distribution=plugin.distribution,
        version=plugin.version,
        where=where,
        detail=detail,
    )
