"""Runs the suite on several engines, one of them a real Flink cluster: `make engines`.

    python -m local.flink_engines [--kills=N] [--seed=N] [--results=FOLDER] [--only=PART]

First the batch jobs on FnApiRunner, Prism and Flink, whose results have to be the same; then what
streams alone have (state, timers, late data, a restart) on the bundle-based runner, Prism and
Flink; then the streaming hot path on Flink, of which something is killed, N times, each kill with a
seed of its own. docs/engines.md says what it shows. The last line is the summary, and so is the
exit status: 0 where everything holds, 1 where something does not, 2 where it could not be run.
"""

import argparse
import json
import secrets
import signal
import sys
import time
import warnings
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from local.binaries import prism_binary
from local.errors import ServiceError
from local.flink_batch import BatchRun, EngineRuns, write_events
from local.flink_build import obtain_flink
from local.flink_cluster import FlinkCluster
from local.flink_kills import KilledRun, KillPlan
from local.flink_overtaken import EVENTS, overtaken
from local.flink_page import write_page
from local.flink_results import KillRecord, add_stream, batch_document, summary
from local.flink_stream import EXACT, KEY_VARIABLE, PLAIN, AckCount, HotPathOnFlink
from local.resources import BigtableEmulator, PubsubEmulator
from local.services import LocalServices, exported
from local.streaming_engines import StreamingRuns, StreamRun

__all__ = ["main"]

_RESULTS = Path("build") / "engines"
_SETTINGS = {"exact": EXACT, "plain": PLAIN}
_BATCH_EVENTS = 2_000
_PARTS = ("batch", "streaming", "kills")
_WATERMARK = "watermark"


def main(argv: Sequence[str] | None = None) -> int:
    """Run it and return the exit status."""
    given = _parser().parse_args(argv)
    warnings.filterwarnings("ignore", message="Connecting to Bigtable emulator")
    try:
        return _run(given)
    except KeyboardInterrupt:
        return _fail("stopped", 130)
    except ServiceError as error:
        return _fail(str(error), 2)


def _fail(message: str, status: int) -> int:
    print(message, file=sys.stderr)
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m local.flink_engines")
    parser.add_argument("--kills", type=int, default=3, help="how many seeded kills")
    parser.add_argument("--seed", type=int, default=0, help="the seed of the first kill")
    parser.add_argument("--events", type=int, default=2_000, help="messages of each kill's stream")
    parser.add_argument("--seconds", type=float, default=40.0, help="in which they are published")
    parser.add_argument("--settings", choices=_SETTINGS, default="exact", help="docs/engines.md")
    parser.add_argument("--only", choices=(*_PARTS, _WATERMARK), help="one of the parts")
    parser.add_argument("--results", type=Path, default=_RESULTS, help="folder for JSON")
    return parser


def _run(given: argparse.Namespace) -> int:
    _say("preparing Flink: the first time 230 MB are downloaded and a job server is built")
    programs = obtain_flink()
    record = KillRecord(given.results / f"kills-{given.settings}.json", _SETTINGS[given.settings])
    parts = (given.only,) if given.only else _PARTS
    runs: list[BatchRun] = []
    streams: list[StreamRun] = []
    seeds = range(0)
    with ExitStack() as stack:
        services = stack.enter_context(LocalServices(["bigtable", "pubsub"]))
        stack.enter_context(exported(services.variables))
        acks = stack.enter_context(AckCount(services.addresses["pubsub"]))
        through = {"PUBSUB_EMULATOR_HOST": acks.address, KEY_VARIABLE: secrets.token_hex(32)}
        environ = {**services.variables, **through}
        cluster = FlinkCluster(programs, environ=environ)
        _say(f"starting JobManager, {cluster.size} TaskManagers, job server (in {cluster.folder})")
        stack.enter_context(cluster)
        pubsub = PubsubEmulator(services.addresses["pubsub"], services.pubsub)
        if "batch" in parts:
            runs = _batch(cluster, given)
        if "streaming" in parts:
            folder = cluster.folder / "streaming"
            streams = _streaming(StreamingRuns(pubsub, acks, environ, folder, _say), cluster, given)
        if _WATERMARK in parts:
            return _overtaken(cluster, given)
        if "kills" in parts:
            seeds = range(given.seed, given.seed + given.kills)
            for seed in seeds:
                job = HotPathOnFlink(
                    cluster.engine, record.settings, environ, cluster.folder / f"seed-{seed}"
                )
                bigtable = BigtableEmulator(services.addresses["bigtable"])
                plan, sizes = KillPlan.of(seed), (given.events, given.seconds)
                _record(KilledRun(cluster, job, pubsub, acks, bigtable, plan, *sizes, _say), record)
    write_page(given.results)
    kills = [kill for kill in record.kills if kill["seed"] in seeds]
    line, holds = summary(runs, kills, streams)
    _say(line)
    return 0 if holds else 1


def _batch(cluster: FlinkCluster, given: argparse.Namespace) -> list[BatchRun]:
    prism = ["--runner=PrismRunner", f"--prism_location={prism_binary()}"]
    engines = {
        "FnApiRunner": ["--runner=FnApiRunner"],
        "Prism": [*prism, "--environment_type=LOOPBACK"],
        "Flink": cluster.engine,
    }
    folder = cluster.folder / "batch"
    folder.mkdir()
    events = write_events(folder, _BATCH_EVENTS, given.seed)
    _say(f"running the batch jobs on {_BATCH_EVENTS} lines with faults (logs: {folder})")
    runs = EngineRuns(engines, folder, events, _say).run()
    given.results.mkdir(parents=True, exist_ok=True)
    document = batch_document(runs, _BATCH_EVENTS, given.seed)
    (given.results / "batch.json").write_text(json.dumps(document, indent=1) + "\n")
    return runs


def _streaming(
    runs: StreamingRuns, cluster: FlinkCluster, given: argparse.Namespace
) -> list[StreamRun]:
    _say(f"running the streaming job, whose second half waits for timers (logs: {runs.folder})")
    told = []
    for tell in (
        runs.on_test_stream,
        lambda: runs.on_prism(prism_binary()),
        lambda: runs.on_flink(cluster, kill=False),
        lambda: runs.on_flink(cluster, kill=True),
    ):
        told.append(tell())
        add_stream(given.results / "streaming.json", told[-1])
    return told


def _overtaken(cluster: FlinkCluster, given: argparse.Namespace) -> int:
    _say(f"emitting {EVENTS} events, none of them late, into windows without lateness")
    lost = overtaken(cluster, _SETTINGS[given.settings], cluster.folder / _WATERMARK)
    _say(f"engines: {lost} of {EVENTS} events are in no window, with the settings {given.settings}")
    return 1 if lost else 0


def _record(run: KilledRun, record: KillRecord) -> None:
    plan = run.plan
    _say(f"seed {plan.seed}: {plan.kind} will be killed after {plan.share:.0%} of the messages")
    kill = run.run()
    record.add(kill)
    _say(
        f"seed {kill.seed}: {kill.kind} killed at message {kill.at}, after "
        f"{kill.checkpoints_then} checkpoints; {kill.acknowledged} acknowledged, {kill.lost} lost, "
        f"{kill.duplicate} counted twice: {kill.verdict} ({kill.seconds:.0f} s)"
    )


def _say(line: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {line}", flush=True)


if __name__ == "__main__":
    # Asked to end, it ends what it started, as after Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main())
