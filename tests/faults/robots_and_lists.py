"""robots.txt, sitemaps and feeds that go wrong."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from blog import SAILS, page
from faults.pages import PNG
from faults.server import HANG, Ask, answer
from faults.table import FAULTS, GOOD, Fault, bomb, chunked, fault


def rules(name: str, does: str, ends: str, *parts: bytes | float, **options: Any) -> None:
    """Register a server whose page is good and whose robots.txt is what is given."""

    def behaviour(ask: Ask) -> Iterator[bytes | float]:
        yield from parts if ask.path == "/robots.txt" else (answer(GOOD),)

    FAULTS.append(Fault(name, does, ends, behaviour, rules=True, **options))


PLAIN = {"content-type": "text/plain"}
rules(
    "robots-forbids",
    "forbids the page in robots.txt",
    "skipped(robots)",
    answer("User-agent: *\nDisallow: /", headers=PLAIN),
)
rules("robots-500", "answers 500 for robots.txt", "failed(robots)", answer("oops", "500 Internal Server Error"))
rules("robots-429", "answers 429 for robots.txt", "failed(rate_limited)", answer("later", "429 Too Many Requests"))
rules("robots-403", "answers 403 for robots.txt", "new", answer("no", "403 Forbidden"))
rules("robots-silent", "never answers for robots.txt", "failed(timeout)", HANG)
rules(
    "robots-loop",
    "redirects robots.txt to itself",
    "new",
    answer(status="302 Found", headers={"location": "/robots.txt"}),
    requests=12,
)
rules("robots-html", "sends its home page as robots.txt", "new", answer(GOOD))
rules("robots-binary", "sends a picture as robots.txt", "new", answer(PNG, headers=PLAIN))
rules(
    "robots-delay",
    "asks for a day between two requests",
    "new",
    answer("User-agent: *\nCrawl-delay: 86400", headers=PLAIN),
)
rules(
    "robots-stars",
    "forbids with 5,000 patterns of stars",
    "new",
    answer("User-agent: *\n" + "Disallow: /*a*b*c*d*e*f*g*h\n" * 5000, headers=PLAIN),
    path="/" + "abcdefg" * 200,
)


@fault("sends a robots.txt without an end", "new", rules=True, seconds=8)
def robots_endless(ask: Ask) -> Iterator[bytes | float]:
    if ask.path != "/robots.txt":
        yield answer(GOOD)
        return
    yield answer(headers={**PLAIN, "transfer-encoding": "chunked"})
    while True:
        yield chunked(b"User-agent: *\nDisallow: /private\n" * 1000)


def listing(name: str, does: str, ends: str, body: bytes | str, kind: str, path: str, **options: Any) -> None:
    """Register a server with a list at `path` and good pages everywhere else."""

    def behaviour(ask: Ask) -> Iterator[bytes | float]:
        yield (
            answer(body, headers={"content-type": kind})
            if ask.path == path
            else answer(page(f"Post {ask.path}", *SAILS))
        )

    FAULTS.append(Fault(name, does, ends, behaviour, path=path, expand=2, **{"seconds": 6.0, **options}))


def urls(links: list[str], kind: str = "url") -> str:
    """A sitemap, or with `sitemap` an index of sitemaps."""
    root = {"url": "urlset", "sitemap": "sitemapindex"}[kind]
    entries = "".join(f"<{kind}><loc>{link}</loc></{kind}>" for link in links)
    return f'<?xml version="1.0"?><{root} xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{entries}</{root}>'


def feed(*items: tuple[str, str]) -> str:
    """An RSS feed of (link, date)."""
    entries = "".join(f"<item><link>{link}</link><pubDate>{date}</pubDate></item>" for link, date in items)
    return f'<?xml version="1.0"?><rss version="2.0"><channel><title>Blog</title>{entries}</channel></rss>'


XML = "application/xml"
listing(
    "sitemap-of-10000",
    "lists 10,000 pages in a sitemap, of which two are wanted",
    "expanded",
    urls([f"http://sitemap-of-10000.example/{number}" for number in range(10_000)]),
    XML,
    "/sitemap.xml",
    requests=4,
)
listing(
    "sitemap-bomb",
    "sends a sitemap that unpacks to 60 MB",
    "failed(too_large)",
    bomb("gzip", 60),
    "application/gzip",
    "/sitemap.xml.gz",
)
listing(
    "sitemap-cut",
    "sends a sitemap that breaks off",
    "expanded",
    urls([f"http://sitemap-cut.example/{number}" for number in range(50)])[:1500],
    XML,
    "/sitemap.xml",
)
listing(
    "sitemap-in-itself",
    "sends an index of sitemaps that lists itself",
    "failed(empty)",
    urls(["http://sitemap-in-itself.example/sitemap.xml"] * 3, "sitemap"),
    XML,
    "/sitemap.xml",
    requests=4,
)
listing(
    "sitemap-elsewhere",
    "lists pages of other hosts in its sitemap",
    "failed(empty)",
    urls(["http://10.0.0.1/admin", "http://elsewhere.example/"]),
    XML,
    "/sitemap.xml",
    requests=2,
)


@fault(
    "names a sitemap in a private network in its robots.txt",
    "failed(empty)",
    rules=True,
    proxied=True,
    path="/",
    expand=2,
    seconds=6,
)
def sitemap_inside(ask: Ask) -> Iterator[bytes | float]:
    if ask.path == "/robots.txt":
        yield answer("Sitemap: http://169.254.169.254/sitemap.xml", headers=PLAIN)
    elif ask.path == "/":
        yield answer("<title>Blog</title><h1>Blog</h1><p>Hello")
    else:
        yield answer("nothing", "404 Not Found")


listing(
    "feed-bad-dates",
    "dates the items of its feed with nonsense",
    "expanded",
    feed(("http://feed-bad-dates.example/1", "99 Foo 99999"), ("http://feed-bad-dates.example/2", "soon")),
    "application/rss+xml",
    "/feed.xml",
)
listing(
    "feed-bad-links",
    "lists what is no link in its feed",
    "failed(empty)",
    feed(("javascript:alert(1)", ""), ("http://", ""), ("file:///etc/passwd", "")),
    "application/rss+xml",
    "/feed.xml",
)
listing(
    "feed-laughs",
    "defines entities in its feed that multiply (billion laughs)",
    "failed(bad_data)",
    '<?xml version="1.0"?><!DOCTYPE rss [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]><rss><channel>&b;</channel></rss>',
    "application/rss+xml",
    "/feed.xml",
)
listing("feed-empty", "sends a feed without items", "failed(empty)", feed(), "application/rss+xml", "/feed.xml")
