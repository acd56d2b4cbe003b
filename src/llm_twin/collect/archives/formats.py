"""Which reader takes which archive. A new format is one file in this folder.

A reader yields what it finds in an archive, as it finds it, in memory that does not grow with the archive: documents,
things that are left out on purpose, and things that can't be read. It is picked by what stands in the members.
"""

from __future__ import annotations

import os
import pkgutil
import re
import shlex
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib import import_module
from typing import Any, NamedTuple, ParamSpec

from llm_twin.collect.archives.container import Archive
from llm_twin.collect.reading.language import language_of
from llm_twin.collect.reading.markdown import without_marks
from llm_twin.documents import Author, Document, Kind
from llm_twin.errors import LinkError, Permanent, Reason, TwinError, UsageError
from llm_twin.links import parse_link

Arguments = ParamSpec("Arguments")

TITLE_LENGTH = 80  # characters of the first line, for what has no title
TEXT = ("md", "markdown", "mdx")
DATA = ("csv", "html", "js", "json", "xml")
# Of a site: what is built of its sources, and by what.
BUILT = re.compile(r"(?:^|/)(?:_site|public|dist|_layouts|_includes|layouts|themes|node_modules|vendor)/")
OF_MARKDOWN = ("notion", "notes")
MOST_BROKEN = 10_000  # items of an archive that can't be read before the rest is not tried
# For what was never published anywhere. `.invalid` is never a host (RFC 2606).
NO_SITE = "https://notes.invalid/"


class Left(NamedTuple):
    """Something that is not taken, by design: a draft, a repost. Counted by `why`."""

    where: str
    why: str


class Broken(NamedTuple):
    """Something that should have been taken and can't be read."""

    where: str
    error: LinkError


Item = Document | Left | Broken


@dataclass(frozen=True)
class Wanted:
    """Whose archive it is, and what is to be taken of it."""

    author: Author
    drafts: bool = False
    site: str = ""  # where it was published, for exports that do not say it
    stored: Callable[[str], str | None] = lambda link: None  # the text of the author's document at a link


Recognise = Callable[[Archive], bool]
Read = Callable[[Archive, Wanted], Iterator[Item]]


@dataclass(frozen=True)
class Format:
    """One kind of archive."""

    name: str
    title: str  # as people call it
    recognises: Recognise
    read: Read
    fallback: bool
    nearly: Callable[[Archive], str]


_formats: list[Format] = []


def reader(
    name: str,
    title: str,
    *,
    recognises: Recognise,
    fallback: bool = False,
    nearly: Callable[[Archive], str] = lambda archive: "",
) -> Callable[[Read], Read]:
    """Register a reader for the archives that `recognises` returns True for; `fallback`: if no other does.

    `nearly` says what to do about an archive that no reader takes, but this one nearly does; "" of all others.
    """

    def register(read: Read) -> Read:
        _formats.append(Format(name, title, recognises, read, fallback, nearly))
        return read

    return register


@cache
def formats() -> tuple[Format, ...]:
    """All formats, the fallback ones last."""
    from llm_twin.collect import archives

    for module in pkgutil.iter_modules(archives.__path__):
        import_module(f"{archives.__name__}.{module.name}")
    return tuple(sorted(_formats, key=lambda found: (found.fallback, found.name)))


def site_of(link: str) -> str:
    """Where something was published, as it was given. Raises `UsageError`, without a password that stands in it."""
    try:
        return parse_link(link)
    except LinkError as error:
        told = "begins with https:// and has no user name and no password in it"
        raise UsageError(f"import: --site {told if '@' in link else f'{link}: {error.detail}'}") from None


def format_of(archive: Archive) -> Format:
    """The format that an archive shows itself to be. Raises `UsageError` that lists those that there are."""
    order = formats()
    kinds = Counter(path.rpartition(".")[2].lower() for path in archive.members if not BUILT.search(path))
    # A vault, whatever feeds and tables it has among its notes.
    if sum(kinds[kind] for kind in TEXT) > sum(kinds[kind] for kind in DATA):
        order = tuple(sorted(order, key=lambda each: each.name not in OF_MARKDOWN))
    for found in order:
        if found.recognises(archive):
            return found
    known = ", ".join(found.title for found in formats())
    if not archive.members:
        raise UsageError(f"import: {archive.path} holds no files that can be read")
    if not any(member.size for member in archive.members.values()):
        raise UsageError(f"import: {archive.path} is empty; download it again")
    if all(path.lower().endswith(".zip") for path in archive.members):
        if not any(archive.head(path, 2) == b"PK" for path in archive.members):
            raise UsageError(f"import: {archive.path} is no zip, but perhaps a page that says why; download it again")
        raise UsageError(f"import: {archive.path} holds nothing but zips; unpack it and give one of them")
    if hint := next((hint for each in formats() if (hint := each.nearly(archive))), ""):
        raise UsageError(f"import: {archive.path} is {hint}")
    raise UsageError(f"import: {archive.path} is none of the archives that can be read: {known}")


def items_of(archive: Archive, found: Format, wanted: Wanted) -> Iterator[Item]:
    """Everything in an archive: what its reader finds, what is of another kind, and a `Left` for each other file.

    Raises `UsageError` where there is no end to what can't be read.
    """
    broken = 0
    for item in found.read(archive, wanted):
        yield item
        if isinstance(item, Broken) and (broken := broken + 1) >= MOST_BROKEN:
            raise UsageError(
                f"import: {archive.path}: {broken:,} of its items can't be read, the last: {item.error.detail}"
            )
    for why, count in archive.refused.items():
        yield from (Left(archive.name, why) for _ in range(count))
    rest = archive.only(path for path in archive.members if path not in archive.opened)
    told: set[str] = set()
    for other in formats():
        if other is not found and other.recognises(rest):
            theirs = [path for path in rest.members if path not in told and other.recognises(archive.only([path]))]
            told.update(theirs)
            yield from _of_another(archive, other, theirs, wanted)
    yield from (Left(path, "other file") for path in rest.members if path not in told)


def _of_another(archive: Archive, other: Format, theirs: list[str], wanted: Wanted) -> Iterator[Item]:
    """Files that another reader takes: a failure where they are an export, else (notes beside an export, a feed beside
    notes: nobody knows whose they are) left out.
    """
    if not theirs:
        return
    if other.fallback or not other.recognises(archive):
        yield from (Left(path, f"of another kind ({other.title}; import it by itself)") for path in theirs)
        return
    folder = os.path.commonpath([path.rpartition("/")[0] for path in theirs])
    where = str(archive.path / folder) if folder and archive.path.is_dir() else ""
    command = shlex.join(["twin", "import", where, "--author", wanted.author.name])
    advice = command if where else "put what belongs to it in a folder of its own and import that"
    error = Permanent(Reason.BAD_DATA, f"not read, as it is {other.title} within {archive.path}: {advice}")
    yield Broken(f"{archive.name}, {theirs[0]}{f' and {len(theirs) - 1} more' if theirs[1:] else ''}", error)


def attempt(
    where: str, find: Callable[Arguments, Item | Iterable[Item]], *args: Arguments.args, **named: Arguments.kwargs
) -> Iterator[Item]:
    """What `find` finds with these arguments; where it fails, that, so that the rest of the archive goes on."""
    try:
        found = find(*args, **named)
        if isinstance(found, Document | Left | Broken):
            yield found
        else:
            yield from found
    except LinkError as error:
        yield Broken(where, error)
    except TwinError:
        raise
    except Exception as error:  # noqa: BLE001 - a document's own fault; hostile text breaks code in endless ways
        told = " ".join(str(error).split())[:200]
        yield Broken(where, Permanent(Reason.INTERNAL, f"{type(error).__name__}: {told}"))


def made(
    wanted: Wanted,
    where: str,
    link: str,
    *,
    platform: str,
    text: str,
    kind: Kind = "article",
    title: str = "",
    published_at: datetime | None = None,
    **metadata: Any,
) -> Item:
    """A document of an archive; left out as empty where there is nothing to read. Raises `Permanent(BAD_LINK)`."""
    if not re.search(r"[^\W_]", text):
        return Left(where, "empty")
    return Document.of(
        wanted.author,
        link,
        kind=kind,
        platform=platform,
        title=" ".join(title.split()) or first_line(text),
        text=text.strip("\n"),
        published_at=published_at,
        language=language_of(text),
        metadata={name: value for name, value in metadata.items() if value not in (None, "", [], ())},
    )


def first_line(markdown: str) -> str:
    """The beginning of a text that has no title, without marks."""
    line = " ".join(without_marks(markdown[:2000]).strip().partition("\n")[0].split())
    return line if len(line) <= TITLE_LENGTH else line[: TITLE_LENGTH - 1].rsplit(" ", 1)[0] + "…"
