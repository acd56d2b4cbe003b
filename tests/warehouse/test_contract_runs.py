"""What every warehouse promises about runs and their outcomes."""

from __future__ import annotations

from llm_twin.documents import Outcome
from llm_twin.errors import Reason
from llm_twin.warehouse.store import Warehouse
from stored_values import BOB, at, outcome, run


def test_a_run_comes_back_equal_in_every_field(warehouse: Warehouse) -> None:
    stored = run(state="finished", finished_at=at(3), host="here", pid=7, summary={"a.b": {"$c": [1, 2.5]}})
    warehouse.put_run(stored)
    assert warehouse.runs() == [stored]


def test_putting_a_run_again_replaces_it_and_keeps_its_outcomes(warehouse: Warehouse) -> None:
    warehouse.put_run(run(summary={"chunks": 3}))
    warehouse.put_outcomes("one", [outcome()])
    warehouse.put_run(run(state="finished", finished_at=at(1)))
    assert warehouse.runs() == [run(state="finished", finished_at=at(1))]
    assert warehouse.outcomes("one") == [outcome()]


def test_runs_come_newest_first_and_the_later_written_first_of_two_at_one_moment(warehouse: Warehouse) -> None:
    for name, minutes in (("b", 2), ("c", 2), ("a", 1), ("d", 3)):
        warehouse.put_run(run(name, minutes))
    warehouse.put_run(run("b", 2, state="finished"))
    assert [found.id for found in warehouse.runs()] == ["d", "c", "b", "a"]
    assert [found.id for found in warehouse.runs(2)] == ["d", "c"]
    assert warehouse.runs(0) == []


def test_the_newest_run_with_a_key_is_found(warehouse: Warehouse) -> None:
    for name, minutes, key in (("a", 1, "x"), ("b", 2, "x"), ("c", 3, "y")):
        warehouse.put_run(run(name, minutes, key=key))
    found = warehouse.run_with_key("x")
    assert found and found.id == "b"
    assert warehouse.run_with_key("z") is None


def test_an_outcome_comes_back_equal_in_every_field(warehouse: Warehouse) -> None:
    stored = outcome(
        link="no\0link \N{GRINNING FACE}",
        status="failed",
        reason=Reason.TIMEOUT,
        detail="slow",
        title="T",
        documents=3,
        transient=True,
        seconds=1.25,
    )
    warehouse.put_outcomes("one", [stored])
    assert warehouse.outcomes("one") == [stored]


def test_outcomes_come_in_the_order_of_their_time_then_of_their_writing(warehouse: Warehouse) -> None:
    late, early = outcome(1, minutes=2), outcome(2, minutes=1)
    same = [outcome(number, minutes=1) for number in (9, 3, 7)]
    warehouse.put_outcomes("one", iter([late, early]))
    warehouse.put_outcomes("one", same)
    warehouse.put_outcomes("two", [outcome(8)])
    warehouse.put_outcomes("two", [])
    assert warehouse.outcomes("one") == [early, *same, late]
    assert warehouse.outcomes("three") == []


def test_an_outcome_of_the_same_author_and_link_is_replaced_in_its_run(warehouse: Warehouse) -> None:
    failed = outcome(status="failed", reason=Reason.TIMEOUT)
    warehouse.put_outcomes("one", [failed, outcome(2)])
    warehouse.put_outcomes("two", [failed])
    warehouse.put_outcomes("one", [outcome(), outcome(), outcome(author=BOB.name)])
    assert warehouse.outcomes("one") == [outcome(), outcome(2), outcome(author=BOB.name)]
    assert warehouse.outcomes("two") == [failed]


def test_the_last_outcome_of_each_link_is_the_newest_over_all_collect_runs(warehouse: Warehouse) -> None:
    for name, command in (("old", "collect"), ("new", "collect"), ("index", "index")):
        warehouse.put_run(run(name, command=command))
    newest = outcome(1, minutes=5)
    only_old, of_bob = outcome(2, minutes=1), outcome(1, minutes=2, author=BOB.name)
    warehouse.put_outcomes("new", [newest])
    warehouse.put_outcomes("old", [outcome(1, minutes=3, status="failed", reason=Reason.GONE), only_old, of_bob])
    warehouse.put_outcomes("index", [outcome(1, minutes=9), outcome(3, minutes=9)])
    warehouse.put_outcomes("unknown", [outcome(2, minutes=9)])
    assert warehouse.last_outcomes() == [only_old, of_bob, newest]
    assert warehouse.last_outcomes("bob  KAHN") == [of_bob]
    assert warehouse.last_outcomes("Nobody") == []


def test_two_thousand_outcomes_are_stored_at_once(warehouse: Warehouse) -> None:
    warehouse.put_run(run())
    outcomes: list[Outcome] = [outcome(number) for number in range(2_000)]
    warehouse.put_outcomes("one", outcomes)
    assert warehouse.outcomes("one") == outcomes
    assert len(warehouse.last_outcomes()) == 2_000
