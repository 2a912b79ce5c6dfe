"""One environment of all local services: tables, topic, archive, and the jobs between them."""

import json
import os
import sys
import time
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import yaml

from console.bigquery_tables import Asked, create_tables
from local.processes import ServiceProcess
from local.resources import BigQueryEmulator, PubsubEmulator, StorageEmulator, unique_name
from pipelines import curate_events, recompute_windows
from schemas.contract import load_contracts
from schemas.metric_set import SHIPPED
from schemas.table_names import Datasets
from schemas.times import format_rfc3339
from tests.emulators.live_archive import eventually
from tests.pipelines.hot_path_runs import KEY_VARIABLE
from tests.sql_oracle import Raw, plain
from transforms.quarantine import read_quarantine

__all__ = ["DAYS", "HORIZON", "LATENESS", "LIVE", "SECOND", "WINDOWS", "Loop", "Place"]

SECOND = 1_000_000
DAYS = 86_400 * SECOND
WINDOWS = {"1s": SECOND, "5s": 5 * SECOND}
LATENESS = 5 * SECOND
HORIZON = LATENESS + max(WINDOWS.values())
LIVE = ("curate_events", "window_metrics")
_ARCHIVE = "archive_raw"


class Place:
    """Where the services are."""

    def __init__(
        self,
        bigquery: BigQueryEmulator,
        storage: StorageEmulator,
        pubsub: PubsubEmulator,
        prism: Path,
        folder: Path,
    ) -> None:
        self.bigquery, self.storage, self.pubsub = bigquery, storage, pubsub
        self.prism, self.folder = prism, folder


class Loop:
    """Makes tables of the shipped contracts and of the shipped metrics with short windows.

    Args:
        place: services and an empty folder.
        stack: what is started ends with it.
    """

    def __init__(self, place: Place, stack: ExitStack) -> None:
        self.folder, self._place, self._stack = place.folder, place, stack
        self._prefix = unique_name("loop").replace("-", "_") + "_"
        self._datasets = Datasets(place.bigquery.project, self._prefix)
        self._staging = f"gs://{place.storage.bucket()}/staging"
        self._metrics = self.folder / "metrics"
        self._declare()
        list(create_tables(Asked(self._datasets.project, self._prefix, metrics=str(self._metrics))))
        self.topic = place.pubsub.topic()
        self._subscriptions = {
            name: place.pubsub.subscription(self.topic, ack_deadline_seconds=60)
            for name in (*LIVE, _ARCHIVE, "raw")
        }

    def live(self, run: str, *, archive: bool = False) -> list[ServiceProcess]:
        """Start the live jobs, which end when nothing comes any more."""
        more = {
            "window_metrics": [
                f"--metrics={self._metrics}",
                "--covers_from=beginning",
                f"--late_output={self.folder / run / 'late'}",
            ]
        }
        jobs = [
            self._start(job, run, *self._sinks(run, job), *more.get(job, []), "--shards=2")
            for job in LIVE
        ]
        if archive:
            output = [f"--archive_output={self.folder / 'archive'}", "--source=events"]
            jobs.append(self._start(_ARCHIVE, run, *output, "--batches=bundle"))
        return jobs

    def replay(self, run: str, span: tuple[int, int]) -> None:
        """Curate and measure a span anew from the archive, by load jobs."""
        argv = [
            f"--input_archive={self.folder / 'archive'}",
            f"--from={format_rfc3339(span[0])}",
            f"--to={format_rfc3339(span[1])}",
            f"--staging={self._staging}",
            f"--run_id={run}",
            # By default the generation is the time of the launch.
            f"--now={format_rfc3339(span[1] + 4 * DAYS)}",
        ]
        assert curate_events.main([*argv, *self._sinks(run, "curate_events")]) == 0
        eventually(lambda: time.time_ns() // 1_000 > span[1] + 2 * HORIZON)
        sinks = self._sinks(run, "recompute_windows")
        assert recompute_windows.main([*argv, *sinks, f"--metrics={self._metrics}"]) == 0

    def raw(self, count: int) -> list[Raw]:
        """Return all that was published, as a subscription of its own gives it."""
        path, found = self._subscriptions["raw"], dict[str, Raw]()

        def pull() -> bool:
            client = self._place.pubsub.subscriber
            for each in client.pull(subscription=path, max_messages=1_000).received_messages:
                stamp, identity = each.message.publish_time, each.message.message_id
                published = int(stamp.timestamp()) * SECOND + stamp.microsecond
                attributes = dict(each.message.attributes)
                found[identity] = Raw(identity, published, each.message.data, attributes)
            return len(found) >= count

        eventually(pull)
        assert len(found) == count
        return [*found.values()]

    def rows(self, name: str) -> list[dict[str, Any]]:
        """Return what a table or view of BigQuery holds, in the form of `plain`."""
        query = f"SELECT * FROM `{self._datasets.full(name)}`"
        return [plain(dict(row)) for row in self._place.bigquery.client.query(query).result()]

    def silver(self, suffix: str = "") -> list[dict[str, Any]]:
        """Return the rows of all curated tables, or of their views."""
        types = load_contracts(None).types
        names = [f"silver_{contract.domain}.{name}" for name, contract in types.items()]
        return [{"table": name, **row} for name in names for row in self.rows(name + suffix)]

    def refused(self, run: str, job: str) -> set[tuple[str | None, str]]:
        """Return message and reason of what a job has refused."""
        folder = self.folder / run / job
        return {(each.message_id, each.reason) for each in read_quarantine(str(folder))}

    def counters(self, run: str, job: str) -> dict[str, Any]:
        """Return what a job has counted."""
        found: dict[str, Any] = json.loads((self.folder / run / f"{job}.json").read_text())
        return found

    def _declare(self) -> None:
        self._metrics.mkdir()
        lateness = f"{LATENESS // SECOND}s"
        for file in SHIPPED.glob("*.yaml"):
            declared = {**yaml.safe_load(file.read_text()), "windows": [*WINDOWS]}
            declared |= {"allowed_lateness": lateness, "triggers": {"speculative_every": "2s"}}
            (self._metrics / file.name).write_text(yaml.safe_dump(declared, sort_keys=False))

    def _sinks(self, run: str, job: str) -> Iterable[str]:
        return (
            f"--bigquery_project={self._datasets.project}",
            f"--dataset_prefix={self._prefix}",
            f"--quarantine_output={self.folder / run / job}",
            f"--counters_output={self.folder / run / f'{job}.json'}",
            f"--pseudonym_key=env:{KEY_VARIABLE}",
        )

    def _start(self, job: str, run: str, *more: str) -> ServiceProcess:
        command = [
            *(sys.executable, "-m", f"pipelines.{job}", "--runner=PrismRunner"),
            f"--prism_location={self._place.prism}",
            *("--environment_type=LOOPBACK", "--stop_after_idle=6s", "--readers=1"),
            f"--input_subscription={self._subscriptions[job]}",
            *more,
        ]
        started = ServiceProcess(command, self.folder / f"{run}-{job}.log", os.environ)
        self._stack.callback(started.stop)
        return started
