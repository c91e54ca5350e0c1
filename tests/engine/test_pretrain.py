"""A suite's own checkpoint: tokeniser and encoder from generated text, resumed when interrupted."""

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from xfer import commands
from xfer.core.encoders.encoder import Encoder
from xfer.core.encoders.tokeniser import Tokeniser
from xfer.core.errors import Stopped, UserError
from xfer.core.records import PlannedPhase
from xfer.core.run import Reporter
from xfer.testing.pytest_plugin import Outcome

PLUGIN = """
import random
from xfer.api import PretrainRecipe, PretrainStage, Suite, hookimpl

WORDS = {"en": ["the", "cat", "sleeps", "dog", "runs"], "zh": ["这", "猫", "睡", "狗", "跑"]}

GLUE = {"en": " ", "zh": ""}

def documents(seed, count, simple_share):
    rng = random.Random(seed)
    for _ in range(count):
        drawn = [rng.randrange(5) for _ in range(4)]
        yield lambda language, drawn=drawn: GLUE[language].join(WORDS[language][n] for n in drawn)

def stage(**changes):
    return PretrainStage(**({"steps": 4, "layers": 1, "learning_rate": 1e-3, "translation_share": 0.5,
        "restart_share": 0.5, "simple_share": 0.5} | changes))

RECIPE = PretrainRecipe(documents=documents, languages=("en", "zh"), vocabulary=60, tokeniser_documents=50,
    batch_size=8, stages=(stage(), stage(layers=2, translation_share=0.0)), config={"hidden_size": 16,
    "num_attention_heads": 2, "intermediate_size": 32, "max_position_embeddings": 34})

@hookimpl
def xfer_suites():
    return [Suite(name="grown", summary="s", targets=("xnli",), intermediates=("mnli",),
        default_intermediate="mnli", default_model="m", default_preset="p", presets={"p": {"": {}}},
        pretrain=RECIPE)]
"""


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    path = tmp_path / "grown.py"
    path.write_text(PLUGIN)
    return path


def digests(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.name != "DONE"}


def test_a_checkpoint_follows_from_the_recipe_and_its_seed(tmp_path: Path, plugin: Path) -> None:
    def make(name: str, seed: int = 0) -> Path:
        options = {"suite": "grown", "plugin": plugin, "store": tmp_path / f"store-{name}", "seeds": seed}
        return commands.pretrain(tmp_path / name, **options).folder

    first, again, other = make("first"), make("again"), make("other", seed=1)
    assert digests(first) == digests(again)
    assert digests(first).keys() >= {"README.md", "config.json", "model.safetensors", "tokenizer.json"}
    assert digests(first)["model.safetensors"] != digests(other)["model.safetensors"]
    encoder = Encoder.load(first, with_lm_head=True)
    assert len(encoder.layers) == 2
    assert not encoder.lm_head_missing
    tokeniser = Tokeniser.load(first)
    assert tokeniser.fast.tokenize("这猫 cat") == ["▁", "这", "猫", "▁cat"]
    pair = tokeniser.fast.convert_ids_to_tokens(tokeniser.encode([("cat", "dog")])[0].ids)
    assert pair == ["<s>", "▁cat", "</s>", "</s>", "▁dog", "</s>"]
    card = (first / "README.md").read_text(encoding="utf-8")
    recipe = json.loads(card.split("```json\n")[1].split("```")[0])
    assert (recipe["seed"], len(recipe["stages"])) == (0, 2)
    assert "translation LM" in card
    assert "model.safetensors`: " in card


def test_new_layers_begin_as_copies_of_the_last(tmp_path: Path, plugin: Path) -> None:
    store = tmp_path / "store"
    text = PLUGIN.replace("stage(layers=2, translation_share=0.0)", "stage(layers=3, steps=1, learning_rate=1e-12)")
    plugin.write_text(text)
    commands.pretrain(tmp_path / "out", suite="grown", plugin=plugin, store=store)
    small, grown = sorted(store.glob("phases/*/model.safetensors"), key=lambda path: path.stat().st_size)
    before, after = (Encoder.load(path.parent).model.state_dict() for path in (small, grown))
    names = [name for name in before if ".layer.0." in name and before[name].dim() > 1]
    assert len(names) == 6
    for name in names:
        for layer in range(3):
            copied = after[name.replace(".layer.0.", f".layer.{layer}.")]
            assert (copied - before[name]).abs().max() < 1e-6


class StopIn(Reporter):
    """Sends SIGTERM when the n-th stage begins."""

    def __init__(self, position: int) -> None:
        self.position = position

    def phase_started(self, planned: PlannedPhase, position: int, total: int) -> None:
        if position == self.position:
            os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.parametrize("position", [1, 2])
def test_an_interrupted_pretraining_continues(tmp_path: Path, plugin: Path, position: int) -> None:
    def make(name: str, reporter: Reporter | None = None) -> Path:
        options = {"suite": "grown", "plugin": plugin, "store": tmp_path / f"store-{name}"}
        return commands.pretrain(tmp_path / name, reporter=reporter, **options).folder

    with pytest.raises(Stopped, match="after step 1 of 4"):
        make("cut", StopIn(position))
    assert not (tmp_path / "cut").exists()
    assert digests(make("cut")) == digests(make("whole"))


def test_pretraining_prints_the_folder_and_its_fingerprint(
    tmp_path: Path, run_xfer: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch
) -> None:
    from xfer.plugins.suites import mini

    stage = mini.RECIPE.stages[0].model_copy(update={"steps": 2})
    recipe = mini.RECIPE.model_copy(update={"stages": (stage,), "vocabulary": 500, "tokeniser_documents": 20})
    monkeypatch.setattr(mini, "SUITE", mini.SUITE.model_copy(update={"pretrain": recipe}))
    out, store = tmp_path / "out", tmp_path / "store"
    outcome = run_xfer("pretrain", "--output", out, "--store", store, "--quiet")
    assert outcome.status == 0, outcome.err
    folder, fingerprint = outcome.out.split()
    assert (Path(folder), len(fingerprint)) == (out, 16)
    assert outcome.err == ""


def test_a_folder_with_something_in_it_is_not_overwritten(tmp_path: Path, plugin: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("precious")
    with pytest.raises(UserError, match="is there already"):
        commands.pretrain(tmp_path / "mine", suite="grown", plugin=plugin, store=tmp_path / "store")
    assert (tmp_path / "mine" / "thesis.tex").read_text() == "precious"
