"""Archives with something of another kind among them: nothing is passed over without a word."""

from __future__ import annotations

from pathlib import Path

import pytest

from archive_samples import FEED, LINKEDIN, MEDIUM, NOTION, SAMPLES, Files, as_folder, as_zip
from llm_twin import Twin
from llm_twin.cli import cli
from llm_twin.documents import Report
from llm_twin.errors import UsageError

HEX = "0123456789abcdef" * 2
NOTES = {f"Note {number}.md": f"Words of {number}." for number in range(3)}
RSS = '<rss version="2.0"><channel><item><link>https://b.example/</link><description>B</description></item></channel></rss>'


def below(folder: str, files: Files) -> dict[str, str | bytes]:
    return {f"{folder}/{name}": content for name, content in files.items()}


def imported(twin: Twin, path: Path) -> Report:
    return twin.import_archive(path, "Ada Example")


def test_a_vault_with_a_page_of_notion_is_a_vault(tmp_path: Path) -> None:
    vault = as_folder(tmp_path / "vault", {**NOTES, f"Old {HEX}.md": "# Old\n\nOf then."})
    with Twin(home=tmp_path / "home") as twin:
        report = imported(twin, vault)
        assert (report.summary["format"], report.counts) == ("notes", {"new": 4})


def test_notes_among_pages_of_notion_are_told_by_name(tmp_path: Path) -> None:
    with Twin(home=tmp_path / "home") as twin:
        report = imported(twin, as_folder(tmp_path / "export", {**NOTION.files, "Mine.md": "Words."}))
        assert report.summary["format"] == "notion"
        assert not report.failed
        told = "of another kind (an Obsidian vault or a folder of Markdown; import it by itself)"
        assert report.summary["left_out"] == {**NOTION.left_out, told: 1}


def test_two_exports_in_a_folder_are_a_failure_with_the_command_for_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    files = below("from medium", MEDIUM.files) | below("linkedin", LINKEDIN.files)
    folder = as_folder(tmp_path / "both", files)
    with Twin(home=tmp_path / "home") as twin:
        report = imported(twin, folder)
        (failed,) = report.failed
        assert (report.counts["new"], report.summary["format"]) == (len(LINKEDIN.documents), "linkedin")
        command = f"twin import '{folder}/from medium/posts' --author 'Ada Example'"
        assert failed.detail == f"not read, as it is a Medium export within {folder}: {command}"
        assert imported(twin, folder / "from medium/posts").counts == {"new": 1}
    monkeypatch.setenv("TWIN_HOME", str(tmp_path / "cli"))
    assert (
        cli.main(["import", str(as_zip(tmp_path / "both.zip", files)), "--author", "Ada"], standalone_mode=False) == 1
    )
    assert "put what belongs to it in a folder of its own and import that" in capsys.readouterr().out


# As Jekyll's own theme writes posts: in microformats, like Medium's export.
ENTRY = '<article class="post h-entry"><h1 class="p-name">Bread</h1><div class="e-content">Flour.</div></article>'


@pytest.mark.parametrize("page", ["<p>x", ENTRY])
@pytest.mark.parametrize("folder", ["_site", "public/2024", "_layouts"])
def test_a_site_is_read_from_its_sources_and_not_from_what_is_built_of_them(
    tmp_path: Path, page: str, folder: str
) -> None:
    built = {f"{folder}/{name}.html": page for name in "abc"} | {f"{folder}/feed.xml": RSS}
    with Twin(home=tmp_path / "home") as twin:
        report = imported(twin, as_folder(tmp_path / "site", {"_posts/2024-05-01-bread.md": "Flour.", **built}))
        assert (report.summary["format"], report.counts) == ("notes", {"new": 1})
        told = "of another kind (a WordPress export or another RSS or Atom file; import it by itself)"
        assert report.summary["left_out"] == {"other file": 3, told: 1}


def test_a_table_with_links_and_messages_is_no_export_of_linkedin(tmp_path: Path) -> None:
    files = {"a.md": "Flour.", "b.csv": "Link,Message,Foo\nhttps://a.example,Hi,1\n", "c.csv": "a,b\n"}
    with Twin(home=tmp_path / "home") as twin:
        report = imported(twin, as_folder(tmp_path / "all", files))
        assert (report.summary["format"], report.counts) == ("notes", {"new": 1})


def test_a_page_in_microformats_is_no_story_of_medium(tmp_path: Path) -> None:
    with Twin(home=tmp_path / "home") as twin:
        with pytest.raises(UsageError, match="none of the archives"):
            imported(
                twin,
                as_folder(tmp_path / "site", {"a.html": ENTRY + '<a class="p-canonical" href="https://a.example/">'}),
            )
        assert imported(twin, as_folder(tmp_path / "site", {"a.md": "Flour."})).counts == {"new": 1}


def test_an_export_of_wordpress_beside_a_readme_is_that(tmp_path: Path) -> None:
    with Twin(home=tmp_path / "home") as twin:
        report = imported(twin, as_folder(tmp_path / "backup", {"README.md": "How to.", **FEED.files}))
        assert (report.summary["format"], report.counts["new"]) == ("feed", len(FEED.documents))


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_an_archive_among_notes_is_read_or_told(tmp_path: Path, name: str) -> None:
    with Twin(home=tmp_path / "home") as twin:
        report = imported(twin, as_folder(tmp_path / "all", {**NOTES, **below("inner", SAMPLES[name].files)}))
        told = " ".join(report.summary["left_out"])
        assert report.failed or "of another kind" in told or report.summary["format"] == name
