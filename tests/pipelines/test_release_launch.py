"""The launch of a release: what it refuses in one line, what a dry run tells, what its graph is."""

from pathlib import Path

import apache_beam as beam
import pytest
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from pipelines import curate_events
from pipelines.options import UsageError, parse_options
from pipelines.release_launch import told
from pipelines.release_options import ReleaseConfig, ReleaseOptions
from pipelines.release_quarantine import JOB, build, main
from schemas.completeness import marker_name
from schemas.reason_guide import STEPS
from tests.archive_builders import put
from tests.no_credentials import forget_credentials
from tests.pipelines.graphs import coder, lines_of
from tests.pipelines.release_runs import NOON, House, around, event, messages
from transforms.object_store import list_objects
from transforms.quarantine import read_quarantine

pytestmark = pytest.mark.engine

GOLDEN = Path(__file__).parents[1] / "golden" / "release"
TABLE = "projects/p/instances/i/tables/t"
USUAL = ("--quarantine=q", "--input_archive=a", "--cells_output=c")


def config_of(*argv):
    return ReleaseConfig.of(parse_options(argv, ReleaseOptions, ""))


@pytest.fixture
def house(tmp_path):
    given = [event("new", "u1", NOON, "teleport"), b"[]", *around(["u1"])]
    house = House(tmp_path, messages(given))
    house.live("live")
    return house


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (USUAL[1:], "--quarantine is missing"),
        (("--quarantine=q/step=Decode", *USUAL[1:]), "choose by --step and --from"),
        (("--quarantine=ftp://q", *USUAL[1:]), "--quarantine: path 'ftp://q'"),
        ((USUAL[0], USUAL[2]), "--input_archive is missing"),
        (USUAL[:2], "name exactly one of the two"),
        ((*USUAL, f"--bigtable_table={TABLE}"), "name exactly one of the two"),
        ((*USUAL[:2], "--bigtable_table=t"), "--bigtable_table: table 't'"),
        ((*USUAL, "--reason=bad_luck"), "--reason=bad_luck"),
        ((*USUAL, "--from=2026-01-02T00:00:00Z", "--to=2026-01-02T00:00:00Z"), "--to="),
        ((*USUAL, "--from=yesterday"), "--from=yesterday: write an RFC 3339 time"),
        ((*USUAL, "--max_attempts=0"), "--max_attempts=0"),
        ((*USUAL, "--on_bad_object=skip"), "--on_bad_object=skip"),
        ((*USUAL, "--max_lateness=1h"), "--max_lateness=1h: give at least the horizon"),
        ((*USUAL, "--app_profile=p"), "--app_profile goes with --bigtable_table"),
        ((*USUAL, "--dry_run=perhaps"), "--dry_run=perhaps"),
        ((*USUAL, "--run_id=a/b"), "--run_id=a/b"),
        ((*USUAL, "--now=soon"), "--now=soon"),
        ((*USUAL, "--no_such=x"), "--no_such=x: no such option"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_wrong_usage_is_one_line(capsys, argv, words):
    assert main(argv) == 2
    err = capsys.readouterr().err
    assert words in err
    assert err.count("\n") == 1


def test_what_the_curated_events_refused_is_never_said_to_be_released(house, capsys):
    house.quarantine = house.folder / "of_tables"
    span = ("--from=2026-01-01T00:00:00Z", "--to=2026-01-20T00:00:00Z")
    curated = [
        f"--input_archive={house.archive}", *span, f"--contracts={house.folder / 'narrow'}",
        f"--rows_output={house.folder / 'rows'}", f"--quarantine_output={house.quarantine}",
    ]  # fmt: skip
    assert curate_events.main(curated) == 0
    assert {each.job for each in read_quarantine(str(house.quarantine))} == {"curate_events"}
    assert main(house.release_arguments("c")) == 1
    line = (
        "2 messages were refused by curate_events, whose tables no release fills: mend the cause,"
        " and run python -m pipelines.curate_events with --input_archive over their span"
        " (docs/release.md)\n"
    )
    assert capsys.readouterr().err == line
    # Beside those of the hot path it is said as well, and those are released.
    house.live("again")
    assert main(house.release_arguments("c")) == 0
    assert capsys.readouterr().err == line
    assert house.rows("c")


@pytest.mark.parametrize("spelled", ["{}/c/", "{}/./c", "{}//c", "c"])
def test_one_folder_has_one_ledger_however_it_is_spelled(monkeypatch, tmp_path, spelled):
    monkeypatch.chdir(tmp_path)
    config = config_of(*USUAL[:2], f"--cells_output={spelled.format(tmp_path)}")
    assert config.sink == f"{tmp_path}/c"
    assert config_of(*USUAL[:2], "--cells_output=gs://b/c/").sink == "gs://b/c"


def test_places_that_are_not_what_they_should_be_are_one_line(capsys, house, tmp_path):
    usual = house.release_arguments("cells")[1:]
    asked = f"--input_archive={tmp_path / 'nowhere'}"
    assert main([asked, *usual]) == 2
    assert "holds no events" in capsys.readouterr().err
    argv = [item for item in house.release_arguments("cells") if "--quarantine=" not in item]
    assert main([*argv, f"--quarantine={tmp_path / 'narrow'}"]) == 2
    assert "nothing was refused there" in capsys.readouterr().err
    a_file = tmp_path / "features.yaml"
    assert main([*argv, f"--quarantine={a_file}"]) == 2
    assert f"--quarantine={a_file}: is a file" in capsys.readouterr().err
    put(house.archive, messages([b"{}"]), source="other")
    assert main(house.release_arguments("cells")) == 2
    assert "name one by --source: events, other" in capsys.readouterr().err
    assert main(house.release_arguments("cells", "--source=other")) == 2
    err = capsys.readouterr().err
    assert "source other has no completeness marker" in err
    assert err.count("\n") == 1
    # To apply changes again no tile has to be closed.
    changes = house.release_arguments("cells", "--source=other", "--reason=mutation_refused")
    assert main(changes) == 0


def test_a_step_that_never_refused_anything_is_one_line_that_names_those_that_can(capsys, house):
    (house.quarantine / "step=Of%2Fothers").mkdir()
    assert main(house.release_arguments("cells", "--step=Decod", "--dry_run")) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    known = sorted([*STEPS, "Of/others"])
    assert {"Decode", "Deduplicate", "WriteCells"} <= set(known)
    assert printed.err == f"--step=Decod: no such step; there are {', '.join(known)}\n"
    for step in ("Of/others", "WriteCells"):
        assert main(house.release_arguments("cells", f"--step={step}", "--dry_run")) == 0
        assert capsys.readouterr().out.startswith("no record is meant\n")


def test_a_dry_run_for_a_table_opens_none_and_needs_no_credentials(capsys, house, monkeypatch):
    forget_credentials(monkeypatch, house.folder / "gcloud")
    monkeypatch.setattr(
        "pipelines.release_launch.write_problem", lambda path, is_file: "cannot be written"
    )
    table = house.release_arguments(TABLE)
    assert main(table) == 2
    assert capsys.readouterr().err == f"--quarantine={house.quarantine}: cannot be written\n"
    assert main([*table, "--dry_run"]) == 0
    assert "Decode unknown_event_type: now good 1" in capsys.readouterr().out
    monkeypatch.undo()
    forget_credentials(monkeypatch, house.folder / "gcloud")
    assert main(table) == 2
    assert f"--bigtable_table={TABLE}: no Google Cloud credentials" in capsys.readouterr().err


def test_a_damaged_object_of_the_quarantine_stops_the_release_or_is_named_in_it(capsys, house):
    bad = house.quarantine / "step=Decode" / "dt=2026-01-05" / "bad.avro"
    bad.write_bytes(b"Obj\x01cut")
    assert main(house.release_arguments("cells")) == 1
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert f"{bad}: is no Avro object" in err
    assert house.rows("cells") == {}
    assert main(house.release_arguments("cells", "--on_bad_object=quarantine")) == 0
    found = list(read_quarantine(str(house.quarantine / "step=ReadQuarantine")))
    assert [(each.reason, each.payload) for each in found] == [
        ("object_not_avro", str(bad).encode())
    ]
    assert house.rows("live", "cells") == _truth(house)


def _truth(house):
    house.truth()
    return house.rows("truth")


def test_a_damaged_object_of_the_archive_always_stops_the_release(capsys, house):
    bad = next(list_objects(f"{house.archive}/raw", ".avro")).path
    Path(bad).write_bytes(Path(bad).read_bytes()[:-1])
    before = {each.path for each in list_objects(str(house.quarantine))}
    assert main(house.release_arguments("cells", "--on_bad_object=quarantine")) == 1
    err = capsys.readouterr().err
    assert f"{bad}: " in err
    assert "nothing is computed anew without it" in err
    assert err.count("\n") == 1
    assert {each.path for each in list_objects(str(house.quarantine))} == before


def test_a_damaged_ledger_stops_the_release(capsys, house):
    assert main(house.release_arguments("cells")) == 0
    ledger = next(list_objects(f"{house.quarantine}/_released")).path
    Path(ledger).write_bytes(b"{}\n")
    assert main(house.release_arguments("cells")) == 1
    assert f"{ledger}: no line of a ledger of releases; move it away" in capsys.readouterr().err


def test_a_dry_run_tells_what_would_be_released_and_writes_nothing(capsys, house):
    before = {each.path: each.size for each in list_objects(str(house.folder))}
    assert main(house.release_arguments("cells", "--dry_run")) == 0
    out = capsys.readouterr().out
    objects = list(list_objects(f"{house.archive}/raw", ".avro"))
    assert out.splitlines() == [
        "Decode not_an_object: still bad 1",
        "Decode unknown_event_type: now good 1",
        "tiles touched: 2 in 1 rows, in hours 2026-01-05T12:00:00Z to 2026-01-05T12:00:00Z",
        f"archive: {len(objects)} objects, 11 events, "
        f"{sum(each.size for each in objects)} bytes to be read",
    ]
    assert {each.path: each.size for each in list_objects(str(house.folder))} == before


def test_a_dry_run_tells_what_was_released_and_what_is_not_closed(capsys, house):
    assert main(house.release_arguments("cells", "--max_attempts=1")) == 0
    assert main(house.release_arguments("cells", "--max_attempts=1", "--dry_run")) == 0
    assert capsys.readouterr().out.splitlines() == [
        "Decode not_an_object: exhausted 1",
        "Decode unknown_event_type: already released 1",
        "tiles touched: 0 in 0 rows",
        "archive: 0 objects, 0 events, 0 bytes to be read",
    ]
    lines = told({"not_yet": 2, "not_yet.Decode.x": 2, "not_yet.2026-01-05T15:00:00Z": 2}, None)
    assert lines[:2] == [
        "Decode x: not yet 2",
        "not yet: 2 can be released after the hour of 2026-01-05T15:00:00Z",
    ]
    assert told({}, None)[0] == "no record is meant"


def test_without_a_marker_nothing_says_what_the_archive_holds(house):
    (house.archive / marker_name("events")).unlink()
    with pytest.raises(UsageError, match="completeness marker"):
        JOB.prepare(config_of(*house.release_arguments("cells")))


@pytest.fixture(scope="module", params=["cells", "table", "dry_run"])
def job(request):
    sink = f"--bigtable_table={TABLE}" if request.param == "table" else "--cells_output=c"
    argv = [*USUAL[:2], sink, "--source=events", "--pseudonym_key=env:KEY"]
    config = config_of(*argv, *(["--dry_run"] if request.param == "dry_run" else []))
    pipeline = beam.Pipeline(runner=FnApiRunner())
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("KEY", "2026:a-key-of-enough-bytes")
        build(pipeline, config)
    return request.param, pipeline.to_runner_api()


def test_labels_and_coders_are_the_golden_ones(job):
    name, proto = job
    assert lines_of(proto) == (GOLDEN / f"graph_{name}.txt").read_text().splitlines()


def test_every_rejected_stream_ends_in_the_quarantine_or_in_the_ledger(job):
    name, proto = job
    if name == "dry_run":
        assert not [each for each in lines_of(proto) if each.startswith(("Write", "Quarantine/"))]
        return
    steps = [step for step in proto.components.transforms.values() if not step.subtransforms]
    rejects = [
        (step.unique_name, output)
        for step in steps
        for output in step.outputs.values()
        if coder(proto, proto.components.pcollections[output].coder_id).endswith("(Rejected)")
    ]
    assert len(rejects) >= 12
    for label, stream in rejects:
        ends = _ends(steps, stream)
        assert ends & {"Quarantine", "WriteLedger"}, label


def _ends(steps, stream):
    following = [step for step in steps if stream in step.inputs.values()]
    ends = {step.unique_name.partition("/")[0] for step in following}
    return ends.union(*(_ends(steps, out) for step in following for out in step.outputs.values()))
