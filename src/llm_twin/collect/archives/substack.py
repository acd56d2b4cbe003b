"""Substack's export: `posts.csv`, and the bodies as `posts/<post_id>.html`.

Version 1, from exports of 2022 to 2025. It does not say where the posts were published: links of posts to each other
do, or the name of the list of subscribers, or else `site`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from urllib.parse import urlsplit

from llm_twin.collect.archives.container import Archive
from llm_twin.collect.archives.formats import Broken, Item, Left, Wanted, attempt, made, reader
from llm_twin.collect.archives.plain import CONTROLS, day, limited, rows
from llm_twin.collect.reading.tame import tame
from llm_twin.collect.substack import cleaned, markdown
from llm_twin.errors import LinkError, Permanent, Reason, UsageError

VERSION = "substack export 1"
COLUMNS = ("post_id", "post_date", "is_published")
OWN = re.compile(r"https?://([\w.-]{4,100})/p/([\w-]{1,200})")
SUBSCRIBERS = re.compile(r"(?:^|/)email_list\.([a-z0-9-]+)\.csv$", re.I)
LOOKED_AT = 300  # bodies, to find out where they were published


def recognises(archive: Archive) -> bool:
    """A table of posts with Substack's columns."""
    return _table(archive) is not None


@reader("substack", "a Substack export", recognises=recognises)
def read(archive: Archive, wanted: Wanted) -> Iterator[Item]:
    """The posts; drafts and what was never published where they are wanted."""
    table = _table(archive)
    if table is None:
        return
    bodies = _bodies(archive)
    site = wanted.site or _site(archive, bodies)
    with archive.lines(table) as lines:
        for number, row in rows(limited(lines), *COLUMNS):
            where = f"{table}, row {number}"
            if isinstance(row, Permanent):
                yield Broken(where, row)
            else:
                yield from attempt(where, _post, archive, row, bodies, site, wanted)
    for path in bodies.values():
        if path not in archive.opened:
            archive.opened.add(path)
            yield Left(path, "not in posts.csv")


def _table(archive: Archive) -> str | None:
    for path in archive.members:
        if path.lower().endswith(".csv"):
            first = archive.head(path).decode("utf-8", "replace").lstrip("\ufeff").partition("\n")[0]
            if set(COLUMNS) <= set(re.split(r"[,\"\s]+", first)):
                return path
    return None


def _bodies(archive: Archive) -> dict[str, str]:
    """Where the body of each post id is."""
    return {path.rpartition("/")[2].removesuffix(".html"): path for path in archive.members if path.endswith(".html")}


def _site(archive: Archive, bodies: dict[str, str]) -> str:
    slugs = {name.partition(".")[2] for name in bodies}
    hosts: Counter[str] = Counter()
    for path in list(bodies.values())[:LOOKED_AT]:
        try:
            found = set(OWN.findall(archive.read(path)))
        except LinkError:  # told when its turn comes
            continue
        finally:
            archive.opened.discard(path)
        hosts.update(host.lower() for host, slug in found if slug in slugs and host.lower() != "open.substack.com")
    if hosts:
        return f"https://{hosts.most_common(1)[0][0]}/"
    for path in archive.members:
        if named := SUBSCRIBERS.search(path):
            return f"https://{named[1].lower()}.substack.com/"
    raise UsageError(
        f"import: {archive.path} does not say where its posts were published;"
        " give it as --site https://NAME.substack.com"
    )


def _post(archive: Archive, row: dict[str, str], bodies: dict[str, str], site: str, wanted: Wanted) -> Item:
    name = row.get("post_id", "").strip()
    path = bodies.get(name)
    published = row.get("is_published", "").strip().lower() in ("true", "1", "t", "yes")
    if path:
        archive.opened.add(path)
    if not published and not wanted.drafts:
        return Left(name, "draft")
    if not path:
        return Left(name, "without a body")
    slug = name.partition(".")[2] or name
    parts = urlsplit(site)
    link = f"{parts.scheme}://{parts.netloc}/p/{slug}"
    if not re.fullmatch(r"[\w.~-]+", slug):
        raise Permanent(Reason.BAD_DATA, f"{name[:80]!r} is no post id")
    html = cleaned(tame(CONTROLS.sub("", archive.read(path))))
    return made(
        wanted,
        path,
        link,
        platform="substack",
        kind="post" if row.get("type", "").strip() == "thread" else "article",
        title=row.get("title", ""),
        text=markdown(html, link),
        published_at=day(row.get("post_date")),
        subtitle=row.get("subtitle", "").strip(),
        type=row.get("type", "").strip(),
        audience=row.get("audience", "").strip(),
        podcast=row.get("podcast_url", "").strip(),
        draft=not published or None,
        parser=VERSION,
    )
