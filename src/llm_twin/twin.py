"""The composition root: settings in, a twin out whose stores, models and web open when they are first needed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from llm_twin import collecting, pipelines
from llm_twin.documents import Author, Document, Hit, Link, Outcome, Report, Run, digest
from llm_twin.errors import ConfigError, LinkError, LockedError, OutdatedError, StoreError, UsageError
from llm_twin.links import canonical, parse_link
from llm_twin.runs import Progress, seen
from llm_twin.settings import Settings
from llm_twin.warehouse import open_warehouse
from llm_twin.warehouse.store import DocumentFilter, Warehouse

if TYPE_CHECKING:
    from llm_twin.collect.discover import Found
    from llm_twin.collect.web import Web
    from llm_twin.features.chunk import Chunker
    from llm_twin.indexing import IndexPlan
    from llm_twin.models.embed import Embedder
    from llm_twin.models.rerank import Reranker
    from llm_twin.vectors.store import CleanedDocument, VectorStore

T = TypeVar("T")

HOME_MODE = 0o700  # drafts, private repositories and, later, sessions lie here


class Twin:
    """Collects what people have published, keeps it indexed, and finds the right passage.

    `Twin()` reads the settings from the environment; keyword arguments set single ones, e.g. `Twin(home="corpus")`.
    Use it as a context manager, or call `close()`. Methods raise the errors of `llm_twin.errors`.
    """

    def __init__(self, settings: Settings | None = None, progress: Progress | None = None, **options: Any) -> None:
        if settings and options:
            raise UsageError("Twin: give either settings or single options, not both")
        self.settings = settings or Settings.load(**options)
        self.progress = progress

    # --- parts, opened late ---

    @cached_property
    def home(self) -> Path:
        """The folder of all state, made when it is missing. Raises `ConfigError` when it can't be."""
        home = self.settings.home.expanduser()
        try:
            home.mkdir(parents=True, exist_ok=True, mode=HOME_MODE)
        except FileExistsError:
            raise ConfigError(f"TWIN_HOME: {home} is a file; give a folder") from None
        except OSError as error:
            raise ConfigError(f"TWIN_HOME: {home} can't be made: {error.strerror}; give another folder") from None
        return home

    @cached_property
    def warehouse(self) -> Warehouse:
        """The raw documents."""
        return open_warehouse(self.settings.warehouse_address if self.home else "")

    @cached_property
    def embedder(self) -> Embedder:
        """The embedding model; fetched or built on first use."""
        from llm_twin.models import open_embedder

        return open_embedder(self.settings)

    @cached_property
    def chunker(self) -> Chunker:
        """The chunker that fits the embedding model."""
        from llm_twin.features.chunk import Chunker

        limits = {"chunk_tokens": self.settings.chunk_tokens, "overlap": self.settings.chunk_overlap}
        return Chunker(self.embedder.tokenizer, self.embedder.max_tokens, self.embedder.name, **limits)

    @cached_property
    def vectors(self) -> VectorStore:
        """The index."""
        return self._opened_vectors()

    # --- collect ---

    def collect(
        self,
        author: str | Author,
        links: Iterable[str],
        expand: int = 0,
        since: datetime | None = None,
        *,
        refresh: bool = False,
    ) -> Report:
        """Collect an author's links; `expand` > 0 takes that many items of each link that stands for many.

        What was published before `since` is left out. `refresh` reads pages again that have not changed.
        """
        author = author if isinstance(author, Author) else self._author(author)
        given = [Link(url=link, author=author, expand=expand, since=since) for link in links]
        return self.collect_links(given, refresh=refresh)

    def collect_links(self, links: Iterable[Link], *, refresh: bool = False) -> Report:
        """Collect links of one or more authors, together with any process that collects the same links by now."""
        given, slots = list(links), self.settings.concurrency
        return self._online(
            lambda web: collecting.collect(self.warehouse, web, given, self.progress, slots, refresh=refresh)
        )

    def retry_failed(self, author: str | None = None) -> Report:
        """Collect again the links whose last outcome was a failure, and those that a stopped run never came to."""
        whom = pipelines.known_author(self.warehouse, author) if author else None
        runs = self.runs(limit=1)
        report = self.collect_links(collecting.to_retry(self.warehouse, runs, whom))
        for run in collecting.stopped(runs):
            self.warehouse.queue.drop(run.id, whom.id if whom else None)
        return report

    def import_archive(
        self, path: str | Path, author: str | Author | None = None, *, drafts: bool = False, site: str = ""
    ) -> Report:
        """Store the documents of an export (a zip, a folder or a file), recognised by what stands in it.

        `author` is whose it is; the handbook's dump names its own. `drafts`: take what was never published as well.
        `site`: the address it was published at, for exports that do not say it. Raises `UsageError` for what is no
        archive, and before anything is stored for a broken handbook dump.
        """
        from llm_twin.collect.archives import handbook
        from llm_twin.collect.archives.container import Archive
        from llm_twin.collect.archives.formats import Wanted, format_of, items_of, site_of

        if handbook.recognises(Path(path)):
            authors, documents = handbook.read_dump(Path(path))
            return pipelines.ingest(self.warehouse, authors, documents, self.progress, format="handbook")
        with Archive(Path(path)) as archive:
            found = format_of(archive)
            if author is None:
                raise UsageError(f'import: whose is {path}, which is {found.title}? Give it as --author "Full Name"')
            whose = self.warehouse.put_author(author) if isinstance(author, Author) else self._author(author)

            def stored(link: str) -> str | None:
                try:
                    document = self.warehouse.get(digest(whose.id, canonical(link)))
                except LinkError:  # too long, or with what no link can hold
                    return None
                return document.text if document else None

            wanted = Wanted(whose, drafts, site_of(site) if site else "", stored)
            items = items_of(archive, found, wanted)
            return pipelines.ingest(self.warehouse, [whose], items, self.progress, format=found.name)

    def discover(self, link: str, limit: int | None = None, since: datetime | None = None) -> list[Found]:
        """What a site, feed, sitemap or profile holds, newest first, with dates and how each was found.

        At most `limit` items, none that is dated before `since`. Nothing is stored. Raises `LinkError`; `CutShort`
        of `collect.discover`, which has what was found, where a list could not be read to its end.
        """
        from llm_twin.collect.discover import MOST, discover

        return self._online(lambda web: discover(parse_link(link), web, limit or MOST, since))

    def extract(self, source: str | Path, url: str = "") -> Document:
        """The document that a link, or a saved page (a file, fetched from `url`), would give; nothing is stored."""
        return self._online(lambda web: collecting.preview(str(source), web, url))

    # --- index and find ---

    def index(self, authors: Iterable[str] | None = None, *, rebuild: bool = False) -> Report:
        """Bring the index in step with the warehouse, of all or only of these authors (names, aliases or ids).

        `rebuild` builds a new index aside, while the one in use goes on answering, and puts it in its place at the
        end; a changed model does so by itself. A second index run on the same home waits for the first.
        """
        from llm_twin import indexing

        author_ids = self._author_ids(authors, rebuild)
        with self.index_lock():
            former, why = self._former(rebuild, author_ids)
            if not why:
                parts = (self.warehouse, self.vectors, self.embedder, self.chunker, self.progress)
                return indexing.index(*parts, author_ids=author_ids)
            if not rebuild:
                self._say(f"{why}: building it anew, aside")
            with self._opened_vectors(draft=True) as draft:
                parts = (self.warehouse, draft, self.embedder, self.chunker, self.progress)
                return indexing.index(*parts, former=former)

    def index_plan(self, authors: Iterable[str] | None = None, *, rebuild: bool = False) -> IndexPlan:
        """What `index` with these arguments would do, and why, with a time estimate. Nothing is stored."""
        from llm_twin import indexing

        author_ids = self._author_ids(authors, rebuild)
        former, why = self._former(rebuild, author_ids)
        ledger = former.ledger() if former and why else None
        with self._opened_vectors(draft=bool(why)) as vectors:
            found = indexing.plan(self.warehouse, vectors, self.chunker, author_ids, ledger)
            found = found.model_copy(update={"rebuild": why})
            return indexing.estimated(found, self.warehouse, vectors, self.embedder, self.chunker, former)

    def _author_ids(self, authors: Iterable[str] | None, rebuild: bool) -> list[str] | None:
        if authors is None:
            return None
        if rebuild:
            raise UsageError("a rebuild is of the whole index; leave out the authors")
        return [self.author(name).id for name in authors]

    def _former(self, rebuild: bool, author_ids: list[str] | None) -> tuple[VectorStore | None, str]:
        """The index in use, as far as it can be read, and why it has to be rebuilt ("": it need not be)."""
        from llm_twin.vectors import open_vectors

        why = "a rebuild was asked for" if rebuild else ""
        try:
            try:
                former = self.vectors
            except OutdatedError as error:
                if author_ids is not None:
                    raise
                why = str(error).partition(";")[0]
                if not error.model:
                    return None, why
                former = open_vectors(self.settings, error.model, error.dimension, self._tell)
            if why:
                former.ledger()
                former.vectors_by_hash([""])  # reads the chunks
        except (LockedError, OutdatedError):
            raise
        except StoreError:
            if not why:
                raise
            return None, why  # what is damaged is no obstacle for a new one
        return former, why

    def _opened_vectors(self, draft: bool = False) -> VectorStore:
        from llm_twin.vectors import open_vectors

        return open_vectors(self.settings, self.embedder.name, self.embedder.dimension, self._tell, draft=draft)

    @cached_property
    def reranker(self) -> Reranker | None:
        """The cross-encoder that the settings name, if any."""
        from llm_twin.models import open_reranker

        return open_reranker(self.settings)

    def search(
        self,
        question: str,
        k: int = 5,
        mode: str = "hybrid",
        diversity: float | None = None,
        rerank: bool | None = None,
        context: int = 0,
        explain: bool = False,
        **where: Any,
    ) -> list[Hit]:
        """The `k` documents that answer `question` best, with their passages.

        `mode`: dense, sparse or hybrid. `diversity`: 0 to 1, how much what was said already counts against a document.
        `rerank`: by the cross-encoder of the settings, which is used when there is one. `context`: how many passages
        before and after each found one come with it. `explain`: say why. `where`: author, kind, platform, language,
        link, since (a datetime). Raises `ConfigError` for reranking without a model.
        """
        reranker = None if rerank is False else self.reranker
        if rerank and not reranker:
            raise ConfigError(
                "no model to rerank with: set TWIN_RERANKER to the Hub id or the folder of a cross-encoder, e.g."
                " cross-encoder/ms-marco-MiniLM-L6-v2"
            )
        return pipelines.find(
            question,
            self.warehouse,
            self.vectors,
            self.embedder,
            k,
            mode=mode,
            diversity=diversity or 0.0,
            reranker=reranker,
            context=context,
            explain=explain,
            progress=self.progress,
            **where,
        )

    # --- look and forget ---

    def authors(self) -> list[Author]:
        """All authors by name."""
        return self.warehouse.authors()

    def documents(self, author: str | None = None, **where: Any) -> Iterator[Document]:
        """Documents, newest first. `where`: kind, platform, since, link."""
        return self.warehouse.documents(self.document_filter(author, **where), newest_first=True)

    def cleaned_documents(self, author: str | None = None, **where: Any) -> Iterator[CleanedDocument]:
        """The feature snapshot of the index: documents as they were cleaned. `where`: kind, platform, since."""
        from llm_twin.vectors.store import ChunkFilter

        author_id = self.author(author).id if author else None
        return self.vectors.snapshot(ChunkFilter(author_id=author_id, **where))

    def document(self, id_or_link: str) -> Document:
        """One document by id or link. Raises `UsageError` when there is none."""
        found = self.warehouse.get(id_or_link)
        if not found and "://" in id_or_link:
            found = next(iter(pipelines.documents_of(self.warehouse, id_or_link)), None)
        if not found:
            raise UsageError(f"no document {id_or_link}; `twin documents list` shows what there is")
        return found

    def author(self, name: str) -> Author:
        """The author with this name, alias or id. Raises `UsageError` that suggests the closest one."""
        return pipelines.known_author(self.warehouse, name)

    def document_filter(self, author: str | None = None, **where: Any) -> DocumentFilter:
        """The filter with the author's name, alias or id resolved. Raises `UsageError` for an unknown one."""
        author_id = pipelines.known_author(self.warehouse, author).id if author else None
        return DocumentFilter(author_id=author_id, **where)

    def runs(self, limit: int = 10) -> list[Run]:
        """The last runs, newest first; one whose process is gone shows as interrupted."""
        return [seen(run, self.warehouse) for run in self.warehouse.runs(limit)]

    def failures(self) -> list[Outcome]:
        """The links whose last outcome was a failure, over all runs."""
        return [outcome for outcome in self.warehouse.last_outcomes() if outcome.status == "failed"]

    def forget_author(self, name: str) -> int:
        """Remove an author and all documents, from index and warehouse; returns how many documents went."""
        with self.index_lock():
            self._forget_draft()
            return pipelines.forget_author(self.warehouse, self.vectors, name)

    def forget_link(self, link: str) -> int:
        """Remove the documents of a link, from index and warehouse; returns how many went."""
        with self.index_lock():
            self._forget_draft()
            return pipelines.forget_link(self.warehouse, self.vectors, link)

    @contextmanager
    def index_lock(self) -> Iterator[None]:
        """Keep other processes from writing to the index for the time of the `with` block; waits for its turn."""
        from llm_twin.locks import held

        with held(self.home / "index.lock", f"the index of {self.home}", self.settings.lock_wait, self._tell):
            yield

    # --- inner ---

    def _forget_draft(self) -> None:
        """Remove what a stopped rebuild left: it may hold what is to be forgotten."""
        with self._opened_vectors(draft=True) as draft:
            draft.discard()

    def _author(self, name: str) -> Author:
        if not name.strip():
            raise UsageError('the author\'s name is empty; give it as --author "Full Name"')
        return self.warehouse.author(name) or Author.named(name)

    def _online(self, work: Callable[[Web], Coroutine[Any, Any, T]]) -> T:
        """Run `work` with the web to its end; in a notebook, whose event loop is running already, in a thread."""
        from llm_twin.collect.web import Web

        async def go() -> T:
            async with Web(self.settings) as web:
                return await work(web)

        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return asyncio.run(go())
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(asyncio.run, go()).result()

    def _tell(self, holder: str) -> None:
        self._say(f"waiting for {holder}")

    def _say(self, text: str) -> None:
        if self.progress:
            self.progress.say(text)

    def close(self) -> None:
        """Release the stores. Closing twice is fine."""
        for part in ("warehouse", "vectors"):
            if part in self.__dict__:
                self.__dict__.pop(part).close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
