"""`twin index`."""

from __future__ import annotations

import click

from llm_twin.cli.common import opened, print_json, standard_options


@click.command()
@standard_options
def index_command(as_json: bool, quiet: bool) -> int:
    """Bring the index in step with the warehouse.

    Only new and changed documents are cleaned, cut and embedded; deleted ones leave the index. Run it as often
    as you like: when nothing changed, it does nothing.

    \b
    Example:
      twin index
    """
    from llm_twin.cli import show

    with opened(quiet=quiet) as twin:
        report = twin.index()
    if as_json:
        print_json(show.report_as_json(report))
    else:
        show.show_indexed(report)
    return show.exit_code(report)
