"""`twin import`."""

from __future__ import annotations

from pathlib import Path

import click

from llm_twin.cli.common import opened, print_json, standard_options


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@standard_options
def import_command(folder: Path, as_json: bool, quiet: bool) -> int:
    """Store the documents of a handbook warehouse dump.

    FOLDER holds ArticleDocument.json, PostDocument.json, RepositoryDocument.json, UserDocument.json, or the
    same as .json.gz. A broken dump stores nothing. What was collected from the web already is not overwritten.

    \b
    Example:
      twin import data/data_warehouse_raw_data
    """
    from llm_twin.cli import show

    with opened(quiet=quiet) as twin:
        report = twin.import_folder(folder)
    if as_json:
        print_json(show.report_as_json(report))
    else:
        show.show_collected(report)
    return show.exit_code(report)
