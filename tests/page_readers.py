"""Functions that worker processes run in tests: they have to be importable there."""

from __future__ import annotations

import ctypes
import logging
import os
import re
import signal
from pathlib import Path
from typing import NoReturn

from llm_twin.collect.pages import Page
from llm_twin.documents import Author, Document
from llm_twin.errors import Permanent, Reason, Transient

kept: list[bytes] = []


def process_id() -> int:
    return os.getpid()


def process_id_of(page: Page) -> int:
    return os.getpid()


def as_document(page: Page) -> Document:
    return Document.of(
        Author.named("Ada"), page.url, kind="article", platform="x", title="t", text=page.text, raw=page.raw
    )


def refuse() -> NoReturn:
    raise Permanent(Reason.PAYWALL, "only the opening")


def ask_to_wait() -> NoReturn:
    raise Transient(Reason.RATE_LIMITED, "later", 7.5)


def divide(number: int) -> float:
    return 1 / number


def warn(about: str) -> None:
    logging.getLogger("page_readers").warning("something about %s", about)


def wait_for_the_end(told: Path) -> NoReturn:
    """Says which process it is to who reads the named pipe, and holds the pipe until the process ends."""
    pipe = told.open("w")
    print(os.getpid(), file=pipe, flush=True)
    while True:
        signal.pause()


def loop_for_ever() -> NoReturn:
    while True:
        pass


def loop_in_c() -> None:
    re.match(r"(a+)+$", "a" * 60 + "b")


def crash() -> None:
    ctypes.string_at(0)


def leave() -> NoReturn:
    os._exit(3)


def fill(size: int) -> int:
    return len(bytearray(size))


def keep(size: int) -> int:
    kept.append(b"x" * size)
    return os.getpid()


def unpicklable() -> object:
    return lambda: None
