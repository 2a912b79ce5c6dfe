"""State and timers of keys as an engine keeps them: changed by bundles that commit, by no other."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from apache_beam.transforms.timeutil import TimeDomain
from apache_beam.transforms.userstate import BagStateSpec, StateSpec, TimerSpec
from apache_beam.utils.timestamp import Timestamp

__all__ = ["Alarm", "Saved", "Staged"]

_MILLISECOND = 1_000
_Place = tuple[int, Any]  # number of a step, key


@dataclass(frozen=True)
class Alarm:
    """A timer that is set: when it is due, and where it holds the watermark; microseconds."""

    due: int
    hold: int
    by_clock: bool


@dataclass
class _Kept:
    """All that is kept of one key in one step."""

    cells: dict[str, list[Any]] = field(default_factory=dict)
    alarms: dict[str, Alarm] = field(default_factory=dict)

    def copy(self) -> "_Kept":
        return _Kept({name: list(cell) for name, cell in self.cells.items()}, dict(self.alarms))


class Saved:
    """What has been committed."""

    def __init__(self) -> None:
        self.kept: dict[int, dict[Any, _Kept]] = {}

    def alarms(self, step: int) -> Iterator[tuple[Any, str, Alarm]]:
        """Yield key, name and alarm of every timer that is set in a step."""
        for key, kept in self.kept.get(step, {}).items():
            for name, alarm in kept.alarms.items():
                yield key, name, alarm


class Staged:
    """What one bundle sees and changes; nothing of it lasts before `commit`."""

    def __init__(self, saved: Saved) -> None:
        self._saved = saved
        self._kept: dict[_Place, _Kept] = {}

    def of(self, step: int, key: Any) -> "_Key":
        """Return what the bundle sees of one key."""
        place = step, key
        if place not in self._kept:
            before = self._saved.kept.get(step, {}).get(key)
            self._kept[place] = before.copy() if before else _Kept()
        return _Key(key, self._kept[place])

    def commit(self) -> None:
        """Let all of it last."""
        for (step, key), kept in self._kept.items():
            self._saved.kept.setdefault(step, {})[key] = kept


class _Key:
    """One key: a `chaos.calls.Held`."""

    def __init__(self, key: Any, kept: _Kept) -> None:
        self.key, self._kept = key, kept

    def state(self, spec: StateSpec) -> "_Bag | _Single":
        values = self._kept.cells.setdefault(spec.name, [])
        return _Bag(values) if isinstance(spec, BagStateSpec) else _Single(values)

    def timer(self, spec: TimerSpec, time: int) -> "_Timer":
        return _Timer(self._kept.alarms, spec, time)

    def clear(self, name: str) -> None:
        self._kept.alarms.pop(name, None)


class _Bag:
    def __init__(self, values: list[Any]) -> None:
        self._values = values

    def read(self) -> list[Any]:
        return list(self._values)

    def add(self, value: Any) -> None:
        self._values.append(value)

    def clear(self) -> None:
        self._values.clear()


class _Single:
    def __init__(self, values: list[Any]) -> None:
        self._values = values

    def read(self) -> Any:
        return self._values[0] if self._values else None

    def write(self, value: Any) -> None:
        self._values[:] = [value]

    def clear(self) -> None:
        self._values.clear()


class _Timer:
    def __init__(self, alarms: dict[str, Alarm], spec: TimerSpec, time: int) -> None:
        self._alarms, self._spec, self._time = alarms, spec, time

    def set(self, timestamp: Timestamp) -> None:
        # Engines carry timers in milliseconds.
        due = timestamp.micros // _MILLISECOND * _MILLISECOND
        by_clock = self._spec.time_domain == TimeDomain.REAL_TIME
        hold = self._time if by_clock else due
        self._alarms[self._spec.name] = Alarm(due, hold, by_clock)

    def clear(self) -> None:
        self._alarms.pop(self._spec.name, None)
