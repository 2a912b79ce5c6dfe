"""What a demo has shown: findings, checks, and the lines that the terminal shows of them."""

from collections.abc import Iterator
from dataclasses import dataclass

from local.demo_beside import Beside
from local.demo_checks import Check
from local.demo_report import Findings, report_lines
from local.demo_stream import DemoStream
from local.demo_user import UserRow

__all__ = ["Outcome"]

_SHOWN_PROBLEMS = 5


@dataclass(frozen=True)
class Outcome:
    """What a demo has shown; `cells` are when last values were written, as `CellClock` has it."""

    found: Findings
    beside: Beside | None
    checks: list[Check]
    user: UserRow
    stream: DemoStream
    cells: dict[tuple[bytes, int], int]

    @property
    def report(self) -> list[str]:
        """What was found, as lines."""
        return list(report_lines(self.found, self.user))

    @property
    def verdicts(self) -> list[str]:
        """A line for each check, and below it what does not hold."""
        return list(self._verdicts())

    @property
    def differences(self) -> list[str]:
        """What is not as it should be, a line each."""
        return [line for each in self.checks for line in each.problems]

    @property
    def right(self) -> bool:
        """Every check holds."""
        return not self.differences

    def _verdicts(self) -> Iterator[str]:
        for each in self.checks:
            yield f"{'WRONG' if each.problems else 'ok':<6} {each.claim}: {each.told}"
            yield from (f"       {line}" for line in each.problems[:_SHOWN_PROBLEMS])
            if (more := len(each.problems) - _SHOWN_PROBLEMS) > 0:
                yield f"       and {more:,} more"
