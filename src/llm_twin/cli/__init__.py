"""The command `twin`. Commands are imported when they are called, so that `twin --help` answers at once."""

from __future__ import annotations

import logging
import signal
import sys
from importlib import import_module

import click

from llm_twin import __version__

# Name -> (module, what it does). The texts are those of the commands' own help; a test holds them together.
COMMANDS = {
    "run": ("collect", "Collect and index the authors and links of a run file."),
    "collect": ("collect", "Collect an author's links into the warehouse."),
    "discover": ("discover", "List what a site, feed, sitemap or profile holds."),
    "watch": ("watch", "Keep a corpus current: collect and index a run file every so often."),
    "index": ("index", "Bring the index in step with the warehouse."),
    "search": ("search", "Find the passages that answer a question."),
    "status": ("status", "Show the last runs and every link that failed."),
    "documents": ("documents", "List, show and export documents."),
    "authors": ("authors", "List the authors with their documents."),
    "forget": ("forget", "Remove an author or a link from warehouse and index."),
    "import": ("imports", "Store the documents of an export: a zip, a folder or a file."),
    "login": ("login", "Sign in where you are the author, and see where you are signed in."),
    "extract": ("extract", "Show what would be stored of a page."),
    "zenml": ("zenml", "Show ZenML's dashboard and runs, and give it the settings."),
    "doctor": ("doctor", "Check settings, services and installed parts."),
    "demo": ("demo", "Run the main job on a bundled sample author, offline."),
}


class LazyGroup(click.Group):
    """Imports a command's module when the command is called or its own help is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command = getattr(import_module(f"llm_twin.cli.{COMMANDS[cmd_name][0]}"), f"{cmd_name}_command")
        assert isinstance(command, click.Command)  # noqa: S101
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="twin")
@click.option("--home", help="Folder of all state (TWIN_HOME).")
@click.pass_context
def cli(ctx: click.Context, home: str | None) -> None:
    """Collect everything a person has published, keep it clean and current, and make it usable by an LLM.

    \b
    Start with:
      twin demo
      twin collect --author "Full Name" https://example.com/post https://github.com/name/repo
      twin index
      twin search "what did I write about …"
    """
    ctx.obj = home


def main() -> None:
    """Entry point: runs a command; every expected error is one line on stderr. Exit codes: see README."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a stopped run is marked as interrupted
    _show_own_warnings()
    try:
        code = cli.main(standalone_mode=False)
    except click.UsageError as error:
        command = error.ctx.command_path if error.ctx else "twin"
        click.echo(f"{command}: {error.format_message()} (see `{command} --help`)", err=True)
        code = 2
    except click.ClickException as error:
        click.echo(f"twin: {error.format_message()}", err=True)
        code = 2
    except (click.Abort, KeyboardInterrupt):
        click.echo("twin: interrupted; what was finished is kept", err=True)
        code = 1
    except BrokenPipeError:  # `twin … | head`
        sys.stderr.close()
        code = 0
    except Exception as error:
        # Imported here: pydantic behind it takes longer than `twin --help` may.
        from llm_twin.errors import TwinError

        if not isinstance(error, TwinError):
            raise
        click.echo(f"twin: {error}", err=True)
        code = error.exit_code
    sys.exit(code or 0)


def _show_own_warnings() -> None:
    """Warnings of llm-twin are lines on stderr; what libraries say of odd pages is nothing for a terminal."""

    class Line(logging.Formatter):
        def format(self, record: logging.LogRecord) -> str:
            return "twin: " + " ".join(record.getMessage().split())

    handler = logging.StreamHandler()
    handler.setLevel(logging.WARNING)  # ZenML asks for more, to keep it with the step
    handler.setFormatter(Line())
    logging.getLogger("llm_twin").handlers = [handler]
    logging.getLogger().addHandler(logging.NullHandler())
