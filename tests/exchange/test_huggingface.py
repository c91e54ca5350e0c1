"""`xfer export --to hf`: what transformers loads gives xfer's own logits; what it cannot is said."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

import xfer
from xfer.core.errors import UserError
from xfer.core.exchange.upload import upload
from xfer.testing.pytest_plugin import Outcome

Run = Callable[..., Outcome]
TARGETS = ("mini-xnli", "mini-udpos", "mini-xquad", "mini-tatoeba")


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory, tiny_encoder: Callable[[str], Path]) -> Callable[[str], Path]:
    """A store with a run `first` of a tiny encoder of some kind, made once."""
    made: dict[str, Path] = {}

    def store(kind: str) -> Path:
        if kind not in made:
            made[kind] = tmp_path_factory.mktemp("hf") / kind
            xfer.run(
                ("none",) if kind != "xlm-roberta" else ("none", "english-stilts", "layer-attention"),
                model=str(tiny_encoder(kind)), target=TARGETS if kind == "xlm-roberta" else TARGETS[:1],
                language=("de", "en"), limit={"train": 8, "dev": 4, "test": 4}, intermediate=("mini-hellaswag",),
                set={"train.max_steps": 1}, keep="all", store=made[kind], name="first",
            )  # fmt: skip
        return made[kind]

    return store


def exported(run_xfer: Run, store: Path, folder: Path, *arguments: str) -> dict[str, Any]:
    done = run_xfer("export", "first", "--to", "hf", "--store", store, "--output", folder, "--json", *arguments)
    assert done.status == 0, done.err
    return dict(json.loads(done.out))


def logits(kind: Any, folder: Path, text: tuple[str, str]) -> Any:
    import torch
    from transformers import AutoTokenizer

    model = kind.from_pretrained(str(folder)).eval()
    ids = AutoTokenizer.from_pretrained(str(folder))([text[0]], [text[1]], return_tensors="pt")
    with torch.no_grad():
        return model, ids["input_ids"], model(**ids)


def ours(store: Path, target: str, label: str, ids: Any) -> Any:
    """xfer's logits of the weights behind a cell, for one sequence."""
    import numpy as np
    import torch

    from xfer import bootstrap
    from xfer.core.batches.batching import Collator
    from xfer.core.batches.features import Features
    from xfer.core.encoders.encoder import Encoder
    from xfer.core.encoders.weights import load_head, stored_heads
    from xfer.core.loading import load_object
    from xfer.core.storage.store import Store

    run = Store(store).load_run("first")
    cell = next(cell for cell in run.plan.cells if (cell.target, cell.label) == (target, label))
    planned = next(phase for phase in run.plan.phases if phase.id == cell.phase)
    folder = Store(store).phase_folder(planned.identity["parents"][0])
    toolkit = bootstrap.load()
    task = toolkit.tasks.get(target)
    heads = stored_heads(folder)
    owner = task if target in heads else toolkit.training_task(task)
    encoder = Encoder.load(folder)
    code = load_object(toolkit.formats.get(task.format).implementation)(
        owner, tuple(heads[owner.name]["labels"]), None
    )
    head, _ = load_head(folder, code, encoder)
    words = ids[0].numpy().astype(np.int32)
    features = Features(words, np.array([0, len(words)]), np.arange(2), np.arange(1))
    device = torch.device("cpu")
    types = Collator(features, encoder.pad_id, encoder.position_offset, device, sort=False, separator=3)
    plain = Collator(features, encoder.pad_id, encoder.position_offset, device, sort=False)
    batch = (types if encoder.config.model_type == "bert" else plain).batch(np.arange(1))
    with torch.no_grad():
        hidden = encoder(batch)
        out = head.eval()(hidden, batch.starts) if task.format == "classification" else head.eval()(hidden)
    return out[: len(words)], tuple(heads[owner.name]["labels"])


PAIR = ("the red cat sleeps", "die rote katze")


@pytest.mark.parametrize("kind", ["xlm-roberta", "roberta", "bert", "deberta-v2"])
def test_a_classifier_loads_with_its_own_logits(
    run_xfer: Run, stores: Callable[[str], Path], tmp_path: Path, kind: str
) -> None:
    from transformers import AutoModelForSequenceClassification as Auto

    store, folder = stores(kind), tmp_path / "out"
    told = exported(run_xfer, store, folder, "--target", "mini-xnli", "--label", "none")
    assert told["loads_as"] == "AutoModelForSequenceClassification"
    assert told["difference"] <= 1e-5
    model, ids, out = logits(Auto, folder, PAIR)
    expected, labels = ours(store, "mini-xnli", "none", ids)
    assert float((out.logits - expected).abs().max()) < 1e-5
    assert tuple(model.config.id2label[number] for number in range(3)) == labels


def test_taggers_and_readers_load_with_their_own_logits(
    run_xfer: Run, stores: Callable[[str], Path], tmp_path: Path
) -> None:
    import torch
    import transformers

    store = stores("xlm-roberta")
    for target, name in (("mini-udpos", "TokenClassification"), ("mini-xquad", "QuestionAnswering")):
        folder = tmp_path / target
        exported(
            run_xfer, store, folder, "--target", target, "--label", "english-stilts[intermediate=mini-hellaswag]"
        )
        _, ids, out = logits(getattr(transformers, f"AutoModelFor{name}"), folder, PAIR)
        found = out.logits[0] if target == "mini-udpos" else torch.stack([out.start_logits, out.end_logits], -1)[0]
        expected, _ = ours(store, target, "english-stilts[intermediate=mini-hellaswag]", ids)
        assert float((found - expected).abs().max()) < 1e-5


@pytest.mark.parametrize(("kind", "label"), [("distilbert", "none"), ("xlm-roberta", "layer-attention")])
def test_a_head_that_transformers_does_not_have_lies_apart_and_the_card_says_so(
    run_xfer: Run, stores: Callable[[str], Path], tmp_path: Path, kind: str, label: str
) -> None:
    from safetensors import safe_open
    from transformers import AutoModel

    folder = tmp_path / "out"
    names = {cell.label for cell in _cells(stores(kind))}
    chosen = next(name for name in names if name.startswith(label))
    told = exported(run_xfer, stores(kind), folder, "--target", "mini-xnli", "--label", chosen)
    assert told["loads_as"] == ""
    assert "encoder and head lie apart" in " ".join((folder / "README.md").read_text().split())
    assert AutoModel.from_pretrained(str(folder)).config.model_type == kind
    with safe_open(str(folder / "head.safetensors"), framework="pt") as tensors:
        kept = set(tensors.keys())
    assert {"dense.weight", "out.bias"} <= kept
    assert ("pooling.query.weight" in kept) == (kind == "xlm-roberta")
    assert json.loads((folder / "head.json").read_text())["format"] == "classification"


def _cells(store: Path) -> Any:
    from xfer.core.storage.store import Store

    return Store(store).load_run("first").plan.cells


def test_choices_load_with_their_own_logits(
    run_xfer: Run, tmp_path: Path, tiny_encoder: Callable[[str], Path]
) -> None:
    store = tmp_path / "store"
    plugin = tmp_path / "choosing.py"
    plugin.write_text(CHOOSING)
    done = run_xfer(
        "run", "--plugin", plugin, "--strategy", "none", "--target", "choosing", "--set", "train.max_steps=1",
        "--model", tiny_encoder("xlm-roberta"), "--limit", "train=8", "--keep", "all", "--store", store,
        "--name", "first", "--quiet",
    )  # fmt: skip
    assert done.status == 0, done.err
    from xfer import bootstrap
    from xfer.core.exchange import huggingface
    from xfer.core.storage.store import Store

    kept = Store(store)
    found = huggingface.export(kept.load_run("first"), kept, bootstrap.load(None, (plugin,)), tmp_path / "out")
    assert (found.loads_as, found.difference < 1e-5) == ("AutoModelForMultipleChoice", True)


CHOOSING = """
from xfer.api import ChoiceExample, TaskSpec, accuracy, hookimpl

def example(row, language):
    return ChoiceExample(row["id"], language, row["text"], ("yes", "no"), row["label"])

def score(values, examples, language):
    return {"accuracy": accuracy(values, [example.label for example in examples])}

def rows(split, language):
    return [{"id": str(n), "text": f"question {n}", "label": n % 2} for n in range(8)]

@hookimpl
def xfer_tasks():
    return [TaskSpec(
        name="choosing", summary="two choices", citation="invented", licence="CC0-1.0", format="multiple-choice",
        languages=("en",), train_languages=("en",), rows=rows, example=example, score=score, main_score="accuracy",
    )]
"""


def test_the_card_tells_what_a_reader_must_know(
    run_xfer: Run, stores: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = tmp_path / "out"
    exported(run_xfer, stores("xlm-roberta"), folder, "--target", "mini-xnli", "--label", "none")
    card = (folder / "README.md").read_text(encoding="utf-8")
    _, front, body = card.split("---\n", 2)
    facts = yaml.safe_load(front)
    assert facts["language"] == ["de", "en"]
    assert (facts["pipeline_tag"], facts["library_name"], facts["license"]) == (
        "text-classification", "transformers", "other",
    )  # fmt: skip
    for part in ("| de | accuracy (main) |", "Zero-shot outside english", "xfer run --strategy none", "## Licences",
                 "a part of the test rows", "arXiv 2005.13013"):  # fmt: skip
        assert part in body, part
    rows = [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()]
    assert {row["language"] for row in rows} == {"de", "en"}
    assert not (folder / ".eval_results").exists(), "generated rows lie on no hub"


def test_results_in_the_hubs_own_format() -> None:
    from huggingface_hub import parse_eval_result_entries

    from xfer import bootstrap
    from xfer.core.exchange.model_card import CardFacts, eval_results, model_card
    from xfer.core.records import Cell, ResultRow

    toolkit = bootstrap.load()
    task = toolkit.tasks.get("xnli")
    cell = Cell(
        label="none", strategy="none", params={}, intermediate="", seed=0, target="xnli", phase="p", chain=("p",)
    )
    row = ResultRow(
        run="r", label="none", strategy="none", params={}, intermediate="", suite="xtreme", model="xlm-r-base",
        model_fingerprint="f", seed=0, task="xnli", task_version=1, language="de", split="test", metric="accuracy",
        value=71.23456, n=5010, main=True, phase="p", signature="s", data_fingerprint="d", xfer_version="0",
        plugin_versions={}, seconds=1, device="cpu", dtype="float32", sees=("de",),
    )  # fmt: skip
    model = toolkit.models.get("xlm-r-base")
    facts = CardFacts(cell, task, [row], {}, [toolkit.tasks.get("mnli")], model, (), {}, "AutoModel", 0.0)
    (entry,) = parse_eval_result_entries(yaml.safe_load(eval_results(facts)))
    assert (entry.value, entry.task_id) == (71.2346, "xnli.de")
    assert entry.notes == "accuracy on test, language de, 5010 examples; not zero-shot: training saw de"
    front = yaml.safe_load(model_card(facts).split("---\n")[1])
    assert front["base_model"] == "FacebookAI/xlm-roberta-base"
    assert entry.dataset_id in front["datasets"]
    assert len(front["datasets"]) == 2
    limited = CardFacts(cell, task, [row], {"limit": {"test": 5}}, [], model, (), {}, "", 0.0)
    assert eval_results(limited) == ""


MISTAKES = {
    "--to hf": "has several targets, and a model has the head of one",
    "--to hf --target mini-xnli": "has several start points",
    "--to hf --target mini-xnil --label none": "has no target 'mini-xnil'",
    "--to hf --target mini-tatoeba --label none": "its weights are the pretrained model's",
    "--to lm-eval": "lm-evaluation-harness scores language models that continue a prompt",
    "--to mteb": "mteb's results come from mteb's own runs",
    "--to hff": "no layout named 'hff'",
    "--to xtreme --target mini-xnli": "--target goes with --to hf",
}


@pytest.mark.parametrize("arguments", MISTAKES)
def test_what_cannot_be_exported_is_told(
    run_xfer: Run, stores: Callable[[str], Path], tmp_path: Path, arguments: str
) -> None:
    store = stores("xlm-roberta")
    done = run_xfer("export", "first", "--store", store, "--output", tmp_path / "out", *arguments.split())
    assert done.status == 2
    assert MISTAKES[arguments] in done.err
    assert "mend:" in done.err or "pretrained model's" in done.err
    assert not list(tmp_path.iterdir())


def test_retrieval_after_training_exports_the_encoder(
    run_xfer: Run, stores: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = tmp_path / "out"
    label = "english-stilts[intermediate=mini-hellaswag]"
    told = exported(run_xfer, stores("xlm-roberta"), folder, "--target", "mini-tatoeba", "--label", label)
    assert told["loads_as"] == "AutoModel"
    assert "layer=" in (folder / "README.md").read_text()
    assert run_xfer(
        "export", "first", "--to", "hf", "--store", stores("xlm-roberta"), "--output", folder, "--target",
        "mini-tatoeba", "--label", label,
    ).status == 2  # fmt: skip


# ---------------------------------------------------------------- push


class Api:
    """Records what it is asked."""

    def __init__(self, error: Exception | None = None) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.error = error

    def create_repo(self, repo: str, **options: Any) -> str:
        self.calls.append(("create_repo", {"repo": repo, **options}))
        if self.error:
            raise self.error
        return f"https://hub.example/{repo}"

    def upload_folder(self, **options: Any) -> None:
        self.calls.append(("upload_folder", options))


@pytest.fixture
def model(tmp_path: Path) -> Path:
    for name in ("README.md", "config.json", "model.safetensors"):
        (tmp_path / name).write_text("x")
    return tmp_path


def test_pushing_makes_a_private_repository_and_sends_the_folder(model: Path) -> None:
    api = Api()
    assert upload(model, "me/mine", api=api) == "https://hub.example/me/mine"
    assert [name for name, _ in api.calls] == ["create_repo", "upload_folder"]
    assert api.calls[0][1] == {"repo": "me/mine", "private": True, "exist_ok": True}
    assert api.calls[1][1]["folder_path"] == str(model)
    upload(model, "me/mine", public=True, api=api)
    assert api.calls[2][1]["private"] is False


def test_nothing_is_sent_without_the_flag_or_offline(
    run_xfer: Run, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    asked = run_xfer("push", model, "me/mine")
    assert asked.status == 2
    assert "nothing was sent" in asked.err
    assert "--yes-upload" in asked.err
    offline = run_xfer("push", model, "me/mine", "--yes-upload")
    assert offline.status == 2
    assert f"hf upload me/mine {model} . --private" in offline.err


def test_a_hub_that_refuses_is_told(model: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    with pytest.raises(UserError, match="the hub did not take it: no token") as caught:
        upload(model, "me/mine", api=Api(OSError("no token\nmore")))
    assert "hf auth login" in caught.value.fix
    with pytest.raises(UserError, match="is no hub id"):
        upload(model, "mine", api=Api())
    with pytest.raises(UserError, match=r"README\.md, config\.json, model\.safetensors is missing"):
        upload(tmp_path_factory.mktemp("empty"), "me/mine", api=Api())
