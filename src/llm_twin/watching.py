"""Keeping a corpus current: rounds of collecting and indexing a run file, one every so often.

A round opens the stores and closes them again, so that others can use them in between. Two watches over the same links
share the work: who comes while a round goes on helps it (see `collecting.run`), who comes after it waits for the next.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any, Literal

from llm_twin.collecting import input_of
from llm_twin.documents import Link, Report, Run, Value, digest, now
from llm_twin.errors import ConfigError, TwinError, UsageError
from llm_twin.runfile import read_run_file
from llm_twin.twin import Twin

log = logging.getLogger(__name__)

INTERVAL = re.compile(r"(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?", re.I)
SHORTEST, LONGEST = timedelta(minutes=1), timedelta(days=366)
NAP = 1.0  # seconds that waiting may be late: after the machine slept, or a signal came just before a nap


class Round(Value):
    """One round. `state`: done; elsewhere: another process had done it; failed: as a whole, for `error`."""

    number: int
    state: Literal["done", "elsewhere", "failed", "interrupted"]
    started_at: datetime
    finished_at: datetime
    next_at: datetime | None  # None: there is no next one
    collected: Report | None = None
    indexed: Report | None = None
    error: str = ""
    exit_code: int = 0

    @property
    def seconds(self) -> float:
        """How long it took."""
        return (self.finished_at - self.started_at).total_seconds()


class Clock:
    """What time it is, and waiting for another one."""

    def now(self) -> datetime:
        """This moment, in UTC."""
        return now()

    def wait(self, until: datetime) -> None:
        """Return at `until`; a machine that slept in between is not waited for once more."""
        while (left := (until - self.now()).total_seconds()) > 0:
            time.sleep(min(left, NAP))


def interval(text: str) -> timedelta:
    """An interval as `30m`, `6h`, `1d` or `1d12h`. Raises `UsageError` for what is none, or under a minute."""
    match = INTERVAL.fullmatch("".join(text.split()))
    weeks, days, hours, minutes = (min(int(part or 0), 10**6) for part in match.groups()) if match else (0, 0, 0, 0)
    found = timedelta(weeks=weeks, days=days, hours=hours, minutes=minutes)
    if not SHORTEST <= found <= LONGEST:
        raise UsageError(f"{text!r} is no interval from a minute to a year; write it like 30m, 6h, 1d or 1d12h")
    return found


def rounds(
    file: Path, opened: Callable[[], AbstractContextManager[Twin]], every: timedelta | None, clock: Clock | None = None
) -> Iterator[Round]:
    """Collect and index a run file, again and again; without `every` once. Ends when it is interrupted.

    The file is read anew for each round. A round that fails as a whole is reported, and the next one tries again; only
    the first one's `ConfigError` and `UsageError` are raised, because waiting would not help.
    """
    clock = clock or Clock()
    own = ""  # the id of the run of the last round
    for number in count(1):
        started = clock.now()
        fields: dict[str, Any] = {"state": "failed", "exit_code": TwinError.exit_code}
        following = started
        try:
            links = read_run_file(file)
            with opened() as twin:
                if every and (other := _done_by_another(twin, links, started - every, own)):
                    fields = {"state": "elsewhere"}
                    following = other.started_at
                else:
                    fields = _round(twin, links)
                    own = fields["collected"].run_id
        except (ConfigError, UsageError) as error:
            if number == 1:
                raise
            fields["error"] = str(error)
        except TwinError as error:
            fields["error"] = str(error)
        except Exception as error:  # a fault of ours must not end what is to run for months
            log.debug("round %s", number, exc_info=True)
            fields["error"] = f"{type(error).__name__}: {error}"
        finished = clock.now()
        goes_on = every is not None and fields["state"] != "interrupted"
        next_at = max(following + every, finished) if every and goes_on else None
        done = Round(number=number, started_at=started, finished_at=finished, next_at=next_at, **fields)
        try:
            yield done
            if next_at is None:
                return
            clock.wait(next_at)
        except KeyboardInterrupt:  # nothing is going on: this is how a watch ends
            return


def _round(twin: Twin, links: list[Link]) -> dict[str, Any]:
    collected = twin.collect_links(links)
    indexed = None if collected.interrupted else twin.index()
    reports = [report for report in (collected, indexed) if report]
    interrupted = any(report.interrupted for report in reports)
    return {
        "state": "interrupted" if interrupted else "done",
        "collected": collected,
        "indexed": indexed,
        "exit_code": int(interrupted or any(report.failed for report in reports)),
    }


def _done_by_another(twin: Twin, links: list[Link], after: datetime, own: str) -> Run | None:
    """The finished run over the same links that began after this moment, if it was not ours."""
    stored = {link.author.id: twin.warehouse.put_author(link.author) for link in links}
    given = [link.model_copy(update={"author": stored[link.author.id]}) for link in links]
    run = twin.warehouse.run_with_key(digest("collect", *input_of(given)))
    return run if run and run.state == "finished" and run.started_at > after and run.id != own else None
