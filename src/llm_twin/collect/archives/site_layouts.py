"""Where a static site shows a note: what its front matter and the site's settings say, else what Jekyll and Hugo do.

Sources: Jekyll's documentation of permalinks, Hugo's of URL management; `src/content/` is Astro's.
"""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from llm_twin.collect.archives.container import Archive
from llm_twin.collect.archives.front_matter import FrontMatter, values_of

JEKYLL = ("_config.yml", "_config.yaml")
SETTINGS = (*JEKYLL, "hugo.toml", "hugo.yaml", "hugo.yml", "hugo.json", "config.toml")
MOST = 64 << 10  # bytes of settings
FOLDERS_UP = 5
STYLES = {
    "date": "/:categories/:year/:month/:day/:title:output_ext",
    "pretty": "/:categories/:year/:month/:day/:title/",
    "ordinal": "/:categories/:year/:y_day/:title:output_ext",
    "none": "/:categories/:title:output_ext",
}
OF_DATES = {"year": "%Y", "short_year": "%y", "month": "%m", "day": "%d", "y_day": "%j"}
MAY_BE_EMPTY = ("categories", "path", "section", "sections")
PAGES = re.compile(r"(?:src/)?content/(.+)")
DATED = re.compile(r"(\d{4}-\d\d-\d\d)-")
NAMED = re.compile(r":([a-z_]+)")
NO_SLUG = re.compile(r"[^\w.~!$&'()+,;=@-]+")


class Layout(NamedTuple):
    """How a site makes links of its notes."""

    root: str = ""  # the folder in the archive that holds the site, with a slash
    above: str = ""  # where in the site the archive lies, with a slash
    jekyll: bool = False
    permalink: object = None  # Jekyll's setting
    sections: object = None  # Hugo's, by section

    def place(self, path: str, about: FrontMatter) -> str:
        """What a note's link ends in; "" where nothing but its name tells."""
        stem = (self.above + path.removeprefix(self.root)).rpartition(".")[0]
        folder, post, _ = f"/{stem}".partition("/_posts/")
        pages = PAGES.match(stem)
        parts = [part for part in (pages[1] if pages else stem).split("/") if part]
        dated = DATED.match(parts[-1])
        moment = about.published_at or (datetime.fromisoformat(dated[1]) if dated and _is_day(dated[1]) else None)
        own = parts[-1][dated.end() :] if dated and post else parts[-1]
        if pages and own in ("index", "_index"):
            parts.pop()
            own = parts[-1] if parts else ""
        if pages:
            parts = [*parts[:-1], about.slug or parts[-1]] if parts else []
        values = {
            "title": _slug(about.slug or (own if post else about.title.lower())),
            "slug": _slug(about.slug or (own if post else about.title.lower() or own)),
            "name": _slug(own),
            "filename": own,
            "contentbasename": own,
            "basename": own,
            "path": folder.strip("/"),
            "categories": "/".join(_slug(each.lower()) for each in (*folder.split("/"), *about.categories) if each),
            "section": parts[0] if len(parts) > 1 else "",
            "sections": "/".join(parts[:-1]),
            "output_ext": ".html",
        }
        if moment:
            values |= {name: f"{moment:{form}}" for name, form in OF_DATES.items()}
            values |= {"i_month": f"{moment.month}", "i_day": f"{moment.day}"}
        patterns = (about.place, *self._patterns(parts, bool(post), bool(pages)))
        return next((place for pattern in patterns if (place := _filled(pattern, values))), "")

    def _patterns(self, parts: list[str], post: bool, pages: bool) -> tuple[str, ...]:
        """What the settings say, then what is usual."""
        if post:
            style = self.permalink if isinstance(self.permalink, str) else "date"
            return STYLES.get(style, style), STYLES["date"]
        if pages:
            known = self.sections if isinstance(self.sections, dict) else {}
            known = known["page"] if isinstance(known.get("page"), dict) else known
            own = known.get(parts[0]) if len(parts) > 1 else None
            usual = "/" + "".join(f"{part}/" for part in parts).lower().replace(" ", "-")
            return own if isinstance(own, str) else usual, usual
        if not self.jekyll:
            return ()
        pretty = isinstance(self.permalink, str) and (self.permalink == "pretty" or self.permalink.endswith("/"))
        stem = "/".join(parts).removesuffix("index")
        return ("/" + (stem if not stem or stem.endswith("/") else f"{stem}/" if pretty else f"{stem}.html"),)


def layout_of(archive: Archive) -> Layout:
    """The layout of the site that an archive is, or is a part of."""
    inside = [path for path in archive.members if path.rpartition("/")[2] in SETTINGS]
    if inside:
        path = min(inside, key=lambda each: (each.count("/"), each))
        folder, _, name = path.rpartition("/")
        return _read(name, archive.head(path, MOST))._replace(root=f"{folder}/" if folder else "")
    folder_of = archive.path.resolve()
    if archive.path.is_file():
        if list(archive.members) != [archive.path.name]:  # a zip
            return Layout()
        folder_of = folder_of.parent
    for each in (folder_of, *folder_of.parents)[:FOLDERS_UP]:
        for name in SETTINGS:
            if (each / name).is_file():
                above = folder_of.relative_to(each).as_posix()
                return _read(name, _head(each / name))._replace(above="" if above == "." else f"{above}/")
    return Layout()


def _read(name: str, source: bytes) -> Layout:
    found = values_of("+++" if name.endswith(".toml") else "---", source.decode("utf-8", "replace"))
    values: dict[Any, Any] = found if isinstance(found, dict) else {}
    jekyll = name in JEKYLL
    return Layout(jekyll=jekyll, permalink=values.get("permalink"), sections=values.get("permalinks"))


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MOST)
    except OSError:
        return b""


def _filled(pattern: str, values: dict[str, str]) -> str:
    """A pattern with its names written out; "" where one is not known."""
    if not pattern or not all(values.get(name) or name in MAY_BE_EMPTY for name in NAMED.findall(pattern)):
        return ""
    filled = NAMED.sub(lambda found: values.get(found[1], ""), pattern)
    return "/" + quote(re.sub(r"/{2,}", "/", filled).lstrip("/"), safe="/%")


def _slug(text: str) -> str:
    return NO_SLUG.sub("-", text).strip("-")


def _is_day(text: str) -> bool:
    try:
        return bool(datetime.fromisoformat(text))
    except ValueError:
        return False
