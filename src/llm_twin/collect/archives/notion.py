"""Notion's export: pages as Markdown or HTML whose names end in their 32-digit id, as one zip or as parts in a zip.

Version 1, from exports of 2021 to 2025. Tables of databases (`X.csv`, doubled by `X_all.csv`) are left out: their rows
are pages themselves.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import unquote

from llm_twin.collect.archives.container import Archive
from llm_twin.collect.archives.formats import Item, Left, Wanted, attempt, made, reader
from llm_twin.collect.archives.notes import headed
from llm_twin.collect.archives.plain import body_of, day, inner
from llm_twin.collect.reading.dates import parsed
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
    properties, text = _properties(text)
    text = TARGET.sub(lambda found: markdown_link(found[1], _page(found[3])), text)
    return _made(wanted, path, name, title, text, properties)


def _properties(text: str) -> tuple[dict[str, str], str]:
    """The columns that a row of a database has, which stand as one paragraph below the heading; and the rest."""
    head, _, rest = text.lstrip("\n").partition("\n\n")
    lines = [PROPERTY.match(line) for line in head.split("\n")]
    if not head or not all(lines):
        return {}, text
    return {line[1].strip().casefold(): line[2].strip() for line in lines if line}, rest


def _html(archive: Archive, path: str, name: str, wanted: Wanted) -> Item:
    page = body_of(archive.read(path))
    title = " ".join(
        str(next(iter(select(page, f"//*[{has_class('page-title')}] | //title")), page).text_content()).split()
    )
    properties = {}
    for row in select(page, "//table[contains(@class, 'properties')]//tr"):
        cells = [" ".join(str(cell.text_content()).split()) for cell in select(row, "./th | ./td")]
        if len(cells) == 2:
            properties[cells[0].casefold()] = cells[1]
    body = next(iter(select(page, f"//*[{has_class('page-body')}]")), page)
    for element in select(body, ".//style | .//script | .//head"):
        element.drop_tree()
    for anchor in body.iter("a"):
        if target := PAGE.search(unquote(anchor.get("href") or "")):
            anchor.set("href", _page(target[1]))
    flatten_code(body)
    return _made(wanted, path, name, title, markdown_of(inner(body)), properties)


def _made(wanted: Wanted, path: str, name: str, title: str, text: str, properties: dict[str, str]) -> Item:
    dates = (properties[key] for key in WRITTEN if properties.get(key))
    written = next(dates, "")
    tags = next((properties[key] for key in TAGS if properties.get(key)), "")
    published = next((properties[key] for key in LINKS if properties.get(key, "").startswith("http")), "")
    return made(
        wanted,
        path,
        _page(name),
        platform="notion",
        title=title or unquote(PAGE.sub("", path.rpartition("/")[2])),
        text=text,
        published_at=day(written) or (parsed(written) if written and len(written) < 60 else None),
        tags=[tag.strip() for tag in tags.split(",") if tag.strip()],
        published_as=published,
        parser=VERSION,
    )
