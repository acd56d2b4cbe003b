"""What every backend does to values on their way in, so that all of them give back the same.

Text with lone surrogates (halves of a UTF-16 pair, found in broken JSON) can't be stored as UTF-8: each becomes
U+FFFD, a pair its character. Metadata and headers are stored as JSON text: any key and any size of number comes back.
"""

from __future__ import annotations

import json
import sys
import zlib
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple, TypeVar

from llm_twin.documents import Author, Document, Raw, Value
from llm_twin.errors import RecordError, StoreError, UsageError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

V = TypeVar("V", bound=Value)

SCHEMA = 3  # version of what is written; a store with a higher one is refused
ZSTD = b"\x28\xb5\x2f\xfd"  # RFC 8878, section 3.1.1; a page takes 1 ms, with zlib 7 ms and more room
NEWER = "was written by a newer llm-twin (schema {found}, this one reads up to {known}); upgrade llm-twin"


class Prepared(NamedTuple):
    """A document ready to be written, its raw response taken out and compressed."""

    document: Document
    metadata: str  # JSON
    raw: Raw | None  # its body compressed


def prepare(document: Document) -> Prepared:
    """The document as it will come back. Raises `RecordError` when its metadata is not JSON."""
    try:
        document = storable(document)
        metadata = to_json(document.metadata)
    except (TypeError, ValueError, RecursionError) as error:
        raise RecordError(f"{document.link}: metadata can't be stored as JSON: {error}") from None
    raw = document.raw and storable(document.raw)
    return Prepared(document, metadata, raw and raw.model_copy(update={"body": zstd.compress(raw.body)}))


def unpacked(url: str, status: int, headers: str, fetched_at: datetime | str, body: bytes) -> Raw:
    """The raw response that was stored with these columns."""
    try:
        fields = {"url": url, "status": status, "headers": json.loads(headers), "fetched_at": fetched_at}
        unpack = zstd.decompress if body.startswith(ZSTD) else zlib.decompress  # zlib: schema 1
        return Raw.model_validate({**fields, "body": unpack(body)})
    except (zlib.error, zstd.ZstdError) as error:
        raise StoreError(f"{url}: its stored response is damaged ({error}); collect it again") from None


def to_json(value: Any) -> str:
    """JSON without escapes for what is not ASCII."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def storable(value: V) -> V:
    """`value` with all its text fit for UTF-8; itself when it is already."""
    fields = dict(value)
    clean = {name: _storable(field) for name, field in fields.items()}
    return value if all(clean[name] is fields[name] for name in fields) else type(value)(**clean)


def _storable(value: Any) -> Any:
    """Strings at any depth of dicts, lists and tuples cleaned; the very same object where nothing had to be."""
    if isinstance(value, str):
        return value if value.isascii() else storable_text(value)
    if isinstance(value, dict):
        pairs = {_storable(key): _storable(item) for key, item in value.items()}
        same = len(pairs) == len(value) and all(map(_is, pairs.items(), value.items()))
        return value if same else pairs
    if isinstance(value, list | tuple):
        items = [_storable(item) for item in value]
        return value if all(new is old for new, old in zip(items, value, strict=True)) else type(value)(items)
    return value


def _is(one: tuple[Any, Any], other: tuple[Any, Any]) -> bool:
    return one[0] is other[0] and one[1] is other[1]


def storable_text(text: str) -> str:
    """`text` with every lone surrogate replaced by U+FFFD."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def names_of(author: Author) -> set[str]:
    """The keys under which an author is found."""
    return {key for name in (author.name, *author.aliases) if (key := Author.key(name))}


def merged(author: Author, found: Sequence[Author]) -> Author:
    """What is stored for `author` when `found` are the stored ones that share its id or a name.

    Raises `UsageError` when the author has no name, or when its names belong to several stored authors.
    """
    if not Author.key(author.name):
        raise UsageError("an author needs a name; this one's is empty")
    if not found:
        return author
    if len(found) > 1:
        names = " and ".join(repr(other.name) for other in found)
        raise UsageError(f"author {author.name!r}: its names belong to {names}; leave out the aliases of one of them")
    stored = found[0]
    return stored.model_copy(update={"aliases": stored.aliases + _gained(stored, (author.name, *author.aliases))})


def _gained(stored: Author, names: Iterable[str]) -> tuple[str, ...]:
    known = names_of(stored)
    gained = []
    for name in names:
        if (key := Author.key(name)) and key not in known:
            known.add(key)
            gained.append(name)
    return tuple(gained)


def by_name(authors: Iterable[Author]) -> list[Author]:
    """Authors in the order in which they are listed."""
    return sorted(authors, key=lambda author: (Author.key(author.name), author.id))


def in_utc(moment: datetime) -> datetime:
    """A moment in UTC; one without a zone is taken to be in UTC."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def milliseconds(moment: datetime) -> int:
    """Whole milliseconds since 1970; exact, unlike `timestamp()`, for every year."""
    since = in_utc(moment) - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1000 + since.microseconds // 1000


def one_line(error: object) -> str:
    """An error's text on one line, not longer than a screen line or two."""
    text = " ".join(str(error).split())
    return text if len(text) <= 200 else text[:199] + "…"
