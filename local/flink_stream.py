"""The streaming hot path on a Flink cluster: its options, and who has acknowledged what."""

import os
import sys
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from google.pubsub_v1.types import AcknowledgeRequest

from local.demo_stream import HORIZON_SECONDS
from local.grpc_proxy import GrpcProxy
from local.processes import ServiceProcess

__all__ = ["EXACT", "KEY_VARIABLE", "PLAIN", "AckCount", "HotPathOnFlink"]

PLAIN = (
    "--checkpointing_interval=2000",
    "--number_of_execution_retries=20",
    "--execution_retry_delay=1000",
)
"""A checkpoint every two seconds, and restarts: all that Flink itself asks for."""
EXACT = (*PLAIN, "--finish_bundle_before_checkpointing", "--max_bundle_time_mills=200")
"""The same, and no bundle is open while a checkpoint is taken: what docs/engines.md asks for."""

KEY_VARIABLE = "PENSTOCK_ENGINES_KEY"

_ACKNOWLEDGE = "/google.pubsub.v1.Subscriber/Acknowledge"
_THREADS = 32


class AckCount(GrpcProxy):
    """A Pub/Sub service that counts acknowledged messages by subscription.

    Args:
        target: HOST:PORT of the service behind it.
    """

    def __init__(self, target: str) -> None:
        super().__init__(target, _THREADS)
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()

    def passed(self, method: str, request: bytes) -> bytes:
        """Count, and change nothing."""
        if method == _ACKNOWLEDGE:
            acknowledged = AcknowledgeRequest.deserialize(request)
            with self._lock:
                self._counts[acknowledged.subscription] += len(acknowledged.ack_ids)
        return request

    def of(self, subscription: str) -> int:
        """Return how many messages of a subscription have been acknowledged."""
        with self._lock:
            return self._counts[subscription]


@dataclass(frozen=True)
class HotPathOnFlink:
    """Starts the hot path of one run.

    Args:
        engine: the options of the cluster.
        settings: of checkpoints and bundles, such as `EXACT`.
        environ: where the services are.
        folder: for its log and what it writes beside the table.
    """

    engine: Sequence[str]
    settings: Sequence[str]
    environ: Mapping[str, str]
    folder: Path

    def start(self, subscription: str, table: str) -> ServiceProcess:
        """Start it; it never ends by itself."""
        self.folder.mkdir(parents=True)
        command = [
            *(sys.executable, "-m", "pipelines.hot_path"),
            *self.engine,
            *self.settings,
            f"--input_subscription={subscription}",
            f"--bigtable_table={table}",
            f"--horizon={HORIZON_SECONDS}s",
            "--covers_from=beginning",
            f"--late_output={self.folder / 'late'}",
            f"--quarantine_output={self.folder / 'quarantine'}",
            f"--pseudonym_key=env:{KEY_VARIABLE}",
            *("--shards=4", "--readers=2"),
        ]
        log = self.folder / "hot_path.log"
        return ServiceProcess(command, log, {**os.environ, **self.environ})
