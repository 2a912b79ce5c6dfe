"""Every line is read once, however the file is cut."""

import bz2
import gzip
import io
import itertools
import lzma
import zlib

import apache_beam as beam
import pytest
import zstandard
from apache_beam.io import source_test_utils
from apache_beam.io.filesystem import CompressionTypes
from apache_beam.testing.util import assert_that, equal_to
from hypothesis import given
from hypothesis import strategies as st

from transforms.inflate import STREAMS, Inflated
from transforms.read_lines import ReadLines, _BlockSource, blocks, lines_between

pytestmark = pytest.mark.engine

LINES = st.lists(st.binary(max_size=30).filter(lambda line: not {10, 13} & set(line)))


def _wanted(lines):
    return [line for line in lines if line and not line.isspace()]


@given(LINES, st.integers(1, 40), st.sampled_from([b"\n", b"\r\n"]), st.booleans())
def test_disjoint_blocks_read_every_line_once(lines, size, end, ended):
    data = end.join(lines) + (end if ended else b"")
    read = []
    for block in range(len(data) // size + 1):
        first = next(iter(blocks(io.BytesIO(data), block, size)), None)
        if first is not None and first[0] == block * size:
            read += first[1]
    assert read == _wanted(lines)


@given(LINES, st.integers(1, 40))
def test_one_reader_reads_the_lines_in_order(lines, size):
    data = b"\n".join(lines)
    read = [line for _, found in blocks(io.BytesIO(data), 0, size) for line in found]
    assert read == _wanted(lines)


def test_every_split_of_the_source_reads_the_same(tmp_path):
    path = tmp_path / "events.ndjson"
    path.write_bytes(b"".join(b'{"n":%d}\n' % n for n in range(60)))
    whole = _BlockSource(str(path), 64)
    splits = list(whole.split(desired_bundle_size=100))
    assert len(splits) > 3
    source_test_utils.assert_sources_equal_reference_source(
        (whole, None, None),
        [(split.source, split.start_position, split.stop_position) for split in splits],
    )


@pytest.mark.parametrize("name", ["a b.ndjson", "a b.ndjson.gz"])
def test_plain_and_compressed_files_in_a_folder_with_a_space(tmp_path, name):
    folder = tmp_path / "in put"
    folder.mkdir()
    write = gzip.compress if name.endswith(".gz") else bytes
    (folder / name).write_bytes(write(b"one\n\n  \ntwo\r\nthree"))
    with beam.Pipeline("FnApiRunner") as pipeline:
        packs = pipeline | ReadLines(str(folder / "*"), block_bytes=4)
        lines = packs | beam.FlatMap(lambda pack: pack.payloads)
        assert_that(lines, equal_to([b"one", b"two", b"three"]))


PACKED = {
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".zst": zstandard.compress,
    ".xz": lzma.compress,
    ".deflate": zlib.compress,
}
DAMAGES = {
    "cut in the middle": lambda data: data[: len(data) // 2],
    "cut at the end": lambda data: data[:-1],
    "another format": lambda data: b"no archive of any kind",
}


def assert_three_lines(path):
    with beam.Pipeline("FnApiRunner") as pipeline:
        lines = pipeline | ReadLines(str(path)) | beam.FlatMap(lambda pack: pack.payloads)
        assert_that(lines, equal_to([b"one", b"two", b"three"]))


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
@pytest.mark.parametrize("suffix", PACKED)
def test_a_damaged_or_cut_file_fails_the_job_in_one_line(tmp_path, suffix, damage):
    path = tmp_path / f"events.ndjson{suffix}"
    path.write_bytes(damage(PACKED[suffix](b"".join(b"line %d\n" % n for n in range(500)))))
    with (
        pytest.raises(Exception, match="damaged or cut") as error,
        beam.Pipeline("FnApiRunner") as p,
    ):
        p | ReadLines(str(path))
    assert str(path) in str(error.value)


@pytest.mark.parametrize("suffix", PACKED)
def test_files_of_several_members_are_read_whole(tmp_path, suffix):
    path = tmp_path / f"events.ndjson{suffix}"
    path.write_bytes(
        PACKED[suffix](b"one\ntw") + PACKED[suffix](b"") + PACKED[suffix](b"o\nthree\n")
    )
    assert_three_lines(path)


@pytest.mark.parametrize("suffix", PACKED)
@pytest.mark.parametrize("padding", [1, 512, 100_000])
def test_zeros_behind_and_between_members_are_padding(tmp_path, suffix, padding):
    path = tmp_path / f"events.ndjson{suffix}"
    zeros = bytes(padding)
    path.write_bytes(PACKED[suffix](b"one\ntwo\n") + zeros + PACKED[suffix](b"three\n") + zeros)
    assert_three_lines(path)


@given(st.lists(st.binary(max_size=300), max_size=4), st.sampled_from([*PACKED]))
def test_what_is_inflated_is_what_was_packed(members, suffix):
    packed = b"".join(map(PACKED[suffix], members))
    kind = CompressionTypes.detect_compression_type(f"x{suffix}")
    with io.BufferedReader(Inflated(io.BytesIO(packed), STREAMS[kind])) as file:
        assert file.read() == b"".join(members)


def test_a_file_that_cannot_be_read_fails_the_job_in_one_line(tmp_path, monkeypatch):
    (tmp_path / "events.ndjson").write_text("{}")

    def refused(name):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("transforms.read_lines._open", refused)
    with (
        pytest.raises(Exception, match=r"cannot be read \(Permission denied\); check the file"),
        beam.Pipeline("FnApiRunner") as p,
    ):
        p | ReadLines(str(tmp_path / "events.ndjson"))


def test_a_pattern_without_files_is_said_at_once(tmp_path):
    with pytest.raises(OSError, match="No files found"):
        beam.Pipeline("FnApiRunner") | ReadLines(str(tmp_path / "none*"))


def test_a_block_of_no_bytes_is_refused():
    with pytest.raises(ValueError, match="block_bytes=0: give at least 1"):
        ReadLines("x", block_bytes=0)


def test_lines_of_a_source_have_no_ids(tmp_path):
    path = tmp_path / "events.ndjson"
    path.write_bytes(b"same\n" * 40 + b"\n" + b"same\r\n" * 40)
    with beam.Pipeline("FnApiRunner") as pipeline:
        plain = pipeline | "Plain" >> ReadLines(str(path), block_bytes=32)
        assert_that(
            plain | beam.Map(lambda pack: pack.message_ids) | beam.Distinct(), equal_to([None])
        )


def read_between(path, cuts):
    """Return (id, line) of all lines of a file that is read in parts."""
    parts = itertools.pairwise([0, *sorted(cuts), 10**9])
    packs = [pack for part in parts for pack in lines_between(str(path), *part, block_bytes=32)]
    return [row for pack in packs for row in zip(pack.message_ids, pack.payloads, strict=True)]


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_equal_lines_have_ids_of_their_own(tmp_path, suffix):
    rows = []
    for name in "ab":
        path = tmp_path / f"{name}.ndjson{suffix}"
        path.write_bytes((gzip.compress if suffix else bytes)(b"same\n" * 40 + b"\nsame\r\n"))
        rows += read_between(path, [])
    assert len({identity for identity, _ in rows}) == len(rows) == 82
    assert {line for _, line in rows} == {b"same"}


@given(LINES, st.sets(st.integers(1, 20)))
def test_a_file_in_parts_has_the_lines_and_ids_of_the_whole(tmp_path_factory, lines, cuts):
    path = tmp_path_factory.mktemp("files") / "a"
    path.write_bytes(b"\n".join(lines))
    rows = read_between(path, [32 * cut for cut in cuts])
    assert [line for _, line in rows] == _wanted(lines)
    assert rows == read_between(path, [])
    assert [identity for identity, _ in rows] == sorted(identity for identity, _ in rows)
