"""`twin documents list | show | export`."""

from __future__ import annotations

import sys
from datetime import datetime
from itertools import islice
from pathlib import Path

import click

from llm_twin.cli.common import filter_options, opened, print_json, standard_options


class DefaultToList(click.Group):
    """A noun: called without a verb, or with options alone, it lists."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or (args[0] not in self.commands and args[0] not in ctx.help_option_names):
            args = ["list", *args]
        return super().parse_args(ctx, args)


@click.group(cls=DefaultToList)
def documents_command() -> None:
    """List, show and export documents.

    \b
    Examples:
      twin documents --author "Ada Lovelace" --kind article
      twin documents show https://ada.example/notes.html
      twin documents export corpus.jsonl
    """


@documents_command.command("list")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(min=1), help="How many, newest first.")
@filter_options
@standard_options
def list_command(
    limit: int,
    author: str | None,
    kind: str | None,
    platform: str | None,
    since: datetime | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """List documents, newest first, without their texts.

    \b
    Example:
      twin documents list --platform github --limit 10
    """

    from llm_twin.cli import show

    with opened(quiet=quiet) as twin:
        where = twin.document_filter(author, kind=kind, platform=platform, since=since)
        total = twin.warehouse.count(where)
        found = list(islice(twin.warehouse.documents(where, newest_first=True), limit))
    if as_json:
        print_json([document.model_dump(exclude={"text"}) for document in found])
        return
    out = show.console()
    for document in found:
        day = f"{document.published_at:%Y-%m-%d}" if document.published_at else " " * 10
        title = show.escape(document.title or "(no title)")
        out.print(f"[dim]{day} {document.kind:<10}[/] {title}  [dim]{show.escape(document.link)}[/]")
    out.print(f"[dim]{len(found)} of {total}[/]")


@documents_command.command("show")
@click.argument("document")
@click.option("--raw", is_flag=True, help="The response as it was fetched, unchanged, on stdout.")
@standard_options
def show_command(document: str, raw: bool, as_json: bool, quiet: bool) -> None:
    """Show one document, by id or link.

    \b
    Example:
      twin documents show https://ada.example/notes.html
    """
    from llm_twin.cli import show

    with opened(quiet=quiet) as twin:
        found = twin.document(document)
        response = twin.warehouse.raw(found.id) if raw else None
    if raw:
        if not response:
            raise click.ClickException(f"no response is kept of {found.link}")
        sys.stdout.buffer.write(response.body)
    elif as_json:
        print_json(found)
    else:
        show.show_document(found)


@documents_command.command("export")
@click.argument("target", type=click.Path(path_type=Path))
@click.option(
    "--format", "form", type=click.Choice(["jsonl", "parquet", "markdown"]), help="Default: by the target's name."
)
@click.option("--cleaned", is_flag=True, help="The texts as they were cleaned for the index, e.g. for training.")
@filter_options
@standard_options
def export_command(
    target: Path,
    form: str | None,
    cleaned: bool,
    author: str | None,
    kind: str | None,
    platform: str | None,
    since: datetime | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Export documents as JSONL, Parquet, or a folder of Markdown files.

    A file is replaced as a whole or not at all. `-` writes JSONL to stdout.

    \b
    Examples:
      twin documents export corpus.jsonl --author "Ada Lovelace"
      twin documents export corpus.parquet --kind article
      twin documents export notes/ --format markdown
      twin documents export features.jsonl --cleaned
    """
    from llm_twin.export import export

    with opened(quiet=quiet) as twin:
        read = twin.cleaned_documents if cleaned else twin.documents
        number = export(read(author, kind=kind, platform=platform, since=since), target, form)
    if str(target) == "-":
        return
    if as_json:
        print_json({"documents": number, "target": str(target)})
    else:
        click.echo(f"{number} documents written to {target}")
