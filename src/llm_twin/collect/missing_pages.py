"""Soft 404s: pages that say they are missing although their status says they are not."""

from __future__ import annotations

import re
from html import unescape

SHORT = 150  # words of a page that names itself missing in its title or its heading alone
MOST_PROSE = 120  # words in sentences; menus and lists of other articles may stand around them
WORD = re.compile(r"\w+")
FILLERS = {"404", "410", "error", "http", "status", "code", "oops", "ooops", "whoops", "uh", "oh", "sorry", "fehler"}
FILLERS |= {"erreur", "were", "so", "we", "are", "opps", "hmm", "ouch", "ups", "uups", "huch", "errore"}
SUBJECT = (
    r"(?:(?:that|this|the|your|requested|a|blog) )*(?:page|article|post|story|content|url|document)(?: you.{1,40}?)?"
)
# Apostrophes and other marks are gone by then: "can't" is "cant".
PHRASE = re.compile(
    rf"{SUBJECT} (?:(?:is|was|does|do|has|could|can) )?(?:not|no longer|cannot|cant|couldnt|doesnt|isnt|wasnt) "
    r"(?:be |been )?(?:found|exists?|available|here|there)(?: any ?more)?"
    rf"|{SUBJECT} (?:(?:is|was|has been|may have been) )?(?:removed|deleted|gone|missing|unavailable|moved)"
    rf"|(?:cant|cannot|couldnt|could not|can not|unable to)(?: seem to)? (?:find|locate) {SUBJECT}"
    r"|(?:nothing|no (?:page|article|post|result)s?)(?: was| were)? found(?: here)?|(?:no such|missing) page|not found"
    r"|(?:die |diese )?seite (?:wurde |konnte )?nicht gefunden(?: werden)?|(?:diese )?seite existiert nicht(?: mehr)?"
    r"|(?:cette )?page (?:introuvable|non trouvée)|página no encontrada|página não encontrada|pagina non trovata"
    r"|pagina niet gevonden|strona nie (?:została )?znaleziona|ページが見つかりません|页面不存在|страница не найдена"
)
SEPARATORS = re.compile(r"\s+[|·•»«:/\u2013\u2014-]+\s+|\s*[|·•»«]\s*")
HEADING = re.compile(r"<h[12]\b[^>]{0,500}>(.{0,500}?)</h[12]", re.S | re.I)
HEADINGS = 4  # that are looked at


def says_missing(title: str, source: str) -> str:
    """The words with which a page names itself missing; empty for all others.

    Title and heading have to agree, or one of them and the shortness of the page. An article about such pages has more
    words in its title, and sentences below.
    """
    headings = [" ".join(unescape(re.sub(r"<[^>]*>", " ", found)).split()) for found in HEADING.findall(source)]
    titled = next((part for part in (title, *SEPARATORS.split(title)) if _is_phrase(part)), "")
    headed = next((heading for heading in headings[:HEADINGS] if _is_phrase(heading)), "")
    if not titled and not headed:
        return ""
    from llm_twin.collect.not_articles import content_tree, sentences

    tree = content_tree(source)
    if tree is None:
        return titled or headed
    told, prose = len(" ".join(map(str, tree.itertext())).split()), sentences(tree)
    return (titled or headed) if prose < MOST_PROSE and ((titled and headed) or told < SHORT) else ""


def _is_phrase(text: str) -> bool:
    """Whether a text says that a page is missing, and nothing else."""
    words = WORD.findall(re.sub(r"['\u2019]", "", text.lower()))
    told = " ".join(word for word in words if word not in FILLERS)
    if not told:
        return bool({"404", "410"} & set(words))
    return len(words) < 20 and PHRASE.fullmatch(told) is not None
