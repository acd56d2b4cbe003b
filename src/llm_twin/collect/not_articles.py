"""Pages whose text is there but is no article: lists of articles, openings before a paywall, requests to sign in.

Each rule needs two witnesses, what the page says of itself and the shape of its text, because an article that is
taken for a list is lost. Where they disagree the page is an article.
"""

from __future__ import annotations

import re
from collections import defaultdict
from itertools import islice, takewhile
from typing import TYPE_CHECKING, cast
from urllib.parse import urljoin, urlsplit

from llm_twin.collect.tame import tame
from llm_twin.errors import Permanent, Reason
from llm_twin.links import same_site

if TYPE_CHECKING:
    from lxml.etree import _Element
    from lxml.html import HtmlElement

    from llm_twin.collect.pages import Page

LOOKED_AT = 3_000_000  # characters of source; larger pages are taken as they are
TEASER_WORDS = 200  # openings have 30 to 180
PROMPT_WORDS = 20  # of a request to pay or sign in; a sentence of an article is mostly longer
STUB_WORDS = 40
ENTRIES = 5  # of a list that nothing but its shape shows
MARKED_ENTRIES = 3  # of a list that says that it is one
ENTRY_WORDS = 120  # mean words of an entry; a round-up of products has more to say on each
FOREWORD = 60  # words of prose outside the entries: a tag's description, a blog's motto
DATED_LINKS = 8  # of an archive that has titles and dates alone
HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
CHROME = ("script", "style", "noscript", "template", "svg", "nav", "footer", "aside", "form", "dialog")

LOCKED = re.compile(r"""isaccessibleforfree["']?\s*:\s*["']?(?:https?://schema\.org/)?false""", re.I)
SAYS_ARTICLE = re.compile(
    r"""<meta[^>]{0,200}(?:article:published_time|og:type["'][^>]{0,40}content=["']article["'])"""
    r"""|<meta[^>]{0,100}content=["']article["'][^>]{0,40}og:type""",
    re.I,
)
ARTICLE_TYPE = re.compile(r""""@type"\s*:\s*\[?\s*"(?:\w*Article|BlogPosting|Report|Review|HowTo|Recipe)\"""")
LIST_TYPE = re.compile(r""""@type"\s*:\s*\[?\s*"(?:CollectionPage|SearchResultsPage|Blog)\"""")
# What WordPress writes on the body of a list: https://developer.wordpress.org/reference/functions/body_class/
LIST_CLASSES = {"archive", "search-results", "search-no-results"}
SEARCH_HEADING = re.compile(
    r"(?:\d+ )?(?:search results?|results? for|you searched for|suchergebnisse|résultats (?:de recherche|pour)"
    r"|resultados (?:de la búsqueda|de búsqueda|da pesquisa|para)|risultati (?:della ricerca|per)|zoekresultaten)\b",
    re.I,
)
SEARCH_URL = re.compile(
    r"(?:^|[/&?])(?:search|suche|recherche|buscar|busca|ricerca|zoeken)(?:$|[/=?&])|[?&][sq]=", re.I
)
READ_ON = r"(?:continue|keep|finish) reading|read (?:on|more of|(?:the )?(?:full|rest|entire|whole|complete)\b)"
PAY = re.compile(
    rf"(?:please )?(?:subscribe|become a (?:paid )?(?:subscriber|member)|join|upgrade|buy|pay)\b"
    rf".{{0,40}}\bto (?:{READ_ON})"
    rf"|to (?:{READ_ON}).{{0,60}}\b(?:subscribe|subscription|upgrade|become a (?:subscriber|member))"
    r"|(?:this|the (?:full|rest of (?:the|this))) (?:article|story|post|content|page)\b.{0,20}\bis\b.{0,30}"
    r"\b(?:subscribers|paying|paid|premium|members)\b"
    r"|(?:subscriber|member|premium)[- ]?(?:only|exclusive)? (?:content|article|story)$"
    r"|you(?:'|\N{RIGHT SINGLE QUOTATION MARK}| ha)ve (?:reached|used|read) "
    r"(?:your|all|the).{0,30}\bfree (?:article|stor)"
    r"|(?:jetzt |artikel )?(?:weiterlesen|freischalten) mit\b.{0,30}|dieser (?:artikel|inhalt) ist nur für abonnenten"
    r"|(?:cet article|la suite) est réservée? aux? abonnés"
    r"|este (?:contenido|artículo) es (?:exclusivo )?para suscriptores",
    re.I,
)
SIGN_IN = re.compile(
    rf"(?:please )?(?:log ?in|sign ?in|sign up|register|create (?:a|an|your) (?:free )?account)\b.{{0,40}}"
    rf"\bto (?:{READ_ON}|(?:view|see|access) (?:this|the))"
    r"|you (?:must|need to|have to) (?:be )?(?:log(?:ged)? ?in|sign(?:ed)? ?in|register(?:ed)?)\b"
    r"|(?:this|the) (?:page|content|post) is (?:only )?(?:available |visible )?(?:to|for) (?:registered|logged)",
    re.I,
)
NEEDS_SCRIPTS = re.compile(
    r"(?:please )?(?:you need to )?(?:enable|activate|turn on|allow) javascript|javascript (?:is|seems to be|must be) "
    r"(?:required|disabled|turned off|enabled)|(?:this|the) (?:site|page|app\w*) (?:requires|needs) javascript"
    r"|(?:we're sorry but )?.{0,40}doesn't work (?:properly )?without javascript|loading(?:\.\.\.|…)?$",
    re.I,
)
DATE = re.compile(
    r"\b(?:19|20)\d\d\b|\b\d{1,2} (?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)"
    r"|\b(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)\w* \d{1,2}\b",
    re.I,
)


def not_article(page: Page, text: str) -> tuple[Reason, str] | None:
    """Why a page from which `text` was extracted is no article, and a word on it; None for all others."""
    source = page.text
    if len(source) > LOOKED_AT:
        return None
    words = len(text.split())
    tree: HtmlElement | None = None
    if words < TEASER_WORDS and (tree := content_tree(source)) is not None:
        if words < STUB_WORDS and NEEDS_SCRIPTS.match(" ".join(text.split())):
            return Reason.EMPTY, f'the page has no text but "{" ".join(text.split())[:80]}"; JavaScript has to draw it'
        if LOCKED.search(source) or _prompt(tree, PAY):
            return Reason.PAYWALL, f"only its opening is shown: {words} words could be read"
        if words < TEASER_WORDS / 2 and (prompt := _prompt(tree, SIGN_IN)):
            return Reason.LOGIN_REQUIRED, f'{words} words could be read, then: "{prompt}"'
    says_list = LIST_TYPE.search(source) is not None or _body_classes(source) & LIST_CLASSES != set()
    if not says_list and (SAYS_ARTICLE.search(source) or len(ARTICLE_TYPE.findall(source)) == 1):
        return None
    tree = content_tree(source) if tree is None else tree
    return None if tree is None else _list(tree, page.url, says_list)


def content_tree(source: str) -> HtmlElement | None:
    """The body without what frames its content; None when there is nothing in it."""
    from lxml import etree, html

    # Without `huge_tree` nesting ends at a depth of some 250, which bounds all walks from an element to its ancestors.
    parser = html.HTMLParser(encoding="utf-8", remove_comments=True, remove_pis=True)
    try:
        tree = html.document_fromstring(tame(source).encode("utf-8", "replace"), parser=parser)
    except (etree.ParserError, ValueError):
        return None
    body = next((child for child in tree if child.tag == "body"), None)
    if body is None:
        return None
    etree.strip_elements(body, *CHROME, with_tail=False)
    for header in list(body.iter("header")):
        # The header of an article or list holds its title; the site's own stands in neither.
        if next(header.iterancestors("main", "article", "section", "li"), None) is None:
            cast("HtmlElement", header).drop_tree()
    return body


def _body_classes(source: str) -> set[str]:
    match = re.search(r"""<body[^>]{0,400}?\bclass=["']([^"'>]{0,2000})""", source, re.I)
    return set(match[1].lower().split()) if match else set()


def _prompt(tree: HtmlElement, asks: re.Pattern[str]) -> str:
    """The text of an element that says nothing but what `asks` matches; empty where there is none."""
    for element in tree.iter("p", "div", "span", *HEADINGS, "button", "a", "strong", "section"):
        if len(element) > 8:
            continue
        said = _text(element, PROMPT_WORDS + 1)
        if 2 < len(said.split()) <= PROMPT_WORDS and asks.match(said):
            return said
    return ""


def _text(element: _Element, most: int = 100_000) -> str:
    """The text of an element, in one line; at most about that many words."""
    found: list[str] = []
    for part in element.itertext():
        found += str(part).split()
        if len(found) > most:
            break
    return " ".join(found)


def _list(tree: HtmlElement, url: str, says_list: bool) -> tuple[Reason, str] | None:
    heading = next((_text(h, 50) for h in tree.iter("h1")), "")
    prose = _prose(tree)
    if SEARCH_HEADING.match(heading) and SEARCH_URL.search(url) and sum(prose.values()) < 20 * FOREWORD:
        return Reason.LIST_PAGE, f'results of a search: "{heading[:80]}"'
    entries = _entries(tree, url)
    if len(entries) >= (MARKED_ENTRIES if says_list else ENTRIES):
        outside = _outside(entries, prose)
        listed = sum(len(_text(entry).split()) for entry in entries)
        if outside < FOREWORD and outside < listed / 2 and (says_list or listed < ENTRY_WORDS * len(entries)):
            return Reason.LIST_PAGE, f"a list of {len(entries)} articles: collect them with --expand"
    dated = _dated_links(tree, url)
    if dated and _outside(dated, prose) < FOREWORD:
        return Reason.LIST_PAGE, f"an archive of {len(dated)} articles: collect them with --expand"
    return None


def _prose(tree: HtmlElement) -> dict[_Element, int]:
    """How many words of running text stand in each element itself; those of links and headings are none."""
    silent = {part for element in tree.iter("a", "button", "time", "label", *HEADINGS) for part in element.iter()}
    found: dict[_Element, int] = defaultdict(int)
    for element in tree.iter():
        if isinstance(element.tag, str) and element not in silent:
            found[element] += len((element.text or "").split())
        parent = element.getparent()
        if element is not tree and parent is not None and parent not in silent:
            found[parent] += len((element.tail or "").split())
    return found


def sentences(tree: HtmlElement) -> int:
    """How many words of running text stand outside of lists."""
    listed = {part for item in tree.iter("li") for part in item.iter()}
    return sum(words for part, words in _prose(tree).items() if part not in listed)


def _outside(blocks: list[_Element], prose: dict[_Element, int]) -> int:
    inside = {part for block in blocks for part in block.iter()}
    return sum(words for part, words in prose.items() if part not in inside)


def _entries(tree: HtmlElement, url: str) -> list[_Element]:
    """The largest group of blocks, each with a linked heading of its own, built alike and in one place."""
    groups: dict[str, dict[str, _Element]] = defaultdict(dict)
    for heading in tree.iter(*HEADINGS):
        link = next(heading.iter("a"), None)
        if link is None:
            link = next(
                takewhile(lambda a: len(list(islice(a.iter(*HEADINGS), 2))) == 1, heading.iterancestors("a")), None
            )
        href = link.get("href") if link is not None else None
        if not href or href.startswith("#") or not _leads_on(url, href):
            continue
        path = "/".join(str(above.tag) for above in heading.iterancestors()) + f"/{heading.tag}"
        groups[path].setdefault(href, heading)
    largest = max(groups.values(), key=len, default={})
    return _blocks(list(largest.values()))


def _leads_on(url: str, href: str) -> bool:
    """Whether a link leads to another page of the same site."""
    try:
        there = urljoin(url, href.strip())
        return same_site(url, there) and urlsplit(there)[2:4] != urlsplit(url)[2:4]
    except (Permanent, ValueError):
        return False


def _blocks(headings: list[_Element]) -> list[_Element]:
    """For each heading the largest element around it that holds no other of them."""
    around: dict[_Element, int] = defaultdict(int)
    for heading in headings:
        for above in heading.iterancestors():
            around[above] += 1
    blocks = []
    for heading in headings:
        alone = list(takewhile(lambda above: around[above] == 1, heading.iterancestors()))
        if alone:  # a heading that shares its parent with others is a section of one text
            blocks.append(alone[-1])
    return blocks


def _dated_links(tree: HtmlElement, url: str) -> list[_Element]:
    """The items of the longest list in which nearly each is a date and a link to another page of the site."""
    rows: dict[str, list[_Element]] = defaultdict(list)
    for item in tree.iter("li", "tr", "p", "div", "article"):
        links = list(islice(item.iter("a"), 2))
        if len(links) != 1 or len(item) > 4:
            continue
        linked, href = _text(links[0], 60), links[0].get("href") or ""
        rest = _text(item, 60).replace(linked, " ", 1)
        dated = len(rest.split()) <= 8 and (DATE.search(rest) or next(item.iter("time"), None) is not None)
        if linked and dated and _leads_on(url, href):
            rows[f"{item.tag} {item.get('class')}"].append(item)
    longest = max(rows.values(), key=len, default=[])
    return longest if len(longest) >= DATED_LINKS else []
