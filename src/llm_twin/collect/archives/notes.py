"""A folder of Markdown: an Obsidian vault, the content of a static site, or any notes.

Front matter gives title, date, tags and link; wiki links lead to the documents of the notes they name; code stays as it
is. What was never published gets a link on a host that there is none of.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from urllib.parse import quote, urljoin

from llm_twin.collect.archives.container import Archive
from llm_twin.collect.archives.formats import NO_SITE, Item, Left, Wanted, attempt, made, reader
from llm_twin.collect.archives.front_matter import split
from llm_twin.collect.archives.plain import day, words
from llm_twin.collect.crawlers import crawler_for
from llm_twin.collect.markdown import link as markdown_link
from llm_twin.links import domain_of

MARKDOWN = (".md", ".markdown", ".mdown", ".mdx")
CODE = re.compile(
    r"(^[ \t]*(`{3,}|~{3,}).*?(?:^[ \t]*\2[`~]*[ \t]*$|\Z)|(?<!`)(`+)(?!`)[^\n]{0,1000}?(?<!`)\3(?!`))", re.S | re.M
)
WIKI = re.compile(r"(!?)\[\[([^\[\]|#^\n]{0,300})((?:[#^][^\[\]|\n]{0,300})?)(?:\|([^\[\]\n]{0,500}))?\]\]")
REMARK = re.compile(r"[ \t]?%%.*?%%", re.S)  # Obsidian's, never shown
HEADING = re.compile(r"#[ \t]+([^\n]+)(?:\n|\Z)|([^\n]+)\n=+[ \t]*(?:\n|\Z)")
DATED = re.compile(r"^(\d{4}-\d\d-\d\d)[-_ ]*")
DRAFTS = re.compile(r"(?:^|/)_?drafts?/", re.I)


def recognises(archive: Archive) -> bool:
    """Any Markdown."""
    return any(path.lower().endswith(MARKDOWN) for path in archive.members)


@reader("notes", "an Obsidian vault or a folder of Markdown", recognises=recognises, fallback=True)
def read(archive: Archive, wanted: Wanted) -> Iterator[Item]:
    """Every note with text in it."""
    paths = [path for path in archive.members if path.lower().endswith(MARKDOWN)]
    stem = archive.name.rpartition(".")[0] if archive.path.is_file() else archive.name
    base = wanted.site or f"{NO_SITE}{quote(stem, safe='')}/"
    base = base if base.endswith("/") else base + "/"
    by_name = {_name(path).casefold(): path for path in reversed(paths)}
    by_path = {path.rpartition(".")[0].casefold(): path for path in paths}

    def address(name: str) -> str:
        """The link of the note that a wiki link names, by its path or its name alone."""
        key = name.strip().removesuffix(".md").casefold()
        path = by_path.get(key) or by_name.get(key.rpartition("/")[2])
        return _link(base, path) if path else ""

    for path in paths:
        yield from attempt(path, _note, archive, path, base, address, wanted)


def headed(text: str) -> tuple[str, str]:
    """The heading that a text begins with, and what stands below it."""
    text = text.lstrip()
    found = HEADING.match(text)
    if not found:
        return "", text
    heading = (found[1] or found[2]).strip()
    open_end = heading.rstrip("#")  # `# Heading #`, but not `# C#`
    return (open_end if open_end[-1:].isspace() else heading).strip(), text[found.end() :]


def _name(path: str) -> str:
    return path.rpartition("/")[2].rpartition(".")[0]


def _link(base: str, path: str) -> str:
    return urljoin(base, quote(path.rpartition(".")[0], safe="/"))


def _note(archive: Archive, path: str, base: str, address: Callable[[str], str], wanted: Wanted) -> Item:
    about, text = split(archive.read(path).replace("\r\n", "\n"))
    if (about.draft or DRAFTS.search(path)) and not wanted.drafts:
        return Left(path, "draft")
    name = _name(path)
    dated = DATED.match(name)
    title = about.title
    heading, rest = headed(text)
    if heading and (not title or words(title) == words(heading)):
        title, text = title or heading, rest
    link = about.link or _link(base, path)
    return made(
        wanted,
        path,
        link,
        platform=platform_of(link) if about.link or wanted.site else "notes",
        title=title or DATED.sub("", name) or name,
        text=resolved(text, address),
        published_at=about.published_at or (day(dated[1]) if dated else None),
        tags=list(about.tags),
        path=path,
        draft=about.draft or None,
    )


def platform_of(link: str) -> str:
    """The platform as the crawler of this link names it."""
    site, _ = crawler_for(link)
    return domain_of(link) if site == "article" else site


def resolved(text: str, address: Callable[[str], str]) -> str:
    """Markdown whose wiki links are links, or the words they show, and without remarks; code stays as it is."""

    def written(found: re.Match[str]) -> str:
        shown = (found[4] or found[2] or found[3].lstrip("#^")).strip()
        target = address(found[2]) if found[2].strip() else ""
        return markdown_link(shown, target) if target else shown

    parts: list[str] = []
    at = 0
    for code in CODE.finditer(text):
        parts += [WIKI.sub(written, REMARK.sub("", text[at : code.start()])), code[0]]
        at = code.end()
    parts.append(WIKI.sub(written, REMARK.sub("", text[at:])))
    return "".join(parts).strip("\n")
