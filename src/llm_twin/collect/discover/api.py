"""Lists that a platform gives to programs, as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from llm_twin.collect.web import Web
from llm_twin.errors import Permanent, Reason


async def answer(address: str, web: Web, headers: Mapping[str, str] | None = None, *, robots: bool = False) -> Any:
    """The JSON at an address. An API's rules are its rate limits, not robots.txt, unless it is undocumented."""
    page = await web.get(address, headers=headers, robots=robots)
    try:
        return json.loads(page.body)
    except (ValueError, RecursionError):
        raise Permanent(Reason.BAD_DATA, f"no JSON at {address}") from None


async def entries(
    address: str, web: Web, headers: Mapping[str, str] | None = None, *, robots: bool = False
) -> list[dict[str, Any]]:
    """The objects of the JSON list at an address."""
    found = await answer(address, web, headers, robots=robots)
    if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
        raise Permanent(Reason.BAD_DATA, f"no list at {address}")
    return found
