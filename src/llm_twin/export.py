"""Documents out of the warehouse: JSONL, Parquet, or a folder of Markdown files with front matter."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from llm_twin.documents import Document
from llm_twin.errors import ConfigError, UsageError

if TYPE_CHECKING:
    from llm_twin.vectors.store import CleanedDocument

    Exported = Document | CleanedDocument

SUFFIXES = {".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}
PARQUET_ROWS = 1000  # documents in memory at a time
NAME_LENGTH = 80


def export(documents: Iterable[Exported], target: Path, form: str | None = None) -> int:
    """Write documents to `target` and return their number. `form`: "jsonl", "parquet" or "markdown"; by name if None.

    A file is replaced as a whole or not at all; in a folder, files of the same name are replaced.
    `-` writes JSONL to stdout. Raises `UsageError` when the target can't be written, `ConfigError` without pyarrow.
    """
    form = form or ("jsonl" if str(target) == "-" else SUFFIXES.get(target.suffix.lower(), "markdown"))
    if form == "markdown" and str(target) != "-" and target.is_file():
        raise UsageError(f"export: {target} is a file; Markdown files are written into a folder")
    if form != "markdown" and target.is_dir():
        raise UsageError(f"export: {target} is a folder; name a file, or use --format markdown")
    write: dict[str, Callable[[Iterable[Exported], Path], int]] = {
        "jsonl": _jsonl,
        "parquet": _parquet,
        "markdown": _markdown,
    }
    try:
        return write[form](documents, target)
    except OSError as error:
        raise UsageError(f"export: {target} can't be written: {error.strerror or error}") from None


@contextmanager
def _replacing(target: Path) -> Iterator[Path]:
    """A temporary file beside `target` that takes its place when the block ends well."""
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    os.close(handle)
    try:
        yield Path(name)
        Path(name).replace(target)
    finally:
        Path(name).unlink(missing_ok=True)


def _jsonl(documents: Iterable[Exported], target: Path) -> int:
    if str(target) == "-":
        return sum(sys.stdout.write(document.model_dump_json() + "\n") > 0 for document in documents)
    with _replacing(target) as path, path.open("w", encoding="utf-8") as file:
        return sum(file.write(document.model_dump_json() + "\n") > 0 for document in documents)


def _parquet(documents: Iterable[Exported], target: Path) -> int:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise ConfigError("export: Parquet needs pyarrow: pip install 'llm-twin[parquet]'") from None
    types = {name: pa.timestamp("ms", tz="UTC") for name in ("published_at", "collected_at")} | {"revision": pa.int32()}
    number = 0
    rest = iter(documents)
    with _replacing(target) as path, ExitStack() as stack:
        writer = None
        while (batch := list(islice(rest, PARQUET_ROWS))) or not writer:
            fields = type(batch[0]).model_fields if batch else Document.model_fields
            schema = pa.schema([(name, types.get(name, pa.string())) for name in fields if name != "raw"])
            writer = writer or stack.enter_context(pq.ParquetWriter(path, schema, compression="zstd"))
            writer.write_table(pa.Table.from_pylist([_row(document) for document in batch], schema))
            number += len(batch)
    return number


def _row(document: Exported) -> dict[str, Any]:
    """The fields of a document; its metadata as JSON, since their keys differ from document to document."""
    import json

    return document.model_dump() | {"metadata": json.dumps(document.metadata, ensure_ascii=False)}


def _markdown(documents: Iterable[Exported], target: Path) -> int:
    """One file a document, `<title>-<id>.md`, in a folder an author; code is fenced."""
    number = 0
    for document in documents:
        folder = target / _slug(document.author)
        folder.mkdir(parents=True, exist_ok=True)
        front = document.model_dump(mode="json", exclude={"text", "metadata"}, exclude_none=True)
        head = yaml.safe_dump(front, allow_unicode=True, sort_keys=False, width=10_000)
        body = document.text
        if document.kind == "code":
            fence = "`" * max(3, 1 + max((len(run) for run in re.findall(r"`+", body)), default=0))
            body = f"{fence}{(document.language or '').lower()}\n{body}\n{fence}"
        name = f"{_slug(document.title or document.link)}-{(front.get('id') or front['document_id'])[:8]}.md"
        (folder / name).write_text(f"---\n{head}---\n\n{body}\n", encoding="utf-8", newline="")
        number += 1
    return number


def _slug(text: str) -> str:
    """A file name that every system takes."""
    return re.sub(r"[^\w]+", "-", text.lower()).strip("-_")[:NAME_LENGTH] or "untitled"
