"""What the parts of a page say of its title, author, date and language, and which of them is believed, and why."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

Field = Literal["title", "author", "published_at", "language"]


class Claim(NamedTuple):
    """What one part of a page says."""

    field: Field
    source: str
    value: str


class Belief(NamedTuple):
    """Whose word was taken, and why."""

    source: str
    because: str


@dataclass
class Claims:
    """Filled while metadata are read, best first. `thorough`: those are asked as well whose word comes too late."""

    thorough: bool = False
    made: list[Claim] = field(default_factory=list)
    believed: dict[Field, Belief] = field(default_factory=dict)

    def add(self, about: Field, source: str, value: str) -> None:
        """Note what a source says; nothing where it says nothing, or the same again."""
        claim = Claim(about, source, value)
        if value and claim not in self.made:
            self.made.append(claim)

    def believe(self, about: Field, source: str, because: str) -> None:
        """Note whose word was taken; a later note replaces it."""
        self.believed[about] = Belief(source, because)
