"""However an archive is named, each job and command finds it or says in one line what to give."""

import pytest

from console.main import main as penstock
from pipelines import archive_raw, compact_archive, hot_path, release_quarantine
from schemas.archive_layout import HOUR, archive_root
from schemas.events import RawEvent
from tests.archive_builders import complete, put
from tests.pipelines.hot_path_runs import KEY, KEY_VARIABLE

NOON = 1_767_614_400_000_000
SPAN = ("--from=2026-01-05T00:00:00Z", "--to=2026-01-06T00:00:00Z")
LIVE = ("--input_subscription=projects/p/subscriptions/s", "--late_output=late", "--cells_output=c")
PARTS = (
    "raw/events/source=orders",
    "raw/events/source=orders/",
    "raw/events/source=orders/dt=2026-01-05",
    "raw/events/source=orders/dt=2026-01-05/hr=12",
    "raw/events/source=orders/dt=2026-01-05/hr=12/x.avro",
)


@pytest.fixture(autouse=True)
def world(tmp_path, monkeypatch):
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    monkeypatch.chdir(tmp_path)
    for source in ("orders", "clicks"):
        put("archive", [RawEvent(b"{}", {}, "m", NOON)], source)
        complete("archive", NOON + 100 * HOUR, source)
    (tmp_path / "quarantine").mkdir()
    (tmp_path / "quarantine" / "x.avro").touch()


def command(name, archive, *more):
    """Run one of those that take an archive; return its status."""
    argv = {
        "hot_path": [f"--input_archive={archive}", *SPAN, "--dry_run"],
        "warm": [f"--warm_from_archive={archive}", *LIVE, "--quarantine_output=q",
            "--runner=PrismRunner",
        ],
        "archive_raw": [f"--archive_output={archive}", "--input_files=none"],
        "compact": [f"--archive={archive}", "--dry_run"],
        "release": [
            f"--input_archive={archive}", "--quarantine=quarantine", "--cells_output=c",
            "--reason=mutation_refused", "--dry_run",
        ],
    }.get(name, ["archive", name, archive])  # fmt: skip
    jobs = {
        "hot_path": hot_path,
        "warm": hot_path,
        "archive_raw": archive_raw,
        "compact": compact_archive,
        "release": release_quarantine,
    }
    if name in jobs:
        return jobs[name].main([*argv, *more])
    with pytest.raises(SystemExit) as left:
        penstock([*argv, *more])
    return left.value.code


READERS = ("hot_path", "warm", "compact", "release", "ls", "show", "verify", "cost")


@pytest.mark.parametrize("name", [*READERS, "archive_raw"])
@pytest.mark.parametrize("part", PARTS)
def test_a_part_of_an_archive_is_one_line_that_says_what_to_give(capsys, name, part):
    option = "warm_source" if name == "warm" else "source"
    assert command(name, f"archive/{part}") == 2
    [line] = capsys.readouterr().err.strip().splitlines()
    assert f"archive/{part.rstrip('/')}: a part of an archive; " in line
    assert line.endswith(f"give its root, archive, and --{option}=orders")


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("path", ["archive/raw", ".", "archive/raw/events/dt=2026-01-05"])
def test_a_folder_above_or_beside_an_archive_is_one_line(capsys, name, path):
    assert command(name, path) == 2
    [line] = capsys.readouterr().err.strip().splitlines()
    assert "name the root of an archive, or its raw/events" in line


@pytest.mark.parametrize("name", READERS)
def test_a_source_that_is_not_there_is_one_line_that_names_those_that_are(capsys, name):
    option = "warm_source" if name == "warm" else "source"
    assert command(name, "archive", f"--{option}=other") == 2
    [line] = capsys.readouterr().err.strip().splitlines()
    assert line.endswith(f"--{option}=other: not in archive; it holds clicks, orders")


@pytest.mark.parametrize(
    ("path", "root"),
    [
        ("gs://b/raw/events/source=s", "gs://b"),
        ("gs://b/a/raw/events/source=s/dt=2026-01-05/", "gs://b/a"),
        ("raw/events/source=s", "."),
        ("/raw/events/source=s", "/"),
    ],
)
def test_the_root_above_a_part_is_named(path, root):
    with pytest.raises(ValueError, match=rf"give its root, {root}, and --source=s$"):
        archive_root(path)


@pytest.mark.parametrize(
    "path", ["gs://raw/events/source=s", "lake/source=s", "draw/events/source=s"]
)
def test_a_folder_of_a_lake_that_is_called_like_a_source_is_a_root(path):
    """Others part their folders in the same way; only below `raw/events` it is the suite's."""
    assert archive_root(path) == path
