"""Other processes search while an index run writes: no lock, and no half-made index, ever reaches them."""

from __future__ import annotations

from itertools import count
from pathlib import Path

import searching_child
from forked import PATIENCE, PROCESSES, ensure_server


def test_searches_never_fail_nor_come_back_empty_while_documents_change_and_the_index_is_rebuilt(
    tmp_path: Path,
) -> None:
    ensure_server()
    options = {"home": str(tmp_path / "home")}
    searching_child.write(options, revision=1)
    stop, enough, reports, searchers = PROCESSES.Event(), [], [], []
    for one_by_one in (True, False):
        ours, theirs = PROCESSES.Pipe()
        reports.append(ours)
        enough.append(PROCESSES.Event())
        given = (options, stop, enough[-1], theirs, one_by_one)
        searchers.append(PROCESSES.Process(target=searching_child.search, args=given))
    for process in searchers:
        process.start()
    try:
        for revision in count(2):
            rebuild = revision % 2 == 1
            writer = PROCESSES.Process(
                target=searching_child.write, args=(options, revision), kwargs={"rebuild": rebuild}
            )
            writer.start()
            writer.join(PATIENCE)
            assert writer.exitcode == 0
            if rebuild and all(each.is_set() for each in enough):
                break
    finally:
        stop.set()
    for process, report in zip(searchers, reports, strict=True):
        assert report.poll(PATIENCE)
        searches, error = report.recv()
        process.join(PATIENCE)
        assert error == ""
        assert searches >= searching_child.ENOUGH
