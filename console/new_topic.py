"""What `penstock topics create` does."""

import re
from collections.abc import Iterator, Sequence

from console.stream_files import check_topic
from local.publish import ensure_subscription, ensure_topic
from schemas.credentials import PUBSUB, require_credentials

__all__ = ["new_topic"]

_SUBSCRIPTION = re.compile(r"projects/[^/\s]+/subscriptions/[^/\s]+")


def new_topic(topic: str, subscriptions: Sequence[str]) -> Iterator[str]:
    """Create a topic and subscriptions of it; yield what was done, line by line.

    Raises:
        ValueError: one line that names what is wrong and the remedy.
        ServiceError: the service does not answer, or does not accept it.
    """
    check_topic(topic)
    for each in subscriptions:
        if not _SUBSCRIPTION.fullmatch(each):
            msg = f"--subscription {each}: write projects/PROJECT/subscriptions/SUBSCRIPTION"
            raise ValueError(msg)
    require_credentials(f"--topic {topic}", PUBSUB)
    yield _told(topic, ensure_topic(topic))
    for each in subscriptions:
        yield _told(each, ensure_subscription(each, topic))


def _told(name: str, is_new: bool) -> str:
    return f"created {name}" if is_new else f"{name} exists already; it stays as it is"
