"""The title of a page: what its visible heading and its tags agree on, without the site's name.

A heading that a tag confirms wins; a heading alone wins when it reads like one and is not the site's name.
"""

from __future__ import annotations

import re
from copy import deepcopy
from itertools import islice
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from llm_twin.collect.reading.claims import Claims
from llm_twin.collect.reading.trees import select

if TYPE_CHECKING:
    from lxml.html import HtmlElement

HEADING, WINDOW = "h1", "<title>"
MAX_TITLE = 500  # characters that are looked at
MAX_HEADINGS = 20  # some menus are made of headings
MAX_PARTS = 200  # elements in a heading; what has more is one that was never closed
LIKE = 0.5  # of a heading's words in a title, for the heading to be the page's own
HEADLINE_WORDS = 5  # from which a heading that no tag confirms is no label of a section
SITE_WORDS = 5  # of a site's name at most
MARKS = r"(?:\s+[-·•\u2013\u2014:]+\s+|\s*[|»«]\s*|:\s+)"
# What stands in a heading before the title: "Blog:", "Dec 18 2025".
# Each part to its end, or a heading of letters alone would be tried in every division.
LABEL = re.compile(
    r"(?:\w+\s*:|(?=.*\b(?:19|20)\d\d\b)"
    r"(?:[^\W\d]{3,12}(?![^\W\d])\.?|\d{1,4}(?!\d)(?:st|nd|rd|th)?|[\s,./-]++){3,9})\s*"
)
UNSPOKEN = (
    "self::button or self::script or self::style or contains(@class, 'headerlink') or contains(@class, 'sr-only')"
)


def find_title(
    tree: HtmlElement, tags: list[tuple[str, str]], window: str, known: Names, claims: Claims
) -> tuple[str, HtmlElement | None]:
    """The title and the heading that shows it. `tags`: sources and what the page's data name, best first."""
    spoken = [(text, element) for element in _headings(tree) if (text := _spoken(element))]
    known.sites |= {fold(text) for text, _ in spoken if known.is_site(text, window)}
    sources = [
        (source, cut) for source, tag in [*tags, (WINDOW, window)] if tag and (cut := known.cut(tag[:MAX_TITLE]))
    ]
    told = [text for _, text in sources]
    heads = [(known.cut(text, strictly=True), element) for text, element in spoken if fold(text) not in known.sites]
    own = [head for head in heads if not known.is_name(head[0])] if told else heads
    sites = [head for head in spoken if fold(head[0]) in known.sites]
    for source, text in [*sources, *((HEADING, text) for text, _ in (*heads, *sites))]:
        claims.add("title", source, text)

    def shown(found: tuple[str, HtmlElement | None], because: str) -> tuple[str, HtmlElement | None]:
        claims.believe("title", HEADING, because)
        return found

    for text, element in heads:
        for source, tag in sources:
            if text.endswith(tag) and LABEL.fullmatch(text[: -len(tag)]):
                claims.believe("title", source, "the heading is the same behind a date or a label")
                return tag, element
    if not tags and len(own) == 1:  # some sites give all their pages one title
        return shown(own[0], "no data name the page, and there is one heading")
    for confirms, words in ((_same, "says the same"), (_starts, "begins with it")):
        for text, element in heads:
            if witness := next((source for source, tag in sources if confirms(fold(text), fold(tag))), ""):
                return shown((text, element), f"{witness} {words}")
    likest = max(heads, key=lambda head: max((_common(head[0], tag) for tag in told), default=0), default=None)
    if likest and any(_resembles(fold(likest[0]), fold(tag)) for tag in told):
        return shown(likest, "the data resemble it")
    if len(own) == 1 and _is_headline(own[0][0], told, known):
        return shown(own[0], "the one heading, as long as a headline is")
    if told:
        claims.believe("title", sources[0][0], "no heading confirms or resembles what the data say")
        return told[0], _shown(tree, told[0])
    return shown((heads or spoken or [("", None)])[0], "nothing else names the page")


def fold(text: str) -> str:
    """Words alone, in lower case."""
    return " ".join(re.findall(r"\w+", text.casefold()))


class Names:
    """The names that a site goes by: those that it tells, folded, and its host."""

    def __init__(self, sites: set[str], url: str) -> None:
        parts = urlsplit(url)
        self.sites = {site for site in sites if site}
        self.numbers: set[str] = set()  # "#12", where a title says so beside a part of the address
        self.host = re.sub(r"\W", "", parts.netloc.casefold())
        labels = parts.netloc.casefold().split(".")
        self.labels = {re.sub(r"\W", "", label) for label in labels[:-1]} - {"www", "blog", "docs", ""}
        self.path = path = unquote(parts.path).casefold()
        self.slug = set(re.findall(r"[^\W_]+", path))
        # What the address calls the page itself: `news` in /news/812 is its section, and so is /news in /news?id=812.
        last = "" if parts.query else path.rstrip("/").rsplit("/", 1)[-1]
        self.page = re.findall(r"[^\W\d_]+", re.sub(r"\.[a-z]{3,5}$", "", last))

    def cut(self, title: str, strictly: bool = False) -> str:
        """A title without the site's name before or behind it, and without what follows a bar.

        `strictly`: as a heading, which holds the site's name less often than words that resemble it.
        """
        located = False
        if title.rpartition(" ")[2] in self.numbers:
            title = title.rpartition(" ")[0]
        while True:
            parts = re.split(f"({MARKS})", title)
            if len(parts) < 3:
                return title
            first, last, bar = parts[0], parts[-1], parts[-2].strip()
            head = "".join(parts[:-2])
            if fold(last) in self.sites or (bar != ":" and not strictly and self.is_name(last)):
                shorter = head
            elif "/" in last and f"/{last.casefold()}" in self.path:  # owner/repository
                shorter, located = head, True
            elif located and (number := re.fullmatch(r"[\w ]*#(\d+)", last)) and number[1] in self.slug:
                shorter = head
                self.numbers.add(f"#{number[1]}")
            elif fold(first) in self.sites and not strictly:
                shorter = "".join(parts[2:])
            elif bar == "|" and self._fits(head, last):
                shorter = head
            else:
                return title
            if not fold(shorter):
                return title
            title = shorter

    def _fits(self, head: str, tail: str) -> bool:
        """Whether the part before a bar is the title rather than the one behind it: the address says which."""
        heads, tails = fold(head).split(), fold(tail).split()
        return len(heads) > 2 and (len(tails) <= SITE_WORDS or 2 * self.addressed(head) >= self.addressed(tail))

    def addressed(self, text: str) -> int:
        """How many of a text's words the page's address has."""
        return len(self.slug & set(fold(text).split()))

    def is_name(self, text: str) -> bool:
        """Whether a text is the site's name, or contains it and little else."""
        folded = fold(text)
        words = folded.split()
        compact = "".join(words)
        if folded in self.sites or (compact and compact in (self.host, *self.labels)):
            return True
        known = [word for word in words if len(word) > 3 and word in self.host]
        initials = "".join(word[0] for word in words)
        if not 0 < len(words) <= SITE_WORDS:
            return False
        covered = bool(known) and 2 * len("".join(known)) >= min(len(compact), len(self.host))
        return covered or (len(initials) > 2 and initials in self.labels)

    def is_site(self, heading: str, window: str) -> bool:
        """Whether a heading is the site's name: by itself, or as one end of the window's title."""
        folded = fold(heading)
        if folded in self.sites or "".join(folded.split()) in (self.host, *self.labels):
            return True
        parts = [fold(part) for part in re.split(MARKS, window) if fold(part)]
        spelt = any(len(word) > 3 for word in self.slug & set(folded.split()))  # longer than `the`
        if spelt or len(parts) < 2 or folded not in (parts[0], parts[-1]):
            return False
        rest = " ".join(parts[:-1] if folded == parts[-1] else parts[1:]).split()
        name = "".join(self.page)
        return bool(set(rest) & set(self.page)) or (len(name) > 3 and name in "".join(rest))


def _is_headline(heading: str, told: list[str], known: Names) -> bool:
    """Whether a heading that no tag confirms is the page's: long enough, and as near to the address as they are."""
    return len(heading.split()) >= HEADLINE_WORDS and (
        not told or known.addressed(heading) >= known.addressed(told[0]) - 1
    )


def _shown(tree: HtmlElement, title: str) -> HtmlElement | None:
    """The lower heading that shows a title, where the first one shows the site's name."""
    for element in islice(tree.iter("h2", "h3", "h4"), MAX_HEADINGS):
        if (spoken := fold(_spoken(element))) and (spoken == fold(title) or _starts(spoken, fold(title))):
            return element
    return None


def _headings(tree: HtmlElement) -> list[HtmlElement]:
    return list(islice(tree.iter("h1"), MAX_HEADINGS))


def _spoken(element: HtmlElement) -> str:
    """The text of a heading without its buttons and anchors."""
    parts = list(islice(element.iter("*"), MAX_PARTS))
    if len(parts) < MAX_PARTS and select(element, f"descendant::*[{UNSPOKEN}]"):
        element = deepcopy(element)
        for unspoken in select(element, f"descendant::*[{UNSPOKEN}]"):
            unspoken.drop_tree()
    return flat("".join(map(str, islice(element.itertext(), MAX_PARTS))))[:MAX_TITLE]


def flat(text: str) -> str:
    """Text in one line, entities that were escaped twice resolved, without the mark of a link to itself."""
    from html import unescape

    return " ".join(unescape(text).replace("\u00b6", " ").split())


def _same(heading: str, told: str) -> bool:
    return heading == told


def _starts(heading: str, told: str) -> bool:
    return len(heading) > 3 and told.startswith(heading + " ")  # "Heading | Site"


def _common(heading: str, told: str) -> int:
    return len(set(fold(heading).split()) & set(fold(told).split()))


def _resembles(heading: str, told: str) -> bool:
    words = set(heading.split())
    return len(words) > 2 and len(words & set(told.split())) >= LIKE * len(words)
