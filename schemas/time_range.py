"""Ranges of time as commands are given them."""

from schemas.times import parse_rfc3339

__all__ = ["time_range"]


def time_range(from_: str | None, to: str | None) -> tuple[int | None, int | None]:
    """Return the ends of a range in microseconds, the second left out; None: not given.

    >>> time_range("1970-01-01T00:00:01Z", None)
    (1000000, None)

    Raises:
        ValueError: one line that names the option and the remedy.
    """
    first, last = _moment("--from", from_), _moment("--to", to)
    if first is not None and last is not None and first >= last:
        msg = f"--from {from_} is not before --to {to}; give a range that holds something"
        raise ValueError(msg)
    return first, last


def _moment(option: str, text: str | None) -> int | None:
    try:
        return None if text is None else parse_rfc3339(text)
    except ValueError as error:
        msg = f"{option} {text}: {error}"
        raise ValueError(msg) from None
