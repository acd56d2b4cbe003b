"""`twin import`."""

from __future__ import annotations

import click

from llm_twin.cli.common import opened, print_json, standard_options


@click.command()
@click.argument("archive")
@click.option("--author", metavar="NAME", help="Whose archive it is. The handbook's dump names its own authors.")
@click.option("--alias", "aliases", multiple=True, help="Another name of the author; may be given several times.")
@click.option("--drafts", is_flag=True, help="Take drafts and private posts as well.")
@click.option("--site", metavar="LINK", default="", help="Where it was published, for exports that do not say it.")
@standard_options
def import_command(
    archive: str,
    author: str | None,
    aliases: tuple[str, ...],
    drafts: bool,
    site: str,
    as_json: bool,
    quiet: bool,
) -> int:
    """Store the documents of an export: a zip, a folder or a file.

    ARCHIVE is recognised by what stands in it: a data export of LinkedIn, Medium, Substack or X, a WordPress export or
    a feed, Notion, an Obsidian vault or any folder of Markdown, conversations with ChatGPT or Claude (your own turns),
    or the handbook's warehouse dump. What was collected from the web already is not overwritten.

    \b
    Examples:
      twin import linkedin.zip --author "Ada Lovelace"
      twin import ~/vault --author "Ada Lovelace"
      twin import substack.zip --author "Ada Lovelace" --site https://ada.substack.com
      twin import data/data_warehouse_raw_data
    """
    from llm_twin.cli import show
    from llm_twin.documents import Author

    if not archive:  # a variable without a value; the folder that one is in is `.`
        raise click.UsageError("which archive? Give a zip, a folder or a file")
    whom = Author.named(author, aliases) if author and author.strip() and aliases else author
    with opened(quiet=quiet) as twin:
        report = twin.import_archive(archive, whom, drafts=drafts, site=site)
    if as_json:
        print_json(show.report_as_json(report))
    else:
        show.show_collected(report)
        if left_out := report.summary.get("left_out"):
            told = ", ".join(f"{count:,} {why}" for why, count in left_out.items())
            show.console().print(f"left out of the {report.summary['format']} archive: {show.escape(told)}")
    return show.exit_code(report)
