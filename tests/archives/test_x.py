"""X's archive: threads below edited posts, and posts that their list cuts."""

from __future__ import annotations

from pathlib import Path

import pytest

from archive_samples import LONG, as_zip, script, tweet
from llm_twin import Twin

POST = "https://x.com/i/status/"


def texts_of(folder: Path, files: dict[str, str]) -> dict[str, str]:
    with Twin(home=folder / "home") as twin:
        report = twin.import_archive(as_zip(folder / "a.zip", files), "Ada Example")
        assert not report.failed
        return {document.link: document.text for document in twin.documents()}


def test_a_thread_below_an_edited_post_is_one_document(tmp_path: Path) -> None:
    initial = {"editTweetIds": ["10", "12"]}
    posts = [
        tweet(10, "Frist", edit_info={"initial": initial}),
        tweet(12, "First", edit_info={"edit": {"initialTweetId": "10", "editControlInitial": initial}}),
        tweet(13, "Second", in_reply_to_status_id_str="12"),
        tweet(14, "Third", in_reply_to_status_id_str="13"),
    ]
    texts = texts_of(tmp_path, {"data/tweets.js": script("tweets", posts)})
    assert texts == {f"{POST}10": "First\n\nSecond\n\nThird"}


@pytest.mark.parametrize(
    ("shown", "minutes", "whole"),
    [
        (f"{LONG[:60]}… https://t.co/x", 10, True),
        (f"@bob @eve {LONG[:60]}… https://t.co/x", 0, True),
        (LONG[:60], 0, True),
        (LONG[:60], 10, False),  # another post that begins alike
        ("Another post that the list cuts off somewhere, of another beginning… https://t.co/x", 0, False),
    ],
    ids=["cut", "an answer", "cut without a mark", "much later", "of another beginning"],
)
def test_a_post_that_is_cut_is_read_whole(tmp_path: Path, shown: str, minutes: int, whole: bool) -> None:
    note = {"noteTweetId": "7", "createdAt": f"2024-05-01T10:{minutes:02}:00.000Z", "core": {"text": LONG}}
    post = tweet(30, shown, created_at="Wed May 01 10:00:00 +0000 2024")
    files = {
        "data/tweets.js": script("tweets", [post]),
        "data/note-tweet.js": script("note_tweet", [{"noteTweet": note}]),
    }
    assert (texts_of(tmp_path, files)[f"{POST}30"] == LONG) is whole
