"""`penstock prove`: what it asks for, and how it leaves."""

import pytest

import local.prove
from console.main import main


@pytest.mark.parametrize(("equal", "status"), [(True, 0), (False, 1)])
def test_it_leaves_with_1_where_replay_differs_from_live(monkeypatch, capsys, equal, status):
    asked = []

    def run_proof(events, seed, say):
        asked.append((events, seed))
        say("replay equals live, or not")
        return equal

    monkeypatch.setattr(local.prove, "run_proof", run_proof)
    with pytest.raises(SystemExit) as left:
        main(["prove", "--events", "500", "--seed", "3"])
    assert left.value.code == status
    assert asked == [(500, 3)]
    assert capsys.readouterr().out == "replay equals live, or not\n"


def test_too_few_events_to_prove_anything_are_refused(capsys):
    with pytest.raises(SystemExit) as left:
        main(["prove", "--events", "10"])
    assert left.value.code == 2
    assert "--events" in capsys.readouterr().err
