"""Replay equals live: one published stream, five ways into tables, the same in all of them.

The same code as `penstock prove`, with fewer events. docs/proof.md says what it compares and what
it cannot show.
"""

import pytest

from local.prove import Proof
from local.services import Capability

EVENTS = 600
SECONDS = 40

pytestmark = [
    pytest.mark.emulator,
    pytest.mark.prism,
    pytest.mark.usefixtures("forked_jobs"),
    # Ten jobs on two cores: two proofs at once would take each other's time.
    pytest.mark.xdist_group("proof"),
    pytest.mark.parametrize("pubsub_emulator", [Capability.FILTER], indirect=True),
]


@pytest.fixture
def prove(bigtable_emulator, pubsub_emulator, prism_binary, tmp_path):
    """Give a function that runs a proof and returns what differs, what was said, and the proof."""

    def run(seed):
        said = []
        services = (bigtable_emulator, pubsub_emulator, prism_binary)
        proof = Proof(*services, tmp_path, EVENTS, seed, SECONDS, said.append)
        return proof.run(), said, proof

    return run


def test_replay_equals_live_interleaved_killed_and_repaired(prove):
    problems, said, proof = prove(seed=11)
    assert problems == [], "\n".join(said)
    assert min(proof.values, proof.rows) > EVENTS
