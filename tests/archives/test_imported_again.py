"""Imports of the same export again, of a newer one, of parts that overlap, and after a kill."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from archive_samples import Files, as_folder, as_zip, script, tweet, wxr, wxr_item
from llm_twin import Twin
from llm_twin.documents import Document

KILLED = """
import os, signal, sys
from llm_twin import Settings, Twin
from llm_twin.documents import Outcome

class Deadly:
    def plan(self, stage, total): ...
    def say(self, text): ...
    def step(self, stage, done=1, outcome=None):
        self.count = getattr(self, "count", 0) + done
        if self.count == int(sys.argv[3]):
            os.kill(os.getpid(), signal.SIGKILL)

with Twin(Settings.load(home=sys.argv[1]), Deadly()) as twin:
    twin.import_archive(sys.argv[2], "Ada Example")
"""


def stored(twin: Twin) -> list[tuple[object, ...]]:
    def facts(document: Document) -> tuple[object, ...]:
        return tuple(document.model_dump(exclude={"collected_at"}).values())

    return [facts(document) for document in twin.documents()]


def test_an_import_that_is_killed_and_done_again_stores_what_one_does(tmp_path: Path) -> None:
    notes = as_folder(tmp_path / "vault", {f"{number}.md": f"Note {number}, [[1]]." for number in range(250)})
    command = [sys.executable, "-c", KILLED, str(tmp_path / "home"), str(notes), "100"]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    with Twin(home=tmp_path / "home") as twin, Twin(home=tmp_path / "other") as other:
        assert len(stored(twin)) == 200
        assert [run.state for run in twin.runs()] == ["interrupted"]
        assert twin.import_archive(notes, "Ada Example").counts == {"unchanged": 200, "new": 50}
        other.import_archive(notes, "Ada Example")
        assert stored(twin) == stored(other)


def post(number: int, text: str) -> str:
    return wxr_item(f"https://ada.example/{number}/", "publish", "post", text)


NEWER: dict[str, tuple[Files, Files]] = {
    "feed": (
        {"a.xml": wxr(post(1, "One.") + post(2, "Tow.") + post(3, "Three."))},
        {"a.xml": wxr(post(1, "One.") + post(2, "Two.") + post(4, "Four."))},
    ),
    "x": (
        {"data/tweets.js": script("tweets", [tweet(1, "One."), tweet(2, "Tow."), tweet(3, "Three.")])},
        {"data/tweets.js": script("tweets", [tweet(1, "One."), tweet(2, "Two."), tweet(4, "Four.")])},
    ),
    "notes": (
        {"1.md": "One.", "2.md": "Tow.", "3.md": "Three."},
        {"1.md": "One.", "2.md": "Two.", "4.md": "Four."},
    ),
}


@pytest.mark.parametrize("name", NEWER)
def test_a_newer_export_updates_what_was_edited_and_deletes_nothing(tmp_path: Path, name: str) -> None:
    older, newer = (as_zip(tmp_path / f"vault ({number}).zip", files) for number, files in enumerate(NEWER[name]))
    with Twin(home=tmp_path / "home") as twin:
        assert twin.import_archive(older, "Ada Example").counts == {"new": 3}
        assert twin.import_archive(newer, "Ada Example").counts == {"unchanged": 1, "updated": 1, "new": 1}
        assert sorted(document.text for document in twin.documents()) == ["Four.", "One.", "Three.", "Two."]
        assert twin.import_archive(newer, "Ada Example").counts == {"unchanged": 3}


def test_parts_that_overlap_bring_nothing_twice(tmp_path: Path) -> None:
    table = "Date,ShareLink,ShareCommentary\n"
    rows = [
        f"2024-05-01,https://www.linkedin.com/feed/update/urn%3Ali%3Ashare%3A{7 * 10**18 + number},Post {number}\n"
        for number in range(6)
    ]
    parts = [
        as_zip(tmp_path / f"{name}.zip", {"Shares.csv": table + "".join(rows[part])})
        for name, part in (("basic", slice(4)), ("complete", slice(2, 6)))
    ]
    with Twin(home=tmp_path / "home") as twin:
        assert twin.import_archive(parts[0], "Ada Example").counts == {"new": 4}
        assert twin.import_archive(parts[1], "Ada Example").counts == {"unchanged": 2, "new": 2}
        assert len(list(twin.documents())) == 6
