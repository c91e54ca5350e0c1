"""Make a suite's own checkpoint: train a tokeniser and a small XLM-R-architecture encoder on generated text.

XLM-R itself saw monolingual text only (Conneau et al. 2020). A tiny encoder does not align languages from that
in minutes, so a recipe may mix in translation LM (Conneau & Lample 2019): a text and its translation in one
sequence, tokens of one hidden more often than of the other. Every stage is a training phase of the ordinary
loop, kept in the store, so an interrupted pretraining continues.
"""

import hashlib
import json
import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from xfer.core.batches.batching import Collator
from xfer.core.batches.sampling import Schedule
from xfer.core.encoders.encoder import Encoder
from xfer.core.encoders.models import Model, resolve_model
from xfer.core.encoders.tokeniser import Tokeniser
from xfer.core.engine.described import describe
from xfer.core.engine.job import Job, Part
from xfer.core.engine.optimizers import make_optimizer
from xfer.core.engine.train import resume, train
from xfer.core.examples import LineExample
from xfer.core.formats import MaskedLmOptions
from xfer.core.formats.masked_lm import MaskedLm
from xfer.core.records import Phase, PlannedPhase, PretrainRecipe, PretrainStage, Sampling, TaskSpec, TrainSettings
from xfer.core.run import Run
from xfer.core.storage import checkpoints, files
from xfer.core.streams import stream_seed, torch_seeded

SPECIAL_TOKENS = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")
BETAS = (0.9, 0.98)


def pretrain(recipe: PretrainRecipe, run: Run, output: Path) -> Model:
    """Train tokeniser and encoder by `recipe`, write a half-precision checkpoint folder, and return it."""
    with files.committed_folder(output) as folder:
        train_tokeniser(recipe, folder)
        tokeniser = Tokeniser.load(folder)
        run.memory[("tokeniser",)] = tokeniser
        encoder: Encoder | None = None
        for number, stage in enumerate(recipe.stages):
            encoder = _grown(recipe, stage, encoder, tokeniser)
            encoder = _run_stage(recipe, number, stage, encoder, tokeniser, run)
        assert encoder is not None
        encoder.half().save(folder)
        files.write_text(folder / "README.md", _card(recipe, folder))
    return resolve_model(str(output), None)


def train_tokeniser(recipe: PretrainRecipe, folder: Path) -> None:
    """Train a BPE tokeniser with XLM-R's special tokens and templates; every Chinese character stands alone."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Metaspace(prepend_scheme="first"),
            pre_tokenizers.Punctuation(),
            pre_tokenizers.Split(Regex("[\u4e00-\u9fff]"), "isolated"),
        ]
    )
    tokenizer.decoder = decoders.Metaspace(prepend_scheme="first")
    tokenizer.train_from_iterator(
        _texts(recipe),
        trainers.BpeTrainer(vocab_size=recipe.vocabulary, special_tokens=list(SPECIAL_TOKENS), show_progress=False),
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> </s> $B </s>",
        special_tokens=[("<s>", 0), ("</s>", 2)],
    )
    names = dict(
        zip(("bos_token", "pad_token", "eos_token", "unk_token", "mask_token"), SPECIAL_TOKENS, strict=True)
    )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        cls_token="<s>",
        sep_token="</s>",
        model_max_length=recipe.config["max_position_embeddings"] - 2,
        model_input_names=["input_ids", "attention_mask"],
        **names,
    )
    fast.save_pretrained(folder)


def _texts(recipe: PretrainRecipe) -> Iterator[str]:
    seed = stream_seed(recipe.seed, "tokeniser")
    for document in recipe.documents(seed, recipe.tokeniser_documents, 0.0):
        yield from (document(language) for language in recipe.languages)


def _grown(recipe: PretrainRecipe, stage: PretrainStage, encoder: Encoder | None, tokeniser: Tokeniser) -> Encoder:
    """A fresh encoder, or the last one with more layers, the new ones copied from its last."""
    if encoder is not None and encoder.shape.layers == stage.layers:
        return encoder
    config = {
        "model_type": "xlm-roberta",
        "vocab_size": tokeniser.size,
        "num_hidden_layers": stage.layers,
        "pad_token_id": 1,
        "bos_token_id": 0,
        "eos_token_id": 2,
        "type_vocab_size": 1,
        **recipe.config,
    }
    with torch_seeded(recipe.seed, "weights"):
        grown = Encoder.from_config(config, with_lm_head=True)
    if encoder is not None:
        state = encoder.state_dict()
        last = f".layer.{encoder.shape.layers - 1}."
        for number in range(encoder.shape.layers, stage.layers):
            state |= {
                key.replace(last, f".layer.{number}."): value
                for key, value in encoder.state_dict().items()
                if last in key
            }
        grown.load_state_dict(state)
    return grown


def _run_stage(
    recipe: PretrainRecipe, number: int, stage: PretrainStage, encoder: Encoder, tokeniser: Tokeniser, run: Run
) -> Encoder:
    settings = TrainSettings(
        learning_rate=stage.learning_rate,
        batch_size=recipe.batch_size,
        epochs=1,
        max_length=recipe.config["max_position_embeddings"] - 2,
        warmup=stage.warmup,
        decay=stage.decay,
        adam_betas=BETAS,
    )
    planned = _planned(recipe, number, settings, tokeniser, run)
    if run.store.has_phase(planned.id):
        return Encoder.load(run.store.phase_folder(planned.id), with_lm_head=True)
    run.reporter.phase_started(planned, number + 1, len(recipe.stages))
    code = MaskedLm(_text_task(), (), MaskedLmOptions(masking=recipe.masking, pair_restart=stage.restart_share))
    examples = list(_stage_examples(recipe, number, stage))
    features = code.featurise(examples, tokeniser, settings.max_length, training=True)
    encoder.to(run.device.torch_device)
    collator = Collator(
        features, tokeniser.pad_id, encoder.position_offset, run.device.torch_device, sort=run.device.kind != "cuda"
    )
    schedule = Schedule(
        sizes=[features.item_count],
        batch_sizes=[recipe.batch_size],
        epochs=[1],
        max_steps=None,
        sampling=Sampling(),
        weights=[None],
        seed=recipe.seed,
        name=f"pretrain-{number}",
    )
    parameters = {f"encoder.{name}": p for name, p in encoder.named_parameters()}
    optimizer = make_optimizer(parameters, settings)
    job = Job(
        planned,
        encoder,
        [Part(code, encoder.lm_head, features, collator)],
        schedule,
        settings,
        parameters,
        optimizer,
    )
    state = train(job, run, resume(job, run))
    with run.store.commit_phase(planned.id) as folder:
        encoder.save(folder)
        files.write_text(folder / "log.jsonl", "".join(files.json_line(entry) for entry in state.log))
        describe(folder, planned, run, does="pretrain", model="")
    checkpoints.clear(run.store.partial_folder(planned.id))
    return encoder


def _stage_examples(recipe: PretrainRecipe, number: int, stage: PretrainStage) -> Iterator[LineExample]:
    rng = random.Random(stream_seed(recipe.seed, "languages", number))
    seed = stream_seed(recipe.seed, "documents", number)
    count = stage.steps * recipe.batch_size
    for position, document in enumerate(recipe.documents(seed, count, stage.simple_share)):
        if rng.random() < stage.translation_share:
            first, second = rng.sample(recipe.languages, 2)
            yield LineExample(str(position), first, document(first), document(second), second)
        else:
            language = rng.choice(recipe.languages)
            yield LineExample(str(position), language, document(language))


def _planned(
    recipe: PretrainRecipe, number: int, settings: TrainSettings, tokeniser: Tokeniser, run: Run
) -> PlannedPhase:
    identity = {
        "recipe": _recipe_json(recipe, upto=number),
        "settings": settings.model_dump(mode="json"),
        "tokeniser": tokeniser.fingerprint,
        "precision": run.device.dtype,
    }
    text = json.dumps(identity, sort_keys=True)
    return PlannedPhase(
        id=hashlib.sha256(text.encode()).hexdigest()[:20],
        phase=Phase(name=f"pretrain-{number + 1}", role="intermediate"),
        parents=(),
        seed=recipe.seed,
        settings={"": settings},
        options={},
        identity=identity,
    )


def _recipe_json(recipe: PretrainRecipe, upto: int | None = None) -> dict[str, Any]:
    fields = recipe.model_dump(mode="json", exclude={"documents", "stages"})
    stages: Sequence[PretrainStage] = recipe.stages if upto is None else recipe.stages[: upto + 1]
    return {**fields, "stages": [stage.model_dump(mode="json") for stage in stages]}


def _text_task() -> TaskSpec:
    """A nameless task: the masked-LM format wants to know whose examples it works on."""
    nothing: Callable[..., Any] = lambda *_: None  # noqa: E731
    return TaskSpec(
        name="pretraining-text",
        summary="generated documents",
        citation="",
        licence="",
        format="masked-lm",
        languages=(),
        example=nothing,
        score=nothing,
        main_score="perplexity",
    )


def _card(recipe: PretrainRecipe, folder: Path) -> str:
    """The model card: what it is, its recipe, its hashes."""
    digests = [
        f"- `{path.name}`: {files.sha256_file(path)}"
        for path in sorted(folder.glob("*.*"))
        if path.suffix in (".json", ".safetensors")
    ]
    return "\n".join(
        [
            "# A tiny encoder for xfer's bundled suite",
            "",
            "XLM-R architecture, pretrained on generated text only (no downloaded text, no downloaded",
            "weights) with masked LM and **translation LM**, which XLM-R does not use: its languages are",
            "aligned by construction. It exists so that the toolkit can be tried and tested offline; its",
            "scores say nothing about real models.",
            "",
            "Made by `xfer pretrain`; everything follows from this recipe and its seed:",
            "",
            "```json",
            json.dumps(_recipe_json(recipe), indent=2, sort_keys=True),
            "```",
            "",
            "sha256 of the files:",
            "",
            *digests,
            "",
        ]
    )
