"""A small world on loopback, and twins with a home of their own."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from server import LocalServer

from llm_twin import Settings, Twin

PAGE = """<!doctype html><html lang="en"><head><title>{title} | Blog</title>
<meta property="og:title" content="{title}"><meta name="author" content="Ada Example">
<meta property="article:published_time" content="2024-05-0{day}T08:00:00Z"></head>
<body><nav><a href="/">Home</a><a href="/about">About</a></nav>
<article><h1>{title}</h1>{body}</article><footer>All rights reserved</footer></body></html>"""


def page(title: str, *paragraphs: str, day: int = 1) -> str:
    """A blog page with an article of these paragraphs."""
    return PAGE.format(title=title, day=day, body="".join(f"<p>{text}</p>" for text in paragraphs))


BREAD = (
    "A sourdough starter is a culture of wild yeast and lactic acid bacteria that lives on flour and water.",
    "Feed the starter twice a day with equal weights of flour and water until it doubles within six hours.",
    "Bake the loaf in a closed cast-iron pot, so that its own steam keeps the crust soft while the bread rises.",
)
SAILS = (
    "A spinnaker is a large, light sail that is set in front of the boat when the wind comes from behind it.",
    "To gybe it, the crew moves the pole from one side of the mast to the other while the helmsman steers downwind.",
    "Beginners should practise the manoeuvre on land, without any wind, until every hand knows where it belongs.",
)


@pytest.fixture
def world() -> Iterator[LocalServer]:
    """A server that plays `blog.example` with two articles."""
    with LocalServer() as server:
        server.route("blog.example", "/bread", body=page("How to bake sourdough", *BREAD))
        server.route("blog.example", "/sails", body=page("Gybing a spinnaker", *SAILS, day=2))
        yield server


@pytest.fixture
def options(world: LocalServer, tmp_path: Path) -> dict[str, Any]:
    """Settings for a twin that sees only the world."""
    return {"home": tmp_path / "home", "resolve": world.resolve, "allow_private": True, "delay": 0.0, "retries": 0}


@pytest.fixture
def twin(options: dict[str, Any]) -> Iterator[Twin]:
    """A twin with an empty home."""
    with Twin(Settings.load(**options)) as opened:
        yield opened


@pytest.fixture
def contents() -> Callable[[Twin], dict[str, Any]]:
    """Everything a twin's stores hold that does not depend on when it was collected."""

    def read(twin: Twin) -> dict[str, Any]:
        documents = {}
        for document in twin.warehouse.documents():
            raw = twin.warehouse.raw(document.id)
            documents[document.id] = (
                document.model_dump(exclude={"collected_at"}),
                raw and (raw.url, raw.status, raw.body),
            )
        return {
            "authors": [author.model_dump() for author in twin.authors()],
            "documents": documents,
            "ledger": twin.vectors.ledger(),
            "chunks": {key: list(ids) for key, ids in twin.vectors.chunk_ids().items()},
        }

    return read
