"""penstock quarantine: what it counts, shows and explains, and what it does with bad objects."""

import gzip
import io
import json
import pathlib
import shlex
import subprocess
import sys

import fastavro
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.main import main
from console.quarantine_objects import QuarantineObjects
from schemas.bigtable_table import TABLE_ATTRIBUTE
from schemas.cell_lines import change_json
from schemas.cells import Cell, RowChange
from schemas.events import RawEvent
from schemas.quarantine_avro import QUARANTINE_SCHEMA, to_avro
from schemas.reason_guide import note_text
from schemas.rejected import Reason, Rejected, reject
from schemas.released import ledger_folder, ledger_line, release_key
from tests.no_credentials import forget_credentials
from tests.schemas.any_event import any_event, any_view, wire
from transforms.object_names import object_name
from transforms.object_store import ObjectStoreError, read_object
from transforms.quarantine import quarantine_folder
from transforms.quarantine_filter import Filter, time_of

ROOT = pathlib.Path(__file__).parents[2]
GOLDEN = pathlib.Path(__file__).parents[1] / "golden" / "quarantine"
HOUR = 3_600_000_000
NOON = 1_767_268_800_000_000  # 2026-01-01T12:00:00Z


def run(capsys, *argv):
    with pytest.raises(SystemExit) as left:
        main(["quarantine", *map(str, argv)])
    printed = capsys.readouterr()
    return left.value.code, printed.out, printed.err


def a_record(payload=b"{", reason=Reason.NOT_JSON, publish_time=NOON, step="Decode", **changed):
    raw = RawEvent(payload, {"origin": "ana@example.com"}, "m1", publish_time, "ana")
    record = reject(raw, step, reason, "payload: not JSON", event_time=NOON - 1)
    return msgspec.structs.replace(record, **{"rejected_at": NOON + HOUR, "job": "hot", **changed})


def keep(folder, *records):
    """Write an object for the records, which belong into one folder, and return its path."""
    path = folder / quarantine_folder(records[0]) / object_name([to_avro(records)], ".avro")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(to_avro(records))
    return path


@pytest.fixture
def quarantine(tmp_path):
    conflict = {"step": "Deduplicate", "reason": Reason.ID_CONFLICT}
    keep(tmp_path, a_record(), a_record(publish_time=NOON + 5), a_record(publish_time=NOON + HOUR))
    keep(tmp_path, a_record(publish_time=NOON + 24 * HOUR, reason=Reason.EMPTY_PAYLOAD))
    keep(tmp_path, a_record(publish_time=None, rejected_at=NOON + 2 * HOUR, **conflict))
    return tmp_path


def lines(out):
    return [json.loads(line) for line in out.splitlines()]


def test_help_does_not_wait_for_beam():
    asked = "import sys, console.quarantine; print('apache_beam' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", asked], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"


def test_counts_are_the_golden_ones(capsys, quarantine):
    status, out, err = run(capsys, "ls", quarantine)
    assert (status, err) == (0, "")
    size = sum(path.stat().st_size for path in quarantine.rglob("*.avro"))
    golden = (GOLDEN / "ls.txt").read_text()
    assert out == golden.replace("SIZE", str(size))


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        (["--step", "Deduplicate"], 1),
        (["--reason", "not_json"], 3),
        (["--reason", "not_json", "--step", "Deduplicate"], 0),
        (["--from", "2026-01-01T13:00:00Z"], 3),
        (["--to", "2026-01-01T13:00:00Z"], 2),
        (["--from", "2026-01-01T14:00:00+01:00", "--to", "2026-01-01T14:00:00.000001Z"], 2),
        (["--from", "2026-01-02T12:00:00Z"], 1),
        (["--from", "2026-01-02T12:00:00.000001Z"], 0),
        (["--to", "2026-01-01T12:00:00Z"], 0),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_filters_take_the_same_records_in_both_commands(capsys, quarantine, asked, found):
    status, out, _ = run(capsys, "ls", quarantine, *asked)
    assert status == 0
    assert out.splitlines()[-1].startswith(f"records: {found}, ")
    status, out, _ = run(capsys, "show", quarantine, *asked)
    assert (status, len(out.splitlines())) == (0, found)


def test_objects_that_by_their_folder_hold_nothing_of_it_are_not_opened(capsys, quarantine):
    for path in quarantine.glob("step=Decode/dt=2026-01-01/*"):
        path.write_bytes(b"damaged")
    for asked in (["--step", "Deduplicate"], ["--from", "2026-01-02T00:00:00Z"]):
        assert run(capsys, "ls", quarantine, *asked)[0] == 0
    assert run(capsys, "ls", quarantine, "--to", "2026-01-01T00:00:00.000001Z")[0] == 1


micros = st.integers(-62_135_596_800_000_000, 253_402_300_799_999_999)
near = st.integers(NOON - 50 * HOUR, NOON + 50 * HOUR)


@given(near | micros, st.none() | near | micros, st.none() | near | micros, st.none() | near)
def test_a_folder_is_never_passed_over_that_holds_what_is_asked(time, start, end, rejected):
    record = a_record(publish_time=None if rejected is not None else time, step="Write/Cells")
    record = msgspec.structs.replace(record, rejected_at=rejected or 0)
    meant = Filter("Write/Cells", None, start, end)
    path = f"q/{quarantine_folder(record)}/x.avro"
    assert meant.may_hold(path) or not meant.takes(record)
    assert time_of(record) == (time if rejected is None else rejected)


def test_a_sample_tells_all_that_is_harmless(capsys, tmp_path):
    keep(tmp_path, a_record(wire(any_view(country=5)), Reason.WRONG_TYPE, attempt=2))
    status, out, err = run(capsys, "show", tmp_path)
    assert (status, err) == (0, "")
    assert lines(out) == [
        {
            "step": "Decode",
            "reason": "wrong_type",
            "detail": "payload: not JSON",
            "event_time": "2026-01-01T11:59:59.999999Z",
            "publish_time": "2026-01-01T12:00:00Z",
            "rejected_at": "2026-01-01T13:00:00Z",
            "job": "hot",
            "attempt": 2,
            "message_id": "m1",
            "ordering_key": "<string>",
            "attributes": {"origin": "<string>"},
            "payload_bytes": len(wire(any_view(country=5))),
            "payload": {
                **any_view(country="<integer>"),
                "user_id": "<string>",
                "session_id": "<string>",
            },
        }
    ]


def test_a_record_of_a_replay_says_which_one(capsys, tmp_path):
    keep(tmp_path, a_record(replayed_from="gs://b/raw/events/source=web", run="r1"))
    (record,) = lines(run(capsys, "show", tmp_path)[1])
    assert (record["replayed_from"], record["run"]) == ("gs://b/raw/events/source=web", "r1")


def test_raw_shows_what_came(capsys, tmp_path):
    keep(tmp_path, a_record('{"ä": \x1b'.encode()), a_record(b"\xff\x00", Reason.NOT_UTF8))
    status, out, _ = run(capsys, "show", tmp_path, "--raw")
    assert status == 0
    assert out.isascii()
    assert "\x1b" not in out
    first, second = lines(out)
    assert first["payload"] == '{"ä": \x1b'
    assert second["payload_base64"] == "/wA="
    assert first["attributes"] == {"origin": "ana@example.com"}
    assert first["ordering_key"] == "ana"


def test_a_refused_change_keeps_its_row_key_to_itself(capsys, tmp_path):
    change = RowChange(b"ab#user#ana", [Cell("s", "plan", 1_000, b"pro")])
    refused = {"reason": Reason.MUTATION_REFUSED, "step": "WriteCells", "publish_time": None}
    keep(tmp_path, a_record(change_json(change), **refused))
    _, out, _ = run(capsys, "show", tmp_path)
    (record,) = lines(out)
    assert record["payload"]["row_key"] == "<string>"
    assert record["payload"]["cells"][0]["qualifier"] == "plan"
    _, out, _ = run(capsys, "show", tmp_path, "--raw")
    assert json.loads(lines(out)[0]["payload"])["row_key"] == "ab#user#ana"


def test_the_table_that_a_refused_change_was_meant_for_is_shown(capsys, tmp_path):
    table = "projects/p/instances/i/tables/t"
    change = change_json(RowChange(b"ab#user#ana", [Cell("s", "plan", 1_000, b"pro")]))
    refused = {"reason": Reason.MUTATION_REFUSED, "step": "WriteCells", "publish_time": None}
    attributes = {TABLE_ATTRIBUTE: table, "origin": "ana"}
    keep(tmp_path, a_record(change, **refused, attributes=attributes))
    (record,) = lines(run(capsys, "show", tmp_path)[1])
    assert record["attributes"] == {TABLE_ATTRIBUTE: table, "origin": "<string>"}


def test_what_was_released_is_counted_apart_wherever_the_path_points(capsys, quarantine):
    released = [a_record(), a_record(publish_time=NOON + 5)]
    ledger = quarantine / ledger_folder("a table") / "dt=2026-01-01" / "x.ndjson"
    ledger.parent.mkdir(parents=True)
    ledger.write_bytes(b"".join(ledger_line(release_key(each)) + b"\n" for each in released))
    shadow = quarantine / ledger_folder("a/shadow") / "dt=2026-01-01" / "x.ndjson"
    shadow.parent.mkdir(parents=True)
    shadow.write_bytes(ledger_line(release_key(released[0])) + b"\n")
    again = a_record(publish_time=NOON + HOUR, attempt=1)
    keep(quarantine, again, a_record(publish_time=NOON + HOUR, attempt=2))
    for path in (
        quarantine,
        quarantine / "step=Decode",
        quarantine / "step=Decode" / "dt=2026-01-01",
    ):
        status, out, err = run(capsys, "ls", path, "--reason", "not_json")
        assert (status, err) == (0, "")
        assert [line.split() for line in out.splitlines()[1:2]] == [
            ["Decode", "not_json", "2026-01-01T13:00:00Z", "3"]
        ]
        assert out.splitlines()[-4:] == [
            "refused again: 2 of them, each beside the record before it",
            "released: 2 records, which are not in this",
            "released into a table: 2",
            "released into a/shadow: 1",
        ]


def test_a_damaged_ledger_is_one_line(capsys, quarantine):
    ledger = quarantine / ledger_folder("a table") / "x.ndjson"
    ledger.parent.mkdir(parents=True)
    ledger.write_bytes(b"not a line\n")
    status, out, err = run(capsys, "ls", quarantine)
    assert (status, out) == (1, "")
    assert err == f"penstock: {ledger}: no line of a ledger of releases; move it away\n"


def test_other_contracts_say_what_is_known(capsys, tmp_path):
    contracts = ROOT / "tests" / "golden" / "hot_path" / "contracts"
    keep(tmp_path, a_record(wire(any_event()), Reason.MISSING_FIELD))
    _, out, _ = run(capsys, "show", tmp_path, "--contracts", contracts)
    (record,) = lines(out)
    assert record["payload"]["event_type"] == "page_view"
    assert run(capsys, "show", tmp_path, "--contracts", tmp_path)[0] == 2


def test_a_limit_ends_the_samples(capsys, tmp_path):
    keep(tmp_path, *[a_record(message_id=str(n)) for n in range(8)])
    keep(tmp_path, *[a_record(message_id=str(n), step="Other") for n in range(8)])
    assert len(lines(run(capsys, "show", tmp_path)[1])) == 10
    shown = lines(run(capsys, "show", tmp_path, "--limit", 9)[1])
    assert [record["message_id"] for record in shown] == [*"01234567", "0"]
    assert run(capsys, "show", tmp_path, "--limit", 0)[0] == 2


def foreign():
    file = io.BytesIO()
    schema = {"type": "record", "name": "penstock.Raw", "fields": [{"name": "a", "type": "long"}]}
    fastavro.writer(file, schema, [{"a": 1}], codec="deflate")
    return file.getvalue()


GOOD = to_avro([a_record(), a_record(b"x" * 99, message_id="m2")])
BAD = {
    "empty": (b"", "is empty"),
    "text": (b"ana@example.com", "is no Avro object"),
    "zipped": (gzip.compress(GOOD), "is no Avro object"),
    "head only": (GOOD[: GOOD.index(a_marker := GOOD[-16:]) + 16], "is cut"),
    "cut": (GOOD[:-20], "is cut"),
    "cut in the head": (GOOD[:200], "is no Avro object"),
    "foreign": (foreign(), "is Avro, and holds no records of a quarantine"),
}


@pytest.mark.parametrize("kind", BAD)
@pytest.mark.parametrize("command", ["ls", "show"])
def test_a_bad_object_is_named_in_one_line_and_the_rest_is_shown(capsys, quarantine, kind, command):
    content, words = BAD[kind]
    bad = quarantine / "step=Decode" / "dt=2026-01-01" / "0.avro"
    good = run(capsys, command, quarantine)
    bad.write_bytes(content)
    status, out, err = run(capsys, command, quarantine)
    assert (status, out) == (1, good[1])
    named, counted = err.splitlines()
    assert named.startswith(f"penstock: {bad}: {words}")
    assert counted.endswith(": 1")
    assert "ana@" not in err


def test_an_object_that_cannot_be_fetched_is_named_and_the_rest_is_shown(
    capsys, monkeypatch, quarantine
):
    def read(path):
        if "dt=2026-01-02" in path:
            msg = f"{path}: forbidden"
            raise ObjectStoreError(msg)
        # It was listed, and is gone by now.
        return None if "Deduplicate" in path else read_object(path)

    monkeypatch.setattr("console.quarantine_objects.read_object", read)
    status, out, err = run(capsys, "ls", quarantine)
    assert (status, out.splitlines()[-1].startswith("records: 3, objects: 1, ")) == (1, True)
    forbidden, gone, counted = err.splitlines()
    assert forbidden.endswith("forbidden")
    assert gone.endswith("was deleted while it was listed")
    assert counted.endswith(": 2")


def test_a_store_that_does_not_answer_is_one_line_and_status_one(capsys, monkeypatch, quarantine):
    def listed(path, suffix=""):
        yield from ()
        msg = f"{path}: timed out"
        raise ObjectStoreError(msg)

    monkeypatch.setattr("console.quarantine_objects.list_objects", listed)
    status, out, err = run(capsys, "ls", quarantine)
    assert (status, out, err) == (1, "", f"penstock: {quarantine}: timed out\n")


def test_objects_are_opened_one_by_one_and_only_as_far_as_the_limit_asks(
    capsys, monkeypatch, quarantine
):
    opened = []

    def read(path):
        opened.append(path)
        return read_object(path)

    monkeypatch.setattr("console.quarantine_objects.read_object", read)
    for limit, objects in ((1, 1), (3, 1), (4, 2), (9, 3)):
        opened.clear()
        assert run(capsys, "show", quarantine, "--limit", limit)[0] == 0
        assert len(opened) == objects
    assert opened == sorted(opened)


def test_a_file_whose_name_has_a_line_end_is_one_line_too(capsys, quarantine):
    (quarantine / "a\nb.avro").write_bytes(b"")
    status, _, err = run(capsys, "ls", quarantine)
    assert (status, len(err.splitlines())) == (1, 2)


@given(st.data())
def test_no_damage_to_an_object_does_more_than_name_it(tmp_path_factory, data):
    content = bytearray(GOOD)
    for _ in range(data.draw(st.integers(0, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    cut = content[: data.draw(st.integers(0, len(content)))]
    path = tmp_path_factory.mktemp("bad") / "x.avro"
    path.write_bytes(bytes(cut))
    said = []
    objects = QuarantineObjects(str(path), said.append)
    taken = [*objects.take(Filter(), list)]
    assert objects.bad == len(said)
    assert objects.bad + len(taken) == 1
    assert all(isinstance(each, Rejected) for found in taken for each in found)


def test_a_cut_is_seen_wherever_it_is(tmp_path):
    path = tmp_path / "x.avro"
    for size in range(len(GOOD)):
        path.write_bytes(GOOD[:size])
        objects = QuarantineObjects(str(path), str)
        assert [*objects.take(Filter(), list)] == []
        assert objects.bad == 1


def test_fields_that_came_later_or_are_not_there_yet_do_no_harm(capsys, tmp_path):
    (row,) = fastavro.reader(io.BytesIO(to_avro([a_record()])))
    fields = [f for f in QUARANTINE_SCHEMA["fields"] if f["name"] in row]
    without = [f for f in fields if f["name"] not in ("job", "attempt")]
    later = {"name": "from_a_later_version", "type": "string"}
    for name, each in (("a", without), ("b", [*fields, later])):
        file = io.BytesIO()
        schema = {**QUARANTINE_SCHEMA, "fields": each}
        rows = [{**row, "from_a_later_version": "ana@example.com"}]
        fastavro.writer(file, schema, rows, codec="null")
        (tmp_path / f"{name}.avro").write_bytes(file.getvalue())
    status, out, err = run(capsys, "show", tmp_path)
    assert (status, err) == (0, "")
    older, newer = lines(out)
    assert (older["job"], newer["job"]) == ("", "hot")
    assert "ana@example.com" not in out


@pytest.mark.parametrize("command", ["ls", "show"])
@pytest.mark.parametrize(
    ("argv", "words"),
    [
        ([], "Missing argument 'PATH'"),
        (["/nowhere/q"], "/nowhere/q: nothing is there; check the path"),
        ([""], "write a local folder or gs://BUCKET/FOLDER"),
        (["s3://bucket/q"], "write a local folder or gs://BUCKET/FOLDER"),
        ([".", "--from", "noon"], "--from noon: not an RFC 3339 time"),
        ([".", "--to", "2026-01-31"], "--to 2026-01-31: not an RFC 3339 time"),
        ([".", "--from", "2026-01-31T00:00:00Z", "--to", "2026-01-31T00:00:00Z"], "is not before"),
        (
            [".", "--reason", "no_json"],
            "--reason=no_json: there is none; there are empty_payload, ",
        ),
    ],
    ids=str,
)
def test_wrong_usage_is_one_line_and_status_two(capsys, command, argv, words):
    status, out, err = run(capsys, command, *argv)
    assert (status, out, len(err.splitlines())) == (2, "", 1)
    assert words in err


@pytest.mark.parametrize("command", ["ls", "show"])
@pytest.mark.parametrize("part", ["", "step=Decode", "step=Decode/dt=2026-01-31"])
def test_a_step_that_is_not_known_is_one_line_that_names_those_that_are(
    capsys, tmp_path, command, part
):
    place = tmp_path / part
    place.mkdir(parents=True, exist_ok=True)
    (tmp_path / "step=Of others").mkdir()
    status, out, err = run(capsys, command, place, "--step", "Decod")
    assert (status, out, len(err.splitlines())) == (2, "", 1)
    assert "--step=Decod: no such step; there are " in err
    assert "Decode, Deduplicate, " in err
    assert ("Of others" in err) == (not part)
    assert run(capsys, command, place, "--step", "WriteCells")[0] == 0
    if not part:
        assert run(capsys, command, place, "--step", "Of others")[0] == 0


@pytest.mark.parametrize("command", ["ls", "show"])
def test_without_credentials_one_line_names_the_remedy(capsys, monkeypatch, tmp_path, command):
    forget_credentials(monkeypatch, tmp_path)
    status, out, err = run(capsys, command, "gs://bucket/quarantine")
    assert (status, out) == (2, "")
    assert err == (
        "penstock: gs://bucket/quarantine: no Google Cloud credentials; "
        "run gcloud auth application-default login, or export STORAGE_EMULATOR_HOST\n"
    )


def test_an_empty_quarantine_has_no_records(capsys, tmp_path):
    assert run(capsys, "ls", tmp_path) == (0, "records: 0, objects: 0, bytes: 0\n", "")
    assert run(capsys, "show", tmp_path) == (0, "", "")


def test_one_object_is_a_path_too_and_a_tilde_is_the_home_folder(capsys, monkeypatch, quarantine):
    monkeypatch.setenv("HOME", str(quarantine))
    (path,) = quarantine.glob("step=Deduplicate/*/*.avro")
    assert len(lines(run(capsys, "show", f"~/{path.relative_to(quarantine)}")[1])) == 1


def test_names_of_an_object_cannot_command_the_terminal(capsys, tmp_path):
    keep(tmp_path, a_record(step="\x1b[31mred\n"), a_record(step=""))
    _, out, _ = run(capsys, "ls", tmp_path)
    assert "\x1b" not in out
    assert "\\u001b[31mred\\n  not_json" in out
    assert len(out.splitlines()) == 4


@pytest.mark.engine
def test_a_reader_that_has_seen_enough_is_no_failure(tmp_path):
    for n in range(40):
        keep(tmp_path, *[a_record(b"x" * 500, message_id=f"{n}/{m}") for m in range(20)])
    python = shlex.quote(sys.executable)
    command = f"{python} -m console quarantine show {tmp_path} --limit 800 --raw | head -1"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, len(done.stdout.splitlines()), done.stderr) == (0, 1, "")


def test_a_place_that_may_not_be_read_is_said(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr("os.access", lambda *_: False)
    status, _, err = run(capsys, "ls", tmp_path)
    assert (status, "no permission" in err) == (2, True)


def test_explain_tells_of_one_reason_or_of_all(capsys):
    status, out, _ = run(capsys, "explain", "not_json")
    assert (status, out) == (0, note_text(Reason.NOT_JSON) + "\n")
    status, out, _ = run(capsys, "explain")
    assert status == 0
    assert [text.partition(":")[0] for text in out.split("\n\n")] == [r.value for r in Reason]
    status, out, err = run(capsys, "explain", "no_json")
    assert (status, out, len(err.splitlines())) == (2, "", 1)
    assert "there are empty_payload, " in err
