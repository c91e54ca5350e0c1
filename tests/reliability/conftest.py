import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.memory import tmp_path
from tests.reliability import campaign

__all__ = ["bench", "tmp_path"]


@dataclass(frozen=True)
class Bench:
    """A model, a folder in memory, and what an uninterrupted run leaves."""

    model: Path
    folder: Path
    whole: Path
    digests: dict[str, str]
    operations: int

    def copy(self, name: str) -> Path:
        """A copy of the finished store."""
        return Path(shutil.copytree(self.whole, self.folder / name))


@pytest.fixture(scope="session")
def bench(tiny_encoder: Callable[[str], Path]) -> Iterator[Bench]:
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as name:
        folder, model = Path(name), tiny_encoder("xlm-roberta")
        count = campaign.operations(model, folder / "whole")
        digests = campaign.digests(folder / "whole")
        assert len(digests) >= 19
        yield Bench(model, folder, folder / "whole", digests, count)
