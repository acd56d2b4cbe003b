"""`twin extract`."""

from __future__ import annotations

import click

from llm_twin.cli.common import opened, print_json, standard_options


@click.command()
@click.argument("source")
@click.option("--url", default="", help="Where a saved page came from; links in it are resolved against it.")
@click.option("--markdown", is_flag=True, help="The bare Markdown, for a pipe.")
@standard_options
def extract_command(source: str, url: str, markdown: bool, as_json: bool, quiet: bool) -> None:
    """Show what would be stored of a page.

    SOURCE is a link or a saved HTML file. Nothing is stored.

    \b
    Examples:
      twin extract https://ada.example/notes.html
      twin extract page.html --url https://ada.example/notes.html --json
    """
    from llm_twin.cli import show

    with opened(quiet=quiet) as twin:
        document = twin.extract(source, url)
    if as_json:
        print_json(document.model_dump(exclude={"id", "author", "author_id", "revision"}))
    elif markdown:
        click.echo(document.text)
    else:
        show.show_document(document)
