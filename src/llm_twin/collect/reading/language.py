"""Which language a text is written in, told from its script and its commonest words (`language_words.json`).

A table instead of a library: the maintained detectors cost every process that reads pages 80 MB and most of a
second (py3langid 0.4). docs/extraction.md has how often the two agree.
"""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from functools import cache
from pathlib import Path
from typing import NamedTuple

READ = 2500  # characters of a text that are looked at
SHARE = 0.7  # of the letters that the commonest script has to have
LETTERS = 8  # of a script that one language has to itself
FEWEST = 2.0  # words' worth of evidence for a language
DENSE = 0.08  # of a text's words that are among the commonest of its language; in running text a third is
LEAD = 1.0  # words of evidence more than for the next language, and this share of all words
CLEAR = 0.02
MIXED = 0.5  # of the evidence: what words that are none of this language may say for another

CONTRADICTS = 200  # characters of a text that may contradict what its page states
# Languages that their commonest words hardly tell apart: what a page states of them is believed.
NEAR = (
    {"no", "nb", "nn", "da"},
    {"hr", "sr", "bs", "sl"},
    {"id", "ms"},
    {"pt", "gl"},
    {"cs", "sk"},
    {"nl", "af"},
    {"bg", "mk"},
    {"ru", "be", "uk"},
    {"hi", "mr", "ne"},
)

# What is alike in all languages: code, addresses, names of people and tags. Markdown's marks are no letters.
UNSPOKEN = re.compile(
    r"^[ ]{0,3}(```|~~~).*?(?:^[ ]{0,3}\1|\Z)|^(?:[ ]{4}|\t)\S.*$|`[^`\n]*`|\]\([^)\n]*\)|<[^>\n]{1,300}>|https?://\S+|[@#]\w+",
    re.M | re.S,
)
WORD = re.compile(r"[\u0900-\u097f]+|[^\W\d_]+(?:['\u2019][^\W\d_]+)?")
SCRIPTS = {
    "latin": "A-Za-z\u00c0-\u024f\u1e00-\u1eff",
    "cyrillic": "\u0400-\u052f",
    "arabic": "\u0600-\u06ff",
    "devanagari": "\u0900-\u097f",
    "han": "\u4e00-\u9fff",
    "ja": "\u3040-\u30ff",
    "ko": "\uac00-\ud7af\u1100-\u11ff",
    "el": "\u0370-\u03ff\u1f00-\u1fff",
    "he": "\u0590-\u05ff",
    "hy": "\u0530-\u058f",
    "ka": "\u10a0-\u10ff",
    "bn": "\u0980-\u09ff",
    "pa": "\u0a00-\u0a7f",
    "gu": "\u0a80-\u0aff",
    "or": "\u0b00-\u0b7f",
    "ta": "\u0b80-\u0bff",
    "te": "\u0c00-\u0c7f",
    "kn": "\u0c80-\u0cff",
    "ml": "\u0d00-\u0d7f",
    "si": "\u0d80-\u0dff",
    "th": "\u0e00-\u0e7f",
    "lo": "\u0e80-\u0eff",
    "my": "\u1000-\u109f",
    "am": "\u1200-\u137f",
    "km": "\u1780-\u17ff",
}
RUN = re.compile("|".join(f"(?P<{name}>[{letters}]+)" for name, letters in SCRIPTS.items()))
FOREIGN = re.compile("[" + "".join(letters for name, letters in SCRIPTS.items() if name != "latin") + "]")
# Half letters that a sign is worth. Latin counts less, as terms and names stand in texts of all scripts.
WEIGHT = {"latin": 1, "han": 6, "ja": 4, "ko": 4}


def language_of(text: str) -> str | None:
    """ISO 639-1 code of the language of a text, plain or Markdown; None for short, mixed or unclear ones, and code."""
    spoken = UNSPOKEN.sub(" ", text[: 3 * READ])[:READ]
    if not FOREIGN.search(spoken):  # most texts, and counting letters takes half of the time
        return _by_words(_words(spoken))
    scripts = Counter[str]()
    for match in RUN.finditer(spoken):
        script = str(match.lastgroup)
        scripts[script] += WEIGHT.get(script, 2) * len(match[0])
    if not scripts:
        return None
    script, letters = scripts.most_common(1)[0]
    if script == "han" and 10 * scripts["ja"] > letters:  # Japanese is written in both
        script = "ja"
    if script == "ja":
        letters = scripts["ja"] + scripts["han"]
    if letters < SHARE * scripts.total():
        return None
    if len(script) == 2 or script == "han":
        return None if letters < 2 * LETTERS else "zh" if script == "han" else script
    return _by_words(_words(spoken))


def _words(spoken: str) -> list[str]:
    return WORD.findall(spoken.replace("\u2019", "'").casefold())


def language_for(stated: str | None, text: str) -> str | None:
    """The language of a text whose page states one: that, unless a text of some length is plainly in another one.

    Many sites state English on all of their pages.
    """
    if stated and len(text) < CONTRADICTS:
        return stated
    told = language_of(text)
    near = next((group for group in NEAR if told in group), ())
    return told if told and not (stated and (stated in near or stated not in _known())) else stated


class Tables(NamedTuple):
    """The languages that a word, or a letter, speaks for."""

    words: dict[str, set[str]]
    letters: dict[str, set[str]]


@cache
def _tables() -> Tables:
    tables = Tables({}, {})
    for language, told in json.loads(Path(__file__).with_name("language_words.json").read_text("utf-8")).items():
        for word in told["words"].split():
            tables.words.setdefault(word, set()).add(language)
        for letter in told["letters"]:
            tables.letters.setdefault(letter, set()).add(language)
    return tables


@cache
def _known() -> frozenset[str]:
    return frozenset(set().union(*_tables().words.values()) | {name for name in SCRIPTS if len(name) == 2} | {"zh"})


def _by_words(words: list[str]) -> str | None:
    tables = _tables()
    found: list[tuple[set[str], float]] = []
    for word in words:
        if languages := tables.words.get(word):
            found.append((languages, 1.0 if len(word) > 1 else 0.5))
        if not word.isascii():
            found += [(tables.letters[letter], 0.5) for letter in set(word) & tables.letters.keys()]
    (best, most), (_, next_most) = _sums(found)
    if most < max(FEWEST, DENSE * len(words)) or most - next_most < max(LEAD, CLEAR * len(words)):
        return None
    others = _sums([(languages, worth) for languages, worth in found if best not in languages])
    return best if others[0][1] < MIXED * most else None


def _sums(found: list[tuple[set[str], float]]) -> list[tuple[str, float]]:
    """The two languages with the most evidence, best first."""
    evidence: defaultdict[str, float] = defaultdict(float)
    for languages, worth in found:
        for language in languages:
            evidence[language] += worth
    best = sorted(evidence.items(), key=lambda item: item[1], reverse=True)
    return [*best[:2], ("", 0.0), ("", 0.0)][:2]
