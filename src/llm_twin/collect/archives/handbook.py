"""The warehouse dump of the LLM Engineer's Handbook: `UserDocument.json`, `ArticleDocument.json`, … or `.json.gz`.

Each file is a JSON array. An article's `content` holds Title, Subtitle, Content (html2text of the whole page), a post's
and a repository's are mappings of text.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from llm_twin.collect.crawlers import crawler_for
from llm_twin.documents import Author, Document, Kind
from llm_twin.errors import LinkError, UsageError
from llm_twin.links import parse_link

FILES: dict[str, Kind] = {
    "ArticleDocument": "article",
    "PostDocument": "post",
    "RepositoryDocument": "repository",
}
USERS = "UserDocument"


def recognises(folder: Path) -> bool:
    """Whether a folder holds any of the dump's files."""
    try:
        return any(_find(folder, name) for name in (USERS, *FILES))
    except OSError:  # what it is stays unknown; whoever reads it next says why
        return False


def read_dump(folder: Path) -> tuple[list[Author], list[Document]]:
    """All authors and documents of the dump in `folder`, read whole, so that a broken dump stores nothing.

    Raises `UsageError` naming the file, and the entry where there is one.
    """
    if not folder.exists():
        raise UsageError(f"import: {folder} does not exist")
    if not folder.is_dir():
        raise UsageError(f"import: {folder} is a file; give the folder that holds ArticleDocument.json and the others")
    found = {name: path for name in (USERS, *FILES) if (path := _find(folder, name))}
    if not found.keys() & FILES.keys():
        raise UsageError(f"import: no {', '.join(f'{name}.json' for name in FILES)} (or .json.gz) in {folder}")
    authors = {
        str(user.get("_id")): Author.named(f"{user['first_name']} {user['last_name']}")
        for _, user in (_entries(found[USERS], "first_name", "last_name") if USERS in found else ())
    }
    documents: dict[str, Document] = {}
    for name, kind in FILES.items():
        if path := found.get(name):
            for where, entry in _entries(path, "content", "platform", "author_full_name"):
                document = _document(where, entry, kind)
                documents[document.id] = document
    named = {document.author_id: Author.named(document.author) for document in documents.values()}
    return list({author.id: author for author in [*authors.values(), *named.values()]}.values()), [*documents.values()]


def _find(folder: Path, name: str) -> Path | None:
    return next((path for suffix in (".json", ".json.gz") if (path := folder / f"{name}{suffix}").is_file()), None)


def _entries(path: Path, *required: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """(where it stands, entry) of a JSON array. Raises `UsageError`."""
    try:
        packed = path.read_bytes()
        array = json.loads(gzip.decompress(packed) if path.suffix == ".gz" else packed)
    except (OSError, EOFError, zlib.error) as error:
        raise UsageError(f"import: {path} is damaged or can't be read: {error}") from None
    except ValueError as error:
        raise UsageError(f"import: {path} holds no valid JSON: {error}") from None
    if not isinstance(array, list):
        raise UsageError(f"import: {path} holds no JSON array")
    for number, entry in enumerate(array, 1):
        where = f"{path}, entry {number}"
        if not isinstance(entry, dict):
            raise UsageError(f"import: {where} is no JSON object")
        if missing := [key for key in required if not entry.get(key)]:
            raise UsageError(f"import: {where} has no {missing[0]!r}")
        yield where, entry


def _document(where: str, entry: dict[str, Any], kind: Kind) -> Document:
    content = entry["content"]
    if not isinstance(content, dict):
        raise UsageError(f"import: {where}: 'content' is no JSON object")
    author = Author.named(str(entry["author_full_name"]))
    link = entry.get("link")
    if not link:
        if kind != "post":
            raise UsageError(f"import: {where} has no 'link'")
        link = f"https://{entry['platform']}/{entry.get('_id', '')}"  # the handbook's posts have none of their own
    title = str(content.get("Title") or entry.get("name") or "")
    if kind == "article":
        text = str(content.get("Content") or "")
    elif kind == "post":
        text = "\n\n".join(str(value) for value in content.values() if value)
    else:
        text = "\n\n".join(f"## {path}\n\n```\n{code}\n```" for path, code in content.items())
    subtitle = content.get("Subtitle")
    metadata = {"source": "handbook", "handbook_id": entry.get("_id")} | ({"subtitle": subtitle} if subtitle else {})
    try:
        site, _ = crawler_for(parse_link(str(link)))
        platform = str(entry["platform"]) if site == "article" else site  # as the crawler names it
        return Document.of(
            author,
            str(link),
            kind=kind,
            platform=platform,
            title=title,
            text=text,
            language=content.get("language") if isinstance(content.get("language"), str) else None,
            metadata=metadata,
        )
    except LinkError as error:
        raise UsageError(f"import: {where}: {link!r} is no link: {error.detail}") from None
