"""`twin extract`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from llm_twin.cli.common import opened, print_json, standard_options

if TYPE_CHECKING:
    from llm_twin.documents import Document


@click.command()
@click.argument("source")
@click.option("--url", default="", help="Where a saved page came from; links in it are resolved against it.")
@click.option("--markdown", is_flag=True, help="The bare Markdown, for a pipe.")
@click.option("--text", "plain", is_flag=True, help="The bare words, without marks.")
@standard_options
def extract_command(source: str, url: str, markdown: bool, plain: bool, as_json: bool, quiet: bool) -> None:
    """Show what would be stored of a page.

    SOURCE is a link or a saved HTML file. Nothing is stored.

    \b
    Examples:
      twin extract https://ada.example/notes.html
      twin extract page.html --url https://ada.example/notes.html --json
      twin extract page.html --text | wc -w
    """
    from llm_twin.cli import show

    if markdown + plain + as_json > 1:
        raise click.UsageError("choose one of --markdown, --text and --json")
    with opened(quiet=quiet) as twin:
        document = twin.extract(source, url)
    if as_json:
        print_json(document.model_dump(exclude={"id", "author", "author_id", "revision"}))
    elif markdown:
        click.echo(document.text)
    elif plain:
        click.echo(_plain(document))
    else:
        show.show_document(document)


def _plain(document: Document) -> str:
    """A document's text as a reader of the rendered Markdown sees it."""
    from markdown_it import MarkdownIt

    from llm_twin.collect.markdown import plain_of

    if document.kind == "code":
        return document.text
    return plain_of(MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(document.text))
