"""The `penstock` command: what people who operate the suite type."""

import sys
import warnings
from collections.abc import Sequence

import typer
from google.api_core.exceptions import GoogleAPICallError, RetryError
from google.auth.exceptions import GoogleAuthError

from console import (
    archive,
    cost,
    features,
    graph,
    launch,
    local_services,
    metrics,
    proof,
    quarantine,
    stream,
    tables,
    topics,
)
from console.printing import say
from local.errors import ServiceError

__all__ = ["app", "main"]

_INTERRUPTED = 130

app = typer.Typer(
    help="Operate Penstock: local services, demo, proof, generated events, topics, tables,"
    " features, metrics, quarantine, archive, launches, graphs, cost.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(local_services.up)
app.command()(local_services.demo)
app.command()(proof.prove)
app.command()(stream.generate)
app.command()(stream.publish)
app.command()(launch.launch)
app.command()(cost.cost)
app.add_typer(tables.app, name="tables")
app.add_typer(topics.app, name="topics")
app.add_typer(features.app, name="features")
app.add_typer(metrics.app, name="metrics")
app.add_typer(quarantine.app, name="quarantine")
app.add_typer(archive.app, name="archive")
app.add_typer(graph.app, name="graph")


def main(argv: Sequence[str] | None = None) -> None:
    """Run one command and leave with its status: 0, 1 for a failure, 2 for wrong usage.

    A user's mistake is one line on stderr that names the remedy.
    """
    warnings.filterwarnings("ignore", message="Connecting to Bigtable emulator")
    sys.exit(_status(sys.argv[1:] if argv is None else list(argv)))


def _status(argv: list[str]) -> int:
    try:
        status = app(argv, prog_name="penstock", standalone_mode=False) or 0
        # Typer ends an interrupted command with this status, and no word.
        return _say("stopped", _INTERRUPTED) if status == _INTERRUPTED else status
    except typer.TyperException as error:
        return _misused(error)
    except typer.Abort:
        return _say("stopped", _INTERRUPTED)
    except (ServiceError, OSError, ValueError) as error:
        return _say(error, 2 if isinstance(error, ValueError) else 1)
    except GoogleAuthError:
        return _say("no credentials; export what `penstock up` prints, or log in to gcloud", 1)
    except (GoogleAPICallError, RetryError) as error:
        return _say(f"{error.message}; check the name, and that the service runs", 1)


def _misused(error: typer.TyperException) -> int:
    if type(error).__name__ == "NoArgsIsHelpError":
        typer.echo(error.format_message())
        return 2
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "penstock"
    return _say(f"{error.format_message().rstrip('.')}; {path} --help shows how", 2)


def _say(error: object, status: int) -> int:
    say(error)
    return status
