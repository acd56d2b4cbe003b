"""The log of a gauge: one line a tip, `2024-11-22T14:03:07.250Z`, perhaps with more columns after a comma."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

# A reed switch bounces for a few milliseconds; a bucket cannot fill again in under a second.
ECHO = timedelta(milliseconds=200)


def read_tips(lines: Iterable[str]) -> list[datetime]:
    """The moments of all real tips, in order. Blank lines, comments and a header are passed over.

    Raises ValueError, naming the line, when a line does not begin with a moment.
    """
    moments = []
    for number, line in enumerate(lines, start=1):
        first = line.split(",")[0].strip()
        if not first or first.startswith("#") or first == "tip":
            continue
        try:
            moments.append(datetime.fromisoformat(first.replace("Z", "+00:00")))
        except ValueError:
            raise ValueError(f"line {number}: not a moment: {first!r}") from None
    return list(without_echoes(sorted(moments)))


def without_echoes(moments: Iterable[datetime], quiet: timedelta = ECHO) -> Iterator[datetime]:
    """Drop every moment that follows the last one kept by less than `quiet`."""
    last = None
    for moment in moments:
        if last is None or moment - last >= quiet:
            last = moment
            yield moment
