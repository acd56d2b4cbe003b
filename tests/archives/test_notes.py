"""Notes: which document a note is, however it comes; what its front matter and its links say."""

from __future__ import annotations

from pathlib import Path

import pytest

from archive_samples import Files, as_folder, as_zip
from llm_twin import Twin
from llm_twin.errors import UsageError

VAULT = {"Bread.md": "Flour and water.", "sub/Oven.md": "It is hot in there."}
BASE = "https://notes.invalid/vault"
LINKS = [f"{BASE}/Bread", f"{BASE}/sub/Oven"]


def imported(twin: Twin, path: Path, **options: str) -> dict[str, int]:
    return dict(twin.import_archive(path, "Ada Example", **options).counts)


def texts(twin: Twin) -> dict[str, str]:
    return {document.link: document.text for document in sorted(twin.documents(), key=lambda each: each.link)}


def texts_in(folder: Path, files: Files, **options: bool) -> dict[str, str]:
    with Twin(home=folder / "home") as twin:
        twin.import_archive(as_folder(folder / "vault", files), "Ada Example", **options)
        return texts(twin)


@pytest.mark.parametrize("order", [("", "Bread.md", "sub", "sub/Oven.md"), ("Bread.md", "", "sub/Oven.md", "sub")])
def test_a_part_of_a_vault_and_one_note_are_the_same_documents(tmp_path: Path, order: tuple[str, ...]) -> None:
    folder = as_folder(tmp_path / "vault", VAULT)
    with Twin(home=tmp_path / "home") as twin:
        for part in order:
            imported(twin, folder / part)
        assert list(texts(twin)) == LINKS
        as_folder(folder, {"Bread.md": "Flour, water and salt."})
        assert imported(twin, folder / "Bread.md") == {"updated": 1}


def test_a_folder_of_a_vault_of_obsidian_is_part_of_it_before_the_vault_is_known(tmp_path: Path) -> None:
    folder = as_folder(tmp_path / "vault", {**VAULT, ".obsidian/app.json": "{}"})
    with Twin(home=tmp_path / "home") as twin:
        for part in ("sub/Oven.md", "sub", ""):
            imported(twin, folder / part)
        assert list(texts(twin)) == LINKS


def test_another_vault_of_that_name_does_not_overwrite_the_first(tmp_path: Path) -> None:
    welcome = {"Welcome.md": "This is your new vault."}
    other = {**welcome, "Bread.md": "# Tasks\n\nQuite another text of another vault.", "sub/Oven.md": "Cold."}
    with Twin(home=tmp_path / "home") as twin:
        imported(twin, as_folder(tmp_path / "vault", {**VAULT, **welcome, "Bread.md": "# Tasks\n\nFlour and water."}))
        before = texts(twin)
        for path in (as_folder(tmp_path / "b" / "vault", other), as_zip(tmp_path / "vault.zip", other)):
            with pytest.raises(UsageError, match=f"other notes .* are stored under {BASE}/ already; rename its folder"):
                imported(twin, path)
        assert texts(twin) == before
        assert imported(twin, tmp_path / "b" / "vault", site="https://rye.example") == {"new": 3}
        assert imported(twin, (tmp_path / "b" / "vault").rename(tmp_path / "rye")) == {"new": 3}


def test_a_vault_in_which_much_was_edited_is_still_the_same(tmp_path: Path) -> None:
    folder = as_folder(tmp_path / "vault", {"A.md": "See [[B]], often.", "B.md": "Short.", "C.md": "One two three."})
    with Twin(home=tmp_path / "home") as twin:
        imported(twin, folder)
        assert imported(twin, folder) == {"unchanged": 3}
        as_folder(folder, {"A.md": "Rewritten.", "C.md": "Four five six.\n\nOne two three.\n\nSeven."})
        assert imported(twin, folder) == {"updated": 2, "unchanged": 1}


def test_a_note_that_was_written_anew_is_taken_by_the_way_that_the_message_names(tmp_path: Path) -> None:
    with Twin(home=tmp_path / "home") as twin:
        imported(twin, as_folder(tmp_path / "vault", {"Inbox.md": "Flour and water."}))
        folder = as_folder(tmp_path / "vault", {"Inbox.md": "Quite other things to do."})
        with pytest.raises(UsageError, match=f"written anew: twin forget {BASE}/Inbox --yes$"):
            imported(twin, folder)
        twin.forget_link(f"{BASE}/Inbox")
        assert imported(twin, folder) == {"new": 1}


def test_notes_whose_names_differ_in_their_ends_alone_are_two(tmp_path: Path) -> None:
    found = texts_in(tmp_path, {"Bread.md": "One.", "Bread.mdx": "Two.", "Rye.markdown": "Three. [[Bread]]"})
    assert found == {
        f"{BASE}/Bread": "One.",
        f"{BASE}/Bread.mdx": "Two.",
        f"{BASE}/Rye": f"Three. [Bread]({BASE}/Bread)",
    }


def test_a_wiki_link_leads_where_the_note_is_published_and_nowhere_where_it_is_a_draft(tmp_path: Path) -> None:
    files = {
        "A.md": "See [[Rye]], [[sub/Oven|the oven]], [[None]] and [[Later]].",
        "None.md": "\n",
        "Rye.md": "---\nlink: https://ada.example/rye/\n---\nDark.",
        "sub/Oven.md": "Hot.",
        "Later.md": "---\ndraft: true\n---\nNot yet.",
    }
    seen = f"See [Rye](https://ada.example/rye/), [the oven]({BASE}/sub/Oven), None and "
    assert texts_in(tmp_path, files)[f"{BASE}/A"] == f"{seen}Later."
    assert texts_in(tmp_path / "all", files, drafts=True)[f"{BASE}/A"] == f"{seen}[Later]({BASE}/Later)."


@pytest.mark.parametrize(
    "about",
    [
        "title: Foo: bar\ndraft: true",
        "title: [Foo\npublish: false",
        "date: 2024-13-45\ndraft: 'true'",
        "draft: true\n\t- no: [yaml",
    ],
)
def test_a_draft_is_one_whatever_else_its_front_matter_says(tmp_path: Path, about: str) -> None:
    assert list(texts_in(tmp_path, {"A.md": f"---\n{about}\n---\nNot yet.", "B.md": "Flour."})) == [f"{BASE}/B"]


def test_front_matter_with_values_that_need_quotes_is_read(tmp_path: Path) -> None:
    about = "title: Bread: a start\ntags:\n  - baking\n  - rye\ndate: 2024-05-01\nsource: [unclosed"
    with Twin(home=tmp_path / "home") as twin:
        imported(twin, as_folder(tmp_path / "vault", {"A.md": f"---\n{about}\n---\nFlour."}))
        (note,) = twin.documents()
        assert (note.title, note.text, note.metadata["tags"]) == ("Bread: a start", "Flour.", ["baking", "rye"])
        assert f"{note.published_at:%Y-%m-%d}" == "2024-05-01"


@pytest.mark.parametrize(
    ("settings", "path", "about", "place"),
    [
        ("_config.yml", "_posts/2024-05-01-rye.md", "title: Rye", "2024/05/01/rye.html"),
        ("_config.yml: permalink: pretty", "a/_posts/2024-05-01-rye.md", "categories: [B]", "a/b/2024/05/01/rye/"),
        ("_config.yml: permalink: /:year/:title", "_posts/2024-05-01-rye.md", "date: 2023-01-02", "2023/rye"),
        ("_config.yml", "_posts/2024-05-01-rye.md", "permalink: /dark/rye/", "dark/rye/"),
        ("_config.yml", "about.md", "title: About", "about.html"),
        ("hugo.toml", "content/posts/Dark Rye/index.md", "title: Rye", "posts/dark-rye/"),
        ("hugo.toml", "content/posts/rye.md", "slug: dark", "posts/dark/"),
        ("hugo.toml", "content/posts/rye.md", "url: /dark.html", "dark.html"),
        ("hugo.toml: [permalinks]\nposts = '/:year/:slug/'", "content/posts/rye.md", "date: 2024-05-01", "2024/rye/"),
        ("src/a.js", "src/content/blog/rye.md", "title: Rye", "blog/rye/"),
        (".obsidian/app.json", "Dark/Rye bread.md", "title: Rye", "Dark/Rye%20bread"),
        (".obsidian/app.json", "Dark/Rye bread.md", "slug: rye", "Dark/rye"),
    ],
)
def test_a_note_has_the_link_that_its_site_gives_it(
    tmp_path: Path, settings: str, path: str, about: str, place: str
) -> None:
    name, _, content = settings.partition(": ")
    folder = as_folder(tmp_path / "site", {name: content, path: f"---\n{about}\n---\nDark."})
    with Twin(home=tmp_path / "home") as twin:
        imported(twin, folder, site="https://ada.example/b")
        assert list(texts(twin)) == [f"https://ada.example/b/{place}"]
        if name in ("_config.yml", "hugo.toml"):  # so that a part of the site is known to be one
            assert imported(twin, (folder / path).parent, site="https://ada.example/b") == {"unchanged": 1}


def test_without_its_site_a_note_keeps_the_link_of_its_folder(tmp_path: Path) -> None:
    files = {"_config.yml": "", "_posts/2024-05-01-rye.md": "---\npermalink: /dark/\n---\nDark."}
    assert list(texts_in(tmp_path, files)) == [f"{BASE}/_posts/2024-05-01-rye"]


DATES = {
    "'Jul 08 2022'": "2022-07-08T00:00:00+00:00",
    "July 8, 2022 3:04 PM": "2022-07-08T15:04:00+00:00",
    "8 July 2022": "2022-07-08T00:00:00+00:00",
    "2022/07/08": "2022-07-08T00:00:00+00:00",
    "2022-7-8": "2022-07-08T00:00:00+00:00",
    "20220708": "2022-07-08T00:00:00+00:00",
    "1657267200": "2022-07-08T08:00:00+00:00",
    "2022-07-08 10:00:00 EST": "2022-07-08T15:00:00+00:00",
    "Fri Jul 08 2022 10:00:00 GMT+0200 (Central European Summer Time)": "2022-07-08T08:00:00+00:00",
    "July 2022": "None",
    "2022-02-30": "None",
    "soon": "None",
}


def test_a_date_is_read_as_people_write_it(tmp_path: Path) -> None:
    files = {f"{at}.md": f"---\ndate: {written}\n---\nFlour, {written}" for at, written in enumerate(DATES)}
    with Twin(home=tmp_path / "home") as twin:
        imported(twin, as_folder(tmp_path / "vault", files))
        found = {
            note.text.removeprefix("Flour, "): str(note.published_at).replace(" ", "T") for note in twin.documents()
        }
    assert found == DATES


FENCED = "```python\nx = 1\n```"


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("5%% in one and 6%% in the other, `%%`, `printf('%s%%')` %s%%.", None),
        ("One. %%hidden `code`, and\nmore%% Two.", "One. Two."),
        ("One.\n\n%%\nhidden\n\n```\ncode\n```\n%%\n\nTwo.", "One.\n\nTwo."),
        (
            "One.\n<!--more-->\nTwo <!-- `a` -->three.\n\n<script>\nb()\n</script>\n\n`<!-- c`",
            "One.\nTwo three.\n\n`<!-- c`",
        ),
        ("{% highlight python linenos %}\nx = 1\n{% endhighlight %}\n\nOne {{ site.url }}/a.", f"{FENCED}\n\nOne /a."),
        ("{{< highlight python >}}\nx = 1\n{{< /highlight >}}", FENCED),
        ("- a\n\n  {% codeblock lang:js %}\n  b\n    c\n  {% endcodeblock %}\n", "- a\n\n  ```js\n  b\n    c\n  ```"),
        ("![a]({{ '/a.png' | relative_url }}) {% tweet https://x.com/a/1 %}", "![a](/a.png) https://x.com/a/1"),
        ('{{% expand "Of rye" %}}\nDark.\n{{% /expand %}}', "Of rye\nDark."),
        ("{% raw %}{{ site.url }}{% endraw %} {% comment %}no{% endcomment %}", "{{ site.url }}"),
        ("One {{% notice tip %}}two{{% /notice %}} {{< youtube abc >}}.", "One two."),
        ('{{< figure src="/a.png" title="Loaf" >}} and {{</* note */>}}', "![Loaf](/a.png) and {{</* note */>}}"),
        ("{{c1::Rye}} is {{date}}. {% open", None),
        (
            "[a]({% post_url Rye %}), [b](Rye.md), [c](sub/../Rye.md#x), [d](<Rye.md>), [e](/Rye.md), [f](No.md)",
            "[a](*), [b](*), [c](*), [d](*), [e](*), [f](No.md)",
        ),
        ("| a |\n|---|\n| [[Rye\\|b]] |", "| a |\n|---|\n| [b](*) |"),
        (
            "`[b](Rye.md)` ![[No.png]]x [b](https://ada.example/Rye.md)",
            "`[b](Rye.md)` x [b](https://ada.example/Rye.md)",
        ),
    ],
)
def test_a_note_holds_what_its_readers_see(tmp_path: Path, written: str, shown: str | None) -> None:
    found = texts_in(tmp_path, {"A.md": written, "Rye.md": "Dark."})[f"{BASE}/A"]
    assert found == (written if shown is None else shown.replace("*)", f"{BASE}/Rye)"))


def test_of_mdx_the_words_stay_and_the_program_goes(tmp_path: Path) -> None:
    text = "import X from './x'\n\nexport const meta = {\n  a: 1\n}\n\n# Rye\n\n"
    text += "<Note kind={{a: 1}}>Dark</Note> <X/>bread {/* x */}"
    assert list(texts_in(tmp_path, {"A.mdx": text}).values()) == ["Dark bread"]


def test_what_others_wrote_templates_and_drawings_are_left_out_and_counted(tmp_path: Path) -> None:
    files = {
        "_config.yml": "",
        "A.md": "Flour.",
        "node_modules/a/README.md": "Of others.",
        "themes/b/README.md": "Of others.",
        "vendor/c/README.md": "Of others.",
        "Templates/Day.md": "# {{date}}",
        "a.excalidraw.md": "---\nexcalidraw-plugin: parsed\n---\n# Drawing",
    }
    with Twin(home=tmp_path / "home") as twin:
        report = twin.import_archive(as_folder(tmp_path / "vault", files), "Ada Example")
        assert list(texts(twin).values()) == ["Flour."]
        left = {"of a package or theme": 3, "template": 1, "drawing": 1, "other file": 1}
        assert report.summary["left_out"] == left
    with Twin(home=tmp_path / "other") as twin:  # essays by their themes, in a vault
        imported(twin, as_folder(tmp_path / "vault 2", {"Themes/Love.md": "Of love.", "vendor/Acme.md": "They sell."}))
        assert list(texts(twin).values()) == ["Of love.", "They sell."]
