"""The commands that hand results to others: `xfer export` and `xfer push`."""

import json
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from xfer import bootstrap
from xfer.core.errors import UnknownName, UserError
from xfer.data_commands import RootOption, examples_of, run_settings
from xfer.options import StoreOption, store_folder
from xfer.verbosity import note

LAYOUTS = ("hf", "xtreme")
REFUSED = {
    "lm-eval": "lm-evaluation-harness scores language models that continue a prompt; an encoder with a trained "
    "head does not, and its numbers would stand beside numbers of another protocol",
    "mteb": "mteb's results come from mteb's own runs, with its data revisions and without training; xfer's "
    "retrieval scores follow XTREME's protocol",
}
INSTEAD = {
    "lm-eval": "xfer compare --format json gives the numbers with their protocol",
    "mteb": "xfer export --to hf, then let mteb run the exported encoder",
}


def add(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command(short_help="Write a run's submission, or its model.")(export)
    app.command(short_help="Send an exported model to the hub.")(push)


def export(
    run: Annotated[str, typer.Argument(help="Name of a run in the store.")],
    output: Annotated[Path, typer.Option(help="Folder for the files; it must not be there yet.")],
    to: Annotated[
        str, typer.Option(help="xtreme: predictions as a submission. hf: a model for transformers.")
    ] = "xtreme",
    target: Annotated[str, typer.Option(help="With hf: the target, where the run has several.")] = "",
    label: Annotated[str, typer.Option(help="The start point, where the run has several.")] = "",
    seed: Annotated[int | None, typer.Option(help="The seed, where the run has several.")] = None,
    store: StoreOption = None,
    data_root: RootOption = None,
    json_: Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")] = False,
) -> None:
    """Write a run's predictions as XTREME's submission folder, or its weights as a model for transformers."""
    if to in REFUSED:
        raise UserError(f"--to {to} is refused: {REFUSED[to]}", fix=INSTEAD[to])
    if to not in LAYOUTS:
        raise UnknownName("layout", to, LAYOUTS)
    from xfer.core.storage.store import Store

    kept = Store(store_folder(store))
    stored = kept.load_run(run)
    toolkit = bootstrap.load()
    if to == "hf":
        from xfer.core.exchange import huggingface

        done = huggingface.export(stored, kept, toolkit, output, target, label, seed)
        if not done.loads_as:
            note("transformers has no class that computes the same: encoder and head were written apart")
        facts = {"folder": str(done.folder), "loads_as": done.loads_as, "difference": done.difference}
        print(json.dumps(facts) if json_ else done.folder)
        return
    if target:
        raise UserError("--target goes with --to hf; a submission holds all targets of a run", fix="leave it out")
    from xfer.core.exchange.export import export as write

    settings = run_settings(data_root or stored.settings.get("data_root"), stored.settings.get("limit") or {})
    examples = partial(examples_of, toolkit, settings)
    paths = [str(path) for path in write(stored, kept, toolkit.tasks, examples, output, label, seed, note)]
    print(json.dumps({"files": paths}) if json_ else "\n".join(paths))


def push(
    folder: Annotated[Path, typer.Argument(help="What `xfer export --to hf` wrote.")],
    repo: Annotated[str, typer.Argument(metavar="OWNER/NAME", help="The hub's repository.")],
    yes_upload: Annotated[bool, typer.Option("--yes-upload", help="Really send it; without, nothing is.")] = False,
    public: Annotated[bool, typer.Option("--public", help="For all to see. [default: private]")] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")] = False,
) -> None:
    """Send an exported model to the hub; needs --yes-upload and a login (hf auth login)."""
    from xfer.core.exchange.upload import upload

    if not yes_upload:
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        raise UserError(
            f"nothing was sent: {folder} ({size / 1e6:,.1f} MB) would go to {repo}",
            fix="read its README.md and the licences in it, then add --yes-upload",
        )
    address = upload(folder, repo, public=public)
    print(json.dumps({"address": address}) if json_ else address)
    note("sent; the card's licence section says what its readers must know")
