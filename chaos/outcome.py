"""What a case has left in the end, as plain values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec

from chaos.case import Case
from chaos.kinds import Kind
from chaos.oracle import Expected
from chaos.readings import Cells, late_of, quarantined
from schemas.times import parse_rfc3339

__all__ = ["LateLine", "Outcome", "Refused"]

_MINUTES = {"1m": 60_000_000, "5m": 300_000_000}


class LateLine(NamedTuple):
    """A late event; times in microseconds.

    Args:
        message_id: the message.
        event_id: the event.
        happened: its time.
        published: when the message was published.
        ids: of its user and session.
        windows: (metric, window, start) that it was late for.
    """

    message_id: str
    event_id: str
    happened: int
    published: int
    ids: tuple[str, ...]
    windows: tuple[tuple[str, str, int], ...]

    def is_rival(self, expected: Expected) -> bool:
        """Return whether there are several contents of it."""
        return self.event_id in expected.rivals

    @classmethod
    def of(cls, line: Mapping[str, Any]) -> "LateLine":
        """Read a line of a late output."""
        happened = parse_rfc3339(line["event_timestamp"])
        named = [told.split("/") for told in line.get("late_for", ())]
        return cls(
            line["message_id"],
            line["event_id"],
            happened,
            parse_rfc3339(line["publish_time"]),
            tuple(line[name] for name in ("user_id", "session_id") if line.get(name)),
            tuple(
                (metric, window, happened // _MINUTES[window] * _MINUTES[window])
                for metric, window in named
            ),
        )


class Refused(NamedTuple):
    """A record of a quarantine; `event_id` is empty where it cannot be read."""

    message_id: str
    step: str
    reason: str
    event_id: str


class _Id(msgspec.Struct):
    event_id: str


@dataclass
class Outcome:
    """What is left of a case.

    Args:
        case: what was run.
        horizon: of the live job, in microseconds.
        counts: the suite's counters, by job.
        bundles: how many were tried.
        repeated: how many of them the suite itself asked to be repeated.
        struck: how often each kind of fault has struck.
        stopped: the job that was stopped by an error, and the error; empty: none was.
        overwritten: paths of objects whose bytes were changed.
        archived: ids of the messages in the archive.
        late: the late outputs, by job.
        quarantined: by job.
        cells: of the table of the live job, of it repaired, and of that of a replay.
        windows: current rows of the windows, in the same way.
    """

    case: Case
    horizon: int
    counts: dict[str, Mapping[str, int]] = field(default_factory=dict)
    bundles: int = 0
    repeated: int = 0
    struck: Mapping[str, int] = field(default_factory=dict)
    stopped: tuple[str, ...] = ()
    overwritten: set[str] = field(default_factory=set)
    archived: set[str] = field(default_factory=set)
    late: dict[str, list[LateLine]] = field(default_factory=dict)
    quarantined: dict[str, list[Refused]] = field(default_factory=dict)
    cells: dict[str, Cells] = field(default_factory=dict)
    windows: dict[str, dict[Any, dict[str, int]]] = field(default_factory=dict)

    @property
    def is_redelivered(self) -> bool:
        """Whether messages came again that the live job had acknowledged."""
        return any(f.kind is Kind.REDELIVERY and f.job == "hot" for f in self.case.faults)

    def read_late(self, job: str, folder: str) -> None:
        """Take note of a late output."""
        self.late[job] = [LateLine.of(line) for line in late_of(folder)]

    def read_quarantine(self, job: str, folder: str) -> None:
        """Take note of what a job refused."""
        self.quarantined[job] = [
            Refused(each.message_id, each.step, each.reason, _event_id(each.payload))
            for each in quarantined(folder)
        ]


def _event_id(payload: bytes) -> str:
    try:
        return msgspec.json.decode(payload, type=_Id).event_id
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""
