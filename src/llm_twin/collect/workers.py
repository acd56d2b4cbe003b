"""Processes that read pages: all cores are used, and a page that hangs, crashes or fills the memory ends alone.

Each is a fresh interpreter with a socket of its own. The pools there are do not fit: concurrent.futures' ends with the
first process that dies; pebble's processes share locks, so one killed at the wrong moment holds up the others; all,
anyio's too, run the caller's script again in each process, which collects again unless the script is guarded.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext, suppress
from io import BytesIO
from types import TracebackType
from typing import Any, ParamSpec, Self, TypeVar

from llm_twin.collect.worker import UNPICKLABLE, Answer, Pickler, Task, Unknown, Unpickler, receive, send
from llm_twin.errors import Permanent, Reason, Transient

FEW = 4  # pages are read in this process: a worker takes longer to start
LARGE = 1_000_000  # bytes of a page that is read by a worker in any case
SECONDS = 60.0  # a page may take
MEMORY = 1_000_000_000  # bytes a worker may hold, where the system counts them (Linux)
START = (
    "import sys; sys.path[:] = sys.argv[3:]; from llm_twin.collect.worker import serve;"
    " serve(float(sys.argv[1]), int(sys.argv[2]))"
)

P = ParamSpec("P")
T = TypeVar("T")

logger = logging.getLogger(__name__)


class Workers:
    """Runs functions in at most `number` processes (0: one a core), started when there is work. Use as an async
    context manager; at its end no process is left.

    `modules` are imported before the first page. A page may take `seconds` and `memory` bytes; the first `few` pages
    are read in a thread.
    """

    def __init__(
        self,
        number: int = 0,
        modules: Callable[[], Sequence[str]] = tuple,
        *,
        seconds: float = SECONDS,
        memory: int = MEMORY,
        few: int = FEW,
    ) -> None:
        number = number or cores()
        self._modules = modules
        self._limits = (seconds, memory)
        self._few = few
        self._free = asyncio.Semaphore(number)
        self._first = asyncio.Lock()  # held by the first few pages, one by one: if no more come, one process does
        self._calls = 0
        self._idle: list[_Worker] = []
        self._all: set[_Worker] = set()
        self._threads = ThreadPoolExecutor(number, "page")
        self._useless = False  # no worker can be started here

    def expect(self, pages: int) -> None:
        """So many pages are about to come: with more than a few, workers are worth their start from the first on."""
        if pages > FEW:
            self._few = 0

    async def run(self, function: Callable[P, T], *args: P.args, **options: P.kwargs) -> T:
        """What `function` returns or raises. It and what it takes have to be importable in another process; what is
        not, such as a notebook's own, runs in a thread.

        Raises `Permanent(TOO_COMPLEX)` for a page that hangs, crashes or outgrows its memory, `Transient` when
        somebody else killed its worker.
        """
        size = sum(len(getattr(value, "body", b"")) for value in args)
        self._few -= 1
        task = None if self._useless or (self._few >= 0 and size < LARGE) else self._task(function, args, options)
        if task is None:
            return await asyncio.to_thread(function, *args, **options)
        self._calls += 1
        async with self._first if self._calls <= FEW else nullcontext(), self._free:
            loop = asyncio.get_running_loop()
            worker = self._worker()
            try:
                answer = await loop.run_in_executor(self._threads, worker.ask, task)
            except EOFError:
                answer = None
            except BaseException:  # cancelled: what it reads is not wanted any more
                self._drop(worker)
                raise
            if answer and not answer.last:
                self._idle.append(worker)
            else:
                code = await loop.run_in_executor(self._threads, self._drop, worker)
        if answer and not isinstance(answer.error, Unknown):
            told: T = self._told(answer)
            return told
        if worker.started and not answer:
            raise self._death(code)
        logger.debug("pages are read in this process: %s", answer.error if answer else "no other can be started")
        self._useless = True
        return await asyncio.to_thread(function, *args, **options)

    def _told(self, answer: Answer) -> Any:
        for record in answer.records:
            logging.getLogger(record.name).handle(record)
        if isinstance(answer.error, MemoryError):
            megabytes = self._limits[1] // 1_000_000
            raise Permanent(Reason.TOO_COMPLEX, f"reading the page takes more than {megabytes:,} MB of memory")
        if answer.error:
            raise answer.error
        return answer.value

    def _death(self, code: int) -> Permanent | Transient:
        if code == -signal.SIGALRM:
            return Permanent(Reason.TOO_COMPLEX, f"reading the page takes more than {self._limits[0]:g} s")
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        if code in (-signal.SIGKILL, -signal.SIGTERM):
            return Transient(Reason.TOO_COMPLEX, f"the process that read the page was killed ({how}); out of memory?")
        return Permanent(Reason.TOO_COMPLEX, f"reading the page broke the process that did ({how})")

    def _task(self, function: Callable[..., object], args: Any, options: Any) -> Task | None:
        """What is sent to a worker; None for what another process can't import."""
        modules = [function.__module__, *self._modules()]
        if not sys.executable or "__main__" in modules:
            return None
        pickled, bodies = BytesIO(), list[bytes]()
        try:
            Pickler(pickled, bodies, more=True).dump((modules, function, args, options))
        except UNPICKLABLE:
            return None
        return Task(pickled.getvalue(), bodies)

    def _worker(self) -> _Worker:
        while self._idle:
            worker = self._idle.pop()
            if worker.alive:
                return worker
            self._drop(worker)
        worker = _Worker(*self._limits)
        self._all.add(worker)
        return worker

    def _drop(self, worker: _Worker) -> int:
        self._all.discard(worker)
        return worker.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End all processes, also in the middle of a page."""
        for worker in list(self._all):
            self._drop(worker)
        self._idle.clear()
        self._threads.shutdown()


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class _Worker:
    """A worker as its parent sees it. `ask` blocks, so it is called from a thread."""

    def __init__(self, seconds: float, memory: int) -> None:
        self._socket, theirs = socket.socketpair()
        self._answers = self._socket.makefile("rb")
        self.started = False
        with theirs:
            # In a session of its own Ctrl-C does not reach it; it ends when the socket does.
            self._process: subprocess.Popen[bytes] = subprocess.Popen(
                [sys.executable, "-c", START, str(seconds), str(memory), *sys.path],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def ask(self, task: Task) -> Answer:
        """Raises `EOFError` when the worker dies over it; then it `started` at all, or it did not."""
        try:
            if not self.started:
                self.started = self._answers.read(1) == b"+"
            send(self._socket, task.pickled, *task.bodies)
            pickled, *_ = receive(self._answers)
        except OSError:
            raise EOFError from None
        answer: Answer = Unpickler(pickled, task.bodies).load()
        return answer

    def close(self) -> int:
        """End it, if it has not. Returns its exit code, negative for a signal."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # ends `ask` in another thread, and a worker that waits
        self._process.kill()
        code: int = self._process.wait()
        self._answers.close()
        self._socket.close()
        return code
