"""An invented blog for tests: pages with a menu, an article and a footer."""

from __future__ import annotations

PAGE = """<!doctype html><html lang="en"><head><title>{title} | Blog</title>
<meta property="og:title" content="{title}"><meta name="author" content="Ada Example">
<meta property="article:published_time" content="2024-05-0{day}T08:00:00Z"></head>
<body><nav><a href="/">Home</a><a href="/about">About</a></nav>
<article><h1>{title}</h1>{body}</article><footer>All rights reserved</footer></body></html>"""


def page(title: str, *paragraphs: str, day: int = 1) -> str:
    """A blog page with an article of these paragraphs."""
    return PAGE.format(title=title, day=day, body="".join(f"<p>{text}</p>" for text in paragraphs))


BREAD = (
    "A sourdough starter is a culture of wild yeast and lactic acid bacteria that lives on flour and water.",
    "Feed the starter twice a day with equal weights of flour and water until it doubles within six hours.",
    "Bake the loaf in a closed cast-iron pot, so that its own steam keeps the crust soft while the bread rises.",
)
SAILS = (
    "A spinnaker is a large, light sail that is set in front of the boat when the wind comes from behind it.",
    "To gybe it, the crew moves the pole from one side of the mast to the other while the helmsman steers downwind.",
    "Beginners should practise the manoeuvre on land, without any wind, until every hand knows where it belongs.",
)
