"""Our part of benchmarks/index.py, one run a process, and the documents that all contestants index.

    python index_ours.py documents DUMP WORK              writes first, changed and deleted.jsonl
    python index_ours.py ours DOCUMENTS STATE RESULT [--precision int8]
    python index_ours.py embedder|onnxruntime DOCUMENTS STATE RESULT [--precision int8]

`onnxruntime` embeds the chunks of the index with the model's graph and nothing else: a session with the library's
defaults, texts sorted by length in batches of 32, the mean of the token vectors. `embedder` gives them to our own
embedder at once. Neither stores anything.
"""

from __future__ import annotations

import argparse
import json
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from index_common import Sync, cpu_seconds, write

from llm_twin import Settings, Twin
from llm_twin.documents import Author, Document
from llm_twin.features.clean import clean
from llm_twin.indexing.embedding import cut
from llm_twin.indexing.run import cleaned_of
from llm_twin.vectors.store import CleanedDocument

BATCH = 32
SENTENCE = re.compile(r"(?<=[.!?] )[A-Z][a-z]+(?: [A-Za-z]+){8,18}\.(?= )")  # of words alone: it survives any cleaning
OTHER = "This sentence stands where another one stood before and changes nothing else in the whole article."


def write_documents(dump: Path, work: Path, every: int) -> None:
    """The documents as they are; with one sentence of the longest one changed; that and without the next longest."""
    from llm_twin.collect.archives.handbook import read_dump

    _, documents = read_dump(dump)
    documents = documents[::every]
    longest = sorted(documents, key=lambda document: -len(document.text))
    changed = next(document for document in longest if SENTENCE.search(document.text))
    deleted = next(document for document in longest if document is not changed)
    middle = len(changed.text) // 2
    sentence = min(SENTENCE.finditer(changed.text), key=lambda found: abs(found.start() - middle))
    text = changed.text[: sentence.start()] + OTHER + changed.text[sentence.end() :]
    after = [each.model_copy(update={"text": text}) if each is changed else each for each in documents]
    states = {"first": documents, "changed": after, "deleted": [each for each in after if each.id != deleted.id]}
    for name, state in states.items():
        lines = (
            json.dumps(each.model_dump(mode="json") | {"subtitle": each.metadata.get("subtitle") or ""})
            for each in state
        )
        (work / f"{name}.jsonl").write_text("\n".join(lines) + "\n")
    told = {"changed": changed.id, "deleted": deleted.id, "title": changed.title, "documents": len(documents)}
    (work / "told.json").write_text(json.dumps(told))


def read_documents(file: Path) -> list[Document]:
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    return [Document.model_validate({name: row[name] for name in row if name != "subtitle"}) for row in rows]


def chunks_of(twin: Twin, documents: Sequence[Document]) -> dict[str, tuple[Any, ...]]:
    """The chunks that the index should have."""
    found = {}
    for document in documents:
        cleaned = cleaned_of(document, twin.embedder.name)
        assert isinstance(cleaned, CleanedDocument)
        found[document.id] = cut(twin.chunker, cleaned)
    return found


def ours(twin: Twin, documents: list[Document], begun: float) -> Sync:
    """`twin index` over a warehouse that holds exactly these documents."""
    for document in documents:
        twin.warehouse.put_author(Author(id=document.author_id, name=document.author))
    twin.warehouse.put(documents)
    twin.warehouse.delete({name for name, _ in twin.warehouse.hashes()} - {document.id for document in documents})
    seen: list[str] = []
    encode = twin.embedder.encode

    def counted(texts: Sequence[str], on_done: Callable[[int], None] | None = None) -> Any:
        seen.extend(texts)
        return encode(texts, on_done)

    twin.embedder.encode = counted  # type: ignore[method-assign]
    twin.vectors.count()  # imports the engine, as the peers' are imported before their runs
    started, cpu = time.perf_counter(), cpu_seconds()
    twin.index()
    seconds, cpu = time.perf_counter() - started, cpu_seconds() - cpu
    chunks = chunks_of(twin, documents)
    return Sync(
        load_seconds=started - begun,
        seconds=seconds,
        cpu_seconds=cpu,
        embedded=seen,
        texts={document.id: clean(document) for document in documents},
        chunks={name: [chunk.text for chunk in some] for name, some in chunks.items()},
        stored=twin.vectors.chunk_ids(),
        expected={name: [chunk.id for chunk in some] for name, some in chunks.items()},
    )


def alone(twin: Twin, documents: list[Document], begun: float, encode: Callable[[list[str]], Any]) -> Sync:
    """The chunks of the index through `encode`, stored nowhere."""
    chunks = chunks_of(twin, documents)
    texts = [chunk.to_embed for some in chunks.values() for chunk in some]
    started, cpu = time.perf_counter(), cpu_seconds()
    encode(texts)
    seconds, cpu = time.perf_counter() - started, cpu_seconds() - cpu
    return Sync(
        load_seconds=started - begun,
        seconds=seconds,
        cpu_seconds=cpu,
        embedded=texts,
        texts={document.id: clean(document) for document in documents},
        chunks={name: [chunk.text for chunk in some] for name, some in chunks.items()},
        stored={},
        expected={},
    )


def plain_encoder(folder: Path, graph: Path) -> Callable[[list[str]], Any]:
    """onnxruntime as its documentation uses it."""
    import onnxruntime
    from tokenizers import Tokenizer

    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    names = {entry.name for entry in session.get_inputs()}
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.enable_padding()

    def encode(texts: list[str]) -> Any:
        order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
        vectors = np.empty((len(texts), 384), np.float32)
        for start in range(0, len(order), BATCH):
            batch = order[start : start + BATCH]
            found = tokenizer.encode_batch_fast([texts[index] for index in batch])
            ids = np.array([each.ids for each in found], np.int64)
            mask = np.array([each.attention_mask for each in found], np.int64)
            inputs = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
            (hidden,) = session.run(["last_hidden_state"], {name: inputs[name] for name in names})
            mean = (hidden * mask[:, :, None]).sum(1) / mask.sum(1, keepdims=True)
            vectors[batch] = mean / np.linalg.norm(mean, axis=1, keepdims=True)
        return vectors

    return encode


def model_files(settings: Settings) -> Path:
    """The folder with the graph and the tokenizer that `settings` mean."""
    cache = settings.models.expanduser()
    if settings.precision == "int8":
        from llm_twin.models.quantize import int8_folder

        return int8_folder(settings.model, cache)
    from llm_twin.models.fetch import model_folder

    return model_folder(settings.model, cache)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=("documents", "ours", "embedder", "onnxruntime"))
    parser.add_argument("source", type=Path)
    parser.add_argument("state", type=Path)
    parser.add_argument("result", type=Path, nargs="?")
    parser.add_argument("--precision", default="fp32", choices=("fp32", "int8"))
    parser.add_argument("--every", type=int, default=1)
    given = parser.parse_args()
    if given.name == "documents":
        write_documents(given.source, given.state, given.every)
        return
    documents = read_documents(given.source)
    begun = time.perf_counter()
    with Twin(Settings.load(home=given.state, precision=given.precision)) as twin:
        twin.embedder.encode(["warm"])
        folder = model_files(twin.settings)
        if given.name == "ours":
            sync = ours(twin, documents, begun)
        elif given.name == "embedder":
            sync = alone(twin, documents, begun, twin.embedder.encode)
        else:
            sync = alone(twin, documents, begun, plain_encoder(folder, folder / "model.onnx"))
        write(sync, folder / "tokenizer.json", given.result)


if __name__ == "__main__":
    main()
