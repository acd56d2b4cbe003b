"""Who wrote a page: structured data, meta tags, then the byline that readers see.

A name that is the site's or an organisation's counts only where no person is named.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from llm_twin.collect.reading.claims import Claims
from llm_twin.collect.reading.dates import WRITTEN
from llm_twin.collect.reading.near_heading import OTHERS, Run
from llm_twin.collect.reading.titles import Names, flat, fold
from llm_twin.collect.reading.trees import select

if TYPE_CHECKING:
    from lxml.html import HtmlElement

META = ("author", "article:author", "parsely-author", "sailthru.author", "byl", "dc.creator",
        "dcterms.creator", "article:author_name")  # fmt: skip
NEAR = (-30, 150)  # elements around the heading in which its byline stands
CLOSE = 45  # elements from the heading within which a bare name counts
MAX_LINE = 100  # characters of a byline
MAX_AUTHORS = 50
MAX_WORDS = 5  # of a name
LABEL = re.compile(
    r"(?:^|[|•·]\s*)(?:(?:(?:written|words|story|posted|submitted|published|article|text|reported|report|authored|created|"
    r"contributed|guide|blog|post|compiled|interview|recommended|content)\s+(?:and \w+\s+)?)?by\b\s*:?|"
    r"(?:authors?|autor|auteur|autore|автор|yazar|penulis|written by|writer|words|text|texte|texto|testo|tekst|"
    r"von|par|por|door|di)\s*[:\uff1a]|(?:作者|著者|撰文|文|记者|記者|글)\s*[:/\uff1a\uff0f])\s*",
    re.I,
)
BY = re.compile(  # before a name of two words at least
    r"^(?:(?:escrito|publicado|geschrieben|écrit|rédigé|publié)\s+)?(?:von|par|por|door|di)(?:\s+(?=\S+\s+\S)|$)", re.I
)
OTHER_LABEL = re.compile(
    r"review|fact|check|edit(?:ed|or)|photo|image|illustrat|medical|updated|approved|translat|credit|video|sponsor|"
    r"powered|verified|presented|designed|developed|hosted|produced by|built|made|supported|trusted", re.I
)  # fmt: skip
MARKED = re.compile(
    r"(?:^|[-_ .])(?:authors?|byline|writers?|contributors?|creator)(?:$|[-_ .])|[a-z](?:Author|Byline|Writer)|Author",
    0,
)
LINKED = re.compile(
    r"/(?:authors?|staff|writers?|contributors?|producers|journalists?|columnists?|byline|reporters?)/[^/?#]+/?(?:[?#]|$)|[?&]author="
)
CALENDAR = (  # months and days: dates where nothing else or a number is beside them, else names, as Jan and April are
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|"
    r"(?:nov|dec)(?:ember)?|(?:mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?)"
)
ENDS = re.compile(
    rf"\s*(?:[|•·⋅(\[/@]|\s[-\u2013\u2014]+\s|(?:\b(?i:{CALENDAR}|am|le|el|em|il|op)\b[.,]?\s*){{0,2}}\d|"
    r",?\s\b(?:on|in|for|at|from|is|has|was|updated|published|posted|last|min|with|about|photos?|"
    r"reviewed|edited|via|who|기자|記者|记者)\b).*$", re.S
)  # fmt: skip
# A name in a script without spaces; those of papers and departments end otherwise.
UNSPACED = re.compile(r"[\u3041-\u30ff\u3400-\u9fff\uac00-\ud7a3]{2,5}(?<![社网網报報部台])(?<!신문|뉴스|일보)")
PARTICLES = {
    "de",
    "del",
    "della",
    "di",
    "da",
    "dos",
    "van",
    "von",
    "der",
    "den",
    "la",
    "le",
    "el",
    "al",
    "bin",
    "ibn",
    "y",
    "e",
    "zu",
    "af",
    "ten",
    "ter",
    "du",
}
NO_NAME = {  # words that stand beside names in bylines, or instead of them
    "admin", "administrator", "staff", "editor", "editors", "author", "authors", "guest", "user", "anonymous",
    "unknown", "written", "by", "posted", "share", "comments", "comment", "read", "more", "about", "follow",
    "subscribe", "home", "published", "updated", "category", "categories", "reading", "time", "minutes", "view",
    "all", "posts", "blog", "news", "article", "articles", "contact", "bio", "profile", "website", "email",
    "twitter", "facebook", "linkedin", "instagram", "the", "our", "your", "this", "a", "an", "and", "or", "how",
    "what", "why", "guide", "best", "review", "reviews", "tips", "default", "none", "null", "undefined", "see",
    "click", "here", "meet", "post", "wordpress", "webmaster", "login", "advertisement", "disclosure", "copyright",
    "skip", "menu", "search",
}  # fmt: skip
ROLE = re.compile(
    r"\b(?:expert|editor|director|manager|officer|founder|co-founder|ceo|cto|coo|writer|author|contributor|specialist|analyst|"
    r"reporter|correspondent|columnist|journalist|marketer|head|president|professor|engineer|consultant|strategist|"
    r"physician|chief|senior|phd|ph\.d|md|m\.d|rdn?|rn|cpa|cfp|mba|ms|msc|jd|esq|dds|dpt|jr|sr|staff|inc|llc)\b", re.I
)  # fmt: skip


def find_author(
    tree: HtmlElement,
    structured: list[object],
    nodes: list[dict[str, Any]],
    meta: dict[str, str],
    runs: list[Run],
    title: str,
    known: Names,
    claims: Claims,
) -> str | None:
    """The names, joined by `; `. `structured`: what the article's data give as author, best first."""
    by_id = {node["@id"]: node for node in nodes if isinstance(node.get("@id"), str) and "name" in node}
    told = [("JSON-LD author", structured_names(value, by_id)) for value in structured]
    several = [_plain(tag.get("content")) for tag in select(tree, "//meta[@name='citation_author']")]
    told += [("meta citation_author", [name for name in several if name])]
    told += [(f"meta {tag}", [text]) for tag in META if (text := _plain(meta.get(tag, "")))]
    visible: tuple[tuple[str, Callable[[], list[str]]], ...] = (
        ("byline by the heading", partial(_seen, runs, title, known, not _in_english(tree))),
        ("the one name marked as an author's", partial(_elsewhere, tree, known)),
        ("the one line that says who wrote it", partial(_signed, tree, known)),
        ("name below the heading", partial(_unmarked, tree, runs)),
    )
    found = ""
    for source, names in told:
        claims.add("author", source, "; ".join(names))
        if not found and any(_is_person(name, known) for name in names):
            found = "; ".join(names)
            claims.believe("author", source, "data that name a person")
    for source, look in visible:
        if found and not claims.thorough:
            return found
        names = look()
        claims.add("author", source, "; ".join(names))
        if names and not found:
            found = "; ".join(names)
            claims.believe("author", source, "no data name a person")
    for source, names in () if found else told:
        if named := [name for name in names if fold(name) not in NO_NAME]:
            claims.add("author", source, "; ".join(named))
            claims.believe("author", source, "nobody else is named")
            return "; ".join(named)
    return found or None


def structured_names(value: object, by_id: dict[str, dict[str, Any]]) -> list[str]:
    """The names in a JSON-LD author: text, object, reference, or a list of these."""
    names: list[str] = []
    for person in value[:MAX_AUTHORS] if isinstance(value, list) else [value]:
        if isinstance(person, dict):
            person = person.get("name") or by_id.get(str(person.get("@id")), {}).get("name")
            if isinstance(person, list):
                person = person[0] if person else None
        name = _plain(person)
        if name and name not in names:
            names.append(name)
    return names


def _plain(value: object) -> str:
    """A name as data give it; empty for links, handles and templates that nobody filled."""
    name = flat(value) if isinstance(value, str) and len(value) < 2 * MAX_LINE else ""
    name = LABEL.sub("", name, count=1).strip(" ,;|-")
    return "" if re.match(r"https?:|www\.|@|\W*$", name) or re.search(r"[{}<>:]|\w\.\w+\.\w", name) else name


def _is_person(name: str, known: Names) -> bool:
    """Whether a name from data is worth more than a visible byline: neither a login nor the site's own."""
    words = fold(name).split()
    return (
        (len(words) > 1 or UNSPACED.fullmatch(name) is not None)
        and not known.is_name(name)
        and not any(char.isdigit() for char in name)
        and not _is_no_name(set(words))
    )


def _is_no_name(words: set[str]) -> bool:
    """Whether words that stand beside names are among these, or all of them are a date's."""
    return bool(NO_NAME & words) or all(re.fullmatch(CALENDAR, word) for word in words)


def names_in(text: str, single: bool, known: Names) -> list[str]:
    """The names that a byline's text holds: those up to the first part that is no name."""
    names: list[str] = []
    for part in re.split(
        r"\s*(?:[,;&+、\uff0c]|\band\b|\bund\b|\bet\b)\s*", ENDS.sub("", text.strip(" :,-\u2013\u2014"))
    ):
        part = part.strip(" .,:;-\u2013\u2014*\"'")
        if not part and names:
            continue
        if not _looks_like_name(part, single) or (names and ROLE.search(part)):
            break
        names.append(part)
    return names


def _looks_like_name(text: str, single: bool) -> bool:
    words = text.split()
    if not text.isprintable():
        return False
    if not (1 if single else 2) <= len(words) <= MAX_WORDS or len(text) > 60:
        return False
    if _is_no_name({word.casefold() for word in words}) or re.search(r"[!?:#%$…\"“”]", text):
        return False
    if single and len(words) == 1:
        return len(text) > (2 if text.isascii() else 1) and bool(re.match(r"\w", text))
    return all(word[0].isupper() or not word[0].isascii() or word in PARTICLES for word in words)


def _in_english(tree: HtmlElement) -> bool:
    """Whether a page says that it is in English, or nothing."""
    return str(tree.getroottree().getroot().get("lang") or "en").lower().startswith("en")


def _seen(runs: list[Run], title: str, known: Names, foreign: bool) -> list[str]:
    """The byline around the heading: a labelled name, else one whose element is marked as the author's.

    `foreign`: a line may begin with `Von` or the like, which in English are parts of names.
    """
    near = [run for run in runs if NEAR[0] <= run.place <= NEAR[1] and run.text not in title]
    marked: list[str] = []
    other = False
    for index, run in enumerate(near):
        text = run.text
        if len(text) > MAX_LINE and not LABEL.match(text):
            continue
        label = LABEL.search(text[:60])
        if not label and (_is_marked(run.holder) or (foreign and 0 < run.place <= CLOSE)):
            label = BY.match(text)
        if label and not OTHER_LABEL.search(text[: label.start()][-30:]):
            rest = text[label.end() :][:MAX_LINE]
            found = names_in(rest, not rest[:1].islower(), known) if rest else _following(near, index, known)
            if found:
                return found
        if OTHER_LABEL.search(text) and re.search(r"\bby\b|:$", text):
            other = True
            continue
        if not marked and _is_marked(run.holder):
            pieces = [piece for piece in re.split(r"\s*[|•·⋅]\s*", text) if piece]
            found = next((names for piece in pieces[:3] if (names := names_in(piece, True, known))), [])
            if found and not other:
                marked = _with_neighbours(found, near, index, known)
            other = False
    return marked


def _following(near: list[Run], index: int, known: Names) -> list[str]:
    """The name in the element behind a label, with those that stand beside it."""
    for place in (index + 1, index + 2):
        if place < len(near) and len(near[place].text) <= MAX_LINE:
            if found := names_in(near[place].text, True, known):
                return _with_neighbours(found, near, place, known)
            if re.search(r"\w", near[place].text):
                break
    return []


def _with_neighbours(found: list[str], near: list[Run], index: int, known: Names) -> list[str]:
    """Further names in the same kind of element, behind a comma or an `and`."""
    names = list(found)
    first = near[index].holder
    joined = False
    for run in near[index + 1 : index + 12]:
        if re.fullmatch(r"\s*(?:,|&|and|und|et|,\s*and)\s*", run.text):
            joined = True
        elif joined and run.holder.tag == first.tag and run.holder.get("class") == first.get("class"):
            names += [name for name in names_in(run.text, True, known) if name not in names]
            joined = False
        else:
            break
    return names


def _is_marked(holder: HtmlElement) -> bool:
    """Whether an element, or one of the two around it, says that it holds the author."""
    for depth, element in enumerate((holder, *list(holder.iterancestors())[:2])):
        if "author" in str(element.get("rel") or "").split() or LINKED.search(str(element.get("href") or "")):
            return True
        kinds = str(element.get("itemprop") or "")
        if "author" in kinds or "creator" in kinds:
            return True
        if any(MARKED.search(name) for name in str(element.get("class") or "").split()):
            return depth < 2 or len(element) < 4
    return False


def _elsewhere(tree: HtmlElement, known: Names) -> list[str]:
    """The author's name far from the heading, where the page marks one alone."""
    path = (
        "//body//*[@rel='author' or @itemprop='author' or contains(@class, 'author-name') or "
        "contains(@class, 'author__name') or contains(@class, 'authorName') or contains(@class, 'author_name')]"
        " | //body//a[contains(@href, '/author/') or contains(@href, '/authors/')]"
    )
    found: dict[str, list[str]] = {}
    for element in select(tree, path)[:40]:
        if any(OTHERS.search(str(around.get("class") or "")) for around in (element, *element.iterancestors())):
            continue
        text = flat(" ".join(map(str, element.itertext())))
        text = BY.sub("", LABEL.sub("", text, count=1)) if len(text) <= MAX_LINE else ""
        if names := names_in(text, False, known):
            found.setdefault(fold(names[0]), names)
    return next(iter(found.values())) if len(found) == 1 else []


def _signed(tree: HtmlElement, known: Names) -> list[str]:
    """The name in a line of its own that begins with `By` or the like, where the page has but one such line."""
    path = (
        "//body/descendant::text()[string-length(.) < 120 and (starts-with(normalize-space(.), 'By') or "
        "starts-with(normalize-space(.), 'by ') or contains(., 'ritten by') or contains(., 'rticle by') or "
        "starts-with(normalize-space(.), 'Author'))]"
    )
    found: dict[str, list[str]] = {}
    for text in tree.xpath(path)[:40]:
        holder = text.getparent()
        if any(OTHERS.search(str(around.get("class") or "")) for around in (holder, *holder.iterancestors())):
            continue
        around = holder if len(flat(str(text)).split()) > 2 else holder.getparent()
        line = flat(" ".join(map(str, around.itertext()))) if around is not None else ""
        if (
            len(line) <= MAX_LINE
            and (label := LABEL.match(line))
            and (names := names_in(line[label.end() :], False, known))
        ):
            found.setdefault(fold(names[0]), names)
    return next(iter(found.values())) if len(found) == 1 else []


def _unmarked(tree: HtmlElement, runs: list[Run]) -> list[str]:
    """A bare name below the heading, beside a date or a role, of whom the page has a picture or tells who that is."""
    near = [run for run in runs if 0 < run.place <= CLOSE]
    for index, run in enumerate(near):
        words = run.text.split()
        if not 2 <= len(words) <= 3 or not _looks_like_name(run.text, False) or run.text.isupper():
            continue
        beside = near[max(index - 1, 0) : index] + near[index + 1 : index + 2]
        if not any(
            len(other.text) <= MAX_LINE and (WRITTEN.search(other.text) or ROLE.search(other.text)) for other in beside
        ):
            continue
        if tree.xpath(
            "//body//img[contains(@alt, $name)] | //body/descendant::text()[starts-with(normalize-space(.), $is) or "
            "starts-with(normalize-space(.), $first)]",
            name=run.text,
            **{"is": f"{run.text} is ", "first": f"{words[0]} is "},
        ):
            return [run.text]
    return []
