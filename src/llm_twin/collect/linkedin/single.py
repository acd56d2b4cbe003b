"""One post of LinkedIn's by its link, and whose it is: what names somebody else is nobody's own."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from unicodedata import combining, normalize

from llm_twin.collect.linkedin.numbers import SHARE, is_named, named
from llm_twin.collect.linkedin.posts import Parsed, parsed, posted_by
from llm_twin.documents import Author
from llm_twin.errors import Permanent, Reason


def single(
    posts: Sequence[tuple[str, str]],
    shares: Mapping[str, str],
    links: Iterable[str],
    author: Author,
    fetched_at: datetime,
) -> Parsed:
    """Of a page's posts the one that links to it name, or the first where they name none.

    Raises `Permanent(NOT_FOUND)` where that is not among them, and `Permanent(OTHER_AUTHOR)`.
    """
    at = list(links)
    names = [name for name in map(named, at) if name]
    chosen = [
        (urn, html)
        for urn, html in posts
        if not names or any(is_named(name, urn, shares.get(urn, "")) for name in names)
    ][:1]
    if posts and not chosen:
        raise Permanent(Reason.NOT_FOUND, f"the post that the link names is not on its page: {at[0]}")
    handle, known = "", dict(shares)
    for urn, html in chosen:
        name, handle = posted_by(html, fetched_at.date())
        refuse_others(author, name, handle)
        if names and SHARE.match(names[0]):
            known[urn] = names[0]
    return parsed(chosen, known, author, handle, fetched_at)


def refuse_others(author: Author, name: str, handle: str) -> None:
    """Raises `Permanent(OTHER_AUTHOR)` where a page names who it is by, and that is somebody else."""
    if name and not _is_by(author, name, handle):
        told = f"it is by {name}, not by {author.name}; where that is one person: --alias {shlex.quote(name)}"
        raise Permanent(Reason.OTHER_AUTHOR, told)


def _is_by(author: Author, *shown: str) -> bool:
    """Whether a name that is shown may be one of the author's: two words are the same, or as many as the shorter has.

    An initial, or a shorter form that a word begins with, is the same.
    """
    mine = [_words(name) for name in (author.name, *author.aliases)]
    return any(_alike(words, _words(name)) for words in mine for name in shown)


def _words(name: str) -> list[str]:
    folded = "".join(each for each in normalize("NFKD", name.casefold()) if not combining(each))
    return re.findall(r"[^\W\d_]+", folded)


def _alike(one: list[str], other: list[str]) -> bool:
    same = sum(any(a.startswith(b) or b.startswith(a) for b in other) for a in one)
    return bool(one and other) and same >= min(2, len(one), len(other))
