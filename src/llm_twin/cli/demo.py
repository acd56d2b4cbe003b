"""`twin demo`."""

from __future__ import annotations

import time
from pathlib import Path

import click

from llm_twin.cli.common import SETTINGS, opened, print_json, standard_options


@click.command()
@standard_options
def demo_command(as_json: bool, quiet: bool) -> int:
    """Run the main job on a bundled sample author, offline.

    Serves an invented author's blog, newsletter, articles, status and git repository from this machine, collects and
    indexes them, and answers two questions. It has a home of its own, so it never touches your data.

    \b
    Example:
      twin demo
    """
    from llm_twin.cli import show
    from llm_twin.demo.server import QUESTIONS, DemoServer
    from llm_twin.runfile import read_run_file
    from llm_twin.settings import Settings

    started = time.perf_counter()
    home = click.get_current_context().meta[SETTINGS].get("home")
    folder = Path(home) if home else Settings.load().home / "demo"
    with (
        DemoServer() as server,
        opened(home=folder, quiet=quiet, allow_private=True, delay=0.0, warehouse="", vectors="") as twin,
    ):
        run_file = server.run_file(twin.home)
        collected = twin.collect_links(read_run_file(run_file))
        if not as_json:
            click.echo(f"$ twin run {run_file}")
            show.show_collected(collected)
        indexed = twin.index()
        if not as_json:
            show.show_indexed(indexed)
        answers = {question: twin.search(question, k=1) for question, _ in QUESTIONS}
        documents = twin.warehouse.count()
    seconds = time.perf_counter() - started
    code = max(show.exit_code(collected), show.exit_code(indexed))
    if as_json:
        reports = {"collect": show.report_as_json(collected), "index": show.report_as_json(indexed)}
        print_json({**reports, "answers": answers, "home": str(folder), "seconds": seconds})
        return code
    for question, hits in answers.items():
        click.echo(f'\n$ twin search "{question}"')
        show.show_hits(hits)
    click.echo(
        f"{documents} documents and their index lie in {folder} ({seconds:.1f} s in all).\n"
        "Now look around, or start with your own links:\n"
        f"  twin documents --home {folder}\n"
        f"  twin status --home {folder}\n"
        '  twin collect --author "Your Name" https://your.blog/post https://github.com/you/project\n'
        "  twin index\n"
        '  twin search "what did I write about …"'
    )
    return code
