"""`twin run` and `twin collect`."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from llm_twin.cli.common import as_moment, opened, print_json, standard_options

if TYPE_CHECKING:
    from llm_twin.orchestrate.files import Name

PIPELINES = ("digital_data_etl", "feature_engineering", "end_to_end_data", "export_artifact_to_json")

since_option = click.option(
    "--since", callback=as_moment, metavar="DATE", help="Leave out what was published before, e.g. 2024-05-01."
)

refresh_option = click.option("--refresh", is_flag=True, help="Read pages again that have not changed.")

render_option = click.option(
    "--render", type=click.Choice(("auto", "never", "always")), help="Whether a browser draws pages; see TWIN_RENDER."
)


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--zenml", is_flag=True, help="As ZenML pipelines, with metadata, caching and a dashboard.")
@click.option("--pipeline", type=click.Choice(PIPELINES), help="Which one; without it, all that FILE asks for.")
@click.option("--no-cache", is_flag=True, help="Run every step of the pipelines, whatever is unchanged.")
@since_option
@refresh_option
@render_option
@standard_options
def run_command(
    file: Path,
    zenml: bool,
    pipeline: Name | None,
    no_cache: bool,
    since: datetime | None,
    refresh: bool,
    render: str | None,
    as_json: bool,
    quiet: bool,
) -> int:
    """Collect and index the authors and links of a run file.

    \b
    FILE is YAML, ours or a run configuration of the LLM Engineer's Handbook:
      authors:
        - name: Ada Lovelace
          aliases: [ada]
          links:
            - https://ada.example/notes.html
            - link: https://ada.example/feed.xml
              expand: 20
              since: 2024-05-01

    \b
    Examples:
      twin run authors.yaml
      twin run authors.yaml --since 2024-05-01
      twin run authors.yaml --zenml
      twin run authors.yaml --zenml --pipeline digital_data_etl --no-cache
    """
    if zenml:
        if since:
            raise click.UsageError("--since does not go with --zenml; write `since:` into the file")
        if refresh:
            raise click.UsageError("--refresh does not go with --zenml; --no-cache runs all steps")
        if render:
            raise click.UsageError("--render does not go with --zenml; set TWIN_RENDER")
        from llm_twin.cli.zenml import run_file

        return run_file(file, pipeline, not no_cache, as_json, quiet)
    if pipeline or no_cache:
        raise click.UsageError("--pipeline and --no-cache go with --zenml")
    from llm_twin.cli import show
    from llm_twin.runfile import read_run_file

    links = read_run_file(file, since)
    with opened(quiet=quiet, **chosen(render)) as twin:
        collected = twin.collect_links(links, refresh=refresh)
        indexed = None if collected.interrupted else twin.index()
    if as_json:
        print_json({"collect": show.report_as_json(collected), "index": indexed and show.report_as_json(indexed)})
    else:
        show.show_collected(collected)
        if indexed:
            show.show_indexed(indexed)
    return max(show.exit_code(report) for report in (collected, indexed) if report)


@click.command()
@click.argument("links", nargs=-1)
@click.option("--author", help="Full name of the person whose links these are.")
@click.option("--alias", "aliases", multiple=True, help="Another name of the author; may be given several times.")
@click.option(
    "--expand", type=click.IntRange(min=1), help="Take this many items of a feed, sitemap, profile or GitHub user."
)
@since_option
@refresh_option
@render_option
@click.option("--retry-failed", is_flag=True, help="Only the links that failed last time or were never reached.")
@standard_options
def collect_command(
    links: tuple[str, ...],
    author: str | None,
    aliases: tuple[str, ...],
    expand: int | None,
    since: datetime | None,
    refresh: bool,
    render: str | None,
    retry_failed: bool,
    as_json: bool,
    quiet: bool,
) -> int:
    """Collect an author's links into the warehouse.

    The domain of a link picks its crawler: Medium, Substack, repositories (GitHub, GitLab, Codeberg, any https://….git),
    any other article. Every link ends in one outcome. Run it again to bring it up to date:
    a page that did not change costs one short request. The same command in another terminal helps.

    \b
    Examples:
      twin collect --author "Ada Lovelace" https://ada.example/notes.html https://github.com/ada/engine
      twin collect --author "Ada Lovelace" --expand 20 https://ada.example/feed.xml
      twin collect --author "Ada Lovelace" --expand 500 --since 2024-05-01 https://ada.example
      twin collect --retry-failed
    """
    from llm_twin.cli import show
    from llm_twin.documents import Author

    if retry_failed and (links or expand or since or aliases):
        told = "--alias, --expand or --since"
        raise click.UsageError(f"--retry-failed takes its links from the last runs; give no links, {told}")
    if not retry_failed and not links:
        raise click.UsageError("no links given")
    if not retry_failed and author is None:
        raise click.UsageError('whose links are these? give --author "Full Name"')
    with opened(quiet=quiet, **chosen(render)) as twin:
        if retry_failed:
            report = twin.retry_failed(author)
        else:
            name = author or ""
            whom = Author.named(name, aliases) if aliases and name.strip() else name
            report = twin.collect(whom, links, expand or 0, since, refresh=refresh)
    if as_json:
        print_json(show.report_as_json(report))
    elif retry_failed and not report.outcomes:
        click.echo("nothing to retry: no link's last outcome is a failure")
    else:
        show.show_collected(report)
    return show.exit_code(report)


def chosen(render: str | None) -> dict[str, str]:
    """The setting, where the command makes it."""
    return {"render": render} if render else {}
