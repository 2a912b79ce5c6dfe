"""What the engine asks of the coders beside encoding."""

import pytest

from schemas.changes import ChangePack, RowPart
from schemas.coders import StructCoder
from schemas.events import RawEvent
from schemas.packs import EventPack, RawPack

ROWS = [
    RowPart(b"bb#user#u%d" % n, {1: (n, "e", "x" * 40)}, {5: {2: n, 3: (1, n)}}) for n in range(9)
]
RAW = RawPack([b"{}" * 200] * 9)


@pytest.mark.parametrize(
    "pack",
    [RAW, EventPack([b"i" * 16] * 9, [b"c" * 16] * 9, [1_767_225_600_000_000] * 9, RAW)],
)
def test_the_size_of_a_pack_is_estimated_within_a_tenth(pack):
    coder = StructCoder(type(pack))
    assert coder.estimate_size(pack) == pytest.approx(len(coder.encode(pack)), rel=0.1)


def test_the_size_of_changes_is_estimated_by_their_entries():
    coder = StructCoder(ChangePack)
    assert coder.estimate_size(ChangePack(ROWS)) == 9 * coder.estimate_size(ChangePack(ROWS[:1]))
    assert coder.estimate_size(ChangePack(ROWS)) == pytest.approx(
        len(coder.encode(ChangePack(ROWS))), rel=1
    )


def test_attributes_and_ids_count():
    raw = RawPack([b""], [0], ["m" * 100], [{"k" * 50: "v" * 50}], ["o" * 100])
    coder = StructCoder(RawPack)
    assert coder.estimate_size(raw) == pytest.approx(len(coder.encode(raw)), rel=0.1)


def test_the_size_of_what_is_no_pack_is_that_of_its_bytes():
    coder, raw = StructCoder(RawEvent), RawEvent(b"{}")
    assert coder.estimate_size(raw) == len(coder.encode(raw))
    assert coder.get_impl().estimate_size(raw) == len(coder.encode(raw))


@pytest.mark.parametrize("pack", [RAW, ChangePack(ROWS)])
def test_the_engine_gets_the_estimate(pack):
    coder = StructCoder(type(pack))
    assert coder.get_impl().estimate_size(pack) == pack.estimated_bytes()
