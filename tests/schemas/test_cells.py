import hashlib

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from schemas.cells import Cell, Clear, RowChange, row_key
from schemas.changes import ChangePack, RowPart
from schemas.coders import StructCoder

IDS = st.text(max_size=20)


def test_the_keys_of_the_docs_are_the_keys_of_the_rows():
    assert row_key("user", "u1") == b"bb#user#u1"
    assert row_key("user", "ana") == b"24#user#ana"
    assert row_key("session", "Zoë#2") == b"01#session#Zo\xc3\xab#2"


@given(IDS, IDS)
def test_two_entities_never_share_a_row(one, other):
    assert (row_key("user", one) == row_key("user", other)) == (one == other)
    assert row_key("user", one) != row_key("session", one)


@given(IDS)
def test_a_key_can_be_taken_apart(identifier):
    spread, entity, kept = row_key("user", identifier).split(b"#", 2)
    assert (entity, kept) == (b"user", identifier.encode())
    assert spread.decode() == hashlib.sha256(kept).hexdigest()[:2]


def test_changes_survive_their_coder():
    change = RowChange(b"k", [Cell("t", "n", 2_000, b"\x00", clear_from=0), Cell("s", "p", 1, b"")])
    assert StructCoder(RowChange).decode(StructCoder(RowChange).encode(change)) == change
    repair = RowChange(b"k", [], (Clear("t", "n", 0, 3_600_000),))
    assert StructCoder(RowChange).decode(StructCoder(RowChange).encode(repair)) == repair
    tiles = {5: {1: 2, 2: [1, 2**63 - 1], 3: [1, b"\x7f" * 9], 4: [1, {"x": None}, b""], 5: None}}
    pack = ChangePack([RowPart(b"\xff", {1: (2, "e", True), 2: (3, "e", -1.5)}, tiles)])
    assert StructCoder(ChangePack).decode(StructCoder(ChangePack).encode(pack)) == pack


def test_a_change_that_was_encoded_before_there_were_clears_is_read():
    encoded = msgspec.msgpack.encode([b"k", [["s", "p", 1_000, b"v", None]]])
    change = RowChange(b"k", [Cell("s", "p", 1_000, b"v")])
    assert StructCoder(RowChange).decode(encoded) == change
