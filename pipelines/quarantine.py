"""Where what a job refuses goes, and what is said of it there."""

from pipelines.read_events import EventInput
from transforms.quarantine import Quarantine

__all__ = ["quarantine"]


def quarantine(config: EventInput) -> Quarantine:
    """Return the step that keeps what is refused; that of a replay says where it came from."""
    if config.replay is None:
        return Quarantine(config.quarantine_output)
    return Quarantine(
        config.quarantine_output,
        replayed_from=config.replay.replayed_from,
        run=config.replay.run_id,
    )
