"""Builders of the values that the warehouse tests store."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from llm_twin.documents import Author, Document, Outcome, Raw, Run

ADA = Author.named("Ada Lovelace", aliases=["The Countess"])
BOB = Author.named("Bob Kahn")
START = datetime(2024, 5, 1, 12, tzinfo=UTC)

# For tests that need transactions; a standalone MongoDB server has none.
transactional = pytest.mark.parametrize("address", ["sqlite", "mongodb"], indirect=True)


def at(minutes: float) -> datetime:
    """A moment so many minutes after the start of all tests."""
    return START + timedelta(minutes=minutes)


def document(number: int = 1, author: Author = ADA, **fields: Any) -> Document:
    """The document of `author` at link number `number`."""
    defaults: dict[str, Any] = {"kind": "article", "platform": "blog", "title": f"Title {number}", "text": "Some text."}
    return Document.of(author, f"https://blog.example/{number}", **(defaults | {"collected_at": START} | fields))


def response(body: str = "<p>fetched</p>", **fields: Any) -> Raw:
    """What was fetched for a document."""
    defaults: dict[str, Any] = {"url": "https://blog.example/1", "status": 200, "headers": {"etag": '"1"'}}
    return Raw(**(defaults | {"fetched_at": START, "body": body.encode()} | fields))


def outcome(number: int = 1, minutes: float = 0, **fields: Any) -> Outcome:
    """How link number `number` ended, so many minutes after the start."""
    defaults: dict[str, Any] = {"link": f"https://blog.example/{number}", "author": ADA.name, "status": "new"}
    return Outcome(**(defaults | {"at": at(minutes)} | fields))


def run(name: str = "one", minutes: float = 0, **fields: Any) -> Run:
    """A run that started so many minutes after the start."""
    return Run(**({"id": name, "command": "collect", "key": "key", "started_at": at(minutes)} | fields))
