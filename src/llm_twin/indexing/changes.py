"""What differs between warehouse and index, and why: the first stage, and what `twin index --plan` shows."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Literal, NamedTuple

from pydantic import ValidationError

from llm_twin.documents import Document, Kind, Status, Value, digest
from llm_twin.errors import TwinError
from llm_twin.vectors.store import VERSION, LedgerEntry, VectorStore
from llm_twin.warehouse.store import DocumentFilter, Warehouse

if TYPE_CHECKING:
    from llm_twin.features.chunk import Chunker

Why = Literal["new", "content changed", "cleaner, chunker or model changed", "unfinished", "rebuild"]


class IndexItem(Value):
    """A document that has to be indexed, and why. `link`, `author` and `kind` are for showing, the counts estimates."""

    document_id: str
    status: Status
    why: Why
    link: str = ""
    author: str = ""
    kind: Kind | None = None
    chunks_to_embed: int | None = None
    chunks_reused: int | None = None


class IndexPlan(Value):
    """What an index run would do."""

    items: tuple[IndexItem, ...]
    removed: tuple[str, ...]  # ids of documents that are gone
    unchanged: int
    rebuild: str = ""  # why the whole index will be built anew, if it will
    model: str = ""
    chunks_to_embed: int | None = None
    chunks_reused: int | None = None
    chunks_a_second: float | None = None
    measured: str = ""  # by what that rate was measured
    seconds: float | None = None  # that embedding will take


class Changes(NamedTuple):
    """What differs between warehouse and index, by document id."""

    stale: list[tuple[str, Why]]
    removed: list[str]
    unchanged: int


def changes(
    warehouse: Warehouse,
    vectors: VectorStore,
    chunker: Chunker,
    author_ids: Collection[str] | None = None,
    former: Mapping[str, LedgerEntry] | None = None,
) -> Changes:
    """What has to be indexed. `former`: the ledger of the index that a rebuild replaces, which explains why."""
    ledger = vectors.ledger(author_ids)
    former = former or {}
    stale: list[tuple[str, Why]] = []
    unchanged = 0
    for document_id, content_hash in _hashes(warehouse, author_ids):
        entry, wanted = ledger.pop(document_id, None), fingerprint_of(chunker, content_hash)
        if entry and entry.fingerprint == wanted:
            unchanged += 1
        else:
            stale.append((document_id, _why(entry or former.get(document_id), content_hash, wanted)))
    return Changes(stale, sorted(ledger), unchanged)  # what is left in the ledger is gone from the warehouse


def plan(
    warehouse: Warehouse,
    vectors: VectorStore,
    chunker: Chunker,
    author_ids: Collection[str] | None = None,
    former: Mapping[str, LedgerEntry] | None = None,
) -> IndexPlan:
    """What has to be indexed, with the links; of all documents or only of these authors'. Arguments as `changes`."""
    found = changes(warehouse, vectors, chunker, author_ids, former)
    items = []
    for document_id, why in found.stale:
        document = read(warehouse, document_id)
        about = document.model_dump(include={"link", "author", "kind"}) if isinstance(document, Document) else {}
        items.append(item_of(document_id, why).model_copy(update=about))
    return IndexPlan(items=tuple(items), removed=tuple(found.removed), unchanged=found.unchanged)


def item_of(document_id: str, why: Why) -> IndexItem:
    """A document to index, by its id alone."""
    return IndexItem(document_id=document_id, why=why, status="new" if why in ("new", "unfinished") else "updated")


def fingerprint_of(chunker: Chunker, content_hash: str) -> str:
    """What the index holds of a document depends on this, and on nothing else."""
    return digest(chunker.fingerprint(content_hash), VERSION)


def _hashes(warehouse: Warehouse, author_ids: Collection[str] | None) -> Iterator[tuple[str, str]]:
    if author_ids is None:
        yield from warehouse.hashes()
        return
    for author_id in sorted(author_ids):
        for document in warehouse.documents(DocumentFilter(author_id=author_id)):
            yield document.id, document.content_hash


def _why(entry: LedgerEntry | None, content_hash: str, wanted: str) -> Why:
    if entry is None:
        return "new"
    if not entry.fingerprint:
        return "unfinished"
    if entry.fingerprint == wanted:
        return "rebuild"
    return "content changed" if entry.content_hash != content_hash else "cleaner, chunker or model changed"


def read(warehouse: Warehouse, document_id: str) -> Document | Exception | None:
    """A document of the warehouse, None when it is gone; an error that is its own is returned."""
    try:
        return warehouse.get(document_id)
    except TwinError as error:
        if isinstance(error.__cause__, ValidationError):  # the record, not the warehouse
            return error
        raise
