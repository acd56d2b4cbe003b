"""The two numbers of a post: LinkedIn's pages show its activity's, its data export names its share's.

Pages and the answers to their scripts pair them in the metadata of an update (`shareUrn` beside `urn` or `backendUrn`).
Where no pair is given the time in the numbers tells: a share is made some 100 ms before the activity that shows it.
Version 1, of 2026.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_left as bisect
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

ACTIVITY = re.compile(r"urn:li:activity:\d{15,20}")
SHARE = re.compile(r"urn:li:(?:share|ugcPost):\d{15,20}")
IN_LINK = re.compile(r"[-_](activity|share|ugcPost)-(\d{15,20})(?=[-/?]|$)")
NAMES = ("urn", "backendUrn", "entityUrn", "preDashEntityUrn", "updateUrn")  # of the update that a share is shown by
APART = 3_000  # milliseconds between the two, at most; nobody posts twice in this time
CODE = re.compile(r"<(?:code|script)\b[^>]{0,300}>(?:<!--)?\s*(?=[\[{])", re.I)


def shares_in(source: str) -> dict[str, str]:
    """Activity -> share, of the posts that a page, or an answer to its scripts, tells of."""
    paired = {activity: share for value in _data(source) for activity, share in _paired(value)}
    return _by_time(unquote(source), paired) | paired


def named(link: str) -> str:
    """The activity or share that a link to a post names; "" where it names none."""
    link = unquote(link)
    if found := SHARE.search(link) or ACTIVITY.search(link):
        return found[0]
    found = IN_LINK.search(link)
    return f"urn:li:{found[1]}:{found[2]}" if found else ""


def share_named(link: str) -> str:
    """The share that a link to a post names; "" where it names none."""
    return name if SHARE.match(name := named(link)) else ""


def is_named(name: str, urn: str, share: str) -> bool:
    """Whether the post with this URN has that name; `share`: the one that is known to be its, or ""."""
    if name.rpartition(":")[2] in (urn.rpartition(":")[2], share.rpartition(":")[2]):
        return True
    apart = abs(_milliseconds(name) - _milliseconds(urn))
    return not share and apart <= APART and bool(SHARE.match(name)) != bool(SHARE.match(urn))


def _data(source: str) -> Iterator[Any]:
    """What a source holds as JSON: itself, or what a page carries for its scripts."""
    decoder = json.JSONDecoder(strict=False)
    pieces = [source] if source.lstrip().startswith(("{", "[")) else _carried(source)
    for piece in pieces:
        try:
            yield decoder.raw_decode(piece.lstrip())[0]
        except (ValueError, RecursionError):
            continue


def _carried(source: str) -> Iterator[str]:
    from html import unescape

    for opening in CODE.finditer(source):
        end = source.find("</", opening.end())
        piece = source[opening.end() : end if end >= 0 else None]
        if "shareUrn" in piece:
            yield unescape(piece)


def _paired(value: Any) -> Iterator[tuple[str, str]]:
    """(Activity, share) of each object that names a share, by its own names or those of the object around it."""
    waiting: list[tuple[Any, str]] = [(value, "")]
    while waiting:
        part, around = waiting.pop()
        if isinstance(part, dict):
            own = " ".join(str(part[name]) for name in NAMES if isinstance(part.get(name), str))
            activity = ACTIVITY.search(own) or ACTIVITY.search(around)
            share = SHARE.search(str(part.get("shareUrn") or ""))
            if activity and share:
                yield activity[0], share[0]
            waiting += [(inner, own) for inner in part.values()]
        elif isinstance(part, list):
            waiting += [(inner, around) for inner in part]


def _by_time(source: str, paired: dict[str, str]) -> dict[str, str]:
    """Pairs of what was made at one time, where just one share is near an activity that nothing else pairs."""
    shares = sorted((_milliseconds(urn), urn) for urn in set(SHARE.findall(source)) - set(paired.values()))
    found = {}
    for activity in set(ACTIVITY.findall(source)) - set(paired):
        at = _milliseconds(activity)
        first, end = bisect(shares, (at - APART,)), bisect(shares, (at + APART + 1,))
        if end - first == 1:
            found[activity] = shares[first][1]
    return found


def _milliseconds(urn: str) -> int:
    return int(urn.rpartition(":")[2]) >> 22
