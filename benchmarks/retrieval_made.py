#!/usr/bin/env python3
"""Makes test collections in BEIR's form of real texts that machines have, to see that search is tuned to none of them.

    python benchmarks/retrieval_made.py DIR [--pages FOLDER]
    for c in DIR/*; do python benchmarks/retrieval.py --corpus $c/corpus.jsonl --queries $c/queries.jsonl \
        --qrels $c/qrels.tsv; done

Known items all: a short description that somebody wrote of a text is the query, removed from the text it belongs to.

    manuals    pages of sections 1, 5, 7 and 8 by their NAME line (Debian's man-db)
    packages   long descriptions of Debian packages by their synopsis
    readmes    long descriptions of installed Python packages by their summary
    code       functions of installed Python packages by the first line of their docstring
    titles,    web pages by their title, which is in no other place then, and by their meta description; FOLDER holds
    abstracts  gold.jsonl.gz and html/ of the dev split of WCXB
"""

from __future__ import annotations

import argparse
import ast
import gzip
import json
import random
import re
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from importlib.metadata import distributions
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

SEED = 7
SHORTEST_QUERY = 20  # characters
ABSTRACT = {"description", "og:description"}


class Known(NamedTuple):
    """A text, its title, and the query that it answers."""

    title: str
    text: str
    query: str


def manuals() -> Iterator[Known]:
    """At most a dozen of each family of commands."""
    files = [file for part in "1578" for file in sorted(Path(f"/usr/share/man/man{part}").glob("*.gz"))]
    random.Random(SEED).shuffle(files)  # noqa: S311 - the same order every time
    families: Counter[str] = Counter()
    for file in files:
        family = re.split(r"[-_.]", file.name)[0]
        if file.is_symlink() or not 1_000 < file.stat().st_size < 13_000 or families[family] == 12:
            continue
        environment = {"MANWIDTH": "100", "LANG": "C.UTF-8", "PATH": "/usr/bin:/bin"}
        shown = subprocess.run(
            ["man", "-P", "cat", "-l", str(file)], capture_output=True, text=True, env=environment, check=False
        )
        page = re.sub(".\x08", "", shown.stdout)
        name = re.search(r"^NAME\n\s+(.*?)\n\n", page, re.M | re.S)
        title, dash, query = re.sub(r"\s+", " ", name[1] if name else "").partition(" - ")
        if name and dash and 1_500 < len(page) < 25_000:
            families[family] += 1
            lines = "\n".join(line.strip() for line in page[name.end() :].splitlines()[:-1])
            yield Known(title, re.sub(r"(?m)^([A-Z][A-Z ]+)$", r"## \1", lines), query)


def packages() -> Iterator[Known]:
    """All that are installed."""
    for record in Path("/var/lib/dpkg/status").read_text("utf-8").split("\n\n"):
        name = re.search(r"^Package: (.*)", record)
        described = re.search(r"^Description: (.*)\n((?: .*\n?)+)", record, re.M)
        if name and described and len(described[2]) > 150:
            yield Known(name[1], re.sub(r"(?m)^ \.?", "", described[2]), described[1].strip())


def readmes() -> Iterator[Known]:
    """Of every package in this environment that has more than a few lines."""
    for package in sorted(distributions(), key=lambda package: package.name.lower()):
        text = str(package.metadata.json.get("description") or "")
        if len(text) > 600:
            yield Known(package.name, text[:20_000], (package.metadata["Summary"] or "").strip())


def code() -> Iterator[Known]:
    """At most forty of a package."""
    root = Path(ast.__file__).parent
    files = sorted({Path(str(file.locate())) for package in distributions() for file in package.files or ()})
    files = [file for file in files if file.suffix == ".py" and "test" not in str(file) and file.is_file()]
    random.Random(SEED).shuffle(files)  # noqa: S311 - the same order every time
    counts: Counter[str] = Counter()
    for file in files:
        package = file.parts[file.parts.index("site-packages") + 1] if "site-packages" in file.parts else str(root)
        try:
            source = file.read_text("utf-8")
            tree = ast.parse(source)
        except (SyntaxError, ValueError):
            continue
        lines = source.splitlines(keepends=True)
        for node in ast.walk(tree):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or len(node.body) < 2:
                continue
            first, docstring = node.body[0], ast.get_docstring(node)
            body = "".join(lines[node.lineno - 1 : first.lineno - 1] + lines[first.end_lineno : node.end_lineno])
            if docstring and 350 < len(body) < 6_000 and counts[package] < 40:
                counts[package] += 1
                yield Known(f"{file.name} {node.name}", body, docstring.strip().splitlines()[0].strip())


def pages(folder: Path, *, by_title: bool) -> Iterator[Known]:
    """Web pages with their text as people marked it."""
    from lxml import html

    for line in gzip.decompress((folder / "gold.jsonl.gz").read_bytes()).splitlines():
        page: dict[str, Any] = json.loads(line)
        text = page.get("markdown") or page["text"]
        if not 1_000 < len(text) < 25_000:
            continue
        if by_title:
            yield Known("", text, page["title"])
            continue
        tree = html.fromstring(gzip.decompress((folder / "html" / f"{page['id']}.html.gz").read_bytes()))
        metas = [meta for meta in tree.iter("meta") if ABSTRACT & {meta.get("name"), meta.get("property")}]
        found = [(meta.get("content") or "").strip() for meta in metas]
        abstract = next((each for each in found if len(each) > 2 * SHORTEST_QUERY), "")
        if abstract and abstract[:60] not in text.replace(abstract, ""):  # the beginning of a text is no question
            yield Known(page["title"], text, abstract)


def write(folder: Path, items: Iterator[Known], most: int) -> None:
    """A collection of at most `most` documents in `folder`; one of each query."""
    chosen: dict[str, Known] = {}
    for item in items:
        if len(item.query) >= SHORTEST_QUERY:
            chosen.setdefault(item.query, item)
        if len(chosen) == most:
            break
    if not chosen:
        print(f"{folder.name}: nothing of the kind here")
        return
    folder.mkdir(parents=True, exist_ok=True)
    rows = list(enumerate(chosen.values()))
    _lines(
        folder / "corpus.jsonl",
        ({"_id": f"d{n}", "title": it.title, "text": it.text.replace(it.query, "")} for n, it in rows),
    )
    _lines(folder / "queries.jsonl", ({"_id": f"q{number}", "text": item.query} for number, item in rows))
    judged = "".join(f"q{number}\td{number}\t1\n" for number, _ in rows)
    (folder / "qrels.tsv").write_text(f"query-id\tcorpus-id\tscore\n{judged}", "utf-8")
    print(f"{folder.name}: {len(rows)} documents")


def _lines(file: Path, records: Iterator[dict[str, str]]) -> None:
    file.write_text("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records), "utf-8")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pages", type=Path, metavar="FOLDER", help="the dev split of WCXB")
    parser.add_argument("--most", type=int, default=250, help="documents of a collection (250)")
    chosen = parser.parse_args()
    makers: dict[str, Callable[[], Iterator[Known]]] = {
        "manuals": manuals,
        "packages": packages,
        "readmes": readmes,
        "code": code,
    }
    if chosen.pages:
        makers["titles"] = lambda: pages(chosen.pages, by_title=True)
        makers["abstracts"] = lambda: pages(chosen.pages, by_title=False)
    for name, maker in makers.items():
        write(chosen.folder / name, islice(maker(), 10 * chosen.most), chosen.most)


if __name__ == "__main__":
    main()
