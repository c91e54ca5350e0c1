"""Small data sets in a hub's layout, written into a temporary folder."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

Rows = Sequence[Mapping[str, Any]]


def write_parquet(
    path: Path, rows: Rows, class_labels: Mapping[str, Sequence[str]] | None = None, group: int | None = None
) -> Path:
    """A parquet file; `class_labels` go into its metadata as the `datasets` library writes them. `group`: rows."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.Table.from_pylist(list(rows))
    if class_labels:
        features = {column: {"names": list(names), "_type": "ClassLabel"} for column, names in class_labels.items()}
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, row_group_size=group)
    return path


def write_bytes(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def write_jsonl(path: Path, rows: Iterable[Any]) -> Path:
    return write_bytes(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode())


def nli(label: Any = 0, premise: Any = "A cart rolls.", hypothesis: Any = "It moves.") -> dict[str, Any]:
    return {"premise": premise, "hypothesis": hypothesis, "label": label}


def question(
    start: Any = 4, text: Any = "mill", id: str = "q1", context: str = "The mill burned."
) -> dict[str, Any]:
    answers = {"text": [text], "answer_start": [start]}
    return {"id": id, "context": context, "question": "What burned?", "answers": answers}
