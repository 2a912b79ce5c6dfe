"""The benchmarks of archive, replay and planning: right results on small inputs, and figures."""

import json
from types import SimpleNamespace

import pytest

from benchmarks import (
    archive_size,
    bench_archive,
    bench_plan,
    bench_replay,
    bench_replay_decoded,
    oracles,
    report,
)
from benchmarks.figures import FIGURES
from benchmarks.harness import BenchmarkError
from benchmarks.inputs import ARCHIVE, SOURCE, Archived, Input, prepared
from benchmarks.peers import read_avro, write_avro, write_avro_sharded
from local.plain_values import time_of
from schemas.packs import RawPack
from transforms.archive_manifest import list_hours
from transforms.archive_objects import read_packs

pytestmark = pytest.mark.engine

EVENTS = 1_000


@pytest.fixture(scope="module")
def archived(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield prepared(Archived(EVENTS))


@pytest.mark.parametrize("contender", [bench_archive, write_avro, write_avro_sharded])
def test_contenders_of_archiving_keep_every_event(archived, contender):
    assert contender.run(str(archived))() == oracles.every_event(archived)


@pytest.mark.parametrize("contender", [bench_replay, bench_replay_decoded, read_avro])
def test_contenders_of_replay_count_each_id_once(archived, contender):
    assert contender.run(str(archived))() == oracles.counts_by_minute(archived)


def test_an_archived_input_is_the_lines_as_messages_by_hour(archived):
    hours = list(list_hours(str(archived.with_name(ARCHIVE)), SOURCE))
    packs = [
        pack
        for hour in hours
        for entry in hour.entries
        for _, pack in read_packs(hour.path_of(entry), entry)
    ]
    whole = RawPack.join(packs)
    assert len(hours) > 20
    assert sorted(whole.payloads) == sorted(archived.read_bytes().splitlines())
    assert len(set(whole.message_ids)) == EVENTS
    assert whole.publish_times == sorted(whole.publish_times)
    # An event is published when it happened or later, but for a copy that is soon.
    event = json.loads(whole.payloads[0])
    assert whole.publish_times[0] >= time_of(event["event_timestamp"])


def test_the_size_of_an_event_is_that_of_all_files_of_the_archive(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    lines, messages = (figure["value"] for figure in archive_size.measure(200)["figures"])
    files = list(prepared(Archived(200)).with_name(ARCHIVE).rglob("*.*"))
    assert messages == round(sum(file.stat().st_size for file in files) / 200, 2)
    assert 20 < lines < messages


def test_a_plan_is_made_in_a_process_of_its_own_and_has_to_be_right(monkeypatch):
    document = bench_plan.measure(100)
    seconds, peak = document["figures"]
    assert seconds["value"] > 0
    assert peak["value"] > 10
    wrong = json.dumps({"seconds": 1.0, "cpu_seconds": 1.0, "peak_mb": 1.0, "plan": [99, 1, 1]})
    monkeypatch.setattr(
        bench_plan, "subprocess", SimpleNamespace(check_output=lambda *_, **__: wrong)
    )
    with pytest.raises(BenchmarkError, match=r"plan: planned \[99, 1, 1\]"):
        bench_plan.measure(100)


@pytest.mark.parametrize("figures", FIGURES, ids=[each.name for each in FIGURES])
def test_figures_are_told_in_one_sentence_with_their_targets(figures):
    document = json.loads((report.RESULTS / f"{figures.name}.json").read_text())
    sentence = figures.told(document)
    told = document.get("figures", ())
    # What has no figure of its own has curves, or tables, on pages of their own.
    assert told or figures.name in ("event_bytes", "growth")
    assert all(f"target {f['target']}" in sentence for f in told if f["target"] is not None)
    assert not told or any(f["target"] for f in told)
    assert sentence in report.table()


def test_an_input_of_lines_has_no_archive(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert not prepared(Input(100)).with_name(ARCHIVE).exists()
