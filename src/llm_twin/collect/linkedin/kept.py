"""Pages of LinkedIn that no parser makes anything of: kept for a newer one, without their session."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from llm_twin.collect.sessions.sites import SITES
from llm_twin.documents import now
from llm_twin.errors import Permanent, Reason

if TYPE_CHECKING:
    from llm_twin.collect.web import Web

ARCHIVE = "or ask LinkedIn for your data, which is the allowed way: twin import FILE.zip --author NAME"
LEAST_SECRET = 8  # characters of a cookie's value; less stands on pages by chance


def keep(web: Web, name: str, url: str, source: str) -> Path:
    """Keep a page below the home folder, as browsers save pages, readable by the user alone."""
    folder = web.settings.home.expanduser() / "kept"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    safe = "".join(each for each in name if each.isalnum() or each in "-_")[:60]
    path = folder / f"linkedin-{safe}-{now():%Y%m%d-%H%M%S}.html"
    path.touch(mode=0o600)
    session = web.signed.session(SITES["linkedin"].domains[0])
    for cookie in session.cookies if session else ():
        if len(secret := cookie.value.strip('"')) >= LEAST_SECRET:
            source = source.replace(secret, "***")
    path.write_text(f"<!DOCTYPE html>\n<!-- saved from url=({len(url):04d}){url} -->\n{source}", "utf-8")
    return path


def changed(web: Web, author: str, handle: str, url: str, source: str, what: str = "posts, and none") -> Permanent:
    """What is to be said of a page of `author` that nothing could be made of; it is kept."""
    command = shlex.join(["twin", "import", str(keep(web, handle, url, source)), "--author", author])
    told = f"LinkedIn's pages look different now: {url} has {what} could be read; the page is kept for a"
    return Permanent(Reason.LAYOUT_CHANGED, f"{told} newer version: {command}; {ARCHIVE}")
