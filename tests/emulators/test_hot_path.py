"""The streaming hot path, from Pub/Sub to Bigtable, with faults, on two engines."""

import json
import os
import sys
import time

import pytest

from local.check_rows import differences
from local.feature_rules import read_rules
from local.generate import generate
from local.lossy_proxy import LossyProxy
from local.plan import HOUR, Plan
from local.processes import ServiceProcess
from local.publish import publish
from local.services import exported
from local.tables import read_table
from local.truth import Truth
from pipelines.hot_path import main
from schemas.bigtable_table import TableName
from schemas.contract import load_contracts
from tests.pipelines.hot_path_runs import KEY, KEY_VARIABLE, conserved
from transforms.object_store import read_objects
from transforms.quarantine import read_quarantine

SPAN = 2 * HOUR
HORIZON = 3 * HOUR
SECOND = 1_000_000


class Story:
    """Published events with faults, the truth about them, and where the job puts what it makes."""

    def __init__(self, bigtable, pubsub, storage, events, seed):
        self.table = bigtable.table()
        self.place = f"gs://{storage.bucket()}"
        topic = pubsub.topic()
        self.subscription = pubsub.subscription(topic, ack_deadline_seconds=10)
        contracts = load_contracts(None)
        plan = Plan(
            events=events,
            seed=seed,
            start=time.time_ns() // 1000 - SPAN,
            span=SPAN,
            publish_span=5 * SECOND,
            horizon=HORIZON,
            lines=False,
            clocked=True,
        )
        truth = Truth(read_rules(None, contracts), batch=False)
        self.messages = list(generate(plan, contracts))
        publish(topic, truth.watch(self.messages))
        self.truth = truth.document()

    def arguments(self, *more):
        return [
            f"--input_subscription={self.subscription}",
            f"--bigtable_table={self.table}",
            f"--quarantine_output={self.place}/quarantine",
            f"--late_output={self.place}/late",
            f"--pseudonym_key=env:{KEY_VARIABLE}",
            f"--horizon={HORIZON // SECOND}s",
            "--covers_from=beginning",
            "--shards=3",
            *more,
        ]

    def differences(self):
        return list(differences(self.truth, read_table(TableName.parse(self.table))))

    def quarantined(self):
        return list(read_quarantine(f"{self.place}/quarantine"))

    def late(self):
        objects = read_objects(f"{self.place}/late", ".ndjson")
        return [line for _, content in objects for line in content.splitlines()]


@pytest.fixture
def story(bigtable_emulator, pubsub_emulator, gcs_emulator, monkeypatch):
    monkeypatch.setenv(KEY_VARIABLE, KEY)

    def tell(events, seed):
        return Story(bigtable_emulator, pubsub_emulator, gcs_emulator, events, seed)

    return tell


@pytest.mark.parametrize("pubsub_emulator", ["go", "java"], indirect=True)
def test_on_prism_rows_are_right_after_lost_acknowledgements_and_poison(
    story, pubsub_emulator, prism_binary, tmp_path
):
    told = story(1_500, seed=11)
    counters = tmp_path / "counters.json"
    engine = (
        "--runner=PrismRunner",
        f"--prism_location={prism_binary}",
        "--environment_type=LOOPBACK",
        "--stop_after_idle=6",
        f"--counters_output={counters}",
    )
    with (
        LossyProxy(pubsub_emulator.address, lose_every=30, at_most=40) as proxy,
        exported({"PUBSUB_EMULATOR_HOST": proxy.address}),
    ):
        assert main(told.arguments(*engine)) == 0
    assert proxy.lost == 40
    assert told.differences() == []
    counted, wanted = json.loads(counters.read_text()), told.truth["counts"]
    assert conserved(counted)
    assert counted["read"] == wanted["read"] + proxy.lost
    assert counted["accepted"] == wanted["accepted"]
    assert counted["late"] == wanted["late"] == len(told.late())
    quarantined = told.quarantined()
    broken = [one.payload for one in told.messages if one.label.startswith("rejected")]
    kept = [one.payload for one in quarantined if one.step == "Decode"]
    assert sorted(set(kept)) == sorted(set(broken))
    # A message that came twice is refused twice, but two packs of the same messages are one object.
    refused = sum(counted["rejected"].values()) + counted["conflict"]
    assert len(broken) + wanted["conflict"] <= len(quarantined) <= refused


def test_on_the_bundle_based_runner_beams_source_gives_the_same_rows(
    story, pubsub_emulator, tmp_path
):
    told = story(300, seed=12)
    command = [sys.executable, "-m", "pipelines.hot_path", "--runner=BundleBasedDirectRunner"]
    job = ServiceProcess([*command, *told.arguments()], tmp_path / "job.log", dict(os.environ))
    try:
        until = time.monotonic() + 120
        while told.differences() and time.monotonic() < until:
            assert not job.ended(), job.last_words()
            time.sleep(1)
    finally:
        job.stop()
    assert told.differences() == []


def test_a_missing_subscription_is_one_line(story, prism_binary, capsys):
    told = story(100, seed=13)
    told.subscription += "-gone"
    engine = ("--runner=PrismRunner", f"--prism_location={prism_binary}")
    assert main(told.arguments(*engine, "--environment_type=LOOPBACK")) == 1
    line = capsys.readouterr().err.strip().splitlines()[-1]
    assert told.subscription in line
    assert "NOT_FOUND" in line
