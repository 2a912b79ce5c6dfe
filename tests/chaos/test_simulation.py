"""Tests of the simulation: its seeds break no promise, and defects of the suite are found."""

import ast
import pathlib

import pytest

from chaos import oracle
from chaos.case import Case, Fault
from chaos.draw import draw_case
from chaos.kinds import Kind
from chaos.seeds import judge_cases, reduce_case
from tests.chaos.mutants import MUTANTS


@pytest.mark.engine
def test_ten_seeds_break_no_promise_while_faults_strike_and_each_can_be_run_again():
    verdicts = judge_cases([draw_case(seed) for seed in range(1, 11)])
    assert [(verdict.seed, verdict.violations) for verdict in verdicts if verdict.violations] == []
    struck = {kind for verdict in verdicts for kind, number in verdict.faults.items() if number}
    drawn = {fault.kind.value for seed in range(1, 11) for fault in draw_case(seed).faults}
    assert drawn <= struck
    assert len(struck) > 8
    assert verdicts[4].figures["messages"] == len(draw_case(5).messages)
    assert judge_cases([draw_case(5)]) == [verdicts[4]]


def test_seeds_draw_every_kind_of_fault():
    cases = [draw_case(seed) for seed in range(200)]
    drawn = {fault.kind for case in cases for fault in case.faults}
    assert drawn.union(*(case.shape for case in cases)) == set(Kind)


def test_the_oracle_imports_nothing_of_the_suite():
    tree = ast.parse(pathlib.Path(oracle.__file__).read_text())
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import)
             for alias in node.names}  # fmt: skip
    names |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    rooms = {path.name for path in pathlib.Path(oracle.__file__).parents[1].iterdir()}
    assert {name.partition(".")[0] for name in names} & rooms == set()
    assert "duckdb" in names


@pytest.mark.engine
@pytest.mark.parametrize("name", MUTANTS)
def test_a_defect_is_found_within_four_seeds(name):
    with MUTANTS[name]():
        verdicts = judge_cases([draw_case(seed) for seed in range(1, 5)])
    assert [verdict.seed for verdict in verdicts if verdict.violations]


@pytest.mark.engine
def test_a_failure_is_reduced_to_the_message_and_the_fault_that_it_takes():
    faults = tuple(Fault("hot", kind, 0, 2) for kind in (Kind.BURST_429, Kind.CLOCK_SKEW))
    drawn = draw_case(1)
    case = Case(1, drawn.begins, drawn.messages[:6], faults)
    with MUTANTS["retry_forgets_rows"]():
        broken = judge_cases([case])[0].violations
        small, violation = reduce_case(case, broken[0].promise)
        again = judge_cases([Case.of_json(small.to_json())])[0].violations
    assert violation in again
    assert violation.promise == broken[0].promise
    assert len(small.messages) == 1
    assert [fault.kind for fault in small.faults] == [Kind.BURST_429]
    assert judge_cases([small])[0].violations == ()
