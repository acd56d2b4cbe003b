"""The blocks of a source file: definitions within definitions, below them statements and lines.

As in cAST (Zhang et al., 2025) the syntax tree is followed down only where a node does not fit.
"""

from __future__ import annotations

import atexit
import json
import os
import re
import select
import subprocess
import sys
import time
from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from threading import Lock

from llm_twin.features.blocks import Block
from llm_twin.features.costs import SECTION
from llm_twin.features.syntax import GRAMMARS, Outline

LONG_LINES = 400  # characters, on average: a file that nobody wrote by hand has no lines to cut at
MAX_BYTES = 4_000_000  # of a file that is parsed
MAX_WAIT = 30.0  # seconds for the outline of one file; the process that tells it limits itself to fewer


def code_blocks(text: str, language: str | None, path: str) -> Block:
    """The whole file as one block. Definitions are named; a file in no known language has lines only."""
    name = "TSX" if path.endswith(".tsx") else language or ""
    lines = [0, *(found.end() for found in re.finditer("\n", text))]
    outline: Outline = []
    if name in GRAMMARS and len(text) <= LONG_LINES * len(lines):
        data = text.encode("utf-8", "replace")
        outline = _parser.outline(data, name) if len(data) <= MAX_BYTES else []
    return Block(0, len(text), SECTION, parts=partial(_blocks, outline, 0, len(text), lines), lines=True)


def _blocks(outline: Outline, start: int, end: int, lines: Sequence[int]) -> list[Block]:
    edges = [start, *(lines[row] for row, *_ in outline[1:]), end]
    return [
        Block(first, last, cut, name, partial(_blocks, inside, first, last, lines), lines=True)
        for (_, cut, name, inside), (first, last) in zip(outline, pairwise(edges), strict=False)
    ]


class _Parser:
    """The process that parses, started when it is first needed, and again after a file that it did not survive."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = 0

    def outline(self, data: bytes, language: str) -> Outline:
        """The outline of a file; empty when it takes too much time or memory."""
        with self._lock:
            process = self._running()
            header = json.dumps({"language": language, "size": len(data)})
            assert process.stdin  # noqa: S101 - it is a pipe
            try:
                process.stdin.write(header.encode() + b"\n" + data)
                process.stdin.flush()
                answer = _line(process)
            except BrokenPipeError:
                answer = b""
            if not answer.endswith(b"\n"):
                self.close()
                return []
            outline: Outline = json.loads(answer)
            return outline

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process and self._owner == os.getpid():  # a fork must not speak through its parent's pipes
            return self._process
        command = [sys.executable, "-P", "-m", "llm_twin.features.syntax"]
        pipe, nothing = subprocess.PIPE, subprocess.DEVNULL
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=nothing)
        self._owner = os.getpid()
        return self._process

    def close(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if process and self._owner == os.getpid():
            process.kill()
            process.communicate()


def _line(process: subprocess.Popen[bytes]) -> bytes:
    """The next line of a process; without its end when the process ended or took longer than `MAX_WAIT`."""
    assert process.stdout  # noqa: S101 - it is a pipe
    handle, parts = process.stdout.fileno(), [b""]
    deadline = time.monotonic() + MAX_WAIT
    while not parts[-1].endswith(b"\n"):
        ready, _, _ = select.select([handle], [], [], max(0.0, deadline - time.monotonic()))
        part = os.read(handle, 1 << 20) if ready else b""
        if not part:
            break
        parts.append(part)
    return b"".join(parts)


_parser = _Parser()
atexit.register(_parser.close)
