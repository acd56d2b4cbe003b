"""The process that `queue_rounds` kills: it collects pages that are quickly read, so that the queue is what is hit."""

from __future__ import annotations

from collections.abc import AsyncIterator
from multiprocessing.connection import Connection
from typing import Any

# Imported here, in the fork server, so that a child is at work within milliseconds.
import llm_twin.collect.discover
import llm_twin.collect.transport
import llm_twin.warehouse.mongo
import llm_twin.warehouse.sqlite  # noqa: F401
from llm_twin import Link, Settings, Twin
from llm_twin.collect.crawlers import crawler, expander, site_names
from llm_twin.collect.discover.found import Findings, Found
from llm_twin.collect.web import Web
from llm_twin.documents import Document

site_names()


@crawler("plain", ".plain.example")
async def crawl(link: Link, web: Web) -> AsyncIterator[Document]:
    """Pages of a title and a text; a collection and its parts where there are several texts."""
    page = await web.get(link.url)
    title, *texts = page.text.split("\n")
    whole = Document.of(link.author, link.url, kind="article", platform="plain", title=title, text=texts[0])
    yield whole.model_copy(update={"raw": page.raw})
    for number, text in enumerate(texts[1:]):
        fields = {"kind": "code", "platform": "plain", "title": str(number), "parent_id": whole.id}
        yield Document.of(link.author, f"{link.url}/{number}", text=text, **fields)


@expander("plain", ".plain.example", path=lambda path: path == "/list")
async def expand(url: str, web: Web, findings: Findings) -> None:
    """Lists of one link a line."""
    findings.add(Found(line) for line in (await web.get(url)).text.split())


def work(options: dict[str, Any], links: list[Link], pipe: Connection) -> None:
    """Collect, saying "begin" and "end", so that the moment of the kill falls in between."""
    with Twin(Settings.load(**options)) as twin:
        pipe.send("begin")
        twin.collect_links(links)
        pipe.send("end")
