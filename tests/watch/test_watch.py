"""Watches: rounds at their times, on a clock that a test moves on, and as a process that signals end."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from blog import BREAD, SAILS, page
from llm_twin import Twin
from llm_twin.documents import now
from llm_twin.errors import ConfigError, UsageError
from llm_twin.runfile import read_run_file
from llm_twin.watching import Clock, Round, interval, rounds
from server import Answer, LocalServer

Opened = Callable[[], Twin]
SIX_HOURS = timedelta(hours=6)
CHILD = """
import json, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell turns off for what it runs in the background
sys.argv = ["twin", *json.loads(sys.argv[1])]
from llm_twin.cli import main
main()
"""


class Steps(Clock):
    """Time that passes while it is waited for, in no time. After each wait the next of `meanwhile` happens, at the end
    Ctrl-C."""

    def __init__(self, *meanwhile: Callable[[], object]) -> None:
        self.at = now()
        self.waited_for: list[datetime] = []
        self._meanwhile = list(meanwhile)

    def now(self) -> datetime:
        return self.at

    def wait(self, until: datetime) -> None:
        self.waited_for.append(until)
        self.at = until
        if not self._meanwhile:
            raise KeyboardInterrupt
        self._meanwhile.pop(0)()


def watched(run_file: Path, opened: Opened, clock: Steps, every: timedelta = SIX_HOURS) -> list[Round]:
    return list(rounds(run_file, opened, every, clock))


def counts(done: Round) -> dict[str, int]:
    assert done.collected
    return done.collected.counts


def test_each_round_collects_and_indexes_what_has_changed(run_file: Path, opened: Opened, world: LocalServer) -> None:
    clock = Steps(
        lambda: world.route("blog.example", "/bread", body=page("Rye", *BREAD, *SAILS)),
        lambda: run_file.write_text(run_file.read_text().replace("]", ", http://blog.example/sails]")),
    )
    start = clock.at
    first, second, third = watched(run_file, opened, clock)
    assert [counts(each) for each in (first, second, third)] == [{"new": 1}, {"updated": 1}, {"new": 1, "unchanged": 1}]
    assert clock.waited_for == [start + SIX_HOURS * number for number in (1, 2, 3)]
    assert [each.next_at for each in (first, second, third)] == clock.waited_for
    assert third.indexed
    assert third.indexed.summary["documents"] == {"new": 1, "updated": 0, "unchanged": 1, "removed": 0, "failed": 0}
    with opened() as twin:
        assert {hit.title for hit in twin.search("bread rises", mode="sparse", k=5)} >= {"Rye"}


def test_a_round_that_fails_is_reported_and_the_next_one_tries_again(run_file: Path, opened: Opened) -> None:
    text = run_file.read_text()
    clock = Steps(lambda: run_file.write_text("authors: 1\n"), lambda: run_file.write_text(text))
    first, second, third = watched(run_file, opened, clock)
    assert [each.state for each in (first, second, third)] == ["done", "failed", "done"]
    assert second.error == f"{run_file}:1: authors: must be a list"
    assert len(clock.waited_for) == 3


def test_a_fault_of_a_round_does_not_end_the_watch(run_file: Path, opened: Opened) -> None:
    doors = iter([opened, lambda: 1 / 0, opened])
    first, second, third = watched(run_file, lambda: next(doors)(), Steps(int, int))
    assert [each.state for each in (first, second, third)] == ["done", "failed", "done"]
    assert second.error == "ZeroDivisionError: division by zero"


def test_a_file_that_is_wrong_from_the_start_is_told_at_once(tmp_path: Path, opened: Opened) -> None:
    with pytest.raises(ConfigError):
        watched(tmp_path / "missing.yaml", opened, Steps())


def test_a_failed_link_is_told_and_ends_nothing(run_file: Path, opened: Opened) -> None:
    run_file.write_text(run_file.read_text().replace("/bread", "/missing"))
    first, second = watched(run_file, opened, Steps(int))
    assert (first.state, first.exit_code, counts(second)) == ("done", 1, {"failed": 1})


def test_what_another_watch_has_just_done_is_not_done_again(run_file: Path, opened: Opened, world: LocalServer) -> None:
    with opened() as twin:
        twin.collect_links(read_run_file(run_file))
        (other,) = twin.runs()
    asked = len(world.requests)
    clock = Steps()
    (only,) = watched(run_file, opened, clock)
    assert (only.state, only.collected, len(world.requests)) == ("elsewhere", None, asked)
    assert clock.waited_for == [other.started_at + SIX_HOURS]


def test_two_watches_on_one_home_take_turns_instead_of_doing_the_same_twice(
    run_file: Path, opened: Opened, world: LocalServer
) -> None:
    mine, other = Steps(int, int), Steps(int, int)
    both = zip(rounds(run_file, opened, SIX_HOURS, mine), rounds(run_file, opened, SIX_HOURS, other), strict=True)
    states = [{one.state, two.state} for one, two in both]
    assert states == [{"done", "elsewhere"}] * 3
    assert len(world.asked("/bread")) == 3


def test_once_is_one_round_whoever_did_one_before(run_file: Path, opened: Opened) -> None:
    with opened() as twin:
        twin.collect_links(read_run_file(run_file))
    (only,) = rounds(run_file, opened, None, Steps())
    assert (only.state, only.next_at, counts(only)) == ("done", None, {"unchanged": 1})


@pytest.mark.parametrize(
    ("text", "hours"), [("30m", 0.5), ("6h", 6), ("1d", 24), ("1d12h", 36), ("2w", 336), ("1H 30M", 1.5)]
)
def test_intervals_are_read(text: str, hours: float) -> None:
    assert interval(text) == timedelta(hours=hours)


@pytest.mark.parametrize(
    "text", ["", "6", "soon", "0h", "-1h", "90s", "6 hours", "9999d", "1e3h", "6h1d", "9" * 99 + "d"]
)
def test_what_is_no_interval_is_refused_in_a_line(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        interval(text)
    assert "30m, 6h, 1d" in str(caught.value)
    assert "\n" not in str(caught.value)


def started(options: dict[str, Any], *words: object) -> subprocess.Popen[str]:
    settings = {name: json.dumps(value) if isinstance(value, dict) else str(value) for name, value in options.items()}
    env = os.environ | {f"TWIN_{name.upper()}": value for name, value in settings.items()}
    command = [sys.executable, "-c", CHILD, json.dumps([str(word) for word in words])]
    return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_a_watch_is_ended_between_two_rounds_with_exit_code_0(
    run_file: Path, options: dict[str, Any], stop: signal.Signals
) -> None:
    with started(options, "watch", run_file, "--every", "6h") as child:
        assert child.stdout
        said = ""
        while "next round at" not in said:
            line = child.stdout.readline()
            assert line, said
            said += line
        child.send_signal(stop)
        _, err = child.communicate(timeout=30)
    assert re.search(r"round 1: 1 new; \d+ chunks embedded, \d+ in the index; [\d.]+ s", said)
    assert child.returncode == 0
    assert "Traceback" not in err


def test_a_watch_that_is_ended_within_a_round_keeps_what_is_finished_and_exits_with_1(
    run_file: Path, options: dict[str, Any], world: LocalServer
) -> None:
    asked, answer = threading.Event(), threading.Event()

    def slow(_: object) -> Answer:
        asked.set()
        answer.wait(30)
        return Answer(page("At last", *BREAD), 200, {"content-type": "text/html"})

    world.route("blog.example", "/bread", slow)
    with started(options, "watch", run_file, "--every", "6h", "--json") as child:
        assert asked.wait(30)
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=30)
    answer.set()
    assert child.returncode == 1
    (line,) = out.splitlines()
    assert json.loads(line)["state"] == "interrupted"
    assert json.loads(line)["next_at"] is None
    assert "Traceback" not in err


def test_one_round_is_one_line_of_json(run_file: Path, options: dict[str, Any]) -> None:
    with started(options, "watch", run_file, "--once", "--json") as child:
        out, _ = child.communicate(timeout=60)
    (line,) = out.splitlines()
    told = json.loads(line)
    assert (told["number"], told["state"], told["collect"]["counts"], told["next_at"]) == (1, "done", {"new": 1}, None)
    assert told["index"]["documents"]["new"] == 1
    assert child.returncode == 0


def test_whether_pages_are_drawn_is_said_for_all_rounds(
    run_file: Path, options: dict[str, Any], world: LocalServer
) -> None:
    world.route("blog.example", "/bread", body="<html><body><script>fill()</script></body></html>")
    settings = options | {"render": "never", "browser": "/nowhere/chromium"}
    with started(settings, "watch", run_file, "--once", "--json", "--render", "auto") as child:
        out, _ = child.communicate(timeout=60)
    (failed,) = json.loads(out)["collect"]["failed"]
    assert "there is no /nowhere/chromium" in failed["detail"]


@pytest.mark.parametrize("words", [(), ("--once", "--every", "6h"), ("--every", "often")])
def test_a_watch_without_a_clear_time_is_refused(
    run_file: Path, options: dict[str, Any], words: tuple[str, ...]
) -> None:
    with started(options, "watch", run_file, *words) as child:
        out, err = child.communicate(timeout=30)
    assert (child.returncode, out, len(err.splitlines())) == (2, "", 1)
