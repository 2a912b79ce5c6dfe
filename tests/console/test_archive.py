"""penstock archive: what it sums up, shows, verifies and estimates, with faults too."""

import io
import json
import os
import pathlib
import shlex
import subprocess
import sys
import tracemalloc

import fastavro
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.archive_check import Verification
from console.archive_messages import show_messages
from console.archive_range import ArchiveRange
from console.main import main
from schemas.archive_avro import to_avro
from schemas.archive_layout import EVENTS, HOUR, hour_folder
from schemas.completeness import marker_name
from schemas.events import RawEvent
from schemas.manifest import ManifestEntry, Replacement
from schemas.packs import RawPack
from tests.archive_builders import compact, complete, put
from tests.no_credentials import forget_credentials
from transforms.archive_manifest import list_hour, list_hours
from transforms.object_store import create_object, delete_object, replace_object

ROOT = pathlib.Path(__file__).parents[2]
GOLDEN = pathlib.Path(__file__).parents[1] / "golden" / "archive_commands"
NOON = 1_767_268_800_000_000  # 2026-01-01T12:00:00Z
MINUTE = 60_000_000
TEXT = b'{"name": "Zo\xc3\xab \x1b"}'


def run(capsys, *argv):
    with pytest.raises(SystemExit) as left:
        main(["archive", *map(str, argv)])
    printed = capsys.readouterr()
    return left.value.code, printed.out, printed.err


def raw(number, time=None, payload=b"{}"):
    return RawEvent(
        payload, {"n": str(number)}, f"m{number}", NOON + number if time is None else time
    )


def put_orphan(root, message, source="orders"):
    path = put(root, [message], source, "null")
    delete_object(path.entry_path)
    return path


def build(root):
    """Two sources and three hours; overlapping objects, an orphan, a compaction, a missing one."""
    late = NOON + 50 * MINUTE
    times = [NOON - HOUR, NOON - 5]
    put(root, [raw(1), raw(2, late, TEXT)], "orders", "null", times)
    put(root, [raw(2, late, TEXT), raw(3, NOON + MINUTE, b"\xff\x00")], "orders", "null")
    old = [put(root, [raw(n, NOON + HOUR + n)], "orders", "null", [NOON + n]) for n in (4, 5)]
    record = put(root, [raw(n, NOON + HOUR + n) for n in (4, 5)], "orders", "null", [NOON, NOON])
    replacement = Replacement((record.entry.digest,), tuple(each.entry.digest for each in old))
    folder = record.path.rpartition("/")[0]
    create_object(f"{folder}/{replacement.name}", replacement.to_json())
    put_orphan(root, raw(6, NOON + HOUR + 6))
    ordered = RawEvent(b"", {}, "m7", NOON + 24 * HOUR, "key")
    delete_object(put(root, [ordered], "orders", "null", [NOON]).path)
    put(root, [raw(8)], "a/b c", "null", [NOON])
    complete(root, NOON + 2 * HOUR, "orders")


@pytest.fixture
def archive(tmp_path):
    build(tmp_path / "archive")
    return tmp_path / "archive"


@pytest.fixture
def whole(tmp_path):
    """An archive without defects: three objects of one source."""
    return [put(tmp_path, [raw(n), raw(n + 10)], "orders", "null") for n in range(3)]


def golden(name, text, archive):
    expected = (GOLDEN / name).read_text()
    assert text.replace(str(archive), "ARCHIVE") == expected


@pytest.mark.parametrize(
    ("name", "argv"),
    [
        ("hours.txt", []),
        ("days.txt", ["--by", "day"]),
        ("sources.txt", ["--by", "source"]),
        ("range.txt", ["--from", "2026-01-01T12:00:30Z", "--to", "2026-01-01T13:00:00Z"]),
        ("hours.json", ["--json"]),
        ("sources.json", ["--json", "--by", "source", "--source", "orders"]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_ls_sums_up_what_the_manifest_names(capsys, archive, name, argv):
    status, out, err = run(capsys, "ls", archive, *argv)
    assert (status, err) == (0, "")
    golden(name, out, archive)


def test_the_root_and_its_events_are_the_same_archive(capsys, archive, monkeypatch):
    outputs = {
        run(capsys, "ls", f"{archive}{end}") for end in ("", "/", "/raw/events", "/raw/events/")
    }
    monkeypatch.chdir(archive)
    outputs |= {run(capsys, "ls", place) for place in (".", "raw/events")}
    assert len(outputs) == 1


def test_ls_goes_on_where_a_record_and_a_marker_are_damaged_and_leaves_with_1(capsys, archive):
    folder = f"{archive}/{EVENTS}/{hour_folder('orders', NOON)}"
    replace_object(f"{folder}/x.replaced.json", b"{")
    replace_object(f"{archive}/{marker_name('orders')}", b"{")
    status, out, err = run(capsys, "ls", archive)
    assert status == 1
    assert "orders: completeness not known" in out
    assert [line.partition(": ")[2].rpartition("/")[2] for line in err.splitlines()] == [
        "_complete.json: no completeness marker; move it away, or put the right one there",
        "x.replaced.json: no record of a compaction; move it away",
    ]
    assert out.splitlines()[:-1] == (GOLDEN / "hours.txt").read_text().splitlines()[:-1]


def test_times_outside_the_years_of_rfc_3339_are_numbers(capsys, tmp_path):
    far = 10**18
    pack = RawPack.of([raw(1, far)])
    content = to_avro(pack, "null")
    entry = ManifestEntry.of(pack, content, "null")
    folder = f"{tmp_path}/{EVENTS}/{hour_folder('orders', 253_402_297_200_000_000)}"
    create_object(f"{folder}/{entry.object_name}", content)
    create_object(f"{folder}/{entry.name}", entry.to_json())
    status, out, _ = run(capsys, "ls", tmp_path)
    assert (status, out.count(f"{far}us")) == (0, 4)
    status, out, _ = run(capsys, "show", tmp_path)
    assert (status, json.loads(out)["publish_time"]) == (0, f"{far}us")
    assert run(capsys, "verify", tmp_path)[0] == 0


def test_show_prints_messages_as_they_arrived_by_publish_time(capsys, archive):
    status, out, err = run(capsys, "show", archive, "--to", "2026-01-02T00:00:00Z")
    assert (status, err) == (0, "")
    golden("messages.ndjson", out, archive)
    assert out.isascii()
    assert "\x1b" not in out
    (text,) = {json.loads(line)["payload"] for line in out.splitlines() if "Zo" in line}
    assert text.encode() == TEXT


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["--limit", "2"], ["m8", "m1"]),
        (["--source", "a/b c"], ["m8"]),
        (["--message_id", "m2"], ["m2", "m2"]),
        (["--message-id", "m2", "--limit", "1"], ["m2"]),
        (["--from", "2026-01-01T12:01:00Z", "--to", "2026-01-01T12:50:00Z"], ["m3"]),
        (["--from", "2026-01-01T12:01:00.000001Z", "--to", "2026-01-01T12:50:00Z"], []),
        (["--message_id", "none"], []),
    ],
)
def test_show_shows_only_what_is_asked_for(capsys, archive, argv, expected):
    before = ["--to", "2026-01-02T00:00:00Z"] if "--to" not in argv else []
    status, out, err = run(capsys, "show", archive, *argv, *before)
    assert (status, err) == (0, "")
    assert [json.loads(line)["message_id"] for line in out.splitlines()] == expected


def test_show_passes_over_a_bad_object_and_names_it(capsys, archive):
    status, out, err = run(capsys, "show", archive)
    assert (status, len(out.splitlines())) == (1, 7)
    assert err.endswith(".avro: object_missing: no such object, but the manifest names it\n")
    assert len(err.splitlines()) == 1


def test_show_reads_an_object_when_its_first_message_is_due_and_no_sooner(tmp_path, monkeypatch):
    for minute in range(5):
        put(tmp_path, [raw(n, NOON + minute * MINUTE + n) for n in range(3)], "orders")
    read = []
    real = ManifestEntry.read
    monkeypatch.setattr(ManifestEntry, "read", lambda *given: read.append(1) or real(*given))
    lines = show_messages(ArchiveRange(str(tmp_path), ("orders",)), None, None, pytest.fail)
    assert [len(read) for _ in lines] == [n for n in range(1, 6) for _ in range(3)]


@pytest.mark.engine
@given(st.lists(st.lists(st.integers(0, 40), min_size=1, max_size=6), min_size=1, max_size=5))
def test_however_objects_overlap_their_messages_come_in_order(tmp_path_factory, objects):
    root = str(tmp_path_factory.mktemp("archive"))
    messages = [[raw(n * 10 + i, NOON + t) for i, t in enumerate(o)] for n, o in enumerate(objects)]
    for some in messages:
        put(root, some, "orders", "null")
    lines = show_messages(ArchiveRange(root, ("orders",)), None, None, pytest.fail)
    shown = [json.loads(line) for line in lines]
    times = [line["publish_time"] for line in shown]
    ordered = sorted(message.publish_time for some in messages for message in some)
    assert [int((time.partition(".")[2] or "0").rstrip("Z")) for time in times] == [
        time - NOON for time in ordered
    ]
    ids = sorted(message.message_id for some in messages for message in some)
    assert sorted(line["message_id"] for line in shown) == ids


def test_verify_reads_all_and_finds_nothing_wrong(capsys, tmp_path, whole):
    compact(whole, tmp_path, "orders")
    put_orphan(tmp_path, raw(9))
    complete(tmp_path, NOON, "orders")
    size = sum(entry.size for hour in list_hours(str(tmp_path), "orders") for entry in hour.entries)
    assert run(capsys, "verify", tmp_path) == (
        0,
        f"1 objects with 6 messages in {size} bytes read, of 1 hours; 0 defects; "
        "passed over: 1 orphans, 3 replaced\n",
        "",
    )


def test_verify_reads_only_what_touches_the_range(capsys, tmp_path, whole):
    put(tmp_path, [raw(4, NOON + HOUR)], "orders")
    put(tmp_path, [raw(4, NOON + HOUR)], "other")
    pathlib.Path(whole[2].path).write_bytes(b"")
    argv = ["--source", "orders", "--to", "2026-01-01T12:00:00.000002Z"]
    status, out, _ = run(capsys, "verify", tmp_path, *argv)
    assert (status, out.split(" with")[0]) == (0, "2 objects")


def rewrite(path, pack, **changed):
    """Put another pack in the place of an object, with an entry that fits but for the changes."""
    content = to_avro(pack, "null")
    entry = msgspec.structs.replace(ManifestEntry.of(pack, content, "null"), **changed)
    folder = path.path.rpartition("/")[0]
    delete_object(path.path)
    delete_object(path.entry_path)
    create_object(f"{folder}/{entry.object_name}", content)
    create_object(f"{folder}/{entry.name}", entry.to_json())


def flipped(path):
    content = bytearray(pathlib.Path(path.path).read_bytes())
    content[content.index(b"m10")] ^= 1
    pathlib.Path(path.path).write_bytes(bytes(content))


def foreign(path):
    file = io.BytesIO()
    fastavro.writer(file, {"type": "record", "name": "X", "fields": []}, [])
    pathlib.Path(path.path).write_bytes(file.getvalue())


def cut_off(path):
    pathlib.Path(path.path).write_bytes(pathlib.Path(path.path).read_bytes()[:-9])


PACK = RawPack.of([raw(0), raw(10)])


def put_empty(path):
    """Put an object without messages beside, with an entry."""
    content = to_avro(RawPack([], []), "null")
    entry = msgspec.structs.replace(
        ManifestEntry.of(PACK, content, "null"), events=0, first_publish=NOON, last_publish=NOON
    )
    folder = path.path.rpartition("/")[0]
    create_object(f"{folder}/{entry.object_name}", content)
    create_object(f"{folder}/{entry.name}", entry.to_json())


BESIDE = {
    "not an entry": ("x.entry.json", b"{}", "entry_damaged: its name tells of no object"),
    "not a record": ("x.replaced.json", b"", "record_damaged: no record of a compaction"),
    "another record": (
        "x.replaced.json",
        Replacement(("a" * 32,), ("b" * 32,)).to_json(),
        "record_damaged: its content contradicts its name",
    ),
}
DEFECTS = {
    "missing": (lambda put: delete_object(put.path), "object_missing: no such object"),
    "empty": (lambda put: pathlib.Path(put.path).write_bytes(b""), "object_empty: an empty"),
    "no Avro": (lambda put: pathlib.Path(put.path).write_bytes(b"{}"), "object_not_avro: not an"),
    "foreign": (foreign, "object_foreign_schema: of another Avro schema"),
    "cut": (cut_off, "object_damaged: cut or damaged"),
    "flipped": (flipped, "object_damaged: cut or damaged: "),
    "codec": (lambda put: rewrite(put, PACK, codec="zstd"), "object_wrong_codec: compressed by"),
    "count": (lambda put: rewrite(put, PACK, events=3), "object_damaged: holds 2 messages, but"),
    "size": (lambda put: rewrite(put, PACK, size=9), "but the manifest says 9"),
    "begins": (lambda put: rewrite(put, PACK, first_publish=NOON - 1), "object_wrong_times: was"),
    "ends": (lambda put: rewrite(put, PACK, last_publish=NOON), "object_wrong_times: was"),
    "no messages": (put_empty, "object_wrong_times: holds no messages"),
    "hour": (
        lambda put: rewrite(put, RawPack.of([raw(0, NOON + HOUR)])),
        "object_wrong_times: holds messages that were published in another hour",
    ),
    "entry": (
        lambda put: replace_object(put.entry_path, b"{"),
        "entry_damaged: its content is none of an entry",
    ),
    "entry not UTF-8": (
        lambda put: replace_object(put.entry_path, b'{"digest":"\xff"}'),
        "entry_damaged: its content is none of an entry",
    ),
    "other entry": (
        lambda put: replace_object(
            put.entry_path, msgspec.structs.replace(put.entry, events=3).to_json()
        ),
        "entry_damaged: its content contradicts its name",
    ),
}


@pytest.mark.parametrize(("damage", "words"), DEFECTS.values(), ids=DEFECTS)
def test_verify_names_each_defect_and_goes_on(capsys, tmp_path, whole, damage, words):
    damage(whole[0])
    status, out, err = run(capsys, "verify", tmp_path)
    *defects, summary = out.splitlines()
    assert (status, err, len(defects)) == (1, "", 1)
    assert words in defects[0]
    assert defects[0].startswith(f"{tmp_path}/{EVENTS}/source=orders/dt=2026-01-01/hr=12/")
    assert "; 1 defects; " in summary


@pytest.mark.parametrize(("name", "content", "words"), BESIDE.values(), ids=BESIDE)
def test_verify_names_other_damaged_files(capsys, tmp_path, whole, name, content, words):
    path = f"{whole[0].path.rpartition('/')[0]}/{name}"
    create_object(path, content)
    status, out, _ = run(capsys, "verify", tmp_path)
    defect, summary = out.splitlines()
    assert status == 1
    assert defect.startswith(f"{path}: {words}")
    assert summary.startswith("3 objects with 6 messages")


@pytest.mark.parametrize(
    ("name", "words"),
    [("one.entry.json", "entry_damaged"), (f"{'a' * 32}.replaced.json", "record_damaged")],
)
def test_verify_names_a_damaged_file_that_is_the_only_one_of_its_hour(
    capsys, tmp_path, whole, name, words
):
    create_object(f"{tmp_path}/{EVENTS}/{hour_folder('orders', NOON + 50 * HOUR)}/{name}", b"{")
    status, out, _ = run(capsys, "verify", tmp_path)
    assert status == 1
    assert name in out
    assert words in out
    assert "1 defects" in out


def test_verify_names_entries_of_one_object_that_contradict_each_other(capsys, tmp_path, whole):
    knowing = msgspec.structs.replace(whole[0].entry, first_event=1, last_event=2)
    folder = whole[0].path.rpartition("/")[0]
    create_object(f"{folder}/{knowing.name}", knowing.to_json())
    assert run(capsys, "verify", tmp_path)[0] == 0
    lying = msgspec.structs.replace(knowing, events=77)
    create_object(f"{folder}/{lying.name}", lying.to_json())
    status, out, _ = run(capsys, "verify", tmp_path)
    assert status == 1
    assert f"{lying.name}: entry_damaged: contradicts {whole[0].entry.name}" in out


def test_what_the_store_does_not_give_is_named_and_the_rest_is_read(capsys, tmp_path, whole):
    path = pathlib.Path(whole[0].path)
    path.unlink()
    path.mkdir()
    status, out, _ = run(capsys, "verify", tmp_path)
    defect, summary = out.splitlines()
    assert status == 1
    assert defect.startswith(f"{path}: unreadable: ")
    assert "Is a directory" in defect
    assert "; 1 defects; " in summary
    status, out, err = run(capsys, "show", tmp_path)
    assert (status, len(out.splitlines()), len(err.splitlines())) == (1, 4, 1)
    assert f"penstock: {path}: " in err


def test_verify_names_a_damaged_marker(capsys, tmp_path, whole):
    path = f"{tmp_path}/{marker_name('orders')}"
    replace_object(path, b"soon")
    status, out, _ = run(capsys, "verify", tmp_path)
    assert status == 1
    assert out.startswith(f"{path}: marker_damaged: no completeness marker")


def test_verify_counts_all_defects(capsys, tmp_path, whole):
    for each in whole:
        delete_object(each.path)
    status, out, _ = run(capsys, "verify", tmp_path)
    assert (status, len(out.splitlines())) == (1, 4)
    assert "3 objects with 0 messages in 0 bytes" in out
    assert "; 3 defects; " in out


def test_what_a_compaction_cleaned_up_meanwhile_is_no_defect(tmp_path, whole):
    verification = Verification(ArchiveRange(str(tmp_path), ("orders",)), pytest.fail)
    hour = list_hour(str(tmp_path), "orders", NOON)
    compact(whole, tmp_path, "orders")
    for each in whole:
        delete_object(each.path)
    assert [*verification._object(hour, whole[0].entry)] == []


def test_verify_tells_its_progress_on_a_long_run(tmp_path, whole):
    ticks = iter([0.0, 9.9, 10.0, 19.0])
    told = []
    chosen = ArchiveRange(str(tmp_path), ("orders",))
    lines = [*Verification(chosen, told.append, lambda: next(ticks)).lines()]
    assert len(lines) == 1
    size = sum(each.entry.size for each in whole[:2])
    (line,) = told
    assert line.startswith(f"2 objects, {size} bytes read; now in {tmp_path}")
    assert line.endswith("hr=12")


def peak(root, command):
    """Return the most memory, in bytes, that the lines of a command take on the way."""
    chosen = ArchiveRange(root, ("orders",))
    lines = {
        "verify": Verification(chosen, pytest.fail).lines,
        "show": lambda: show_messages(chosen, "none", None, pytest.fail),
    }[command]
    tracemalloc.start()
    try:
        assert len([*lines()]) == (command == "verify")
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.engine
@pytest.mark.parametrize("command", ["verify", "show"])
def test_one_object_is_in_memory_at_a_time(tmp_path, command):
    peaks = []
    for begin, end in ((0, 1), (1, 8)):
        for minute in range(begin, end):
            published = NOON + minute * MINUTE
            put(tmp_path, [raw(n, published + n, b"x" * 999) for n in range(500)], "orders", "null")
        peak(str(tmp_path), command)
        peaks.append(peak(str(tmp_path), command))
    assert peaks[1] < 1.8 * peaks[0]


def test_cost_tells_what_a_replay_reads(capsys, archive):
    prices = ["--price_per_gb_month", "20000", "--price-per-worker-hour", "36"]
    rate = ["--events_per_worker_second", "1"]
    status, out, err = run(capsys, "cost", archive, *rate, *prices)
    assert (status, err) == (0, "")
    golden("cost.txt", out, archive)


def test_cost_without_prices_says_nothing_of_money(capsys, archive):
    argv = ["--source", "orders", "--from", "2026-01-01T13:00:00Z", "--to", "2026-01-01T14:00:00Z"]
    status, out, _ = run(capsys, "cost", archive, *argv)
    assert status == 0
    golden("cost_of_an_hour.txt", out, archive)


@pytest.mark.parametrize("command", ["ls", "show", "verify", "cost"])
@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["--from", "noon"], "--from noon: not an RFC 3339 time with an offset"),
        (["--to", "2026-01-01"], "--to 2026-01-01: not an RFC 3339 time"),
        (
            ["--from", "2026-01-01T00:00:00Z", "--to", "2026-01-01T00:00:00Z"],
            "is not before --to 2026-01-01T00:00:00Z; give a range that holds something",
        ),
        (["--source", "none"], "--source=none: not in "),
        (["--fly"], "No such option"),
    ],
    ids=["from", "to", "range", "source", "option"],
)
def test_wrong_usage_is_one_line_and_status_two(capsys, archive, command, argv, words):
    status, out, err = run(capsys, command, archive, *argv)
    assert (status, out, len(err.splitlines())) == (2, "", 1)
    assert words in err


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["ls", "/nowhere"], "/nowhere/raw/events: holds no events; name the root of an archive"),
        (["ls", ""], "ARCHIVE: path ''"),
        (["ls", "gs://"], "ARCHIVE: path 'gs://'"),
        (["ls", "s3://bucket"], "write a local folder or gs://BUCKET"),
        (["ls", "x", "--by", "year"], "--by"),
        (["show", "x", "--limit", "0"], "--limit"),
        (["cost", "x", "--events_per_worker_second", "0"], "--events_per_worker_second"),
        (["cost", "x", "--price_per_gb_month", "-1"], "--price_per_gb_month -1.0: give a number"),
        (["cost", "x", "--price_per_worker_hour", "nan"], "--price_per_worker_hour nan: give"),
        (["verify"], "ARCHIVE"),
    ],
)
def test_what_cannot_be_meant_is_one_line_and_status_two(capsys, argv, words):
    status, out, err = run(capsys, *argv)
    assert (status, out, len(err.splitlines())) == (2, "", 1)
    assert words in err


def test_a_file_that_is_no_folder_is_one_line_and_status_one(capsys, tmp_path):
    (tmp_path / "raw").write_bytes(b"")
    status, out, err = run(capsys, "ls", tmp_path)
    assert (status, out, len(err.splitlines())) == (1, "", 1)
    assert "raw/events" in err


def test_without_credentials_one_line_names_the_remedy(capsys, monkeypatch, tmp_path):
    forget_credentials(monkeypatch, tmp_path)
    status, _, err = run(capsys, "ls", "gs://b/raw/events")
    assert status == 2
    assert err.startswith("penstock: gs://b/raw/events: no Google Cloud credentials; ")


def test_help_says_that_show_shows_personal_data_and_what_times_are_meant(capsys):
    _, out, _ = run(capsys, "show", "--help")
    assert "personal data" in out
    for command in ("ls", "show", "verify", "cost"):
        _, out, _ = run(capsys, command, "--help")
        assert "publish time" in " ".join(out.split())


# Each command is a process of its own; what takes long to import is there when it begins.
COMMANDS = """
import os, runpy, sys
import transforms.archive_manifest, transforms.archive_objects
for command in sys.argv[2:]:
    if child := os.fork():
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        print(command, status, file=sys.stderr, flush=True)
        continue
    sys.argv = ["console", "archive", command, sys.argv[1]]
    runpy.run_module("console", run_name="__main__", alter_sys=True)
    sys.exit("came back")
"""


@pytest.mark.engine
def test_whoever_has_read_enough_ends_the_command_quietly(tmp_path, whole):
    commands = ["ls", "show", "verify", "cost"]
    closed, pipe = os.pipe()
    os.close(closed)
    done = subprocess.run(
        [sys.executable, "-c", COMMANDS, tmp_path, *commands],
        cwd=ROOT,
        stdout=pipe,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(pipe)
    assert (done.returncode, done.stderr) == (0, "".join(f"{each} 0\n" for each in commands))


@pytest.mark.engine
def test_the_head_of_many_messages_is_one_line(tmp_path):
    put(tmp_path, [raw(n, NOON + n, b"x" * 999) for n in range(300)], "orders")
    program = f"{shlex.quote(sys.executable)} -m console archive show {tmp_path} | head -n 1"
    argv = ["bash", "-c", f"set -o pipefail; {program}"]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["message_id"] == "m0"


@pytest.mark.emulator
def test_the_same_archive_in_a_bucket_gives_the_same(capsys, gcs_emulator, archive):
    bucket = f"gs://{gcs_emulator.bucket()}"
    root = f"{bucket}/some/folder"
    build(root)
    for name, argv in {
        "hours.txt": ["ls", root],
        "hours.json": ["ls", f"{root}/raw/events", "--json"],
        "messages.ndjson": ["show", root, "--to", "2026-01-02T00:00:00Z"],
    }.items():
        status, out, err = run(capsys, *argv)
        assert (status, err) == (0, "")
        golden(name, out, root)
    locally = run(capsys, "verify", archive)
    status, out, err = run(capsys, "verify", f"{root}/")
    assert (status, out.replace(root, str(archive)), err) == locally
    assert status == 1
    assert "object_missing" in out


def test_a_file_is_no_archive(capsys, tmp_path):
    (tmp_path / "events.ndjson").touch()
    status, out, err = run(capsys, "ls", f"{tmp_path}/events.ndjson")
    assert (status, out, len(err.splitlines())) == (2, "", 1)
    assert "events.ndjson is a file; name a folder" in err


def test_a_copy_of_a_file_inside_an_hour_is_not_verified(capsys, archive):
    before = run(capsys, "verify", archive)
    hour = next(archive.rglob("*.avro")).parent
    (hour / "moved away").mkdir()
    (hour / "moved away" / "junk.entry.json").write_bytes(b"junk")
    assert run(capsys, "verify", archive) == before


@pytest.mark.emulator
def test_a_bucket_that_does_not_exist_or_holds_no_archive_is_one_line(capsys, gcs_emulator):
    bucket = gcs_emulator.bucket()
    status, out, err = run(capsys, "ls", f"gs://{bucket}-not")
    assert (status, out, len(err.splitlines())) == (1, "", 1)
    assert f"gs://{bucket}-not/raw/events" in err
    status, _, err = run(capsys, "verify", f"gs://{bucket}/raw/events/")
    assert (status, len(err.splitlines())) == (2, 1)
    assert f"gs://{bucket}/raw/events: holds no events" in err
