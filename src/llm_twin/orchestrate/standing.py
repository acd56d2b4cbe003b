"""What a cached step may rest on: a step is skipped where the world is as it left it, never because it once ran.

Nothing of ZenML here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta

from pydantic import SecretStr

from llm_twin import __version__, indexing
from llm_twin.collecting import input_of
from llm_twin.documents import Link, Outcome, Value, digest, now
from llm_twin.errors import OutdatedError
from llm_twin.indexing import Embedded, IndexItem
from llm_twin.links import canonical
from llm_twin.settings import Settings, masked
from llm_twin.twin import Twin
from llm_twin.warehouse.store import DocumentFilter, Warehouse

# Pages change, and only asking again tells. Half a day: a daily schedule always asks, a repeated run does not.
FRESH_FOR = timedelta(hours=12)

# Where things lie on this machine and how long to wait for them does not change what comes out.
WITHOUT_EFFECT = frozenset({"home", "models", "lock_wait", "concurrency", "delay"})


def crawl_is_current(warehouse: Warehouse, links: Sequence[Link], fresh_for: timedelta = FRESH_FOR) -> bool:
    """Whether crawling these links again can be skipped.

    It can when the last crawl of exactly these links is not older than `fresh_for`, none of them failed, and every
    document that it stored is still there and has not been written since.
    """
    run = warehouse.run_with_key(digest("collect", *input_of(links)))
    if not run or run.state != "finished" or not run.finished_at or now() - run.finished_at > fresh_for:
        return False
    outcomes = warehouse.outcomes(run.id)
    if not outcomes or any(outcome.status == "failed" for outcome in outcomes):
        return False
    ids = {link.author.name: link.author.id for link in links}
    for outcome in outcomes:
        if outcome.stored_as:
            document = warehouse.get(digest(ids.get(outcome.author, ""), canonical(outcome.stored_as)))
            if not document or document.collected_at > run.finished_at:
                return False
    return True


def configuration_digest(settings: Settings) -> str:
    """Changes with every setting that can change what a run leaves behind; holds no secret."""
    shown = {}
    for name in sorted(set(Settings.model_fields) - WITHOUT_EFFECT):
        value = getattr(settings, name)
        if name == "warehouse":
            value = masked(settings.warehouse_address)
        elif name == "vectors":
            value = masked(value) or str(settings.vectors_path)
        elif isinstance(value, SecretStr):
            value = "set"
        shown[name] = value
    return digest(__version__, json.dumps(shown, sort_keys=True, default=str))


class FeaturePlan(Value):
    """What a run of the feature pipeline has to do. Equal `state`s mean that it would end in the same index."""

    author_ids: tuple[str, ...] | None  # None: everybody's documents
    state: str
    items: tuple[IndexItem, ...] = ()
    removed: tuple[str, ...] = ()
    unchanged: int = 0
    rebuild: bool = False  # the index is of another model or version, so it is built anew as a whole

    @property
    def is_empty(self) -> bool:
        """Whether the index is in step already."""
        return not (self.items or self.removed or self.rebuild)


class Cleaned(Value):
    """What the cleaning step did; the texts are in the feature snapshot."""

    documents: int
    failed: tuple[Outcome, ...] = ()
    seconds: float = 0.0


class EmbeddedDocuments(Value):
    """What the embedding step did, document by document; the vectors are in the index."""

    items: tuple[Embedded, ...]
    seconds: float = 0.0


def plan_features(twin: Twin, author_ids: tuple[str, ...] | None) -> FeaturePlan:
    """Compare warehouse and index, of all or of some authors."""
    state = digest(*sorted(_wanted(twin, author_ids)))
    try:
        with twin.index_lock():
            found = indexing.plan(twin.warehouse, twin.vectors, twin.chunker, author_ids)
    except OutdatedError:
        return FeaturePlan(author_ids=author_ids, state=state, rebuild=True)
    return FeaturePlan(
        author_ids=author_ids, state=state, items=found.items, removed=found.removed, unchanged=found.unchanged
    )


def _wanted(twin: Twin, author_ids: tuple[str, ...] | None) -> Iterator[str]:
    """What the index should hold: every document with its fingerprint."""
    if author_ids is None:
        hashes: Iterable[tuple[str, str]] = twin.warehouse.hashes()
    else:
        of = (DocumentFilter(author_id=author_id) for author_id in author_ids)
        hashes = ((each.id, each.content_hash) for where in of for each in twin.warehouse.documents(where))
    for document_id, content_hash in hashes:
        yield f"{document_id} {indexing.fingerprint_of(twin.chunker, content_hash)}"
