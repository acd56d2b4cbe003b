"""When a page was first published: structured data, meta tags, the date by the heading, then htmldate."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING

from llm_twin.collect.reading.claims import Claims
from llm_twin.collect.reading.near_heading import Run
from llm_twin.collect.reading.trees import has_class, select

if TYPE_CHECKING:
    from lxml.html import HtmlElement

DAY = re.compile(r"\d{4}-\d\d-\d\d")
TAGS = (
    "article:published_time",
    "datepublished",
    "og:published_time",
    "og:article:published_time",
    "date.published",
    "publish-date",
    "published",
    "publication_date",
    "publish_date",
    "published_at",
    "pubdate",
    "parsely-pub-date",
    "sailthru.date",
    "citation_publication_date",
    "dc.date.issued",
    "dcterms.created",
    "dc.date.created",
    "dc.date",
    "dcterms.date",
    "date",
    "ms.date",
)
SHOWN, UPDATE, PUBLISHED_TIME = "date by the heading", "update by the heading", "time marked as published"
MARKED = f"//time[{has_class('dt-published')} or @itemprop='datePublished' or @pubdate]"
CHANGES = ("article:modified_time", "og:updated_time", "datemodified")
PUBLISHED = re.compile(r"publish|posted|dt-published|pubdate|datePublished|created", re.I)
UPDATED = re.compile(
    r"updat|modif|revis|review|edited|last checked|fact|aktualisiert|mis à jour|actualizado|expires|copyright|©", re.I
)
WORD = r"[^\W\d_]{3,12}"
WRITTEN = re.compile(  # a day as people write it, in any language whose months are words
    rf"\b(?:{WORD}\.?\s+\d{{1,2}}(?:st|nd|rd|th)?,?\s+\d{{4}}|\d{{1,2}}(?:st|nd|rd|th|\.|º)?\s+(?:of\s+|de\s+)?{WORD}\.?,?\s+"
    rf"(?:de\s+)?\d{{4}}|\d{{4}}[-/.]\d{{1,2}}[-/.]\d{{1,2}}|\d{{1,2}}[-/.]\d{{1,2}}[-/.]\d{{4}})\b"
)
NEAR = (-25, 120)  # elements around the heading in which its date stands
CLOSE = 45  # elements behind the heading within which a mark counts
SHORT = 60  # characters of a line that holds hardly more than a date
SENTENCE = re.compile(r"(?:\S+\s+){12}\S*[.!?]$")  # more than a label and a date
LINE = 120  # characters of a line that holds a date and is no sentence of the text


def find_published(
    tree: HtmlElement,
    structured: list[object],
    modified: list[object],
    meta: dict[str, str],
    runs: list[Run],
    url: str,
    claims: Claims,
) -> datetime | None:
    """The best that there is, in the time zone that the page gives; a day alone has no zone.

    One date by the heading that nothing calls an update, and that is none, overrules the data: they often tell when the
    page was moved to a new system.
    """
    stated = (
        *(("JSON-LD datePublished", value) for value in structured),
        *((f"meta {tag}", meta.get(tag)) for tag in TAGS),
        *((PUBLISHED_TIME, time.get("datetime")) for time in select(tree, MARKED)[:2]),
    )
    told = [(source, found) for source, value in stated if (found := moment(value) or _in_words(value))]
    shown, updated = _by_the_heading(runs)
    changes = [found for found in map(moment, (*modified, *(meta.get(tag) for tag in CHANGES))) if found]
    options = [*told, *((SHOWN, found) for found in shown), *((UPDATE, found) for found in updated)]
    because = "the first that is stated" if told else "no data tell it"
    if told and len({found.date() for found in shown}) == 1:
        others = (told[0][1], *changes)
        if all(abs((shown[0].date() - other.date()).days) > 1 for other in others):
            options.insert(0, (SHOWN, shown[0]))
            because = "readers see it, and nothing calls it an update"
    if (not options or claims.thorough) and (found := _searched(tree, url)):
        options.append(("htmldate, or the only day in a short line", found))
    for source, found in options:
        claims.add("published_at", source, found.isoformat())
    if not options:
        return None
    claims.believe("published_at", options[0][0], because)
    return options[0][1]


def _in_words(value: object) -> datetime | None:
    """A day in a tag, written as people do."""
    match = WRITTEN.fullmatch(value.strip()) if isinstance(value, str) and len(value) < SHORT else None
    return parsed(match[0]) if match else None


def moment(value: object) -> datetime | None:
    """A date or time in ISO 8601 as a datetime; the day alone where the rest makes no sense."""
    if not isinstance(value, str):
        return None
    for text in (value.strip(), *DAY.findall(value)[:1]):
        try:
            found = datetime.fromisoformat(text)
        except ValueError:
            continue
        if 1990 < found.year < 2200:  # before the Web, or a placeholder
            return found
    return None


def _by_the_heading(runs: list[Run]) -> tuple[list[datetime], list[datetime]]:
    """Dates around the heading, what is marked as published first; and those of updates."""
    near = [run for run in runs if NEAR[0] <= run.place <= NEAR[1]]
    marked: list[datetime] = []
    plain: list[datetime] = []
    updated: list[datetime] = []
    for index, run in enumerate(near):
        if len(run.text) > LINE or not re.search(r"\d{4}", run.text) or SENTENCE.search(run.text):
            continue
        for written in WRITTEN.finditer(run.text):
            found = moment(run.holder.get("datetime")) or parsed(written[0])
            if found is None:
                continue
            label = (run.text[: written.start()] or (near[index - 1].text if index else ""))[-40:]
            marks = f"{label} {_marks(run.holder)}"
            if UPDATED.search(marks) and not PUBLISHED.search(label):
                updated.append(found)
            elif PUBLISHED.search(marks) and run.place <= CLOSE:
                marked.append(found)
            else:
                plain.append(found)
    return [*marked, *plain], updated


def _marks(holder: HtmlElement) -> str:
    """What a date's element and the one around it call themselves."""
    around = [holder, *list(holder.iterancestors())[:1]]
    return " ".join(str(element.get(name) or "") for element in around for name in ("class", "itemprop"))


def parsed(written: str) -> datetime | None:
    """A day as people write it."""
    return _found_by_htmldate(f"<html><body><p>{written}</p></body></html>", "")


def _searched(tree: HtmlElement, url: str) -> datetime | None:
    """What htmldate finds in tags and marked elements, else the only day that a short line anywhere names.

    htmldate's extensive search is left out: it would date nearly every page that has no date, by whatever day its text
    mentions.
    """
    if found := _found_by_htmldate(tree, url):
        return found
    short = f"string-length(.) < {SHORT} and not(parent::script or parent::style)"
    lines = select(tree, f"//body/descendant::text()[{short}]")
    days = {day[0] for line in lines for day in [WRITTEN.search(str(line))] if day and not UPDATED.search(str(line))}
    return parsed(days.pop()) if len(days) == 1 else None


def _found_by_htmldate(page: HtmlElement | str, url: str) -> datetime | None:
    from htmldate import find_date

    try:
        return moment(find_date(page, url=url or None, original_date=True, extensive_search=not url))
    except (ValueError, OverflowError, RecursionError):  # on days that there are none of
        return None
