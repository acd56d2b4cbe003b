"""`twin login`. Passwords come from the environment or a prompt, never from an option: those stand in process lists."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from llm_twin.cli.common import opened, print_json, standard_options

if TYPE_CHECKING:
    from llm_twin.collect.sessions.login import Checked
    from llm_twin.collect.sessions.sites import Site
    from llm_twin.collect.web import Web

T = TypeVar("T")

USELESS = ("expired", "blocked")

TERMS = {
    "linkedin": "LinkedIn's terms forbid software that collects from its pages; its data export is the allowed way: "
    "twin import FILE.zip. See docs/login.md",
    "medium": "For your own stories, and for those that you may read; see docs/login.md",
}


@click.command()
@click.argument("site", required=False)
@click.option("--status", is_flag=True, help="Show the saved sessions: state, age, end.")
@click.option("--check", is_flag=True, help="With --status: ask the sites whether they still take them.")
@click.option(
    "--import-cookies",
    "cookies",
    type=click.Path(path_type=Path),
    help="A cookies.txt, or the JSON of a browser extension or of Playwright.",
)
@click.option(
    "--username", metavar="NAME", help="Fill the form in, without a window; password: TWIN_PASSWORD, or asked."
)
@click.option("--forget", is_flag=True, help="Remove the session of SITE.")
@standard_options
def login_command(
    site: str | None,
    status: bool,
    check: bool,
    cookies: Path | None,
    username: str | None,
    forget: bool,
    as_json: bool,
    quiet: bool,
) -> int:
    """Sign in where you are the author, and see where you are signed in.

    SITE is medium, linkedin or a host. A browser window opens; sign in as you always do. The session is saved below the
    home folder, sealed, readable by you alone, and sent to hosts of that site alone. Your password is not kept.

    \b
    Examples:
      twin login medium
      twin login linkedin --import-cookies cookies.txt
      twin login --status
      twin login ada.dev --username ada
    """
    if sum((status, cookies is not None, username is not None, forget)) > 1:
        raise click.UsageError("one of --status, --import-cookies, --username and --forget at a time")
    if check and not status:
        raise click.UsageError("--check goes with --status")
    if username is not None and not username.strip():
        raise click.UsageError("--username needs a name")
    if not site and not status and not cookies:
        raise click.UsageError("sign in where? Give medium, linkedin or a host; --status shows where you are signed in")
    from llm_twin.collect.sessions import login
    from llm_twin.collect.sessions.chromium import needed
    from llm_twin.collect.sessions.sites import site_named

    where = site_named(site) if site else None
    if where and username:
        login.has_form(where)
    with opened(quiet=quiet) as twin:
        settings = twin.settings.model_copy(update={"home": twin.home})
    if not (status or forget or cookies):
        needed(settings)
    password = _password(where) if where and username else ""

    def online(work: Callable[[Web], Coroutine[Any, Any, T]]) -> T:
        return _online(settings, work)

    if status:
        return _status(settings, where, online if check else None, as_json)
    if forget and where:
        from llm_twin.collect.sessions.store import Sessions

        if not Sessions(settings.home).forget(where.name):
            raise click.UsageError(f"no session of {where.name} is saved")
        if as_json:
            print_json([{"site": where.name, "state": "forgotten"}])
            return 0
        click.echo(f"the session of {where.name} is removed here; sign out in a browser to end it everywhere")
        return 0
    if where and not quiet and where.name in TERMS:
        click.echo(f"twin: {TERMS[where.name]}", err=True)
    refused: tuple[str, ...] = ()
    if cookies:
        found = _cookies(cookies)
        sessions, refused = online(lambda web: login.take_over(found, where, web, str(cookies)))
        for name in refused:
            click.echo(f"twin: {name} {login.UNTAKEN}", err=True)
        if not quiet:
            click.echo(f"twin: remove {cookies} now: whoever has it is signed in as you", err=True)
    elif where and username:
        code = _code if sys.stdin.isatty() else None
        sessions = [login.Checked(online(lambda web: login.fill_in(where, web, username, password, code)))]
    elif where:
        if not quiet:
            done = "it closes by itself" if where.mark else "close it when you are done"
            click.echo(f"twin: sign in at {where.name} in the window; {done}", err=True)
        sessions = [login.Checked(online(lambda web: login.sign_in(where, web)))]
    return max(_shown(sessions, {}, as_json), 1 if refused else 0)


def _online(settings: Any, work: Callable[[Web], Coroutine[Any, Any, T]]) -> T:
    import asyncio

    from llm_twin.collect.web import Web

    async def go() -> T:
        async with Web(settings) as web:
            return await work(web)

    return asyncio.run(go())


def _password(site: Site) -> str:
    """From the environment, where no browser that is started later finds it, or asked."""
    own = f"TWIN_{site.name.upper().replace('.', '_').replace('-', '_')}_PASSWORD"
    given = [os.environ.pop(name, "") for name in (own, "TWIN_PASSWORD")]
    if found := next(filter(None, given), ""):
        return found
    if not sys.stdin.isatty():
        raise click.UsageError(f"no password: set TWIN_PASSWORD or {own}, or run it in a terminal to be asked")
    return str(click.prompt(f"Password at {site.name}", hide_input=True, err=True))


async def _code() -> str:
    import asyncio

    return str(await asyncio.to_thread(click.prompt, "Code of the second factor", err=True))


def _cookies(path: Path) -> list[Any]:
    from llm_twin.collect.sessions.cookies import MOST_BYTES, read_cookies
    from llm_twin.errors import UsageError

    try:
        with path.open("rb") as file:
            text = file.read(MOST_BYTES + 1).decode("utf-8", "replace")
    except OSError as error:
        raise UsageError(f"{path}: {(error.strerror or 'can not be read').lower()}") from None
    return read_cookies(text, str(path))


def _status(settings: Any, site: Site | None, online: Callable[..., Any] | None, as_json: bool) -> int:
    from llm_twin.collect.sessions.login import Checked, checked
    from llm_twin.collect.sessions.store import Sessions
    from llm_twin.errors import ConfigError

    store = Sessions(settings.home)
    sessions: list[Checked] = []
    closed: dict[str, str] = {}  # sessions that can't be opened, and why
    for name in [site.name] if site else store.names():
        try:
            sessions += map(Checked, filter(None, [store.get(name)]))
        except ConfigError as error:
            closed[name] = str(error)
    if online:
        sessions = [online(lambda web, each=each: checked(each.session, web)) for each in sessions]
    if not (sessions or closed):
        if as_json:
            print_json([])
        else:
            where = f" at {site.name}" if site else " anywhere"
            click.echo(f"not signed in{where}: twin login {site.name if site else 'SITE'}")
        return 1 if site else 0
    return max(_shown(sessions, closed, as_json), int(any(each.unknown for each in sessions)))


def _shown(sessions: Sequence[Checked], closed: Mapping[str, str], as_json: bool) -> int:
    """The sessions, none of their cookies. 1 if one of them is of no use, 2 if one is closed."""
    if as_json:
        told = [{"site": site, "state": "damaged", "detail": why} for site, why in closed.items()]
        print_json([*map(_told, sessions), *told])
    elif sessions:
        from rich.table import Table

        from llm_twin.cli import show
        from llm_twin.collect.sessions.store import ago

        table = Table(box=None, pad_edge=False, header_style="bold")
        for title in ("site", "state", "saved", "by", "checked", "ends", "key in"):
            table.add_column(title)
        for each in sessions:
            session, state = each.session, _state(each)
            style = {"signed in": "green", "not checked": "yellow"}.get(state, "bold red")
            table.add_row(
                show.escape(session.site),
                f"[{style}]{state}[/]",
                ago(session.saved_at),
                session.came_by,
                ago(session.checked_at) if session.checked_at else "never",
                f"{session.until:%Y-%m-%d}" if session.until else "unknown",
                session.key_in,
            )
        show.console().print(table)
        for each in sessions:
            if _state(each) in USELESS:
                click.echo(f"to sign in again: {each.session.at.renew}")
            elif each.unknown:
                click.echo(f"{each.session.site} could not be checked: {each.unknown}")
    for why in dict.fromkeys(closed.values()):
        click.echo(f"twin: {why}", err=True)
    return 2 if closed else int(any(_state(each) in USELESS for each in sessions))


def _state(each: Checked) -> str:
    """How a session stands; where its site was asked and gave no answer, that is not known."""
    state = each.session.state
    return "not checked" if each.unknown and state not in USELESS else state


def _told(each: Checked) -> dict[str, Any]:
    session = each.session
    return {
        "site": session.site,
        "state": _state(each),
        "detail": each.unknown,
        "came_by": session.came_by,
        "saved_at": session.saved_at,
        "age_seconds": round((datetime.now(session.saved_at.tzinfo) - session.saved_at).total_seconds()),
        "checked_at": session.checked_at,
        "problem_at": session.problem_at,
        "until": session.until,
        "cookies": len(session.cookies),
        "key_in": session.key_in,
        "renew": session.at.renew,
    }
