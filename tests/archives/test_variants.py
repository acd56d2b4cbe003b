"""What exports hold beside the plain case: later and earlier forms of them, and what stands in few."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from archive_samples import MEDIUM_POST, URN, Files, as_folder, as_zip, node, script, tweet, wxr, wxr_item
from llm_twin.collect.archives.container import Archive
from llm_twin.collect.archives.formats import Broken, Item, Left, Wanted, format_of, items_of
from llm_twin.documents import Author, Document
from llm_twin.errors import Reason, UsageError

ADA = Author.named("Ada Example")
HEX = "0123456789abcdef" * 2


def read(path: Path, *, drafts: bool = False) -> list[Item]:
    with Archive(path) as archive:
        items = list(items_of(archive, format_of(archive), Wanted(ADA, drafts)))
    assert not [item for item in items if isinstance(item, Broken)]
    return items


def texts(items: list[Item]) -> dict[str, str]:
    return {item.link: item.text for item in items if isinstance(item, Document)}


def left(items: list[Item]) -> dict[str, int]:
    return dict(Counter(item.why for item in items if isinstance(item, Left)))


def texts_in(folder: Path, files: Files, name: str = "a.zip") -> dict[str, str]:
    return texts(read(as_zip(folder / name, files)))


# --- LinkedIn ---


def shares(*rows: str) -> str:
    return "\n".join(("Date,ShareLink,ShareCommentary,SharedUrl,MediaUrl,Visibility", *rows, ""))


def test_a_picture_without_words_is_no_repost(tmp_path: Path) -> None:
    link = f"https://www.linkedin.com/feed/update/urn%3Ali%3Ashare%3A{URN}"
    table = shares(f"2024-05-01 10:00:00,{link},,,https://media.licdn.com/1.jpg,PUBLIC", f",{link},,,,PUBLIC")
    assert left(read(as_zip(tmp_path / "a.zip", {"Shares.csv": table}))) == {"empty": 1, "repost": 1}


def test_a_table_with_the_line_ends_of_windows_and_notes_above_it_is_read(tmp_path: Path) -> None:
    link = f"https://www.linkedin.com/feed/update/urn%3Ali%3Ashare%3A{URN}"
    table = 'Notes:\n"As of, today"\n\n' + shares(f'2024-05-01 10:00:00,{link},"One""\n""""\n""Two",,,')
    body = table.replace("\n", "\r\n").encode("utf-8-sig")
    assert texts_in(tmp_path, {"Shares_77.csv": body}) == {
        f"https://www.linkedin.com/feed/update/urn:li:share:{URN}/": "One\n\nTwo"
    }


def test_an_edited_comment_stays_one_document_and_two_of_one_second_are_two(tmp_path: Path) -> None:
    on = f"https://www.linkedin.com/feed/update/urn:li:activity:{URN}"

    def comments(*rows: str) -> list[str]:
        table = "\n".join(("Date,Link,Message", *rows, ""))
        return list(texts(read(as_zip(tmp_path / "a.zip", {"Comments.csv": table}))))

    (before,) = comments(f"2024-05-01 10:00:00,{on},Frist")
    after = comments(f"2024-05-01 10:00:00,{on},First", f"2024-05-01 10:00:00,{on},Second")
    assert after[0] == before
    assert len(set(after)) == 2


def test_a_comment_that_the_export_names_has_that_name(tmp_path: Path) -> None:
    urn = f"urn%3Ali%3Acomment%3A%28activity%3A{URN}%2C{URN + 5}%29"
    on = f"https://www.linkedin.com/feed/update/urn:li:activity:{URN}?commentUrn={urn}"
    table = f"Date,Link,Message\n2024-05-01 10:00:00,{on},First\n"
    assert list(texts_in(tmp_path, {"Comments.csv": table})) == [
        f"https://www.linkedin.com/feed/update/urn:li:activity:{URN}/?comment={URN + 5}"
    ]


def test_the_basic_export_is_told_from_the_complete_one(tmp_path: Path) -> None:
    connections = 'Notes:\n"When exporting…"\n\nFirst Name,Last Name,URL\nBob,Builder,https://b.example\n'
    files = {"Connections.csv": connections, "Profile.csv": "First Name,Last Name\nAda,Example\n"}
    with pytest.raises(UsageError, match="is LinkedIn's basic export, which has no posts; ask for the complete one"):
        read(as_zip(tmp_path / "Basic.zip", files))
    complete = shares(f"2024-05-01 10:00:00,urn:li:share:{URN},Flour.,,,PUBLIC")
    assert len(texts_in(tmp_path, {**files, "Shares.csv": complete})) == 1


# --- Medium ---


def test_what_a_story_embeds_stays_as_a_link(tmp_path: Path) -> None:
    embedded = (
        '<figure class="graf graf--figure graf--iframe"><script src="https://gist.github.com/ada/0123abcd.js">'
        "</script><figcaption>The oven</figcaption></figure>"
        '<figure class="graf"><iframe src="https://www.youtube.com/embed/xyz"></iframe></figure>'
        '<figure class="graf graf--figure"><img class="graf-image" src="https://cdn-images-1.medium.com/1.jpeg" '
        'alt="A loaf"><figcaption class="imageCaption">Mine</figcaption></figure>'
    )
    page = MEDIUM_POST.replace("</section></section>", f"{embedded}</section></section>")
    (text,) = texts_in(tmp_path, {"posts/2024-05-01_Bread-0123456789ab.html": page}).values()
    assert "[https://gist.github.com/ada/0123abcd](https://gist.github.com/ada/0123abcd)" in text
    assert "(https://www.youtube.com/embed/xyz)" in text
    assert "![A loaf](https://cdn-images-1.medium.com/1.jpeg)" in text
    assert "The oven" in text
    assert "Mine" in text


def test_a_story_whose_file_is_cut_off_is_not_stored(tmp_path: Path) -> None:
    name = "2024-05-01_Bread-0123456789ab.html"
    (tmp_path / "posts").mkdir()
    (tmp_path / "posts" / name).write_text(MEDIUM_POST[: MEDIUM_POST.index("Oven")])
    with Archive(tmp_path) as archive:
        (item,) = items_of(archive, format_of(archive), Wanted(ADA))
    assert isinstance(item, Broken)
    assert (item.where, item.error.reason) == (f"posts/{name}", Reason.BAD_DATA)
    assert "ends in the middle of its post" in item.error.detail


# --- X ---


def test_of_an_edited_post_the_last_version_is_the_document(tmp_path: Path) -> None:
    initial = {"editTweetIds": ["10", "12"], "editsRemaining": "4"}
    versions = [
        tweet(10, "Frist", edit_info={"initial": initial}),
        tweet(12, "First", edit_info={"edit": {"initialTweetId": "10", "editControlInitial": initial}}),
        tweet(20, "Alone", edit_info={"initial": {"editTweetIds": ["20"]}}),
    ]
    items = read(as_zip(tmp_path / "a.zip", {"data/tweets.js": script("tweets", versions)}))
    assert texts(items) == {"https://x.com/i/status/10": "First", "https://x.com/i/status/20": "Alone"}
    assert left(items) == {"earlier version": 1}


def test_all_pictures_of_a_post_are_named(tmp_path: Path) -> None:
    pictures = [{"url": "https://t.co/p", "media_url_https": f"https://pbs.twimg.com/{at}.jpg"} for at in range(4)]
    more = {"entities": {"media": pictures[:1]}, "extended_entities": {"media": pictures}}
    posts = [
        tweet(1, "Four https://t.co/p", **more),
        tweet(11, "And https://t.co/p", **more),
        tweet(12, "again", in_reply_to_status_id_str="11"),
    ]
    items = read(as_zip(tmp_path / "a.zip", {"data/tweets.js": script("tweets", posts)}))
    assert list(texts(items).values()) == ["Four", "And\n\nagain"]
    media = [item.metadata["media"] for item in items if isinstance(item, Document)]
    assert media == [[f"https://pbs.twimg.com/{at}.jpg" for at in range(4)]] * 2


def test_posts_to_communities_are_posts(tmp_path: Path) -> None:
    files = {"data/community-tweet.js": script("community_tweet", [tweet(7, "Hello, bakers")])}
    assert texts_in(tmp_path, files) == {"https://x.com/i/status/7": "Hello, bakers"}


# --- notes ---


def test_a_vault_has_the_same_links_as_a_folder_and_in_any_zip_of_it(tmp_path: Path) -> None:
    note = {"Bread.md": "Flour. [[Oven]]", "sub/Oven.md": "Hot."}
    links = list(texts(read(as_folder(tmp_path / "vault", note))))
    assert links == ["https://notes.invalid/vault/Bread", "https://notes.invalid/vault/sub/Oven"]
    inside = {f"vault/{name}": text for name, text in note.items()}
    for name in ("vault.zip", "drive-download-20240501T101112Z-001.zip"):
        assert list(texts_in(tmp_path, inside, name)) == links, name
    for name in ("vault (2).zip", "vault-2024-05-01.zip", "vault_20240501T101112Z-001.zip"):
        assert list(texts_in(tmp_path, note, name)) == links, name


def test_a_vault_with_a_feed_among_its_notes_is_a_vault(tmp_path: Path) -> None:
    note = {
        "Bread.md": "Flour.",
        "Oven.md": "Hot.",
        "files/b.xml": "<rss><channel><item/></channel></rss>",
        ".obsidian/app.json": "{}",
    }
    assert len(texts(read(as_folder(tmp_path / "vault", note)))) == 2


def test_a_picture_in_a_note_leaves_no_words(tmp_path: Path) -> None:
    note = "Flour ![[Pasted image 1.png|300]]. ![[Oven.pdf]] [[2. Dough|the dough]] ![[Oven v1.2]]\n"
    assert list(texts_in(tmp_path, {"a.md": note}).values()) == ["Flour .  the dough Oven v1.2"]


# --- Notion ---


@pytest.mark.parametrize(
    "part", ["Export-77-Part-1.zip", "ExportBlock-77-Part-1.zip", "Private & Shared/Export-77.zip"]
)
def test_a_notion_export_in_a_zip_of_its_own_is_read_also_unpacked(tmp_path: Path, part: str) -> None:
    page = {f"Bread {HEX}.md": "# Bread\n\nFlour.\n"}
    inner = as_zip(tmp_path / "inner.zip", page).read_bytes()
    expected = {f"https://www.notion.so/{HEX}": "Flour."}
    assert texts_in(tmp_path, {part: inner, "errors.txt": "none"}) == expected
    assert texts(read(as_folder(tmp_path / "unpacked", {part: inner}))) == expected


@pytest.mark.parametrize(
    ("head", "kept"),
    [
        ("TL;DR: we lost three percent.", "TL;DR: we lost three percent."),
        ("Dear reader: this is it.\nDate: tomorrow.", "Dear reader: this is it.\nDate: tomorrow."),
        ("Tags: rye\nNotes: Of what I saw.\nCreated: May 1, 2024 10:00 AM", "Notes: Of what I saw."),
    ],
)
def test_of_what_looks_like_columns_of_notion_only_what_is_used_leaves_the_text(
    tmp_path: Path, head: str, kept: str
) -> None:
    (page,) = read(as_folder(tmp_path / "export", {f"Bread {HEX}.md": f"# Bread\n\n{head}\n\nFlour.\n"}))
    assert isinstance(page, Document)
    assert page.text == f"{kept}\n\nFlour."
    assert (page.published_at is not None) == (page.metadata.get("tags") == ["rye"]) == ("Tags" in head)


def test_formulas_columns_and_hours_of_notions_html_are_kept_and_icons_left_out(tmp_path: Path) -> None:
    formula = (
        '<style>@import "katex"</style><span class="notion-text-equation-token"><span class="katex"><span class='
        '"katex-mathml"><math><semantics><mi>E</mi><annotation encoding="application/x-tex">E=m_1</annotation>'
        '</semantics></math></span><span class="katex-html">E=m1</span></span><span>&#65279;</span></span>'
    )
    page = (
        '<html><body><article class="page"><h1 class="page-title">Bread</h1><table class="properties"><tbody><tr><th>'
        "Created</th><td><time>@May 1, 2024 10:00 AM</time></td></tr><tr><th>Notes</th><td>Of what I saw</td></tr>"
        f'</tbody></table><div class="page-body"><div><span class="icon">!</span></div><p>So {formula}.</p></div>'
        "</article></body></html>"
    )
    (found,) = read(as_folder(tmp_path / "export", {f"Bread {HEX}.html": page}))
    assert isinstance(found, Document)
    assert found.text == "Notes: Of what I saw\n\nSo $E=m_1$."
    assert f"{found.published_at:%Y-%m-%d %H:%M}" == "2024-05-01 10:00"


def test_code_and_tables_of_notions_html_are_kept(tmp_path: Path) -> None:
    page = (
        '<html><body><article class="page sans"><header><h1 class="page-title">Bread</h1><table class="properties">'
        "<tbody><tr><th>Created</th><td><time>@May 1, 2024 10:00 AM</time></td></tr></tbody></table></header>"
        '<div class="page-body"><p>Flour.</p><pre class="code"><code class="language-Python">def bake():\n    return 1'
        '</code></pre><table class="simple-table"><thead><tr><th>a</th></tr></thead><tbody><tr><td>1</td></tr></tbody>'
        "</table></div></article></body></html>"
    )
    (text,) = texts_in(tmp_path, {f"Bread {HEX}.html": page}).values()
    assert "    return 1" in text
    assert "| a |" in text


# --- conversations ---


def chatgpt(**more: Any) -> str:
    spoken = {"content_type": "audio_transcription", "text": "Why does dough rise?", "direction": "in"}
    nodes = node("a", None, "user", spoken, {"content_type": "image_asset_pointer"}) | node(
        "b", "a", "assistant", "Yes"
    )
    nodes["a"]["message"] |= {"create_time": 1.0}
    nodes["a"]["message"]["content"]["content_type"] = "multimodal_text"
    nodes["b"]["message"] |= {"create_time": 2.0}
    return json.dumps([{"title": "Rising", "mapping": nodes, "conversation_id": "aaaaaaaa-bbbb", **more}])


def test_what_was_said_aloud_is_read_and_the_last_branch_where_none_is_named(tmp_path: Path) -> None:
    expected = {"https://chatgpt.com/c/aaaaaaaa-bbbb": "Why does dough rise?"}
    assert texts_in(tmp_path, {"conversations.json": chatgpt(current_node="b")}) == expected
    assert texts_in(tmp_path, {"conversations.json": chatgpt()}) == expected


def test_conversations_in_several_files_are_one_archive(tmp_path: Path) -> None:
    files = {
        "conversations-000.json": chatgpt(),
        "conversations-001.json": chatgpt().replace("aaaaaaaa", "cccccccc"),
        "user.json": '{"id": "x"}',
    }
    assert len(texts_in(tmp_path, files)) == 2


# --- feeds ---


def test_posts_behind_a_password_and_short_codes_are_no_text(tmp_path: Path) -> None:
    body = "[caption id=1]<img src='https://ada.example/1.jpg' alt='Loaf'> Mine[/caption]\n\n[embed]https://v.example/1[/embed]"
    open_post = wxr_item("https://ada.example/1/", "publish", "post", body + "\n\n[gallery ids='1,2']")
    closed = wxr_item("https://ada.example/2/", "publish", "post", "Secret").replace(
        "<wp:status>", "<wp:post_password><![CDATA[x]]></wp:post_password><wp:status>"
    )
    items = read(as_zip(tmp_path / "a.zip", {"ada.xml": wxr(open_post + closed)}))
    assert texts(items) == {"https://ada.example/1/": "![Loaf](https://ada.example/1.jpg) Mine\n\nhttps://v.example/1"}
    assert left(items) == {"private": 1}


def test_bloggers_settings_comments_and_drafts_are_no_posts(tmp_path: Path) -> None:
    def entry(kind: str, number: int, more: str = "") -> str:
        scheme = "http://schemas.google.com/g/2005#kind"
        return (
            f'<entry><category scheme="{scheme}" term="http://schemas.google.com/blogger/2008/kind#{kind}"/>'
            f'<category scheme="http://www.blogger.com/atom/ns#" term="baking"/><title>Bread</title>{more}'
            f'<published>2024-05-01T10:00:00Z</published><content type="html">&lt;p&gt;Flour.&lt;/p&gt;</content>'
            f'<link rel="alternate" href="https://ada.blogspot.com/{number}.html"/></entry>'
        )

    draft = '<app:control xmlns:app="http://purl.org/atom/app#"><app:draft>yes</app:draft></app:control>'
    feed = "".join((entry("settings", 1), entry("comment", 2), entry("post", 3), entry("post", 4, draft)))
    items = read(as_zip(tmp_path / "a.zip", {"blog.xml": f'<feed xmlns="http://www.w3.org/2005/Atom">{feed}</feed>'}))
    assert texts(items) == {"https://ada.blogspot.com/3.html": "Flour."}
    assert left(items) == {"settings": 1, "comment": 1, "draft": 1}
    (post,) = [item for item in items if isinstance(item, Document)]
    assert post.metadata["tags"] == ["baking"]
