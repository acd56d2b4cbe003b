"""What the processes do that search an index while another one writes to it."""

from __future__ import annotations

import traceback
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Event
from typing import Any

from indexing_world import ADA, WordsEmbedder, article
from llm_twin import Settings, Twin

DOCUMENTS = 8
PARTS = 4
ENOUGH = 3


def opened(options: dict[str, Any]) -> Twin:
    """A twin with the small model."""
    twin = Twin(Settings.load(**options))
    twin.embedder = WordsEmbedder()  # type: ignore[assignment]  # a cached property
    return twin


def write(options: dict[str, Any], revision: int, *, rebuild: bool = False) -> None:
    """Change every document, and bring the index in step."""
    with opened(options) as twin:
        twin.warehouse.put_author(ADA)
        texts = (
            "\n\n".join(f"boats number {number} part {part} revision {revision} " * 5 for part in range(PARTS))
            for number in range(DOCUMENTS)
        )
        twin.warehouse.put([article(number, text) for number, text in enumerate(texts)])
        report = twin.index(rebuild=rebuild)
        assert not report.failed, report.failed[0]


def search(options: dict[str, Any], stop: Event, enough: Event, report: Connection, one_by_one: bool) -> None:
    """Search until told to stop, each time opening the index anew or not; report (searches, what went wrong).

    `enough` is set after a few searches, or when something went wrong.
    """
    searches = 0
    try:
        twin = opened(options)
        while not stop.is_set():
            if one_by_one:
                twin.close()
                twin = opened(options)
            hits = twin.search(f"boats number {searches % DOCUMENTS}", k=5, context=1, explain=True)
            assert len(hits) == 5, f"{len(hits)} hits"
            assert all(hit.passages and hit.title for hit in hits)
            searches += 1
            if searches == ENOUGH:
                enough.set()
        twin.close()
        report.send((searches, ""))
    except BaseException:  # noqa: BLE001 - whatever it is, the test shall see it
        enough.set()
        report.send((searches, traceback.format_exc()))
