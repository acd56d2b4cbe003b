"""Source that parsers can read in a time that grows with its length."""

from __future__ import annotations

import re

MOST_CHARACTERS = 3_000_000  # of a page that are read; the largest of 881 real ones has two million
MOST_TAGS = 80_000  # opening and closing ones; of 881 real pages the largest has a quarter of that
LONG = 2000  # characters of a tag
LONG_TAG = re.compile(rf"<([A-Za-z][\w:-]{{0,40}})([^<>]{{{LONG},}})")
QUOTED = re.compile(r""""[^"]*"|'[^']*'""")
MOST_ATTRIBUTES = 200  # of an element; real ones have under 60


def tame(source: str) -> str:
    """The source without the attributes of elements that have hundreds.

    libxml2 compares every attribute with all before it: 40,000 on one element, 300 kB, take it 15 seconds.
    """
    if any(len(part) > LONG and len(part) - part.rfind("<") > LONG for part in source.split(">")):
        return LONG_TAG.sub(_without_attributes, source)
    return source


def bounded(source: str) -> str:
    """The beginning of a source that would take parsers, and what walks their trees, more than seconds."""
    source = source[:MOST_CHARACTERS]
    if source.count("<") > MOST_TAGS:
        source = source[: len(source) - len(source.split("<", MOST_TAGS)[-1]) - 1]
    return source


def _without_attributes(tag: re.Match[str]) -> str:
    return f"<{tag[1]} " if len(QUOTED.sub("", tag[2]).split()) > MOST_ATTRIBUTES else tag[0]
