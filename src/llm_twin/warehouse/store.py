"""The contract of a warehouse: what is stored, and what happens on a duplicate, an update, a crash."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime
from types import TracebackType
from typing import Protocol, Self

from llm_twin.documents import Author, Document, Kind, Outcome, Raw, Run, Status, Value
from llm_twin.warehouse.queue import Queue


class DocumentFilter(Value):
    """Which documents are meant; all conditions must hold, an unset one holds for all."""

    author_id: str | None = None
    kind: Kind | None = None
    platform: str | None = None
    since: datetime | None = None  # published at or after; documents without a date are left out
    link: str | None = None  # canonical
    parent_id: str | None = None


class Warehouse(Protocol):
    """Raw documents, their authors, and the runs that collected them.

    Every write is atomic (for MongoDB: in a transaction) and idempotent: done twice it leaves the same store as
    done once. Stores give back the values they were given, equal in every field, `Document.raw` aside, which
    comes back through `raw`. Keys (author id; author name; document id; run id; run id + position of an
    outcome) are enforced by the store. One instance may be used from several threads, and any number of processes
    may have the same warehouse open.

    Opening raises `StoreError` when the store can't be reached within 5 seconds, `ConfigError` when its address is
    malformed; any method raises `StoreError` when the store is full, read-only or gone. No text carries a password.
    """

    @property
    def queue(self) -> Queue:
        """The links of collect runs."""
        ...

    def put_author(self, author: Author) -> Author:
        """Add an author, or merge: an author with this id or a name or alias of this one's gains the other names.

        Returns the author as stored. Names are compared by `Author.key`.
        """
        ...

    def author(self, name_or_id: str) -> Author | None:
        """The author with this id, name or alias."""
        ...

    def authors(self) -> list[Author]:
        """All authors by name."""
        ...

    def delete_author(self, author_id: str) -> None:
        """Remove an author with all documents, raw responses and outcomes. Nothing happens when there is none."""
        ...

    def put(self, documents: Sequence[Document]) -> list[Status]:
        """Add or update documents and their raw responses in one transaction: all of them, or on an error none.

        Per document, in order: `new`; `updated` when `content_hash` differs from the stored one (the revision grows
        by one); `unchanged` otherwise: the stored document then stays as it is, but for `raw`, which is replaced.
        The `revision` of what is passed is ignored; `collected_at` is that of the last new or updated write.
        A document with children (`parent_id`) in the same call defines them: stored children
        of a passed `repository` document that are not in the call are removed.
        """
        ...

    def get(self, document_id: str) -> Document | None:
        """One document."""
        ...

    def documents(self, where: DocumentFilter | None = None, *, newest_first: bool = False) -> Iterator[Document]:
        """Matching documents, streamed in bounded memory: by id, or newest first by date of publication, undated last.

        The caller may write to the warehouse while it iterates.
        """
        ...

    def hashes(self) -> Iterator[tuple[str, str]]:
        """(document id, content hash) of every document, ordered by id, streamed, without reading the texts."""
        ...

    def count(self, where: DocumentFilter | None = None) -> int:
        """How many documents match."""
        ...

    def raw(self, document_id: str) -> Raw | None:
        """The response that a document was extracted from, if it was kept."""
        ...

    def delete(self, document_ids: Collection[str]) -> int:
        """Remove documents, their children and raw responses; how many documents went. Unknown ids do nothing."""
        ...

    def put_run(self, run: Run) -> None:
        """Add a run or replace the one with its id. Its outcomes stay."""
        ...

    def runs(self, limit: int = 10) -> list[Run]:
        """The last runs, newest first."""
        ...

    def run_with_key(self, key: str) -> Run | None:
        """The newest run with this key."""
        ...

    def put_outcomes(self, run_id: str, outcomes: Iterable[Outcome]) -> None:
        """Store outcomes of a run; one for the same author and link in this run is replaced."""
        ...

    def outcomes(self, run_id: str) -> list[Outcome]:
        """The outcomes of a run in the order of `at`."""
        ...

    def last_outcomes(self, author: str | None = None) -> list[Outcome]:
        """The newest outcome of each (author name, link) over all `collect` runs; of one author where named."""
        ...

    def close(self) -> None:
        """Release the connection. Closing twice is fine."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
