"""`twin doctor`."""

from __future__ import annotations

import click

from llm_twin.cli.common import opened, print_json, standard_options

STYLES = {"ok": "green", "missing": "yellow", "broken": "bold red"}


@click.command()
@standard_options
def doctor_command(as_json: bool, quiet: bool) -> int:
    """Check settings, services and installed parts.

    Says for everything that is missing or broken what to do about it. Exit code 2 when something is broken.

    \b
    Example:
      twin doctor
    """
    from rich.table import Table

    from llm_twin.cli import show
    from llm_twin.doctor import check, setting_rows

    with opened(quiet=quiet) as twin:
        checks = check(twin)
        settings = setting_rows(twin.settings)
    code = 2 if any(each.state == "broken" for each in checks) else 0
    if as_json:
        print_json({"checks": checks, "settings": {name: value for name, value, _ in settings}})
        return code
    out = show.console()
    for each in checks:
        out.print(f"[{STYLES[each.state]}]{each.state:<8}[/] {show.escape(each.name):<17} {show.escape(each.detail)}")
        if each.todo:
            out.print(f"{'':<27}[dim]{show.escape(each.todo)}[/]")
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("setting", "value"):
        table.add_column(column, overflow="fold")
    for name, value, _ in settings:
        table.add_row(name, show.escape(value))
    out.print()
    out.print(table)
    return code
