"""Medium's export: `posts/<date>_<slug>-<id>.html`, drafts as `draft_…`.

Version 1, from exports of 2018 to 2025. The title stands in the text again; responses are posts like others.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from llm_twin.collect.archives.container import Archive
from llm_twin.collect.archives.formats import Item, Left, Wanted, attempt, made, reader
from llm_twin.collect.archives.plain import body_of, day, inner, words
from llm_twin.collect.reading.markdown import markdown_of
from llm_twin.collect.reading.trees import flatten_code, has_class, select
from llm_twin.errors import Permanent, Reason

if TYPE_CHECKING:
    from lxml.html import HtmlElement

VERSION = "medium export 1"
POST = re.compile(rb"""<article[^>]{0,200}class=["'][^"']{0,200}h-entry""")
OWN = re.compile(rb"""\sdata-field=|["'\s]graf--""")
HEAD = 16_384  # bytes: style sheet, title and subtitle
DRAFT = re.compile(r"(?:^|/)draft_[^/]*$")
ID = re.compile(r"([0-9a-f]{8,12})(?:\.html?)?$")
TITLE_WITHIN = 4  # blocks from the top; a kicker or an image may stand before the repeated title
CLUTTER = ("section-divider", "aspectRatioPlaceholder-fill", "js-postMetaLockup")


def recognises(archive: Archive) -> bool:
    """A post in microformats, which many sites write, with what Medium alone adds to them."""
    return any(_is_post(archive, path) for path in archive.some(".html"))


@reader("medium", "a Medium export", recognises=recognises)
def read(archive: Archive, wanted: Wanted) -> Iterator[Item]:
    """The posts; drafts where they are wanted."""
    for path in archive.members:
        if path.endswith(".html") and _is_post(archive, path):
            if DRAFT.search(path) and not wanted.drafts:
                archive.opened.add(path)
                yield Left(path, "draft")
            else:
                yield from attempt(path, _post, archive, path, wanted)


def _is_post(archive: Archive, path: str) -> bool:
    head = archive.head(path, HEAD)
    return POST.search(head) is not None and OWN.search(head) is not None


def _post(archive: Archive, path: str, wanted: Wanted) -> Item:
    source = archive.read(path)
    if "</article>" not in source:
        raise Permanent(Reason.BAD_DATA, "the file ends in the middle of its post; unpack or export it again")
    page = body_of(source)
    entry = next(iter(select(page, f"//article[{has_class('h-entry')}]")), page)
    contents = select(entry, f".//*[@data-field='body' or {has_class('e-content')}]")
    if not contents:
        return Left(path, "empty")
    title = _text(entry, f".//*[{has_class('p-name')}]") or _text(page, "//title")
    subtitle = _text(entry, f".//*[@data-field='subtitle' or {has_class('p-summary')}]")
    link = next((str(at) for at in select(entry, f".//a[{has_class('p-canonical')}]/@href")), "")
    moments = (
        day(str(at)) for at in select(entry, f".//time[{has_class('dt-published')}]/@datetime")
    )  # none in drafts
    draft = DRAFT.search(path) is not None
    if not link.startswith("http"):
        found = ID.search(urlsplit(path).path)
        if not found and "posts/" not in path:
            return Left(path, "no post")
        if not found:
            raise Permanent(Reason.BAD_DATA, "a post without its link")
        link = f"https://medium.com/p/{found[1]}"
    body = contents[0]
    named = clean(body, title)
    return made(
        wanted,
        path,
        link,
        platform="medium",
        # Responses, which the export does not mark, have no title but their beginning.
        kind="post" if not named and words(body.text_content()).startswith(words(title)) else "article",
        title=title,
        text=markdown_of(inner(body), link),
        published_at=next((found for found in moments if found), None),
        subtitle=subtitle if words(subtitle) != words(title) else "",
        tags=[" ".join(str(tag.text_content()).split()) for tag in select(entry, f".//*[{has_class('p-tag')}]")],
        draft=draft or None,
        parser=VERSION,
    )


def _as_link(element: HtmlElement, address: str) -> None:
    """Put a link in the place of something that is embedded from elsewhere."""
    from lxml.html import builder

    link = builder.P(builder.A(address, href=address))
    link.tail = element.tail
    parent = element.getparent()
    if parent is not None:
        parent.replace(element, link)


def _as_card(card: HtmlElement) -> None:
    """A link card as title, description and host; beside them stands a link around its picture, which is no text."""
    from lxml.html import builder

    for anchor in select(card, ".//a[@href][.//strong]"):
        title, about = str(anchor.find(".//strong").text_content()), anchor.find(".//em")
        described = "" if about is None else str(about.text_content()).strip()
        host = str(anchor.text_content()).replace(title, "", 1).replace(described, "", 1).strip()
        lines = [line for line in (described, host) if line]
        below = builder.P(*[part for line in lines for part in (builder.BR(), line)][1:])
        tail = card.tail
        card.clear()
        card.tag, card.tail = "div", tail
        card.extend((builder.P(builder.A(title.strip(), href=anchor.get("href"))), below))
        return


def _text(tree: HtmlElement, path: str) -> str:
    return " ".join(str(element.text_content()) for element in select(tree, path)[:1]).strip()


def clean(body: HtmlElement, title: str) -> bool:
    """Leave of a story what its page gives: no repeated title, no heading for the subtitle, cards as links, plain code.

    Returns whether there was a title.
    """
    named = False
    for name in CLUTTER:
        for element in select(body, f".//*[{has_class(name)}]"):
            element.drop_tree()
    grafs = select(body, f".//*[{has_class('graf')}]") or list(body)
    for place, graf in enumerate(grafs[:TITLE_WITHIN]):
        if graf.tag in ("h1", "h2", "h3", "h4") and words(graf.text_content()) == words(title) != "":
            graf.drop_tree()
            named = True
            for subtitle in grafs[place + 1 : place + 2]:
                subtitle.tag = "p" if subtitle.tag == "h4" else subtitle.tag
            break
    for quote in select(body, ".//blockquote"):
        before = quote.getprevious()
        paragraph = quote.makeelement("p")
        paragraph.text, quote.text = quote.text, None
        paragraph.extend(quote)
        quote.append(paragraph)
        if before is not None and before.tag == "blockquote" and not (before.tail or "").strip():  # of one quotation
            before.append(paragraph)
            quote.drop_tree()
    for card in select(body, f".//*[{has_class('graf--mixtapeEmbed')}]"):
        _as_card(card)
    for code in select(body, ".//pre[@data-code-block-lang]"):
        code.set("data-language", code.get("data-code-block-lang"))
    for script in select(body, ".//script[contains(@src, 'gist.github.com/')]"):
        _as_link(script, str(script.get("src")).removesuffix(".js"))
    for frame in select(body, ".//iframe[starts-with(@src, 'http')]"):
        _as_link(frame, str(frame.get("src")))
    for graf in select(body, ".//h3"):
        graf.tag = "h2"
    for graf in select(body, ".//h4"):
        graf.tag = "h3"
    flatten_code(body)
    return named
