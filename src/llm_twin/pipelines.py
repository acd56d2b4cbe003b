"""Ingest, find, forget: plain functions over the stores' contracts. Collecting and indexing have their own folders."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from itertools import islice
from typing import TYPE_CHECKING, Any

from llm_twin.collect.archives.formats import Broken, Item, Left
from llm_twin.collect.same_post import SamePosts
from llm_twin.documents import KINDS, Author, Document, Hit, Outcome, Report
from llm_twin.errors import Permanent, Reason, UsageError
from llm_twin.links import canonical
from llm_twin.packed import PackedOutcomes
from llm_twin.runs import Progress, RunLog, Silent, failure
from llm_twin.warehouse.store import DocumentFilter, Warehouse

if TYPE_CHECKING:
    from llm_twin.models.embed import Embedder
    from llm_twin.models.rerank import Reranker
    from llm_twin.vectors.store import Vectors, VectorStore

BATCH_DOCUMENTS = 200  # stored in one transaction by an import


# --- ingest: an archive's documents -> warehouse -------------------------------------------------------------------


def ingest(
    warehouse: Warehouse,
    authors: Sequence[Author],
    items: Iterable[Item],
    progress: Progress | None = None,
    **summary: object,
) -> Report:
    """Store what was found in an archive, as it is found. What was collected from the web already is not overwritten.

    What can't be read is a failure of the first of `authors`. What is left out is counted by why in the report's
    summary, to which `summary` is added. Secrets are masked.
    """
    clock = time.perf_counter()
    progress = progress or Silent()
    progress.plan("import", 0)
    left_out: Counter[str] = Counter()
    known = {author.id: warehouse.put_author(author) for author in authors}
    owner = authors[0].name if authors else ""
    seen: set[bytes] = set()
    packed = PackedOutcomes()
    found = iter(items)
    same = SamePosts(warehouse)
    with RunLog(warehouse, "import") as log_book:
        log_book.summary |= {**summary, "left_out": left_out}
        while batch := list(islice(found, BATCH_DOCUMENTS)):
            left_out.update(item.why for item in batch if isinstance(item, Left))
            outcomes = [failure(item.where, owner, item.error) for item in batch if isinstance(item, Broken)]
            documents = [item for item in batch if isinstance(item, Document)]
            for document in documents:
                if document.author_id not in known:  # the handbook's posts may name others
                    known[document.author_id] = warehouse.put_author(Author.named(document.author))
            fresh: dict[str, Document] = {}
            for document in documents:
                if (key := bytes.fromhex(document.id)) not in seen:
                    if not document.metadata.get("excerpt"):  # the whole may follow
                        seen.add(key)
                    fresh[document.id] = document
            left_out.update({"twice in the archive": len(documents) - len(fresh)})
            outcomes += _stored(warehouse, same, list(fresh.values()))
            log_book.add(*outcomes)
            packed.extend(outcomes)
            for outcome in outcomes:
                progress.step("import", 1, outcome)
        log_book.summary["left_out"] = {why: count for why, count in left_out.most_common() if count}
    return Report(
        run_id=log_book.run.id,
        command=log_book.run.command,
        outcomes=packed,
        seconds=time.perf_counter() - clock,
        interrupted=log_book.interrupted,
        summary=log_book.summary,
    )


def _stored(warehouse: Warehouse, same: SamePosts, documents: list[Document]) -> list[Outcome]:
    from llm_twin.collect.secrets import masked

    kept: list[Outcome] = []
    taken: list[tuple[Document, int]] = []
    for document in documents:
        stored_as = same.stored(document) or document.id
        if warehouse.raw(stored_as) is not None:
            why = Permanent(Reason.DUPLICATE, "already collected from the web, which has the better text")
            kept.append(failure(document.link, document.author, why))
            continue
        excerpt = document.metadata.get("excerpt")
        other = warehouse.get(stored_as) if excerpt or stored_as != document.id else None
        if other and excerpt and not other.metadata.get("excerpt") and len(other.text) >= len(document.text):
            why = Permanent(Reason.DUPLICATE, "stored already, with no less of its text than this excerpt")
            kept.append(failure(document.link, document.author, why))
            continue
        if other and other.id != document.id:
            document = document.model_copy(update={"id": other.id, "link": other.link})
        (clean,), secrets = masked([document])
        taken.append((clean, secrets))
    statuses = warehouse.put([document for document, _ in taken])
    return kept + [
        Outcome(
            link=document.link,
            author=document.author,
            status=status,
            title=document.title,
            documents=1,
            secrets=secrets,
        )
        for (document, secrets), status in zip(taken, statuses, strict=True)
    ]


# --- find and forget -----------------------------------------------------------------------------------------------


QUESTION_CHARACTERS = 10_000  # some 2,000 words: beyond that, more words find nothing better, and cost


def find(
    question: str,
    warehouse: Warehouse,
    vectors: VectorStore,
    embedder: Embedder,
    limit: int = 5,
    *,
    mode: str = "hybrid",
    diversity: float = 0.0,
    reranker: Reranker | None = None,
    context: int = 0,
    explain: bool = False,
    progress: Progress | None = None,
    **where: Any,
) -> list[Hit]:
    """The documents that answer `question` best, best first; see `retrieve.search.Query` for the options.

    `where`: author (name, alias or id), kind, platform, language, link, since (a datetime). `progress` is told when a
    question is not read to its end. Raises `UsageError` for what is unknown or makes no sense.
    """
    from llm_twin.retrieve.search import Query, check_mode, search
    from llm_twin.vectors.payloads import encodable
    from llm_twin.vectors.store import ChunkFilter

    if name := where.pop("author", None):
        where["author_id"] = known_author(warehouse, name).id
    if link := where.get("link"):
        where["link"] = canonical(link)
    if unknown := set(where) - set(ChunkFilter.model_fields):
        raise UsageError(f"no filter {min(unknown)!r}; there are author, kind, platform, language, link and since")
    if where.get("kind") not in (None, *KINDS):
        raise UsageError(f"no kind {where['kind']!r}; there are {', '.join(KINDS)}")
    question, cut = encodable(question[:QUESTION_CHARACTERS]), len(question) > QUESTION_CHARACTERS
    if cut and progress:
        progress.say(f"the question is long: only its first {QUESTION_CHARACTERS:,} characters are searched for")

    def embed(text: str) -> Vectors:
        tokens = len(embedder.tokenizer.encode(text, add_special_tokens=False).ids)
        if tokens > embedder.max_tokens and progress:
            progress.say(
                f"the question has {tokens} tokens, of which {embedder.name} reads the first {embedder.max_tokens};"
                " those after them count as words only"
            )
        return embedder.encode_query(text)

    query = Query(
        question=question,
        limit=limit,
        mode=check_mode(mode),
        where=ChunkFilter(**where),
        diversity=diversity,
        context=context,
        explain=explain,
    )
    return search(query, vectors, embed, reranker)


def known_author(warehouse: Warehouse, name: str) -> Author:
    """The author with this name, alias or id. Raises `UsageError` that suggests the closest one."""
    if found := warehouse.author(name):
        return found
    names = [author.name for author in warehouse.authors()]
    close = get_close_matches(name, names, 1, cutoff=0.4)
    hint = f"did you mean {close[0]!r}?" if close else "`twin authors` lists those that are known"
    raise UsageError(f"no author {name!r}; {hint}")


def documents_of(warehouse: Warehouse, link: str) -> list[Document]:
    """The documents that a link was collected as, for all authors; pages and repositories may name another link."""
    links = [canonical(link)]
    if not warehouse.count(DocumentFilter(link=links[0])):
        told = {
            each.stored_as for each in warehouse.last_outcomes() if each.stored_as and canonical(each.link) in links
        }
        links = sorted(told)
    return [document for each in links for document in warehouse.documents(DocumentFilter(link=each))]


def forget_author(warehouse: Warehouse, vectors: VectorStore, name: str) -> int:
    """Remove an author and all documents from index and warehouse; how many documents went. Raises `UsageError`."""
    author = known_author(warehouse, name)
    ids = [document.id for document in warehouse.documents(DocumentFilter(author_id=author.id))]
    # The index first: killed in between, the author is still known, and forgetting again completes it.
    vectors.delete(ids)
    vectors.erase()
    warehouse.delete_author(author.id)
    return len(ids)


def forget_link(warehouse: Warehouse, vectors: VectorStore, link: str) -> int:
    """Remove the documents of a link, for all authors, with their parts; how many went. Raises `UsageError`."""
    whole = documents_of(warehouse, link)
    if not whole:
        raise UsageError(f"no document with the link {link}; `twin documents list` shows what there is")
    ids = [document.id for document in whole]
    parts = [part.id for each in ids for part in warehouse.documents(DocumentFilter(parent_id=each))]
    vectors.delete([*ids, *parts])
    vectors.erase()
    return warehouse.delete([*ids, *parts])
