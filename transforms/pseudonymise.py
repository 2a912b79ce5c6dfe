"""Pseudonymises decoded events, before every sink but archive and quarantine."""

from collections.abc import Iterable
from dataclasses import dataclass

import apache_beam as beam
from apache_beam.pvalue import PCollection

from schemas.contract import Contracts
from schemas.events import Event
from schemas.pseudonym import Pseudonymiser, check_key

__all__ = ["Pseudonymise"]


@dataclass
class Pseudonymise(beam.PTransform[PCollection[Event], PCollection[Event]]):
    """Replace personal values: Event -> Event, one for one.

    Fields declared "pseudonymise" hold `<key id>.<HMAC-SHA256>`, those declared "drop" are gone. Of
    a ring of keys the one counts that is in force at the publish time of the message, or, where it
    has none, at the event time.
    The original message is gone too, and of unknown fields only the names are left: what a contract
    does not know may be personal. Timestamps, windows and `content` stay, so dedupe may come before
    or after. Packed events are pseudonymised where they are decoded again, by
    `schemas.pseudonym.Pseudonymiser.apply`.

    The key is loaded where the pipeline is built, to see that it can be, and again in each worker;
    it is no part of the graph.

    Raises:
        PseudonymError: a contract needs a key and there is none, or it cannot be loaded.

    Args:
        contracts: what is personal.
        key: where the key is, or the ring: `projects/P/secrets/S/versions/V`, `env:NAME`,
            `file:PATH`.
    """

    contracts: Contracts
    key: str | None = None

    def __post_init__(self) -> None:
        super().__init__()

    def expand(self, pcoll: PCollection[Event]) -> PCollection[Event]:
        """Apply the transform."""
        check_key(self.contracts, self.key)
        return pcoll | "PseudonymiseEvents" >> beam.ParDo(_Pseudonymise(self.contracts, self.key))


class _Pseudonymise(beam.DoFn):
    def __init__(self, contracts: Contracts, key: str | None) -> None:
        self._contracts = contracts
        self._key = key

    def setup(self) -> None:
        self._pseudonymiser = Pseudonymiser(self._contracts, self._key)

    def process(self, element: Event) -> Iterable[Event]:
        yield self._pseudonymiser.apply_to_event(element)
