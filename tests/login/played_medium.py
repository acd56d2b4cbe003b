"""Medium as it looks to strangers and to members: stories, a profile that grows while it is scrolled, feeds."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, quote

from played import HTML, MEDIUM, Played, sent_to

from server import Answer, Request

OWN = "stories-of-ada.example"  # Medium on a domain of its own
SENTENCES = [
    f"Paragraph {number} says what a careful reader of engines would want to know about part {number} of them."
    for number in range(1, 13)
]
PAGE = """<!doctype html><html><head><title>{title} | by Ada | Medium</title>
<meta property="al:android:package" content="com.medium.reader"/>
<meta property="al:android:url" content="medium://p/{id}"/>
<link rel="canonical" href="{link}"/></head><body><article><h1>{title}</h1>{shown}</article>
<script>window.__APOLLO_STATE__ = {state}</script></body></html>"""
PROFILE = """<!doctype html><html><head><title>Ada - Medium</title></head><body>
<main><p>Ada writes about engines, now and then.</p></main><aside>
<a href="/@somebody/not-ada-s-story-ffffffffff01">Read this too</a></aside>
<script>window.__APOLLO_STATE__ = {state}</script><script>
let shown = 0, busy = false;
async function more() {{
  if (busy) return; busy = true;
  const found = await (await fetch('/_/stories?from=' + shown)).json();
  for (const [link, title] of found) {{
    const article = document.createElement('article');
    article.style.height = '300px';
    article.innerHTML = `<a href="/@ada">Ada</a><a href="${{link}}?source=user_profile"><h2>${{title}}</h2></a>` +
      `<a href="${{link}}?responsesOpen=true#responses">3</a>`;
    document.querySelector('main').append(article);
  }}
  shown += found.length; busy = false;
}}
addEventListener('scroll', () => {{ if (innerHeight + scrollY > document.body.scrollHeight - 400) more(); }});
more();
</script></body></html>"""


@dataclass
class Medium:
    """Routes on the played server. `stories` are those of the profile, newest first."""

    played: Played
    stories: list[tuple[str, str]] = field(default_factory=list)

    def story(self, host: str, slug: str, title: str = "The inner life of gears", **more: Any) -> str:
        """A story for members alone; its link."""
        name = slug.rpartition("-")[2]
        link = f"https://{host}/{slug}"

        def answer(request: Request) -> Answer:
            return self._page(name, link, title, self.played.medium_knows(request), more)

        self.played.server.route(host, f"/{slug}", answer)
        return link

    def _page(self, name: str, link: str, title: str, knows: bool, more: dict[str, Any]) -> Answer:
        whole = knows or not more.get("locked", True)
        texts = SENTENCES if whole else SENTENCES[:2]
        paragraphs = [{"type": "P", "text": text} for text in texts] + (more.get("paragraphs", []) if whole else [])
        entities: dict[str, Any] = {
            f"Paragraph:{name}_{number}": {**paragraph, "markups": paragraph.get("markups", [])}
            for number, paragraph in enumerate(paragraphs)
        }
        entities |= more.get("entities", {})
        entities["ROOT_QUERY"] = {"viewer": {"__ref": "User:ada"} if knows else None}
        entities["User:ada"] = {"name": "Ada Example", "username": "ada"}
        entities[f"Post:{name}"] = {
            "id": name,
            "title": title,
            "mediumUrl": link,
            "isLocked": more.get("locked", True),
            "visibility": "LOCKED" if more.get("locked", True) else "PUBLIC",
            "firstPublishedAt": 1_700_000_000_000,
            "creator": {"__ref": "User:ada"},
            "sequence": more.get("sequence"),
            "inResponseToPostResult": more.get("response_to"),
            'content({"postMeteringOptions":{}})': {
                "isLockedPreviewOnly": not whole,
                "bodyModel": {"paragraphs": [{"__ref": f"Paragraph:{name}_{n}"} for n in range(len(paragraphs))]},
            },
        }
        shown = "".join(f"<p>{text}</p>" for text in texts)
        body = PAGE.format(id=name, title=title, link=link, shown=shown, state=json.dumps(entities))
        return Answer(body, 200, HTML)

    def subdomain(self, host: str, feed: list[str], sitemap: list[str]) -> None:
        """What a profile with a subdomain of its own lists."""
        items = "".join(f"<item><title>T</title><link>{link}?source=rss-1------2</link></item>" for link in feed)
        rss = f'<?xml version="1.0"?><rss version="2.0"><channel><title>Ada</title>{items}</channel></rss>'
        self.played.server.route(host, "/feed", body=rss, content_type="application/rss+xml")
        urls = "".join(f"<url><loc>{link}</loc></url>" for link in sitemap)
        found = f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{urls}</urlset>'
        self.played.server.route(host, "/sitemap.xml", body=found, content_type="application/xml")

    def identity(self) -> None:
        """Medium tells domains of others who somebody is, by a word in the address."""

        def answer(request: Request) -> Answer:
            back = parse_qs(request.query)["redirectUrl"][0]
            return sent_to(f"{back}?gi={'member' if self.played.medium_knows(request) else 'stranger'}")

        self.played.server.route(MEDIUM, "/m/global-identity-2", answer)

    def on_own_domain(self, request: Request, link: str) -> Answer:
        """A story that is first asked for sends its reader to Medium, to be told who it is."""
        if not request.query:
            return sent_to(f"https://{MEDIUM}/m/global-identity-2?redirectUrl={quote(link)}")
        return self._page(link[-12:], link, "The inner life of gears", request.query == "gi=member", {})

    def profile(self, stories: int) -> None:
        """The profile of @ada: a feed of ten, a page that holds ten more and grows."""
        self.stories = [
            (f"https://medium.com/@ada/story-{number}-{number:012x}", f"Story {number}")
            for number in range(stories + 0xA00000000000, 0xA00000000000, -1)
        ]
        items = "".join(
            f"<item><title>{title}</title><link>{link}?source=rss-1------2</link></item>"
            for link, title in self.stories[:10]
        )
        feed = f'<?xml version="1.0"?><rss version="2.0"><channel><title>Ada</title>{items}</channel></rss>'
        route = self.played.server.route
        route(MEDIUM, "/feed/@ada", body=feed, content_type="application/rss+xml")
        state: dict[str, Any] = {
            f"Post:{link[-12:]}": {"mediumUrl": link, "title": title, "creator": {"__ref": "User:1"}}
            for link, title in self.stories[:15]
        }
        state["User:1"] = {"username": "ada"}
        answered = {"mediumUrl": "https://medium.com/@ada/i-agree-eeeeeeeeee01", "creator": {"__ref": "User:1"}}
        state["Post:eeeeeeeeee01"] = {**answered, "inResponseToPostResult": {"__ref": "Post:eeeeeeeeee02"}}
        route(MEDIUM, "/@ada", body=PROFILE.format(state=json.dumps(state)))

        def some(request: Request) -> Answer:
            start = int(parse_qs(request.query)["from"][0])
            found = json.dumps(self.stories[start : start + 10])
            return Answer(found, 200, {"content-type": "application/json"})

        route(MEDIUM, "/_/stories", some)
