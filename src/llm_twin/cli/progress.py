"""Progress bars on stderr while links are collected and chunks embedded; nothing where stderr is no terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from llm_twin.documents import Outcome
from llm_twin.runs import Progress, Silent

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

LABELS = {
    "collect": "Collecting links",
    "import": "Importing documents",
    "index": "Indexing documents",
    "embed": "Embedding chunks",
}
LINK_WIDTH = 60


@contextmanager
def shown_progress(quiet: bool) -> Iterator[Progress]:
    """A progress that shows itself; without a terminal one that only says what a person waits for."""
    if quiet or not sys.stderr.isatty():
        yield Silent() if quiet else Lines()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[last]}", style="dim", markup=False),
    )
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
        yield Shown(bars)


class Lines(Silent):
    """No bars, which would fill a log; a line where there is something to say."""

    def say(self, text: str) -> None:
        """See `Progress`."""
        print(f"twin: {text}", file=sys.stderr, flush=True)  # noqa: T201


class Shown:
    """A progress with one bar a stage."""

    def __init__(self, bars: Bars) -> None:
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}

    def plan(self, stage: str, total: int) -> None:
        """See `Progress`. A total of 0 is one that is not known."""
        if stage in self._tasks:
            self._bars.update(self._tasks[stage], total=total or None)
            return
        self._tasks[stage] = self._bars.add_task(LABELS[stage], total=total or None, last="")

    def step(self, stage: str, done: int = 1, outcome: Outcome | None = None) -> None:
        """See `Progress`."""
        last = f"{outcome.status} {outcome.link}"[:LINK_WIDTH] if outcome else ""
        self._bars.update(self._tasks[stage], advance=done, last=last)

    def say(self, text: str) -> None:
        """See `Progress`."""
        self._bars.console.print(f"twin: {text}", markup=False, highlight=False)
