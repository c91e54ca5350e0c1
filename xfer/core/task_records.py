"""The records of a task: where its rows lie, what they mean, how they are scored; and of a format."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import model_validator

from xfer.core.examples import Example, Row
from xfer.core.record import LanguageCode, Name, Record, Reference


class Source(Record):
    """Where a task's rows lie: a data set in a hub's layout.

    `configs` maps a language to the config that holds it ("" is the key for "any language"); `splits` maps
    our split names (train, dev, test) to one or more of the data set's own. `counts` are the published
    numbers of rows, keyed "split/language". A config that holds several languages needs `belongs`.
    """

    hub: str
    configs: Mapping[str, str]
    splits: Mapping[str, tuple[str, ...]]
    revision: str = "main"
    columns: tuple[str, ...] = ()
    belongs: Callable[[Row, str], bool] | None = None
    counts: Mapping[str, int] = {}
    quoting: bool = True
    """Whether quotation marks protect cells of csv and tsv files; off, they are characters like others."""
    patterns: tuple[str, ...] = ()
    """Files of a split where they are not in a hub's layout; "{config}" and "{split}" are filled in."""
    reader: Callable[[Path, str], Iterable[Row]] | None = None
    """`reader(path, split)`, with the data set's own name of the split, reads one file that is neither parquet,
    jsonl, csv nor tsv."""
    downloads: Mapping[str, str] = {}
    """Original files that `xfer data fetch` can get: URL to SHA-256, "" where none is known; "{config}" and
    "{split}" are filled in. A plain file goes into the folder `hub` below the data root; an archive is unpacked
    below the data root. Such a source is looked for under the data root only."""
    obtain: str = ""
    """How to come by data that cannot be downloaded; they are then looked for under the data root only."""
    otherwise: "Source | None" = None
    """Looked for when this one is not there."""
    streamed: Mapping[str, int] = {}
    """Splits of a data set of the hub that does not fit the disk: our split to the rows of a config that are taken
    by streaming. No file is downloaded whole. Splits made out of one of the data set's own do not overlap: their
    rows follow one another in the order that they are named in. `--set data.stream.<hub>=N` changes "train". The
    files of a whole copy under the data root are read up to the same number of rows."""
    note: str = ""
    """Told as a problem wherever these rows are used: what sets this copy apart from the published data."""

    @model_validator(mode="after")
    def _streamed_wholly_said(self) -> "Source":
        for split, rows in self.streamed.items():
            if rows < 1 or len(self.splits.get(split, ())) != 1 or not self.columns:
                raise ValueError(f"streamed {split!r} needs columns, one own split and a number of rows above 0")
        return self


class TaskSpec(Record):
    """A task: data set, labels, scores. `format` names what turns its examples into features and losses.

    A score function gets prediction values, the examples they belong to and the language, and returns
    metrics in points (0 to 100); `main_score` names the one that counts. A prediction's value is a label
    name (`classification`), a choice's number (`multiple-choice`), an answer text, "" for none (`span`), a
    tuple of tags, one a word (`tagging`), the predicted targets of the sources (`retrieval`).
    """

    name: Name
    version: int = 1
    summary: str
    citation: str
    licence: str
    format: Name
    languages: tuple[LanguageCode, ...]
    """Languages with an evaluation set."""
    train_languages: tuple[LanguageCode, ...] = ()
    """Languages with a training set; none for pure evaluation sets."""
    labels: tuple[str, ...] = ()
    """Label names in the order of their ids; empty: gathered from the training rows."""
    source: Source | tuple[Source, ...] | None = None
    """Several sources are joined, in order."""
    made: Mapping[str, Source] = {}
    """Training rows made from the English ones, by `via` ("mt": translations from files)."""
    rows: Callable[[str, str], Iterable[Row]] | None = None
    """`rows(split, language)`, where `source` cannot describe the files."""
    example: Callable[[Row, str], Example | None]
    """One raw row and a language to one example; None drops the row, which is counted."""
    parallel: bool = False
    """Rows of the same number are translations of one another: without identifiers they are called by it."""
    score: Callable[..., Mapping[str, float]]
    """`score(values, examples, language)`, and `tuned=` where the task has `tune`."""
    main_score: str
    score_one: Callable[[Any, Any, str], float] | None = None
    """Points of a single prediction, for paired tests and drill-down."""
    tune: Callable[[Sequence[Any], Sequence[Any], str], Any] | None = None
    """`tune(values, examples, language)` on the dev split of the same language (BUCC's threshold); its answer
    is handed to `score` as the keyword argument `tuned`."""
    heuristic: Callable[[Sequence[Any], Sequence[Any]], Sequence[Any]] | None = None
    """`heuristic(training examples, test examples)` predicts without a model; a format brings its own."""
    training_task: Reference | None = None
    """The task whose English training set this target uses, when not its own (XNLI: mnli)."""
    eval_split: str = "test"
    dev_split: str = "dev"
    options: Mapping[str, Any] = {}
    """Options of the format that this task sets."""
    traps: tuple[str, ...] = ()
    """Known faults and conventions that a reader of its scores must know."""
    fixture: tuple[Row, ...] = ()
    """Two to six invented rows in the source's own layout, for the test kit."""

    @property
    def sources(self) -> tuple[Source, ...]:
        """The sources that are joined; none for generated rows."""
        if self.source is None:
            return ()
        return self.source if isinstance(self.source, tuple) else (self.source,)


class Format(Record):
    """A kind of task. `implementation` ("module:class") is imported only when something is computed."""

    name: Name
    summary: str
    options: type[Record]
    implementation: str
