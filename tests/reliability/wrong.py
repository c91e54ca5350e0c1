"""Wrong and hostile input by kind: what is put where, and the command that meets it."""

import json
import os
import pickle
import re
import shutil
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TOY = Path(__file__).parents[1] / "engine" / "toy.py"


@dataclass(frozen=True)
class Case:
    """A change of a copy of a good checkpoint, a configuration or a plugin, and what is asked for then."""

    make: Callable[[Path], object]
    """Gets an empty folder with `model`, a good checkpoint, in it."""
    arguments: tuple[str, ...] = ()
    """In place of, or after, a plain run; "{here}" is the folder."""
    status: int = 2


def nothing(here: Path) -> None:
    """The arguments are at fault."""


# ---------------------------------------------------------------- checkpoints


def _config(**fields: Any) -> Callable[[Path], object]:
    def make(here: Path) -> None:
        path = here / "model" / "config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))

    return make


def _linked(name: str, outside: bool = True) -> Callable[[Path], object]:
    def make(here: Path) -> None:
        target = here / "elsewhere"
        shutil.move(here / "model" / name, target)
        (here / "model" / name).symlink_to(target)

    return make


def _text(name: str, text: str | bytes) -> Callable[[Path], object]:
    data = text.encode() if isinstance(text, str) else text
    return lambda here: (here / "model" / name).write_bytes(data)


def _tensors(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], object]:
    def make(here: Path) -> None:
        from safetensors.torch import load_file, save_file

        path = here / "model" / "model.safetensors"
        tensors = {name: tensor.clone() for name, tensor in load_file(path).items()}
        change(tensors)
        save_file(tensors, path, metadata={"format": "pt"})

    return make


def _header(change: Callable[[dict[str, Any], bytes], tuple[bytes, bytes]]) -> Callable[[Path], object]:
    """Rewrite the header of model.safetensors: gets header and data, gives both as bytes."""

    def make(here: Path) -> None:
        path = here / "model" / "model.safetensors"
        data = path.read_bytes()
        (size,) = struct.unpack("<Q", data[:8])
        header, rest = change(json.loads(data[8 : 8 + size]), data[8 + size :])
        path.write_bytes(struct.pack("<Q", len(header)) + header + rest)

    return make


def _poison(tensors: dict[str, Any]) -> None:
    next(tensor for name, tensor in tensors.items() if "embeddings" in name).view(-1)[0] = float("nan")


def _first(header: dict[str, Any], **fields: Any) -> dict[str, Any]:
    name = sorted(key for key in header if key != "__metadata__")[0]
    return {**header, name: {**header[name], **fields}}


class Evil:
    """Leaves a mark where it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (os.environ.get("XFER_TEST_MARK", "/nonexistent/mark"),)


def _pickled(name: str, keep: bool) -> Callable[[Path], object]:
    def make(here: Path) -> None:
        if not keep:
            (here / "model" / "model.safetensors").unlink()
        (here / "model" / name).write_bytes(pickle.dumps(Evil()))

    return make


def _index(entry: str) -> Callable[[Path], object]:
    def make(here: Path) -> None:
        from safetensors import safe_open

        path = here / "model" / "model.safetensors"
        with safe_open(path, "pt") as opened:
            names = list(opened.keys())
        shutil.move(path, here / "outside.safetensors")
        index = {"metadata": {}, "weight_map": dict.fromkeys(names, entry.format(here=here))}
        (here / "model" / "model.safetensors.index.json").write_text(json.dumps(index))

    return make


def _remote_code(here: Path) -> None:
    code = "import os\nos.mkdir(os.environ['XFER_TEST_MARK'])\n"
    (here / "model" / "modeling_evil.py").write_text(code)
    _config(auto_map={"AutoConfig": "modeling_evil.C", "AutoModel": "modeling_evil.M"}, model_type="evil")(here)


def _remote_code_of_a_known_kind(here: Path) -> None:
    _remote_code(here)
    _config(model_type="xlm-roberta")(here)


def _remote_tokeniser(here: Path) -> None:
    (here / "model" / "tok_evil.py").write_text("import os\nos.mkdir(os.environ['XFER_TEST_MARK'])\n")
    path = here / "model" / "tokenizer_config.json"
    fields = {**json.loads(path.read_text()), "auto_map": {"AutoTokenizer": ["tok_evil.T", "tok_evil.T"]}}
    path.write_text(json.dumps(fields | {"tokenizer_class": "EvilTokenizer"}))


DEEP = "[" * 100_000
CHECKPOINTS = {
    "weights are a link to elsewhere": Case(_linked("model.safetensors")),
    "configuration is a link to elsewhere": Case(_linked("config.json")),
    "tokeniser is a link to elsewhere": Case(_linked("tokenizer.json")),
    "index names a file above": Case(_index("../outside.safetensors")),
    "index names an absolute path": Case(_index("{here}/outside.safetensors")),
    "index is a list": Case(lambda here: (_index("x")(here), _text("model.safetensors.index.json", "[]")(here))),
    "index is deep": Case(lambda here: (_index("x")(here), _text("model.safetensors.index.json", DEEP)(here))),
    "index names a shard that is not there": Case(_index("model-00001-of-00002.safetensors")),
    "only a pickle": Case(_pickled("pytorch_model.bin", keep=False)),
    "a pickle, and pickles allowed": Case(
        _pickled("pytorch_model.bin", keep=False), ("--set", "engine.allow_pickle=true")
    ),
    "code of its own for an unknown kind": Case(_remote_code),
    "code of its own for a known kind": Case(_remote_code_of_a_known_kind),
    "tokeniser with code of its own": Case(_remote_tokeniser),
    "attention from the hub": Case(_config(_attn_implementation="nobody/kernel")),
    "attention from the hub, inner name": Case(_config(_attn_implementation_internal="nobody/kernel")),
    "attention by another name from the hub": Case(_config(attn_implementation="nobody/kernel")),
    "weights that are not finite": Case(_tensors(_poison)),
    "weights of another shape": Case(
        _tensors(lambda t: t.update({k: v[:1].contiguous() for k, v in t.items() if "LayerNorm.weight" in k}))
    ),
    "a weight too many": Case(
        _tensors(lambda t: t.update({"roberta.encoder.layer.9.output.dense.weight": t["lm_head.bias"].clone()}))
    ),
    "a weight too few": Case(_tensors(lambda t: t.pop(sorted(k for k in t if "layer.0" in k)[0]))),
    "a weight with a path for a name": Case(
        _tensors(lambda t: t.update({"../../x": next(iter(t.values())).clone()})), status=2
    ),
    "an encoder-decoder": Case(_config(is_encoder_decoder=True)),
    "weights of another kind of file": Case(_text("model.safetensors", b"PK\x03\x04" + bytes(1000))),
    "weights are a web page": Case(_text("model.safetensors", "<!doctype html><title>404</title>" * 50)),
    "weights are empty": Case(_text("model.safetensors", "")),
    "header of 2^62 bytes": Case(_text("model.safetensors", struct.pack("<Q", 1 << 62) + b"{}")),
    "header is deep": Case(_text("model.safetensors", struct.pack("<Q", len(DEEP)) + DEEP.encode())),
    "header is a list": Case(_text("model.safetensors", struct.pack("<Q", 2) + b"[]")),
    "header with offsets past the end": Case(
        _header(lambda h, d: (json.dumps(_first(h, data_offsets=[0, 1 << 50])).encode(), d))
    ),
    "header with overlapping tensors": Case(
        _header(lambda h, d: (json.dumps(_first(h, data_offsets=[4, 8])).encode(), d))
    ),
    "header with a shape that overflows": Case(
        _header(lambda h, d: (json.dumps(_first(h, shape=[1 << 40, 1 << 40])).encode(), d))
    ),
    "bytes after the last tensor": Case(_header(lambda h, d: (json.dumps(h).encode(), d + b"more"))),
    "data cut short": Case(_header(lambda h, d: (json.dumps(h).encode(), d[:-1]))),
    "configuration of ten megabytes": Case(_text("config.json", '{"model_type": "' + "x" * 11_000_000 + '"}')),
    "configuration is deep": Case(_text("config.json", DEEP)),
    "configuration is a list": Case(_text("config.json", "[]")),
    "a kind that is a number": Case(_config(model_type=3)),
    "a hundred million layers": Case(_config(num_hidden_layers=100_000_000)),
    "hidden size of a billion": Case(_config(hidden_size=1_000_000_000)),
    "hidden size as text": Case(_config(hidden_size="big")),
    "no heads of attention": Case(_config(num_attention_heads=0)),
    "heads that do not divide": Case(_config(num_attention_heads=3)),
    "vocabulary of minus one": Case(_config(vocab_size=-1)),
    "an activation that is code": Case(_config(hidden_act="__import__('os').mkdir('x')")),
    "padding outside the vocabulary": Case(_config(pad_token_id=99_999)),
    "tokeniser is no JSON": Case(_text("tokenizer.json", "{")),
    "tokeniser is JSON of something else": Case(_text("tokenizer.json", '{"version": "1.0"}')),
    "tokeniser knows more than the model": Case(_config(vocab_size=50)),
}  # fmt: skip

# ---------------------------------------------------------------- configuration


def _toml(text: str | bytes) -> Case:
    data = text.encode() if isinstance(text, str) else text
    return Case(lambda here: (here / "c.toml").write_bytes(data), ("--config", "{here}/c.toml"))


CONFIGURATIONS = {
    "two megabytes": _toml("a = 1\n" * 400_000),
    "a key of a hundred thousand parts": _toml(".".join("a" * 100_000) + " = 1"),
    "a table of a hundred parts": _toml("[set." + ".".join("a" * 100) + "]\nb = 1"),
    "arrays in arrays": _toml("seeds = " + "[" * 9_000 + "]" * 9_000),
    "inline tables in inline tables": _toml("set = " + "{a = " * 5_000 + "1" + "}" * 5_000),
    "YAML with aliases": _toml("a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n"),
    "JSON": _toml('{"suite": "toy"}'),
    "a NUL": _toml(b'suite = "to\x00y"'),
    "UTF-16": _toml('suite = "toy"'.encode("utf-16")),
    "Latin-1": _toml('name = "caf\xe9"'.encode("latin-1")),
    "a number of a hundred thousand digits": _toml("seeds = [" + "9" * 100_000 + "]"),
    "seeds as text": _toml('seeds = ["a"]'),
    "no seeds": _toml("seeds = []"),
    "no strategy": _toml("strategy = []"),
    "a key twice": _toml('suite = "toy"\nsuite = "mini"'),
    "an unknown key": _toml('modell = "x"'),
    "an unknown key of limit": _toml("[limit]\ntrian = 5"),
    "a limit of zero": _toml("[limit]\ntrain = 0"),
    "a limit that is true": _toml("[limit]\ntrain = true"),
    "a limit of text": _toml('limit = "5"'),
    "set is text": _toml('set = "train.lr=1"'),
    "a learning rate that is not a number": _toml("[set.train]\nlr = nan"),
    "a learning rate without end": _toml("[set.train]\nlr = inf"),
    "a learning rate that is a date": _toml("[set.train]\nlr = 1979-05-27"),
    "a learning rate below zero": _toml("[set.train]\nlr = -1.0"),
    "a batch of nothing": _toml("[set.train]\nbatch_size = 0"),
    "the store is a number": _toml("store = 5"),
    "the folder of a configuration": Case(nothing, ("--config", "{here}/model")),
    "a name that climbs": _toml('name = "../../x"'),
    "a name that is absolute": _toml('name = "/etc/x"'),
    "a name of a device": _toml('name = "con"'),
    "a name that erases the screen": _toml('name = "a\\u001b[2J"'),
    "a name that turns the line round": _toml('name = "a\\u202etxt"'),
    "a name of three hundred letters": _toml('name = "' + "a" * 300 + '"'),
    "a task that climbs": _toml('target = ["../../etc/passwd"]'),
    "a task that erases the screen": _toml('target = ["\\u001b[2Jtoy-class"]'),
    "a language with markup": _toml('language = ["<script>alert(1)</script>"]'),
    "a language that climbs": _toml('language = ["../de"]'),
    "a strategy with markup": _toml('strategy = ["none[/bold]"]'),
    "a strategy with a formula": _toml('strategy = ["=1+1"]'),
    "a model that climbs": _toml(f'model = "{"../" * 30}etc"'),
    "a model that is a switch": _toml('model = "--help"'),
    "a device with a break": _toml('device = "cpu\\n\\u001b]0;owned\\u0007"'),
    "a value that is deep JSON": Case(nothing, ("--set", "train.lr=" + "[" * 50_000)),
    "a value beyond all numbers": Case(nothing, ("--set", "train.lr=1e999")),
    "a path of settings that is endless": Case(nothing, ("--set", ".".join("a" * 3_000) + "=1")),
    "a limit of thirty digits": Case(nothing, ("--limit", "train=-" + "9" * 30)),
}

# ---------------------------------------------------------------- plugins

TASK = """
from xfer.api import TaskSpec, TextExample, hookimpl

def rows(split, language):
    {rows}

def example(row, language):
    {example}

def score(values, examples, language):
    {score}

@hookimpl
def xfer_tasks():
    return [TaskSpec(name={name!r}, summary="s", citation="c", licence="l", format={format!r},
        languages={languages!r}, train_languages=("en",), labels=("cat", "dog"), rows=rows,
        example=example, score=score, main_score={main!r})]
"""
GOOD = {
    "rows": 'return [{"id": str(n), "text": "the cat"} for n in range(8)]',
    "example": 'return TextExample(row["id"], language, row["text"], label="cat")',
    "score": 'return {"accuracy": 1.0}',
    "name": "odd",
    "format": "classification",
    "languages": ("en",),
    "main": "accuracy",
}


def _plugin(status: int, **parts: Any) -> Case:
    return Case(
        lambda here: (here / "odd.py").write_text(TASK.format(**{**GOOD, **parts})),
        ("--plugin", "{here}/odd.py", "--target", "odd"),
        status,
    )


PLUGINS = {
    "rows raise": _plugin(5, rows='raise OSError("gone")'),
    "rows exit": _plugin(5, rows="raise SystemExit(0)"),
    "rows are a number": _plugin(5, rows="return 7"),
    "rows are None": _plugin(5, rows="return None"),
    "rows are texts": _plugin(5, rows='return ["a", "b"]'),
    "rows fail half way": _plugin(3, rows='yield {"id": "1", "text": "a"}\n    raise KeyError("b")'),
    "no rows": _plugin(2, rows="return []"),
    "example raises": _plugin(2, example='return row["colour"]'),
    "example is text": _plugin(3, example='return row["text"]'),
    "example with an unknown label": _plugin(
        2, example='return TextExample(row["id"], language, "x", label="cow")'
    ),
    "example with text that is None": _plugin(
        2, example='return TextExample(row["id"], language, None, label="cat")'
    ),
    "example drops every row": _plugin(2, example="return None"),
    "score raises": _plugin(3, score="return 1 / 0"),
    "score is None": _plugin(3, score="return None"),
    "score is a number": _plugin(3, score="return 5.0"),
    "score is text": _plugin(3, score='return {"accuracy": "good"}'),
    "score is NaN": _plugin(3, score='return {"accuracy": float("nan")}'),
    "score lacks the main one": _plugin(3, score='return {"f1": 1.0}'),
    "score has a name with markup": _plugin(3, score='return {"accuracy": 1.0, "<script>": 2.0}'),
    "score exits": _plugin(3, score="raise SystemExit(0)"),
    "name that climbs": _plugin(2, name="../odd"),
    "name with markup": _plugin(2, name="<b>odd</b>"),
    "name with a formula": _plugin(2, name="=1+1"),
    "name with LaTeX": _plugin(2, name="\\input{x}"),
    "name that erases the screen": _plugin(2, name="\x1b[2J"),
    "language that climbs": _plugin(2, languages=("../../../x",)),
    "language with markup": _plugin(2, languages=("<b>",)),
    "language that erases the screen": _plugin(2, languages=("\x1b[2J",)),
    "language of nothing": _plugin(2, languages=("",)),
    "main score with markup": _plugin(3, main="<b>"),
    "format that is not there": _plugin(2, format="telepathy"),
}

KINDS: dict[str, dict[str, Case]] = {
    "checkpoint": CHECKPOINTS,
    "configuration": CONFIGURATIONS,
    "plugin": PLUGINS,
}


def arguments(case: Case, here: Path) -> list[str]:
    """The command line that meets the case: a plain run, but for what the configuration says itself."""
    given = [part.replace("{here}", str(here)) for part in case.arguments]
    options = {
        "suite": "toy", "plugin": str(TOY), "model": f"{here}/model", "store": f"{here}/store", "strategy": "none",
        "limit": "train=8,test=4,dev=4", "set": "train.max_steps=1", "target": "toy-class",
    }  # fmt: skip
    path = here / "c.toml"
    said = path.read_bytes()[:2000].decode(errors="replace") if path.is_file() else ""
    line = ["run", "--quiet"]
    for name, value in options.items():
        in_file = re.search(rf"^(\[?{name}\b)", said, re.MULTILINE)
        if not in_file and (f"--{name}" not in given or name in ("set", "plugin")):
            line += [f"--{name}", value]
    return line + given
