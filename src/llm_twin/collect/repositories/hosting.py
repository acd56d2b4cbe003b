"""Hosts of git repositories: which of their links lead to a repository, and where its files are on the web."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import quote, unquote, urlencode, urlsplit

from llm_twin.collect.repositories.source_files import SourceFile
from llm_twin.links import canonical, host_of

NAME = re.compile(r"\.?[\w-][\w.-]*", re.A)  # an owner, a group, a repository

# First segments that are pages of the host, not owners. There is no complete public list; these are the usual ones.
GITHUB_PAGES = """
    about account apps blog codespaces collections contact copilot customer-stories dashboard discussions enterprise
    events explore features issues join login logout marketplace mcp models new notifications organizations orgs
    partners premium-support pricing pulls readme resources search security sessions settings signup site solutions
    sponsors stars team topics trending trust-center users why-github"""
GITLAB_PAGES = """
    - admin api assets dashboard explore groups help import jwt oauth profile projects public s search snippets
    unsubscribes uploads users v2"""
CODEBERG_PAGES = """
    - admin api assets attachments avatars explore issues login milestones notifications org pulls repo search
    user"""
# What GitLab's old links put after a project; no project may have these names.
GITLAB_PARTS = """
    activity blame blob boards branches builds commit commits edit environments graphs issues jobs labels
    merge_requests milestones network packages pipelines raw releases snippets tags tree wikis"""
PLAIN = "/!$&'()*+,;=:@~"  # characters that stand for themselves in a path
INTO = frozenset({"tree", "blob", "raw", "blame", "src"})  # segments that lead to the files of a repository


def on_github(path: str) -> str | None:
    """`owner/name` where a path on github.com is a repository or one of its files; None for all other pages."""
    return _owner_and_name(path, GITHUB_PAGES)


def on_codeberg(path: str) -> str | None:
    """`owner/name` where a path on codeberg.org is a repository or one of its files."""
    return _owner_and_name(path, CODEBERG_PAGES)


def on_gitlab(path: str) -> str | None:
    """`group/…/name` where a path on gitlab.com is a project (or a group within a group) or one of its files."""
    project, _, rest = path.partition("/-/")
    segments = _segments(project)
    if len(segments) < 2 or set(segments[2:]) & set(GITLAB_PARTS.split()) or (rest and _segments(rest)[0] not in INTO):
        return None
    return _joined(segments, GITLAB_PAGES)


def ends_in_git(path: str) -> bool:
    """Whether a path names a bare repository, on any host."""
    return path.rstrip("/").endswith(".git") and path.rstrip("/") != "/.git"


def _owner_and_name(path: str, pages: str) -> str | None:
    segments = _segments(path)
    if len(segments) < 2 or (len(segments) > 2 and segments[2] not in INTO):
        return None
    return _joined(segments[:2], pages)


def _segments(path: str) -> list[str]:
    return path.strip("/").split("/")


def _joined(segments: list[str], pages: str) -> str | None:
    segments[-1] = segments[-1].removesuffix(".git")
    if segments[0].lower() in pages.split() or not all(NAME.fullmatch(segment) for segment in segments):
        return None
    return "/".join(segments)


@dataclass(frozen=True)
class Host:
    """A site of repositories: how its links are read and made."""

    platform: str
    name_of: Callable[[str], str | None]
    files: str  # between the repository's link and the branch


HOSTS: Mapping[str, Host] = {
    "github.com": Host("github", on_github, "blob"),
    "gitlab.com": Host("gitlab", on_gitlab, "-/blob"),
    "codeberg.org": Host("codeberg", on_codeberg, "src/branch"),
}


@dataclass(frozen=True)
class Place:
    """Where a repository is."""

    link: str
    name: str
    platform: str
    clone_url: str
    files: str = ""  # as of `Host`; empty: files have no page of their own

    @classmethod
    def of(cls, url: str) -> Place:
        """The repository that a link leads into."""
        domain, parts = host_of(url).removeprefix("www."), urlsplit(url)
        host = HOSTS.get(domain)
        if host and (name := host.name_of(parts.path)):
            link = f"https://{domain}/{name}"
            return cls(link, name, host.platform, f"{link}.git", host.files)
        link = parts._replace(path=parts.path.rstrip("/"), query="", fragment="").geturl()
        return cls(canonical(link), unquote(parts.path).strip("/").removesuffix(".git"), "git", link)

    def file_link(self, branch: str, file: SourceFile) -> str:
        """The web page of a file at the tip of the branch; where there is none, the repository's link with its path."""
        if not self.files:
            return f"{self.link}?{urlencode({'file': file.path})}"
        return f"{self.link}/{self.files}/{quote(branch)}/{quote(file.raw_path, safe=PLAIN)}"
