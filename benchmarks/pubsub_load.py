"""What the benchmarks of reading Pub/Sub share: an emulator, a full subscription, and a stopwatch.

Timed is from the first message to the last: a source runs for weeks, so neither the engine's start
nor that of the emulator counts, nor publishing. The pipelines' functions run in this process, so
messages are counted here, once by message id: an emulator may deliver again.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.contender import digest
from benchmarks.memory import peak_mb
from local.publish import Outgoing, publish
from local.resources import PubsubEmulator
from local.services import LocalServices, exported

__all__ = ["digest_of_lines", "main", "measure", "note"]

_PATIENCE = 300.0


class _Arrivals(NamedTuple):
    payloads: dict[str, bytes]
    times: list[float]


_ARRIVALS = _Arrivals({}, [])


def note(message_id: str, payload: bytes) -> None:
    """Note a message that has come out of the source."""
    if message_id not in _ARRIVALS.payloads:
        _ARRIVALS.payloads[message_id] = payload
        _ARRIVALS.times.append(time.perf_counter())


def digest_of_lines(path: Path) -> str:
    """Digest of the lines of a file: what a source must give, in any order."""
    return digest(line.decode() for line in path.read_bytes().splitlines())


def measure(path: Path, submit: Callable[[str], Any]) -> dict[str, Any]:
    """Publish a file's lines, read them by the job that `submit` starts, and return the figures.

    Args:
        path: a line is a message.
        submit: given the subscription, runs the job and returns its `PipelineResult`.
    """
    lines = path.read_bytes().splitlines()
    with _full_subscription(lines) as subscription:
        end = time.perf_counter() + _PATIENCE
        result = submit(subscription)
        while len(_ARRIVALS.payloads) < len(lines):
            if time.perf_counter() > end:
                msg = f"{len(_ARRIVALS.payloads)} of {len(lines)} messages came"
                raise TimeoutError(msg)
            time.sleep(0.02)
        result.cancel()
    payloads = (payload.decode() for payload in _ARRIVALS.payloads.values())
    return {
        "seconds": _ARRIVALS.times[-1] - _ARRIVALS.times[0],
        "events": len(lines),
        "peak_mb": peak_mb(),
        "result": digest(payloads),
    }


def main(submit: Callable[[str], Any]) -> None:
    """Run a contender from the command line: `--input FILE --json`."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--input", required=True)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found = measure(Path(options.input), submit)
    each = f"{found['events'] / found['seconds']:.0f} messages/s"
    print(json.dumps(found) if options.json else f"{each}; result {found['result']}")


@contextmanager
def _full_subscription(lines: list[bytes]) -> Iterator[str]:
    with LocalServices(["pubsub"]) as services, exported(services.variables):
        emulator = PubsubEmulator(services.addresses["pubsub"])
        topic = emulator.topic()
        subscription = emulator.subscription(topic, ack_deadline_seconds=600)
        publish(topic, (Outgoing(line) for line in lines))
        yield subscription
