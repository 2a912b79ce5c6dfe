"""Finds and reads the objects of a quarantine, one at a time."""

import functools
import os
import re
from collections.abc import Callable, Iterator
from typing import TypeVar

from google.api_core.exceptions import NotFound

from local.errors import ServiceError
from schemas.archive_avro import BadObjectError
from schemas.credentials import require_credentials
from schemas.locations import expanded, is_remote
from schemas.quarantine_reading import records_of
from schemas.rejected import Rejected
from schemas.released import LEDGER, sink_of
from transforms.check_step import check_step
from transforms.ledger import released_keys
from transforms.object_store import (
    Listed,
    ObjectStoreError,
    check_path,
    list_folders,
    list_objects,
    read_object,
)
from transforms.quarantine_filter import Filter

__all__ = ["QuarantineObjects"]

_Taken = TypeVar("_Taken")

_SUFFIX = ".avro"
_PART = re.compile(r"(?:^|/)step=")


class QuarantineObjects:
    """The objects below a path; `read`, `size` and `bad` count while `take` goes on.

    An object is taken whole or not at all. What cannot be read is passed over, and told in a line.

    Args:
        path: a quarantine, a folder of it, or one object; local or gs://.
        complain: takes the line about an object that cannot be read.

    Raises:
        ValueError: nothing is at the path, or it cannot be looked at.
        ServiceError: the store does not answer.
    """

    def __init__(self, path: str, complain: Callable[[str], None]) -> None:
        self._path = _usable(path)
        self._complain = complain
        self.read = self.size = self.bad = 0

    def take(
        self, meant: Filter, collect: Callable[[Iterator[Rejected]], _Taken]
    ) -> Iterator[_Taken]:
        """Yield what `collect` makes of the records that are meant, of each object that has any.

        It has to go through all of them, and keeps of them what it wants to: nobody else keeps any.

        Raises:
            ValueError: no step has the name that is asked for.
            ServiceError: the store does not answer.
        """
        _check(self._path, meant)
        for found in _listed(self._path):
            if not meant.may_hold(found.path):
                continue
            try:
                taken = collect(filter(meant.takes, records_of(read_object(found.path))))
            except BadObjectError as error:
                self._pass_over(f"{found.path}: {error}")
            except ObjectStoreError as error:
                self._pass_over(str(error))
            else:
                if taken:
                    self.read += 1
                    self.size += found.size
                    yield taken

    @functools.cached_property
    def released(self) -> dict[str, set[bytes]]:
        """The keys of what was released from the quarantine that the path is part of, by sink.

        Raises:
            ServiceError: its ledger cannot be read.
        """
        part = _PART.search(self._path)
        quarantine = self._path if part is None else self._path[: part.start()] or "."
        ledger = f"{quarantine}/{LEDGER}"
        try:
            return {
                sink_of(folder): set(released_keys(f"{ledger}/{folder}"))
                for folder in list_folders(ledger)
            }
        except ObjectStoreError as error:
            raise ServiceError(str(error)) from None

    def _pass_over(self, why: str) -> None:
        self.bad += 1
        self._complain(why)


class _NothingThereError(ValueError):
    """There is no such path."""

    def __init__(self, path: str) -> None:
        super().__init__(f"{path}: nothing is there; check the path, or nothing was refused so far")


def _check(path: str, meant: Filter) -> None:
    try:
        check_step(path, meant.step)
    except ObjectStoreError as error:
        if not isinstance(error.__context__, NotFound):
            raise ServiceError(str(error)) from None
        raise _NothingThereError(path) from None


def _listed(path: str) -> Iterator[Listed]:
    """Yield the objects below a path; a folder of Cloud Storage is there if anything is in it."""
    found: Listed | None = None
    try:
        for found in list_objects(path, _SUFFIX):
            yield found
        nothing = found is None and is_remote(path) and next(list_objects(path), None) is None
    except ObjectStoreError as error:
        if isinstance(error.__context__, NotFound):
            raise _NothingThereError(path) from None
        raise ServiceError(str(error)) from None
    if nothing:
        raise _NothingThereError(path)


def _usable(path: str) -> str:
    place = expanded(path)
    try:
        place = check_path(place)
    except ValueError as error:
        msg = f"PATH: {error}"
        raise ValueError(msg) from None
    if is_remote(place):
        require_credentials(place)
    elif not os.path.exists(place):
        raise _NothingThereError(place)
    elif not os.access(place, os.R_OK):
        msg = f"{place}: no permission to read it; grant it"
        raise ValueError(msg)
    return place
