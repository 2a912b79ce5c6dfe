"""Files as batches: every line once, in objects that depend on the files alone."""

import gzip

import apache_beam as beam
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.archive_layout import HOUR
from schemas.line_ids import digest_of_file
from schemas.packs import RawPack
from tests.engine import run_batch
from transforms.batch_lines import BatchLines, Sized, cut_files
from transforms.read_lines import BLOCK_BYTES, UnreadableFileError
from transforms.split_by_hour import size_of

BASE = 1_767_225_600_000_000
NOW = BASE + 7
FILES = st.lists(st.tuples(st.integers(0, 500), st.booleans()), max_size=9).map(
    lambda files: [Sized(str(n), size, whole) for n, (size, whole) in enumerate(files)]
)


@given(FILES, st.integers(1, 300), st.integers(1, 50))
def test_every_byte_is_in_one_part_and_files_stay_in_order(files, part_bytes, block_bytes):
    parts = list(cut_files(files, part_bytes, block_bytes))
    cuts = [cut for part in parts for cut in part]
    assert all(parts)
    for file in files:
        starts = [start for name, start, _ in cuts if name == file.name]
        stops = [stop for name, _, stop in cuts if name == file.name]
        if not file.size:
            assert not starts
        elif file.whole:
            assert len(starts) == 1
            assert stops[0] > 2**60
        else:
            assert [*starts, file.size] == [0, *stops]
            assert all(start % block_bytes == 0 for start in starts)
    assert [int(name) for name, _, _ in cuts] == sorted(int(name) for name, _, _ in cuts)


@given(FILES, st.integers(1, 300), st.integers(1, 50))
def test_parts_of_plain_files_are_of_the_asked_size_to_a_block(files, part_bytes, block_bytes):
    plain = [file._replace(whole=False) for file in files]
    sizes = [
        sum(stop - at for _, at, stop in part) for part in cut_files(plain, part_bytes, block_bytes)
    ]
    assert all(part_bytes <= size < part_bytes + block_bytes for size in sizes[:-1])
    assert sum(sizes) == sum(file.size for file in files)


def batches_of(folder, max_bytes, bundle_repeat=0):
    def build(pipeline):
        return {"batches": pipeline | BatchLines(f"{folder}/*", NOW, max_bytes)}

    return run_batch(build, bundle_repeat)["batches"]


def write(folder):
    """Write two files of some blocks, and some small ones, one of them compressed."""
    lines = [b'{"line":%d,"of":"%s"}' % (n, b"x" * 80) for n in range(3_000)]
    (folder / "a.ndjson").write_bytes(b"\n".join(lines[:1_400]))
    (folder / "b.ndjson").write_bytes(b"\n".join(lines[1_400:2_900]))
    for n in range(2_900, 2_990, 10):
        (folder / f"{n}.ndjson").write_bytes(b"\r\n\n".join(lines[n : n + 10]) + b"\n")
    (folder / "c.ndjson.gz").write_bytes(gzip.compress(b"\n".join(lines[2_990:])))
    (folder / "empty").touch()
    return lines


@pytest.mark.engine
@pytest.mark.parametrize("max_bytes", [20_000, 2 * BLOCK_BYTES, 10**9])
def test_every_line_is_in_one_batch_whatever_the_size(tmp_path, max_bytes):
    lines = write(tmp_path)
    batches = batches_of(tmp_path, max_bytes)
    assert sorted(each for _, pack in batches for each in pack.payloads) == sorted(lines)
    assert {hour for hour, _ in batches} == {BASE // HOUR * HOUR}
    assert {time for _, pack in batches for time in pack.publish_times} == {NOW}
    for _, pack in batches:
        assert pack.message_ids == sorted(set(pack.message_ids))
    whole = RawPack.join(pack for _, pack in batches)
    assert len(set(whole.message_ids)) == len(lines)
    files = {identity.split("-")[0] for identity in whole.message_ids}
    assert files == {
        digest_of_file(str(path)) for path in tmp_path.iterdir() if path.name != "empty"
    }


@pytest.mark.engine
def test_batches_depend_on_the_files_alone_and_not_on_bundles(tmp_path):
    write(tmp_path)
    once = batches_of(tmp_path, 2 * BLOCK_BYTES)
    again = batches_of(tmp_path, 2 * BLOCK_BYTES, bundle_repeat=1)
    assert sorted(map(repr, [*once, *once])) == sorted(map(repr, again))


@pytest.mark.engine
def test_small_files_share_batches_and_large_ones_are_cut(tmp_path):
    write(tmp_path)
    size = sum(path.stat().st_size for path in tmp_path.iterdir())
    batches = batches_of(tmp_path, 4 * BLOCK_BYTES)
    assert len(batches) <= size // (2 * BLOCK_BYTES) + 1
    assert len(batches_of(tmp_path, 10**9)) == 1


@pytest.mark.engine
def test_short_lines_and_inflated_ones_make_no_huge_batch(tmp_path):
    (tmp_path / "short").write_bytes(b"1\n" * 60_000)
    (tmp_path / "packed.gz").write_bytes(gzip.compress(b"12345678\n" * 60_000))
    batches = batches_of(tmp_path, 1_500_000)
    assert sum(len(pack) for _, pack in batches) == 120_000
    # At most a piece of a megabyte, or a message, more.
    assert max(size_of(pack) for _, pack in batches) < 1_500_000 + 1_000_000 + 200
    assert len(batches) >= 5


def test_a_pattern_without_files_and_a_size_of_nothing_are_refused(tmp_path):
    with pytest.raises(OSError, match="no such file"):
        beam.Pipeline("FnApiRunner") | BatchLines(f"{tmp_path}/none*", NOW)
    with pytest.raises(ValueError, match="max_bytes=0"):
        BatchLines("x", NOW, 0)


@pytest.mark.engine
def test_a_damaged_file_fails_the_job_in_one_line(tmp_path):
    (tmp_path / "a.gz").write_bytes(gzip.compress(b"1\n" * 99)[:-9])
    with pytest.raises(Exception, match="damaged or cut") as raised:
        batches_of(tmp_path, 1_000)
    assert UnreadableFileError.__name__ in repr(raised.value)
