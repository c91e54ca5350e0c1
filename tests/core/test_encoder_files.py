"""Checkpoints: every weight accounted for, every failure explained, saved as transformers wants them."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch  # noqa: TID253
from helpers_encoders import LENGTHS, Folders, batch_of, sequences
from transformers import AutoModel, AutoModelForMaskedLM  # noqa: TID253

from xfer.core.encoders.encoder import Encoder
from xfer.core.errors import UserError
from xfer.testing.encoders import KINDS, tiny_config


def weights_of(folder: Path) -> dict[str, torch.Tensor]:
    from safetensors.torch import load_file

    return load_file(folder / "model.safetensors")


def rewritten(source: Path, folder: Path, change: Callable[[dict[str, torch.Tensor]], None]) -> Path:
    from safetensors.torch import save_file

    shutil.copytree(source, folder)
    weights = weights_of(source)
    change(weights)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("with_lm_head", [True, False])
def test_what_is_saved_loads_here_and_in_transformers(
    tiny_encoder: Folders, tmp_path: Path, kind: str, with_lm_head: bool
) -> None:
    encoder = Encoder.load(tiny_encoder(kind), with_lm_head=True)
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter.add_(0.01)
    encoder.save(tmp_path, with_lm_head=with_lm_head)
    batch = batch_of(encoder, sequences())
    again = Encoder.load(tmp_path, with_lm_head=with_lm_head)
    assert again.fingerprint == encoder.fingerprint
    assert again.fingerprint != Encoder.load(tiny_encoder(kind)).fingerprint
    assert json.loads((tmp_path / "config.json").read_text())["model_type"] == kind
    with torch.no_grad():
        assert torch.equal(again(batch), encoder(batch))
        if with_lm_head:
            assert encoder.lm_head is not None
            assert again.lm_head is not None
            assert torch.equal(again.lm_head(again(batch)), encoder.lm_head(encoder(batch)))
    kind_of_model = AutoModelForMaskedLM if with_lm_head else AutoModel
    _, info = kind_of_model.from_pretrained(tmp_path, output_loading_info=True)
    assert {name for name in info["missing_keys"] if "pooler" not in name} == set()
    assert set(info["unexpected_keys"]) == set()


def test_weights_are_saved_in_their_precision_and_loaded_in_float32(tiny_encoder: Folders, tmp_path: Path) -> None:
    encoder = Encoder.load(tiny_encoder("xlm-roberta"), with_lm_head=True)
    encoder.half().save(tmp_path)
    assert {tensor.dtype for tensor in weights_of(tmp_path).values()} == {torch.float16}
    assert json.loads((tmp_path / "config.json").read_text())["dtype"] == "float16"
    again = Encoder.load(tmp_path)
    assert {parameter.dtype for parameter in again.parameters()} == {torch.float32}
    assert again.stream
    torch.testing.assert_close(again.word_embeddings.weight, encoder.word_embeddings.weight.float())


def test_saving_the_head_of_an_encoder_without_one_is_refused(tiny_encoder: Folders, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="without its masked-LM head"):
        Encoder.load(tiny_encoder("bert")).save(tmp_path, with_lm_head=True)


@pytest.mark.parametrize("kind", KINDS)
def test_the_decoder_of_the_masked_lm_head_is_tied(tiny_encoder: Folders, kind: str) -> None:
    encoder = Encoder.load(tiny_encoder(kind), with_lm_head=True)
    assert encoder.lm_head is not None
    assert any(parameter is encoder.word_embeddings.weight for parameter in encoder.lm_head.parameters())
    assert len({id(parameter) for parameter in encoder.parameters()}) == len(list(encoder.parameters()))


@pytest.mark.parametrize("kind", KINDS)
def test_a_lacking_masked_lm_head_is_drawn_from_the_seed(tiny_encoder: Folders, tmp_path: Path, kind: str) -> None:
    Encoder.load(tiny_encoder(kind)).save(tmp_path)
    logits = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        encoder = Encoder.load(tmp_path, with_lm_head=True)
        assert encoder.lm_head_missing
        assert encoder.lm_head is not None
        batch = batch_of(encoder, sequences())
        with torch.no_grad():
            logits.append(encoder.lm_head(encoder(batch)))
        assert any(parameter is encoder.word_embeddings.weight for parameter in encoder.lm_head.parameters())
    assert logits[0].shape == (sum(LENGTHS), encoder.shape.vocabulary)
    assert torch.equal(logits[0], logits[1])
    assert not torch.equal(logits[0], logits[2])


def test_every_encoder_weight_must_be_there(tiny_encoder: Folders, tmp_path: Path) -> None:
    source = tiny_encoder("xlm-roberta")
    name = "roberta.encoder.layer.1.attention.self.key.weight"
    lacking = rewritten(source, tmp_path / "lacking", lambda weights: weights.__delitem__(name))
    for with_lm_head in (True, False):
        with pytest.raises(UserError, match=r"lacks weights.*layer.1.attention.self.key.weight"):
            Encoder.load(lacking, with_lm_head=with_lm_head)

    def add_layer(weights: dict[str, torch.Tensor]) -> None:
        weights |= {
            each.replace("layer.1", "layer.2"): weights[each].clone() for each in weights if "layer.1" in each
        }

    larger = rewritten(source, tmp_path / "larger", add_layer)
    with pytest.raises(UserError, match=r"weights the encoder does not know: .*layer.2.*and 11 more"):
        Encoder.load(larger)

    def rename(weights: dict[str, torch.Tensor]) -> None:
        for each in list(weights):
            weights[f"student.{each}"] = weights.pop(each)

    with pytest.raises(UserError, match="lacks weights of the encoder"):
        Encoder.load(rewritten(source, tmp_path / "renamed", rename))


def test_poolers_heads_and_old_buffers_may_be_left_over(tiny_encoder: Folders, tmp_path: Path) -> None:
    def add(weights: dict[str, torch.Tensor]) -> None:
        weights["roberta.pooler.dense.weight"] = torch.zeros(32, 32)
        weights["classifier.dense.weight"] = torch.zeros(32, 32)
        weights["roberta.embeddings.position_ids"] = torch.arange(514)[None]

    source = tiny_encoder("xlm-roberta")
    folder = rewritten(source, tmp_path / "more", add)
    assert Encoder.load(folder).fingerprint == Encoder.load(source).fingerprint
    assert not any("pooler" in name for name, _ in Encoder.load(folder).named_parameters())


def test_the_fingerprint_follows_configuration_and_weights(tiny_encoder: Folders, tmp_path: Path) -> None:
    source = tiny_encoder("bert")
    encoder = Encoder.load(source)
    assert len(encoder.fingerprint) == 16
    assert encoder.fingerprint == Encoder.load(source, attention="padded", with_lm_head=True).fingerprint

    def nudge(weights: dict[str, torch.Tensor]) -> None:
        weights["bert.encoder.layer.0.output.LayerNorm.bias"][3] += 1e-3

    assert Encoder.load(rewritten(source, tmp_path / "nudged", nudge)).fingerprint != encoder.fingerprint
    other = shutil.copytree(source, tmp_path / "other")
    config = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps(config | {"num_attention_heads": 4}))
    assert Encoder.load(other).fingerprint != encoder.fingerprint


def test_folders_that_lack_files_are_told(tiny_encoder: Folders, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such model folder"):
        Encoder.load(tmp_path / "absent")
    with pytest.raises(UserError, match="no such model folder"):
        Encoder.load("./absent")
    with pytest.raises(UserError, match=r"lacks config.json and model.safetensors"):
        Encoder.load(tmp_path)
    folder = shutil.copytree(tiny_encoder("bert"), tmp_path / "broken")
    (folder / "model.safetensors").write_bytes(b"not weights")
    with pytest.raises(UserError, match="cannot be read"):
        Encoder.load(folder)
    (folder / "config.json").write_text("{")
    with pytest.raises(UserError, match="cannot be read"):
        Encoder.load(folder)


def test_weights_of_another_shape_are_told(tiny_encoder: Folders, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_encoder("bert"), tmp_path / "other")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"intermediate_size": 48}))
    with pytest.raises(UserError, match="cannot be read"):
        Encoder.load(folder)


def test_pickled_weights_are_read_only_when_allowed(tiny_encoder: Folders, tmp_path: Path) -> None:
    source = tiny_encoder("bert")
    folder = shutil.copytree(source, tmp_path / "pickled")
    torch.save(weights_of(source), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    with pytest.raises(UserError, match=r"lacks model.safetensors") as caught:
        Encoder.load(folder)
    assert "allow pickle" in caught.value.fix
    assert Encoder.load(folder, allow_pickle=True).fingerprint == Encoder.load(source).fingerprint


def test_a_model_that_is_no_encoder_is_told(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"")
    for kind in ("gpt2", "t5", "bart"):
        (tmp_path / "config.json").write_text(json.dumps({"model_type": kind}))
        with pytest.raises(UserError, match="not a masked-LM encoder"):
            Encoder.load(tmp_path)
    (tmp_path / "config.json").write_text(
        json.dumps({"model_type": "of-my-own", "auto_map": {"AutoConfig": "m.C"}})
    )
    with pytest.raises(UserError, match="cannot be read"):
        Encoder.load(tmp_path)


def test_a_hub_out_of_reach_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(UserError, match="cannot be fetched") as caught:
        Encoder.load("nobody/no-such-encoder", revision="v1")
    assert "hf download nobody/no-such-encoder --revision v1" in caught.value.fix


def test_a_fresh_encoder_follows_its_configuration() -> None:
    config = tiny_config("xlm-roberta", 100) | {"initializer_range": 0.3, "hidden_dropout_prob": 0.0}
    del config["model_type"]
    torch.manual_seed(1)
    first = Encoder.from_config(config, with_lm_head=True)
    torch.manual_seed(1)
    second = Encoder.from_config(config, with_lm_head=True)
    assert first.fingerprint == second.fingerprint != Encoder.from_config(config).fingerprint
    assert first.stream
    assert first.config.model_type == "xlm-roberta"
    assert first.layers[0].output.dense.weight.std().item() == pytest.approx(0.3, rel=0.1)  # type: ignore[union-attr]
    shape = first.shape
    assert (shape.hidden_size, shape.layers, shape.vocabulary) == (32, 2, 100)
    assert (shape.initializer_range, shape.dropout) == (0.3, 0.0)
    assert not first.lm_head_missing
    assert first.lm_head is not None


def test_loading_draws_no_random_numbers_and_prints_nothing(
    tiny_encoder: Folders, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tiny_encoder("xlm-roberta")
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    capsys.readouterr()
    Encoder.load(folder)
    Encoder.load(folder, with_lm_head=True)
    assert torch.equal(torch.rand(3), expected)
    assert capsys.readouterr() == ("", "")
