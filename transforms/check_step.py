"""Whether a step that is asked for can have refused anything: a misspelt one never did."""

import re
from urllib.parse import unquote

from schemas.reason_guide import STEPS
from transforms.object_store import list_folders

__all__ = ["NoSuchStepError", "check_step"]

_FOLDER = "step="
_PART = re.compile(rf"(?:^|/){_FOLDER}([^/]*)")


class NoSuchStepError(ValueError):
    """No step has this name: one line that names those that there are."""


def check_step(path: str, step: str | None) -> None:
    """Check a step against those of the suite and those that a quarantine has a folder of.

    Nothing is opened. Where the path is neither a part of a quarantine nor has folders of one, as a
    copy of some objects, any step may have refused what is there.

    Args:
        path: of a quarantine, a folder of it or an object.
        step: None: none is asked for.

    Raises:
        NoSuchStepError: the step is none of those.
        ObjectStoreError: the path cannot be listed.
    """
    if step is None or step in STEPS:
        return
    there = _steps_in(path)
    if there and step not in there:
        msg = f"--step={step}: no such step; there are {', '.join(sorted({*STEPS, *there}))}"
        raise NoSuchStepError(msg)


def _steps_in(path: str) -> set[str]:
    part = _PART.search(path)
    if part is not None:
        return {unquote(part[1])}
    if path.endswith(".avro"):
        return set()
    names = (name for name in list_folders(path) if name.startswith(_FOLDER))
    return {unquote(name.removeprefix(_FOLDER)) for name in names}
