"""The sample author: who she is, which of her links the demo collects, what it asks, and what it must not store.

Her pages lie in `sites/<host>/` as they are served; `{{origin:blog}}` stands for the address of `blog.localhost`.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

SITES = Path(__file__).with_name("sites")
HOSTS = ("blog", "letters", "newsletter", "social", "git")  # each with `.localhost` behind it

AUTHOR = "Mira Okafor"
ALIASES = ("mira",)


class SampleLink(NamedTuple):
    """One link of the sample author; `expand` as in a run file."""

    host: str
    path: str
    expand: int = 0


LINKS = (
    SampleLink("blog", "/feed.xml", expand=10),
    SampleLink("letters", "/the-coldest-field-in-the-parish-7c1e94a0b35d"),
    SampleLink("newsletter", "/p/two-barometers"),
    SampleLink("social", "/@mira/114127700512349"),
    SampleLink("git", "/mira/rainlog.git"),
)
# What the feed leads to, newest first.
BLOG_POSTS = (
    "/posts/eleven-months-on-one-cell.html",
    "/posts/tipping-bucket.html",
    "/posts/saucer-shield.html",
    "/posts/small-garden-siting.html",
)
# For members only, so not among the links of the demo.
LOCKED = SampleLink("letters", "/a-year-of-clouds-by-hand-2f80d6e4a91b")

# (question, part of the link that should come first); asked in other words than the pages use.
QUESTIONS: tuple[tuple[str, str], ...] = (
    ("How do I protect a thermometer from sunlight?", "/posts/saucer-shield"),
    (
        "Why is the bottom of a valley colder than the hill above it on still nights?",
        "/the-coldest-field-in-the-parish",
    ),
)

# Stands on the served pages around the texts, in menus, forms, share bars and comments: never part of a document.
BOILERPLATE = (
    "Accept cookies",
    "Never miss a cloud",
    "Subscribe to get one letter a month",
    "unsubscribe at any time",
    "Most read this month",
    "Browse by topic",
    "Share this post",
    "Mail it to a friend",
    "Related posts",
    "comments on this post",
    "Nail varnish does not count",
    "The needle-and-bottle test is going straight",
    "We have built six of these with the school club",
    "I used tomato canes",
    "Leave a reply",
    "Powered by a small static generator",
    "Back to top",
    "Open in app",
    "Written by Mira Okafor",
    "What are your thoughts?",
    "Our orchard has a corner exactly like it",
    "Recommended from the same shelf",
    "nettle tea",
    "Text to speech",
    "Join for free to receive new letters",
    "Share this letter",
    "Discussion about this post",
    "My aneroid went to the same clockmaker",
    "More letters you might like",
    "Start your own newsletter",
    "Create account",
    "speak to its lawyer",
    "Keyboard shortcuts",
)
