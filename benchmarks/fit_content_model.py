#!/usr/bin/env python3
"""Fits the forest that tells a page's text from what surrounds it (src/llm_twin/collect/reading/content_model.json).

    pip install scikit-learn
    python benchmarks/fit_content_model.py PAGES OUTPUT.json
    python benchmarks/fit_content_model.py PAGES FOLDER --folds 10

PAGES holds gold.jsonl.gz (id, url, text, markdown) and html/<id>.html.gz, as the dev split of WCXB (CC-BY-4.0) does.
`--folds` fits so many forests, 0.json to 9.json, for held-out figures: each leaves out the pages of a part of the
sites, to be measured on these.
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
import zlib
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from llm_twin.collect.reading.content_blocks import HEADINGS, WORD, Block, outline_of
from llm_twin.collect.reading.content_features import features
from llm_twin.collect.reading.content_model import LEAVES
from llm_twin.collect.reading.formulas import write_formulas
from llm_twin.collect.reading.metadata import read_metadata
from llm_twin.collect.reading.trees import body_of, flatten_code, parse

TREES, RATE = 100, 0.12
SMALLEST_LEAF = 150  # blocks
BLOCKS_A_PAGE = 150  # drawn from longer pages, so that no page rules
LONG = 6  # words, from which a block is compared by its shingles
SHORT = 25  # words; what is said twice is compared by its place up to here


def fold_of(url: str, folds: int) -> int:
    """The fold of a page: pages of one site share it."""
    return zlib.crc32((urlsplit(url).hostname or "").encode()) % folds


def labels(blocks: list[Block], gold: dict[str, Any]) -> list[bool]:
    """Whether each block stands in the labelled text: half of its 4-word shingles, or the whole of a short one.

    What a page says more often than the label does, as a table of contents and the headings that it lists, counts as
    often as there, where the text around agrees.
    """
    words = WORD.findall(gold["text"].lower())
    shingles: dict[tuple[str, ...], int] = {}
    for at, shingle in enumerate(zip(words, words[1:], words[2:], words[3:], strict=False)):
        shingles.setdefault(shingle, at)
    markdown = gold.get("markdown") or ""
    lines = [*gold["text"].split("\n"), *re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", markdown).split("\n")]
    cells = [cell for line in markdown.split("\n") if "|" in line for cell in line.split("|")]
    whole = {"".join(WORD.findall(text.lower())) for text in (*lines, *cells)}
    joined = "".join(words)
    found: list[bool] = []
    places: list[int | None] = []
    for block in blocks:
        own = block.words
        text = "".join(own)
        place: int | None = None
        if len(own) >= LONG:
            parts = [shingles.get(part) for part in zip(own, own[1:], own[2:], own[3:], strict=False)]
            known = sorted(part for part in parts if part is not None)
            found.append(2 * len(known) >= len(parts))
            place = known[len(known) // 2] if found[-1] else None
        else:
            found.append(text in whole or (len(own) >= 3 and len(text) > 8 and text in joined))
        places.append(place)
    alone: dict[tuple[str, ...], list[int]] = {}  # where a line says just that
    at = 0
    for line in gold["text"].split("\n"):
        own = WORD.findall(line.lower())
        alone.setdefault(tuple(own), []).append(at)
        at += len(own)
    headings = {tuple(WORD.findall(line.lower())) for line in markdown.split("\n") if line.startswith("#")}
    return as_often(blocks, words, alone, headings, found, places)


def as_often(
    blocks: list[Block],
    words: list[str],
    lines: dict[tuple[str, ...], list[int]],
    headings: set[tuple[str, ...]],
    found: list[bool],
    places: list[int | None],
) -> list[bool]:
    """Of the blocks found that say the same, as many as the label has: those whose neighbours stand closest there."""
    same: dict[tuple[str, ...], list[int]] = {}
    for index, block in enumerate(blocks):
        if found[index] and len(block.words) <= SHORT and block.owner.tag not in ("td", "th", "pre"):
            same.setdefault(tuple(block.words), []).append(index)
    where: dict[str, list[int]] = {}
    for place, word in enumerate(words):
        where.setdefault(word, []).append(place)
    for text, indexes in same.items():
        if len(indexes) == 1:
            continue
        told = lines.get(text) or [at for at in where.get(text[0], []) if tuple(words[at : at + len(text)]) == text]
        if not told or len(told) >= len(indexes):
            continue
        near = []
        for index in indexes:
            around = [
                next((places[other] for other in beside if places[other] is not None and other not in indexes), None)
                for beside in (range(index - 1, -1, -1), range(index + 1, len(blocks)))
            ]
            known = [place for place in around if place is not None]
            meant = text in headings and blocks[index].owner.tag in HEADINGS
            near += [(not meant, min((abs(at - place) for place in known), default=0), at, index) for at in told]
        taken: set[int] = set()
        kept: set[int] = set()
        for *_, at, index in sorted(near):
            if at not in taken and index not in kept:
                taken.add(at)
                kept.add(index)
        for index in indexes:
            found[index] = index in kept
    return found


def judged(job: tuple[Path, dict[str, Any]]) -> tuple[np.ndarray, list[bool], list[int]] | None:
    """Features, labels and lengths in words of a page's blocks; None when it has none of the labelled text."""
    folder, gold = job
    html = gzip.decompress((folder / f"html/{gold['id']}.html.gz").read_bytes()).decode("utf-8", "replace")
    tree = parse(html)
    if tree is None:
        return None
    flatten_code(tree)
    write_formulas(tree)
    told = read_metadata(tree, gold["url"])
    outline = outline_of(body_of(tree))
    if not outline.blocks or not any(marks := labels(outline.blocks, gold)):
        return None
    return features(outline, told.title, told.article_body or ""), marks, [len(b.words) for b in outline.blocks]


def fit(pages: list[tuple[np.ndarray, list[bool], list[int]]]) -> Any:
    """A gradient-boosted forest (Friedman 2001). Long blocks weigh more, long pages not much more than short ones."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    chance = np.random.default_rng(0)
    rows, marks, weights = [], [], []
    for page_rows, page_marks, words in pages:
        count = np.array(words)
        total = len(count)
        pick = np.arange(total)
        if total > BLOCKS_A_PAGE:
            pick = np.sort(chance.choice(total, BLOCKS_A_PAGE, replace=False))
        rows.append(page_rows[pick])
        marks.append(np.array(page_marks)[pick])
        weights.append((np.minimum(count, 60) ** 0.75 / max(count.sum(), 1) ** 0.5)[pick] * total / len(pick))
    weight = np.concatenate(weights)
    forest = HistGradientBoostingClassifier(
        max_iter=TREES,
        max_leaf_nodes=LEAVES,
        learning_rate=RATE,
        min_samples_leaf=SMALLEST_LEAF,
        l2_regularization=10,
        max_features=0.3,
        random_state=0,
    )
    return forest.fit(np.concatenate(rows), np.concatenate(marks), sample_weight=weight / weight.mean())


def export(forest: Any, target: Path) -> None:
    """Write the trees side by side, as `content_model.py` reads them."""
    columns: dict[str, list[list[float]]] = {"feature": [], "threshold": [], "mask": [], "value": []}
    for (tree,) in forest._predictors:
        splits: list[tuple[int, float, int]] = []
        values: list[float] = []

        def walk(number: int, nodes: Any = tree.nodes, splits: Any = splits, values: Any = values) -> int:
            """Number the leaves from left to right; the bits of those below a node."""
            node = nodes[number]
            if node["is_leaf"]:
                values.append(float(f"{node['value']:.4g}"))
                return 1 << (len(values) - 1)
            left, right = walk(int(node["left"])), walk(int(node["right"]))
            mask = ((1 << LEAVES) - 1) & ~left
            threshold = float(f"{np.float32(node['num_threshold']):.9g}")  # as exact as the features: some equal it
            splits.append((int(node["feature_idx"]), threshold, mask))
            return left | right

        walk(0)
        splits += [(0, 0.0, (1 << LEAVES) - 1)] * (LEAVES - 1 - len(splits))  # change nothing
        for name, column in zip(("feature", "threshold", "mask"), zip(*splits, strict=True), strict=True):
            columns[name].append(list(column))
        columns["value"].append(values + [0.0] * (LEAVES - len(values)))
    stored: dict[str, Any] = {name: np.array(columns[name]).T.tolist() for name in ("feature", "threshold", "mask")}
    stored |= {"value": columns["value"], "baseline": [[round(float(np.ravel(forest._baseline_prediction)[0]), 5)]]}
    target.write_text(json.dumps(stored, separators=(",", ":")), "ascii")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pages", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--folds", type=int, default=0, help="fit so many forests, each without its part of the sites")
    parser.add_argument("--every", type=int, default=1, help="use every Nth page")
    options = parser.parse_args()
    with gzip.open(options.pages / "gold.jsonl.gz", "rt", encoding="utf-8") as lines:
        gold = [json.loads(line) for line in lines][:: options.every]
    with ProcessPoolExecutor() as pool:
        judged_pages = pool.map(judged, [(options.pages, entry) for entry in gold], chunksize=20)
        pages = [(entry["url"], page) for entry, page in zip(gold, judged_pages, strict=True) if page]
    if options.folds:
        options.output.mkdir(parents=True, exist_ok=True)
    for fold in range(options.folds or 1):
        chosen = [page for url, page in pages if not options.folds or fold_of(url, options.folds) != fold]
        target = options.output / f"{fold}.json" if options.folds else options.output
        export(fit(chosen), target)
        print(f"{target}: {TREES} trees fitted on {len(chosen)} pages, {sum(len(page[2]) for page in chosen)} blocks")


if __name__ == "__main__":
    main()
