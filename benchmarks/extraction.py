#!/usr/bin/env python3
"""Our extraction beside other extractors, on labelled pages, all in one process.

    pip install trafilatura readability-lxml resiliparse html2text
    python benchmarks/extraction.py PAGES
    python benchmarks/extraction.py PAGES --every 4

PAGES is a folder with gold.jsonl.gz (id, url, text, markdown, title, author, published) and html/<id>.html.gz.
Peers that are not installed are left out. "html2text" is what the LLM Engineer's Handbook does: the whole page.

The columns, all means over pages
  word F1      of the bags of lower-cased words
  shingle F1   of the bags of four words in a row: F1 of mean precision and mean recall
  < .5         pages with a word F1 below one half
  head … link  F1 of headings, list items, words of fenced code, table cells, link texts in the Markdown, over the
               pages that have them
  title, author, date   share of the labels that are met: the title but for case and punctuation, all authors
               with at most one more, the day
  ms           median and mean milliseconds a page for all of this, in one thread
Our forest of blocks (content_model.py) was fitted on the dev split of WCXB: on those pages our row is in-sample. For
held-out figures, in a row of their own, fit it ten times, each time without a tenth of the sites; each page is judged
by the forest that has seen nothing of its site:

    python benchmarks/fit_content_model.py PAGES FOLDER --folds 10
    python benchmarks/extraction.py PAGES --folds FOLDER
± is half of the 95 % interval of the bootstrap over pages (2,000 samples).
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
import sys
import time
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

WORD = re.compile(r"\w+")
LINK = re.compile(r"(?<!!)\[([^\]]+)\]\(([^)\s]+)[^)]*\)")
ITEM = re.compile(r"\s*(?:[-*+•]|\d+[.)])\s+(.*)")
HEADING = re.compile(r" {0,3}#{1,6}\s+(.*)")
FENCE = re.compile(r"\s*(```|~~~)")
PARTS = ("heading", "item", "code", "cell", "link")
FEWEST = {"cell": 4}  # entries that a label needs for its page to count
SAMPLES = 2000
HELD_OUT = "llm-twin, held-out"


@dataclass
class Result:
    """What an extractor found."""

    text: str = ""
    markdown: str = ""
    title: str | None = None
    author: str | None = None
    date: object = None


@dataclass
class Score:
    """One extractor's figures, a list with a value per page each."""

    words: list[float] = field(default_factory=list)
    precision: list[float] = field(default_factory=list)
    recall: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    rest: dict[str, list[float]] = field(default_factory=dict)
    errors: int = 0


Extractor = Callable[[bytes, str], Result]


def ours() -> Extractor:
    from llm_twin import extract

    def run(html: bytes, url: str) -> Result:
        found = extract(html, url)
        return Result(found.text, found.markdown, found.title, found.author, found.published_at)

    return run


def trafilatura_three_calls() -> Extractor:
    import trafilatura

    def run(html: bytes, url: str) -> Result:
        text = trafilatura.extract(html, url=url, include_comments=False)
        markdown = trafilatura.extract(
            html, url=url, include_comments=False, include_links=True, include_tables=True, output_format="markdown"
        )
        told = trafilatura.extract_metadata(html, default_url=url)
        return Result(text or "", markdown or "", told and told.title, told and told.author, told and told.date)

    return run


def readability() -> Extractor:
    from html_to_markdown import convert
    from readability import Document

    def run(html: bytes, url: str) -> Result:
        document = Document(html, url=url)
        summary = document.summary(html_partial=True)
        converted = convert(summary)
        return Result(visible_text(summary), getattr(converted, "content", converted) or "", document.short_title())

    return run


def resiliparse() -> Extractor:
    from resiliparse.extract.html2text import extract_plain_text
    from resiliparse.parse.encoding import bytes_to_str, detect_encoding

    def run(html: bytes, url: str) -> Result:
        page = bytes_to_str(html, detect_encoding(html))
        return Result(extract_plain_text(page, main_content=True, alt_texts=False))

    return run


def html2text() -> Extractor:
    from html2text import HTML2Text

    def run(html: bytes, url: str) -> Result:
        converter = HTML2Text()
        converter.ignore_links = converter.ignore_images = True
        text = converter.handle(html.decode("utf-8", "replace"))
        return Result(text, text)

    return run


EXTRACTORS: dict[str, Callable[[], Extractor]] = {
    "llm-twin": ours,
    "trafilatura": trafilatura_three_calls,
    "readability-lxml": readability,
    "resiliparse": resiliparse,
    "html2text": html2text,
}


def visible_text(html: str) -> str:
    """The text of an HTML fragment, with a line for each block."""
    from lxml.html import fragment_fromstring

    inline = {"a", "abbr", "b", "code", "em", "i", "kbd", "mark", "s", "small", "span", "strong", "sub", "sup", "u"}
    tree = fragment_fromstring(html, create_parent="div")
    for element in tree.iter():
        if element.tag not in inline:
            element.tail = "\n" + (element.tail or "")
    return str(tree.text_content())


def words(text: object) -> list[str]:
    return WORD.findall(unicodedata.normalize("NFKC", str(text or "")).lower())


def shingles(text: str) -> Counter[tuple[str, ...]]:
    tokens = WORD.findall(text)
    return Counter(tuple(tokens[at : at + 4]) for at in range(max(len(tokens) - 3, min(len(tokens), 1))))


def agreement(found: Counter[Any], label: Counter[Any]) -> tuple[float, float, float]:
    """Precision, recall and F1 of two bags."""
    if not found and not label:
        return 1.0, 1.0, 1.0
    both = (found & label).total()
    precision, recall = both / max(found.total(), 1), both / max(label.total(), 1)
    return precision, recall, 2 * precision * recall / (precision + recall) if both else 0.0


def parts(markdown: str) -> dict[str, Counter[str]]:
    """Headings, list items, code words, table cells and link texts of a Markdown text."""
    found: dict[str, Counter[str]] = {part: Counter() for part in PARTS}

    def note(part: str, text: str) -> None:
        if flat := " ".join(words(re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text))):
            found[part][flat] += 1

    code: list[str] | None = None
    for line in markdown.split("\n"):
        if FENCE.match(line):
            if code is not None:
                found["code"].update(words("\n".join(code)))
            code = [] if code is None else None
        elif code is not None:
            code.append(line)
        else:
            if match := HEADING.match(line):
                note("heading", match[1])
            if match := ITEM.match(line):
                note("item", match[1])
            if line.count("|") >= 2 and not re.fullmatch(r"[\s|:-]+", line):
                for cell in line.strip().strip("|").split("|"):
                    note("cell", cell)
            for match in LINK.finditer(line):
                note("link", match[1])
    return found


def people(value: object) -> list[set[str]]:
    """The words of each name in a list of names."""
    listed = ";".join(map(str, value)) if isinstance(value, list | tuple) else str(value or "")
    listed = re.sub(r"^\s*(?:written |von |par )?(?:by\s)?", "", listed, flags=re.I)
    return [set(words(name)) for name in re.split(r";|,|\||&| and | und | et ", listed) if words(name)]


def same_people(found: object, label: object) -> bool:
    ours, theirs = people(found), people(label)
    return 0 < len(ours) <= len(theirs) + 1 and all(any(a <= b or b <= a for a in ours) for b in theirs)


def day(value: object) -> str:
    match = re.match(r"\d{4}-\d\d-\d\d", str(value or ""))
    return match[0] if match else ""


def rate(result: Result, gold: dict[str, Any], score: Score) -> None:
    """Add one page's figures to a score."""
    precision, recall, _ = agreement(shingles(result.text), shingles(gold["text"] or ""))
    score.precision.append(precision)
    score.recall.append(recall)
    score.words.append(agreement(Counter(words(result.text)), Counter(words(gold["text"])))[2])

    def note(name: str, value: float) -> None:
        score.rest.setdefault(name, []).append(value)

    found = parts(result.markdown)
    for part, entries in parts(gold.get("markdown") or "").items():
        if entries.total() >= FEWEST.get(part, 1):
            note(part, agreement(found[part], entries)[2])
    if gold.get("title"):
        note("title", words(result.title) == words(gold["title"]))
    if gold.get("author"):
        note("author", same_people(result.author, gold["author"]))
    if day(gold.get("published")):
        note("date", day(result.date) == day(gold["published"]))


def f1(precision: Any, recall: Any) -> Any:
    return 2 * precision * recall / (precision + recall)


def spread(values: Any) -> float:
    """Half of the 95 % interval of bootstrap values."""
    low, high = np.percentile(values, [2.5, 97.5])
    return float(high - low) / 2


def row(name: str, score: Score) -> str:
    pages = len(score.words)
    samples = np.random.default_rng(0).integers(0, pages, (SAMPLES, pages))
    bag, precision, recall = (np.array(values) for values in (score.words, score.precision, score.recall))
    shingle = f1(precision[samples].mean(axis=1), recall[samples].mean(axis=1))
    cells = [
        name,
        f"{bag.mean():.3f} ± {spread(bag[samples].mean(axis=1)):.3f}",
        f"{f1(precision.mean(), recall.mean()):.3f} ± {spread(shingle):.3f}",
        f"{precision.mean():.3f} / {recall.mean():.3f}",
        str(int((bag < 0.5).sum())),
        *(f"{np.mean(score.rest[part]):.3f}" if any(score.rest.get(part, [])) else "" for part in COLUMNS),
        f"{1000 * np.median(score.seconds):.0f} / {1000 * np.mean(score.seconds):.0f}",
    ]
    return f"| {' | '.join(cells)} |"


COLUMNS = (*PARTS, "title", "author", "date")
HEADER = ["", "word F1", "shingle F1", "P / R", "< .5", *COLUMNS, "ms"]


def labelled(folder: Path, every: int) -> Iterator[tuple[bytes, dict[str, Any]]]:
    """Source and label of every Nth page."""
    with gzip.open(folder / "gold.jsonl.gz", "rt", encoding="utf-8") as lines:
        for line in list(lines)[::every]:
            gold = json.loads(line)
            yield gzip.decompress((folder / "html" / f"{gold['id']}.html.gz").read_bytes()), gold


def judge_by(folder: Path) -> Callable[[str, str], None]:
    """What makes our extraction judge a page by a forest that does not know its site, for the row that is held-out."""
    from fit_content_model import fold_of

    from llm_twin.collect.reading import content_model

    shipped = content_model._shipped
    models = [folder / f"{fold}.json" for fold in range(sum(1 for _ in folder.glob("*.json")))]
    forests = [content_model.forest(json.loads(model.read_text())) for model in models]

    def choose(name: str, url: str) -> None:
        # No door of the product's: nobody but this measurement judges by another forest than the shipped one.
        judge = (lambda: forests[fold_of(url, len(forests))]) if name == HELD_OUT else shipped
        content_model._shipped = judge  # type: ignore[assignment]

    return choose


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pages", type=Path, help="folder with gold.jsonl.gz and html/")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="every Nth page only")
    parser.add_argument("--folds", type=Path, metavar="FOLDER", help="forests fitted with --folds")
    options = parser.parse_args()
    choose = judge_by(options.folds) if options.folds else None

    ready: dict[str, Extractor] = {}
    for name, make in {**({HELD_OUT: ours} if choose else {}), **EXTRACTORS}.items():
        try:
            ready[name] = make()
        except ImportError as error:
            print(f"{name} is left out: {error}; pip install {name}", file=sys.stderr)
    scores = {name: Score() for name in ready}
    for count, (html, gold) in enumerate(labelled(options.pages, options.every), 1):
        for name, extract in ready.items():
            if choose:
                choose(name, gold["url"])
            started = time.perf_counter()
            try:
                result = extract(html, gold["url"])
            except Exception as error:  # noqa: BLE001  # a peer that fails on a page has found nothing there
                print(f"{name} on {gold['id']}: {type(error).__name__}: {error}"[:200], file=sys.stderr)
                result, scores[name].errors = Result(), scores[name].errors + 1
            scores[name].seconds.append(time.perf_counter() - started)
            rate(result, gold, scores[name])
        if count % 50 == 0:
            print(f"{count} pages", file=sys.stderr)
    print(f"| {' | '.join(HEADER)} |\n|{' --- |' * len(HEADER)}")
    for name, score in scores.items():
        print(row(name, score))
    print(f"\n{count} pages; errors: {', '.join(f'{name} {score.errors}' for name, score in scores.items())}")


if __name__ == "__main__":
    main()
