"""Archives that are small and want to be large, and what is given by mistake: one line each, in little memory."""

from __future__ import annotations

import os
import struct
import zipfile
import zlib
from pathlib import Path

import pytest

from archive_samples import LINKEDIN, as_folder, as_zip, wxr_item
from llm_twin.collect.archives import container, feed, formats
from llm_twin.collect.archives.container import Archive
from llm_twin.collect.archives.formats import Broken, Item, Left, Wanted, format_of, items_of
from llm_twin.documents import Author, Document
from llm_twin.errors import UsageError

ADA = Author.named("Ada Example")
MIB = 1 << 20


def read(path: Path) -> list[Item]:
    with Archive(path) as archive:
        return list(items_of(archive, format_of(archive), Wanted(ADA)))


def overlapping(path: Path, count: int, size: int) -> Path:
    """A zip whose members all end in one and the same packed block: each quotes the headers of those behind it.

    David Fifield, "A better zip bomb" (WOOT 2019).
    """
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    content, packed = b" " * size, packer.compress(b" " * size) + packer.flush()
    directory: list[bytes] = []
    for number in reversed(range(count)):
        name = f"{number:04}.md".encode()
        fields = struct.pack("<5H3L2H", 20, 0, 8, 0, 33, zlib.crc32(content), len(packed), len(content), len(name), 0)
        header = b"PK\x03\x04" + fields + name
        quote = struct.pack("<B2H", 0, len(header), len(header) ^ 0xFFFF)  # a block of deflate that is not packed
        at = struct.pack("<3H2L", 0, 0, 0, 0, number * (len(header) + len(quote)))
        directory.append(b"PK\x01\x02\x14\0" + fields + at + name)
        whole, packed, content = header + packed, quote + header + packed, header + content
    listed = b"".join(reversed(directory))
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, count, count, len(listed), len(whole), 0)
    path.write_bytes(whole + listed + end)
    return path


@pytest.fixture
def little(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(container, "ALWAYS", 4 * MIB)


def test_members_that_share_their_bytes_do_not_unpack_without_end(tmp_path: Path, little: None) -> None:
    path = overlapping(tmp_path / "a.zip", 100, MIB)
    assert path.stat().st_size < 40_000
    with zipfile.ZipFile(path) as zipped:
        assert sum(info.file_size for info in zipped.infolist()) > 100 * MIB
    try:
        items = read(path)
    except UsageError as error:
        assert str(error).endswith("a.zip unpacks to over 6 MiB; import it in parts")
    else:  # Python sees it itself since 3.11.8
        assert {type(item) for item in items} == {Broken, Left}


def test_many_members_that_are_nothing_but_spaces_end_at_what_no_export_reaches(tmp_path: Path, little: None) -> None:
    path = as_zip(tmp_path / "a.zip", {f"{number}.md": b" " * MIB for number in range(9)})
    with pytest.raises(UsageError, match=r"a.zip unpacks to over 5 MiB; import it in parts"):
        read(path)


def test_a_field_without_an_end_is_one_failure(tmp_path: Path) -> None:
    endless = f'2024-05-01,urn:li:share:7000000000000000000,"{"x" * 5 * MIB}"'
    fine = "2024-05-01,urn:li:share:7000000000000000001,Fine"
    (tmp_path / "Shares.csv").write_text(f"Date,ShareLink,ShareCommentary\n{endless}\n{fine}\n")
    (broken, document) = read(tmp_path / "Shares.csv")
    assert isinstance(broken, Broken)
    assert broken.error.detail == "row 1 (line 2) is damaged: field larger than field limit (131072)"
    assert isinstance(document, Document)


def test_an_archive_of_nothing_that_can_be_read_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formats, "MOST_BROKEN", 100)
    (tmp_path / "Shares.csv").write_text("Date,ShareLink,ShareCommentary\n" + "x\n" * 1000)
    says = "Shares.csv: 100 of its items can't be read, the last: row 100 .line 101. is damaged: 1 of 3 columns"
    with pytest.raises(UsageError, match=says):
        read(tmp_path / "Shares.csv")


def test_a_feed_that_goes_on_without_a_post_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "SILENCE", MIB)
    filler = "<wp:category>x</wp:category>" * 50_000
    first = wxr_item("https://ada.example/1/", "", "", "Fine.")
    (tmp_path / "a.xml").write_text(f'<rss xmlns:wp="urn:wp"><channel>{first}{filler}')
    document, broken = read(tmp_path / "a.xml")
    assert isinstance(document, Document)
    assert isinstance(broken, Broken)
    assert str(broken.error) == "too_large: 1 MiB without a post"


@pytest.mark.parametrize(
    ("name", "head"),
    [
        ("7z", b"7z\xbc\xaf\x27\x1c\0\4"),
        ("rar", b"Rar!\x1a\x07\x01\0"),
        ("gzip", b"\x1f\x8b\x08\0"),
        ("xz", b"\xfd7zXZ\0\0"),
        ("tar", b"Shares.csv".ljust(257, b"\0") + b"ustar\x0000"),
    ],
)
def test_what_others_packed_is_to_be_unpacked_first(tmp_path: Path, name: str, head: bytes) -> None:
    path = tmp_path / "export.zip"
    path.write_bytes(head + b"\0" * 600)
    with pytest.raises(UsageError, match=f"export.zip is a {name} archive; unpack it and give the folder"):
        read(path)


def test_a_link_that_is_given_is_followed(tmp_path: Path) -> None:
    (tmp_path / "Shares.csv").write_text(str(LINKEDIN.files["Shares_1234.csv"]))
    for target in ("Shares.csv", "vault"):
        as_folder(tmp_path / "vault", {"Bread.md": "Flour."})
        (tmp_path / f"latest {target}").symlink_to(target)
        assert [item for item in read(tmp_path / f"latest {target}") if isinstance(item, Document)]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_read_is_counted_and_the_given_one_named(tmp_path: Path) -> None:
    vault = as_folder(tmp_path / "vault", {"Bread.md": "Flour.", "closed/Oven.md": "Hot."})
    (vault / "closed").chmod(0)
    try:
        assert [type(item) for item in read(vault)] == [Document, Left]
        with pytest.raises(UsageError, match="closed can't be read: Permission denied"):
            read(vault / "closed")
    finally:
        (vault / "closed").chmod(0o700)
