"""The command: seeds of the simulation and of the local loop, their verdicts, and a summary.

    python -m chaos --simulations=500 --loops=3
    python -m chaos --replay=17
    python -m chaos --replay=build/chaos/simulation-17.json

The last line of the output is the summary. The exit status is 0 where every promise held, 1 where
one did not, 2 where not everything could be run.
"""

import argparse
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from chaos.case import Case
from chaos.page import write_page
from chaos.record import Record
from chaos.verdict import Verdict
from local.errors import ServiceError

__all__ = ["main"]

_RESULTS = Path("build") / "chaos"
_RECORDED = Path(__file__).parents[1] / "docs" / "chaos"
_NAME = "recorded.json"
_EVERY = 500
_REDUCED = 3
"""How many failures are reduced: the first ones say most."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run what is asked for; return the exit status."""
    given = _parser().parse_args(argv)
    try:
        return _replay(given.replay) if given.replay else _run(given)
    except (ServiceError, OSError, RuntimeError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m chaos", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--seed", type=int, default=1, help="the first seed (default: 1)")
    parser.add_argument("--simulations", type=int, default=500, help="seeds in one process")
    parser.add_argument("--loops", type=int, default=3, help="seeds over services and jobs")
    parser.add_argument("--only", choices=("simulation", "loop"), help="one of the two")
    parser.add_argument("--replay", metavar="SEED|FILE", help="one simulation again")
    parser.add_argument("--results", type=Path, default=_RESULTS, help="folder for failures")
    parser.add_argument("--record", action="store_true", help="keep the run in docs/chaos")
    return parser


def _run(given: argparse.Namespace) -> int:
    record, begun = Record(given.seed), time.monotonic()
    ended = False
    try:
        if given.only != "loop":
            _take(_simulations(given), record, given.simulations)
        if given.only != "simulation":
            _take(_loops(given), record, given.loops)
        ended = True
    except KeyboardInterrupt:
        _say("interrupted")
    _reduce(record, given.results)
    record.seconds = time.monotonic() - begun
    if given.record and ended:
        _RECORDED.mkdir(parents=True, exist_ok=True)
        (_RECORDED / _NAME).write_text(record.to_json())
        write_page(_RECORDED)
    _say(record.summary())
    if record.violated:
        return 1
    return 0 if ended else 2


def _take(verdicts: Iterable[Verdict], record: Record, asked: int) -> None:
    for number, verdict in enumerate(verdicts, 1):
        record.add(verdict)
        for violation in verdict.violations:
            _say(f"{verdict.kind} {verdict.seed}: {violation.promise}: {violation.told}")
        if number % _EVERY == 0 or number == asked:
            _say(f"{number} of {asked} {verdict.kind} seeds done")


def _simulations(given: argparse.Namespace) -> Iterator[Verdict]:
    # Beam takes seconds, which who asks for --help need not wait for.
    from chaos.seeds import simulations  # noqa: PLC0415

    if given.simulations > 0:
        yield from simulations(given.seed, given.simulations)


def _loops(given: argparse.Namespace) -> Iterator[Verdict]:
    from chaos.loop import run, services  # noqa: PLC0415

    if given.loops <= 0:
        return
    with services(given.results / "services") as shared:
        for seed in range(given.seed, given.seed + given.loops):
            yield run(seed, given.results / f"loop-{seed}", shared)


def _reduce(record: Record, folder: Path) -> None:
    from chaos.draw import draw_case  # noqa: PLC0415
    from chaos.seeds import reduce_case  # noqa: PLC0415

    failed = [verdict for verdict in record.violated if verdict.kind == "simulation"]
    for verdict in failed[:_REDUCED]:
        case, violation = reduce_case(draw_case(verdict.seed), verdict.violations[0].promise)
        folder.mkdir(parents=True, exist_ok=True)
        place = folder / f"simulation-{verdict.seed}.json"
        place.write_text(case.to_json())
        faults = ", ".join(f"{each.job} {each.kind.value}@{each.at}" for each in case.faults)
        _say(
            f"simulation {verdict.seed} reduced to {len(case.messages)} messages and faults"
            f" [{faults}]: {violation.promise}: {violation.told}\n"
            f"again: python -m chaos --replay={place}"
        )


def _replay(named: str) -> int:
    from chaos.draw import draw_case  # noqa: PLC0415
    from chaos.seeds import judge_cases  # noqa: PLC0415

    is_seed = named.isdecimal()
    case = draw_case(int(named)) if is_seed else Case.of_json(Path(named).read_text())
    record = Record(case.seed)
    _take(judge_cases([case]), record, 1)
    _say(record.summary())
    return 1 if record.violated else 0


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
