"""A Pub/Sub service that loses acknowledgements, and tells how many it has let through."""

import threading

from local.lossy_proxy import LossyProxy

__all__ = ["CountingProxy"]


class CountingProxy(LossyProxy):
    """A `LossyProxy` whose `acknowledged` is the number of acknowledgements that it passes on."""

    def __init__(self, target: str, lose_every: int, at_most: int) -> None:
        super().__init__(target, lose_every, at_most)
        self.acknowledged = 0
        self._counting = threading.Lock()

    def _loses(self) -> bool:
        loses = super()._loses()
        with self._counting:
            self.acknowledged += not loses
        return loses
