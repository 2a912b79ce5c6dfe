"""One case of the simulation: what is published, and what goes wrong; drawn once, then only data.

A case is what a failure is kept as, and what its reduction makes smaller.
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from chaos.kinds import Kind

__all__ = ["Case", "Fault", "Published"]


@dataclass(frozen=True)
class Published:
    """A message as it stands in its topic; `published` is in microseconds."""

    message_id: str
    published: int
    payload: bytes
    attributes: Mapping[str, str]


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong in a job once it has tried so many bundles.

    Args:
        job: `archive`, `hot`, `windows`, `replay`, `repair` and the like.
        kind: what.
        at: the number of the bundle.
        amount: of requests, messages or seconds, by the kind.
    """

    job: str
    kind: Kind
    at: int
    amount: int


@dataclass(frozen=True)
class Case:
    """Everything that a run depends on.

    Args:
        seed: what the engine's own choices are drawn from.
        begins: when the jobs are launched, in microseconds.
        messages: in the order of publishing.
        faults: in any order.
        shape: the kinds of fault that the stream itself has, such as a hot key.
        leaps: whether the watermark is held by what was delivered only, as with a backlog.
        drains: whether the jobs are drained in the end, so that the watermark goes to its end.
        on_disk: whether objects are kept in a real folder.
    """

    seed: int
    begins: int
    messages: tuple[Published, ...]
    faults: tuple[Fault, ...]
    shape: tuple[Kind, ...] = ()
    leaps: bool = False
    drains: bool = False
    on_disk: bool = False

    def to_json(self) -> str:
        """Return the case as text that `of_json` reads."""
        told = asdict(self)
        for message in told["messages"]:
            message["payload"] = base64.b64encode(message["payload"]).decode()
        return json.dumps(told, indent=1)

    @classmethod
    def of_json(cls, text: str) -> "Case":
        """Return the case that a text tells.

        Raises:
            ValueError: the text is none of a case.
        """
        try:
            told: dict[str, Any] = json.loads(text)
            messages = tuple(
                Published(**{**each, "payload": base64.b64decode(each["payload"])})
                for each in told.pop("messages")
            )
            faults = tuple(
                Fault(**{**each, "kind": Kind(each["kind"])}) for each in told.pop("faults")
            )
            shape = tuple(map(Kind, told.pop("shape")))
            return cls(messages=messages, faults=faults, shape=shape, **told)
        except (KeyError, TypeError) as error:
            msg = f"no case of the simulation: {error}"
            raise ValueError(msg) from None
