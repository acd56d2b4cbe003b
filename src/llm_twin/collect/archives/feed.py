"""A feed in a file: WordPress's export (WXR, which is RSS 2.0 with `wp:` fields), any RSS, and Atom.

Read as a stream: no entities, no external files, no network. WXR versions 1.0 to 1.2.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from html import escape
from io import BufferedReader
from json import loads
from typing import TYPE_CHECKING
from urllib.parse import urljoin

from llm_twin.collect.archives.container import Archive
from llm_twin.collect.archives.formats import Broken, Item, Left, Wanted, attempt, made, reader
from llm_twin.collect.archives.medium import clean
from llm_twin.collect.archives.notes import MARKDOWN, platform_of
from llm_twin.collect.archives.plain import ADDRESS, body_of, day, inner, words
from llm_twin.collect.archives.short_codes import resolved
from llm_twin.collect.reading.content_notes import indented, tie_notes
from llm_twin.collect.reading.formulas import shield, unshield
from llm_twin.collect.reading.markdown import markdown_of, without_marks
from llm_twin.collect.reading.trees import flatten_code, select
from llm_twin.errors import LinkError, Permanent, Reason
from llm_twin.links import canonical, parse_link

if TYPE_CHECKING:
    from lxml.etree import _Element
    from lxml.html import HtmlElement

FEED = re.compile(rb"<(?:rss|feed|rdf:RDF)[\s>]")
EXPORT = re.compile(rb"wordpress\.org/export/|tag:blogger\.com,1999:")
ENTRIES = ("{*}item", "{*}entry")
PARAGRAPH = re.compile(r"<p[\s>]", re.I)
BLOCK = re.compile(r"\s*</?(?:div|h[1-6]|ul|ol|li|table|tr|td|blockquote|figure|section|hr)[\s>/]", re.I)
PRE = re.compile(r"(<pre[\s>].*?</pre>)", re.S | re.I)
MOST_PRE = 200  # code blocks that are looked for in one post
POSTS = {"post", "page", ""}
KIND = "http://schemas.google.com/blogger/2008/kind#"  # Blogger's export has settings and comments as entries
# What leads from an opening to the page with the rest, in the languages that most feeds are in.
READ_ON = re.compile(
    r"\W*(?:(?:continue|keep) reading|read (?:more|on\W*$|the (?:rest|full|whole))|more(?:…|\.\.\.)|weiterlesen"
    r"|mehr lesen|lire la suite|leer más|seguir leyendo|leggi tutto|continua a leggere|ler? mais"
    r"|leia mais|lees (?:verder|meer))",
    re.I,
)
COUNTER = "medium.com/_/stat?"
PICTURE = re.compile(r"!\[(?:\\.|[^\]\\]){0,500}\]")
SILENCE = 64 << 20  # bytes without a post
# Of WordPress's states; what is waiting for its day is no draft, but not published either.
UNPUBLISHED = {"draft", "pending", "future", "auto-draft"}


def recognises(archive: Archive) -> bool:
    """XML whose first element is that of a feed.

    Beside Markdown it has to be an export: a site's feed lies beside the sources that it is built from, and a vault may
    keep feeds of others.
    """
    files = _files(archive)
    return bool(files) and (
        not any(path.lower().endswith(MARKDOWN) for path in archive.members)
        or any(EXPORT.search(archive.head(path)) for path in files)
    )


def _files(archive: Archive) -> list[str]:
    ends = (".xml", ".rss", ".atom", ".rdf", ".wxr", ".txt")
    found = (path for path in archive.members if path.lower().endswith(ends) or len(archive.members) == 1)
    return [path for path in found if FEED.search(_start(archive.head(path)))]


def _start(head: bytes) -> bytes:
    """What comes before and in the first element, comments of WordPress's export left out."""
    head = head.replace(b"\0", b"")  # UTF-16
    return re.sub(rb"<!--.*?-->", b"", head, flags=re.S) if b"<?xml" in head or head.lstrip().startswith(b"<") else b""


@reader("feed", "a WordPress export or another RSS or Atom file", recognises=recognises)
def read(archive: Archive, wanted: Wanted) -> Iterator[Item]:
    """The posts and pages."""
    for path in _files(archive):
        yield from attempt(path, _entries, archive, path, wanted)


def _entries(archive: Archive, path: str, wanted: Wanted) -> Iterator[Item]:
    from lxml.etree import XMLSyntaxError, iterparse

    number = 0
    with archive.stream(path) as stream:
        file = _Awaited(stream)
        # recover: exports hold control characters that XML does not allow.
        context = iterparse(
            file,
            events=("end",),
            tag=ENTRIES,
            recover=True,
            resolve_entities=False,
            load_dtd=False,
            no_network=True,
            huge_tree=False,
        )
        home = ""
        try:
            for _, entry in context:
                home = home or _home(entry)
                number += 1
                file.waited = 0
                yield from attempt(f"{path}, item {number}", _post, entry, f"{path}, item {number}", home, wanted)
                _release(entry)
        except XMLSyntaxError as error:
            raise Permanent(Reason.BAD_DATA, f"damaged: {error.msg}") from None
        fatal = [error for error in context.error_log if error.level_name == "FATAL"]
    if fatal and not fatal[-1].type_name.startswith("ERR_INVALID_CHAR"):
        last = fatal[-1]
        yield Broken(
            path,
            Permanent(Reason.BAD_DATA, f"damaged at line {last.line}: {last.message}; what follows may be missing"),
        )


class _Awaited:
    """A file that is read until no entry has come for too long: what stands outside of entries stays in memory."""

    def __init__(self, file: BufferedReader) -> None:
        self._file = file
        self.waited = 0  # bytes since the last entry

    def read(self, size: int = -1) -> bytes:
        self.waited += size
        if self.waited > SILENCE:
            raise Permanent(Reason.TOO_LARGE, f"{SILENCE >> 20} MiB without a post")
        return self._file.read(size)


def _release(entry: _Element) -> None:
    """Let go of an entry that was read, and of those before it."""
    entry.clear()
    parent = entry.getparent()
    while parent is not None and entry.getprevious() is not None:
        del parent[0]


def _home(entry: _Element) -> str:
    """What a feed that begins with this entry says to be the feed of; "" where it does not say it."""
    feed = entry.getparent()
    if feed is None:
        return ""
    own = (str(child.get("href") or "") for child in _children(feed, "link") if child.get("rel") == "self")
    return next((found for found in (_link(feed), *own) if "://" in found), "")


def _post(entry: _Element, where: str, home: str, wanted: Wanted) -> Item:
    kind, status = _kind(entry), _text(entry, "status").lower()
    if kind not in POSTS:
        return Left(where, f"{kind[:40]}" if re.fullmatch(r"[a-z_ -]{1,40}", kind) else "no post")
    if status == "trash" or (status == "private" and not wanted.drafts):
        return Left(where, status)
    if _text(entry, "post_password") and not wanted.drafts:
        return Left(where, "private")
    if (status in UNPUBLISHED or _is_draft(entry)) and not wanted.drafts:
        return Left(where, "draft")
    link = _link(entry)
    if not link:
        raise Permanent(Reason.BAD_DATA, "a post without its link")
    if "://" not in link:
        link = urljoin(urljoin(wanted.site or home, entry.base or ""), link)
    if "://" not in link:
        raise Permanent(Reason.BAD_DATA, f"a post at {link[:100]}, without its host; give it as --site https://…")
    whole = _text(entry, "encoded", "content")
    if _children(entry, "post_type"):  # feeds hold what a site has made of its posts
        whole = _with_notes(resolved(whole), entry)
    tree = _tree(whole or _text(entry, "description", "summary"))
    if _leads_on(tree, link):
        if wanted.stored(link):
            return Left(where, "opening of a stored text")
        command = shlex.join(["twin", "collect", "--author", wanted.author.name, canonical(link)])
        told = f"only its opening stands in the feed, the rest on its page: {command}"
        return Broken(canonical(link), Permanent(Reason.PAYWALL, told))
    title = _plain(_text(entry, "title"))
    of_medium = _without_mediums(tree, title)
    text = indented(unshield(markdown_of(inner(tree), link)))
    if of_medium and _said(text) == _said(wanted.stored(link) or ""):  # an export and a page have more of the form
        return Left(where, "stored already")
    return made(
        wanted,
        where,
        link,
        platform="medium" if of_medium else platform_of(parse_link(link)),
        title=title,
        text=text,
        published_at=day(_text(entry, "post_date_gmt")) or day(_text(entry, "pubDate", "published", "date", "updated")),
        tags=[_plain(tag) for tag in _tags(entry)],
        byline=_text(entry, "creator"),
        status=status if status not in ("publish", "live", "") else "",
        excerpt=None if whole else True,  # or it is all there is: a feed does not say which
    )


def _without_mediums(tree: HtmlElement, title: str) -> bool:
    """Whether a text is of Medium's feed, which ends in a picture that counts its readers. Leaves of it what the export
    has, without that and what Medium says below it."""
    counters = select(tree, f".//img[contains(@src, '{COUNTER}')]")
    body = tree.find("body")
    if not counters or body is None:
        return False
    for element in (*select(counters[-1], "following-sibling::*"), *counters):
        element.drop_tree()
    first = next((child for child in body if child.tag != "figure"), None)
    if first is not None and first.tag == "h4":  # the subtitle
        first.tag = "p"
    clean(body, title)
    return True


def _said(markdown: str) -> str:
    return words(ADDRESS.sub("", without_marks(PICTURE.sub("", markdown))))


def _with_notes(html: str, entry: _Element) -> str:
    """A post with the notes that its editor keeps beside it (since WordPress 6.3)."""
    for meta in _children(entry, "postmeta"):
        if _text(meta, "meta_key") == "footnotes":
            try:
                kept = loads(_text(meta, "meta_value"))
                notes = [f'<li class="footnote" id="{escape(note["id"])}">{note["content"]}</li>' for note in kept]
            except (ValueError, KeyError, TypeError, RecursionError):
                continue
            return f'{html}<ol class="wp-block-footnotes">{"".join(notes)}</ol>'
    return html


def _kind(entry: _Element) -> str:
    """What an entry is: WordPress's type, Blogger's as it was (a category) and is (`blogger:type`), or ""."""
    for child in _children(entry, "category"):
        if (term := child.get("term") or "").startswith(KIND):
            return term.removeprefix(KIND)
    of_blogger = [child.text or "" for child in _children(entry, "type") if "blogger" in str(child.tag)]
    return _text(entry, "post_type") or "".join(of_blogger).lower()


def _is_draft(entry: _Element) -> bool:
    """As Atom's publishing protocol says it (RFC 5023)."""
    return any(_text(control, "draft") == "yes" for control in _children(entry, "control"))


def _children(entry: _Element, name: str) -> list[_Element]:
    # A prefix that was never declared stays part of the name.
    return [child for child in entry if isinstance(child.tag, str) and re.split("[}:]", child.tag)[-1] == name]


def _text(entry: _Element, *names: str) -> str:
    """The text of the first of these children that has any. `excerpt:encoded` is none of the content."""
    from lxml.etree import tostring

    for name in names:
        for child in _children(entry, name):
            if name == "encoded" and "excerpt" in str(child.tag):
                continue
            if child.get("type") == "xhtml":
                return str(tostring(child, encoding="unicode", with_tail=False))
            if text := (child.text or "").strip():
                return text
    return ""


def _link(entry: _Element) -> str:
    for child in _children(entry, "link"):
        if child.get("rel", "alternate") == "alternate" and (found := (child.text or child.get("href") or "").strip()):
            return found
    guid = _text(entry, "guid", "id")
    return guid if guid.startswith("http") else ""


def _tags(entry: _Element) -> Iterator[str]:
    for child in _children(entry, "category"):
        name = (child.text or child.get("label") or child.get("term") or "").strip()
        if name and not name.startswith(KIND):
            yield name


def _plain(text: str) -> str:
    return " ".join(str(body_of(text).text_content()).split()) if "<" in text or "&" in text else text


def _tree(html: str) -> HtmlElement:
    """The text of an entry, without scripts and pictures that count readers."""
    if not PARAGRAPH.search(html):
        html = _with_paragraphs(html)
    tree = body_of(html)
    pixel = f"img[@width='1' and @height='1' and not(contains(@src, '{COUNTER}'))]"
    for element in tree.xpath(f"//script | //style | //{pixel}"):
        element.drop_tree()
    flatten_code(tree)
    if tree.find(".//ol[@class='wp-block-footnotes']") is not None:
        tie_notes(tree)
    shield(tree)
    return tree


def _leads_on(tree: HtmlElement, link: str) -> bool:
    """Whether it is an opening that ends in a link to the whole, as Medium and Substack give what is to be paid for."""
    for anchor in tree.iter("a"):
        if READ_ON.match(" ".join(str(anchor.text_content()).split())):
            try:
                if canonical(urljoin(link, str(anchor.get("href") or ""))) == canonical(link):
                    return True
            except (LinkError, ValueError):
                continue
    return False


def _with_paragraphs(html: str) -> str:
    """The classic editor leaves paragraphs to blank lines."""
    pieces = PRE.split(html) if 0 < html.lower().count("<pre") <= MOST_PRE else [html]
    parts: list[str] = []
    for number, piece in enumerate(pieces):
        paragraphs = [piece] if number % 2 else re.split(r"\n[ \t]*\n", piece.replace("\r\n", "\n"))
        parts += [part if number % 2 or BLOCK.match(part) else f"<p>{part}</p>" for part in paragraphs if part.strip()]
    return "\n".join(parts)
