"""Feeds that hold openings and summaries: none is stored for the whole text, and none takes its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from archive_samples import MEDIUM, as_folder, as_zip, wxr, wxr_item
from llm_twin import Twin

STORY = "https://medium.com/@ada/bread-0123456789ab"
POST = "https://ada.example/bread/"


def feed(folder: Path, link: str, body: str) -> Path:
    item = f"<item><title>Bread</title><link>{link}</link>{body}</item>"
    return as_folder(folder, {"feed.xml": f'<rss version="2.0"><channel>{item}</channel></rss>'})


OPENINGS = {
    "medium": (
        f"{STORY}?source=rss-1------2",
        "<description><![CDATA[<div class='medium-feed-item'><p class='medium-feed-snippet'>Flour and&#x2026;</p>"
        f"<p><a href='{STORY}?source=rss-1------2'>Continue reading on Medium »</a></p></div>]]></description>",
    ),
    "substack": (
        POST,
        '<x:encoded xmlns:x="http://purl.org/rss/1.0/modules/content/"><![CDATA[<p>Flour and</p><p><a href='
        f"'{POST}#more'>\n  Read more\n</a></p>]]></x:encoded>",
    ),
    "german": (POST, "<description>Mehl &lt;a href='/bread/'&gt;Weiterlesen →&lt;/a&gt;</description>"),
}


@pytest.mark.parametrize("name", OPENINGS)
def test_an_opening_that_leads_to_the_whole_is_a_paywall_with_what_to_do(tmp_path: Path, name: str) -> None:
    link, body = OPENINGS[name]
    with Twin(home=tmp_path / "home") as twin:
        (outcome,) = twin.import_archive(feed(tmp_path / "feed", link, body), "Ada Example").outcomes
        plain = link.partition("?")[0]
        assert (outcome.status, outcome.reason, outcome.link) == ("failed", "paywall", plain)
        assert outcome.detail.endswith(f"twin collect --author 'Ada Example' {plain}")
        assert not list(twin.documents())


def test_an_opening_of_what_is_stored_changes_nothing_and_is_no_failure(tmp_path: Path) -> None:
    with Twin(home=tmp_path / "home") as twin:
        twin.import_archive(as_zip(tmp_path / "medium.zip", MEDIUM.files), "Ada Example")
        report = twin.import_archive(feed(tmp_path / "feed", *OPENINGS["medium"]), "Ada Example")
        assert (report.counts, report.summary["left_out"]) == ({}, {"opening of a stored text": 1})
        assert [document.text.partition("\n")[0] for document in twin.documents()] == ["Flour and **water**."]


COUNTER = (
    '<img src="https://medium.com/_/stat?event=post.clientViewed&postId=0123456789ab" width="1" height="1" alt="">'
)
WHOLE = (
    '<content:encoded xmlns:content="http://purl.org/rss/1.0/modules/content/"><![CDATA[<h4>A start</h4>'
    "<p>Flour and <strong>water</strong>.</p><h3>Oven</h3><img src='/b.gif' width='1' height='1'>"
    f"<pre>def bake():<br>    return 1</pre>{COUNTER}<hr><p><a href='{STORY}'>"
    "Bread</a> was originally published in <a href='https://medium.com/pub'>Pub</a> on Medium, where people are "
    "continuing the conversation by highlighting and responding to this story.</p>]]></content:encoded>"
)


def test_mediums_feed_has_the_text_of_its_export_and_takes_the_place_of_none(tmp_path: Path) -> None:
    story = feed(tmp_path / "feed", "https://pub.example/bread-0123456789ab", WHOLE)
    text = "Flour and **water**.\n\n## Oven\n\n```\ndef bake():\n    return 1\n```"
    with Twin(home=tmp_path / "home") as twin:
        twin.import_archive(story, "Ada Example")
        assert [(each.text, each.platform) for each in twin.documents()] == [(f"A start\n\n{text}", "medium")]
    exported = {name: page.replace("<p class", "<p>A start</p><p class", 1) for name, page in MEDIUM.files.items()}
    with Twin(home=tmp_path / "other") as twin:
        twin.import_archive(as_zip(tmp_path / "medium.zip", exported), "Ada Example")
        report = twin.import_archive(feed(tmp_path / "feed", STORY, WHOLE), "Ada Example")
        assert (report.counts, report.summary["left_out"]) == ({}, {"stored already": 1})
        twin.import_archive(feed(tmp_path / "feed", STORY, WHOLE.replace("Flour", "Rye")), "Ada Example")
        assert [each.text.split()[2] for each in twin.documents()] == ["Rye"]


def test_an_article_that_links_to_others_and_to_itself_is_whole(tmp_path: Path) -> None:
    body = (
        "<description>&lt;p&gt;&lt;a href='https://b.example/'&gt;Read more&lt;/a&gt; of rye, or see &lt;a href='"
        f"{POST}'&gt;this&lt;/a&gt; (&lt;a href='{POST}'&gt;Read on the web&lt;/a&gt;).&lt;/p&gt;</description>"
    )
    with Twin(home=tmp_path / "home") as twin:
        assert twin.import_archive(feed(tmp_path / "feed", POST, body), "Ada Example").counts == {"new": 1}


ATOM = '<feed xmlns="http://www.w3.org/2005/Atom"{}><entry><link href="/a"/><content>Flour.</content></entry></feed>'
HOSTS = {
    "its own link": (
        ATOM.format('><link rel="self" href="https://ada.example/feed"/><title>A</title').replace(">>", ">"),
        "",
    ),
    "its base": (ATOM.format(' xml:base="https://ada.example/x/"'), "https://other.example"),
    "given": (ATOM.format(""), "https://ada.example"),
}


@pytest.mark.parametrize("name", HOSTS)
def test_a_link_without_its_host_gets_the_one_of_its_feed(tmp_path: Path, name: str) -> None:
    source, site = HOSTS[name]
    with Twin(home=tmp_path / "home") as twin:
        twin.import_archive(as_folder(tmp_path / "feed", {"a.xml": source}), "Ada Example", site=site)
        assert [document.link for document in twin.documents()] == ["https://ada.example/a"]
        (outcome,) = twin.import_archive(as_folder(tmp_path / "b", {"a.xml": ATOM.format("")}), "Ada Example").outcomes
        assert "give it as --site" in outcome.detail


def test_a_summary_is_marked_and_makes_way_for_the_whole_and_never_the_other_way_round(tmp_path: Path) -> None:
    summary = feed(tmp_path / "feed", POST, "<description>Flour. And [&#8230;]</description>")
    export = as_zip(
        tmp_path / "a.zip", {"a.xml": wxr(wxr_item(POST, "publish", "post", "Flour. And much, much more."))}
    )
    with Twin(home=tmp_path / "home") as twin:
        assert twin.import_archive(summary, "Ada Example").counts == {"new": 1}
        assert [document.metadata.get("excerpt") for document in twin.documents()] == [True]
        assert twin.import_archive(summary, "Ada Example").counts == {"unchanged": 1}
        assert twin.import_archive(export, "Ada Example").counts == {"updated": 1}
        assert [document.metadata.get("excerpt") for document in twin.documents()] == [None]
        (outcome,) = twin.import_archive(summary, "Ada Example").outcomes
        assert (outcome.status, outcome.reason) == ("skipped", "duplicate")
        assert [document.text for document in twin.documents()] == ["Flour. And much, much more."]


def test_of_a_summary_and_the_whole_in_one_archive_the_whole_is_stored(tmp_path: Path) -> None:
    folder = feed(tmp_path / "feed", POST, "<description>Flour. And</description>")
    as_folder(folder, {"later.xml": wxr(wxr_item(POST, "publish", "post", "Flour. And more."))})
    with Twin(home=tmp_path / "home") as twin:
        report = twin.import_archive(folder, "Ada Example")
        assert (report.counts, report.summary["left_out"]) == ({"new": 1}, {"twice in the archive": 1})
        assert [document.text for document in twin.documents()] == ["Flour. And more."]
