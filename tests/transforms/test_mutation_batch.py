import pytest
from google.cloud.bigtable_v2.types import bigtable
from hypothesis import given
from hypothesis import strategies as st

from schemas.cells import Cell, Clear, RowChange
from transforms.mutation_batch import UnwritableError, encode_probe, encode_row, request_head

TABLE = "projects/p/instances/i/tables/t"
times = st.integers(0, 2**50).map(lambda n: n * 1_000)
cells = st.builds(
    Cell,
    family=st.sampled_from(["s", "t"]),
    qualifier=st.text(max_size=20),
    timestamp=times,
    value=st.binary(max_size=300),
    clear_from=st.none() | times,
)
spans = st.builds(Clear, st.sampled_from(["s", "t"]), st.text(max_size=20), times, times)
changes = st.builds(
    RowChange,
    row_key=st.binary(min_size=1, max_size=200),
    cells=st.lists(cells, min_size=1),
    clears=st.lists(spans, max_size=3).map(tuple),
)


def request_of(*rows):
    parts = [request_head(TABLE, "profile"), *(row.entry for row in rows)]
    return bigtable.MutateRowsRequest.pb().FromString(b"".join(parts))


def expected(change):
    for clear in change.clears:
        if clear.start < clear.end:
            yield ("delete", clear.family, clear.qualifier.encode(), clear.start, clear.end)
    for cell in change.cells:
        qualifier = cell.qualifier.encode()
        if cell.clear_from is not None and cell.clear_from < cell.timestamp:
            yield ("delete", cell.family, qualifier, cell.clear_from, cell.timestamp)
        yield ("set", cell.family, qualifier, cell.timestamp, cell.value)


def read_back(entry):
    for mutation in entry.mutations:
        put, gone = mutation.set_cell, mutation.delete_from_column
        if mutation.HasField("set_cell"):
            yield ("set", put.family_name, put.column_qualifier, put.timestamp_micros, put.value)
        else:
            span = gone.time_range
            start, end = span.start_timestamp_micros, span.end_timestamp_micros
            yield ("delete", gone.family_name, gone.column_qualifier, start, end)


@given(st.lists(changes, max_size=5))
def test_concatenated_rows_read_as_the_request_that_the_protocol_defines(given_changes):
    rows = [encode_row(change) for change in given_changes]
    request = request_of(*rows)
    assert (request.table_name, request.app_profile_id) == (TABLE, "profile")
    assert [entry.row_key for entry in request.entries] == [c.row_key for c in given_changes]
    for entry, change, row in zip(request.entries, given_changes, rows, strict=True):
        assert [*read_back(entry)] == [*expected(change)]
        assert row.mutations == len(entry.mutations)


def test_the_size_of_a_row_is_exact_over_one_and_two_length_bytes():
    for size in (1, 100, 127, 128, 20_000):
        row = encode_row(RowChange(b"r", [Cell("s", "q", 0, b"v" * size)]))
        assert request_of(row).ByteSize() == len(request_head(TABLE, "profile")) + len(row.entry)


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (RowChange(b"", [Cell("s", "q", 0, b"")]), "row key"),
        (RowChange(b"k" * 4_097, [Cell("s", "q", 0, b"")]), "row key"),
        (RowChange(b"r", []), "no cells"),
        (RowChange(b"r", [], (Clear("t", "q", 5_000, 5_000),)), "no cells"),
        (RowChange(b"r", [], (Clear("t", "q", 0, 5),)), "no whole millisecond"),
        (RowChange(b"r", [Cell("s", "q", -1, b"")]), "before 1970"),
        (RowChange(b"r", [Cell("s", "q", 2**63, b"")]), "does not fit"),
        (RowChange(b"r", [Cell("s", "\ud800", 0, b"")]), "does not fit"),
        (RowChange(b"r", [Cell("s", "q", 0, b"secret" * 50)]), "more than 200 bytes"),
        (RowChange(b"r", [Cell("s", "q", 0, b"")] * 100_001), "mutations"),
    ],
)
def test_what_bigtable_would_always_refuse_is_refused_here_and_the_text_holds_no_value(
    change, rule
):
    limit = 200 if b"secret" in (change.cells or [Cell("", "", 0, b"")])[0].value else 10**8
    with pytest.raises(UnwritableError, match=rule) as raised:
        encode_row(change, limit)
    assert "secret" not in str(raised.value)


def test_a_probe_deletes_a_column_that_nobody_writes_and_sets_nothing():
    probe = encode_probe(b"r", "t")
    (entry,) = bigtable.MutateRowsRequest.pb().FromString(probe).entries
    assert (entry.row_key, [*read_back(entry)]) == (
        b"r",
        [("delete", "t", b"penstock-probe", 0, 0)],
    )


@pytest.mark.parametrize(
    "change",
    [
        RowChange(b"r", [Cell("t", "q", 0, b"", -5_000)]),
        RowChange(b"r", [Cell("t", "q", 0, b"")], (Clear("t", "q", -5_000, 0),)),
    ],
)
def test_a_span_before_1970_is_not_sent_as_the_span_without_an_end_that_it_would_be(change):
    (entry,) = request_of(encode_row(change)).entries
    assert [*read_back(entry)] == [("set", "t", b"q", 0, b"")]


def test_a_change_may_clear_and_set_nothing():
    row = encode_row(RowChange(b"r", [], (Clear("t", "q", 1_000, 5_000),)))
    (entry,) = request_of(row).entries
    assert ([*read_back(entry)], row.mutations) == ([("delete", "t", b"q", 1_000, 5_000)], 1)


def test_a_change_without_clears_is_the_bytes_that_it_always_was():
    change = RowChange(b"r", [Cell("t", "q", 3_602_000, b"v", 3_600_000)])
    assert encode_row(change).entry.hex() == (
        "122b0a0172121412120a01741201711a0a0880dddb0110d0ecdb0112100a0e0a017412017118d0ecdb01220176"
    )
