"""The outcomes of a run that has very many: compressed, in a tenth of the memory or less, and unpacked when read."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import overload

from llm_twin.documents import Outcome
from llm_twin.warehouse.records import storable

BLOCK = 500  # outcomes compressed together: a third of a megabyte while they are read


class PackedOutcomes(Sequence[Outcome]):
    """A sequence of outcomes that can grow at its end. Reading it in order is cheap, by index it is not."""

    def __init__(self) -> None:
        self._blocks: list[bytes] = []  # each of JSON lines
        self._last: list[str] = []

    def extend(self, outcomes: Iterable[Outcome]) -> None:
        """Add outcomes."""
        for outcome in outcomes:
            self._last.append(_json(outcome))
            if len(self._last) == BLOCK:
                self._blocks.append(zlib.compress("\n".join(self._last).encode(), 1))
                self._last = []

    def __len__(self) -> int:
        return len(self._blocks) * BLOCK + len(self._last)

    def __iter__(self) -> Iterator[Outcome]:
        for block in self._blocks:
            yield from map(Outcome.model_validate_json, zlib.decompress(block).split(b"\n"))
        yield from map(Outcome.model_validate_json, self._last)

    @overload
    def __getitem__(self, index: int) -> Outcome: ...

    @overload
    def __getitem__(self, index: slice) -> list[Outcome]: ...

    def __getitem__(self, index: int | slice) -> Outcome | list[Outcome]:
        if isinstance(index, slice):
            return list(self)[index]
        at = index + len(self) if index < 0 else index
        found = next(islice(iter(self), at, None), None) if at >= 0 else None
        if found is None:
            raise IndexError(index)
        return found


def _json(outcome: Outcome) -> str:
    try:
        return outcome.model_dump_json(exclude_defaults=True)
    except ValueError:  # halves of characters, as broken exports hold them
        return storable(outcome).model_dump_json(exclude_defaults=True)
