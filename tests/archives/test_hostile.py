"""Archives that are broken or meant to do harm: each ends in one clear line, and none in anything else."""

from __future__ import annotations

import io
import json
import os
import struct
import time
import zipfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archive_samples import MEDIUM_POST, NOTES, SAMPLES, as_folder, as_zip, script, tweet, wxr, wxr_item
from llm_twin import Twin
from llm_twin.collect.archives import container
from llm_twin.collect.archives.container import Archive
from llm_twin.collect.archives.formats import Broken, Item, Left, Wanted, format_of, items_of
from llm_twin.documents import Author, Document
from llm_twin.errors import Reason, TwinError, UsageError

ADA = Author.named("Ada Example")
NOTE = b"A note.\n"


def read(path: Path) -> list[Item]:
    with Archive(path) as archive:
        return list(items_of(archive, format_of(archive), Wanted(ADA)))


def outcome(items: list[Item]) -> tuple[int, dict[str, int], list[tuple[str, str]]]:
    """How many documents, what was left out, and reason and text of what failed."""
    documents = sum(isinstance(item, Document) for item in items)
    left = dict(Counter(item.why for item in items if isinstance(item, Left)))
    broken = [(str(item.error.reason), item.error.detail) for item in items if isinstance(item, Broken)]
    assert not [detail for _, detail in broken if "\n" in detail]
    return documents, left, broken


def test_names_that_climb_or_are_absolute_are_left_out_and_written_nowhere(tmp_path: Path) -> None:
    names = ("../up.md", "/etc/up.md", "a/../../up.md", "C:\\up.md", "a\\..\\..\\up.md", "nul\x01.md", "//host/up.md")
    path = as_zip(tmp_path / "a.zip", {"good.md": NOTE, **dict.fromkeys(names, NOTE)})
    before = sorted(tmp_path.rglob("*"))
    assert outcome(read(path)) == (1, {"unsafe name": 7}, [])
    assert sorted(tmp_path.rglob("*")) == before


def test_a_name_ends_at_a_nul(tmp_path: Path) -> None:
    path = as_zip(tmp_path / "a.zip", {"goodXX.md": NOTE})
    path.write_bytes(path.read_bytes().replace(b"goodXX.md", b"a.md\0X.md"))
    assert outcome(read(path))[0] == 1


def test_symlinks_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret.md").write_text("Secret.")
    folder = as_folder(tmp_path / "vault", {"good.md": NOTE})
    (folder / "link.md").symlink_to(tmp_path / "secret.md")
    (folder / "loop").symlink_to(folder)
    assert outcome(read(folder)) == (1, {"symlink": 2}, [])
    info = zipfile.ZipInfo("link.md")
    info.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as zipped:
        zipped.writestr("good.md", NOTE)
        zipped.writestr(info, "/etc/passwd")
    assert outcome(read(tmp_path / "a.zip")) == (1, {"symlink": 1}, [])


def test_a_pipe_in_a_folder_is_not_waited_for(tmp_path: Path) -> None:
    folder = as_folder(tmp_path / "vault", {"good.md": NOTE})
    os.mkfifo(folder / "pipe.md")
    assert outcome(read(folder)) == (1, {"no file": 1}, [])
    with pytest.raises(UsageError, match="neither a file nor a folder"):
        read(folder / "pipe.md")


def test_a_bomb_is_refused_by_what_it_unpacks_to(tmp_path: Path) -> None:
    path = as_zip(tmp_path / "a.zip", {"good.md": NOTE, "bomb.md": b" " * (64 << 20)})
    documents, _, [(reason, detail)] = outcome(read(path))
    assert (documents, reason) == (1, Reason.TOO_LARGE)
    assert detail == "a.zip, bomb.md: it unpacks to more than 200 times its size, as no text does"


def test_a_document_that_is_too_large_fails_alone(tmp_path: Path) -> None:
    folder = as_folder(tmp_path / "vault", {"good.md": NOTE, "large.md": b"word " * (4 << 20)})
    assert outcome(read(folder)) == (1, {}, [("too_large", "vault, large.md has over 16 MiB unpacked")])


def test_there_is_an_end_to_what_a_whole_archive_unpacks_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(container, "MAX_TOTAL", 1 << 20)
    path = as_folder(tmp_path / "vault", {f"{number}.md": b"word " * 50_000 for number in range(9)})
    with pytest.raises(UsageError, match=r"vault unpacks to over 1 MiB; import it in parts"):
        read(path)


def test_a_zip_with_a_million_files_is_refused_before_its_list_is_read(tmp_path: Path) -> None:
    entry = struct.pack("<4s6H3L5H2L", b"PK\x01\x02", *[0] * 9, 1, *[0] * 6) + b"a"
    count = 1_000_000
    with (tmp_path / "a.zip").open("wb") as file:
        file.write(b"PK\x03\x04")
        file.write(entry * count)
        file.write(struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 0, 0, len(entry) * count, 4, 0))
    with pytest.raises(UsageError, match="has over 500,000 files; unpack it and import it in parts"):
        read(tmp_path / "a.zip")


def test_an_encrypted_zip_says_so(tmp_path: Path) -> None:
    path = as_zip(tmp_path / "a.zip", {"good.md": NOTE})
    packed = bytearray(path.read_bytes())
    packed[6] |= 1
    packed[packed.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(packed)
    with pytest.raises(UsageError, match="is encrypted; unpack it with its password and give the folder"):
        read(path)


@pytest.mark.parametrize("kept", [0.2, 0.5, 0.9, 0.999])
def test_a_zip_that_is_cut_off_says_so(tmp_path: Path, kept: float) -> None:
    path = as_zip(tmp_path / "a.zip", {f"{number}.md": NOTE * 50 for number in range(50)})
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * kept)])
    with pytest.raises(UsageError, match="a.zip is (cut off|a damaged zip).*download it again"):
        read(path)


def test_a_damaged_member_fails_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as zipped:
        zipped.writestr("bad.md", "The word is SESAME.")
        zipped.writestr("good.md", NOTE)
    path.write_bytes(path.read_bytes().replace(b"SESAME", b"SESAMO"))
    documents, _, [(reason, detail)] = outcome(read(path))
    assert (documents, reason) == (1, Reason.BAD_DATA)
    assert detail == "a.zip, bad.md is damaged: Bad CRC-32 for file 'bad.md'"


def test_zips_in_zips_are_opened_for_notion_and_no_deeper(tmp_path: Path) -> None:
    page = {f"Bread {'ab' * 16}.md": "# Bread\n\nFlour.\n"}
    inner = as_zip(tmp_path / "inner.zip", page).read_bytes()
    deeper = as_zip(tmp_path / "deeper.zip", {"Export-1-Part-1.zip": inner}).read_bytes()
    assert outcome(read(as_zip(tmp_path / "a.zip", {"Export-1-Part-1.zip": inner})))[0] == 1
    with pytest.raises(UsageError, match="holds nothing but zips; unpack it and give one of them"):
        read(as_zip(tmp_path / "b.zip", {"Export-1-Part-1.zip": deeper}))
    assert outcome(read(as_zip(tmp_path / "c.zip", {**page, "other.zip": inner}))) == (1, {"other file": 1}, [])


def test_other_encodings_are_read_and_none_stops_the_rest(tmp_path: Path) -> None:
    files = {
        "utf16.md": "Größe".encode("utf-16"),
        "bom.md": b"\xef\xbb\xbf" + "Größe".encode(),
        "old.md": "Größe".encode("cp1252"),
        "broken.md": b"Gr\xc3\xb6\xc3\x9fe \xff\xfe",
        "nul.md": b"Gr\0\xc3\xb6\xc3\x9fe",
    }
    texts = [item.text for item in read(as_folder(tmp_path / "vault", files)) if isinstance(item, Document)]
    assert sorted(texts) == ["Größe", "Größe", "Größe", "Größe", "Größe \ufffd\ufffd"]


def test_a_huge_field_fails_alone(tmp_path: Path) -> None:
    rows = ["Date,ShareLink,ShareCommentary", f"2024-05-01,urn:li:share:{7 * 10**18},{'x' * 200_000}"]
    rows += [f"2024-05-01,urn:li:share:{7 * 10**18 + 1},Fine"]
    (tmp_path / "Shares.csv").write_text("\n".join(rows))
    documents, _, [(reason, detail)] = outcome(read(tmp_path / "Shares.csv"))
    assert (documents, reason) == (1, Reason.BAD_DATA)
    assert detail == "row 1 (line 2) is damaged: field larger than field limit (131072)"


def test_xml_entities_are_neither_expanded_nor_fetched(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("SECRET")
    entities = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 20))
    bomb = f'<!DOCTYPE rss [<!ENTITY e0 "ha"><!ENTITY x SYSTEM "file://{tmp_path}/secret">{entities}]>'
    good = wxr_item("https://ada.example/good/", "publish", "post", "Fine.")
    bad = wxr_item("https://ada.example/bad/", "publish", "post", "Fine, too.", title="&e19;&x;")
    (tmp_path / "a.xml").write_text(wxr(good + bad).replace("<rss ", f"{bomb}<rss ", 1))
    items = read(tmp_path / "a.xml")
    assert "SECRET" not in repr(items)
    assert sum(len(item.text) + len(item.title) for item in items if isinstance(item, Document)) < 100


def test_a_feed_that_is_cut_off_keeps_what_came_before(tmp_path: Path) -> None:
    whole = wxr("".join(wxr_item(f"https://ada.example/{n}/", "publish", "post", "Fine.") for n in range(3)))
    (tmp_path / "a.xml").write_text(whole[: whole.index("/2/</link>")])
    documents, _, [(reason, detail)] = outcome(read(tmp_path / "a.xml"))
    assert (documents >= 2, reason) == (True, Reason.BAD_DATA)
    assert "what follows may be missing" in detail


@pytest.mark.parametrize(
    ("items", "says"),
    [
        ('[{"tweet": ' + '{"a":' * 100_000, "an item is nested absurdly deep"),
        ("[" * 100_000, "an item is nested absurdly deep"),
        ('[{"id_str": "1", "full_text": "a"}, {"id_str": ', "is cut off or damaged"),
        ('[{"id_str": "1"} {"full', "is cut off or damaged"),
        ("nothing", "holds no JSON array"),
        ("[", "is cut off"),
        ("[1, null, {}]", "no post: it has no id"),
    ],
)
def test_broken_json_is_one_line(tmp_path: Path, items: str, says: str) -> None:
    (tmp_path / "tweets.js").write_text("window.YTD.tweets.part0 = " + items)
    _, _, broken = outcome(read(tmp_path / "tweets.js"))
    assert broken
    assert all(reason == Reason.BAD_DATA and says in detail for reason, detail in broken)


def test_front_matter_that_is_a_bomb_or_broken_is_text(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x]"] + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 30)]
    files = {
        "bomb.md": "---\n" + "\n".join(lines) + "\ntags: *a29\ntitle: *a29\n---\nText.\n",
        "date.md": "---\ndate: 2024-13-45\n---\nText.\n",
        "code.md": "---\nx: !!python/object/apply:os.system ['echo']\n---\nText.\n",
        "open.md": "---\ntitle: x\nText.\n",
    }
    documents, left, broken = outcome(read(as_folder(tmp_path / "vault", files)))
    assert (documents, left, broken) == (4, {}, [])


def test_a_bad_link_in_an_archive_is_that_documents_failure(tmp_path: Path) -> None:
    files = {
        "posts/1_a-0123456789ab.html": MEDIUM_POST.replace("https://medium.com/@ada", "http://user:pw@x"),
        "posts/2_b-0123456789ab.html": MEDIUM_POST,
    }
    documents, _, [(reason, _)] = outcome(read(as_folder(tmp_path / "a", files)))
    assert (documents, reason) == (1, Reason.BAD_LINK)


def test_what_fails_is_an_outcome_of_the_import_and_its_exit_code(tmp_path: Path) -> None:
    (tmp_path / "tweets.js").write_text(script("tweets", [tweet(1, "Fine"), {"tweet": {"full_text": "?"}}]))
    with Twin(home=tmp_path / "home") as twin:
        report = twin.import_archive(tmp_path / "tweets.js", "Ada Example")
        assert report.counts == {"new": 1, "failed": 1}
        assert report.failed[0].link == "tweets.js, item 2"


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_bytes_as_any_member_end_in_our_errors_alone(tmp_path: Path, data: st.DataObject) -> None:
    files = dict(SAMPLES[data.draw(st.sampled_from(sorted(SAMPLES)))].files)
    name = data.draw(st.sampled_from(sorted(files)))
    whole = files[name].encode() if isinstance(files[name], str) else files[name]
    assert isinstance(whole, bytes)
    at = data.draw(st.integers(0, len(whole)))
    broken = data.draw(st.binary(max_size=40))
    files[name] = whole[:at] + broken + whole[at + data.draw(st.integers(0, 60)) :]
    path = as_zip(tmp_path / "a.zip", files)
    try:
        items = read(path)
    except TwinError as error:
        assert "\n" not in str(error)
        return
    found = outcome(items)
    assert not [detail for reason, detail in found[2] if reason == Reason.INTERNAL]


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_damage_to_a_zip_ends_in_our_errors_alone(tmp_path: Path, data: st.DataObject) -> None:
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w", zipfile.ZIP_DEFLATED) as zipped:
        for name, content in NOTES.files.items():
            zipped.writestr(name, content)
    packed = bytearray(memory.getvalue())
    for _ in range(data.draw(st.integers(1, 6))):
        packed[data.draw(st.integers(4, len(packed) - 1))] = data.draw(st.integers(0, 255))
    (tmp_path / "a.zip").write_bytes(packed)
    try:
        outcome(read(tmp_path / "a.zip"))
    except TwinError as error:
        assert "\n" not in str(error)


@settings(max_examples=100, deadline=None)
@given(
    value=st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=9),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "mapping",
                        "current_node",
                        "a",
                        "message",
                        "author",
                        "role",
                        "content",
                        "parts",
                        "parent",
                        "id",
                        "tweet",
                        "id_str",
                        "full_text",
                        "entities",
                        "urls",
                        "chat_messages",
                        "uuid",
                        "sender",
                        "text",
                    ]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=20,
    )
)
def test_json_of_any_shape_ends_in_our_errors_alone(value: object, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("json")
    for mark in ('"mapping": {"a": 1}, "current_node": "a", "id": "abcdefgh"', '"chat_messages": [1]'):
        (folder / "c.json").write_text(f"[{{{mark}}}, {json.dumps(value)}]")
        assert not [each for each in outcome(read(folder / "c.json"))[2] if each[0] == Reason.INTERNAL]
    (folder / "tweets.js").write_text(f"window.YTD.tweet.part0 = {json.dumps([value, {'tweet': value}])}")
    assert not [each for each in outcome(read(folder / "tweets.js"))[2] if each[0] == Reason.INTERNAL]


PATTERNS = [" " * 200_000 + "x", "[" * 200_000, "\\[" * 100_000, "`" * 99 + " `" * 50_000, "# " + " #" * 100_000 + "x"]
PATTERNS += [
    "…" + "https://" * 50_000 + " x",
    "\\" * 200_000,
    "%%" * 3 + " " * 100_000,
    "<pre>" * 40_000,
    "<div>" * 50_000,
]
PATTERNS += [
    "</pre>" * 20_000 + "<pre>" * 20_000,
    "".join("`" * n + " " for n in range(1, 600)),
    "a " + "\n " * 100_000,
]


@pytest.mark.parametrize("pattern", PATTERNS, ids=lambda text: repr(text[:12]))
def test_text_that_is_slow_to_match_is_read_in_no_time(tmp_path: Path, pattern: str) -> None:
    files = {
        "a.md": pattern,
        f"n {'ab' * 16}.md": "# N\n\n" + pattern,
        "tweets.js": script("tweets", [tweet(1, pattern), tweet(2, pattern + "…")]),
        "Shares.csv": f'Date,ShareLink,ShareCommentary\n,urn:li:share:{7 * 10**18},"{pattern[:130_000]}\n"\n',
        "Comments.csv": f'Date,Link,Message\n,https://a.example/,"{pattern[:130_000]}"\n',
        "posts/1_a-0123456789ab.html": MEDIUM_POST.replace("Flour", pattern),
        "a.xml": wxr(wxr_item("https://ada.example/1/", "publish", "post", pattern)),
    }
    started = time.process_time()
    for name, content in files.items():
        path = as_folder(tmp_path / name.replace("/", "_"), {name: content})
        outcome(read(path))
    assert time.process_time() - started < 10
