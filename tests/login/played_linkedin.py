"""LinkedIn's activity page, as it grows while it is scrolled, in three layouts and one that nobody knows.

Written after what saved pages of these years have in common; names and texts are invented.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

from played import HTML, LINKEDIN, Played, sent_to, shown

from server import Answer, Request

NEWEST = datetime(2026, 11, 1, 12, tzinfo=UTC)
ACTIVITY = "/in/ada-example/recent-activity/all/"
ARTICLES = "/in/ada-example/recent-activity/articles/"
PROFILE = f"https://{LINKEDIN}/in/ada-example"
NAMES = {
    "2024": {"text": "update-components-update-v2__commentary", "name": "update-components-actor__title"},
    "2023": {"text": "feed-shared-update-v2__commentary", "name": "update-components-actor__name"},
    "2021": {"text": "feed-shared-text", "name": "update-components-actor__name"},
    "2031": {"text": "x7f2a", "name": "q91bb", "actor": "zz81c"},  # of days to come
}
PAGE = """<!doctype html><html><head><title>Activity | Ada Example | LinkedIn</title></head>
<body><main><div id=list>%s</div></main>
<code style="display:none">%s</code>
<script>
let next = %d, busy = false;
document.addEventListener('click', event => {
  const more = event.target.closest('.see-more');
  if (!more) return;
  const text = more.parentElement.querySelector('[data-whole]');
  setTimeout(() => { text.innerHTML = text.dataset.whole; more.remove(); }, 30);
});
addEventListener('scroll', async () => {
  if (busy || innerHeight + scrollY < document.body.scrollHeight - 200) return;
  busy = true;
  const answer = await fetch('/voyager/api/feed?start=' + next);
  const {html, count, to} = await answer.json();
  if (to) { location = to; return; }
  document.querySelector('#list').insertAdjacentHTML('beforeend', html);
  next += count; busy = !count;
});
</script></body></html>"""


@dataclass(frozen=True)
class Post:
    """One entry of the page."""

    number: int
    layout: str = "2024"
    kind: str = "post"  # reshare, repost, bare: without words
    more: dict[str, Any] = field(default_factory=dict)

    @property
    def at(self) -> datetime:
        return NEWEST - timedelta(days=self.number)

    @property
    def activity(self) -> str:
        return f"urn:li:activity:{(int(self.at.timestamp() * 1000) << 22) + self.number}"

    @property
    def share(self) -> str:
        return f"urn:li:share:{((int(self.at.timestamp() * 1000) - 400) << 22) + 7}"

    @property
    def words(self) -> str:
        """What is said, as the data export has it."""
        return f"Note {self.number} on gears.\n\nThey turn, and turn again. Thanks, Charles Babbage! #engines #gears"

    @property
    def html(self) -> str:
        classes = {"actor": "update-components-actor", **NAMES[self.layout]}
        hashtag = (
            "<a href='/feed/hashtag/?keywords={0}&highlightedUpdateUrns=1'><span class=visually-hidden>hashtag</span>"
            "<span><span aria-hidden=true>#</span>{0}</span></a>"
        )
        whole = (
            f"<span dir=ltr>Note {self.number} on gears.<br><br>They turn, and turn again. Thanks, "
            f"<a href='https://www.linkedin.com/in/charles?miniProfileUrn=urn%3Ali'>Charles Babbage</a>! "
            f"{hashtag.format('engines')} {hashtag.format('gears')}</span>"
        )
        cut = f"<span dir=ltr>Note {self.number} on gears.</span>"
        button = "<button class='feed-shared-inline-show-more-text__see-more-less-toggle see-more'>…more</button>"
        text = f"<div class='{classes['text']}'><div class=update-components-text><span class=break-words "
        text += f'data-whole="{whole}">{cut}</span></div>{button}</div>'
        other = self._actor(classes, "grace", "Grace Hopper") + f"<div class={classes['text']}><div "
        other += "class=update-components-text><span>A story by somebody else altogether.</span></div></div>"
        if self.kind == "repost":
            top = "<div class=update-components-header><a href='/in/ada-example/'>Ada</a> reposted this</div>"
            inside = top + other
        elif self.kind == "reshare":
            nest = "update-components-mini-update-v2" if self.layout == "2024" else "some-wrapper"
            inside = self._actor(classes, "ada-example", "Ada Example") + text + f"<div class={nest}>{other}</div>"
        else:
            text = "" if self.kind == "bare" else text
            inside = self._actor(classes, "ada-example", "Ada Example") + text + self.more.get("parts", "")
        counts = (
            f"<button class=social-details-social-counts__reactions aria-label='1,{self.number:03} reactions'>"
            f"<span>Bob and 1,{self.number:03} others</span></button>"
            f"<li class=social-details-social-counts__comments><button aria-label='12 comments'>12</button></li>"
        )
        post = f"<div class=feed-shared-update-v2 data-urn='{self.activity}'>{inside}{counts}"
        comment = f"<article data-id='urn:li:comment:({self.activity[7:]},7)'>Nice!</article>"
        return f"<div style='min-height:150px'>{post}{comment}</div></div>"

    def _actor(self, classes: dict[str, str], handle: str, name: str) -> str:
        return (
            f"<div class='{classes['actor']}'><a class=update-components-actor__meta-link "
            f"href='https://www.linkedin.com/in/{handle}?miniProfileUrn=1'><span class={classes['name']}>"
            f"<span aria-hidden=true>{name}</span><span class=visually-hidden>{name}</span></span></a>"
            f"<span class=update-components-actor__sub-description><span aria-hidden=true>2mo • Edited • </span>"
            f"<span class=visually-hidden>2 months ago • Edited • Visible to anyone</span></span></div>"
        )


ADVERTISEMENT = "<div class=feed-shared-update-v2 data-urn='urn:li:inAppPromotion:12345'>Try Premium for free</div>"


@dataclass(frozen=True)
class Article:
    """A long-form article, shown by a post of its own in the tab of articles."""

    slug: str
    number: int  # days before the newest post
    by: str = "ada-example"

    @property
    def link(self) -> str:
        return f"https://{LINKEDIN}/pulse/{self.slug}"

    @property
    def title(self) -> str:
        return self.slug.replace("-", " ").capitalize()

    def answer(self, request: Request) -> Answer:
        at = f"{Post(self.number).at:%Y-%m-%d}"
        said = "".join(f"<p>Gear {number} of {self.title} turns the one beside it.</p>" for number in range(20))
        who = f"<header><a href='https://{LINKEDIN}/in/{self.by}/'>The author</a></header>"
        text = f"<main>{who}<article><h1>{self.title}</h1><time datetime={at}>then</time>{said}</article></main>"
        return shown(f"{self.title} | LinkedIn", text)

    @property
    def card(self) -> str:
        inside = f"<a href='/pulse/{self.slug}/?trackingId=x%3D%3D'><img alt=''></a><a href='/pulse/{self.slug}/'>"
        return f"<li><div data-urn='{Post(self.number).activity}'>{inside}{self.title}</a></div></li>"


@dataclass
class LinkedIn:
    """Routes on the played server."""

    played: Played
    posts: list[Post]
    each: int = 20
    wall: tuple[int, str] = (10**9, "")  # after so many posts, where one is sent
    articles: list[Article] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.played.server.route(LINKEDIN, ACTIVITY, self._activity)
        self.played.server.route(LINKEDIN, "/voyager/api/feed", self._feed)
        self.played.server.route(LINKEDIN, ARTICLES, self._articles)
        for article in self.articles:
            self.played.server.route(LINKEDIN, f"/pulse/{article.slug}", article.answer)
        self.played.server.route(LINKEDIN, "/authwall", lambda _: shown("Sign Up | LinkedIn", "<main>Join</main>"))
        self.played.server.route(LINKEDIN, "/checkpoint/challenge/*", lambda _: shown("Security", "<main>Hm</main>"))

    def _data(self, posts: list[Post]) -> str:
        """As pages pair them: within one object, which has others in it, or around it; every fifth not at all."""
        updates: list[dict[str, Any]] = []
        for post in posts:
            tracking = {"trackingData": {"requestId": "1", "$type": "TrackingData"}}
            if post.number % 5 == 1:
                updates.append({"entityUrn": f"urn:li:fs_updateV2:({post.activity},MEMBER_SHARES)", "of": post.share})
            elif post.number % 5 == 2:
                entity = f"urn:li:fsd_update:({post.activity},MEMBER_SHARES)"
                updates.append({"entityUrn": entity, "metadata": {"shareUrn": post.share, **tracking}})
            else:
                metadata = {"shareUrn": post.share, **tracking, "urn": post.activity}
                updates.append({"updateMetadata": metadata})
        return json.dumps({"included": updates}, separators=(",", ":"))

    def _activity(self, request: Request) -> Answer:
        if not self.played.linkedin_knows(request):
            return sent_to("/authwall?trk=gf")
        first = self.posts[: self.each]
        html = ADVERTISEMENT + "".join(post.html for post in first)
        data = self._data(first).replace('"', "&quot;")
        return Answer(PAGE % (html, data, len(first)), 200, HTML)

    def _articles(self, request: Request) -> Answer:
        if not self.played.linkedin_knows(request):
            return sent_to("/authwall?trk=gf")
        cards = "".join(article.card for article in self.articles)
        aside = f"<aside><a href='https://{LINKEDIN}/pulse/read-this-too'>Read this too</a></aside>"
        return shown("Activity | LinkedIn", f"<main><ul>{cards}</ul></main>{aside if self.articles else ''}")

    def _feed(self, request: Request) -> Answer:
        start = int(parse_qs(request.query)["start"][0])
        some = self.posts[start : start + self.each]
        value: dict[str, Any] = {"html": "".join(post.html for post in some), "count": len(some)}
        value |= json.loads(self._data(some))
        if start >= self.wall[0]:
            value["to"] = self.wall[1]
            if "login" in self.wall[1]:
                self.played.accepted.clear()
        body = json.dumps(value, separators=(",", ":"))
        return Answer(body, 200, {"content-type": "application/vnd.linkedin.normalized+json+2.1"})
