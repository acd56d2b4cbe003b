"""A folder of Markdown: an Obsidian vault, the content of a static site, or any notes.

Front matter gives title, date, tags and link; wiki links lead to the documents of the notes they name; code stays as it
is. What was never published gets a link on a host that there is none of.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from urllib.parse import quote, urljoin

from llm_twin.collect.archives.container import Archive, encoding_of
from llm_twin.collect.archives.formats import Item, Left, Wanted, attempt, made, reader
from llm_twin.collect.archives.front_matter import FrontMatter, split
from llm_twin.collect.archives.plain import day, words
from llm_twin.collect.archives.site_layouts import layout_of
from llm_twin.collect.archives.vaults import base_of, top_of
from llm_twin.collect.crawlers import crawler_for
from llm_twin.collect.reading.markdown import link as markdown_link
from llm_twin.errors import LinkError
from llm_twin.links import domain_of

MARKDOWN = (".md", ".markdown", ".mdown", ".mdx")
CODE = re.compile(
    r"(^[ \t]*(`{3,}|~{3,}).*?(?:^[ \t]*\2[`~]*[ \t]*$|\Z)|(?<!`)(`+)(?!`)[^\n]{0,1000}?(?<!`)\3(?!`))", re.S | re.M
)
WIKI = re.compile(r"(!?)\[\[([^\[\]|#^\n]{0,300})((?:[#^][^\[\]|\n]{0,300})?)(?:\|([^\[\]\n]{0,500}))?\]\]")
FILE = re.compile(r"\.(?!md$)\w{2,5}$", re.I)
REMARK = re.compile(r"[ \t]?%%.*?%%", re.S)  # Obsidian's, never shown
HEADING = re.compile(r"#[ \t]+([^\n]+)(?:\n|\Z)|([^\n]+)\n=+[ \t]*(?:\n|\Z)")
DATED = re.compile(r"^(\d{4}-\d\d-\d\d)[-_ ]*")
TARGETS = 1_000  # links of notes that are kept at hand
HEAD = 16_384  # bytes of a note that hold its front matter
DRAFTS = re.compile(r"(?:^|/)_?drafts?/", re.I)


def recognises(archive: Archive) -> bool:
    """Any Markdown."""
    return any(path.lower().endswith(MARKDOWN) for path in archive.members)


@reader("notes", "an Obsidian vault or a folder of Markdown", recognises=recognises, fallback=True)
def read(archive: Archive, wanted: Wanted) -> Iterator[Item]:
    """Every note with text in it."""
    paths = [path for path in archive.members if path.lower().endswith(MARKDOWN)]
    # Of several with one name, `.md` first, then the first in the alphabet.
    backwards = sorted(paths, key=lambda path: not path.endswith(".md"))[::-1]
    by_name = {_name(path).casefold(): path for path in backwards}
    by_path = {path.rpartition(".")[0].casefold(): path for path in backwards}
    by_stem = {path.rpartition(".")[0]: path for path in backwards}
    doubled = set(paths) - set(by_stem.values())
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

    for path in paths:
        yield from attempt(path, _note, archive, path, link_of, address, wanted)


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


def _note(
    archive: Archive,
    path: str,
    link_of: Callable[[str, FrontMatter], str],
    address: Callable[[str], str],
    wanted: Wanted,
) -> Item:
    about, text = split(archive.read(path).replace("\r\n", "\n"))
    if (about.draft or DRAFTS.search(path)) and not wanted.drafts:
        return Left(path, "draft")
    name = _name(path)
    dated = DATED.match(name)
    title = about.title
    heading, rest = headed(text)
    if heading and (not title or words(title) == words(heading)):
        title, text = title or heading, rest
    link = link_of(path, about)
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
        if found[1] and not target and FILE.search(found[2].strip()):
            return ""  # a picture or another file that is shown here; what follows the bar is its size
        return markdown_link(shown, target) if target else shown

    if "[[" not in text and "%%" not in text:
        return text.strip("\n")
    parts: list[str] = []
    at = 0
    for code in CODE.finditer(text):
        parts += [WIKI.sub(written, REMARK.sub("", text[at : code.start()])), code[0]]
        at = code.end()
    parts.append(WIKI.sub(written, REMARK.sub("", text[at:])))
    return "".join(parts).strip("\n")
