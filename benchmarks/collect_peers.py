"""The peers of benchmarks/collect.py: `python collect_peers.py NAME LINKS STATE RESULT.json CONCURRENCY`.

Each fetches all links and writes text and metadata of every page to STATE/pages.jsonl. Runs in an environment of its
own, see requirements-collect-peers.txt. All host names lead to loopback, as they do for us.

  scrapy   Scrapy as its project template sets it up (robots.txt obeyed), trafilatura in the spider
  pool     httpx, one client, trafilatura in a process pool with a process for each core
  serial   the handbook's way: one link after the other, the whole page through html2text
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any


def text_of(html: str, url: str) -> str | None:
    """Text and metadata as JSON; None where there is none."""
    from trafilatura import extract

    return extract(html, url=url, output_format="json", with_metadata=True)


class Loopback:
    """Scrapy's resolver of names, for a place where all are one machine."""

    @classmethod
    def from_crawler(cls, crawler: Any, reactor: Any) -> Any:
        from scrapy.resolver import CachingThreadedResolver

        class Local(CachingThreadedResolver):
            def getHostByName(self, name: str, timeout: Any = ()) -> Any:  # noqa: N802
                from twisted.internet.defer import succeed

                return succeed("127.0.0.1")

        return Local.from_crawler(crawler, reactor)


def scrapy(urls: list[str], out: Path, concurrency: int) -> None:
    from scrapy import Spider
    from scrapy.crawler import CrawlerProcess

    class Pages(Spider):
        name = "pages"
        start_urls = urls

        def parse(self, response: Any) -> Iterator[dict[str, str]]:
            found = text_of(response.text, response.url)
            if found:
                yield {"url": response.url, "found": found}

    settings = {
        "ROBOTSTXT_OBEY": True,
        "CONCURRENT_REQUESTS": concurrency,
        "DOWNLOAD_DELAY": 0,
        "DNS_RESOLVER": Loopback,
        "FEEDS": {str(out): {"format": "jsonlines"}},
        "LOG_LEVEL": "ERROR",
        "TELNETCONSOLE_ENABLED": False,
    }
    process = CrawlerProcess(settings)
    process.crawl(Pages)
    process.start()


def pool(urls: list[str], out: Path, concurrency: int) -> None:
    import httpx

    async def go() -> None:
        loop, waiting = asyncio.get_running_loop(), iter(urls)
        with out.open("w") as file, ProcessPoolExecutor(len(os.sched_getaffinity(0))) as processes:
            async with httpx.AsyncClient() as client:

                async def work(waiting: Iterable[str]) -> None:
                    for url in waiting:
                        response = await client.get(url)
                        response.raise_for_status()
                        found = await loop.run_in_executor(processes, text_of, response.text, url)
                        if found:
                            file.write(json.dumps({"url": url, "found": found}) + "\n")

                async with asyncio.TaskGroup() as group:
                    for _ in range(concurrency):
                        group.create_task(work(waiting))

    asyncio.run(go())


def serial(urls: list[str], out: Path, concurrency: int) -> None:
    import html2text
    import requests

    with out.open("w") as file:
        for url in urls:
            response = requests.get(url)  # noqa: S113  (as there)
            file.write(json.dumps({"url": url, "found": html2text.html2text(response.text)}) + "\n")


def main() -> None:
    name, links, state, result, concurrency = sys.argv[1:]
    look_up = socket.getaddrinfo

    def loopback(host: Any, *args: Any, **options: Any) -> Any:
        return look_up("127.0.0.1", *args, **options)

    socket.getaddrinfo = loopback
    out = Path(state) / "pages.jsonl"
    contestants = {"scrapy": scrapy, "pool": pool, "serial": serial}
    contestants[name](Path(links).read_text().split(), out, int(concurrency))
    with out.open() as file:
        Path(result).write_text(json.dumps({"pages": sum(1 for _ in file)}))


if __name__ == "__main__":
    main()
