#!/usr/bin/env python3
"""Fits the forest that tells a page's text from what surrounds it (src/llm_twin/collect/content_model.json).

    pip install scikit-learn
    python benchmarks/fit_content_model.py PAGES OUTPUT.json [--half 0|1]

PAGES holds gold.jsonl.gz (id, url, text, markdown) and html/<id>.html.gz, as the dev split of WCXB (CC-BY-4.0) does.
`--half` leaves out every other page, for held-out figures: fit on one half, measure on the other.
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from llm_twin.collect.content_blocks import WORD, Block, blocks_of, folded
from llm_twin.collect.content_features import Witnesses, features
from llm_twin.collect.extract import trafilatura_lines
from llm_twin.collect.extract_metadata import read_metadata
from llm_twin.collect.extract_trees import flatten_code, parse

TREES, LEAVES, RATE = 100, 12, 0.12
BLOCKS_A_PAGE = 150  # drawn from longer pages, so that no page rules
LONG = 6  # words, from which a block is compared by its shingles


def labels(blocks: list[Block], gold: dict[str, Any]) -> list[bool]:
    """Whether each block stands in the labelled text: half of its 4-word shingles, or the whole of a short one."""
    words = WORD.findall(gold["text"].lower())
    shingles = set(zip(words, words[1:], words[2:], words[3:], strict=False))
    markdown = gold.get("markdown") or ""
    lines = [*gold["text"].split("\n"), *re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", markdown).split("\n")]
    cells = [cell for line in markdown.split("\n") if "|" in line for cell in line.split("|")]
    whole = {"".join(WORD.findall(text.lower())) for text in (*lines, *cells)}
    joined = "".join(words)
    found = []
    for block in blocks:
        own = [folded(word) for word in block.words]
        text = "".join(own)
        if len(own) >= LONG:
            parts = list(zip(own, own[1:], own[2:], own[3:], strict=False))
            found.append(sum(part in shingles for part in parts) >= len(parts) / 2)
        else:
            found.append(text in whole or (len(own) >= 3 and len(text) > 8 and text in joined))
    return found


def judged(job: tuple[Path, dict[str, Any]]) -> tuple[list[list[float]], list[bool], list[int]] | None:
    """Features, labels and lengths in words of a page's blocks; None when it has none of the labelled text."""
    folder, gold = job
    html = gzip.decompress((folder / f"html/{gold['id']}.html.gz").read_bytes()).decode("utf-8", "replace")
    tree = parse(html)
    if tree is None:
        return None
    tree.make_links_absolute(gold["url"], handle_failures="ignore")
    flatten_code(tree)
    told = read_metadata(tree, gold["url"])
    lines = trafilatura_lines(tree, gold["url"])
    body = tree if tree.tag == "body" else tree.find("body")
    blocks = blocks_of(tree if body is None else body)
    if not blocks or not any(marks := labels(blocks, gold)):
        return None
    rows = features(blocks, Witnesses(lines, told.title, told.article_body or ""))
    return rows, marks, [len(block.words) for block in blocks]


def fit(pages: list[tuple[list[list[float]], list[bool], list[int]]]) -> Any:
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
        rows.append(np.array(page_rows, np.float32)[pick])
        marks.append(np.array(page_marks)[pick])
        weights.append((np.minimum(count, 60) ** 0.75 / max(count.sum(), 1) ** 0.5)[pick] * total / len(pick))
    weight = np.concatenate(weights)
    forest = HistGradientBoostingClassifier(
        max_iter=TREES,
        max_leaf_nodes=LEAVES,
        learning_rate=RATE,
        min_samples_leaf=150,
        l2_regularization=10,
        max_features=0.3,
        random_state=0,
    )
    return forest.fit(np.concatenate(rows), np.concatenate(marks), sample_weight=weight / weight.mean())


def export(forest: Any, target: Path) -> None:
    """Write the trees as rows of nodes, as `content_model.py` reads them."""
    stored: dict[str, list[Any]] = {name: [] for name in ("roots", "feature", "threshold", "left", "right", "value")}
    depth = 0
    for (tree,) in forest._predictors:
        first = len(stored["feature"])
        stored["roots"].append(first)
        for number, node in enumerate(tree.nodes):
            leaf = bool(node["is_leaf"])
            depth = max(depth, int(node["depth"]))
            stored["feature"].append(0 if leaf else int(node["feature_idx"]))
            stored["threshold"].append(0.0 if leaf else float(f"{node['num_threshold']:.5g}"))
            stored["left"].append(first + (number if leaf else int(node["left"])))
            stored["right"].append(first + (number if leaf else int(node["right"])))
            stored["value"].append(float(f"{node['value']:.4g}") if leaf else 0.0)
    baseline = round(float(np.ravel(forest._baseline_prediction)[0]), 5)
    target.write_text(json.dumps({"baseline": baseline, "depth": depth, **stored}, separators=(",", ":")), "ascii")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pages", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--half", type=int, choices=(0, 1), help="fit on the pages whose number is not odd/even")
    parser.add_argument("--every", type=int, default=1, help="use every Nth page")
    options = parser.parse_args()
    with gzip.open(options.pages / "gold.jsonl.gz", "rt", encoding="utf-8") as lines:
        gold = [json.loads(line) for line in lines][:: options.every]
    if options.half is not None:
        gold = [entry for number, entry in enumerate(gold) if number % 2 != options.half]
    with ProcessPoolExecutor() as pool:
        found = [page for page in pool.map(judged, [(options.pages, entry) for entry in gold], chunksize=20) if page]
    export(fit(found), options.output)
    print(f"{options.output}: {TREES} trees fitted on {len(found)} pages, {sum(len(p[2]) for p in found)} blocks")


if __name__ == "__main__":
    main()
