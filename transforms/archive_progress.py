"""How far a source of the archive has been followed: plain logic, saved as a piece of text."""

import base64
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import msgspec

from schemas.archive_layout import HOUR
from schemas.events import MIN_MICROS
from schemas.manifest import ManifestEntry
from transforms.archive_manifest import ArchivedHour

__all__ = ["Progress", "Stillness"]

_MOST_PAUSE = 15.0
_GROWTH = 1.25
_MOST_POLLS = 64
_SECONDS = 60.0


class Progress(msgspec.Struct, frozen=True, array_like=True):
    """Which objects have been handed on. Never changed, only replaced.

    `settled`: of hours that end at or before it, in microseconds, everything has been. `handed`:
    the digests of the objects of later hours, by the start of their hour; so it takes 16 bytes an
    object of the hours that the completeness marker has not passed. `polls`: the
    listings since something new was found.

    >>> Progress.from_text(Progress(settled=5).to_text())
    Progress(settled=5, handed={}, polls=0)
    """

    settled: int = MIN_MICROS
    handed: Mapping[int, frozenset[bytes]] = {}
    polls: int = 0

    @classmethod
    def from_text(cls, text: str) -> "Progress":
        """Read what `to_text` wrote."""
        return msgspec.msgpack.decode(base64.b64decode(text), type=cls)

    def to_text(self) -> str:
        """Return the form that an engine saves."""
        return base64.b64encode(msgspec.msgpack.encode(self)).decode()

    def fresh(self, hour: ArchivedHour) -> list[ManifestEntry]:
        """Return the objects of an hour that have to be handed on, in order of publish time.

        What a compaction has made of objects that have all been handed on holds nothing new.
        """
        handed = self.handed.get(hour.start, frozenset())
        known = set(handed)
        for record in hour.records:
            if handed.issuperset(_digests(record.replaces)):
                known.update(_digests(record.outputs))
        return [entry for entry in hour.entries if bytes.fromhex(entry.digest) not in known]

    def with_handed(self, hour: int, entries: Iterable[ManifestEntry]) -> "Progress":
        """Return the progress after objects of an hour, given its start, were handed on."""
        more = _digests(entry.digest for entry in entries)
        handed = {**self.handed, hour: self.handed.get(hour, frozenset()) | more}
        return Progress(self.settled, handed, 0)

    def after(self, complete_to: int | None) -> "Progress":
        """Return the progress after a listing that was made when the marker said `complete_to`.

        What was published before that was in the listing: those hours need not be looked at again,
        nor their objects be remembered.
        """
        settled = self.settled
        if complete_to is not None:
            settled = max(settled, complete_to // HOUR * HOUR)
        handed = {hour: kept for hour, kept in self.handed.items() if hour + HOUR > settled}
        return Progress(settled, handed, self.polls + 1)

    def pause(self, first: float) -> float:
        """Return the seconds until the next listing: `first` after news, then growing to 15.

        >>> [Progress(polls=n).pause(2.0) for n in (1, 2, 40)]
        [2.0, 2.5, 15.0]
        """
        grown = first * _GROWTH ** min(max(self.polls - 1, 0), _MOST_POLLS)
        return max(first, min(_MOST_PAUSE, grown))


def _digests(texts: Iterable[str]) -> frozenset[bytes]:
    return frozenset(map(bytes.fromhex, texts))


@dataclass
class Stillness:
    """Tells, once a minute, that a marker has not moved for a minute.

    >>> now = 0.0
    >>> still = Stillness(lambda: now)
    >>> first = still.lasts(5); now = 61.0
    >>> first, still.lasts(5), still.lasts(5), still.lasts(6)
    (False, True, False, False)
    """

    clock: Callable[[], float]
    _known: int | None = field(default=None, init=False)
    _since: float | None = field(default=None, init=False)

    def lasts(self, marker: int | None) -> bool:
        """Note what the marker says now; return whether it is time for another warning."""
        now = self.clock()
        if self._since is None or marker != self._known:
            self._known, self._since = marker, now
        if now - self._since < _SECONDS:
            return False
        self._since = now
        return True
