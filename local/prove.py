"""The proof: one published stream, five ways into tables, and the same in all of them.

Live; from the archive; both interleaved; live, but killed and started anew; and live with losses
that a repair mends. docs/proof.md says what is compared, and what the proof cannot show.
"""

import secrets
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from local.bigtable_tap import BigtableTap, apply, interleaved, tied_rows
from local.binaries import prism_binary
from local.chance import Chance
from local.prove_checks import ArchiveWatch, Snapshot, snapshot, unlike
from local.prove_findings import Findings
from local.prove_jobs import KEY_VARIABLE, SOURCE, ProofJobs, wait_until
from local.prove_live import LivePart
from local.prove_rows import write_metrics
from local.prove_schedule import SECOND, Schedule, write_features
from local.prove_stream import ProofStream
from local.prove_ways import RowWays
from local.pubsub_kind import Capability
from local.resources import BigtableEmulator, PubsubEmulator
from local.services import LocalServices, exported
from schemas.bigtable_table import TableName
from schemas.cells import STATE_FAMILY, TILE_FAMILY
from schemas.contract import load_contracts
from schemas.feature_set import FeatureSet, load_features

__all__ = ["Proof", "run_proof"]

_WAYS = ("live", "replay", "interleaved", "killed", "lossy")
_REPAIRED = ("live", "killed", "lossy")
_PATIENCE = 240.0
_PUBLISH_SECONDS = 50
_STATE = frozenset({STATE_FAMILY})
_BOTH = _STATE | {TILE_FAMILY}
# Where a reader may find older versions: garbage collection is lazy; and a tile's lesser version
# that came after a greater one stays below it.
_OLDER: dict[str, frozenset[str]] = {"replay": frozenset(), "interleaved": _BOTH}


@dataclass
class Proof:
    """One proof, on services that run already; their `*_EMULATOR_HOST` are set.

    `values` last values and tiles, and `rows` of BigQuery, were the same in the end.

    Args:
        bigtable: the service, for five tables.
        pubsub: the service, which must know filters.
        prism: the binary of Prism.
        folder: an empty one, for archive, quarantines, counters and logs.
        events: messages to publish, faults included.
        seed: of the story.
        seconds: for which is published at least; at most 50.
        say: takes one line of progress.
    """

    bigtable: BigtableEmulator
    pubsub: PubsubEmulator
    prism: Path
    folder: Path
    events: int
    seed: int
    seconds: int
    say: Callable[[str], None]
    values: int = 0
    rows: int = 0

    def run(self) -> list[str]:
        """Prove it, leave nothing running, and return what differs, a line each.

        Raises:
            ServiceError: a service or a job failed; one line.
        """
        with ExitStack() as stack:
            stack.enter_context(exported({KEY_VARIABLE: secrets.token_hex(32)}))
            self._prepare(stack)
            self._publish()
            self._replay()
            self.say("waiting until the live jobs have seen nothing for a while")
            self._part.wait()
            self._compare_unrepaired()
            self._ways.compare_unrepaired()
            self._interleave()
            self._repair()
            self._compare_repaired()
            self._verify()
        return self._found.problems

    def _prepare(self, stack: ExitStack) -> None:
        schedule = Schedule.at(time.time_ns() // 1_000 + SECOND, self.seconds)
        features, metrics = self.folder / "features", self.folder / "metrics"
        write_features(features, schedule.tile)
        write_metrics(metrics, schedule.horizon)
        self._features: list[FeatureSet] = list(load_features(str(features), load_contracts(None)))
        self._stream = ProofStream(self.events, self.seed, schedule, features)
        self._found = Findings(self._stream, self.say)
        self._tables = {name: self.bigtable.table() for name in _WAYS}
        self._taps = [stack.enter_context(BigtableTap(self.bigtable.address)) for _ in range(2)]
        self._jobs = ProofJobs(self.prism, self.folder, features, metrics, schedule.horizon, stack)
        self._ways = RowWays(self._jobs, self._found, self.say)
        self._watch = ArchiveWatch(self._jobs.archive, SOURCE)
        self._part = LivePart(
            self._stream, self._jobs, self.pubsub, self._tables, self._taps[0].address, self._watch
        )

    def _publish(self) -> None:
        schedule, stream = self._stream.schedule, self._stream
        self.say(
            f"publishing {len(stream.messages)} messages for "
            f"{(schedule.end - schedule.begin) // SECOND} s, tiles of {schedule.tile} min; "
            f"one job lacks {stream.lost} of them and gets {len(stream.ghosts)} that never "
            f"happened (logs: {self.folder})"
        )
        self._published = self._part.run()
        self.say(f"one job was killed after {self._part.killed_after} messages")

    def _replay(self) -> None:
        """Replay as soon as the archive says that it has all, so that it had better be true."""
        self.say("waiting for the archive's completeness marker")
        wait_until(
            lambda: self._watch.marker > self._published, _PATIENCE, "the marker did not move"
        )
        with exported({"BIGTABLE_EMULATOR_HOST": self._taps[1].address}):
            self._run_batch("replay", "replay", self._stream.span)
        self._ways.replay()

    def _run_batch(self, name: str, way: str, span: tuple[int, int], *more: str) -> None:
        self.say(f"running the batch job {name}")
        counted = self._jobs.replay(name, self._tables[way], span, *more)
        self._found.counters(name, counted, self._found.full["counts"]["accepted"])

    def _compare_unrepaired(self) -> None:
        found = self._found
        shots = {name: self._look(name) for name in ("live", "killed", "lossy", "replay")}
        found.rows("replay", found.full, shots["replay"])
        # Two jobs wrote the killed one's table, and of ids in conflict each may have kept another.
        for name, without in (("live", set[str]()), ("killed", found.disputed)):
            found.rows(name, found.true, shots[name], without)
            found.same(name, shots[name], shots["replay"], found.late)
        found.list_late(self.folder / "late_tiles.txt")
        lacking = unlike(shots["lossy"], shots["replay"], found.disputed) - found.late
        self.say(f"{len(lacking)} values are wrong where events were lost or invented")
        if not lacking:
            found.wrong("lossy: what was lost changed nothing, so the repair shows nothing")
        self._compare_counters()
        for names in (["live"], ["replay"], ["killed", "restarted"]):
            found.quarantine(names[0], map(self._jobs.quarantine, names))

    def _compare_counters(self) -> None:
        counted = {name: self._jobs.counters(name) for name in ("live", "restarted", "lossy")}
        for name in ("live", "restarted"):
            accepted = self._found.true["counts"]["accepted"]
            self._found.counters(name, counted[name], accepted)
        self._found.counters("lossy", counted["lossy"], None)
        warm = counted["restarted"]["warm_read"]
        direct = counted["restarted"]["read"] - warm
        left = len(self._stream.messages) - self._part.killed_after
        self.say(
            f"the restarted job read {warm} messages from the archive and {direct} from its "
            f"subscription, {max(0, direct - left)} of them delivered again"
        )
        if not warm:
            self._found.wrong("restarted: nothing came from the archive")

    def _interleave(self) -> None:
        chance = Chance(self.seed)
        written = [tap.entries for tap in self._taps]
        twice = [entry for _ in range(2) for entry in interleaved(written, chance)]
        self.say(
            f"writing what live and replay wrote, twice and in random order, {len(twice)} changes; "
            f"{len(tied_rows(written[0]))} rows keep live's order for ties within a millisecond"
        )
        apply(TableName.parse(self._tables["interleaved"]), twice)

    def _repair(self) -> None:
        schedule = self._stream.schedule
        lateness = schedule.lateness(self._published)
        read = f"--max_lateness={lateness // SECOND}s"
        span = (self._stream.span[0], schedule.closing)
        self.say("waiting until the span that is to be repaired is closed")
        wait_until(
            lambda: min(self._watch.marker, time.time_ns() // 1_000) >= span[1] + lateness,
            _PATIENCE,
            "the span did not close",
        )
        for name in _REPAIRED:
            self._run_batch(f"{name}-repair", name, span, "--write_mode=repair", read)
        self._ways.recompute(span, read)
        both = map(self._jobs.quarantine, ("lossy", "lossy-repair"))
        self._found.quarantine("lossy", both)

    def _compare_repaired(self) -> None:
        shots = {name: self._look(name) for name in _WAYS}
        for name, shot in shots.items():
            self._found.rows(f"{name} in the end", self._found.full, shot, self._found.disputed)
            self._found.same(name, shot, shots["replay"], frozenset())
            for family in sorted(_BOTH - _OLDER.get(name, _STATE)):
                self._found.count(f"{name}: older cells in {family}", shot.older(family), 0)
        older = {name: [shot.older(each) for each in sorted(_BOTH)] for name, shot in shots.items()}
        told = ", ".join(f"{name} {s} + {t}" for name, (s, t) in older.items())
        self.say(f"cells that no reader takes, of last values + tiles: {told}")
        self._found.list_conflicts(shots, shots["replay"])
        self.values = len(shots["replay"].folded)
        self._ways.compare_repaired()
        self.rows = self._ways.compared

    def _verify(self) -> None:
        self._part.stop_archiving()
        kept = len(self._watch.messages())
        self._found.count("messages in the archive", kept, len(self._stream.messages))
        if ahead := self._watch.ahead():
            self._found.wrong(f"the marker was ahead of the archive at {ahead} looks")
        command = [sys.executable, "-m", "console", "archive", "verify", self._jobs.archive]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        for line in done.stdout.splitlines():
            self.say(f"archive verify: {line}")
        if done.returncode:
            self._found.wrong(f"archive verify left with {done.returncode}: {done.stderr[-300:]}")

    def _look(self, name: str) -> Snapshot:
        return snapshot(self._tables[name], self._features)


def run_proof(events: int, seed: int, say: Callable[[str], None]) -> bool:
    """Prove on services of its own, say what happens, and return whether it holds.

    Raises:
        ServiceError: a service or a job failed; one line.
    """
    begun = time.monotonic()
    prism = prism_binary()
    say("starting Bigtable and Pub/Sub on this machine")
    with LocalServices(["bigtable", "pubsub"], needs=[Capability.FILTER]) as services:
        folder = services.logs / "proof"
        folder.mkdir()
        with exported(services.variables):
            proof = Proof(
                BigtableEmulator(services.addresses["bigtable"]),
                PubsubEmulator(services.addresses["pubsub"], services.pubsub),
                *(prism, folder, events, seed, _PUBLISH_SECONDS, say),
            )
            problems = proof.run()
    taken = f"in {time.monotonic() - begun:.0f} s"
    if problems:
        say(f"replay differs from live: {len(problems)} differences, {taken} (logs: {folder})")
    else:
        same = f"{proof.values} values and {proof.rows} rows of {events} messages"
        say(f"replay equals live: {same}, five ways, {taken}")
    return not problems
