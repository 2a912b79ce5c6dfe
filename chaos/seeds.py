"""Judges seeds of the simulation: one by one, or many at once on all cores."""

import multiprocessing
import os
import signal
from collections.abc import Iterator, Sequence

from chaos.case import Case, Published
from chaos.draw import draw_case
from chaos.judge import judge
from chaos.oracle import Oracle, Raw
from chaos.outcome import Outcome
from chaos.reduce import reduced
from chaos.simulate import run_case
from chaos.verdict import Verdict, Violation

__all__ = ["judge_cases", "reduce_case", "simulations"]

_AT_ONCE = 25
"""Seeds for each question to the oracle, which takes its time for each question."""
_ORACLES: list[Oracle] = []


def judge_cases(cases: Sequence[Case]) -> list[Verdict]:
    """Run cases and say of each what was broken."""
    if not _ORACLES:
        _ORACLES.append(Oracle())
    outcomes = [run_case(case) for case in cases]
    numbered = dict(enumerate(outcomes))
    raws = {number: [*map(_raw, found.case.messages)] for number, found in numbered.items()}
    expected = _ORACLES[0].expect(raws)
    return [_verdict(found, judge(found, expected[number])) for number, found in numbered.items()]


def reduce_case(case: Case, promise: str) -> tuple[Case, Violation]:
    """Return the smallest form of a case that breaks a promise, and how it breaks it."""

    def broken(other: Case) -> list[Violation]:
        violations = judge_cases([other])[0].violations
        return [violation for violation in violations if violation.promise == promise]

    small = reduced(case, lambda other: bool(broken(other)))
    return small, broken(small)[0]


def simulations(first: int, count: int) -> Iterator[Verdict]:
    """Yield the verdict of every seed from `first` on, in any order, on all cores."""
    chunks = [
        range(start, min(start + _AT_ONCE, first + count))
        for start in range(first, first + count, _AT_ONCE)
    ]
    cores = min(os.cpu_count() or 1, len(chunks))
    # Processes of their own from the beginning: who asks goes on to fork jobs, and must have none
    # of the threads that Beam and its clients start.
    with multiprocessing.get_context("spawn").Pool(cores, _leave_interrupts) as pool:
        for verdicts in pool.imap_unordered(_judge_seeds, chunks):
            yield from verdicts


def _leave_interrupts() -> None:
    # Who started the seeds ends them, and sums up what is done.
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _judge_seeds(seeds: range) -> list[Verdict]:
    return judge_cases([draw_case(seed) for seed in seeds])


def _raw(message: Published) -> Raw:
    return Raw(message.message_id, message.published, message.payload, message.attributes)


def _verdict(outcome: Outcome, violations: tuple[Violation, ...]) -> Verdict:
    case = outcome.case
    faults = dict(outcome.struck)
    for kind in case.shape:
        faults[kind.value] = faults.get(kind.value, 0) + 1
    figures = {
        "messages": len(case.messages),
        "bundles": outcome.bundles,
        "bundles_repeated": outcome.repeated,
    }
    return Verdict(case.seed, "simulation", faults, violations, figures)
