import ast
from collections import Counter
from pathlib import Path

from chaos import loop_oracle
from chaos.kinds import Kind
from chaos.loop_oracle import LoopOracle, RawMessage
from chaos.loop_plan import CURATE, Fault, LoopPlan
from chaos.loop_stream import steps_of
from local.feature_rules import read_rules
from local.truth import Truth
from schemas.contract import load_contracts

_NOW = 1_790_000_000_000_000
_ROOMS = {"schemas", "transforms", "pipelines", "templates", "local", "console"}


def test_the_oracle_imports_nothing_of_the_suite():
    tree = ast.parse(Path(loop_oracle.__file__).read_text())
    names = {
        name.partition(".")[0]
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert "duckdb" in names
    assert not names & (_ROOMS | {"chaos"})


def test_the_oracle_and_what_the_generator_meant_agree(tmp_path):
    plan = LoopPlan(11, 900, CURATE, False, (Fault(Kind.HOT_KEY),))
    messages = [message for step in steps_of(plan, _NOW) for message in step.messages]
    raws = [
        RawMessage(f"m{number}", _NOW, message.payload, message.attributes)
        for number, message in enumerate(messages)
    ]
    late = {(m.event["event_id"], "tile") for m in messages if m.label == "late"}
    oracle = LoopOracle(raws, tmp_path / "raw.ndjson", {"1h": 3_600_000_000}, late)
    meant = Counter(m.label.partition(".")[2] for m in messages if m.label.startswith("rejected"))
    assert Counter(row["reason"] for row in oracle.rows("FROM refused")) == meant
    assert len(meant) > 10
    truth = Truth(read_rules(None, load_contracts(None)), batch=False)
    for message in messages:
        truth.add(message)
    told, hidden = truth.document()["rows"], oracle.disputed()
    tiles = {
        (cell.entity, cell.key, cell.name, cell.at, cell.n)
        for cell in oracle.cells(leaves_out_late=True)
        if cell.n and (cell.entity, cell.key) not in hidden
    }
    assert tiles == {
        (*key.split("#")[1:], name, int(start), content["n"])
        for key, rows in told.items()
        if tuple(key.split("#")[1:]) not in hidden
        for name, of in rows[0]["tiles"].items()
        for start, content in of.items()
    }
    assert late
    assert oracle.cells(leaves_out_late=False) != oracle.cells(leaves_out_late=True)
    counted = sum(row["events"] for row in oracle.rows("FROM activity(false)"))
    assert counted == len(oracle.rows("FROM accepted"))
