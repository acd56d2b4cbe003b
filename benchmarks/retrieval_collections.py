"""Reads test collections in BEIR's and TREC's forms: documents, queries, and judgements of which answers which.

BEIR: Thakur et al., "BEIR: A Heterogenous Benchmark for Zero-shot Evaluation of Information Retrieval Models", 2021.
TREC: the documents, topics and qrels of the Text REtrieval Conference, as trec_eval reads the last.
"""

from __future__ import annotations

import gzip
import html
import json
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

IDS = ("_id", "id", "docno", "doc_id", "query_id", "qid", "docid", "pid")
TEXTS = ("text", "contents", "content", "body", "abstract", "passage", "query", "question", "title")
TITLES = {"TITLE", "HEADLINE", "HEAD", "TI", "HL", "TTL"}


class Item(NamedTuple):
    """A document or a query."""

    id: str
    title: str
    text: str


Judgements = dict[str, dict[str, int]]  # relevance by document id, by query id


def read_corpus(path: Path) -> Iterator[Item]:
    """The documents of a file, or of all files in a folder, packed by gzip or not; of an id that comes again the first.

    BEIR's jsonl, a list in JSON, TREC's <DOC> records, or lines of id, tab, text and, if there is one, tab, title.
    """
    seen: set[str] = set()
    for file in sorted(each for each in path.rglob("*") if each.is_file()) if path.is_dir() else [path]:
        text = _read(file)
        if text.lstrip()[:1] in ("{", "["):
            items = _json_items(text, file)
        else:
            items = _trec_documents(text) if re.search("<DOC>", text, re.I) else _tabbed_documents(text)
        for item in items:
            if item.id not in seen:
                seen.add(item.id)
                yield item


def read_queries(path: Path) -> list[Item]:
    """The queries of a file: BEIR's jsonl, TREC's <top> topics or XML topics, or lines of id, tab, query."""
    text = _read(path)
    if text.lstrip()[:1] in ("{", "["):
        return list(_json_items(text, path))
    if topics := re.findall(r"<top>(.*?)(?=</top>|<top>|\Z)", text, re.S | re.I):
        return [_topic(topic) for topic in topics]
    if topics := re.findall(r"<topic\b[^>]*\bnumber\s*=\s*[\"']?([^\s\"'>]+)[^>]*>(.*?)</topic>", text, re.S | re.I):
        return [Item(number, "", _element(body, "query", "title") or _plain(body)) for number, body in topics]
    rows = [line.split("\t", 1) for line in _lines(text) if "\t" in line]
    if not rows:
        raise SystemExit(f"{path}: no queries found in it: neither jsonl, nor topics, nor lines of id and query")
    return [Item(name.strip(), "", query.strip()) for name, query in rows]


def read_judgements(path: Path) -> Judgements:
    """BEIR's tsv (query, document, relevance; with a header) or TREC's qrels (query, iteration, document, relevance).

    A relevance of 0 or less is left out: it counts as if it were not judged.
    """
    found: Judgements = {}
    for number, line in enumerate(_lines(_read(path)), start=1):
        fields = [field.strip() for field in line.split("\t")] if line.count("\t") in (2, 3) else line.split()
        if not fields or (number == 1 and not re.fullmatch(r"-?\d+(\.\d+)?", fields[-1])):
            continue  # empty, or the header
        if len(fields) not in (3, 4):
            raise SystemExit(f"{path}, line {number}: {len(fields)} fields; qrels have 3 (BEIR) or 4 (TREC)")
        try:
            relevance = int(float(fields[-1]))
        except ValueError:
            raise SystemExit(f"{path}, line {number}: {fields[-1]!r} is no relevance; it is a number") from None
        if relevance > 0:
            found.setdefault(fields[0], {})[fields[-2]] = relevance
    return found


def _read(path: Path) -> str:
    data = path.read_bytes()
    try:
        data = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
    except (OSError, EOFError) as error:
        raise SystemExit(f"{path}: not to be unpacked ({error})") from None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("utf-8-sig", "replace")
        broken = text.count("\ufffd")
        whole = sum(letter > "\x7f" for letter in text) - broken
        return text if whole > broken else data.decode("latin-1")  # as the older TREC disks are


def _lines(text: str) -> Iterator[str]:
    """Lines end with a line feed alone: texts in JSON may hold other separators, U+2028 or U+0085, as they are."""
    return (line.strip("\r") for line in text.split("\n"))


def _json_items(text: str, path: Path) -> Iterator[Item]:
    """A list in JSON, or a record a line."""
    if text.lstrip().startswith("["):
        with suppress(ValueError):
            yield from (_item(record, f"{path}, item {place}") for place, record in enumerate(json.loads(text), 1))
            return
    for number, line in enumerate(_lines(text), start=1):
        if line.strip():
            try:
                record = json.loads(line)
            except ValueError as error:
                raise SystemExit(f"{path}, line {number}: no JSON ({error})") from None
            yield _item(record, f"{path}, line {number}")


def _item(record: Any, where: str) -> Item:
    if not isinstance(record, dict):
        raise SystemExit(f"{where}: no record with an id, but {str(record)[:40]!r}")
    name = next((str(record[key]).strip() for key in IDS if record.get(key) is not None), None)
    if name is None:
        raise SystemExit(f"{where}: no id; one of {', '.join(IDS)} is needed")
    words = next((_joined(record[key]) for key in TEXTS if record.get(key)), "")
    title = _joined(record.get("title"))
    return Item(name, "" if title == words else title, words)


def _joined(value: Any) -> str:
    """A text, or paragraphs in a list."""
    return "\n\n".join(map(str, value)) if isinstance(value, list) else str(value or "")


def _tabbed_documents(text: str) -> Iterator[Item]:
    for number, line in enumerate(_lines(text)):
        name, tab, rest = line.partition("\t")
        if tab and not (number == 0 and name.strip().lower() in IDS):
            words, _, title = rest.partition("\t")
            yield Item(name.strip(), title.strip(), words.strip())


def _trec_documents(text: str) -> Iterator[Item]:
    for record in re.findall(r"<DOC>(.*?)(?=</DOC>|<DOC>|\Z)", text, re.S | re.I):
        name = _element(record, "DOCNO", "DOCID")
        if name:
            title = _element(record, *TITLES)
            body = re.sub(r"<(DOCNO|DOCID)>.*?</\1>", "", record, flags=re.S | re.I)
            body = re.sub(rf"<({'|'.join(TITLES)})>.*?</\1>", "", body, count=1, flags=re.S | re.I) if title else body
            yield Item(name, title, _plain(body))


def _topic(topic: str) -> Item:
    """A classic topic, whose elements are not closed: its number, and its title or, without one, its description."""
    parts = {name.lower(): text for name, text in re.findall(r"<(\w+)>([^<]*)", topic)}
    number = re.sub(r"^\s*Number:\s*", "", parts.get("num", "")).strip()
    title = re.sub(r"^\s*Topic:\s*", "", parts.get("title", ""))
    return Item(number, "", _plain(title) or _plain(re.sub(r"^\s*Description:\s*", "", parts.get("desc", ""))))


def _element(record: str, *names: str) -> str:
    found = re.search(rf"<({'|'.join(names)})\b[^>]*>(.*?)</\1>", record, re.S | re.I)
    return _plain(found[2]) if found else ""


def _plain(text: str) -> str:
    """Without tags and entities, white space as it is but at the ends."""
    return html.unescape(re.sub(r"</?[A-Za-z][^>]*>", " ", text)).strip()
