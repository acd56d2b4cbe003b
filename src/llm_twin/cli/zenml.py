"""`twin zenml up | down | runs | export-settings`, and `twin run --zenml`."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from llm_twin.cli.common import SETTINGS, print_json, standard_options

if TYPE_CHECKING:
    from llm_twin.orchestrate.files import Name
    from llm_twin.orchestrate.local import PipelineRun
    from llm_twin.settings import Settings


@click.group()
def zenml_command() -> None:
    """Show ZenML's dashboard and runs, and give it the settings.

    Pipelines are run with `twin run FILE.yaml --zenml`.

    \b
    Examples:
      twin zenml up
      twin zenml runs
      twin zenml export-settings
      twin zenml down
    """


@zenml_command.command("up")
@click.option("--port", type=click.IntRange(1, 65535), help="Of the dashboard; default 8237, or any that is free.")
@standard_options
def up_command(port: int | None, as_json: bool, quiet: bool) -> None:
    """Start ZenML's server and dashboard on this machine, reachable from here alone.

    It asks for the user and password that are printed. Its state lies below the home folder; no usage data is sent.

    \b
    Example:
      twin zenml up
    """
    from llm_twin.orchestrate import local

    dashboard = local.up(_folder(), port)
    if as_json:
        print_json(dashboard.model_dump() | {"password": dashboard.password.get_secret_value()})
        return
    click.echo(f"{dashboard.url}\nuser      {dashboard.user}\npassword  {dashboard.password.get_secret_value()}")


@zenml_command.command("down")
@standard_options
def down_command(as_json: bool, quiet: bool) -> None:
    """Stop ZenML's server; runs and artifacts are kept.

    \b
    Example:
      twin zenml down
    """
    from llm_twin.orchestrate import local

    stopped = local.down(_folder())
    if as_json:
        print_json({"stopped": stopped})
    else:
        click.echo("stopped" if stopped else "was not running")


@zenml_command.command("runs")
@click.option("--limit", default=10, show_default=True, type=click.IntRange(min=1, max=1000), help="How many.")
@standard_options
def runs_command(limit: int, as_json: bool, quiet: bool) -> None:
    """List the last pipeline runs, newest first.

    \b
    Example:
      twin zenml runs --limit 20
    """
    from llm_twin.orchestrate import local

    found = local.runs(_prepared(), limit)
    if as_json:
        print_json(found)
        return
    for run in found:
        _show_run(run)
    if not found:
        click.echo("no runs yet; `twin run FILE.yaml --zenml` makes one")


@zenml_command.command("export-settings")
@standard_options
def export_settings_command(as_json: bool, quiet: bool) -> None:
    """Put the settings that are given here into ZenML's secret store, where remote steps read them.

    Given means by option, environment or `.env`. Where a step runs, its own environment comes first.

    \b
    Example:
      twin zenml export-settings --set warehouse=mongodb://host/twin
    """
    from llm_twin.orchestrate import local

    settings = _settings()
    _prepared()
    put = local.export_settings(settings)
    if as_json:
        print_json({"secret": local.SECRET, "settings": put})
        return
    for name, value in put.items():
        click.echo(f"{name}={value}")
    click.echo(f"{len(put)} settings are in ZenML's secret {local.SECRET!r}")


def run_file(file: Path, pipeline: Name | None, cache: bool, as_json: bool, quiet: bool) -> int:
    """Run a file's pipelines on ZenML, one after the other; the exit code."""
    from llm_twin.cli import show
    from llm_twin.orchestrate.files import read_pipelines

    planned = read_pipelines(file, pipeline)
    folder = _prepared()
    if not quiet:
        _log_to_stderr()
    from llm_twin.documents import Report
    from llm_twin.orchestrate import local
    from llm_twin.orchestrate.zenml import launch

    done: list[PipelineRun] = []
    reports: list[tuple[str, bool, Report]] = []
    for each in planned:
        run = launch(each.pipeline, each.parameters, cache=cache, options=each.options)
        if run is None:
            click.echo(f"{each.pipeline} is scheduled", err=True)
            continue
        done.append(local.run_of(run, local.found(folder)))
        reports += local.reports_of(run)
    code = max((show.exit_code(report) for _, cached, report in reports if not cached), default=0)
    if as_json:
        of = [{"step": step, "cached": cached, **show.report_as_json(report)} for step, cached, report in reports]
        print_json({"runs": done, "reports": of})
        return code
    for step, cached, report in reports:
        if cached:
            click.echo(f"{step}: cached, nothing to do since {report.command} run {report.run_id}")
        elif report.command == "index":
            show.show_indexed(report)
        else:
            show.show_collected(report)
    for each_run in done:
        _show_run(each_run)
    return code


def _show_run(run: PipelineRun) -> None:
    from llm_twin.cli import show

    steps = ", ".join(f"{name} {status}" for name, status in run.steps.items())
    started = f"{run.started_at:%Y-%m-%d %H:%M:%S}" if run.started_at else " " * 19
    seconds = f"{run.seconds:.1f} s" if run.seconds is not None else ""
    click.echo(show.printable(f"{started}  {run.pipeline:<22} {run.status:<10} {seconds:>8}  {steps}"))
    if run.url:
        click.echo(f"{' ' * 21}{run.url}")


def _settings() -> Settings:
    from llm_twin.settings import Settings

    return Settings.load(**click.get_current_context().meta[SETTINGS])


def _folder() -> Path:
    """ZenML's folder. Options become environment variables, which is where steps read the settings."""
    from llm_twin.orchestrate import local
    from llm_twin.twin import Twin

    settings = _settings()
    for name, value in click.get_current_context().meta[SETTINGS].items():
        os.environ[f"TWIN_{name.upper()}"] = str(value)
    return local.folder_below(Twin(settings).home)


def _prepared() -> Path:
    """ZenML's folder, with ZenML ready to be used."""
    from llm_twin.orchestrate import local

    folder = _folder()
    local.prepare(folder)
    return folder


def _log_to_stderr() -> None:
    """Show on stderr what the steps log of themselves."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(message)s"))
    log: Any = logging.getLogger("llm_twin.orchestrate")
    log.addHandler(handler)
    log.setLevel(logging.INFO)
