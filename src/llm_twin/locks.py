"""Locks between processes: one holds, the others queue up and are told who holds it.

flock(2) through filelock, so the kernel frees the lock of a killed process. Two files: whoever waits holds
`<lock>.next`, and every newcomer has to pass it, so that a holder who comes straight back can't starve the others.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from llm_twin.errors import LockedError, StoreError

if TYPE_CHECKING:
    from filelock import FileLock

# A wait shorter than this is not worth telling a person about.
SILENT_SECONDS = 0.2


@contextmanager
def held(path: Path, what: str, wait: float, on_wait: Callable[[str], None] | None = None) -> Iterator[None]:
    """Hold the lock file `path` for the time of the `with` block, alone among all processes and threads.

    Waits up to `wait` seconds for its turn, then raises `LockedError`, which says that `what` is held, by whom and
    since when. `on_wait` is called with the holder's description when the waiting begins. The lock file and its
    folder are created, and the file stays. Raises `StoreError` where they can't be.
    """
    from filelock import Timeout

    deadline = monotonic() + wait
    told = on_wait is None

    def acquire(lock: FileLock) -> None:
        nonlocal told
        if not told and wait > SILENT_SECONDS:
            with suppress(Timeout):
                lock.acquire(timeout=SILENT_SECONDS)
                return
            told = True
            assert on_wait is not None  # noqa: S101 - for the type checker; `told` starts True without one
            on_wait(holder(path))
        lock.acquire(timeout=max(0.0, deadline - monotonic()))

    with ExitStack() as stack:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            lock, turn = _lock(path), _lock(_turn(path))
            acquire(turn)
            try:
                acquire(lock)
            finally:
                turn.release()
        except Timeout:
            raise LockedError(
                f"{what} is held by {holder(path)}; waited {wait:g} s. Wait until it is done, or raise TWIN_LOCK_WAIT"
            ) from None
        except OSError as error:
            raise StoreError(f"{what}: can't lock {path}: {error.strerror or error}; is the folder writable?") from None
        stack.callback(lock.release)
        stack.callback(_sign(path))
        yield


def wanted(path: Path) -> bool:
    """Whether another process or thread waits for the lock file `path`."""
    from filelock import Timeout

    turn = _lock(_turn(path))
    try:
        turn.acquire(timeout=0)
    except Timeout:
        return True
    except OSError:
        return False
    turn.release()
    return False


def holder(path: Path) -> str:
    """Who holds the lock file `path`, as far as it is known: "twin index (pid 4242) since 2026-01-31 12:00:00 UTC"."""
    with suppress(OSError):
        return _note(path).read_text("utf-8") or "another process"
    return "another process"


def _sign(path: Path) -> Callable[[], None]:
    """Write down who holds the lock; the returned function strikes it out. A courtesy: a full disk is no obstacle."""
    note = _note(path)
    with suppress(OSError):
        since = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"
        note.write_text(f"{_command(sys.argv)} (pid {os.getpid()}) since {since}", "utf-8")

    def strike_out() -> None:
        with suppress(OSError):
            note.unlink(missing_ok=True)

    return strike_out


def _command(argv: list[str]) -> str:
    """Program and subcommand; other arguments may be secrets, and of a foreign program any argument may be."""
    program = Path(argv[0]).name if argv and argv[0] not in ("", "-c", "-m") else "python"
    if program == "__main__.py":
        program = "twin"
    named = program == "twin" and len(argv) > 1 and re.fullmatch(r"[a-z][a-z-]{0,19}", argv[1])
    return f"{program} {argv[1]}" if named else program


def _lock(path: Path) -> FileLock:
    from filelock import FileLock

    # Released by another thread than the one that acquired it; and never a soft lock, which outlives a killed process.
    return FileLock(path, thread_local=False, fallback_to_soft=False, poll_interval=0.02)


def _turn(path: Path) -> Path:
    return path.with_name(path.name + ".next")


def _note(path: Path) -> Path:
    return path.with_name(path.name + ".holder")
