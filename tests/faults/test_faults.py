"""Whatever a server does wrong, a link ends in exactly one outcome, in bounded time and memory, and says why."""

from __future__ import annotations

import re
import time
from collections import Counter
from pathlib import Path

import pytest

from faults.runs import FAULTS, collected, document, ending, outcome_of, row, together
from faults.server import answer
from faults.table import GOOD, Fault

DOCS = Path(__file__).parents[2] / "docs" / "faults.md"
MEMORY = 100_000_000  # bytes that one link may add at most; a page may have 1 MB, a sitemap 50 MB
BUSY = 10.0  # times as long as usual on a machine that is; what is not bounded takes longer


@pytest.fixture(scope="session", autouse=True)
def imported(tmp_path_factory: pytest.TempPathFactory) -> None:
    """All that a good page needs, so that neither its time nor its memory is counted."""
    good = Fault("good", "sends a page", "new", lambda _: iter([answer(GOOD)]))
    report, _ = collected(good, tmp_path_factory.mktemp("good"))
    assert ending(outcome_of(good, report)) == "new"


def peak() -> int:
    """The most memory this process has had since the last `forget_peak`, in bytes (Linux)."""
    status = Path("/proc/self/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found
    return 1024 * int(found[1])


def forget_peak() -> None:
    """Let `peak` begin at what is held now."""
    Path("/proc/self/clear_refs").write_text("5")


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_it_ends_in_one_outcome_as_the_docs_say(fault: Fault, tmp_path: Path) -> None:
    measured = Path("/proc/self/clear_refs").exists()
    if measured:
        forget_peak()
    before = peak() if measured else 0
    started = time.monotonic()
    report, server = collected(fault, tmp_path)
    took = time.monotonic() - started
    outcome = outcome_of(fault, report)
    assert ending(outcome) == fault.ends, outcome.detail
    assert bool(outcome.detail) == (outcome.status != "new")
    assert "\n" not in outcome.detail
    assert took < BUSY * fault.seconds
    assert not measured or peak() - before < MEMORY
    assert not fault.requests or server.asked.total() <= fault.requests
    assert row(fault, outcome) in DOCS.read_text(encoding="utf-8").splitlines(), (
        "docs/faults.md is behind; see tests/faults/runs.py"
    )


def test_in_one_run_each_ends_as_it_does_alone(tmp_path: Path) -> None:
    faults = [fault for fault in FAULTS if not fault.proxied]
    started = time.monotonic()
    report, _ = together(faults, tmp_path, concurrency=32, retries=1, timeout=10)
    assert time.monotonic() - started < BUSY * 15
    assert {fault.name: ending(outcome_of(fault, report)) for fault in faults} == {
        fault.name: fault.ends for fault in faults
    }
    links = Counter(outcome.link for outcome in report.outcomes)
    assert set(links.values()) == {1}


def test_the_docs_name_no_others() -> None:
    rows = [line for line in DOCS.read_text(encoding="utf-8").splitlines() if line.startswith("| ")][2:]
    assert len(rows) == len(FAULTS) == len({fault.does for fault in FAULTS})
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)
    assert DOCS.read_text(encoding="utf-8") == document(rows)
