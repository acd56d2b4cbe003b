"""`twin discover`."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import TYPE_CHECKING

import click

from llm_twin.cli.common import as_moment, opened, print_json, standard_options

if TYPE_CHECKING:
    from llm_twin.collect.discover import Found


@click.command()
@click.argument("link")
@click.option("--limit", type=click.IntRange(min=1), help="At most so many, the newest.")
@click.option("--since", callback=as_moment, metavar="DATE", help="Nothing that is dated before, e.g. 2024-05-01.")
@standard_options
def discover_command(link: str, limit: int | None, since: datetime | None, as_json: bool, quiet: bool) -> int:
    """List what a site, feed, sitemap or profile holds.

    With dates, newest first, and how each was found: a site's feed with its older pages, its sitemaps, its archive
    pages; the public lists of GitHub, dev.to and Substack; the feeds and sitemaps of Medium and Hashnode. The same
    article of several lists is one item; files, other sites and lists of tags are left out. Nothing is stored:
    `twin collect --expand` collects what is listed here. A list that could not be read to its end is shown as far as it
    was, with the reason, and exit code 1.

    \b
    Examples:
      twin discover https://ada.example
      twin discover https://github.com/ada --limit 20
      twin discover https://ada.example/sitemap.xml --since 2024-05-01 --json
    """
    from llm_twin.collect.discover import CutShort

    cut: CutShort | None = None
    with opened(quiet=quiet) as twin:
        try:
            found = twin.discover(link, limit, since)
        except CutShort as error:
            found, cut = error.found, error
    if as_json:
        print_json({"link": link, "items": [item._asdict() for item in found]})
    else:
        _show(found)
    if cut:
        click.echo(f"twin: {cut}", err=True)
    return 1 if cut else 0


def _show(found: list[Found]) -> None:
    """One line an item, then how many there are and where they were found."""
    from llm_twin.cli.show import console, escape

    out = console()
    width = max((len(item.source) for item in found), default=0)
    for item in found:
        day = f"{item.date:%Y-%m-%d}" if item.date else "no date"
        out.print(f"{day:<10}  [cyan]{item.source:<{width}}[/]  {escape(item.link)}  [dim]{escape(item.title)}[/]")
    sources = ", ".join(f"{count} {source}" for source, count in Counter(item.source for item in found).items())
    out.print(f"\n{len(found)} item{'' if len(found) == 1 else 's'}{': ' if sources else ''}{sources}")
