"""Cleaning: a stored document's text made fit for embedding. Nothing that a reader reads is removed.

Code is data: it passes unchanged, as files and inside Markdown fences.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

from llm_twin.documents import Document, Kind

VERSION = "1"  # part of every fingerprint: a change here rebuilds what is indexed

FENCE = re.compile(r"^[ \t]*(?P<mark>`{3,}|~{3,})[^\n]*\n.*?(?:^[ \t]*(?P=mark)[`~]*[ \t]*$|\Z)", re.M | re.S)
# Zero-width and soft-hyphen characters, byte order marks, control characters but newline and tab.
INVISIBLE = re.compile("[\u00ad\u200b\u200c\u2060\ufeff\x00-\x08\x0b-\x1f\x7f]")
DATA_IMAGE = re.compile(r"!\[([^\]]*)\]\(data:[^)]*\)")


def clean(document: Document) -> str:
    """The text of `document` as it is chunked; chunk offsets count its characters."""
    return _BY_KIND[document.kind](document.text)


def _prose(text: str) -> str:
    """Text outside a fence: Unicode NFC, plain spaces, no invisible characters, no runs of blank lines."""
    text = unicodedata.normalize("NFC", text).replace("\u00a0", " ").replace("\u2028", "\n").replace("\u2029", "\n\n")
    text = DATA_IMAGE.sub(r"\1", INVISIBLE.sub("", text))
    text = re.sub(r"[ \t]+$", "", text, flags=re.M)
    return re.sub(r"\n{3,}", "\n\n", text)


def _markdown(text: str) -> str:
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    parts, end = [], 0
    for fence in FENCE.finditer(text):
        parts += [_prose(text[end : fence.start()]), fence.group()]
        end = fence.end()
    return "".join([*parts, _prose(text[end:])]).strip("\n")


def _code(text: str) -> str:
    return text


_BY_KIND: dict[Kind, Callable[[str], str]] = {
    "article": _markdown,
    "post": _markdown,
    "repository": _markdown,
    "code": _code,
}
