"""What the commands share: the options `--home`, `--json`, `--quiet`, filters, and how they reach the twin."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from difflib import get_close_matches
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from llm_twin.twin import Twin

Command = TypeVar("Command", bound=Callable[..., Any])

SETTINGS = "llm_twin.settings"  # where a command's context keeps the settings given as options


def as_moment(ctx: click.Context, param: click.Parameter, value: str | None) -> datetime | None:
    """A day (2024-05-01) or a moment in ISO 8601; without a zone it is UTC."""
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise click.BadParameter(f"{value!r} is no date; write it like 2024-05-01", ctx, param) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def standard_options(command: Command) -> Command:
    """Add `--home`, `--set`, `--json`, `--quiet`. The first two reach `opened`, the others the command."""

    @click.option("--home", help="Folder of all state (TWIN_HOME).")
    @click.option("--set", "chosen", multiple=True, metavar="NAME=VALUE", help="Any setting, e.g. --set delay=2.")
    @click.option("--json", "as_json", is_flag=True, help="Print one JSON value on stdout.")
    @click.option("--quiet", "-q", is_flag=True, help="No progress on stderr.")
    @click.pass_context
    @wraps(command)
    def wrapped(ctx: click.Context, /, home: str | None, chosen: tuple[str, ...], **options: Any) -> Any:
        home = home or ctx.find_root().obj
        ctx.meta[SETTINGS] = _settings(chosen) | ({"home": home} if home else {})
        return command(**options)

    return wrapped  # type: ignore[return-value]  # click's decorators keep the signature that its parser needs


def _settings(chosen: tuple[str, ...]) -> dict[str, Any]:
    """NAME=VALUE pairs as options of `Settings`. Raises `click.UsageError` for a name that is no setting."""
    from llm_twin.settings import Settings

    found: dict[str, Any] = {}
    for pair in chosen:
        name, equals, value = pair.partition("=")
        name = name.strip().lower().removeprefix("twin_")
        if not equals or name not in Settings.model_fields:
            close = get_close_matches(name, Settings.model_fields, 1)
            hint = f"did you mean {close[0]}?" if close else "`twin doctor` lists all settings"
            raise click.UsageError(f"--set {name}: write NAME=VALUE with the name of a setting; {hint}")
        found[name] = value
    return found


def filter_options(command: Command) -> Command:
    """Add `--author`, `--kind`, `--platform` and `--since`, which narrow down documents."""
    for option in (
        click.option(
            "--since", callback=as_moment, metavar="DATE", help="Published on this day or later, e.g. 2024-05-01."
        ),
        click.option("--platform", help="E.g. medium, substack, github, or a blog's host."),
        click.option("--kind", type=click.Choice(["article", "post", "repository", "code"])),
        click.option("--author", help="Name, alias or id."),
    ):
        command = option(command)
    return command


@contextmanager
def opened(*, quiet: bool = True, **options: Any) -> Iterator[Twin]:
    """The twin of a command, with progress on stderr unless `quiet`. `options` are settings that the command makes."""
    from llm_twin.cli.progress import shown_progress
    from llm_twin.settings import Settings
    from llm_twin.twin import Twin

    settings = Settings.load(**{**click.get_current_context().meta[SETTINGS], **options})
    with shown_progress(quiet) as progress, Twin(settings, progress) as twin:
        yield twin


def print_json(value: Any) -> None:
    """One JSON value on stdout; pydantic values and dates become what they serialise to."""
    from pydantic_core import to_jsonable_python

    json.dump(to_jsonable_python(value), sys.stdout, ensure_ascii=False, indent=2)
    sys.stdout.write("\n")
