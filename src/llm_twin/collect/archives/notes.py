"""A folder of Markdown: an Obsidian vault, the content of a static site, or any notes.

Front matter gives title, date, tags and link; wiki links lead to the documents of the notes they name; code stays as it
is. What was never published gets a link on a host that there is none of.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from posixpath import normpath
from urllib.parse import quote, unquote, urljoin

from llm_twin.collect.archives.container import Archive, encoding_of
from llm_twin.collect.archives.formats import Item, Left, Wanted, attempt, made, reader
from llm_twin.collect.archives.front_matter import FrontMatter, split
from llm_twin.collect.archives.note_text import resolved
from llm_twin.collect.archives.plain import day, words
from llm_twin.collect.archives.site_layouts import SETTINGS, layout_of
from llm_twin.collect.archives.vaults import base_of, top_of
from llm_twin.collect.crawlers import crawler_for
from llm_twin.errors import LinkError
from llm_twin.links import domain_of

MARKDOWN = (".md", ".markdown", ".mdown", ".mdx")
HEADING = re.compile(r"#[ \t]+([^\n]+)(?:\n|\Z)|([^\n]+)\n=+[ \t]*(?:\n|\Z)")
DATED = re.compile(r"^(\d{4}-\d\d-\d\d)[-_ ]*")
TARGETS = 1_000  # links of notes that are kept at hand
HEAD = 16_384  # bytes of a note that hold its front matter
PACKAGES = re.compile(r"(?:^|/)(?:node_modules|bower_components|site-packages)/")
OF_A_SITE = re.compile(r"(?:^|/)(?:themes|_?vendor)/")  # of others, where there are settings of a site
TEMPLATES = re.compile(r"(?:^|/)(?:_?templates?|archetypes)/", re.I)
DRAFTS = re.compile(r"(?:^|/)_?drafts?/", re.I)


def recognises(archive: Archive) -> bool:
    """Any Markdown."""
    return any(path.lower().endswith(MARKDOWN) for path in archive.members)


@reader("notes", "an Obsidian vault or a folder of Markdown", recognises=recognises, fallback=True)
def read(archive: Archive, wanted: Wanted) -> Iterator[Item]:
    """Every note with text in it."""
    found = [path for path in archive.members if path.lower().endswith(MARKDOWN)]
    is_site = any(path.rpartition("/")[2] in SETTINGS for path in archive.members)
    others = {path: why for path in found if (why := _not_own(path, is_site))}
    archive.opened.update(others)
    yield from (Left(path, why) for path, why in others.items())
    paths = [path for path in found if path not in others]
    # Of several with one name, `.md` first, then the first in the alphabet.
    backwards = sorted(paths, key=lambda path: not path.endswith(".md"))[::-1]
    by_name = {_name(path).casefold(): path for path in backwards}
    by_path = {path.rpartition(".")[0].casefold(): path for path in backwards}
    by_stem = {path.rpartition(".")[0]: path for path in backwards}
    by_exact_path = set(paths)
    doubled = by_exact_path - set(by_stem.values())
    del by_stem
    top = "" if wanted.site else top_of(archive, paths)
    layout = layout_of(archive) if wanted.site else None

    def name_of(path: str) -> str:
        """What a note's link ends in: its path without `.md` and the like, which tells two of one name apart."""
        return quote((path if path in doubled else path.rpartition(".")[0]).removeprefix(top), safe="/")

    def text_of(path: str) -> str:
        try:
            return resolved(split(archive.read(path).replace("\r\n", "\n"))[1], lambda name: "")
        except LinkError:  # told when its turn comes
            return ""

    base = wanted.site or base_of(archive, paths, wanted, name_of, text_of)
    base = base if base.endswith("/") else base + "/"

    def link_of(path: str, about: FrontMatter) -> str:
        if about.link:
            return about.link
        place = layout.place(path, about) if layout else ""
        name = name_of(path)
        if about.slug and layout and not place:
            name = name.rpartition("/")[0] + "/" + quote(about.slug)
        return urljoin(base, (place or name).lstrip("/"))

    @lru_cache(maxsize=TARGETS)
    def target(path: str) -> str:
        head = archive.head(path, HEAD)
        about, text = split(head.decode(encoding_of(head), "replace").replace("\r\n", "\n"))
        draft = (about.draft or DRAFTS.search(path)) and not wanted.drafts
        return "" if draft or not text.strip() else link_of(path, about)

    def address(name: str) -> str:
        """The link of the note that a wiki link names, by its path or its name alone."""
        key = name.strip().removesuffix(".md").casefold()
        path = by_path.get(key) or by_name.get(key.rpartition("/")[2])
        return target(path) if path else ""

    def text_in(path: str) -> Callable[[str], str]:
        """The text of the note at a path with its links."""

        def at(written: str) -> str | None:
            """The link of the note that a link leads to, from where it stands or from the top."""
            name = unquote(written)
            beside = normpath(f"{path.rpartition('/')[0]}/{name}".lstrip("/"))
            known = next((each for each in (beside, name.lstrip("/")) if each in by_exact_path), None)
            return None if known is None else target(known)

        return lambda text: resolved(text, address, at, mdx=path.endswith(".mdx"))

    for path in paths:
        yield from attempt(path, _note, archive, path, link_of, text_in(path), wanted)


def headed(text: str) -> tuple[str, str]:
    """The heading that a text begins with, and what stands below it."""
    text = text.lstrip()
    found = HEADING.match(text)
    if not found:
        return "", text
    heading = (found[1] or found[2]).strip()
    open_end = heading.rstrip("#")  # `# Heading #`, but not `# C#`
    return (open_end if open_end[-1:].isspace() else heading).strip(), text[found.end() :]


def _not_own(path: str, is_site: bool) -> str:
    """Why a file is no note of the author's, as its folder tells; "" where it may be one."""
    if PACKAGES.search(path) or (is_site and OF_A_SITE.search(path)):
        return "of a package or theme"
    return "template" if TEMPLATES.search(path) else ""


def _name(path: str) -> str:
    return path.rpartition("/")[2].rpartition(".")[0]


def _note(
    archive: Archive,
    path: str,
    link_of: Callable[[str, FrontMatter], str],
    shown: Callable[[str], str],
    wanted: Wanted,
) -> Item:
    about, text = split(archive.read(path).replace("\r\n", "\n"))
    if (about.draft or DRAFTS.search(path)) and not wanted.drafts:
        return Left(path, "draft")
    name = _name(path)
    dated = DATED.match(name)
    title = about.title
    if about.drawing:
        return Left(path, "drawing")
    written = headed(text)[0]
    heading, rest = headed(text := shown(text))
    heading = heading and (written or heading)
    if heading and (not title or words(title) == words(heading)):
        title, text = title or heading, rest
    link = link_of(path, about)
    return made(
        wanted,
        path,
        link,
        platform=platform_of(link) if about.link or wanted.site else "notes",
        title=title or DATED.sub("", name) or name,
        text=text,
        published_at=about.published_at or (day(dated[1]) if dated else None),
        tags=list(about.tags),
        path=path,
        draft=about.draft or None,
    )


def platform_of(link: str) -> str:
    """The platform as the crawler of this link names it."""
    site, _ = crawler_for(link)
    return domain_of(link) if site == "article" else site
