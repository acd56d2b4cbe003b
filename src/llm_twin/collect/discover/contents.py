"""What a response holds: a page, a feed, a sitemap. Read from the content that comes back, never from a file name."""

from __future__ import annotations

import re
from typing import Literal

from llm_twin.collect.pages import Page
from llm_twin.collect.reading.walls import may_be_packed_sitemap

Content = Literal["html", "feed", "sitemap", "other"]

HTML_TYPES = {"text/html", "application/xhtml+xml"}
UNTOLD_TYPES = {"", "application/octet-stream", "text/plain", "binary/octet-stream"}
FEED_ROOTS = {"rss", "feed", "rdf"}
SITEMAP_ROOTS = {"urlset", "sitemapindex"}
# Atomic, so that a page of broken comments can't make it try all ways to pair them.
PROLOGUE = rb"((?>\xef\xbb\xbf|\s|<\?[^>]*\?>|<!--.*?-->|<!doctype\s+[^\[>]*(?:\[.*?\]\s*)?>)*+)"
ROOT = re.compile(PROLOGUE + rb"<(?:[\w-]+:)?(\w+)", re.S | re.I)
PROLOGUE_WITHIN = 4000  # bytes


def content_of(page: Page) -> Content:
    """What a response holds. Servers mislabel feeds, so the root element decides before the content type does."""
    if page.content_type == "application/feed+json" or (
        page.content_type == "application/json" and b"jsonfeed.org/version/" in page.body[:1000]
    ):
        return "feed"
    if may_be_packed_sitemap(page):
        return "sitemap"
    match = ROOT.match(page.body[:PROLOGUE_WITHIN])
    root = match[2].decode("ascii", "replace").lower() if match else ""
    if root in FEED_ROOTS:
        return "feed"
    if root in SITEMAP_ROOTS:
        return "sitemap"
    if page.content_type in HTML_TYPES or (page.content_type in UNTOLD_TYPES and root == "html"):
        return "html"
    return "other"


def defines_entities(body: bytes) -> bool:
    """Whether an XML document brings entities of its own, which no honest feed does."""
    match = ROOT.match(body[:PROLOGUE_WITHIN])
    return match is not None and b"<!ENTITY" in match[1]
