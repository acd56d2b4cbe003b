#!/usr/bin/env python3
"""Collecting beside its peers: the same pages from a local server that answers after 50 ms, in one run.

    python -m venv PEERS
    PEERS/bin/pip install --no-deps -r benchmarks/requirements-collect-peers.txt
    python benchmarks/collect.py PAGES --peers PEERS
    python benchmarks/collect.py PAGES --only ours             (without the peers)
    python benchmarks/collect.py PAGES --memory                (ours alone, 10,000 links: memory as the run goes on)

PAGES is a folder with saved pages, html/ID.html.gz, and gold.jsonl.gz, which says where each is from: every page is
served under its own host's name; with more links than pages, again under other hosts. The server is a process of its
own, and its CPU time is not counted. Nobody pauses between two requests, nobody has a browser. We and Scrapy read
robots.txt first, which doubles the requests; the other two don't. We store documents and pages as fetched in the
warehouse, the peers write text and metadata to a file. Everybody's modules are compiled before the clock starts.

The columns
  pages         that gave text; we leave out lists, walls and what has next to none, by their reasons
  pages/s       links over the seconds from the start of the process to its end, imports included
  /CPU s        links over user and system seconds, children included
  peak MB       resident memory at its highest, all processes of a contestant together, looked at 20 times a second;
                what they share counts for each of them, so it is rather too much
  again         a second run over the same links, in a fresh process; the server answers 304 where asked to
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import platform
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count, islice
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple
from urllib.parse import urlsplit

HERE = Path(__file__).parent
LATENCY = 0.05  # seconds
CONTESTANTS = {
    "ours": "llm-twin",
    "scrapy": "Scrapy + trafilatura",
    "pool": "httpx + trafilatura in a process pool",
    "serial": "serial loop, html2text",
}


class Figures(NamedTuple):
    """Of one run."""

    links: int
    pages: int
    seconds: float
    cpu_seconds: float
    peak_mb: float
    peaks_mb: list[float]  # while the first thousand links were collected, the second, …; of ours alone
    told: dict[str, Any]

    @property
    def rate(self) -> float:
        """Links a second."""
        return self.links / self.seconds

    @property
    def cpu_rate(self) -> float:
        """Links a CPU second."""
        return self.links / self.cpu_seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pages", type=Path)
    parser.add_argument("--peers", type=Path, help="virtual environment with requirements-collect-peers.txt")
    parser.add_argument("--only", default=",".join(CONTESTANTS), help="names, with commas: " + ", ".join(CONTESTANTS))
    parser.add_argument("--links", type=int, default=0, help="how many links; more than pages repeats them")
    parser.add_argument("--memory", action="store_true", help="one run of ours over 10,000 links")
    parser.add_argument("--largest", type=int, default=0, help="leave out pages of more bytes, packed")
    parser.add_argument("--concurrency", type=int, default=64, help="links at a time, the serial loop apart")
    parser.add_argument("--json", type=Path, help="where to write all figures")
    given = parser.parse_args()
    if given.memory:
        given.only, given.links = "ours", given.links or 10_000
    names = [name for name in given.only.split(",") if given.peers or name == "ours"]
    if left_out := sorted(set(given.only.split(",")) - set(names)):
        print(f"left out without --peers: {', '.join(left_out)}", file=sys.stderr)
    with tempfile.TemporaryDirectory() as temporary, server(given.pages) as port:
        known = pages_of(given.pages, given.largest)
        links = Path(temporary) / "links"
        links.write_text("\n".join(islice(addresses(known, port), given.links or len(known))))
        few = Path(temporary) / "few"
        few.write_text("\n".join(islice(addresses(known, port), 10)))
        found = {name: runs(name, links, few, Path(temporary), given) for name in names}
    print(tables(found))
    if given.json:
        figures = {name: [run._asdict() for run in of_one] for name, of_one in found.items()}
        given.json.write_text(json.dumps({"machine": machine(), "contestants": figures}, indent=1))


def pages_of(folder: Path, largest: int) -> list[dict[str, str]]:
    """Id and address of every page, of those that have at most `largest` bytes if that is not 0."""
    with gzip.open(folder / "gold.jsonl.gz", "rt") as file:
        known = [json.loads(line) for line in file]
    return [page for page in known if not largest or (folder / f"html/{page['id']}.html.gz").stat().st_size <= largest]


def addresses(known: list[dict[str, str]], port: int) -> Iterator[str]:
    """The links of all pages, each under its own host; then of all again, under other hosts, for ever."""
    for number in count():
        for page in known:
            yield f"http://{urlsplit(page['url']).hostname}.{number}.test:{port}/{page['id']}"


@contextmanager
def server(pages: Path) -> Iterator[int]:
    """The port of a running server."""
    command = [sys.executable, str(HERE / "collect_server.py"), str(pages), str(LATENCY)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            yield int(process.stdout.readline())
        finally:
            process.kill()


def runs(name: str, links: Path, few: Path, work: Path, given: argparse.Namespace) -> list[Figures]:
    """The figures of one contestant: of its run, and for us of the one after it. A run over a few links goes before."""
    peer = name != "ours"
    python = given.peers.absolute() / "bin" / "python" if peer else sys.executable
    script = [HERE / "collect_peers.py", name] if peer else [HERE / "collect_ours.py"]

    def go(links: Path, state: Path) -> Figures:
        state.mkdir(exist_ok=True)
        command = [str(part) for part in (python, *script, links, state, work / "result.json", given.concurrency)]
        return run(name, command, links, state, work)

    go(few, work / f"{name}-few")
    return [go(links, work / name) for _ in range(1 if peer or given.memory else 2)]


def run(name: str, command: list[str], links: Path, state: Path, work: Path) -> Figures:
    """One run in a process of its own."""
    print(f"{CONTESTANTS[name]} …", end="", file=sys.stderr, flush=True)
    compiled = {"PYTHONPYCACHEPREFIX": str(work / "compiled"), "PYTHONDONTWRITEBYTECODE": ""}
    (state / "done").unlink(missing_ok=True)
    started = perf_counter()
    process = subprocess.Popen(command, env=os.environ | compiled)
    peak = Peak(process.pid, state / "done")
    _, status, usage = os.wait4(process.pid, 0)
    seconds = perf_counter() - started
    if status:
        sys.exit(f"{name} failed")
    told = json.loads((work / "result.json").read_text())
    peaks = peak.end()
    figures = Figures(
        links=len(links.read_text().split()),
        pages=told["pages"],
        seconds=seconds,
        cpu_seconds=usage.ru_utime + usage.ru_stime,
        peak_mb=max(peaks) / 1e6,
        peaks_mb=[each / 1e6 for each in peaks],
        told=told,
    )
    print(f" {figures.rate:.1f} pages/s", file=sys.stderr)
    return figures


class Peak:
    """Watches the resident memory of a process and all below it, which writes to `done` how many links it has done."""

    def __init__(self, process: int, done: Path) -> None:
        self.process = process
        self.done = done
        self.peaks = [0]
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.watch)
        self.thread.start()

    def watch(self) -> None:
        while not self.ended.wait(0.05):
            thousands = int(self.done.read_text() or 0) // 1000 if self.done.is_file() else 0
            self.peaks += [0] * (thousands + 1 - len(self.peaks))
            self.peaks[thousands] = max(self.peaks[thousands], resident(self.process))

    def end(self) -> list[int]:
        """The peaks in bytes, one for each thousand links."""
        self.ended.set()
        self.thread.join()
        return self.peaks


def resident(process: int) -> int:
    """Resident bytes of a process and all below it; pages that several share count for each."""
    folder = Path("/proc") / str(process)
    try:
        own = int((folder / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        below = " ".join(file.read_text() for file in folder.glob("task/*/children")).split()
    except (OSError, IndexError):  # it has ended
        return 0
    return own + sum(resident(int(child)) for child in below)


def tables(found: dict[str, list[Figures]]) -> str:
    """The figures as Markdown, and the goals."""
    links = max(first.links for first, *_ in found.values())
    columns = ["", "pages", "seconds", "pages/s", "CPU s", "pages / CPU s", "peak MB"]
    columns += ["again: seconds", "again: pages/s", "again: CPU s"]
    lines = [
        f"{links:,} links, {machine()}",
        "",
        f"| {' | '.join(columns)} |".replace("|  |", "| |"),
        "| --- " * 10 + "|",
    ]
    for name, (first, *again) in found.items():
        cells = [
            CONTESTANTS[name],
            f"{first.pages:,}",
            f"{first.seconds:.1f}",
            f"{first.rate:.1f}",
            f"{first.cpu_seconds:.1f}",
            f"{first.cpu_rate:.1f}",
            f"{first.peak_mb:,.0f}",
            f"{again[0].seconds:.1f}" if again else "",
            f"{again[0].rate:,.0f}" if again else "",
            f"{again[0].cpu_seconds:.1f}" if again else "",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    peaks = found["ours"][0].peaks_mb if "ours" in found else []
    if len(peaks) > 2:
        lines += ["", f"| thousand links | {' | '.join(str(number + 1) for number in range(len(peaks)))} |"]
        lines += ["| --- " * (len(peaks) + 1) + "|", f"| peak MB | {' | '.join(f'{peak:,.0f}' for peak in peaks)} |"]
    return "\n".join([*lines, "", *goals(found)])


def goals(found: dict[str, list[Figures]]) -> list[str]:
    """What was aimed at, and whether it was reached, for the contestants that ran."""
    if "ours" not in found:
        return []
    first, *again = found["ours"]
    lines = []
    for name, rate, cpu_rate in (("scrapy", 2.0, 1.3), ("pool", 1.0, 1.0)):
        if name in found:
            peer = found[name][0]
            lines += [
                goal(first.rate / peer.rate, rate, f"the pages/s of {CONTESTANTS[name]}"),
                goal(first.cpu_rate / peer.cpu_rate, cpu_rate, "its pages per CPU second"),
            ]
    if again:
        lines.append(goal(again[0].rate / first.rate, 10.0, "the pages/s of the first run in the second"))
    if first.links >= 10_000:
        lines.append(f"- {'reached' if first.peak_mb < 600 else 'MISSED'}: peak of {first.peak_mb:,.0f} MB (goal 600)")
    left = ", ".join(f"{count} {reason}" for reason, count in sorted(first.told["reasons"].items()))
    return [*lines, f"- left out by us: {left or 'nothing'}"]


def goal(times: float, wanted: float, what: str) -> str:
    """A line of the list of goals."""
    return f"- {'reached' if times >= wanted else 'MISSED'}: {times:.2f} times {what} (goal {wanted:g})"


def machine() -> str:
    """The machine in a few words."""
    info = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.split(":", 1)[1].strip() for line in info if "model name" in line]
    return f"{names[0] if names else platform.processor()}, {os.cpu_count()} cores, Python {platform.python_version()}"


if __name__ == "__main__":
    main()
