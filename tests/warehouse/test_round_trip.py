"""Any document comes back as it was put, and all stores answer alike."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llm_twin.documents import KINDS, Author, Document
from llm_twin.warehouse import open_warehouse
from llm_twin.warehouse.store import Warehouse
from mongod import with_database
from stored_values import document, response

TEXTS = st.text(st.characters(), max_size=20)  # lone surrogates included
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
DATES = st.datetimes(min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30))
DOCUMENTS = st.builds(
    document,
    st.integers(1, 6),
    kind=st.sampled_from(KINDS),
    title=TEXTS,
    text=TEXTS | st.just("Some text."),
    platform=TEXTS,
    language=st.none() | TEXTS,
    published_at=st.none() | DATES,
    parent_id=st.sampled_from([None, *(document(number).id for number in (1, 2))]),
    metadata=st.dictionaries(TEXTS, JSON, max_size=3),
    raw=st.none() | st.builds(response, TEXTS.map(lambda text: text.encode("utf-8", "replace").decode())),
)
PUTS = st.lists(st.lists(DOCUMENTS, max_size=4), max_size=4)


def clean(value: Any) -> Any:
    """What the stores make of lone surrogates."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {clean(key): clean(item) for key, item in value.items()}
    return [clean(item) for item in value] if isinstance(value, list) else value


@pytest.fixture(scope="module")
def warehouses(mongod_uri: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Warehouse]]:
    path: Path = tmp_path_factory.mktemp("round-trip") / "warehouse.sqlite"
    with ExitStack() as stack:
        addresses = [f"sqlite:///{path}", with_database(mongod_uri, path.parent.name.replace("-", "_"))]
        yield [stack.enter_context(open_warehouse(address)) for address in addresses]


def emptied(warehouse: Warehouse) -> Warehouse:
    warehouse.delete([document_id for document_id, _ in warehouse.hashes()])
    return warehouse


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(stored=DOCUMENTS)
def test_any_document_comes_back(warehouses: list[Warehouse], stored: Document) -> None:
    fields = clean(stored.model_dump() | {"raw": None})
    expected = Document.model_validate(fields)
    for warehouse in map(emptied, warehouses):
        assert warehouse.put([stored]) == ["new"]
        assert warehouse.put([stored]) == ["unchanged"], "put is idempotent"
        assert list(warehouse.documents()) == [expected]
        assert warehouse.raw(stored.id) == stored.raw


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(puts=PUTS)
def test_both_stores_answer_alike_whatever_is_put(warehouses: list[Warehouse], puts: list[list[Document]]) -> None:
    answers = []
    for warehouse in map(emptied, warehouses):
        statuses = [warehouse.put(batch) for batch in puts]
        found = list(warehouse.documents())
        newest = list(warehouse.documents(newest_first=True))
        answers.append((statuses, found, newest, list(warehouse.hashes()), [warehouse.raw(one.id) for one in found]))
    assert answers[0] == answers[1]
    assert all(document_id == one.id for (document_id, _), one in zip(answers[0][3], answers[0][1], strict=True))


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(name=TEXTS.filter(lambda text: Author.key(text)), aliases=st.lists(TEXTS, max_size=3))
def test_any_author_is_found_by_each_name(warehouses: list[Warehouse], name: str, aliases: list[str]) -> None:
    author = Author.named(name, aliases)
    for warehouse in warehouses:
        stored = warehouse.put_author(author)
        assert stored == Author(id=author.id, name=clean(author.name), aliases=tuple(map(clean, aliases)))
        assert warehouse.put_author(author) == stored
        assert all(warehouse.author(one) == stored for one in (author.id, name, *aliases) if Author.key(one))
        warehouse.delete_author(author.id)
