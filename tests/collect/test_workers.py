"""Pages are read in processes that can be lost without loss."""

from __future__ import annotations

import asyncio
import logging
import os
import select
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

import page_readers
from llm_twin.collect.pages import Page
from llm_twin.collect.workers import FEW, LARGE, Workers
from llm_twin.documents import now
from llm_twin.errors import LinkError, Permanent, Reason, Transient

TESTS = Path(page_readers.__file__).parent


def page(body: bytes = b"<p>words") -> Page:
    return Page("https://example.com/", 200, {"content-type": "text/html"}, now(), body)


def within(act: Callable[[Workers], Awaitable[Any]], number: int = 1, **limits: Any) -> Any:
    """What `act` returns, done with workers of its own. Workers serve from the first page on."""

    async def go() -> Any:
        async with Workers(number, **({"few": 0} | limits)) as workers:
            return await act(workers)

    return asyncio.run(go())


def error_of(function: Callable[..., Any], *args: Any, **limits: Any) -> LinkError:
    """What becomes of a page when `function` reads it. The page after it is read in any case."""

    async def act(workers: Workers) -> LinkError:
        with pytest.raises(LinkError) as caught:
            await workers.run(function, *args)
        assert await workers.run(page_readers.divide, 2) == 0.5
        return caught.value

    found: LinkError = within(act, **limits)
    return found


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    """A named pipe by which a worker tells its process id, and its end."""
    os.mkfifo(tmp_path / "pipe")
    return tmp_path / "pipe"


def test_a_page_is_read_in_another_process_and_its_body_does_not_come_back() -> None:
    given = page(b"<p>" + b"words " * 10_000)

    async def act(workers: Workers) -> None:
        assert await workers.run(page_readers.process_id_of, given) != os.getpid()
        document = await workers.run(page_readers.as_document, given)
        assert document.text == given.text
        assert document.raw is not None
        assert document.raw.body is given.body

    within(act)


def test_each_core_reads_a_page_and_processes_are_used_again() -> None:
    async def act(workers: Workers) -> set[int]:
        return {*await asyncio.gather(*(workers.run(page_readers.process_id) for _ in range(20)))}

    assert len(within(act, number=2)) == 2


def test_errors_come_back_as_they_were_raised() -> None:
    refused = error_of(page_readers.refuse)
    assert isinstance(refused, Permanent)
    assert (refused.reason, refused.detail, str(refused)) == (
        Reason.PAYWALL,
        "only the opening",
        "paywall: only the opening",
    )
    later = error_of(page_readers.ask_to_wait)
    assert isinstance(later, Transient)
    assert (later.reason, later.retry_after) == (Reason.RATE_LIMITED, 7.5)


def test_a_fault_says_where_it_happened() -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        within(lambda workers: workers.run(page_readers.divide, 0))
    assert "page_readers.py" in caught.value.__notes__[0]


def test_what_can_not_come_back_is_an_error_of_its_page() -> None:
    with pytest.raises(RuntimeError, match="function can't be pickled"):
        within(lambda workers: workers.run(page_readers.unpicklable))


def test_warnings_are_logged_by_the_process_that_asked(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        within(lambda workers: workers.run(page_readers.warn, "a page"))
    assert caplog.messages == ["something about a page"]


@pytest.mark.parametrize("hang", [page_readers.loop_for_ever, page_readers.loop_in_c])
def test_a_page_that_hangs_ends_alone(hang: Callable[..., Any]) -> None:
    error = error_of(hang, seconds=0.3)
    assert isinstance(error, Permanent)
    assert str(error) == "too_complex: reading the page takes more than 0.3 s"


@pytest.mark.parametrize(
    ("crash", "how"), [(page_readers.crash, "SIGSEGV"), (page_readers.leave, "exit code 3")], ids=["signal", "exit"]
)
def test_a_page_that_crashes_its_process_ends_alone(crash: Callable[..., Any], how: str) -> None:
    error = error_of(crash)
    assert isinstance(error, Permanent)
    assert str(error) == f"too_complex: reading the page broke the process that did ({how})"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux counts what a process allocates")
def test_a_page_that_outgrows_its_memory_ends_alone() -> None:
    error = error_of(page_readers.fill, 1_000_000_000, memory=600_000_000)
    assert isinstance(error, Permanent)
    assert str(error) == "too_complex: reading the page takes more than 600 MB of memory"


def test_a_process_that_has_grown_makes_room_for_another() -> None:
    async def act(workers: Workers) -> None:
        first = await workers.run(page_readers.keep, 1000)
        assert await workers.run(page_readers.keep, 210_000_000) == first
        assert await workers.run(page_readers.process_id) != first

    within(act)


def test_a_process_killed_in_the_middle_of_a_page_costs_this_page_alone(pipe: Path) -> None:
    async def act(workers: Workers) -> LinkError:
        assert len({await workers.run(page_readers.process_id) for _ in range(FEW)}) == 1
        lost = asyncio.ensure_future(workers.run(page_readers.wait_for_the_end, pipe))
        told = await asyncio.to_thread(pipe.open)
        process = int(await asyncio.to_thread(told.readline))
        assert await workers.run(page_readers.process_id) != process
        os.kill(process, signal.SIGKILL)
        with pytest.raises(Transient) as caught:
            await lost
        told.close()
        others = await asyncio.gather(*(workers.run(page_readers.process_id) for _ in range(6)))
        assert process not in others
        return caught.value

    error = within(act, number=2)
    assert str(error) == "too_complex: the process that read the page was killed (SIGKILL); out of memory?"


def test_the_first_few_pages_are_read_by_one_process() -> None:
    async def act(workers: Workers) -> set[int]:
        return {*await asyncio.gather(*(workers.run(page_readers.process_id) for _ in range(FEW)))}

    assert len(within(act, number=2)) == 1


def test_a_process_killed_between_two_pages_costs_none() -> None:
    async def act(workers: Workers) -> None:
        first = await workers.run(page_readers.process_id)
        os.kill(first, signal.SIGKILL)
        await asyncio.to_thread(os.waitid, os.P_PID, first, os.WEXITED | os.WNOWAIT)
        assert await workers.run(page_readers.process_id) != first

    within(act)


def test_a_cancelled_page_ends_its_process(pipe: Path) -> None:
    async def act(workers: Workers) -> None:
        unwanted = asyncio.ensure_future(workers.run(page_readers.wait_for_the_end, pipe))
        told = await asyncio.to_thread(pipe.open)
        process = int(await asyncio.to_thread(told.readline))
        unwanted.cancel()
        with pytest.raises(asyncio.CancelledError):
            await unwanted
        with pytest.raises(ProcessLookupError):
            os.kill(process, 0)
        assert await workers.run(page_readers.divide, 4) == 0.25
        told.close()

    within(act)


def test_the_first_few_pages_start_no_process_unless_they_are_large() -> None:
    async def act(workers: Workers) -> None:
        small = [await workers.run(page_readers.process_id_of, page()) for _ in range(FEW - 1)]
        assert set(small) == {os.getpid()}
        assert await workers.run(page_readers.process_id_of, page(b" " * LARGE)) != os.getpid()
        assert await workers.run(page_readers.process_id_of, page()) != os.getpid()

    within(act, few=FEW)


def test_where_many_pages_are_expected_the_first_is_read_by_a_worker() -> None:
    async def act(workers: Workers) -> None:
        workers.expect(FEW + 1)
        assert await workers.run(page_readers.process_id_of, page()) != os.getpid()

    within(act, few=FEW)


def test_what_another_process_can_not_import_is_read_in_this_one() -> None:
    async def act(workers: Workers) -> None:
        assert await workers.run(lambda: os.getpid()) == os.getpid()
        assert await workers.run(page_readers.process_id) == await workers.run(page_readers.process_id)

    within(act)
    assert (
        within(lambda workers: workers.run(page_readers.process_id), modules=lambda: ["no_such_parser"]) == os.getpid()
    )


def test_where_no_process_can_be_started_pages_are_read_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    assert within(lambda workers: workers.run(page_readers.process_id)) == os.getpid()


COLLECTING = """
import asyncio, signal, sys
from pathlib import Path
import page_readers
from llm_twin.collect.workers import FEW, Workers

async def go():
    async with Workers(1, few=0) as workers:
        print(await workers.run(page_readers.divide, 4), flush=True)
        await workers.run(page_readers.wait_for_the_end, Path(sys.argv[1]))

print("once")
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell turns Ctrl-C off for what it runs in the background
asyncio.run(go())
"""
IDLE = """
import asyncio, sys
import page_readers
from llm_twin.collect.workers import Workers

async def go():
    async with Workers(1, few=0) as workers:
        print(await workers.run(page_readers.process_id), flush=True)
        sys.stdin.read()

asyncio.run(go())
"""


def started(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *arguments],
        env=os.environ | {"PYTHONPATH": str(TESTS)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@pytest.mark.parametrize("as_file", [True, False], ids=["script", "notebook"])
def test_ctrl_c_in_the_middle_of_a_page_leaves_no_process_behind(tmp_path: Path, pipe: Path, as_file: bool) -> None:
    """Neither does a script that has no guard around what it does run twice, nor is a file needed."""
    (tmp_path / "script.py").write_text(COLLECTING)
    parent = started(*([str(tmp_path / "script.py")] if as_file else ["-c", COLLECTING]), str(pipe))
    with pipe.open() as told:
        worker = int(told.readline())
        os.killpg(parent.pid, signal.SIGINT)
        out, err = parent.communicate()
        with pytest.raises(ProcessLookupError):
            os.kill(worker, 0)
    assert out.split() == ["once", "0.25"]
    assert err.strip().endswith("KeyboardInterrupt")


def test_the_workers_of_a_killed_process_end_by_themselves() -> None:
    with started("-c", IDLE) as parent:
        assert parent.stdout
        worker = os.pidfd_open(int(parent.stdout.readline()))
        parent.kill()
    ended, _, _ = select.select([worker], [], [], 60)
    os.close(worker)
    assert ended
