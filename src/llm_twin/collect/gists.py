"""Code that a story embeds from GitHub's gists: put in the place of the link to it, as it is now."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, quote, urlsplit

from llm_twin.collect.reading.markdown import fenced
from llm_twin.documents import Document
from llm_twin.errors import LinkError

if TYPE_CHECKING:
    from llm_twin.collect.web import Web

# A paragraph that is nothing but a link to a gist, or to Medium's frame around one.
EMBEDDED = re.compile(
    r"^\[((?:[^\[\]\n\\]|\\.)*)\]\((https://(?:gist\.github\.com/[^\s()]+|medium\.com/media/[0-9a-f]{8,64}))\)$", re.M
)
GIST = re.compile(r"gist\.github\.com/([\w-]{1,39})/([0-9a-f]{5,40})(?:\.js)?(?:\?file=([\w%. -]{1,200}))?")
RAW = "https://gist.githubusercontent.com"  # for programs: the file alone
MOST = 40  # in one story
MOST_CODE = 200_000  # characters of one of them


async def with_gists(document: Document, web: Web) -> Document:
    """The document with the code of its embedded gists above the links to them; what can't be had stays a link."""
    markdown = document.text
    view = web.against(None)  # what is remembered is the story's own page
    for found in list(EMBEDDED.finditer(markdown))[:MOST]:
        title, address = found[1].replace("\\", ""), found[2]
        try:
            code = await _code(address, title, view)
        except LinkError:
            continue
        if code:
            markdown = markdown.replace(found[0], f"{code}\n\n{found[0]}", 1)
    return document if markdown is document.text else document.model_copy(update={"text": markdown})


async def _code(address: str, title: str, web: Web) -> str:
    if urlsplit(address).hostname == "medium.com":
        framed = GIST.search((await web.get(address)).text)
        if not framed:
            return ""
        address = f"https://{framed[0]}"
    match = GIST.search(address)
    if not match:
        return ""
    user, name, _ = match.groups()
    file = next(iter(parse_qs(urlsplit(address).query).get("file", [])), "")
    page = await web.get(f"{RAW}/{user}/{name}/raw" + (f"/{quote(file)}" if file else ""), robots=False)
    if not page.content_type.startswith("text/") or len(page.text) > MOST_CODE:
        return ""
    return fenced(page.text.rstrip(), PurePosixPath(file or title).suffix.removeprefix("."))
