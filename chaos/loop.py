"""One seed over the real local loop: jobs as processes on Prism, services, and faults by schedule.

Hot path, archive and one job of rows read one stream while faults befall processes, connections,
disks and the stream itself; what they leave is held against the oracle and against a replay.
docs/chaos.md says what is injected and what this cannot show.
"""

import itertools
import json
import shutil
import time
from dataclasses import asdict, replace
from pathlib import Path

from chaos.kinds import Kind
from chaos.loop_after import LoopAfter
from chaos.loop_findings import LoopFindings
from chaos.loop_live import LoopLive
from chaos.loop_plan import LoopPlan
from chaos.loop_reduce import reduced
from chaos.loop_stage import Services, Stage, services
from chaos.loop_stream import steps_of
from chaos.verdict import Verdict, Violation
from local.errors import ServiceError

__all__ = ["Services", "run", "run_plan", "services"]

_ENDS, _SURVIVES = "ends_by_itself", "nothing_stops_a_job"


def run(seed: int, folder: Path, services: Services) -> Verdict:
    """Run a seed and return what it found; it takes eight minutes at most, and usually half of one.

    What is injected, and after which messages, depends on the seed alone; what a fault meets in the
    engines is theirs to decide. What failed is reduced, and its folder stays.

    Args:
        seed: of stream and schedule.
        folder: for what jobs write and log; what is in it is removed.
        services: from `services`.
    """
    plan, folder = LoopPlan.of(seed), folder.resolve()
    # What an earlier run has left would be taken for this one's.
    shutil.rmtree(folder, ignore_errors=True)
    verdict = run_plan(plan, folder, services)
    if not verdict.violations:
        shutil.rmtree(folder)
        return verdict
    attempts = itertools.count(1)
    least = reduced(
        plan,
        verdict.violations[0].promise,
        lambda simpler: run_plan(simpler, folder / f"simpler-{next(attempts)}", services),
    )
    told = {"seed": seed, "faults": [asdict(fault) for fault in least.faults]}
    (folder / "reduced.json").write_text(json.dumps(told, indent=2) + "\n")
    first, *others = verdict.violations
    kinds = ", ".join(fault.kind.value for fault in least.faults) or "no fault at all"
    left = f"{first.told}; the same promise is violated with {kinds} (folder: {folder})"
    return replace(verdict, violations=(replace(first, told=left), *others))


def run_plan(plan: LoopPlan, folder: Path, services: Services) -> Verdict:
    """Run a plan, as `run`, and reduce nothing."""
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    begun = time.monotonic()
    now = time.time_ns() // 1_000
    with Stage(plan, services, folder, twice=plan.has(Kind.REDELIVERY)) as stage:
        live, after = LoopLive(stage, steps_of(plan, now)), LoopAfter(stage, now)
        findings = LoopFindings(stage, live, after)
        try:
            live.run()
            after.run()
            findings.look()
            after.repair()
            violations = (*map(_failure, live.failed), *findings.violations())
        except ServiceError as error:
            violations = (*map(_failure, live.failed), Violation(_ENDS, str(error)))
        injected = {kind.value: count for kind, count in live.injected.items() if count}
        if plan.has(Kind.BUNDLE_REPLAY):
            injected[Kind.BUNDLE_REPLAY.value] = 1
        figures = _figures(stage, live, begun)
        return Verdict(plan.seed, "loop", injected, violations, figures)


def _failure(told: str) -> Violation:
    return Violation(_SURVIVES, told)


def _figures(stage: Stage, live: LoopLive, begun: float) -> dict[str, float]:
    return {
        "messages": len(live.published),
        "deliveries": stage.pubsub.delivered,
        "refused_calls": stage.pubsub.refused + stage.bigtable.refused,
        "starts": sum(stage.runs.values()),
        "idle_ends": live.idle,
        "seconds": round(time.monotonic() - begun, 1),
    }
