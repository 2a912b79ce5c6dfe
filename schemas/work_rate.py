"""How much work a worker does, for estimates."""

__all__ = ["EVENTS_PER_WORKER_SECOND"]

EVENTS_PER_WORKER_SECOND = 10_000
"""Of the hot path on one worker of one core, where no other rate is given."""
