"""The life of a worker: tasks come over a socket, answers go back, and nothing but page reading is imported."""

from __future__ import annotations

import logging
import os
import pickle
import signal
import socket
import struct
from contextlib import suppress
from importlib import import_module
from io import BytesIO
from pathlib import Path
from traceback import format_exception
from typing import Any, BinaryIO, NamedTuple

from llm_twin.errors import TwinError

GROWN = 180_000_000  # resident bytes after which a worker makes room for another; most pages leave it at 150 MB
APART = 4096  # bytes from which a body is sent beside the pickle, and never back
UNPICKLABLE = (pickle.PicklingError, AttributeError, TypeError)


class Task(NamedTuple):
    """A function and its arguments. Large bytes stand in `bodies`, and their positions there in the pickle."""

    pickled: bytes
    bodies: list[bytes]


class Unknown(Exception):
    """A task names what a worker can't import."""


class Answer(NamedTuple):
    """What became of a task. `last`: the worker ends after it."""

    value: Any
    error: Exception | None
    records: list[logging.LogRecord]
    last: bool


class Pickler(pickle.Pickler):
    """Leaves out the bodies of pages: all large bytes, noted in `bodies`, or (without `more`) those noted there."""

    def __init__(self, file: BytesIO, bodies: list[bytes], *, more: bool) -> None:
        super().__init__(file, pickle.HIGHEST_PROTOCOL)
        self._bodies = bodies
        self._more = more

    def persistent_id(self, value: Any) -> int | None:
        """The position among the bodies; None for what is pickled."""
        if type(value) is not bytes or len(value) < APART:
            return None
        for position, body in enumerate(self._bodies):
            if body is value:
                return position
        if self._more:
            self._bodies.append(value)
        return len(self._bodies) - 1 if self._more else None


class Unpickler(pickle.Unpickler):
    """Puts the bodies back in."""

    def __init__(self, pickled: bytes, bodies: list[bytes]) -> None:
        super().__init__(BytesIO(pickled))
        self._bodies = bodies

    def persistent_load(self, position: Any) -> bytes:
        """The body at a position."""
        body: bytes = self._bodies[position]
        return body


def send(to: socket.socket, *parts: bytes) -> None:
    to.sendall(struct.pack(f"!I{len(parts)}Q", len(parts), *map(len, parts)))
    for part in parts:
        to.sendall(part)


def receive(source: BinaryIO) -> list[bytes]:
    """The parts of a message. Raises `EOFError` when it ends before."""

    def read(size: int) -> bytes:
        data: bytes = source.read(size)
        if len(data) < size:
            raise EOFError
        return data

    (count,) = struct.unpack("!I", read(4))
    return [read(size) for size in struct.unpack(f"!{count}Q", read(8 * count))]


def serve(seconds: float, memory: int) -> None:
    """The life of a worker: tasks come in over the socket that is its standard input."""
    import resource

    signal.signal(signal.SIGALRM, signal.SIG_DFL)  # ends the process, whatever code it is in
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGALRM})
    most = resource.getrlimit(resource.RLIMIT_DATA)[1]
    resource.setrlimit(resource.RLIMIT_DATA, (memory if most == resource.RLIM_INFINITY else min(memory, most), most))
    records: list[logging.LogRecord] = []
    logging.getLogger().addHandler(_Kept(records))
    logging.getLogger("htmldate").setLevel(logging.ERROR)  # it warns of every page without a date
    parent = socket.socket(fileno=os.dup(0))
    tasks = parent.makefile("rb")
    parent.sendall(b"+")
    with suppress(EOFError, OSError):
        while True:
            pickled, *bodies = receive(tasks)
            answer = Answer(*_done(pickled, bodies, seconds), records, last=False)
            answer = answer._replace(last=isinstance(answer.error, MemoryError) or _resident() > GROWN)
            send(parent, _pickled(answer, bodies))
            records.clear()
            del pickled, bodies, answer
    os._exit(0)  # nothing to tidy up


def _done(pickled: bytes, bodies: list[bytes], seconds: float) -> tuple[Any, Exception | None]:
    try:
        modules, function, args, options = Unpickler(pickled, bodies).load()
        for module in modules:
            import_module(module)
    except MemoryError as error:
        return None, error
    except Exception as error:  # noqa: BLE001  (any import may fail)
        return None, Unknown(f"{type(error).__name__}: {error}")
    try:
        signal.setitimer(signal.ITIMER_REAL, seconds)
        try:
            return function(*args, **options), None
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    except Exception as error:  # noqa: BLE001  (it is raised where the task came from)
        if not isinstance(error, TwinError):
            error.add_note("".join(format_exception(error)).strip())  # tracebacks can't be pickled
        return None, error


def _pickled(answer: Answer, bodies: list[bytes]) -> bytes:
    pickled = BytesIO()
    try:
        Pickler(pickled, bodies, more=False).dump(answer)
    except UNPICKLABLE:
        what = repr(answer.error) if answer.error else f"a {type(answer.value).__name__} can't be pickled"
        return pickle.dumps(Answer(None, RuntimeError(what), [], answer.last))
    return pickled.getvalue()


def _resident() -> int:
    """Resident bytes of this process; where there is no /proc, at their highest."""
    import resource

    try:
        return int(Path("/proc/self/statm").read_bytes().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes on macOS


class _Kept(logging.Handler):
    """Keeps log records to be handled by the parent."""

    def __init__(self, records: list[logging.LogRecord]) -> None:
        super().__init__(logging.WARNING)
        self._records = records

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record, its arguments and traceback already put into words."""
        record.msg, record.args = record.getMessage(), None
        record.exc_info = None
        self._records.append(record)
