"""Tables of exports: damage is told with its row and stores nothing wrong; what only looks like damage is whole."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from archive_samples import URN, as_folder
from llm_twin import Twin
from llm_twin.documents import Report

POST = "https://www.linkedin.com/feed/update/urn%3Ali%3Ashare%3A"
HEADER = ["Date", "ShareLink", "ShareCommentary", "SharedUrl", "MediaUrl", "Visibility"]


def shares(*texts: str) -> str:
    """Shares as LinkedIn writes them, one a line."""
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    rows = ([f"2024-05-0{at} 10:00:00", f"{POST}{URN + (at << 44)}", text] for at, text in enumerate(texts, 1))
    writer.writerows([HEADER, *([*row, "", "", "PUBLIC"] for row in rows)])
    return table.getvalue()


def imported(folder: Path, name: str, table: str | bytes) -> tuple[Report, list[str]]:
    with Twin(home=folder / "home") as twin:
        report = twin.import_archive(as_folder(folder / "export", {name: table}), "Ada Example")
        return report, [document.text for document in sorted(twin.documents(), key=lambda each: str(each.published_at))]


QUOTES = "a quote is missing or one too many, or it is cut off"
WHOLE = shares("One, one", "Two, two", "Three, three", "Four, four")
DAMAGED = {
    "cut off in a text": (
        WHOLE[: WHOLE.index("four")],
        ["One, one", "Two, two", "Three, three"],
        "row 4 (line 5)",
        QUOTES,
    ),
    "cut off behind a text": (
        shares("One", "Two").removesuffix(",,,PUBLIC\n"),
        ["One"],
        "row 2 (line 3)",
        "3 of 6 columns",
    ),
    "without the quote behind a text": (
        WHOLE.replace('two"', "two"),
        ["One, one", "Four, four"],
        "row 2 (lines 3 to 4)",
        QUOTES,
    ),
    "without the quote before a text": (
        WHOLE.replace('"Two', "Two"),
        ["One, one", "Three, three", "Four, four"],
        "row 2 (line 3)",
        "7 of 6 columns",
    ),
    "without the first quote of a text of two lines": (
        shares("One", "Two\ntwo", "Three").replace('"Two', "Two"),
        ["One", "Three"],
        "row 2 (line 3)",
        "3 of 6 columns",
    ),
    "with a quote that stands alone": (
        WHOLE.replace("two", 'a "bun"'),
        ["One, one", "Three, three", "Four, four"],
        "row 2 (line 3)",
        QUOTES,
    ),
    "with a line without an end": (
        WHOLE.replace(",,,PUBLIC\n2024-05-03", ",,,PUBLIC" + ",".ljust(100_000) * 12 + "\n2024-05-03"),
        ["One, one", "Three, three", "Four, four"],
        "row 2 (line 3)",
        "a line of over 1 MiB",
    ),
}


@pytest.mark.parametrize("how", DAMAGED)
def test_a_damaged_row_is_a_failure_with_its_lines_and_the_others_are_stored(tmp_path: Path, how: str) -> None:
    table, texts, row, why = DAMAGED[how]
    report, stored = imported(tmp_path, "Shares.csv", table)
    assert report.failed[0].detail.startswith(f"{row} is damaged: {why}")
    assert {failed.reason for failed in report.failed} == {"bad_data"}
    assert stored == texts


def test_a_table_in_a_post_and_texts_of_many_lines_are_no_damage(tmp_path: Path) -> None:
    texts = [
        f'My data:\n2024-05-02 10:00:00,{POST}1,"A ""post"", said so",,,PUBLIC\nDate,ShareLink,ShareCommentary',
        '"All of it"',
        'An inch is 1", and\n\n"\nends in one"',
        ",,, and C:\\dir\\",
    ]
    report, stored = imported(tmp_path, "Shares.csv", shares(*texts))
    assert report.counts == {"new": 4}
    plain = [text.replace("  \n", "\n").replace("\\", "") for text in stored]
    assert plain == [text.replace("\\", "") for text in texts]


def test_columns_without_a_name_and_without_a_value_are_no_damage(tmp_path: Path) -> None:
    report, _ = imported(tmp_path, "Shares.csv", "\n".join(line + ",," for line in shares("One", "Two").splitlines()))
    assert report.counts == {"new": 2}


def test_a_comment_that_ends_in_a_backslash_ends_there(tmp_path: Path) -> None:
    on = f"https://www.linkedin.com/feed/update/urn:li:share:{URN}/"
    messages = ["See C:\\dir\\", 'He said \\"rye\\"', "Of two\nlines", 'Ends \\"so\\"\nand on', "Last, at C:\\"]
    rows = "".join(f'2024-05-0{at} 08:00:00,{on},"{text}"\n' for at, text in enumerate(messages, 1))
    report, stored = imported(tmp_path, "Comments.csv", f"Date,Link,Message\n{rows}")
    assert report.counts == {"new": 5}
    assert [text.replace("  \n", "\n") for text in stored] == [
        "See C:\\dir\\",
        'He said "rye"',
        "Of two\nlines",
        'Ends "so"\nand on',
        "Last, at C:\\",
    ]


def test_a_damaged_row_of_substacks_posts_is_a_failure(tmp_path: Path) -> None:
    lines = ["post_id,post_date,is_published,type,audience,title,subtitle"]
    lines += [
        f'10{at}.p{at},2024-05-0{at}T10:00:00Z,true,newsletter,everyone,"Title {at}","Sub {at}"' for at in range(1, 5)
    ]
    files = {f"posts/10{at}.p{at}.html": f"<p>Body {at}.</p>" for at in range(1, 5)}
    table = "\n".join(lines).replace('Sub 2"', "Sub 2")
    with Twin(home=tmp_path / "home") as twin:
        folder = as_folder(tmp_path / "export", {"posts.csv": table, **files})
        report = twin.import_archive(folder, "Ada Example", site="https://ada.substack.com")
        (failed,) = report.failed
        assert failed.detail.startswith(f"row 2 (lines 3 to 4) is damaged: {QUOTES}")
        assert sorted(document.title for document in twin.documents()) == ["Title 1", "Title 4"]


def test_a_table_that_a_spreadsheet_saved_as_unicode_is_read(tmp_path: Path) -> None:
    report, texts = imported(tmp_path, "Shares.csv", shares("Größe, in Öl", "Two").encode("utf-16"))
    assert (report.counts, texts) == ({"new": 2}, ["Größe, in Öl", "Two"])
