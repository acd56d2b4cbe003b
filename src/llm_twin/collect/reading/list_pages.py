"""Lists of articles, told by their shape: blog indices, tag pages, archives, front pages, search results."""

from __future__ import annotations

import re
from collections import defaultdict
from itertools import islice, takewhile
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from llm_twin.collect.reading.content_blocks import count_words
from llm_twin.errors import Permanent, Reason
from llm_twin.links import same_site

if TYPE_CHECKING:
    from lxml.etree import _Element
    from lxml.html import HtmlElement

HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
ENTRIES = 5  # of a list that nothing but its shape shows
MARKED_ENTRIES = 3  # of a list that says that it is one
ENTRY_WORDS = 120  # mean words of an entry; a round-up of products has more to say on each
FOREWORD = 60  # words of prose outside the entries: a tag's description, a blog's motto
ROW_WORDS = 60  # of an archive's line
DATE_WORDS = 4  # "Friday, 3 May 2024"
DATED_LINKS = 8  # of an archive that has titles and dates alone

LIST_TYPE = re.compile(r""""@type"\s*:\s*+(?:\[\s*+)?"(?:CollectionPage|SearchResultsPage|Blog)\"""")
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
DATE = re.compile(
    r"\b(?:19|20)\d\d(?:\b|[年년])|\b\d{1,2}[月월] ?\d{1,2}[日일]"
    r"|\b\d{1,2} (?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)"
    r"|\b(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)\w* \d{1,2}\b",
    re.I,
)


def says_it_is_a_list(source: str) -> bool:
    """Whether a page calls itself a collection of others."""
    return LIST_TYPE.search(source) is not None or _body_classes(source) & LIST_CLASSES != set()


def list_page(tree: HtmlElement, source: str, url: str) -> tuple[Reason, str] | None:
    """Why a page is a list, and a word on it; None for all others. `tree`: its content, `source`: all of it."""
    says_list = says_it_is_a_list(source)
    heading = next((text_of(h, 50) for h in tree.iter("h1")), "")
    prose = _prose(tree)
    if SEARCH_HEADING.match(heading) and SEARCH_URL.search(url) and sum(prose.values()) < 20 * FOREWORD:
        return Reason.LIST_PAGE, f'results of a search: "{heading[:80]}"'
    for find in (_entries, _cards):
        entries = find(tree, url)
        if len(entries) >= (MARKED_ENTRIES if says_list else ENTRIES):
            outside = _outside(entries, prose)
            listed = sum(count_words(text_of(entry)) for entry in entries)
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
            found[element] += count_words(element.text or "")
        parent = element.getparent()
        if element is not tree and parent is not None and parent not in silent:
            found[parent] += count_words(element.tail or "")
    return found


def sentences(tree: HtmlElement) -> int:
    """How many words of running text stand outside of lists."""
    listed = {part for item in tree.iter("li") for part in item.iter()}
    return sum(words for part, words in _prose(tree).items() if part not in listed)


def _outside(blocks: list[_Element], prose: dict[_Element, int]) -> int:
    inside = {part for block in blocks for part in block.iter()}
    return sum(words for part, words in prose.items() if part not in inside)


def _entries(tree: HtmlElement, url: str) -> list[_Element]:
    """The blocks with a linked heading of their own, of which several are built alike and in one place."""
    groups: dict[str, dict[str, _Element]] = defaultdict(dict)
    for heading in tree.iter(*HEADINGS):
        link = next(heading.iter("a"), None)
        if link is None:
            link = next(takewhile(_has_one_heading, heading.iterancestors("a")), None)
        if link is None:  # stretched over the block, as themes do
            around = takewhile(_has_one_heading, heading.iterancestors("article", "li", "div"))
            link = next((a for block in around for a in islice(block.iter("a"), 3) if _is_stretched(a)), None)
        href = link.get("href") if link is not None else None
        if not href or href.startswith("#") or not _leads_on(url, href):
            continue
        path = "/".join(str(above.tag) for above in heading.iterancestors()) + f"/{heading.tag}"
        groups[path].setdefault(href, heading)
    return [
        block for group in groups.values() if len(group) >= MARKED_ENTRIES for block in _blocks(list(group.values()))
    ]


def _has_one_heading(element: _Element) -> bool:
    return len(list(islice(element.iter(*HEADINGS), 2))) == 1


def _is_stretched(link: _Element) -> bool:
    return not text_of(link, 1) and bool(link.get("aria-label"))


def _cards(tree: HtmlElement, url: str) -> list[_Element]:
    """Blocks without headings, of the largest group that is built alike: links around cards, or titles with dates."""
    groups: dict[str, dict[str, _Element]] = defaultdict(dict)
    for link in tree.iter("a"):
        href = link.get("href")
        if href and not href.startswith("#") and count_words(text_of(link, 3)) > 1 and _leads_on(url, href):
            path = "/".join(str(above.tag) for above in link.iterancestors())
            groups[f"{path}/{link.get('class')}"].setdefault(href, link)
    largest = max(groups.values(), key=len, default={})
    whole = [
        link for link in largest.values() if len(list(islice(link.iter(), 4))) > 3 and count_words(text_of(link)) > 4
    ]
    if 2 * len(whole) > len(largest):
        return whole
    return [block for block in _blocks(list(largest.values())) if next(block.iter("time"), None) is not None]


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
    texts = short_texts(tree, ROW_WORDS)
    for item in tree.iter("li", "tr", "p", "div", "article"):
        links = list(islice(item.iter("a"), 2))
        if len(links) != 1 or len(item) > 4:
            continue
        linked, href = texts.get(links[0], ""), links[0].get("href") or ""
        if not linked or item not in texts:
            continue
        rest = texts[item].replace(linked, " ", 1)
        dated = count_words(rest) <= 8 and (DATE.search(rest) or next(item.iter("time"), None) is not None)
        dated = dated or (not rest.strip() and _holds_date(links[0]))
        if dated and _leads_on(url, href):
            rows[f"{item.tag} {item.get('class')}"].append(item)
    longest = max(rows.values(), key=len, default=[])
    return longest if len(longest) >= DATED_LINKS else []


def _holds_date(link: _Element) -> bool:
    """Whether a link is a title and, in an element of its own, a date."""
    parts = [text for part in link.itertext() if (text := str(part).strip())]
    return 1 < len(parts) < 5 and any(count_words(part) <= DATE_WORDS and DATE.search(part) for part in parts)


def _body_classes(source: str) -> set[str]:
    match = re.search(r"""<body\b[^<>]{0,400}?\bclass=["']([^"'>]{0,2000})""", source, re.I)
    return set(match[1].lower().split()) if match else set()


def text_of(element: _Element, most: int = 100_000) -> str:
    """The text of an element, in one line; at most about that many words."""
    found: list[str] = []
    for part in element.itertext():
        found += str(part).split()
        if len(found) > most:
            break
    return " ".join(found)


def short_texts(tree: HtmlElement, most: int) -> dict[_Element, str]:
    """The texts, in one line each, of the elements that have at most so many words.

    From the inside out, so that each is read once: a page may have thousands of elements within hundreds of others.
    """
    words: dict[_Element, list[str]] = {}
    for element in reversed(list(tree.iter())):
        found: list[str] | None = (element.text or "").split()
        for child in element:
            inner = words.get(child)
            found = None if found is None or inner is None else [*found, *inner, *(child.tail or "").split()]
            if found is None or len(found) > most:
                break
        if found is not None and len(found) <= most:
            words[element] = found
    return {element: " ".join(found) for element, found in reversed(words.items())}
