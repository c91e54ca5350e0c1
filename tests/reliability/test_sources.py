"""What xfer's own sources may not do: write past the storage, unpickle, run text as code, trust remote code."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import xfer

ROOT = Path(xfer.__file__).parent
WRITER = "core/storage/disk.py"
DOORS = frozenset({"files", "disk", "store", "downloads"})
"""Our own modules, whose functions may be called `write_text` and the like."""
ALLOWED = {
    ("core/storage/checkpoints.py", "save_file"),  # into a folder that is committed, counted as an operation
    ("core/data/downloads.py", "extractall"),  # into a folder that is put in place afterwards
    ("core/engine/pretrain.py", "save_pretrained"),  # into a folder that is committed
    ("core/exchange/export.py", "rmdir"),  # of an empty folder, before another takes its place
    ("core/exchange/huggingface.py", "save_pretrained"),  # into a folder that is committed
    ("core/engine/tokenised.py", "save"),  # into a folder that is committed
    ("core/engine/evaluate.py", "write_table"),  # into memory
    ("testing/encoders.py", "save_pretrained"),  # made for tests, in folders of theirs
    ("probe.py", "write"),  # to a pipe
    ("testing/fakes.py", "mkdir"),
    ("testing/fakes.py", "write_text"),
}
WRITES = {
    "write_text", "write_bytes", "mkdir", "makedirs", "unlink", "rmdir", "rename", "renames", "touch", "symlink_to",
    "hardlink_to", "symlink", "link", "chmod", "truncate", "ftruncate", "utime", "rmtree", "copyfile", "copytree",
    "copy2", "copyfileobj", "savez", "savetxt", "tofile", "save_file", "save_pretrained", "to_parquet", "to_csv",
    "write_table", "extractall", "mkdtemp", "mkstemp", "mkfifo", "NamedTemporaryFile", "TemporaryFile",
    "TemporaryDirectory", "FileHandler",
}  # fmt: skip
MODULES = frozenset({"os", "shutil"})
OF_MODULES = frozenset({"write", "remove", "replace", "copy", "move", "pwrite", "removedirs"})
SAVES = {
    ("torch", "save"),
    ("np", "save"),
    ("numpy", "save"),
    ("json", "dump"),
    ("pickle", "dump"),
    ("toml", "dump"),
}
READ_FLAGS = frozenset({"O_RDONLY", "O_NOFOLLOW"})


@cache
def sources() -> list[tuple[str, ast.Module]]:
    paths = sorted(path for path in ROOT.rglob("*.py") if "templates" not in path.parts)
    return [(path.relative_to(ROOT).as_posix(), ast.parse(path.read_text(encoding="utf-8"))) for path in paths]


def called(node: ast.Call) -> tuple[str, str]:
    """What a call is of, and its name: ("files", "write_text"), ("", "open")."""
    match node.func:
        case ast.Name(id=name):
            return "", name
        case ast.Attribute(value=ast.Name(id=owner), attr=name):
            return owner, name
        case ast.Attribute(attr=name):
            return "?", name
    return "?", "?"


def opens_to_write(node: ast.Call, owner: str) -> bool:
    if owner == "os":
        named = {item.attr for item in ast.walk(node) if isinstance(item, ast.Attribute)}
        return any(name.startswith("O_") and name not in READ_FLAGS for name in named)
    place = 1 if owner in ("", "tarfile", "zipfile", "gzip", "bz2", "lzma") else 0
    modes = [item.value for item in node.keywords if item.arg == "mode"] + node.args[place : place + 1]
    return any(not isinstance(mode, ast.Constant) or set(str(mode.value)) & set("wax+") for mode in modes)


def writes(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Names and lines of the calls that change the disk."""
    own = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        owner, name = called(node)
        if owner in DOORS or (owner == "" and name in own):
            continue
        path_replace = (
            name == "replace" and owner not in ("", *MODULES) and len(node.args) == 1 and not node.keywords
        )
        if (
            name in WRITES
            or (owner, name) in SAVES
            or (owner in MODULES and name in OF_MODULES)
            or path_replace
            or (name == "open" and opens_to_write(node, owner))
        ):
            yield name, node.lineno


def test_the_rule_knows_a_write_when_it_sees_one() -> None:
    found = """open(p, "w"); p.open("ab"); os.open(p, os.O_WRONLY | os.O_CREAT); p.write_text(""); p.rename(q)
p.replace(q); os.replace(p, q); shutil.copy(p, q); shutil.rmtree(p); torch.save(x, p); json.dump(x, f)
np.save(p, x); open(p, mode); p.unlink(); tempfile.mkdtemp(); os.remove(p); p.open(mode="x")"""
    fine = """open(p); p.open("rb"); p.open(encoding="utf-8"); os.open(p, os.O_RDONLY | os.O_NOFOLLOW)
text.replace("a", "b"); files.write_text(p, ""); files.remove(p); replace(record, x=1); dict.copy()
tarfile.open(p); json.dumps(x); open(descriptor, "rb")"""
    assert len(list(writes(ast.parse(found)))) == 17
    assert list(writes(ast.parse(fine))) == []


def test_only_one_module_writes() -> None:
    seen, used, found = 0, set(), []
    for name, tree in sources():
        seen += 1
        if name == WRITER:
            assert len(list(writes(tree))) >= 10
            continue
        for call, line in writes(tree):
            used.add((name, call))
            if (name, call) not in ALLOWED:
                found.append(f"xfer/{name}:{line} calls {call}: go through xfer.core.storage.files")
    assert found == []
    assert seen > 180
    unused = {(name, call) for name, call in ALLOWED - used if (ROOT / name).exists()}
    assert unused == set(), "exceptions that nobody needs"


FORBIDDEN_IMPORTS = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve", "torch.distributed"}
FORBIDDEN_CALLS = {("", "eval"), ("", "exec"), ("", "compile"), ("os", "system"), ("os", "popen"), ("yaml", "load")}
PICKLING = ("_object_list", "_gather_object")
"""How the names of collective operations end that pickle what they send."""
OWN_OBJECTS = [("core/engine/group.py", "torch.distributed"), ("testing/checks.py", "pickle")]
"""Processes of one group send numbers and JSON to each other. The kit for plugins sends what a plugin has just made
through pickle, as worker processes would."""
UNSAFE = {("trust_remote_code", True), ("weights_only", False), ("shell", True)}


def unsafe(tree: ast.AST) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [item.name for item in node.names]
            yield from ((name, node.lineno) for name in names if name in FORBIDDEN_IMPORTS)
        if isinstance(node, ast.Call):
            pickles = called(node) == ("torch", "load") or called(node)[1].endswith(PICKLING)
            if called(node) in FORBIDDEN_CALLS or pickles:
                yield ".".join(called(node)), node.lineno
            for item in node.keywords:
                if isinstance(item.value, ast.Constant) and (item.arg, item.value.value) in UNSAFE:
                    yield str(item.arg), node.lineno


def test_nothing_unpickles_or_runs_text() -> None:
    assert len(list(unsafe(ast.parse("import pickle\neval(x)\ntorch.load(p)\nf(trust_remote_code=True)")))) == 4
    assert len(list(unsafe(ast.parse("dist.broadcast_object_list(x)\nd().all_gather_object(x, y)")))) == 2
    found = [(name, what) for name, tree in sources() for what, _ in unsafe(tree)]
    assert found == OWN_OBJECTS


def test_what_transformers_reads_is_never_remote_code() -> None:
    """Every `from_pretrained` of a class that could ask for it says no, or is of a class known by then."""
    said = []
    for name, tree in sources():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and called(node)[1] == "from_pretrained":
                owner = called(node)[0]
                refused = any(item.arg == "trust_remote_code" for item in node.keywords)
                said.append((name, owner, refused))
    assert len(said) >= 4
    assert [one for one in said if one[1].startswith("Auto") and not one[2]] == []
