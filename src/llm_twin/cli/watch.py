"""`twin watch`."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from llm_twin.cli.collect import chosen, render_option
from llm_twin.cli.common import opened, standard_options

if TYPE_CHECKING:
    from llm_twin.watching import Round


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--every", metavar="INTERVAL", help="From the start of a round to the next: 30m, 6h, 1d, 1d12h.")
@click.option("--once", is_flag=True, help="One round, for cron and systemd timers.")
@render_option
@standard_options
def watch_command(file: Path, every: str | None, once: bool, render: str | None, as_json: bool, quiet: bool) -> int:
    """Keep a corpus current: collect and index a run file every so often.

    What has not changed costs next to nothing. FILE is read anew for each round. A round that fails is reported, and
    the next one tries again. Two watches over the same links share the work. Ctrl-C ends it: with exit code 0 between
    two rounds, with 1 within one, which the next round continues. With --json each round is one line.

    \b
    Examples:
      twin watch authors.yaml --every 6h
      twin watch authors.yaml --every 1d --json >> rounds.jsonl
      twin watch authors.yaml --once
    """
    from llm_twin.watching import interval, rounds

    if once == bool(every):
        raise click.UsageError("give --every INTERVAL, as in --every 6h, or --once")
    code = 0
    for done in rounds(file, lambda: opened(quiet=quiet, **chosen(render)), interval(every) if every else None):
        code = done.exit_code if done.next_at is None else 0
        try:
            if as_json:
                click.echo(_as_json(done))
            else:
                _show(done)
        except KeyboardInterrupt:  # the round is over
            break
    return code


def _as_json(done: Round) -> str:
    """One line: the counts of a round, and the links that failed."""
    import json

    from pydantic_core import to_jsonable_python

    told: dict[str, Any] = done.model_dump(exclude={"collected", "indexed"}) | {"seconds": done.seconds}
    if done.collected:
        failed = [{"link": each.link, "reason": each.reason, "detail": each.detail} for each in done.collected.failed]
        told["collect"] = {"run_id": done.collected.run_id, "counts": done.collected.counts, "failed": failed}
    if done.indexed:
        failed = [{"link": each.link, "reason": each.reason, "detail": each.detail} for each in done.indexed.failed]
        told["index"] = {"run_id": done.indexed.run_id, **done.indexed.summary, "failed": failed}
    return json.dumps(to_jsonable_python(told), ensure_ascii=False)


def _show(done: Round) -> None:
    """A round in a few lines: what failed, the counts, and when the next one is."""
    from llm_twin.cli.show import console, escape

    out = console()
    head = f"{_local(done.started_at)}  round {done.number}"
    if done.state == "elsewhere":
        out.print(f"{head}: done by another process")
    elif done.state == "failed":
        out.print(f"{head} [bold red]failed[/]: {escape(done.error)}")
    if done.collected:
        failed = [*done.collected.failed, *(done.indexed.failed if done.indexed else ())]
        for each in failed:
            out.print(f"[bold red]failed[/]    {escape(each.link)}  {each.reason} {escape(each.detail)}")
        counts = ", ".join(f"{count} {status}" for status, count in sorted(done.collected.counts.items()))
        line = f"{head}: {counts or 'no links'}"
        if done.indexed:
            summary = done.indexed.summary
            line += f"; {summary['chunks_embedded']} chunks embedded, {summary['chunks']} in the index"
        out.print(f"{line}; {done.seconds:.1f} s")
    if done.state == "interrupted":
        out.print("[yellow]interrupted: what is finished is kept; the next round continues[/]")
    elif done.next_at:
        out.print(f"[dim]next round at {_local(done.next_at)}; Ctrl-C ends[/]")


def _local(moment: datetime) -> str:
    return f"{moment.astimezone():%Y-%m-%d %H:%M}"
