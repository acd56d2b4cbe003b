"""Front matter of Markdown files: YAML between `---`, TOML between `+++`. Only plain values are read from it."""

from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime
from typing import Any, NamedTuple

from llm_twin.collect.archives.plain import written

BLOCK = re.compile(r"\A\s*(---|\+\+\+)[ \t]*\r?\n(.*?)^(?:\1|\.\.\.)[ \t]*(?:\r?\n|\Z)", re.S | re.M)
LONGEST = 64 << 10  # characters; what is longer is text
MOST_LINES = 200  # of front matter that is mended
VALUE = re.compile(r"^([ \t]*[\w][\w -]{0,60}:[ \t]+)(\S.*?)[ \t]*$", re.M)
DRAFT = re.compile(r"^(?:draft\s*[:=][ \t\"']*(?:true|yes)|publish(?:ed)?\s*[:=][ \t\"']*(?:false|no))\b", re.M | re.I)
YES = ("true", "yes")
DATES = ("date", "published", "published_at", "pubDate", "publishDate", "created", "created_at", "date created")
LINKS = ("canonical_url", "canonical", "link", "url", "source_url", "permalink")
PLACES = ("permalink", "url", "slug")
PLACE = re.compile(r"/\S{0,1000}")


class FrontMatter(NamedTuple):
    """What a note says about itself."""

    title: str = ""
    published_at: datetime | None = None
    link: str = ""  # absolute
    tags: tuple[str, ...] = ()
    draft: bool = False
    place: str = ""  # on its site, as `/bread/`; generators fill in names as `:year`
    slug: str = ""  # the last part of that
    categories: tuple[str, ...] = ()
    drawing: bool = False  # Excalidraw's


def split(text: str) -> tuple[FrontMatter, str]:
    """The front matter and the text below it. What can't be read as such is part of the text."""
    found = BLOCK.match(text)
    if not found or len(found[2]) > LONGEST:
        return FrontMatter(), text
    values = _values(found[1], found[2])
    if values is None:
        return FrontMatter(draft=DRAFT.search(found[2]) is not None), text
    values = {str(name).casefold(): value for name, value in list(values.items())[:200]}
    links = (_text(values.get(name)) for name in LINKS)
    dates = (_moment(values.get(name.casefold())) for name in DATES)
    shown = [values.get(name) for name in ("published", "publish")]
    draft = _text(values.get("draft")).casefold() in YES or values.get("draft") is True or False in shown
    return FrontMatter(
        title=_text(values.get("title")),
        published_at=next((moment for moment in dates if moment), None),
        link=next((link for link in links if link.startswith(("http://", "https://"))), ""),
        tags=_tags(values.get("tags") or values.get("keywords")),
        draft=draft,
        place=next((place for name in PLACES if (place := PLACE.fullmatch(_text(values.get(name))))), [""])[0],
        slug=_text(values.get("slug")).strip("/"),
        drawing="excalidraw-plugin" in values,
        categories=_tags(values.get("categories") or values.get("category")),
    ), text[found.end() :]


def _values(mark: str, source: str) -> dict[Any, Any] | None:
    found = values_of(mark, source)
    if found is None and mark == "---" and source.count("\n") <= MOST_LINES:
        found = values_of(mark, VALUE.sub(_quoted, source))
    return found if isinstance(found, dict) else {} if not source.strip() else None


def values_of(mark: str, source: str) -> object:
    """What YAML (mark `---`) or TOML (`+++`) holds; None where it is no YAML or TOML, or empty."""
    import tomllib

    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast where libyaml is there
    try:
        return tomllib.loads(source) if mark == "+++" else yaml.load(source, loader)  # noqa: S506 - both are safe
    except (yaml.YAMLError, ValueError, TypeError, RecursionError, OverflowError, AttributeError):
        return None


def _quoted(found: re.Match[str]) -> str:
    """A line whose value is no YAML by itself, as in `title: On bread: a start`, with the value in quotes."""
    value = values_of("---", found[2])
    broken = value is None or (isinstance(value, dict) and not found[2].startswith("{"))
    return found[1] + (json.dumps(found[2]) if broken else found[2])


def _text(value: object) -> str:
    """A plain value as text; nothing for what holds others, which aliases can make endless."""
    return str(value).strip() if isinstance(value, str | int | float) and not isinstance(value, bool) else ""


def _tags(value: object) -> tuple[str, ...]:
    each = value.replace(",", " ").split() if isinstance(value, str) else value if isinstance(value, list) else []
    return tuple(tag for tag in (_text(one).lstrip("#")[:100] for one in each[:100]) if tag)


def _moment(value: object) -> datetime | None:
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    return datetime(value.year, value.month, value.day, tzinfo=UTC) if isinstance(value, date) else written(value)
