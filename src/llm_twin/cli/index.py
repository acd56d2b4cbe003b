"""`twin index`."""

from __future__ import annotations

import click

from llm_twin.cli.common import opened, print_json, standard_options


@click.command()
@click.option("--plan", is_flag=True, help="Only show what would be done, why, and how long it would take.")
@click.option("--author", "authors", multiple=True, help="Only this author's documents; may be given several times.")
@click.option("--rebuild", is_flag=True, help="Build the whole index anew, aside, and swap it in at the end.")
@standard_options
def index_command(plan: bool, authors: tuple[str, ...], rebuild: bool, as_json: bool, quiet: bool) -> int:
    """Bring the index in step with the warehouse.

    Only new and changed documents are cleaned, cut and embedded, and of these only the passages that are new; deleted
    ones leave the index. Run it as often as you like: when nothing changed, it does nothing. With another embedding
    model than before it rebuilds the index. A rebuild goes on aside, and the old index answers until it is complete.

    \b
    Examples:
      twin index
      twin index --plan
      twin index --author "Ada Lovelace"
      twin index --rebuild
    """
    from llm_twin.cli import show

    with opened(quiet=quiet) as twin:
        if plan:
            planned = twin.index_plan(authors or None, rebuild=rebuild)
            if as_json:
                print_json(planned)
            else:
                show.show_plan(planned)
            return 0
        report = twin.index(authors or None, rebuild=rebuild)
    if as_json:
        print_json(show.report_as_json(report))
    else:
        show.show_indexed(report)
    return show.exit_code(report)
