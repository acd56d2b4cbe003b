"""Notion's export: pages as Markdown or HTML whose names end in their 32-digit id, as one zip or as parts in a zip.

Version 1, from exports of 2021 to 2025. Tables of databases (`X.csv`, doubled by `X_all.csv`) are left out: their rows
are pages themselves.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from urllib.parse import unquote

from llm_twin.collect.archives.container import Archive
from llm_twin.collect.archives.formats import Item, Left, Wanted, attempt, made, reader
from llm_twin.collect.archives.notes import headed
from llm_twin.collect.archives.plain import as_markdown, body_of, inner, written
from llm_twin.collect.reading.formulas import shield, unshield, write_formulas
from llm_twin.collect.reading.markdown import link as markdown_link
from llm_twin.collect.reading.markdown import markdown_of
from llm_twin.collect.reading.trees import flatten_code, has_class, select

VERSION = "notion export 1"
PAGE = re.compile(r"[ _-]?([0-9a-f]{32})\.(md|html)$")
TABLE = re.compile(r"\.csv$", re.I)
TARGET = re.compile(
    r"(?<!\\)\[((?:\\.|[^\[\]\\\n]){0,500})\]\(((?!https?:|mailto:)[^()\s]{0,1000}?([0-9a-f]{32})\.(?:md|html|csv))\)"
)
PROPERTY = re.compile(r"^([^\s:#>*\-][^:\n]{0,60}): (.*)$")
WRITTEN = ("published", "publish date", "date", "created", "created time", "created at")
EDITED = ("last edited time", "last edited", "updated")
TAGS = ("tags", "tag", "keywords")
LINKS = ("url", "link", "canonical")


def recognises(archive: Archive) -> bool:
    """Pages of which at least half have Notion's id in their names; a vault may hold one that came from it."""
    pages = [path for path in archive.members if path.endswith((".md", ".html"))]
    named = sum(PAGE.search(path) is not None for path in pages)
    return 0 < len(pages) <= 2 * named


@reader("notion", "a Notion export", recognises=recognises)
def read(archive: Archive, wanted: Wanted) -> Iterator[Item]:
    """Every page with text in it."""
    for path in archive.members:
        if found := PAGE.search(path):
            yield from attempt(path, _markdown if found[2] == "md" else _html, archive, path, found[1], wanted)
        elif TABLE.search(path):
            archive.opened.add(path)
            yield Left(path, "table of pages")


def _page(name: str) -> str:
    return f"https://www.notion.so/{name}"


def _markdown(archive: Archive, path: str, name: str, wanted: Wanted) -> Item:
    title, text = headed(archive.read(path).replace("\r\n", "\n"))
    columns, text = _columns(text)
    text = TARGET.sub(lambda found: markdown_link(found[1], _page(found[3])), text)
    return _made(wanted, path, name, title, text, columns)


def _columns(text: str) -> tuple[dict[str, str], str]:
    """The columns of a row of a database that are about it, and the text without them. They stand as one paragraph
    below the heading, as a paragraph of the author's own may.
    """
    head, _, body = text.strip("\n").partition("\n\n")
    lines = [PROPERTY.match(line) for line in head.split("\n")]
    if not all(lines):
        return {}, text
    about, rest = _told([(line[1], line[2]) for line in lines if line])
    return about, f"{rest}\n\n{body}".strip("\n")


def _told(columns: list[tuple[str, str]]) -> tuple[dict[str, str], str]:
    """What columns say of when a page was written, of what it is and where it is published; the others as text."""
    about, rest = {}, []
    for name, value in columns:
        key = name.strip().casefold()
        if _moment(value) if key in (*WRITTEN, *EDITED) else key in TAGS or (key in LINKS and value.startswith("http")):
            about[key] = value.strip()
        elif value.strip():
            rest.append(f"{name}: {value}")
    return about, "\n".join(rest)


def _moment(value: str) -> datetime | None:
    """When something was, or began: `May 1, 2024 10:00 AM → May 2, 2024`."""
    return written(value.partition("→")[0])


def _html(archive: Archive, path: str, name: str, wanted: Wanted) -> Item:
    page = body_of(archive.read(path))
    title = " ".join(
        str(next(iter(select(page, f"//*[{has_class('page-title')}] | //title")), page).text_content()).split()
    )
    rows = (select(row, "./th | ./td") for row in select(page, "//table[contains(@class, 'properties')]//tr"))
    cells = ([" ".join(str(cell.text_content()).split()) for cell in row] for row in rows)
    about, rest = _told([(row[0], row[1]) for row in cells if len(row) == 2])
    body = next(iter(select(page, f"//*[{has_class('page-body')}]")), page)
    for element in select(body, f".//style | .//script | .//head | .//*[{has_class('icon')}]"):
        element.drop_tree()
    write_formulas(body)
    shield(body)
    for anchor in body.iter("a"):
        if target := PAGE.search(unquote(anchor.get("href") or "")):
            anchor.set("href", _page(target[1]))
    flatten_code(body)
    text = unshield(markdown_of(inner(body))).replace("\ufeff", "")
    return _made(wanted, path, name, title, f"{as_markdown(rest)}\n\n{text}".strip("\n"), about)


def _made(wanted: Wanted, path: str, name: str, title: str, text: str, about: dict[str, str]) -> Item:
    return made(
        wanted,
        path,
        _page(name),
        platform="notion",
        title=title or unquote(PAGE.sub("", path.rpartition("/")[2])),
        text=text,
        published_at=next((_moment(about[key]) for key in WRITTEN if key in about), None),
        tags=[tag.strip() for key in TAGS for tag in about.get(key, "").split(",") if tag.strip()],
        published_as=next((about[key] for key in LINKS if key in about), ""),
        parser=VERSION,
    )
