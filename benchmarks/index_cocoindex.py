"""The CocoIndex app that index_peers.py runs: files walked, each split, each chunk embedded and declared as a row.

Written after the guides of CocoIndex 1.0, whose state is an LMDB file and which needs no Postgres. The embedder
remembers what it embedded (`embed` is a memo function), so do the files.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import cocoindex as coco
from cocoindex.connectors import localfs, sqlite
from cocoindex.ops.sentence_transformers import SentenceTransformerEmbedder
from cocoindex.ops.text import RecursiveSplitter
from cocoindex.resources.chunk import Chunk
from cocoindex.resources.file import FileLike
from cocoindex.resources.id import IdGenerator

CHARACTERS = 1000  # its splitter counts no tokens; most passages of this length fit the model's 254
DATABASE = coco.ContextKey[sqlite.ManagedConnection]("database")
EMBEDDER = coco.ContextKey[SentenceTransformerEmbedder]("embedder", detect_change=True)
splitter = RecursiveSplitter()
places: dict[str, Path] = {}  # "state", set before the app runs
embedders: list[SentenceTransformerEmbedder] = []


@dataclass
class Row:
    """A chunk with its vector."""

    id: int
    file: str
    text: str
    vector: bytes  # float32; a Python built without loadable SQLite extensions has no vector column


def split(text: str) -> list[Chunk]:
    """The chunks of a Markdown text."""
    return splitter.split(text, chunk_size=CHARACTERS, chunk_overlap=0, language="markdown")


@coco.lifespan
async def lifespan(builder: coco.EnvironmentBuilder) -> AsyncIterator[None]:
    builder.settings.db_path = places["state"] / "cocoindex.db"
    builder.provide(EMBEDDER, embedders[0])
    builder.provide_with(DATABASE, sqlite.managed_connection(str(places["state"] / "vectors.sqlite"), load_vec=False))
    yield


@coco.fn
async def embed_chunk(chunk: Chunk, file: str, ids: IdGenerator, table: sqlite.TableTarget[Row]) -> None:
    vector = await coco.use_context(EMBEDDER).embed(chunk.text)
    table.declare_row(row=Row(id=await ids.next_id(chunk.text), file=file, text=chunk.text, vector=vector.tobytes()))


@coco.fn(memo=True)
async def embed_file(file: FileLike, table: sqlite.TableTarget[Row]) -> None:
    chunks = split(await file.read_text())
    await coco.map(embed_chunk, chunks, file.file_path.path.name, IdGenerator(), table)


@coco.fn
async def walk(folder: Path) -> None:
    schema = await sqlite.TableSchema.from_class(Row, primary_key=["id"])
    table = await sqlite.mount_table_target(DATABASE, "chunks", schema)
    await coco.mount_each(embed_file, localfs.walk_dir(folder).items(), table)


def app(state: Path, model: Path, folder: Path) -> coco.App:
    """The app that keeps `state` in step with the files in `folder`."""
    places["state"] = state
    embedders[:] = [SentenceTransformerEmbedder(str(model), device="cpu")]
    embedders[0]._get_model()  # it loads late; loading is measured apart for all
    return coco.App(coco.AppConfig(name="articles"), walk, folder=folder)
