"""`penstock archive`: what the raw archive holds, and whether it is whole."""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from typing import Annotated, TypeAlias

import typer

from console.printing import print_lines, say
from local.errors import ServiceError

__all__ = ["app", "cost", "ls", "show", "verify"]

app = typer.Typer(
    help="The raw archive: what it holds, and whether it is whole.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

_Archive: TypeAlias = Annotated[
    str,
    typer.Argument(metavar="ARCHIVE", help="its root or .../raw/events: local, or gs://..."),
]
_Source: TypeAlias = Annotated[str | None, typer.Option(help="one source, by default all")]
_From: TypeAlias = Annotated[
    str | None, typer.Option("--from", help="RFC 3339 publish time, included")
]
_To: TypeAlias = Annotated[str | None, typer.Option("--to", help="RFC 3339 publish time, excluded")]


class _By(str, Enum):
    HOUR = "hour"
    DAY = "day"
    SOURCE = "source"


@app.callback()
def _group() -> None:
    """The raw archive: what it holds, and whether it is whole."""


@app.command()
def ls(
    archive: _Archive,
    source: _Source = None,
    from_: _From = None,
    to: _To = None,
    by: Annotated[_By, typer.Option(help="what a row is about")] = _By.HOUR,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON document")] = False,
) -> None:
    """Sum up objects, events, bytes and times, and say up to when it is complete.

    From and to are publish times; objects that touch them count whole. Nothing is opened.

    Example: penstock archive ls gs://bucket --source events --by day
    """
    # By the call: Beam and the clients take seconds to import, and help needs none of them.
    from console.archive_listing import list_archive  # noqa: PLC0415
    from console.archive_range import ArchiveRange  # noqa: PLC0415

    complaints = _Complaints()
    with _one_line():
        chosen = ArchiveRange.of(archive, source, from_, to)
        print_lines(list_archive(chosen, by.value, as_json, complaints.add))
    complaints.leave()


@app.command()
def show(
    archive: _Archive,
    source: _Source = None,
    from_: _From = None,
    to: _To = None,
    message_id: Annotated[
        str | None, typer.Option("--message_id", "--message-id", help="only messages with this id")
    ] = None,
    limit: Annotated[
        int | None, typer.Option(help="how many messages, by default all", min=1)
    ] = None,
) -> None:
    """Print messages as JSON lines, as they arrived, by publish time within an hour.

    They hold personal data, and nothing is masked: access to the archive is restricted, and so is
    what this prints. From and to are publish times.

    Example: penstock archive show gs://bucket --from 2026-01-31T12:00:00Z --limit 10
    """
    from console.archive_messages import show_messages  # noqa: PLC0415
    from console.archive_range import ArchiveRange  # noqa: PLC0415

    complaints = _Complaints()
    with _one_line():
        chosen = ArchiveRange.of(archive, source, from_, to)
        print_lines(show_messages(chosen, message_id, limit, complaints.add))
    complaints.leave()


@app.command()
def verify(
    archive: _Archive,
    source: _Source = None,
    from_: _From = None,
    to: _To = None,
) -> None:
    """Read every object anew, and compare digest, count and times with the manifest.

    Prints a line for each defect and a summary; leaves with 1 where there are defects. From and to
    are publish times; objects that touch them are read whole.

    Example: penstock archive verify gs://bucket --from 2026-01-31T00:00:00Z
    """
    from console.archive_check import Verification  # noqa: PLC0415
    from console.archive_range import ArchiveRange  # noqa: PLC0415

    with _one_line():
        verification = Verification(ArchiveRange.of(archive, source, from_, to), say)
        print_lines(verification.lines())
    if verification.defects:
        raise typer.Exit(1)


@app.command()
def cost(
    archive: _Archive,
    source: _Source = None,
    from_: _From = None,
    to: _To = None,
    events_per_worker_second: Annotated[
        int | None,
        typer.Option(
            "--events_per_worker_second",
            "--events-per-worker-second",
            help="rate of the estimate, by default that of a replay's",
            min=1,
        ),
    ] = None,
    price_per_gb_month: Annotated[
        float | None,
        typer.Option(
            "--price_per_gb_month", "--price-per-gb-month", help="of 10^9 bytes, in any currency"
        ),
    ] = None,
    price_per_worker_hour: Annotated[
        float | None,
        typer.Option(
            "--price_per_worker_hour", "--price-per-worker-hour", help="in the same currency"
        ),
    ] = None,
) -> None:
    """Say what a replay of a range would read, and what the archive keeps.

    From and to are publish times; a replay's own --dry_run plans by event time.

    Example: penstock archive cost gs://bucket --price_per_gb_month 0.02
    """
    from console.archive_cost import Prices, archive_cost  # noqa: PLC0415
    from console.archive_range import ArchiveRange  # noqa: PLC0415
    from schemas.work_rate import EVENTS_PER_WORKER_SECOND  # noqa: PLC0415

    complaints = _Complaints()
    rate = events_per_worker_second or EVENTS_PER_WORKER_SECOND
    prices = Prices.of(price_per_gb_month, price_per_worker_hour)
    with _one_line():
        chosen = ArchiveRange.of(archive, source, from_, to)
        print_lines(archive_cost(chosen, rate, prices, complaints.add))
    complaints.leave()


class _Complaints:
    """Tells what could not be read, and remembers that there was something."""

    def __init__(self) -> None:
        self._any = False

    def add(self, line: str) -> None:
        """Tell it."""
        self._any = True
        say(line)

    def leave(self) -> None:
        """Leave with 1 where there was something: what was printed is not all."""
        if self._any:
            raise typer.Exit(1)


@contextmanager
def _one_line() -> Iterator[None]:
    """Turn what the store says into what the command line prints."""
    from transforms.object_store import ObjectStoreError  # noqa: PLC0415

    try:
        yield
    except ObjectStoreError as error:
        raise ServiceError(str(error)) from None
