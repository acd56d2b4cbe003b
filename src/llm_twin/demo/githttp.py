"""Git repositories over HTTP, for reading: git's own CGI program `git http-backend` behind any HTTP server."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote

from llm_twin.errors import ConfigError

# Who and when, fixed, so that the same files give the same commit id on every machine.
SIGNATURE = {
    f"GIT_{role}_{field}": value
    for role in ("AUTHOR", "COMMITTER")
    for field, value in (("NAME", "Ada"), ("EMAIL", "ada@example.org"), ("DATE", "2024-05-01T12:00:00+00:00"))
}


def serve_git(
    root: Path, method: str, path: str, query: str, headers: Mapping[str, str], body: bytes
) -> tuple[int, dict[str, str], bytes]:
    """Answer one request for a bare repository below `root`: status, headers and body of the response.

    `path` is the request's path below `root`, percent-encoded as it came, `query` is without its question mark.
    Serves fetches only; a push gets 403.
    """
    path = unquote(path)
    if "\0" in path or "\0" in query or method not in ("GET", "HEAD", "POST"):
        return 400, {"content-type": "text/plain"}, b"bad request\n"
    if "git-receive-pack" in path + query:
        return 403, {"content-type": "text/plain"}, b"read only\n"
    if ".." in path.split("/"):
        return 404, {"content-type": "text/plain"}, b"not found\n"
    received = {name.lower(): value for name, value in headers.items()}
    environment = _environment(
        REQUEST_METHOD=method,
        PATH_INFO=path,
        QUERY_STRING=query,
        CONTENT_TYPE=received.get("content-type", ""),
        CONTENT_LENGTH=str(len(body)),
        HTTP_CONTENT_ENCODING=received.get("content-encoding", ""),
        GIT_PROTOCOL=received.get("git-protocol", ""),
        GIT_PROJECT_ROOT=str(root),
        GIT_HTTP_EXPORT_ALL="1",
    )
    # The folder may belong to another user, as files of an installed package do.
    command = ["git", "-c", "safe.directory=*", "-c", "http.receivepack=false", "http-backend"]
    answer = subprocess.run(command, input=body, capture_output=True, env=environment, check=False).stdout
    head, _, content = answer.partition(b"\r\n\r\n")
    fields = {}
    for line in head.decode("latin-1").splitlines():
        name, _, value = line.partition(":")
        fields[name.strip().lower()] = value.strip()
    status = int(fields.pop("status", "200" if answer else "500").split()[0])
    return status, fields, content


def make_repository(source: Path, target: Path, message: str) -> str:
    """Commit the files of folder `source` to the bare repository `target`, on branch main; returns the commit id.

    All files are taken, ignored ones too. A repository that is already there gains a commit; else it is made.
    The same files and message give the same id everywhere. Raises `ConfigError` when git is missing or refuses.
    """
    source, target = source.resolve(), target.resolve()
    environment = _environment(GIT_INDEX_FILE=str(target / "new-index")) | SIGNATURE
    # Neither the machine's execute bits nor its line ends may change the id.
    here = ("-c", "core.fileMode=false", "-c", "core.autocrlf=false", f"--git-dir={target}", f"--work-tree={source}")

    def git(*arguments: str) -> str:
        try:
            done = subprocess.run(
                ["git", *arguments], cwd=source, env=environment, check=True, capture_output=True, text=True
            )
        except FileNotFoundError:
            raise ConfigError("git is not installed; install it (Debian: apt install git)") from None
        except subprocess.CalledProcessError as error:
            raise ConfigError(f"git failed on {source}: {error.stderr.strip()}") from None
        return done.stdout.strip()

    if not (target / "HEAD").exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        git("init", "--quiet", "--bare", "--template=", "--initial-branch=main", str(target))
    git(*here, "add", "--all", "--force")
    tree = git(*here, "write-tree")
    parents = git(*here, "for-each-ref", "--format=%(objectname)", "refs/heads/main").split()
    commit = git(*here, "commit-tree", tree, "-m", message, *(word for parent in parents for word in ("-p", parent)))
    git(*here, "update-ref", "refs/heads/main", commit)
    (target / "new-index").unlink()
    return commit


def _environment(**variables: str) -> dict[str, str]:
    """What git needs, and nothing of the user's own configuration."""
    kept = {name: os.environ[name] for name in ("PATH", "TMPDIR") if name in os.environ}
    return kept | {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull, "LC_ALL": "C"} | variables
