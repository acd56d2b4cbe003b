"""`twin forget`."""

from __future__ import annotations

import sys

import click

from llm_twin.cli.common import opened, print_json, standard_options


@click.command()
@click.argument("link", required=False)
@click.option("--author", help="Forget this author with all documents (name, alias or id).")
@click.option("--yes", is_flag=True, help="Do not ask.")
@standard_options
def forget_command(link: str | None, author: str | None, yes: bool, as_json: bool, quiet: bool) -> None:
    """Remove an author or a link from warehouse and index.

    \b
    Examples:
      twin forget https://ada.example/notes.html
      twin forget --author "Ada Lovelace"
    """
    if (link is None) == (author is None):
        raise click.UsageError("give either a link or --author")
    with opened(quiet=quiet) as twin:
        what = twin.author(author).name if author else str(link)
        if not yes:
            if not sys.stdin.isatty():
                raise click.UsageError("nobody is there to be asked; give --yes")
            click.confirm(f"Remove {what} and all that was collected of it?", abort=True, err=True)
        number = twin.forget_author(author) if author else twin.forget_link(str(link))
    if as_json:
        print_json({"forgotten": what, "documents": number})
    else:
        click.echo(f"{what} is forgotten: {number} document{'' if number == 1 else 's'} removed")
