"""Sending an exported folder to the hub: only when asked for in so many words, private unless told otherwise."""

import os
from pathlib import Path
from typing import Any

from xfer.core.errors import UserError

NEEDED = ("README.md", "config.json", "model.safetensors")
"""What `xfer export --to hf` leaves in every folder."""


def upload(folder: Path, repo: str, *, public: bool = False, api: Any = None) -> str:
    """Make the repository and send the folder; returns its address.

    `api` is huggingface_hub's `HfApi`, which takes the token and endpoint that `hf auth login` and HF_ENDPOINT set.
    Raises `UserError` for a folder that is no export, a name that is no hub id, and a hub that refuses or cannot be
    reached.
    """
    missing = [name for name in NEEDED if not (folder / name).is_file()]
    if missing:
        raise UserError(
            f"this is no exported model: {', '.join(missing)} is missing",
            str(folder),
            "xfer export RUN --to hf first",
        )
    if repo.count("/") != 1 or not all(repo.split("/")):
        raise UserError(f"{repo!r} is no hub id", fix="write OWNER/NAME")
    by_hand = f"on a machine with network: hf upload {repo} {folder} . --private"
    if api is None:
        if os.environ.get("HF_HUB_OFFLINE"):
            raise UserError("nothing can be sent: HF_HUB_OFFLINE is set", fix=by_hand)
        from huggingface_hub import HfApi

        api = HfApi()
    try:
        address = api.create_repo(repo, private=not public, exist_ok=True)
        api.upload_folder(repo_id=repo, folder_path=str(folder), commit_message=f"Add {folder.name}")
    except Exception as error:  # OSError, HfHubHTTPError, LocalTokenNotFoundError, …: all mean that it was not sent
        told = str(error).strip().splitlines()
        raise UserError(
            f"the hub did not take it: {told[0] if told else type(error).__name__}",
            where=repo,
            fix=f"hf auth login, or {by_hand}",
        ) from error
    return str(address)
