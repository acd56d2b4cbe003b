"""What the commands share: the options `--home`, `--json`, `--quiet`, filters, and how they reach the twin."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from llm_twin.twin import Twin

Command = TypeVar("Command", bound=Callable[..., Any])


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
    """Add `--home`, `--json`, `--quiet`; the command gets `home` (also from the group), `as_json`, `quiet`."""

    @click.option("--home", help="Folder of all state (TWIN_HOME).")
    @click.option("--json", "as_json", is_flag=True, help="Print one JSON value on stdout.")
    @click.option("--quiet", "-q", is_flag=True, help="No progress on stderr.")
    @click.pass_context
    @wraps(command)
    def wrapped(ctx: click.Context, /, home: str | None, **options: Any) -> Any:
        return command(home=home or ctx.find_root().obj, **options)

    return wrapped  # type: ignore[return-value]  # click's decorators keep the signature that its parser needs


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
def opened(home: str | None, *, quiet: bool = True, **options: Any) -> Iterator[Twin]:
    """The twin of a command, with progress on stderr unless `quiet`."""
    from llm_twin.cli.progress import shown_progress
    from llm_twin.settings import Settings
    from llm_twin.twin import Twin

    with shown_progress(quiet) as progress, Twin(Settings.load(home=home, **options), progress) as twin:
        yield twin


def print_json(value: Any) -> None:
    """One JSON value on stdout; pydantic values and dates become what they serialise to."""
    from pydantic_core import to_jsonable_python

    json.dump(to_jsonable_python(value), sys.stdout, ensure_ascii=False, indent=2)
    sys.stdout.write("\n")
