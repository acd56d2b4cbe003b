"""X's (Twitter's) archive: `data/tweets.js`, `tweets-part1.js`, …, old ones `tweet.js`; posts to communities in
`community-tweet.js`, long posts in `note-tweet.js`.

Version 1, from archives of 2019 to 2025. Each file is a JSON array behind `window.YTD.tweets.part0 = `. Reposts are
left out, a thread of replies to oneself is one document, short links are written out, an edited post is its last
version.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from typing import Any

from llm_twin.collect.archives.container import Archive
from llm_twin.collect.archives.formats import Broken, Item, Left, Wanted, attempt, made, reader
from llm_twin.collect.archives.plain import as_markdown, day, elements
from llm_twin.errors import LinkError, Permanent, Reason

VERSION = "x archive 1"
HEAD = re.compile(rb"^[\s\xef\xbb\xbf]*window\.YTD\.(tweets?|community_tweets?|note_tweets?)\.part\d+\s*=")
POST = "https://x.com/i/status/"  # stays when the author takes another name
# Where a long post is cut in the list of posts; addresses may follow.
CUT = re.compile(r"(?:…|\.\.\.)(?:\s{0,9}https?://\S+)?(?:\s+https?://\S+)*\s*$")
NAMES = re.compile(r"^(?:@\w+ )+")  # of those whom an answer goes to; its long form may lack them
TAIL = 200  # characters within which it is cut
AT_ONCE = 60  # seconds between a post and its long form, where no mark shows that it is cut
KEY = 48  # characters by which a post and its long form are found together
THREAD = 1000  # replies within each other, followed upwards

POSTS = (b"tweet", b"community_tweet")
# `entities` has the first picture of a post alone, `extended_entities` all.
ENTITIES = ("extended_entities", "entities")
KEPT = ("id_str", "id", "full_text", "text", "created_at", *ENTITIES, "in_reply_to_status_id_str", "edit_info")
Post = dict[str, Any]


def recognises(archive: Archive) -> bool:
    """A script that holds posts."""
    return bool(_files(archive, *POSTS))


@reader("x", "an X (Twitter) archive", recognises=recognises)
def read(archive: Archive, wanted: Wanted) -> Iterator[Item]:
    """The author's own posts and threads."""
    files = _files(archive, *POSTS)
    notes: dict[str, list[Post]] = {}
    for path in _files(archive, b"note_tweet"):
        yield from attempt(path, _read_notes, archive, path, notes)
    parents: dict[str, str] = {}  # every own post: what it answers, or nothing
    first: dict[str, str] = {}  # later versions of edited posts, which answers may name
    latest: dict[str, int] = {}  # of posts that were edited
    for path in files:  # once for who answers whom, so that only threads are held
        try:
            for post in _posts(archive, path):
                if not _is_repost(post):
                    parents[_id(post)] = _above(post)
                if later := _versions(post)[1:]:
                    first |= dict.fromkeys(later, _id(post))
                    latest[_id(post)] = max(latest.get(_id(post), 0), _number(post))
        except LinkError:
            continue  # told when it is read again
    # An archive holds the author's posts alone: what answers one of them answers oneself.
    parents = {name: first.get(above, above) for name, above in parents.items()}
    roots = {name: _root(name, parents) for name, above in parents.items() if above in parents and above}
    parents.clear()
    heads = set(roots.values())
    threads: dict[str, list[Post]] = {}
    for path in files:
        yield from attempt(path, _singles, archive, path, latest, roots, heads, threads, notes, wanted)
    for root, thread in threads.items():
        yield from attempt(f"thread {root}", _document, thread, notes, wanted)
    for left in notes.values():
        for note in left:
            yield Left(str(note.get("noteTweetId")), "long post without its post")


def _files(archive: Archive, *kinds: bytes) -> list[str]:
    found = {path: HEAD.search(archive.head(path, 200)) for path in archive.members if path.endswith(".js")}
    return [path for path, match in found.items() if match and match[1].rstrip(b"s") in kinds]


def _posts(archive: Archive, path: str, key: str = "tweet") -> Iterator[Post]:
    with archive.lines(path) as lines:
        for item in elements(lines, path):
            post = item
            while isinstance(post, dict) and (inner := post.get(key) or post.get("communityTweet")):
                post = inner
            yield post if isinstance(post, dict) else {}


def _read_notes(archive: Archive, path: str, notes: dict[str, list[Post]]) -> Iterator[Item]:
    for number, note in enumerate(_posts(archive, path, "noteTweet"), 1):
        core = note.get("core")
        text = core.get("text") if isinstance(core, dict) else None
        if isinstance(text, str) and text.strip():
            notes.setdefault(_key(text), []).append(note)
        else:
            yield Left(f"{path}, item {number}", "empty")


def _singles(
    archive: Archive,
    path: str,
    latest: dict[str, int],
    roots: dict[str, str],
    heads: set[str],
    threads: dict[str, list[Post]],
    notes: dict[str, list[Post]],
    wanted: Wanted,
) -> Iterator[Item]:
    for number, post in enumerate(_posts(archive, path), 1):
        where = f"{path}, item {number}"
        name = _id(post)
        if not name:
            yield Broken(where, Permanent(Reason.BAD_DATA, "no post: it has no id"))
        elif _is_repost(post):
            yield Left(where, "repost")
        elif _number(post) < latest.get(name, 0):
            yield Left(where, "earlier version")
        elif name in roots or name in heads:
            threads.setdefault(roots.get(name, name), []).append(_kept(post))
        else:
            yield from attempt(where, _document, [post], notes, wanted)


def _kept(post: Post) -> Post:
    return {name: post[name] for name in KEPT if name in post}


def _id(post: Post) -> str:
    """The id of a post, of its first version where it was edited: each version has one of its own."""
    name = next(iter(_versions(post)), "") or str(post.get("id_str") or post.get("id") or "")
    return name if name.isascii() and name.isdigit() and len(name) < 25 else ""


def _number(post: Post) -> int:
    name = str(post.get("id_str") or post.get("id") or "")
    return int(name) if name.isascii() and name.isdigit() and len(name) < 25 else 0


def _versions(post: Post) -> list[str]:
    info = post.get("edit_info")
    edit = info.get("edit") if isinstance(info, dict) else None
    control = edit.get("editControlInitial") if isinstance(edit, dict) else None
    for where in (control, info.get("initial") if isinstance(info, dict) else None):
        names = where.get("editTweetIds") if isinstance(where, dict) else None
        if isinstance(names, list):
            return [name for name in names if isinstance(name, str)]
    return []


def _above(post: Post) -> str:
    return str(post.get("in_reply_to_status_id_str") or post.get("in_reply_to_status_id") or "")


def _root(name: str, parents: dict[str, str]) -> str:
    for _ in range(THREAD):
        above = parents[name]
        if not above or above not in parents:
            break
        name = above
    return name


def _is_repost(post: Post) -> bool:
    return str(post.get("full_text") or post.get("text") or "").startswith("RT @")


def _key(text: str) -> str:
    return " ".join(unescape(text).split())[:KEY]


def _document(thread: list[Post], notes: dict[str, list[Post]], wanted: Wanted) -> Item:
    thread = sorted(thread, key=lambda post: int(_id(post)))
    first = thread[0]
    texts = [_text(post, notes) for post in thread]
    answers = first.get("in_reply_to_status_id_str")
    return made(
        wanted,
        f"post {_id(first)}",
        POST + _id(first),
        platform="x",
        kind="post",
        text="\n\n".join(text for text in texts if text),
        published_at=day(first.get("created_at")),
        thread=[_id(post) for post in thread] if len(thread) > 1 else [],
        in_reply_to=POST + answers if isinstance(answers, str) and answers.isdigit() else "",
        media=[address for post in thread for address in _media(post)],
        parser=VERSION,
    )


def _text(post: Post, notes: dict[str, list[Post]]) -> str:
    text = unescape(str(post.get("full_text") or post.get("text") or ""))
    if note := _note(post, text, notes):
        return as_markdown(_expanded(str(note["core"]["text"]), _each(note["core"], "urls")))
    for entity in _pictures(post):
        text = text.replace(str(entity.get("url") or "\0"), "")
    return as_markdown(_expanded(text, _each(post.get("entities"), "urls")))


def _note(post: Post, text: str, notes: dict[str, list[Post]]) -> Post | None:
    """The long form of a post that is cut: one that begins as it does, the nearest in time."""
    if not notes:
        return None
    at, written = max(len(text) - TAIL, 0), day(post.get("created_at"))
    cut = CUT.search(text[at:])
    beginning = " ".join(text[: at + cut.start() if cut else None].split())
    for start in dict.fromkeys((beginning, NAMES.sub("", beginning))):
        candidates = notes.get(_key(start), [])
        gaps = {}
        for index, note in enumerate(candidates):
            moment = day(note.get("createdAt"))
            gap = abs((moment - written).total_seconds()) if moment and written else 0.0
            if " ".join(str(note["core"]["text"]).split()).startswith(start) and (cut or gap <= AT_ONCE):
                gaps[index] = gap
        if gaps:
            return candidates.pop(min(gaps, key=gaps.__getitem__))
    return None


def _each(value: object, name: str) -> list[Post]:
    found = value.get(name) if isinstance(value, dict) else None
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def _expanded(text: str, urls: list[Post]) -> str:
    for entity in urls:
        short = entity.get("url") or entity.get("shortUrl")
        whole = entity.get("expanded_url") or entity.get("expandedUrl")
        if isinstance(short, str) and isinstance(whole, str) and short:
            text = text.replace(short, whole)
    return text


def _media(post: Post) -> list[str]:
    found = (entity.get("media_url_https") for entity in _pictures(post))
    return list(dict.fromkeys(address for address in found if isinstance(address, str)))


def _pictures(post: Post) -> list[Post]:
    return [entity for name in ENTITIES for entity in _each(post.get(name), "media")]
