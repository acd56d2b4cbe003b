"""Pieces of archives that several formats share: posts in plain text, HTML bodies, CSV tables, JSON arrays."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime, parsedate_tz
from typing import TYPE_CHECKING, Any, TextIO

from llm_twin.collect.reading.dates import WRITTEN, moment, parsed
from llm_twin.collect.reading.markdown_marks import styled
from llm_twin.collect.reading.tame import tame
from llm_twin.errors import Permanent, Reason

if TYPE_CHECKING:
    from lxml.html import HtmlElement

ADDRESS = re.compile(r"https?://\S+")
CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff]")  # which XML can't hold
MAX_ITEM = 64 << 20  # characters of one item of a JSON array: a conversation with its pictures described
MAX_LINE = 1 << 20  # characters
QUOTES = "a quote is missing or one too many, or it is cut off"
CUT = "\0cut"  # no text holds a NUL
BLOCK = 1 << 20  # characters read at a time
HEADER_WITHIN = 20  # lines; some exports put notes before the header
OLDEST = 1990
LONGEST_DATE = 80  # characters
BRACKETED = re.compile(r" \((?:([A-Z]{3,4}|[+-][\d:]+)|[^()]*)\)$")  # a zone, or what it is called
CLOCK = re.compile(r"(?:,| at| um| à)? \d{1,2}:\d\d.*$")
GMT = re.compile(r"\b(?:GMT|UTC)(?=[+-]\d)")  # which turns the sign around in POSIX, and in no date that people write


def as_markdown(text: str) -> str:
    """Plain text as Markdown that reads the same: marks escaped, line breaks kept, addresses as they are."""
    paragraphs = re.split(r"\n[ \t]*(?:\n[ \t]*)+", text.replace("\r\n", "\n").replace("\r", "\n").strip())
    return "\n\n".join(
        ADDRESS.sub(lambda found: found[0].replace("\\", ""), styled(paragraph, [])) for paragraph in paragraphs
    )


def body_of(html: str) -> HtmlElement:
    """The tree of an HTML page or fragment, below one element. Never fetches anything."""
    from lxml.etree import ParserError
    from lxml.html import HTMLParser, document_fromstring, fragment_fromstring

    parser = HTMLParser(encoding="utf-8", no_network=True, huge_tree=False, remove_comments=True, remove_pis=True)
    source = tame(CONTROLS.sub("", html)).encode("utf-8", "replace")
    try:
        return document_fromstring(source, parser=parser)
    except ParserError:  # nothing in it
        return fragment_fromstring("", create_parent="div")


def inner(element: HtmlElement) -> str:
    """An element as HTML, itself included."""
    from lxml.html import tostring

    return str(tostring(element, encoding="unicode", with_tail=False))


def words(text: object) -> str:
    """Letters and digits of a text, to compare titles by."""
    return " ".join(re.findall(r"\w+", str(text or "").casefold()))


def day(text: object) -> datetime | None:
    """A moment as exports write it: ISO 8601, RFC 2822 or X's form, else None. Without a zone it is UTC."""
    if not isinstance(text, str) or not text.strip():
        return None
    text = text.strip().removesuffix(" UTC")
    found = moment(text) if re.match(r"\d{4}-\d\d-\d\d", text) else None
    if found is None:
        for read in (parsedate_to_datetime, lambda value: datetime.strptime(value, "%a %b %d %H:%M:%S %z %Y")):
            try:
                found = read(text)
                break
            except (ValueError, TypeError, OverflowError, IndexError):
                continue
    if found is None or found.year < OLDEST:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def written(value: object) -> datetime | None:
    """A moment as people write it: also `July 8, 2022 10:00 AM (EST)`, or seconds since the epoch; None where it is no
    whole date. Without a zone it is UTC; a day that may be two, as 7/8/2022, is the one that it is on pages.
    """
    from dateutil.parser import parse

    if (found := seconds(value)) and found.year >= OLDEST:
        return found
    text = GMT.sub("", str(value).strip().lstrip("@")) if isinstance(value, str | int) else ""
    if not text or len(text) > LONGEST_DATE:
        return None
    # What is not said comes from the default: two of them show whether a whole date is there.
    readings = ((datetime(1904, 1, 1), False), (datetime(1905, 2, 2), not re.match(r"\d{4}", text)))
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        try:
            other, found = (
                parse(BRACKETED.sub(r" \1", text), default=default, dayfirst=swapped, tzinfos=_offset)
                for default, swapped in readings
            )
        except (ValueError, OverflowError, TypeError, IndexError):
            other = found = None
        if found != other or not found:
            one_day = WRITTEN.fullmatch(CLOCK.sub("", text)) and (other or text.upper() != text)  # no 30th of February
            found = day(text) or (parsed(text) if one_day else None)
    return None if not found or found.year < OLDEST else found if found.tzinfo else found.replace(tzinfo=UTC)


def _offset(zone: str | None, offset: int | None) -> int | None:
    """A zone's distance from UTC in seconds, by its name (RFC 2822) where it is not given."""
    named = parsedate_tz(f"1 Jan 2000 00:00:00 {zone}") if zone and offset is None else None
    return named[9] if named else offset


def seconds(value: object) -> datetime | None:
    """Seconds since the epoch as a moment; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
        return None
    try:
        return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def limited(file: TextIO) -> Iterator[str]:
    """The lines of a file; of what is longer than any line only the beginning, marked as `CUT`."""
    whole = True
    while line := file.readline(MAX_LINE):
        if whole:
            yield line if len(line) < MAX_LINE else line + CUT
        whole = line.endswith(("\n", "\r"))


def rows(lines: Iterable[str], *required: str) -> Iterator[tuple[int, dict[str, str] | Permanent]]:
    """(row number, row by column) of a CSV table; preambles before the header are passed over.

    A row that can't be read is an error in its place: one with a quote too few or too many, cut off, or with other
    columns than the header. Raises `Permanent(BAD_DATA)` where no header has the columns `required`.
    """
    reader = csv.reader(lines, strict=True)
    header: list[str] = []
    number = 0
    while True:
        start, damage = reader.line_num + 1, ""
        try:
            row = next(reader, None)
        except csv.Error as error:
            row, damage = [], str(error) if "limit" in str(error) else f"{QUOTES} ({error})"
        if row is None:
            break
        if not header:
            cells = [cell.strip().lstrip("\ufeff") for cell in row]
            if set(required) <= set(cells):
                header = cells[: max(at for at, cell in enumerate(cells, 1) if cell)]
            elif reader.line_num > HEADER_WITHIN:
                break
            continue
        if not damage and not any(cell.strip() for cell in row):
            continue
        number += 1
        if any(CUT in cell for cell in row):
            damage = f"a line of over {MAX_LINE >> 20} MiB"
        elif not damage and (len(row) < len(header) or any(cell.strip() for cell in row[len(header) :])):
            damage = f"{len(row)} of {len(header)} columns"
        if damage:
            lines_read = f"lines {start} to {reader.line_num}" if reader.line_num > start else f"line {start}"
            yield number, Permanent(Reason.BAD_DATA, f"row {number} ({lines_read}) is damaged: {damage}")
        else:
            yield number, {name: cell.replace("\0", "") for name, cell in zip(header, row, strict=False)}
    if not header:
        raise Permanent(Reason.BAD_DATA, f"no columns {', '.join(required)} in it")


def elements(file: TextIO, what: str) -> Iterator[Any]:
    """The items of a JSON array, one at a time; what stands before its bracket is passed over.

    Raises `Permanent(BAD_DATA)` where it is damaged or absurdly nested, `(TOO_LARGE)` where one item is too large.
    """
    decode = json.JSONDecoder(strict=False).raw_decode
    buffer, at, ended = "", 0, False

    def more() -> bool:
        """Read on: as much again as there is, so that an item is not tried too often."""
        nonlocal buffer, at, ended
        if len(buffer) - at > MAX_ITEM:
            raise Permanent(Reason.TOO_LARGE, f"{what}: one item has over {MAX_ITEM >> 20} million characters")
        block = file.read(max(BLOCK, len(buffer) - at))
        ended = not block
        buffer, at = buffer[at:] + block, 0
        return not ended

    more()
    at = buffer.find("[") + 1
    if not at:
        raise Permanent(Reason.BAD_DATA, f"{what} holds no JSON array")
    while True:
        at = _skipped(buffer, at)
        while at >= len(buffer):
            if not more():
                raise Permanent(Reason.BAD_DATA, f"{what} is cut off")
            at = _skipped(buffer, at)
        if buffer[at] == "]":
            return
        try:
            item, end = decode(buffer, at)
            if end >= len(buffer) and not ended:  # a number may go on
                raise ValueError
        except RecursionError:
            raise Permanent(Reason.BAD_DATA, f"{what}: an item is nested absurdly deep") from None
        except ValueError as error:
            if more():
                continue
            raise Permanent(Reason.BAD_DATA, f"{what} is cut off or damaged: {error}") from None
        yield item
        at = end


def _skipped(buffer: str, at: int) -> int:
    while at < len(buffer) and buffer[at] in " \t\r\n,\ufeff":
        at += 1
    return at
