"""Git repositories: one document for the repository, one for each source file worth reading.

Links into a repository (`/tree/…`, `/blob/…`) stand for the whole of it, as its default branch is now.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from llm_twin.collect.crawlers import crawler
from llm_twin.collect.repositories.git import Clone, Entry, shallow_clone
from llm_twin.collect.repositories.hosting import Place, ends_in_git, on_codeberg, on_github, on_gitlab
from llm_twin.collect.repositories.languages import CODE
from llm_twin.collect.repositories.licences import licence_of
from llm_twin.collect.repositories.notebooks import fenced
from llm_twin.collect.repositories.source_files import LeftOut, SourceFile, decode, path_of, read_source, unread_because
from llm_twin.collect.repositories.tree import shown, tree
from llm_twin.collect.web import Web
from llm_twin.documents import Document, Link
from llm_twin.errors import Permanent, Reason
from llm_twin.settings import MEGABYTE, Settings

MAX_NAMED = 50  # left-out paths named per reason; all are counted
SUMMED_UP: frozenset[LeftOut] = frozenset({"vendored", "generated"})  # not in the tree, as they can be most of it
READMES = ("readme.md", "readme.markdown", "readme.rst", "readme.adoc", "readme.org", "readme.txt", "readme")


@dataclass
class Contents:
    """What a clone holds: files kept, files left out, licences."""

    files: list[SourceFile] = field(default_factory=list)
    left_out: dict[LeftOut, list[str]] = field(default_factory=dict)
    licences: set[str] = field(default_factory=set)

    def leave_out(self, reason: LeftOut, path: str) -> None:
        """Note that a file is not kept."""
        self.left_out.setdefault(reason, []).append(path)


@crawler("repository", "github.com", path=lambda path: on_github(path) is not None)
@crawler("repository", "gitlab.com", path=lambda path: on_gitlab(path) is not None)
@crawler("repository", "codeberg.org", path=lambda path: on_codeberg(path) is not None)
@crawler("repository", path=ends_in_git)
async def crawl(link: Link, web: Web) -> AsyncIterator[Document]:
    """The repository, then its files in the order of their paths. All are read before the first is given out."""
    with tempfile.TemporaryDirectory(prefix="llm-twin-", ignore_cleanup_errors=True) as folder:
        clone = await shallow_clone(Place.of(link.url).clone_url, web, Path(folder))
        contents = await _contents(clone, web.settings)
    for document in await asyncio.to_thread(_documents, link, clone, contents):
        yield document


async def _contents(clone: Clone, settings: Settings) -> Contents:
    entries = await clone.entries()
    if not entries:
        raise Permanent(Reason.EMPTY, "the repository has no files")
    attributes = await _linguist(clone, entries, settings.max_file_bytes)
    contents, wanted = Contents(), []
    reasons = await asyncio.to_thread(
        lambda: [unread_because(entry, attributes, settings.max_file_bytes) for entry in entries]
    )
    for entry, reason in zip(entries, reasons, strict=True):
        if reason:
            contents.leave_out(reason, path_of(entry))
        else:
            wanted.append(entry)
    if sum(entry.size for entry in wanted) > settings.max_repository_bytes:
        size = f"{settings.max_repository_bytes / MEGABYTE:,.3g} MB"
        raise Permanent(Reason.TOO_LARGE, f"the repository's source files are larger than {size}")
    async with aclosing(_read(clone, wanted)) as contents_of:
        async for entry, data in contents_of:
            found = await asyncio.to_thread(read_source, entry, data, settings.max_file_bytes)
            if isinstance(found, SourceFile):
                contents.files.append(found)
                continue
            contents.leave_out(found, path_of(entry))
            if found == "licence" and b"/" not in entry.path and (decoded := decode(data)):
                contents.licences.add(licence_of(path_of(entry), decoded[0]) or "")
    return contents


async def _linguist(clone: Clone, entries: list[Entry], most: int) -> dict[tuple[bytes, str], bool]:
    """What `.gitattributes` say about generated and vendored files, if they say anything."""
    files = [entry for entry in entries if entry.path.rpartition(b"/")[2] == b".gitattributes" and entry.size < most]
    said = [data async for _, data in _read(clone, files) if b"linguist-" in data]
    if not said:
        return {}
    return await clone.attributes((entry.path for entry in entries), "linguist-generated", "linguist-vendored")


async def _read(clone: Clone, entries: list[Entry]) -> AsyncGenerator[tuple[Entry, bytes], None]:
    position = 0
    async with aclosing(clone.blobs(entry.blob for entry in entries)) as blobs:
        async for data in blobs:
            yield entries[position], data
            position += 1


def _documents(link: Link, clone: Clone, contents: Contents) -> list[Document]:
    place = Place.of(clone.url)  # a renamed repository is known by its new name
    files = _file_documents(link, place, clone, contents)
    repository = _repository_document(link, place, clone, contents, len(files))
    return [repository, *(file.model_copy(update={"parent_id": repository.id}) for file in files)]


def _file_documents(link: Link, place: Place, clone: Clone, contents: Contents) -> list[Document]:
    """Documents of all files but the README. Nothing in them changes unless the file does."""
    readme = _readme(contents.files)
    documents: dict[str, Document] = {}
    for file in contents.files:
        if file is readme:
            continue
        about = {"path": file.path, "repository": place.name}
        if file.encoding != "utf-8":
            about["encoding"] = file.encoding
        if file.notebook_language:
            about["notebook_language"] = file.notebook_language
        try:
            document = Document.of(
                link.author,
                place.file_link(clone.branch, file),
                kind="code",
                platform=place.platform,
                title=shown(file.path),
                text=file.text,
                language=file.language,
                metadata=about,
            )
        except Permanent:  # longer than any link may be
            contents.leave_out("bad_path", file.path)
            continue
        if document.id in documents:  # a crafted tree may hold one path twice
            contents.leave_out("bad_path", file.path)
        documents.setdefault(document.id, document)
    return list(documents.values())


def _repository_document(link: Link, place: Place, clone: Clone, contents: Contents, documents: int) -> Document:
    readme = _readme(contents.files)
    files = documents + bool(readme)
    sizes = Counter[str]()
    for file in contents.files:
        if file.language in CODE.values():
            sizes[file.language or ""] += file.size
    counts = {reason: len(paths) for reason, paths in sorted(contents.left_out.items())}
    metadata: dict[str, Any] = {
        "commit": clone.commit,
        "branch": clone.branch,
        "languages": dict(sizes.most_common()),
        "licence": ", ".join(sorted(contents.licences)) or None,
        "readme": readme.path if readme else None,
        "files": files,
        "left_out": {reason: sorted(contents.left_out[reason])[:MAX_NAMED] for reason in counts},
        "left_out_counts": counts,
        "left_out_named": MAX_NAMED,  # at most, of each reason
    }
    paths = [file.path for file in contents.files]
    paths += [path for reason, left in contents.left_out.items() if reason not in SUMMED_UP for path in left]
    left_out = [f"{count:,} {reason.replace('_', ' ')}" for reason, count in counts.items()]
    facts = [
        f"Commit {clone.commit} on {clone.branch}",
        f"Licence: {metadata['licence'] or 'none found'}",
        f"Languages: {', '.join(metadata['languages']) or 'none'}",
        f"Files read: {files:,}",
        f"Left out: {', '.join(left_out) or 'none'}",
    ]
    about = "\n".join(f"- {fact}" for fact in facts)
    parts = [readme.text] if readme else []
    parts += [f"## Repository {place.name}", about, "## Files", fenced(tree(paths), "text")]
    return Document.of(
        link.author,
        place.link,
        kind="repository",
        platform=place.platform,
        title=place.name,
        text="\n\n".join(part.rstrip() for part in parts) + "\n",
        published_at=clone.committed_at,
        metadata=metadata,
    )


def _readme(files: list[SourceFile]) -> SourceFile | None:
    """The README in the root folder."""
    names = {file.path.lower(): file for file in reversed(files)}
    return next((names[name] for name in READMES if name in names), None)
