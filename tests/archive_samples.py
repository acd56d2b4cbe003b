"""A small archive of every format, as the platforms write them, and what is to be read from it."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Files = Mapping[str, str | bytes]


@dataclass(frozen=True)
class Sample:
    """Members of an archive, and what comes of them."""

    files: Files
    documents: Mapping[str, tuple[str, str]]  # link -> title, text
    left_out: Mapping[str, int] = field(default_factory=dict)


def as_folder(folder: Path, files: Files) -> Path:
    """The members as files below `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


def as_zip(path: Path, files: Files) -> Path:
    """The members as a zip."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as zipped:
        for name, content in files.items():
            zipped.writestr(name, content)
    return path


def script(name: str, items: list[Any], part: int = 0) -> str:
    """Items as X writes them."""
    return f"window.YTD.{name}.part{part} = {json.dumps(items)}"


def tweet(number: int, text: str, **more: Any) -> dict[str, Any]:
    """A post on X."""
    return {"tweet": {"id_str": str(number), "full_text": text, "created_at": "Wed May 01 10:00:00 +0000 2024", **more}}


URN = 7191234567890123456  # published 2024-05-01
SHARE = f"https://www.linkedin.com/feed/update/urn:li:share:{URN}/"
LINKEDIN = Sample(
    files={
        "Shares_1234.csv": "\ufeffDate,ShareLink,ShareCommentary,SharedUrl,MediaUrl,Visibility\n"
        f"2024-05-01 10:11:12,https://www.linkedin.com/feed/update/urn%3Ali%3Ashare%3A{URN},"
        '"They say ""bread""."\n""\n""Flour and water. #baking",https://ada.example/bread,,MEMBER_NETWORK\n'.replace(
            '"\n""\n""', '""\n""""\n""'
        )
        + f"2024-05-02 10:11:12,https://www.linkedin.com/feed/update/urn%3Ali%3AugcPost%3A{URN + 1},,,,PUBLIC\n",
        "Comments.csv": "Date,Link,Message\n"
        f'2024-05-03 08:00:00,{SHARE},"He said \\"rye\\", and C:\\bin\nstays"\n'
        f",{SHARE},Second comment\n",
        "Articles/Articles/on-bread.html": "<html><head><title>On bread</title></head><body>"
        '<h1><a href="https://www.linkedin.com/pulse/on-bread-ada">On bread</a></h1>'
        '<p class="created">Created on 2024-01-01 10:00</p><p class="published">Published on 2024-01-02 10:00</p>'
        "<div><p>Flour, <b>water</b>.</p></div></body></html>",
        "Articles/Articles/draft.html": '<h1><a href="https://www.linkedin.com/pulse/draft">Later</a></h1>'
        "<p>Created on 2024-01-01 10:00</p><p>Not yet.</p>",
        "Connections.csv": 'Notes:\n"When exporting…"\n\nFirst Name,Last Name\nBob,Builder\n',
    },
    documents={
        SHARE: ('They say "bread".', 'They say "bread".\n\nFlour and water. #baking\n\nhttps://ada.example/bread'),
        f"{SHARE}?comment=*1": ('He said "rye", and C:\\bin', 'He said "rye", and C:\\bin  \nstays'),
        f"{SHARE}?comment=*2": ("Second comment", "Second comment"),
        "https://www.linkedin.com/pulse/on-bread-ada": ("On bread", "Flour, **water**."),
    },
    left_out={"repost": 1, "draft": 1, "other file": 1},
)

MEDIUM_POST = """<!DOCTYPE html><html><head><title>Bread</title></head><body><article class="h-entry">
<header><h1 class="p-name">Bread</h1></header>
<section data-field="subtitle" class="p-summary">A start</section>
<section data-field="body" class="e-content"><section class="section"><div class="section-divider"><hr></div>
<h3 class="graf graf--h3 graf--title">Bread</h3>
<p class="graf graf--p">Flour and <strong>water</strong>.</p>
<h3 class="graf graf--h3">Oven</h3>
<pre class="graf graf--pre">def bake():<br>    return 1</pre></section></section>
<footer><p>By <a class="p-author h-card" href="https://medium.com/@ada">Ada</a>
<a href="https://medium.com/p/0123456789ab"><time class="dt-published" datetime="2024-05-01T10:00:00.000Z">1</time></a>.
<a href="https://medium.com/@ada/bread-0123456789ab" class="p-canonical">Canonical link</a></p>
<ul class="p-tags"><li><a class="p-tag" href="#">Baking</a></li></ul></footer></article></body></html>"""
MEDIUM = Sample(
    files={
        "posts/2024-05-01_Bread-0123456789ab.html": MEDIUM_POST,
        "posts/draft_Rye-ba9876543210.html": MEDIUM_POST.replace("Bread", "Rye"),
        "profile/profile.html": "<html><body><section class='h-card'>Ada</section></body></html>",
    },
    documents={
        "https://medium.com/@ada/bread-0123456789ab": (
            "Bread",
            "Flour and **water**.\n\n## Oven\n\n```\ndef bake():\n    return 1\n```",
        )
    },
    left_out={"draft": 1, "other file": 1},
)

SUBSTACK = Sample(
    files={
        "posts.csv": "post_id,post_date,is_published,email_sent_at,type,audience,title,subtitle,podcast_url\n"
        '101.bread,2024-05-01T10:00:00.000Z,true,,newsletter,everyone,"Bread, again",A start,\n'
        "102.rye,2024-05-02T10:00:00.000Z,false,,newsletter,everyone,Rye,,\n"
        "103.lost,2024-05-03T10:00:00.000Z,true,,newsletter,everyone,Lost,,\n",
        "posts/101.bread.html": '<p>Flour<a class="footnote-anchor" href="#f1">1</a> and <a href='
        '"https://ada.substack.com/p/rye">water</a>.</p><div class="subscription-widget-wrap">Subscribe now</div>'
        '<div class="footnote"><a class="footnote-number" href="#a1">1</a><div class="footnote-content">'
        "<p>Of wheat.</p></div></div>",
        "posts/102.rye.html": "<p>Not yet.</p>",
        "email_list.other.csv": "email\nbob@example.com\n",
    },
    documents={
        "https://ada.substack.com/p/bread": (
            "Bread, again",
            "Flour[^1] and [water](https://ada.substack.com/p/rye).\n\n[^1]: Of wheat.",
        )
    },
    left_out={"draft": 1, "without a body": 1, "other file": 1},
)

LONG = "A long post about the oven, which goes on and on until the list cuts it off somewhere in its middle, and then."
X = Sample(
    files={
        "data/tweets.js": script(
            "tweets",
            [
                tweet(12, "Second of two &amp; last", in_reply_to_status_id_str="11"),
                tweet(
                    20,
                    "See https://t.co/a https://t.co/pic",
                    entities={
                        "urls": [{"url": "https://t.co/a", "expanded_url": "https://ada.example/_bread"}],
                        "media": [{"url": "https://t.co/pic", "media_url_https": "https://pbs.twimg.com/1.jpg"}],
                    },
                ),
                tweet(21, "RT @bob: not mine"),
                tweet(22, "@bob I agree", in_reply_to_status_id_str="999"),
            ],
        ),
        "data/tweets-part1.js": script(
            "tweets", [tweet(11, "First of two"), tweet(30, f"{LONG[:60]}… https://t.co/x")], 1
        ),
        "data/note-tweet.js": script(
            "note_tweet",
            [
                {"noteTweet": {"noteTweetId": "77", "createdAt": "2024-05-01T10:00:00.000Z", "core": {"text": LONG}}},
                {
                    "noteTweet": {
                        "noteTweetId": "78",
                        "createdAt": "2024-05-01T10:00:00.000Z",
                        "core": {"text": "Gone."},
                    }
                },
            ],
        ),
        "data/deleted-tweets.js": script("deleted_tweets", [tweet(90, "Deleted")]),
        "data/tweets_media/20-1.jpg": b"\xff\xd8\xff",
    },
    documents={
        "https://x.com/i/status/11": ("First of two", "First of two\n\nSecond of two & last"),
        "https://x.com/i/status/20": ("See https://ada.example/_bread", "See https://ada.example/_bread"),
        "https://x.com/i/status/22": ("@bob I agree", "@bob I agree"),
        "https://x.com/i/status/30": (
            "A long post about the oven, which goes on and on until the list cuts it off…",
            LONG,
        ),
    },
    left_out={"repost": 1, "long post without its post": 1, "other file": 2},
)

NOTES = Sample(
    files={
        "Bread.md": "---\ntitle: On bread\ndate: 2024-05-01\ntags: [baking, '#rye']\n---\n# On bread\n\n"
        "See [[Oven|the oven]], [[Nowhere]] and `[[x]]`. %%private%%\n\n```sh\nif [[ -f a ]]; then\n```\n",
        "sub/Oven.md": "Hot. ![[Bread#Crust]]\n",
        "sub/2024-06-01-rye.md": "+++\ntitle = 'Rye'\nlink = 'https://ada.example/rye/'\n+++\nDark.\n",
        "drafts/Later.md": "Not yet.\n",
        "Hidden.md": "---\ndraft: true\n---\nNot yet.\n",
        "Empty.md": "\n",
        "picture.png": b"\x89PNG",
        ".obsidian/app.json": "{}",
    },
    documents={
        "https://notes.invalid/archive/Bread": (
            "On bread",
            "See [the oven](https://notes.invalid/archive/sub/Oven), Nowhere and `[[x]]`.\n\n"
            "```sh\nif [[ -f a ]]; then\n```",
        ),
        "https://notes.invalid/archive/sub/Oven": ("Oven", "Hot. [Bread](https://notes.invalid/archive/Bread)"),
        "https://ada.example/rye/": ("Rye", "Dark."),
    },
    left_out={"draft": 2, "empty": 1, "other file": 1, "hidden": 1},
)

ONE, TWO = "0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210"
NOTION = Sample(
    files={
        f"Bread {ONE}.md": f"# Bread\n\nTags: baking, rye\nCreated: May 1, 2024 10:00 AM\n\nFlour. [Oven](Bread%20{ONE}"
        f"/Oven%20{TWO}.html)\n",
        f"Bread {ONE}/Oven {TWO}.html": '<html><body><article class="page"><header><h1 class="page-title">Oven</h1>'
        '</header><div class="page-body"><p>Hot.</p></div></article></body></html>',
        f"Table {ONE[:-1]}0.csv": "Name\nBread\n",
        f"Table {ONE[:-1]}0_all.csv": "Name\nBread\n",
    },
    documents={
        f"https://www.notion.so/{ONE}": ("Bread", f"Flour. [Oven](https://www.notion.so/{TWO})"),
        f"https://www.notion.so/{TWO}": ("Oven", "Hot."),
    },
    left_out={"table of pages": 2},
)


def node(name: str, parent: str | None, role: str, *parts: Any, **metadata: Any) -> dict[str, Any]:
    """A message of ChatGPT's tree."""
    message = {"author": {"role": role}, "content": {"content_type": "text", "parts": parts}, "metadata": metadata}
    return {name: {"id": name, "parent": parent, "children": [], "message": message}}


CHATGPT = Sample(
    files={
        "conversations.json": json.dumps(
            [
                {
                    "title": "Rising",
                    "create_time": 1714557600.5,
                    "mapping": {"root": {"id": "root", "parent": None, "message": None}}
                    | node("s", "root", "user", "About me", is_visually_hidden_from_conversation=True)
                    | node("a", "s", "user", "Why does dough rise?", {"asset_pointer": "file"})
                    | node("b", "a", "assistant", "Yeast.")
                    | node("old", "b", "user", "Never mind")
                    | node("c", "b", "user", "And why so slowly?"),
                    "current_node": "c",
                    "conversation_id": "aaaaaaaa-bbbb",
                },
                {"title": "Silent", "mapping": {}, "current_node": "x", "id": "cccccccc-dddd"},
            ]
        ),
        "user.json": "{}",
    },
    documents={"https://chatgpt.com/c/aaaaaaaa-bbbb": ("Rising", "Why does dough rise?\n\nAnd why so slowly?")},
    left_out={"empty": 1, "other file": 1},
)
CLAUDE = Sample(
    files={
        "conversations.json": json.dumps(
            [
                {
                    "uuid": "11111111-2222",
                    "name": "Rising",
                    "created_at": "2024-05-01T10:00:00.000000Z",
                    "chat_messages": [
                        {"sender": "human", "text": "Why does dough rise?"},
                        {"sender": "assistant", "text": "Yeast."},
                        {"sender": "human", "text": "", "content": [{"type": "text", "text": "Why so slowly?"}]},
                    ],
                }
            ]
        )
    },
    documents={"https://claude.ai/chat/11111111-2222": ("Rising", "Why does dough rise?\n\nWhy so slowly?")},
)


def wxr_item(link: str, status: str, kind: str, body: str, title: str = "Bread") -> str:
    """An item as WordPress writes it."""
    return (
        f"<item><title>{title}</title><link>{link}</link><pubDate>Wed, 01 May 2024 10:00:00 +0000</pubDate>"
        f"<dc:creator><![CDATA[ada]]></dc:creator><content:encoded><![CDATA[{body}]]></content:encoded>"
        f"<excerpt:encoded><![CDATA[short]]></excerpt:encoded><wp:post_date_gmt>2024-05-01 10:00:00</wp:post_date_gmt>"
        f"<wp:status>{status}</wp:status><wp:post_type>{kind}</wp:post_type>"
        '<category domain="post_tag" nicename="baking"><![CDATA[Baking]]></category></item>\n'
    )


def wxr(items: str) -> str:
    """A WordPress export."""
    return (
        '<?xml version="1.0" encoding="UTF-8" ?>\n<!-- This is a WordPress eXtended RSS file -->\n<rss version="2.0"'
        ' xmlns:excerpt="http://wordpress.org/export/1.2/excerpt/" xmlns:content="http://purl.org/rss/1.0/modules/content/"'
        ' xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:wp="http://wordpress.org/export/1.2/">'
        f"<channel><title>Ada</title>\n{items}</channel></rss>"
    )


FEED = Sample(
    files={
        "ada.WordPress.2024-05-01.xml": wxr(
            wxr_item("https://ada.example/bread/?utm_source=x", "publish", "post", "Flour.\n\nAnd <b>water</b>. &amp;")
            + wxr_item("https://ada.example/?p=7", "draft", "post", "<p>Not yet.</p>")
            + wxr_item("https://ada.example/oven.jpg", "inherit", "attachment", "")
            + wxr_item("https://ada.example/about/", "publish", "page", "<!-- wp:paragraph --><p>Hi</p>", "A &amp; B")
        )
    },
    documents={
        "https://ada.example/bread/": ("Bread", "Flour.\n\nAnd **water**. &"),
        "https://ada.example/about/": ("A & B", "Hi"),
    },
    left_out={"draft": 1, "attachment": 1},
)

LINKEDIN_PAGE = Sample(
    {
        "Activity.html": "<!DOCTYPE html>\n<!-- saved from url=(0059)"
        "https://www.linkedin.com/in/ada-example/recent-activity/all/ -->\n<html><body>"
        "<div class='feed-shared-update-v2' data-urn='urn:li:activity:7100000000000000000'>"
        "<div class='update-components-actor'><a href='/in/ada-example'>Ada</a></div>"
        "<div class='update-components-update-v2__commentary'>Gears *turn*.<br>Always.</div></div>"
        "<div class='feed-shared-update-v2' data-urn='urn:li:activity:7100000000000000001'>"
        "<div class='update-components-header'>Ada reposted this</div>"
        "<div class='update-components-actor'><a href='/in/grace'>Grace</a></div>"
        "<div class='update-components-update-v2__commentary'>Not hers.</div></div></body></html>",
    },
    {
        "https://www.linkedin.com/feed/update/urn:li:activity:7100000000000000000/": (
            "Gears *turn*.",
            "Gears \\*turn\\*.  \nAlways.",
        )
    },
    {"repost": 1},
)

SAMPLES = {
    "linkedin": LINKEDIN,
    "linkedin page": LINKEDIN_PAGE,
    "medium": MEDIUM,
    "substack": SUBSTACK,
    "x": X,
    "notes": NOTES,
    "notion": NOTION,
    "chatgpt": CHATGPT,
    "claude": CLAUDE,
    "feed": FEED,
}
