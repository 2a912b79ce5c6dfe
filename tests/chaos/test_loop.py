"""One seed over the real loop; what its checks find in a wrong store is in `test_loop_checks`."""

from pathlib import Path

import pytest

from chaos import loop
from chaos.kinds import Kind
from chaos.loop_plan import CURATE, HOT_PATH, Fault, LoopPlan

pytestmark = [pytest.mark.engine, pytest.mark.emulator, pytest.mark.prism]

_FAULTS = (
    Fault(Kind.REDELIVERY),
    Fault(Kind.KILL_BETWEEN_WRITE_AND_COMMIT, HOT_PATH, step=2),
    Fault(Kind.BURST_429, step=4, size=6),
)


def test_a_job_killed_between_write_and_commit_leaves_what_the_oracle_and_a_replay_say(
    prism_binary: Path, tmp_path: Path
):
    plan = LoopPlan(1, 250, CURATE, False, _FAULTS)
    with loop.services(tmp_path / "services") as services:
        verdict = loop.run_plan(plan, tmp_path / "seed", services)
    assert verdict.violations == ()
    assert verdict.faults == {fault.kind.value: 1 for fault in _FAULTS}
    # A busy machine may keep a job waiting until it ends for want of messages, and starts again.
    assert verdict.figures["starts"] - verdict.figures["idle_ends"] == 4
    assert verdict.figures["messages"] == 250
    assert verdict.figures["deliveries"] >= 2 * 3 * 250
