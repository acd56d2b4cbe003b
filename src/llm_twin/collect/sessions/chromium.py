"""A real Chromium that is signed in: as it is, without disguise, by a tunnel to checked addresses.

Needs `llm-twin[login]`, or `llm-twin[browser]`.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llm_twin.collect.addresses import Resolver
from llm_twin.collect.browser import FLAGS, START_SECONDS, chromium_of, sandboxed
from llm_twin.collect.sessions.cookies import Cookie, for_browser, read_cookies
from llm_twin.collect.sessions.tunnel import USER, tunnel
from llm_twin.errors import ConfigError, UsageError
from llm_twin.settings import Settings

if TYPE_CHECKING:
    from playwright.async_api import BrowserContext

HINT = "pip install 'llm-twin[login]', and apt install chromium or playwright install chromium"
KEPT = tuple(
    flag for flag in FLAGS if not flag.startswith(("--host-resolver", "--proxy", "--js-flags", "--disable-gpu"))
)
SECRET = ("PASSWORD", "TOKEN", "SECRET", "KEY")  # in names of variables that no browser has to know


def missing(settings: Settings) -> str:
    """Why no browser can be opened here, with what to do about it; "": one can."""
    if find_spec("playwright") is None:
        return f"no browser here; {HINT}"
    if settings.browser and not Path(settings.browser).is_file():
        return f"TWIN_BROWSER: there is no {settings.browser}"
    return ""


def needed(settings: Settings) -> None:
    """Raises `ConfigError` where no browser can be opened."""
    if why := missing(settings):
        raise ConfigError(why)


def found(settings: Settings) -> str:
    """Where the Chromium is that would be opened. Raises `ConfigError` where there is none."""
    needed(settings)
    if path := chromium_of(settings):
        return path
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = str(playwright.chromium.executable_path)
    if not Path(path).is_file():
        raise ConfigError(f"no browser here; {HINT}")
    return path


@asynccontextmanager
async def opened(
    settings: Settings,
    resolver: Resolver,
    cookies: Iterable[Cookie] = (),
    *,
    allowed: Callable[[str], bool],
    window: bool = False,
) -> AsyncIterator[BrowserContext]:
    """A browser with these cookies, headless unless it is a `window`; it reaches the hosts that are `allowed`.

    Raises `ConfigError` where there is none, or no screen to open a window on.
    """
    needed(settings)
    from playwright.async_api import Error, async_playwright

    options: dict[str, Any] = {"no_viewport": True} if window else {"viewport": {"width": 1280, "height": 1600}}
    async with tunnel(resolver, allowed) as way, async_playwright() as playwright:
        try:
            chromium = await playwright.chromium.launch(
                executable_path=chromium_of(settings),
                headless=not window,
                args=[*KEPT, "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"],
                proxy={"server": way.address, "bypass": "<-loopback>", "username": USER, "password": way.password},
                env={name: value for name, value in os.environ.items() if not name.upper().endswith(SECRET)},
                chromium_sandbox=sandboxed(),
                timeout=1000 * START_SECONDS,
                handle_sigint=False,
                handle_sigterm=False,
                handle_sighup=False,
            )
        except Error as error:
            raise ConfigError(_unopened(str(error), window)) from None
        try:
            context = await chromium.new_context(accept_downloads=False, service_workers="block", **options)
            await context.add_cookies(for_browser(cookies))
            yield context
        finally:
            await chromium.close()


async def cookies_of(context: BrowserContext) -> list[Cookie]:
    """All cookies that the browser has by now, but for those of lone names."""
    import json

    with suppress(UsageError):  # none that can be kept
        return read_cookies(json.dumps(await context.cookies()), "the browser")
    return []


def _unopened(said: str, window: bool) -> str:
    if "Executable doesn't exist" in said:
        return f"no browser here; {HINT}"
    if window and ("Missing X server" in said or "DISPLAY" in said or "ozone" in said):
        return "no screen here to open a window on; sign in elsewhere and bring the cookies: --import-cookies FILE"
    return f"the browser does not start: {said.strip().partition(chr(10))[0][:200]}"
