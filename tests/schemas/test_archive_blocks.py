"""Objects are written block by block: all rows in their order, and equal ones as equal bytes."""

import io

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.archive_blocks import ARCHIVE_SCHEMA, CODECS, ObjectBlocks, in_blocks
from schemas.packs import RawPack
from schemas.raw_avro_rows import encoded_rows

ROWS = st.lists(st.binary(max_size=9), max_size=30)
PACK = RawPack([b"payload %d" % n for n in range(50)], list(range(50)), list("ab" * 25))


@given(ROWS, st.integers(1, 40))
def test_blocks_hold_all_rows_in_order_and_end_with_the_row_that_fills_them(rows, most):
    blocks = list(in_blocks(rows, len, most))
    assert [row for block in blocks for row in block] == rows
    for block in blocks[:-1]:
        assert sum(map(len, block)) >= most > sum(map(len, block[:-1]))
    for block in blocks[-1:]:
        assert sum(map(len, block[:-1])) < most


def test_no_more_than_a_block_is_taken_of_the_rows_at_a_time():
    taken = []

    def rows():
        for n in range(9):
            taken.append(n)
            yield b"row"

    first = next(in_blocks(rows(), len, 6))
    assert (first, taken) == ([b"row", b"row"], [0, 1])


def made(codec, sizes):
    rows = list(encoded_rows(PACK))
    blocks = ObjectBlocks(codec)
    first = 0
    for size in sizes:
        blocks.add(rows[first : first + size])
        first += size
    return blocks


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("sizes", [[50], [1, 20, 29]])
def test_anyone_reads_the_blocks_that_were_added(codec, sizes):
    blocks = made(codec, sizes)
    content = blocks.content()
    assert 0 < blocks.size < len(content)
    read = list(fastavro.block_reader(io.BytesIO(content)))
    assert [block.num_records for block in read] == sizes
    assert fastavro.reader(io.BytesIO(content)).writer_schema["name"] == "penstock.RawEvent"
    assert ARCHIVE_SCHEMA["name"] == "RawEvent"
    payloads = [row["payload"] for block in read for row in block]
    assert payloads == PACK.payloads


@pytest.mark.parametrize("codec", CODECS)
def test_a_mark_changes_what_stands_between_the_blocks_and_nothing_else(codec):
    blocks = made(codec, [10, 40])
    contents = [blocks.content(mark) for mark in (b"", b"a", b"b")]
    assert len(set(contents)) == 3
    assert blocks.content(b"a") == made(codec, [10, 40]).content(b"a") == contents[1]
    # An object ends with what stands between its blocks.
    assert len({content.replace(content[-16:], b"") for content in contents}) == 1
