"""The process that `tests/kill` kills. A module of its own, so that a fork server imports it once for all children."""

from __future__ import annotations

from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

# Imported here, in the fork server, so that a child is at work within milliseconds.
import llm_twin.collect.archives.handbook
import llm_twin.collect.discover
import llm_twin.collect.transport
import llm_twin.features.chunk
import llm_twin.models.embed
import llm_twin.vectors.edge
import llm_twin.warehouse.sqlite  # noqa: F401
from llm_twin import Settings, Twin
from llm_twin.collect.crawlers import site_names
from llm_twin.runfile import read_run_file

site_names()


def work(options: dict[str, Any], what: str, run_file: Path, pipe: Connection) -> None:
    """Collect, index or rebuild, saying "begin" and "end", so that the moment of the kill falls in between."""
    with Twin(Settings.load(**options)) as twin:
        links = read_run_file(run_file)
        if what != "collect":
            _ = twin.chunker  # loads the model
        pipe.send("begin")
        if what == "collect":
            twin.collect_links(links)
        else:
            twin.index(rebuild=what == "rebuild")
        pipe.send("end")
