"""`twin authors`."""

from __future__ import annotations

import click

from llm_twin.cli.common import opened, print_json, standard_options


@click.command()
@standard_options
def authors_command(as_json: bool, quiet: bool) -> None:
    """List the authors with their documents.

    \b
    Example:
      twin authors --json
    """
    from rich.table import Table

    from llm_twin.cli import show
    from llm_twin.documents import KINDS
    from llm_twin.warehouse.store import DocumentFilter

    with opened(quiet=quiet) as twin:
        counted = [
            (author, {kind: twin.warehouse.count(DocumentFilter(author_id=author.id, kind=kind)) for kind in KINDS})
            for author in twin.authors()
        ]
    if as_json:
        print_json([{**author.model_dump(), "documents": counts} for author, counts in counted])
        return
    if not counted:
        click.echo('no authors yet: twin collect --author "Full Name" LINK…')
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("author")
    table.add_column("aliases")
    for kind in KINDS:
        table.add_column(kind, justify="right")
    for author, counts in counted:
        table.add_row(
            show.escape(author.name), show.escape(", ".join(author.aliases)), *(str(counts[kind]) for kind in KINDS)
        )
    show.console().print(table)
