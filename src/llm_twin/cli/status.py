"""`twin status`."""

from __future__ import annotations

import click

from llm_twin.cli.common import opened, print_json, standard_options


@click.command()
@click.option("--failed", is_flag=True, help="Only the links whose last outcome is a failure, over all runs.")
@click.option("--limit", default=5, show_default=True, type=click.IntRange(min=1), help="How many runs.")
@standard_options
def status_command(failed: bool, limit: int, as_json: bool, quiet: bool) -> None:
    """Show the last runs and every link that failed.

    \b
    Examples:
      twin status
      twin status --failed --json
    """
    from rich.table import Table

    from llm_twin.cli import show
    from llm_twin.documents import SUCCESSES, count_domains

    with opened(quiet=quiet) as twin:
        failures = twin.failures()
        runs = [] if failed else [(run, twin.warehouse.outcomes(run.id)) for run in twin.runs(limit)]
        queued = {run.id: twin.warehouse.queue.backlog(run.id) for run, _ in runs if run.state != "finished"}
        documents = twin.warehouse.count()
    if as_json:
        counted = [
            {
                **run.model_dump(),
                "domains": count_domains(outcomes),
                "secrets": sum(each.secrets for each in outcomes),
                "queue": queued.get(run.id, []),
            }
            for run, outcomes in runs
        ]
        print_json({"documents": documents, "runs": counted, "failed": failures} if not failed else failures)
        return
    out = show.console()
    if not failed:
        out.print(f"{documents} documents in the warehouse\n")
        table = Table(box=None, pad_edge=False, header_style="bold")
        for column in ("started", "run", "state", "successful / total"):
            table.add_column(column, justify="right" if "/" in column else "left")
        for run, outcomes in runs:
            total = len(outcomes) + sum(each.claimed + each.waiting for each in queued.get(run.id, []))
            good = sum(outcome.status in SUCCESSES for outcome in outcomes)
            started = f"{run.started_at.astimezone():%Y-%m-%d %H:%M:%S}"
            table.add_row(started, run.command, run.state, f"{good} / {total}")
        out.print(table)
        for run, _ in runs:
            show.show_backlog(run, queued.get(run.id, []))
        last = next((outcomes for run, outcomes in runs if run.command != "index" and outcomes), None)
        if last:
            out.print("\n[bold]Last run that collected or imported[/]")
            show.show_domains(count_domains(last))
            if secrets := sum(outcome.secrets for outcome in last):
                out.print(f"{secrets} secret{'' if secrets == 1 else 's'} masked before storing")
    if failures:
        out.print(f"\n[bold red]{len(failures)} failed[/] (to try only those: twin collect --retry-failed)")
        for outcome in failures:
            out.print(f"{show.escape(outcome.link)}  [red]{outcome.reason}[/] {show.escape(outcome.detail)}")
    elif failed:
        out.print("no link's last outcome is a failure")
