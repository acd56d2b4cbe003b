"""`twin search`."""

from __future__ import annotations

from datetime import datetime

import click

from llm_twin.cli.common import filter_options, opened, print_json, standard_options

DIVERSE = 0.3  # of --diverse: a document as near to one above it as another part of that one would be loses its place


@click.command()
@click.argument("query", nargs=-1, required=True)
@click.option("-k", default=5, show_default=True, type=click.IntRange(min=1, max=1000), help="How many documents.")
@click.option(
    "--mode",
    default="hybrid",
    show_default=True,
    type=click.Choice(["dense", "sparse", "hybrid"]),
    help="By sense, by words, or by both.",
)
@click.option("--diverse", is_flag=True, help=f"The same as --diversity {DIVERSE}.")
@click.option(
    "--diversity", type=click.FloatRange(0, 1), help="0 to 1: how much it counts against a text to say the same again."
)
@click.option(
    "--rerank/--no-rerank", default=None, help="Let a cross-encoder read what was found; default: if one is set."
)
@click.option(
    "--context",
    default=0,
    metavar="N",
    type=click.IntRange(min=0, max=100),
    help="Also N passages before and after each one.",
)
@click.option("--explain", is_flag=True, help="Say why each document was found.")
@click.option("--language", help="Of the text (en) or the code (Python).")
@click.option("--link", help="Only in the document with this link.")
@filter_options
@standard_options
def search_command(
    query: tuple[str, ...],
    k: int,
    mode: str,
    diverse: bool,
    diversity: float | None,
    rerank: bool | None,
    context: int,
    explain: bool,
    language: str | None,
    link: str | None,
    author: str | None,
    kind: str | None,
    platform: str | None,
    since: datetime | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Find the passages that answer a question.

    By their sense (dense vectors) and by their words (BM25) at once; the passages of one document are one hit.

    \b
    Examples:
      twin search "how do I merge models into a mixture of experts"
      twin search quantization --author "Maxime Labonne" --since 2024-01-01 -k 3 --json
      twin search "feature store" --diverse --context 1 --explain
    """
    from llm_twin.cli import show

    where = {"author": author, "kind": kind, "platform": platform, "since": since, "language": language, "link": link}
    with opened(quiet=quiet) as twin:
        hits = twin.search(
            " ".join(query),
            k=k,
            mode=mode,
            diversity=DIVERSE if diverse and diversity is None else diversity,
            rerank=rerank,
            context=context,
            explain=explain,
            **where,
        )
        empty = not hits and not twin.vectors.count()
    if as_json:
        print_json(hits)
    elif hits:
        show.show_hits(hits, whole=context > 0)
    elif empty:
        click.echo("the index is empty: collect links, then run `twin index`")
    elif any(where.values()):
        click.echo("nothing found; without the filters there may be more")
    else:
        click.echo("nothing found")
