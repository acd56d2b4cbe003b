"""What every warehouse promises about authors and documents."""

from __future__ import annotations

import tracemalloc
from datetime import datetime, timedelta, timezone

import pytest

from llm_twin.documents import Author, Outcome, Run
from llm_twin.errors import StoreError, UsageError
from llm_twin.warehouse import open_warehouse
from llm_twin.warehouse.store import DocumentFilter, Warehouse
from stored_values import ADA, BOB, START, at, document, response, transactional


def ids(documents: object) -> list[str]:
    return [document.id for document in documents]  # type: ignore[attr-defined]


# Authors


def test_an_author_is_found_by_id_name_and_alias_however_it_is_spelt(warehouse: Warehouse) -> None:
    assert warehouse.put_author(ADA) == ADA
    for name in (ADA.id, "Ada Lovelace", "  ada   LOVELACE", "the countess", "\uff21da Lovelace"):
        assert warehouse.author(name) == ADA, name
    assert warehouse.author("Ada") is None


def test_putting_an_author_twice_changes_nothing(warehouse: Warehouse) -> None:
    warehouse.put_author(ADA)
    assert warehouse.put_author(ADA) == ADA
    assert warehouse.authors() == [ADA]


@pytest.mark.parametrize(
    ("other", "aliases"),
    [
        (Author(id=ADA.id, name="Augusta Ada King"), ("The Countess", "Augusta Ada King")),
        (Author.named("ADA lovelace", aliases=["Ada King", "ada king"]), ("The Countess", "Ada King")),
        (Author.named("The  Countess"), ("The Countess",)),
        (Author.named("A. A. King", aliases=["the countess"]), ("The Countess", "A. A. King")),
    ],
    ids=["same id", "same name", "name is an alias", "alias is an alias"],
)
def test_an_author_who_shares_an_id_or_a_name_gains_the_other_names(
    warehouse: Warehouse, other: Author, aliases: tuple[str, ...]
) -> None:
    warehouse.put_author(ADA)
    merged = Author(id=ADA.id, name=ADA.name, aliases=aliases)
    assert warehouse.put_author(other) == merged
    assert warehouse.put_author(other) == merged
    assert warehouse.authors() == [merged]
    assert all(warehouse.author(name) == merged for name in (other.name, *aliases))


def test_an_author_whose_names_belong_to_two_others_is_refused(warehouse: Warehouse) -> None:
    for author in (ADA, BOB):
        warehouse.put_author(author)
    with pytest.raises(UsageError, match="'Ada Lovelace' and 'Bob Kahn'"):
        warehouse.put_author(Author.named("Ada Lovelace", aliases=["bob kahn"]))
    assert warehouse.authors() == [ADA, BOB]


def test_an_author_needs_a_name(warehouse: Warehouse) -> None:
    with pytest.raises(UsageError, match="needs a name"):
        warehouse.put_author(Author(id="1", name="  "))
    assert warehouse.authors() == []


def test_authors_are_listed_by_name(warehouse: Warehouse) -> None:
    names = ["Zoe", "adam", "Émile", "Bea"]
    for name in names:
        warehouse.put_author(Author.named(name))
    assert [author.name for author in warehouse.authors()] == ["adam", "Bea", "Zoe", "Émile"]


def test_deleting_an_author_takes_all_documents_and_responses_and_leaves_the_others(warehouse: Warehouse) -> None:
    warehouse.put_author(ADA)
    warehouse.put_author(BOB)
    repository = document(1, kind="repository", raw=response())
    child = document(2, kind="code", parent_id=repository.id, raw=response())
    kept = document(1, BOB, raw=response())
    warehouse.put([repository, child, kept])
    outcomes = [
        Outcome(link=f"https://a.example/{each.name}", author=each.name, status="failed") for each in (ADA, BOB)
    ]
    warehouse.put_run(Run(id="r1", command="collect", key="k"))
    warehouse.put_outcomes("r1", outcomes)
    warehouse.delete_author(ADA.id)
    warehouse.delete_author(ADA.id)
    assert warehouse.authors() == [BOB]
    assert ids(warehouse.documents()) == [kept.id]
    assert [warehouse.raw(one) is None for one in (repository.id, child.id, kept.id)] == [True, True, False]
    assert warehouse.author("The Countess") is None
    assert warehouse.outcomes("r1") == warehouse.last_outcomes() == outcomes[1:]


# Adding and updating documents


def test_a_document_comes_back_equal_in_every_field(warehouse: Warehouse) -> None:
    metadata = {"a.b": 1, "$set": {"$inc": [None, True, 1.5, "é\0"]}, "": {}, "big": 2**80, "nested": [[{"x.y": []}]]}
    stored = document(
        kind="post",
        title="Tïtle\0 \N{GRINNING FACE}",
        text="\r\n\ttext \u2028",
        published_at=datetime(2001, 2, 3, 4, 5, 6, 789_999, timezone(timedelta(hours=-5))),
        language="en",
        parent_id="parent",
        metadata=metadata,
    )
    assert warehouse.put([stored]) == ["new"]
    assert warehouse.get(stored.id) == stored
    assert list(warehouse.documents()) == [stored]
    assert warehouse.get("unknown") is None


def test_dates_of_any_year_come_back(warehouse: Warehouse) -> None:
    batch = [document(year, published_at=datetime(year, 6, 1, 0, 0, 0, 1000)) for year in (1, 1969, 9999)]
    warehouse.put(batch)
    assert list(warehouse.documents(newest_first=True)) == batch[::-1]
    assert [warehouse.count(DocumentFilter(since=one.published_at)) for one in batch] == [3, 2, 1]


def test_lone_surrogates_are_replaced_and_pairs_joined(warehouse: Warehouse) -> None:
    stored = document(title="a\ud800b", text="\ud83d\ude00", metadata={"k\udfff": ["\ud800"]})
    assert warehouse.put([stored, stored]) == ["new", "unchanged"]
    found = warehouse.get(stored.id)
    assert found and (found.title, found.text, found.metadata) == (
        "a\ufffdb",
        "\N{GRINNING FACE}",
        {"k\ufffd": ["\ufffd"]},
    )
    assert warehouse.get("\ud800") is None


def test_an_unchanged_document_stays_as_it_is_but_for_its_response(warehouse: Warehouse) -> None:
    first = document(raw=response("one"))
    again = document(raw=response("two", status=203), collected_at=at(5), platform="other", metadata={"tag": 1})
    assert warehouse.put([first]) == ["new"]
    assert warehouse.put([again]) == ["unchanged"]
    assert warehouse.get(first.id) == document()
    assert warehouse.raw(first.id) == again.raw
    assert warehouse.put([document()]) == ["unchanged"]
    assert warehouse.raw(first.id) == again.raw


def test_an_updated_document_keeps_its_id_and_gains_a_revision(warehouse: Warehouse) -> None:
    warehouse.put([document(raw=response())])
    assert warehouse.put([document(text="Changed.", collected_at=at(5), revision=7)]) == ["updated"]
    assert warehouse.put([document(text="Changed again.", collected_at=at(6))]) == ["updated"]
    assert list(warehouse.documents()) == [document(text="Changed again.", collected_at=at(6), revision=3)]
    assert warehouse.raw(document().id) is None, "the response is no longer the one that it was extracted from"


def test_the_revision_passed_in_is_ignored(warehouse: Warehouse) -> None:
    warehouse.put([document(revision=9)])
    assert [found.revision for found in warehouse.documents()] == [1]


def test_statuses_follow_the_order_of_the_documents_even_when_one_comes_twice(warehouse: Warehouse) -> None:
    warehouse.put([document(2), document(3)])
    batch = [document(3, text="Changed."), document(1), document(2), document(1), document(1, text="Changed.")]
    assert warehouse.put(batch) == ["updated", "new", "unchanged", "unchanged", "updated"]
    assert warehouse.get(document(1).id) == document(1, text="Changed.", revision=2)
    assert warehouse.put([]) == []


def test_the_same_link_of_two_authors_is_two_documents(warehouse: Warehouse) -> None:
    assert warehouse.put([document(1, ADA), document(1, BOB)]) == ["new", "new"]
    assert warehouse.count() == 2


def test_a_document_that_changes_its_kind_is_still_one_document(warehouse: Warehouse) -> None:
    warehouse.put([document(raw=response())])
    assert warehouse.put([document(kind="post", raw=response())]) == ["updated"]
    assert list(warehouse.documents()) == [document(kind="post", revision=2)]
    assert [warehouse.count(DocumentFilter(kind=kind)) for kind in ("article", "post")] == [0, 1]
    assert warehouse.raw(document().id) == response()


def test_a_repository_defines_its_children(warehouse: Warehouse) -> None:
    repository = document(1, kind="repository")
    files = [document(number, kind="code", parent_id=repository.id, raw=response()) for number in (2, 3, 4)]
    foreign = document(5, kind="code", parent_id="another")
    warehouse.put([repository, *files, foreign])
    assert warehouse.put([repository, files[0]]) == ["unchanged", "unchanged"]
    assert set(ids(warehouse.documents())) == {repository.id, files[0].id, foreign.id}
    assert warehouse.raw(files[1].id) is None
    warehouse.put([files[1]])
    assert warehouse.count() == 4, "a file that comes without its repository takes no others away"


def test_nothing_is_stored_when_one_document_of_a_call_fails(warehouse: Warehouse) -> None:
    endless: dict[str, object] = {}
    endless["again"] = endless
    warehouse.put([document(1)])
    for bad in ({"when": START}, {"object": object()}, endless):
        with pytest.raises(StoreError, match=r"https://blog\.example/3: metadata") as caught:
            warehouse.put([document(1, text="Changed."), document(2, raw=response()), document(3, metadata=bad)])
        assert "\n" not in str(caught.value)
        assert list(warehouse.documents()) == [document(1)]
        assert warehouse.raw(document(2).id) is None


# Reading documents


def test_documents_come_by_id_whatever_their_kind(warehouse: Warehouse) -> None:
    kinds = ["article", "post", "repository", "code"]
    batch = [document(number, kind=kinds[number % 4]) for number in range(40)]
    warehouse.put(batch)
    expected = sorted(batch, key=lambda one: one.id)
    assert list(warehouse.documents()) == expected
    assert list(warehouse.hashes()) == [(one.id, one.content_hash) for one in expected]


def test_newest_first_puts_undated_documents_last_and_equal_dates_by_id(warehouse: Warehouse) -> None:
    kinds = ["article", "post", "code"]
    dates = [at(1), None, at(3), at(2), None, at(3), datetime(1950, 1, 1), at(2.00005)]
    batch = [document(n, kind=kinds[n % 3], published_at=date) for n, date in enumerate(dates)]
    warehouse.put(batch)
    dated = [one for one in batch if one.published_at]
    expected = sorted(dated, key=lambda one: (-one.published_at.timestamp(), one.id))  # type: ignore[union-attr]
    expected += sorted((one for one in batch if not one.published_at), key=lambda one: one.id)
    assert list(warehouse.documents(newest_first=True)) == expected


def test_all_conditions_of_a_filter_must_hold(warehouse: Warehouse) -> None:
    by_number = {
        1: document(1, published_at=at(1)),
        2: document(2, published_at=at(2), kind="post"),
        3: document(3, published_at=at(3), platform="medium"),
        4: document(4, BOB),
        5: document(5, BOB, kind="post", parent_id="parent"),
    }
    warehouse.put(list(by_number.values()))
    for where, numbers in [
        (DocumentFilter(), {1, 2, 3, 4, 5}),
        (DocumentFilter(author_id=BOB.id), {4, 5}),
        (DocumentFilter(kind="post"), {2, 5}),
        (DocumentFilter(platform="medium"), {3}),
        (DocumentFilter(since=at(2)), {2, 3}),
        (DocumentFilter(since=at(2).replace(tzinfo=None)), {2, 3}),
        (DocumentFilter(since=at(2).astimezone(timezone(timedelta(hours=9)))), {2, 3}),
        (DocumentFilter(link="https://blog.example/4"), {4}),
        (DocumentFilter(parent_id="parent"), {5}),
        (DocumentFilter(author_id=BOB.id, kind="post"), {5}),
        (DocumentFilter(author_id=BOB.id, platform="medium"), set()),
        (DocumentFilter(platform="\ud800"), set()),
    ]:
        expected = {by_number[number].id for number in numbers}
        assert set(ids(warehouse.documents(where))) == expected, where
        assert set(ids(warehouse.documents(where, newest_first=True))) == expected, where
        assert warehouse.count(where) == len(expected), where


@pytest.mark.parametrize("newest_first", [False, True])
def test_the_caller_may_write_while_it_iterates(warehouse: Warehouse, newest_first: bool) -> None:
    batch = [document(number, published_at=at(number)) for number in range(250)]
    warehouse.put(batch)
    seen = []
    for found in warehouse.documents(newest_first=newest_first):
        seen.append(found.id)
        if len(seen) % 50 == 1:
            warehouse.put([found.model_copy(update={"text": "Changed.", "raw": response()})])
            warehouse.count()
    assert sorted(seen) == sorted(ids(batch))
    assert sum(found.revision == 2 for found in warehouse.documents()) == 5


def test_an_iteration_may_be_left_early_and_begun_again(warehouse: Warehouse) -> None:
    warehouse.put([document(number) for number in range(150)])
    first = [next(iter(warehouse.documents())) for _ in range(5)]
    assert len(set(ids(first))) == 1
    assert warehouse.delete(ids(first)) == 1


@transactional
def test_reading_all_documents_takes_bounded_memory(address: str) -> None:
    megabyte = 1_000_000
    with open_warehouse(address) as warehouse:
        for number in range(60):
            warehouse.put([document(number, text=f"{number:04}" * (megabyte // 4))])
        tracemalloc.start()
        read = sum(len(found.text) for found in warehouse.documents())
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert read == 60 * megabyte
    assert peak < 45 * megabyte  # MongoDB sends 16 MB at a time, which are there twice while they are decoded


def test_the_raw_response_comes_back_as_it_was_fetched(warehouse: Warehouse) -> None:
    body = bytes(range(256)) * 1000
    raw = response(headers={"a.b": "1", "$x": "é"}, fetched_at=at(3)).model_copy(update={"body": body})
    warehouse.put([document(1, raw=raw), document(2)])
    assert warehouse.raw(document(1).id) == raw
    assert warehouse.raw(document(2).id) is None
    assert warehouse.raw("unknown") is None


def test_deleting_takes_children_and_responses_and_counts_what_went(warehouse: Warehouse) -> None:
    repository = document(1, kind="repository", raw=response())
    files = [document(number, kind="code", parent_id=repository.id, raw=response()) for number in (2, 3)]
    article = document(4, raw=response())
    warehouse.put([repository, *files, article])
    assert warehouse.delete([]) == 0
    assert warehouse.delete(["unknown"]) == 0
    assert warehouse.delete({repository.id, files[0].id, "unknown"}) == 3
    assert ids(warehouse.documents()) == [article.id]
    assert [warehouse.raw(one.id) for one in (repository, *files)] == [None] * 3
    assert warehouse.delete([article.id]) == 1
    assert warehouse.put([article]) == ["new"]


def test_everything_is_there_when_the_store_is_opened_again(address: str) -> None:
    with open_warehouse(address) as warehouse:
        warehouse.put_author(ADA)
        warehouse.put([document(raw=response())])
        warehouse.close()
        warehouse.close()
        with pytest.raises(StoreError, match="closed"):
            warehouse.authors()
    with open_warehouse(address) as warehouse:
        assert (warehouse.authors(), list(warehouse.documents())) == ([ADA], [document()])
