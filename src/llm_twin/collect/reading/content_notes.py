"""Notes of a text and the signs that refer to them, in Markdown: `[^1]` and `[^1]: …`."""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lxml.html import HtmlElement

MARK = re.compile(r"\[?\(?(\d{1,3}|[*†‡§¶]{1,3}|[a-z]{1,2}|[ivxl]{1,5})\)?\]?")  # of a note
NUMBER = re.compile(r"(?:[\W_]|\b(?:\d{1,3}|[a-z]{1,2}|[ivxl]{1,5})\b)+")  # at the note itself: `[1]`, `^ a b`
NAMED = re.compile(r"fn|note|cite|bib|ref", re.I)  # what notes are called
NOTES = ("li", "p", "div", "dd", "aside", "section")
BACK = re.compile(r"[\^↩⤴↑⏎\ufe0e\ufe0f\s]*|back|jump up|return")
MOST_LINKS = 50  # of a note, that may lead back
INDENT = "\ue0f1"  # stands for the space before the later paragraphs of a note until all is Markdown


def indented(markdown: str) -> str:
    """The Markdown with the paragraphs of notes as their parts."""
    return markdown.replace(INDENT, "    ")


def tie_notes(body: HtmlElement) -> None:
    """References to notes and the notes themselves in Markdown's `[^1]`."""
    from lxml.html import Element

    anchors = [anchor for anchor in body.iter("a") if (anchor.get("href") or "")[:1] == "#"]
    if not anchors:
        return
    order = {element: place for place, element in enumerate(body.iter())}
    named = {element.get("id") or element.get("name"): element for element in order if element.keys()}
    labels: dict[HtmlElement, str] = {}
    taken: set[str] = set()
    for anchor in anchors:
        target = named.get(str(anchor.get("href"))[1:] or None)
        mark = MARK.fullmatch(said(anchor))
        if target is None or mark is None or order[target] < order[anchor]:
            continue
        note = next((e for e in (target, *target.iterancestors()) if e.tag in NOTES), None)
        if note is None or note is body or note in anchor.iterancestors():
            continue
        if note not in labels and not _is_note(note, target, anchor):
            continue
        if note not in labels:
            labels[note] = mark[1] if mark[1] not in taken else f"{mark[1]}-{len(labels)}"
            taken.add(mark[1])
        sign = Element("span")
        sign.text = f"[^{labels[note]}]"
        holder = anchor
        while not (holder.tail or "").strip() and _holds_nothing_else(holder.getparent()):
            holder = holder.getparent()
        sign.tail = holder.tail
        holder.getparent().replace(holder, sign)
    for note, label in labels.items():
        _write_note(note, label)


def _is_note(note: HtmlElement, target: HtmlElement, anchor: HtmlElement) -> bool:
    """Whether a link goes to a note: it is named as one, or leads back to where the link stands."""
    if NAMED.search(f"{target.get('id') or ''} {note.get('class') or ''} {note.get('role') or ''}"):
        return True
    around = (anchor, *islice(anchor.iterancestors(), 2))
    own = {f"#{name}" for element in around if (name := element.get("id") or element.get("name"))}
    return any(link.get("href") in own for link in islice(note.iter("a"), MOST_LINKS))


def _holds_nothing_else(element: HtmlElement) -> bool:
    return element.tag in ("sup", "span") and len(element) == 1 and not (element.text or "").strip()


def said(element: HtmlElement) -> str:
    """All text of an element."""
    return "".join(map(str, element.itertext())).strip()


def _write_note(note: HtmlElement, label: str) -> None:
    """Begin a note with its label, without the links that lead back from it; what follows is indented as its part."""
    _drop_number(note)
    for link in [link for link in note.iter("a") if (link.get("href") or "")[:1] == "#"]:
        text = said(link)
        if BACK.fullmatch(text.lower()) or (MARK.fullmatch(text) and link.getprevious() is None):
            link.drop_tree()
    first = note
    while not (first.text or "").strip() and len(first) and first[0].tag in ("p", "div", "span", "section"):
        first = first[0]
    for paragraph in note.iter("p"):
        if paragraph is not first:
            paragraph.text = f"{INDENT}{(paragraph.text or '').lstrip()}"
    first.text = f"[^{label}]: {(first.text or '').lstrip()}"
    if note.tag == "li":
        note.tag = "div"
        listed = note.getparent()
        if listed is not None and all(item.tag != "li" for item in listed):
            listed.tag = "div"


def _drop_number(note: HtmlElement) -> None:
    """Remove the number that a note begins with, a link back or several, with the brackets around."""
    for element in list(islice(note.iterdescendants(), MOST_LINKS)):
        text = said(element)
        if text and NUMBER.fullmatch(text.lower()) and (element.tag == "a" or element.find(".//a") is not None):
            element.drop_tree()
            return
        if (element.text or "").strip():
            return
