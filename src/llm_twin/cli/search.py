"""`twin search`."""

from __future__ import annotations

from datetime import datetime

import click

from llm_twin.cli.common import filter_options, opened, print_json, standard_options


@click.command()
@click.argument("query", nargs=-1, required=True)
@click.option("-k", default=5, show_default=True, type=click.IntRange(min=1, max=1000), help="How many documents.")
@filter_options
@standard_options
def search_command(
    query: tuple[str, ...],
    k: int,
    author: str | None,
    kind: str | None,
    platform: str | None,
    since: datetime | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Find the passages that answer a question.

    Dense vectors and BM25, fused by reciprocal rank; the passages of one document are one hit.

    \b
    Examples:
      twin search "how do I merge models into a mixture of experts"
      twin search quantization --author "Maxime Labonne" --since 2024-01-01 -k 3 --json
    """
    from llm_twin.cli import show

    with opened(quiet=quiet) as twin:
        hits = twin.search(" ".join(query), k=k, author=author, kind=kind, platform=platform, since=since)
        empty = not hits and not twin.vectors.count()
    if as_json:
        print_json(hits)
    elif hits:
        show.show_hits(hits)
    elif empty:
        click.echo("the index is empty: collect links, then run `twin index`")
    else:
        click.echo("nothing found")
