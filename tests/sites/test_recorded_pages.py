"""Every site has recorded pages here: `<site>/<page>.html`, and in `<page>.json` its link and what it gives.

    UPDATE_EXPECTED=1 pytest tests/sites/test_recorded_pages.py

writes the JSON files anew; `git diff` then shows what changed. A new page needs a JSON file with its link alone.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from llm_twin.collect.crawlers import crawler_for, site_names
from llm_twin.documents import Document
from llm_twin.errors import LinkError
from server import LocalServer

HERE = Path(__file__).parent
ELSEWHERE = {"repository": "tests/repositories"}  # they read no pages
ELSEWHERE |= dict.fromkeys(("github_user", "devto", "hashnode"), "tests/discover")
ELSEWHERE["plain"] = "tests/kill"  # a site of those tests
PAGES = sorted(HERE.glob("*/*.html"))


def outcome(crawl: Callable[[str], list[Document]], link: str) -> dict[str, Any]:
    """The document, or the reason why there is none."""
    try:
        (document,) = crawl(link)
    except LinkError as error:
        return {"reason": str(error.reason), "detail": error.detail}
    assert document.raw is not None
    return {"document": document.model_dump(mode="json", exclude={"id", "author_id", "collected_at", "revision"})}


@pytest.mark.parametrize("name", site_names())
def test_every_site_has_a_recorded_page(name: str) -> None:
    if name in ELSEWHERE:
        assert list((HERE.parents[1] / ELSEWHERE[name]).glob("test_*.py"))
    else:
        assert [page for page in PAGES if page.parent.name == name]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: f"{page.parent.name}-{page.stem}")
def test_a_recorded_page_gives_what_was_recorded(
    page: Path, site: LocalServer, crawl: Callable[[str], list[Document]]
) -> None:
    recorded = page.with_suffix(".json")
    expected = json.loads(recorded.read_text("utf-8"))
    parts = urlsplit(expected["link"])
    site.route(str(parts.hostname), parts.path, body=page.read_bytes())
    found = {"link": expected["link"], **outcome(crawl, expected["link"])}
    if os.environ.get("UPDATE_EXPECTED"):
        recorded.write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n", "utf-8")
    assert json.loads(recorded.read_text("utf-8")) == found


@pytest.mark.parametrize(
    ("link", "name"),
    [
        ("https://medium.com/@maren/a-valve-3f9a1c5b7d2e", "medium"),
        ("https://maren.medium.com/a-valve-3f9a1c5b7d2e", "medium"),
        ("https://glasshouse.substack.com/p/jar", "substack"),
        ("https://medium.com.evil.example/@maren/a-valve-3f9a1c5b7d2e", "article"),
        ("https://notsubstack.com/p/jar", "article"),
        ("https://github.com/maren", "github_user"),
        ("https://github.com/maren/valve", "repository"),
        ("https://github.com/features", "article"),
        ("https://github.com.evil.example/maren", "article"),
    ],
)
def test_the_host_decides_which_site_takes_a_link(link: str, name: str) -> None:
    assert crawler_for(link)[0] == name
