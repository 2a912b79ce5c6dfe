"""A parcel holds what was packed into it."""

from apache_beam import coders
from hypothesis import given
from hypothesis import strategies as st

from schemas.events import RawEvent
from schemas.packs import RawPack
from schemas.parcels import Parcel
from tests.schemas.test_raw_avro_rows import RAWS


@given(st.lists(RAWS, max_size=4))
def test_messages_come_out_as_they_went_in(raws):
    pack = RawPack.of(raws)
    coder = coders.registry.get_coder(Parcel)
    parcel = coder.decode(coder.encode(Parcel.of(pack, 7)))
    assert parcel.open() == pack
    assert parcel.size == 7


def test_a_parcel_of_events_that_resemble_each_other_is_small():
    pack = RawPack.of(RawEvent(b'{"event_id": "%06d", "n": 1}' % n) for n in range(1_000))
    parcel = Parcel.of(pack, 0)
    assert parcel.estimated_bytes() == len(parcel.packed) < pack.estimated_bytes() // 4
