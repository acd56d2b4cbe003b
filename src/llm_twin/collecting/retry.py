"""What is to be tried again: links that failed last time, and those that a stopped run never came to."""

from __future__ import annotations

from collections.abc import Sequence

from llm_twin.documents import Author, Link, Run
from llm_twin.warehouse.store import Warehouse


def stopped(runs: Sequence[Run]) -> list[Run]:
    """The last run, where it is a collect run that was stopped."""
    return [run for run in runs[:1] if run.command == "collect" and run.state == "interrupted"]


def to_retry(warehouse: Warehouse, runs: Sequence[Run], author: Author | None = None) -> list[Link]:
    """Links to collect again, of one author or of all; `runs` are the last ones as they really stand, newest first."""
    last = warehouse.last_outcomes(author.name if author else None)
    authors = {each.name: each for each in warehouse.authors()}
    found = {
        (outcome.author, outcome.link): Link(
            url=outcome.link,
            author=authors[outcome.author],
            expand=outcome.expand,
            since=outcome.since,
            listed=outcome.listed,
        )
        for outcome in last
        if outcome.status == "failed" and outcome.author in authors
    }
    for run in stopped(runs):
        for link in warehouse.queue.left(run.id):
            if author is None or link.author.id == author.id:
                found[link.author.name, link.url] = link
    return list(found.values())
