"""kill -9 at random moments of collecting, in one process or several; then the run is finished and looked at.

    python tests/queue_rounds.py --moments 100

Nothing may be lost: all documents are there, as an undisturbed run leaves them. Nothing may be done twice: every link
has one outcome, `new`, which a link would not have whose documents were stored without it being done; every document
has revision 1. The queue is empty at the end.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import queue_child
from forked import PATIENCE, start
from llm_twin import Author, Link, Settings, Twin
from mongod import running_mongod, with_database
from server import LocalServer

PAGES = {
    "h0.plain.example": 10,
    **{f"h{number}.plain.example": 3 for number in range(1, 6)},
}  # of the first in two takes
ADA = Author.named("Ada Example")


class Result(NamedTuple):
    """What a number of rounds came to."""

    rounds: int
    kills: int  # of processes that were at work
    documents: int  # of every round


@contextmanager
def world() -> Iterator[tuple[LocalServer, list[Link]]]:
    """A server with pages on many hosts, and links to them: directly, by a list, twice, in another spelling, by
    redirects to other hosts; to a page that is gone, and to one that robots.txt forbids."""
    with LocalServer() as server:
        links, listed = [], []
        for host, pages in PAGES.items():
            for number in range(pages):
                lines = [f"Page {number}", *(f"{host} {number} text {part}" for part in range(1 + number % 3))]
                url = server.route(host, f"/{number}", body="\n".join(lines), content_type="text/plain")
                (listed if number == 0 else links).append(url)
        links.append(links[0] + "?utm_source=again")
        links.append(server.route("h1.plain.example", "/gone", status=410, body="gone"))
        for number, target in enumerate(listed):
            moved = {"location": target}
            links.append(server.route(f"old{number % 2}.plain.example", f"/{number}", status=301, headers=moved))
        rules = "User-agent: *\nDisallow: /secret\nCrawl-delay: 0.02\n"
        server.route("h2.plain.example", "/robots.txt", body=rules, content_type="text/plain")
        links.append(server.route("h2.plain.example", "/secret", body="secret", content_type="text/plain"))
        there = {"location": "http://h2.plain.example/robots.txt"}
        server.route("old0.plain.example", "/robots.txt", status=302, headers=there)
        listing = "\n".join([*(f"http://none.plain.example/{number}" for number in range(5)), links[1]])
        many = server.route("list.plain.example", "/list", body=listing, content_type="text/plain")
        server.route("none.plain.example", "/*", status=404, body="none")
        given = [Link(url=url, author=ADA) for url in (*links, *listed)]
        yield server, [*given, Link(url=many, author=ADA, expand=100)]


def contents(twin: Twin) -> dict[str, Any]:
    """Everything in the warehouse that does not depend on when it was collected."""
    found = {}
    for document in twin.warehouse.documents():
        raw = twin.warehouse.raw(document.id)
        found[document.id] = (document.model_dump(exclude={"collected_at"}), raw and (raw.url, raw.body))
    return found


def outcomes(twin: Twin, run_id: str) -> dict[str, str]:
    stored = twin.warehouse.outcomes(run_id)
    assert max(Counter(each.link for each in stored).values()) == 1
    return {each.link: f"{each.status} {each.reason or ''} {each.documents}" for each in stored}


def rounds(address: str, moments: int, seed: int, folder: Path) -> Result:
    """Kill so many processes at work, each run in a fresh warehouse: a file, or a database on the server `address`."""
    with world() as (server, links):
        options: dict[str, Any] = {"resolve": server.resolve, "allow_private": True, "delay": 0.0, "retries": 0}
        chance = random.Random(seed)

        def fresh() -> dict[str, Any]:
            home = folder / uuid4().hex
            place = with_database(address, f"twin_{uuid4().hex[:12]}") if address else ""
            return options | {"home": str(home), "warehouse": place}

        own = fresh()
        child, pipe = start(queue_child.work, own, links)
        started = time.monotonic()
        assert pipe.poll(PATIENCE)
        seconds = time.monotonic() - started
        child.join()
        with Twin(Settings.load(**own)) as twin:
            expected, (run,) = contents(twin), twin.runs()
            ends = outcomes(twin, run.id)
        kills = disturbed = 0
        while kills < moments:
            disturbed += 1
            own = fresh()
            for _ in range(chance.choice((1, 1, 2))):  # killed again, maybe, as it goes on
                children = [start(queue_child.work, own, links) for _ in range(chance.choice((1, 1, 2, 3)))]
                time.sleep(chance.uniform(0, seconds))
                caught = 0
                for child, pipe in children[: chance.randint(1, len(children))]:
                    caught += not pipe.poll()
                    child.kill()
                kills += caught
                seconds *= 1 if caught else 0.8  # the machine is faster than when it was measured
                for child, _ in children:
                    child.join(PATIENCE)
                    assert child.exitcode is not None
            with Twin(Settings.load(**own)) as twin:
                (first, *_) = twin.runs()[::-1] or [None]
                twin.collect_links(links)
                runs = twin.runs()
                assert {run.state for run in runs} == {"finished"}, "nothing is left over"
                assert not first or first.state == "finished" or len(runs) == 1, "a stopped run itself was continued"
                assert outcomes(twin, runs[-1].id) == ends, "every link was done once"
                assert contents(twin) == expected, "nothing is lost, nothing is stored twice"
                assert not [each for run in runs for each in twin.warehouse.queue.backlog(run.id)], "the queue is empty"
        return Result(disturbed, kills, len(expected))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--moments", type=int, default=100, help="kills over each warehouse")
    parser.add_argument("--seed", type=int, default=20240501)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, running_mongod() as address:
        for name, place in (("SQLite", ""), ("MongoDB", address)):
            started = time.monotonic()
            found = rounds(place, chosen.moments, chosen.seed, Path(folder))
            seconds = time.monotonic() - started
            sys.stdout.write(
                f"{name}: {found.rounds} runs, {found.kills} processes killed at work (kill -9), {found.documents}"
                f" documents each: nothing lost, nothing twice, queue empty ({seconds:.0f} s)\n"
            )
            sys.stdout.flush()


if __name__ == "__main__":
    main()
