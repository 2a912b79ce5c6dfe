"""Makes a failure of the loop smaller: the same seed with fewer faults."""

from collections.abc import Callable

from chaos.loop_plan import LoopPlan
from chaos.verdict import Verdict

__all__ = ["reduced"]

_MOST_RUNS = 6


def reduced(plan: LoopPlan, promise: str, run_again: Callable[[LoopPlan], Verdict]) -> LoopPlan:
    """Return the plan with as few of its faults as still violate a promise.

    Faults are left out one at a time, in at most six more runs; a failure that depends on the
    moment may not come again, and then its faults stay.

    Args:
        plan: one that failed.
        promise: that it violated.
        run_again: runs a simpler plan.
    """
    for fault in plan.faults[:_MOST_RUNS]:
        simpler = plan.without(fault)
        if any(found.promise == promise for found in run_again(simpler).violations):
            plan = simpler
    return plan
