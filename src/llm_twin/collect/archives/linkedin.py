"""LinkedIn's data export: `Shares.csv` (or `Shares_<id>.csv`), `Comments.csv`, `Articles/**/*.html`.

Version 1, from exports of 2020 to 2025. In shares a quote is written `""` and every line of a text is quoted, in
comments it is written `\\"`. Profiles, connections and the like are no posts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import chain, pairwise
from urllib.parse import unquote

from llm_twin.collect.archives.container import Archive, encoding_of
from llm_twin.collect.archives.formats import Broken, Item, Left, Wanted, attempt, made, reader
from llm_twin.collect.archives.plain import as_markdown, body_of, day, inner, limited, rows
from llm_twin.collect.reading.markdown import markdown_of
from llm_twin.collect.reading.trees import select
from llm_twin.documents import digest
from llm_twin.errors import Permanent

VERSION = "linkedin export 1"
OWN = re.compile(r"(?:comment|reply)Urn=[^&]*?,(\d{15,20})\)")
URN = re.compile(r"urn:li:(share|ugcPost|activity|groupPost):(?:\d+-)?(\d{15,20})")
SHARES = ("ShareLink", "ShareCommentary")
ROW = re.compile(r'(?:\d{4}-\d\d-\d\d [\d:]{5,8})?,"?https?://')  # how one of the comments begins
LAST_QUOTE = re.compile(r'(?<!\\)\\(?:\\\\)*"[\r\n]+$')
ARTICLE = re.compile(
    rb"<h1[^>]{0,300}>\s*<a\b[^>]{0,1000}linkedin\.com/pulse/|(?:Published|Created) on \d{4}-\d\d-\d\d"
)
COMMENTS = ("Date", "Link", "Message")
PERSON = ("First Name", "Last Name")
POST = "https://www.linkedin.com/feed/update/"
SINCE = datetime(2003, 5, 1, tzinfo=UTC)  # LinkedIn's first day
STAMP = re.compile(r"(Published|Created) on (\d{4}-\d\d-\d\d(?: \d\d:\d\d)?)")


def recognises(archive: Archive) -> bool:
    """A table of shares or comments, or LinkedIn's articles."""
    tables, pages = archive.some(".csv"), archive.some(".html")
    posts = any(_has(archive, path, SHARES) or _has(archive, path, COMMENTS) for path in tables)
    return posts or any(_is_article(archive, path) for path in pages)


def _nearly(archive: Archive) -> str:
    if not any(_has(archive, path, PERSON) for path in archive.some("profile.csv", "connections.csv")):
        return ""
    return "LinkedIn's basic export, which has no posts; ask for the complete one (the larger data archive)"


def post_link(urn: str) -> str:
    """The link of a post, as the browser shows it; `urn` as LinkedIn writes it anywhere, encoded or not."""
    found = URN.search(unquote(urn))
    return f"{POST}{found[0]}/" if found else urn


def published(urn: str) -> datetime | None:
    """When a post was published: the first 41 bits of its id count milliseconds since the epoch."""
    found = URN.search(unquote(urn))
    if not found:
        return None
    try:
        moment = datetime.fromtimestamp((int(found[2]) >> 22) / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return moment if moment > SINCE else None


@reader("linkedin", "a LinkedIn data export", recognises=recognises, nearly=_nearly)
def read(archive: Archive, wanted: Wanted) -> Iterator[Item]:
    """Shares, comments and articles."""
    for path in archive.members:
        if path.lower().endswith(".csv"):
            if _has(archive, path, SHARES):
                yield from attempt(path, _shares, archive, path, wanted)
            elif _has(archive, path, COMMENTS):
                yield from attempt(path, _comments, archive, path, wanted)
        elif path.lower().endswith(".html") and _is_article(archive, path):
            yield from attempt(path, _article, archive, path, wanted)


def _has(archive: Archive, path: str, columns: tuple[str, ...]) -> bool:
    head = archive.head(path)
    lines = head.decode(encoding_of(head), "replace").splitlines()[:20]
    return any(set(columns) <= set(re.split(r"[,\"\ufeff]+", line.strip())) for line in lines)


def _is_article(archive: Archive, path: str) -> bool:
    head = archive.head(path, 16_384)
    return b"linkedin.com/pulse/" in head and ARTICLE.search(head) is not None


def _shares(archive: Archive, path: str, wanted: Wanted) -> Iterator[Item]:
    with archive.lines(path) as lines:
        for number, row in rows(limited(lines), *SHARES):
            where = f"{path}, row {number}"
            if isinstance(row, Permanent):
                yield Broken(where, row)
            else:
                yield from attempt(where, _share, row, where, wanted)


def _share(row: dict[str, str], where: str, wanted: Wanted) -> Item:
    text = as_markdown(_unquoted(row.get("ShareCommentary", "")))
    if not text and row.get("MediaUrl", "").strip():
        return Left(where, "empty")  # a picture
    if not text:
        return Left(where, "repost")  # of somebody's post or page, without a word of the author's own
    shared = row.get("SharedUrl", "").strip()
    if shared and shared not in text:
        text += f"\n\n{shared}"
    urn = row.get("ShareLink", "").strip()
    return made(
        wanted,
        where,
        post_link(urn),
        platform="linkedin",
        kind="post",
        text=text,
        published_at=published(urn) or day(row.get("Date")),
        shared=shared,
        media=row.get("MediaUrl", "").strip(),
        visibility=row.get("Visibility", "").strip(),
        parser=VERSION,
    )


def _unquoted(text: str) -> str:
    """The text without the quotes that LinkedIn puts around each of its lines."""
    lines = text.replace("\r\n", "\n").split("\n")
    inside = len(lines) > 1 and all(line.startswith('"') for line in lines[1:])
    if not inside or not all(line.endswith('"') for line in lines[:-1]):
        return text.strip()
    return "\n".join(
        line[0 if index == 0 else 1 : len(line) if index == len(lines) - 1 else -1] if line != '"' else ""
        for index, line in enumerate(lines)
    ).strip()


def _comments(archive: Archive, path: str, wanted: Wanted) -> Iterator[Item]:
    moments: set[str] = set()
    with archive.lines(path) as lines:
        for number, row in rows(_doubled(limited(lines)), *COMMENTS):
            where = f"{path}, row {number}"
            if isinstance(row, Permanent):
                yield Broken(where, row)
            else:
                yield from attempt(where, _comment, row, where, moments, wanted)


def _doubled(lines: Iterable[str]) -> Iterator[str]:
    """Lines whose quotes are escaped as CSV escapes them; of backslashes before a quote, two stand for one.

    Between a backslash and the next row, or the end, a quote ends a comment, on a path such as `C:\\dir\\`.
    """
    for line, following in pairwise(chain(lines, [""])):
        if (last := LAST_QUOTE.search(line)) and (not following or ROW.match(following)):
            line = f"{line[: last.start()]}\\{last[0]}"
        yield re.sub(r'(?<!\\)(\\+)"', lambda found: "\\" * (len(found[1]) // 2) + '"' * (1 + len(found[1]) % 2), line)


def _comment(row: dict[str, str], where: str, moments: set[str], wanted: Wanted) -> Item:
    on, message, date = row.get("Link", "").strip(), row.get("Message", ""), row.get("Date", "").strip()
    # Exports give most comments no link of their own, and one post may have several. The second in which one was
    # written stays when it is edited; where there is none, or another has it, the words tell.
    name = digest(post_link(on), date)[:12]
    if own := OWN.findall(unquote(on)):
        name = own[-1]
    elif not date or name in moments:
        name = digest(date, message)[:12]
    moments.add(name)
    link = f"{post_link(on)}{'&' if '?' in post_link(on) else '?'}comment={name}"
    return made(
        wanted,
        where,
        link,
        platform="linkedin",
        kind="post",
        text=as_markdown(message),
        published_at=day(row.get("Date")),
        type="comment",
        in_reply_to=post_link(on),
        parser=VERSION,
    )


def _article(archive: Archive, path: str, wanted: Wanted) -> Item:
    page = body_of(archive.read(path))
    told = dict(STAMP.findall(str(page.text_content())))
    if "Published" not in told and not wanted.drafts:
        return Left(path, "draft")
    link = next((str(at) for at in select(page, "//h1//a/@href | //a/@href") if "linkedin.com/pulse/" in str(at)), "")
    title = " ".join(str(heading.text_content()) for heading in select(page, "//h1")[:1])
    stamps = [note for note in select(page, "//p") if STAMP.fullmatch(str(note.text_content()).strip())]
    for element in [*select(page, "//head | //style | //script | //h1"), *stamps]:
        element.drop_tree()
    return made(
        wanted,
        path,
        link,
        platform="linkedin",
        title=title,
        text=markdown_of(inner(page), link or None),
        published_at=day(told.get("Published") or told.get("Created")),
        draft="Published" not in told or None,
        parser=VERSION,
    )
