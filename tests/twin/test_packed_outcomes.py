"""Outcomes that are kept compressed."""

from __future__ import annotations

import pickle

import pytest

from llm_twin.documents import Outcome, Report
from llm_twin.packed import BLOCK, PackedOutcomes


def outcome(number: int) -> Outcome:
    return Outcome(link=f"https://a.example/{number}", author="Ada", status="new", title=f"Two\nlines {number}")


def test_packed_outcomes_read_like_a_tuple_of_them() -> None:
    outcomes = [outcome(number) for number in range(2 * BLOCK + 3)]
    packed = PackedOutcomes()
    packed.extend(outcomes[:7])
    packed.extend(outcomes[7:])
    assert list(packed) == outcomes
    assert (len(packed), packed[0], packed[BLOCK], packed[-1]) == (
        2 * BLOCK + 3,
        *(outcomes[at] for at in (0, BLOCK, -1)),
    )
    assert packed[BLOCK - 1 : BLOCK + 2] == outcomes[BLOCK - 1 : BLOCK + 2]
    for beyond in (2 * BLOCK + 3, -2 * BLOCK - 4):
        with pytest.raises(IndexError):
            packed[beyond]
    report = Report(run_id="r", command="import", outcomes=packed, seconds=1.0)
    assert report.counts == {"new": 2 * BLOCK + 3}
    assert list(pickle.loads(pickle.dumps(report)).outcomes) == outcomes  # noqa: S301 - our own
    read = Report.model_validate_json(report.model_dump_json())
    assert (read.outcomes, read.counts) == (tuple(outcomes), report.counts)


def test_half_characters_in_a_title_are_replaced() -> None:
    packed = PackedOutcomes()
    packed.extend([outcome(1).model_copy(update={"title": "Half \ud83d"})])
    assert packed[0].title == "Half \ufffd"
