"""`twin extract`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from llm_twin.cli.common import opened, print_json, standard_options

if TYPE_CHECKING:
    from llm_twin.collect.explain import Explanation
    from llm_twin.documents import Document

OWN_DATA = ("medium", "substack")  # platforms whose pages carry their text as data


@click.command()
@click.argument("source")
@click.option("--url", default="", help="Where a saved page came from; links in it are resolved against it.")
@click.option("--markdown", is_flag=True, help="The bare Markdown, for a pipe.")
@click.option("--text", "plain", is_flag=True, help="The bare words, without marks.")
@click.option(
    "--explain",
    "why",
    is_flag=True,
    help="Whose word was taken for title, author, date and language; each block: kept or not, and why.",
)
@standard_options
def extract_command(source: str, url: str, markdown: bool, plain: bool, why: bool, as_json: bool, quiet: bool) -> None:
    """Show what would be stored of a page.

    SOURCE is a link, a saved HTML file, which may be packed with gzip, or - for standard input. Nothing is stored.

    \b
    Examples:
      twin extract https://ada.example/notes.html
      twin extract page.html --url https://ada.example/notes.html --json
      twin extract page.html --text | wc -w
      curl -s https://ada.example/notes.html | twin extract - --url https://ada.example/notes.html
      twin extract page.html --explain
    """
    from llm_twin.cli import show

    if markdown + plain + as_json > 1:
        raise click.UsageError("choose one of --markdown, --text and --json")
    if why and (markdown or plain):
        raise click.UsageError("--explain goes with --json or alone")
    with opened(quiet=quiet) as twin:
        document = twin.extract(source, url)
    explained = _explanation(document) if why else None
    if as_json:
        more = {} if explained is None else explained.model_dump()
        print_json(document.model_dump(exclude={"id", "author", "author_id", "revision"}) | more)
    elif explained is not None:
        show.show_explanation(explained)
        if not explained.explained:
            click.echo(
                "no blocks were judged: the page's own marks or its platform's data say what the text is", err=True
            )
    elif markdown:
        click.echo(document.text)
    elif plain:
        click.echo(_plain(document))
    else:
        byline = str(document.metadata.get("byline") or "")
        show.show_document(document.model_copy(update={"author": byline}))


def _explanation(document: Document) -> Explanation:
    """What was decided of the metadata and the blocks of the page that a document was read from."""
    from llm_twin.collect.explain import Explanation, explain, explain_metadata
    from llm_twin.collect.pages import Page

    raw = document.raw
    if raw is None:
        return Explanation()
    page = Page(url=raw.url, status=raw.status, headers=raw.headers, fetched_at=raw.fetched_at, body=raw.body)
    blocks = () if document.platform in OWN_DATA else explain(page.text, raw.url)
    return Explanation(metadata_explained=explain_metadata(page.text, raw.url, document), explained=blocks)


def _plain(document: Document) -> str:
    """A document's text as a reader of the rendered Markdown sees it."""
    from markdown_it import MarkdownIt

    from llm_twin.collect.reading.markdown import plain_of

    if document.kind == "code":
        return document.text
    return plain_of(MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(document.text))
