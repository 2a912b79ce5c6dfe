"""Little input that stands for much: refused, or a clear error, within bounded memory and time.

Memory is measured as Python sees it, where the decompressors' output and windows are counted too.
"""

import bz2
import functools
import gzip
import io
import lzma
import time
import tracemalloc
import zlib

import fastavro
import msgspec
import pytest
from backports import zstd

from schemas import avro_blocks
from schemas.archive_avro import ARCHIVE_SCHEMA, BadObjectError, Fault, from_avro, read_blocks
from schemas.completeness import Completeness
from schemas.compression import inflate
from schemas.contract import ContractError, load_contracts
from schemas.declaration_file import read_text, read_yaml
from schemas.decoder import Decoder
from schemas.events import RawEvent
from schemas.feature_error import FEATURES, FeatureError
from schemas.identify import Identify
from schemas.quarantine_avro import QUARANTINE_SCHEMA
from schemas.quarantine_reading import records_of
from schemas.raw_avro_rows import container
from schemas.refusal import Refusal
from schemas.rejected import Reason
from tests.schemas.any_event import SHIPPED, any_event, refused, wire
from transforms import read_lines
from transforms.read_lines import UnreadableFileError, lines_between

pytestmark = pytest.mark.engine

MB = 1_000_000
LARGE = 100 * MB


class Bounded:
    """Fails where more memory or time is taken than is allowed."""

    def __init__(self, most_bytes, seconds=20.0):
        self._most, self._seconds = most_bytes, seconds

    def __enter__(self):
        tracemalloc.start()
        self._begin = time.process_time()

    def __exit__(self, *_):
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < self._most
        assert time.process_time() - self._begin < self._seconds


@functools.cache
def packed(make, size=LARGE, part=b"a" * MB):
    """Compress much of one letter, part by part."""
    stream = make()
    return b"".join(map(stream.compress, [part] * (size // MB))) + stream.flush()


# Made when they are asked for: every worker reads this file, and most need none of them.
GZIP = functools.partial(packed, functools.partial(zlib.compressobj, 1, wbits=31))
DEFLATE = functools.partial(packed, functools.partial(zlib.compressobj, 1, wbits=-15))
ZSTD = functools.partial(packed, zstd.ZstdCompressor)
FILES = {
    ".gz": GZIP,
    ".zst": ZSTD,
    ".bz2": lambda: packed(bz2.BZ2Compressor, 40 * MB),
    ".xz": lambda: packed(lambda: lzma.LZMACompressor(preset=0), 40 * MB),
}


@pytest.mark.parametrize("most", [100, MB])
def test_a_payload_is_not_inflated_further_than_it_may_be(most):
    payload = GZIP()
    with Bounded(4 * most + MB):
        found = inflate(payload, most)
    assert isinstance(found, Refusal)
    assert found.reason is Reason.PAYLOAD_TOO_LARGE


def test_a_payload_of_very_many_members_takes_no_longer_than_one_of_few():
    """The rest was copied for each member: half a megabyte took seconds, ten took hours."""
    empty = gzip.compress(b"", mtime=0)
    payload = empty * (MB // 2 // len(empty)) + gzip.compress(b"{}", mtime=0)
    with Bounded(8 * MB, seconds=2.0):
        assert inflate(payload, MB) == b"{}"


@pytest.mark.parametrize("suffix", FILES)
def test_a_file_without_line_ends_is_told_and_not_taken_into_memory(suffix, tmp_path, monkeypatch):
    monkeypatch.setattr(read_lines, "MOST_LINE_BYTES", 4 * MB)
    file = tmp_path / f"events.ndjson{suffix}"
    file.write_bytes(FILES[suffix]())
    assert file.stat().st_size < 2 * MB
    with Bounded(60 * MB), pytest.raises(UnreadableFileError, match="a line of more than 4000000"):
        list(lines_between(str(file), 0, 1 << 40))


def test_a_file_that_is_not_compressed_is_bounded_alike(tmp_path, monkeypatch):
    monkeypatch.setattr(read_lines, "MOST_LINE_BYTES", 4 * MB)
    file = tmp_path / "events.ndjson"
    with file.open("wb") as sparse:
        sparse.truncate(LARGE)
    with Bounded(30 * MB), pytest.raises(UnreadableFileError, match="a line of more than"):
        list(lines_between(str(file), 0, 1 << 40))
    # The reader of a later part passes over the line, which is the first reader's.
    with Bounded(30 * MB):
        assert list(lines_between(str(file), 1 << 20, 1 << 40)) == []


def avro(codec, block, schema=ARCHIVE_SCHEMA, count=1):
    return container(schema, codec, [(count, block)], lambda _: bytes(16))


@pytest.mark.parametrize(("codec", "block"), [("deflate", DEFLATE), ("zstandard", ZSTD)])
def test_a_block_of_an_object_is_not_inflated_further_than_it_may_be(codec, block, monkeypatch):
    monkeypatch.setattr(avro_blocks, "MOST_BLOCK_BYTES", 8 * MB)
    for schema, read in (
        (ARCHIVE_SCHEMA, from_avro),
        (ARCHIVE_SCHEMA, lambda content: list(read_blocks(content))),
        (QUARANTINE_SCHEMA, lambda content: list(records_of(content))),
    ):
        content = avro(codec, block(), schema)
        with Bounded(40 * MB), pytest.raises(BadObjectError, match="more than 8000000") as error:
            read(content)
        assert error.value.fault == Fault.DAMAGED


def test_records_that_take_no_bytes_are_not_counted_out():
    fields = QUARANTINE_SCHEMA["fields"]
    nothings = {"type": "array", "items": "null"}
    for kind in (nothings, ["null", nothings], {"type": "map", "values": nothings}):
        schema = {**QUARANTINE_SCHEMA, "fields": [{"name": "later", "type": kind}, *fields]}
        file = io.BytesIO()
        fastavro.writer(file, schema, [])
        with pytest.raises(BadObjectError) as error:
            list(records_of(file.getvalue()))
        assert error.value.fault == Fault.FOREIGN_SCHEMA
    many = avro("null", b"\0" * 40, QUARANTINE_SCHEMA, count=1 << 50)
    with Bounded(MB), pytest.raises(BadObjectError):
        list(records_of(many))
    with Bounded(MB), pytest.raises(BadObjectError):
        from_avro(avro("null", b"\0" * 40, count=1 << 50))


LAUGHS = ["a: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
LAUGHS += [f"b{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
MERGES = ["a: &a0 {x: 1}"]
MERGES += [f"b{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 10)}]}}" for n in range(1, 9)]
YAMLS = {
    "laughs": "\n".join(LAUGHS),
    "merges": "\n".join(MERGES),
    "itself": "&a [*a]",
    "itself_as_a_key": "&a {? *a : 1}",
    "sixties": "a: 1" + ":59" * 3_000,
    "digits": "a: " + "9" * 5_000,
    "deep": "[" * 100_000,
    "deep_maps": "{a: " * 5_000,
    "deep_lists": "- " * 5_000,
}


@pytest.mark.parametrize("name", YAMLS)
def test_declarations_that_stand_for_very_much_are_refused(name):
    with Bounded(400 * MB), pytest.raises(FeatureError, match="not YAML"):
        read_yaml(YAMLS[name], "x.yaml", FEATURES)


def test_aliases_that_a_person_writes_are_read():
    assert read_yaml("a: &a [1, 2]\nb: *a", "x.yaml", FEATURES) == {"a": [1, 2], "b": [1, 2]}


def test_a_declaration_or_a_contract_is_not_read_further_than_one_may_be_long(tmp_path):
    file, folder = tmp_path / "x.yaml", tmp_path / "shop"
    folder.mkdir()
    for path in (file, folder / "visit.avsc"):
        with path.open("wb") as sparse:
            sparse.truncate(LARGE)
    with Bounded(20 * MB), pytest.raises(FeatureError, match="more than 1000000 bytes"):
        read_text(str(file), FEATURES)
    with Bounded(20 * MB), pytest.raises(ContractError, match="more than 1000000 bytes"):
        load_contracts(str(tmp_path))


def contract(fields):
    head = {"type": "record", "name": "visit", "domain": "shop", "doc": "A visit."}
    return msgspec.json.encode({**head, "fields": fields})


def nested(levels):
    kind = b'"long"'
    for _ in range(levels):
        kind = b'{"type":"array","items":' + kind + b"}"
    return contract([]).replace(b"[]", b'[{"name":"a","doc":"A.","type":' + kind + b"}]")


def doubled(levels):
    kind = {"type": "record", "name": "r0", "fields": [{"name": "x", "type": "long", "doc": "X."}]}
    fields = [{"name": "f0", "type": kind, "doc": "F."}]
    for n in range(1, levels):
        inside = [{"name": f"x{k}", "type": f"r{n - 1}", "doc": "X."} for k in range(2)]
        kind = {"type": "record", "name": f"r{n}", "fields": inside}
        fields.append({"name": f"f{n}", "type": kind, "doc": "F."})
    return contract(fields)


@pytest.mark.parametrize(
    "content", [nested(500), nested(5_000), doubled(40), b"[" * 900_000], ids=len
)
def test_contracts_that_stand_for_very_much_are_refused(content, tmp_path):
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "visit.avsc").write_bytes(content)
    with Bounded(100 * MB), pytest.raises(ContractError, match=r"nest deeper|more than|no JSON"):
        load_contracts(str(tmp_path))


WIRE = wire(any_event())
DEEP = [b"[" * 900_000, b'{"a":' * 180_000, WIRE[:-1] + b',"later":' + b"[" * 900_000]
NUMBERS = [b"1" * 900_000, b"1e" + b"9" * 900_000, b"1e999999999", b"-0." + b"0" * 900_000 + b"1"]


@pytest.mark.parametrize("payload", DEEP, ids=["arrays", "objects", "unknown"])
def test_deeply_nested_payloads_are_refused(payload):
    with Bounded(60 * MB):
        assert refused(RawEvent(payload), Decoder(SHIPPED)).reason in (
            *(Reason.TOO_DEEP, Reason.NOT_JSON, Reason.NOT_AN_OBJECT),
        )
        assert Identify(SHIPPED).of(payload, "", 5).event_time is None
    with Bounded(60 * MB), pytest.raises(ValueError, match="no completeness marker"):
        Completeness.from_json(payload)


@pytest.mark.parametrize("number", NUMBERS, ids=["digits", "exponent", "large", "zeros"])
def test_huge_numbers_cost_nothing_wherever_they_stand(number):
    decoder = Decoder(SHIPPED)
    with Bounded(60 * MB):
        for name in ("event_timestamp", "user_id", "later"):
            payload = WIRE[:-1] + b',"%b":%b}' % (name.encode(), number)
            decoder.read(payload, {}, None)
        decoder.read(number, {}, None)
        Identify(SHIPPED).of(b'{"event_id":%b}' % number, "", 5)
