"""What is read of events behind dedupe has the values that the whole event has."""

import gzip

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.field_types import CONTAINERS
from schemas.packs import EventPack, RawPack
from schemas.pseudonym import PseudonymKey
from tests.schemas import any_contract
from tests.schemas.any_event import SHIPPED, any_view, wire
from transforms.record_fields import RecordColumns, RecordFields
from transforms.reread_events import RereadEvents

KEY = PseudonymKey.of(any_contract.KEY)
ENVELOPE = ["user_id", "session_id", "source_system"]
PAGES = {"page_view": {"user_id", "event_details.page"}}


def plain_paths(fields, above="event_details"):
    """All paths that lead to a plain value."""
    for name, field in fields.items():
        if field.kind == "record":
            yield from plain_paths(field.fields, f"{above}.{name}")
        elif field.kind not in CONTAINERS:
            yield f"{above}.{name}"


def pack_of(*payloads, **columns):
    none = [bytes(16)] * len(payloads)
    return EventPack(none, none, [0] * len(payloads), RawPack([*payloads], **columns))


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_any_fields_of_any_event_are_read_as_they_are_in_the_whole_event(data):
    contracts = data.draw(any_contract.contracts())
    fields = contracts.types["thing"].fields
    records = any_contract.wire_record(fields)
    unknown = data.draw(st.sampled_from([{}, {"unheard": [1]}]))
    events = [
        {**any_view(), "event_type": "thing", "event_details": details, **unknown}
        for details in data.draw(st.lists(records, min_size=1, max_size=3))
    ]
    known = [*ENVELOPE, *plain_paths(fields)]
    paths = data.draw(st.lists(st.sampled_from(known), unique=True))
    pack = pack_of(*map(wire, events))
    part = RereadEvents(contracts, KEY, 1_000_000, {"thing": paths}).records(pack)
    whole = RereadEvents(contracts, KEY, 1_000_000).records(pack)
    read = RecordFields(contracts, "thing", paths).get
    # Not compared as they are: what is not a number equals nothing.
    assert [*map(repr, map(read, part))] == [*map(repr, map(read, whole))]
    columns = RecordColumns(contracts, "thing", paths, [*paths, "event_details.none"])
    rows = zip(*columns.read(part)[1:], strict=False)
    fields_of = RecordFields(contracts, "thing", paths)
    places = [fields_of.index[path] - 2 for path in paths]
    assert [repr((row[0], *row[1:])) for row in rows] == [
        repr((values[0], *(values[place] for place in places), None)) for values in map(read, whole)
    ]


def test_compressed_events_are_read_whole_and_what_cannot_be_read_keeps_its_place():
    zipped = gzip.compress(wire(any_view(page="/b")))
    payloads = wire(any_view(page="/a")), zipped, wire(any_view(page=5)), wire(any_view(page="/c"))
    attributes = [{}, {"content-encoding": "gzip"}, {}, {}]
    reread = RereadEvents(SHIPPED, KEY, 1_000_000, PAGES)
    records = reread.records(pack_of(*payloads, attributes=attributes))
    assert [each and each.event_details.page for each in records] == ["/a", "/b", None, "/c"]
    assert reread.taken > sum(map(len, payloads))


def test_what_nobody_reads_is_not_looked_at_but_before_the_event_is_late():
    pack = pack_of(wire(any_view(page="/a", duration_ms="planted")), wire(any_view()))
    reread = RereadEvents(SHIPPED, KEY, 1_000_000, PAGES)
    assert [each.event_details.page for each in reread.records(pack)] == ["/a", "/courses"]
    assert reread.whole(pack, 0) is None
    late = reread.late(reread.whole(pack, 1), ["m/1m"])
    assert msgspec.json.decode(late.line)["late_for"] == ["m/1m"]
