"""`penstock quarantine`: what was refused, and what to do about it."""

from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from console.printing import print_lines, say

if TYPE_CHECKING:
    from console.quarantine_reading import Report

__all__ = ["app", "explain", "ls", "show"]

app = typer.Typer(
    help="What was refused, and what to do about it.", no_args_is_help=True, rich_markup_mode=None
)

_Path: TypeAlias = Annotated[
    str, typer.Argument(metavar="PATH", help="a quarantine or a part of it: local, or gs://...")
]
_Step: TypeAlias = Annotated[str | None, typer.Option(help="the step that refused")]
_ReasonCode: TypeAlias = Annotated[str | None, typer.Option(help="reason code, as not_json")]
_From: TypeAlias = Annotated[
    str | None, typer.Option("--from", help="RFC 3339 publish time, included")
]
_To: TypeAlias = Annotated[str | None, typer.Option("--to", help="RFC 3339 publish time, excluded")]


@app.callback()
def _group() -> None:
    """What was refused, and what to do about it."""


@app.command()
def ls(
    path: _Path,
    step: _Step = None,
    reason: _ReasonCode = None,
    from_: _From = None,
    to: _To = None,
) -> None:
    """Count records by step, reason and hour.

    The hour is that of the publish time, or of the rejection where there is none.

    Example: penstock quarantine ls gs://bucket/quarantine --from 2026-01-31T00:00:00Z
    """
    # By the call: Beam and the clients take seconds to import, and help needs none of them.
    from console.quarantine_reading import quarantine_counts  # noqa: PLC0415
    from transforms.quarantine_filter import Filter  # noqa: PLC0415

    _print(quarantine_counts(path, Filter.of(step, reason, from_, to), say))


@app.command()
def show(
    path: _Path,
    step: _Step = None,
    reason: _ReasonCode = None,
    from_: _From = None,
    to: _To = None,
    limit: Annotated[int, typer.Option(help="how many records", min=1)] = 10,
    raw: Annotated[bool, typer.Option("--raw", help="as they came, personal values too")] = False,
    contracts: Annotated[str | None, typer.Option(help="folder of contracts")] = None,
) -> None:
    """Show records as JSON lines, without what may be personal.

    Name the contracts of the job: they say which values are known and not personal.

    Example: penstock quarantine show quarantine --reason wrong_type --limit 3
    """
    from console.quarantine_reading import quarantine_samples  # noqa: PLC0415
    from transforms.quarantine_filter import Filter  # noqa: PLC0415

    chosen = Filter.of(step, reason, from_, to)
    _print(quarantine_samples(path, chosen, limit, raw, contracts, say))


@app.command()
def explain(
    reason: Annotated[str, typer.Argument(metavar="[REASON]", help="by default all of them")] = "",
) -> None:
    """Say what a reason means, what causes it, how to mend it, and whether it can be released.

    Example: penstock quarantine explain not_json
    """
    from schemas.reason_guide import note_text  # noqa: PLC0415
    from schemas.rejected import Reason  # noqa: PLC0415

    known = {each.value: each for each in Reason}
    if reason and reason not in known:
        msg = f"REASON {reason}: there is none; there are {', '.join(known)}"
        raise ValueError(msg)
    chosen = [known[reason]] if reason else list(Reason)
    typer.echo("\n\n".join(map(note_text, chosen)))


def _print(report: "Report") -> None:
    """Print the lines of a report; leave with 1 where an object could not be read."""
    print_lines(report.lines)
    if report.objects.bad:
        say(f"objects that could not be read, and are not in this: {report.objects.bad}")
        raise typer.Exit(1)
