"""The open batch of a key, driven by hand: nothing is lost, and its hold is never too late."""

from collections import Counter

from apache_beam.utils.timestamp import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from schemas.packs import RawPack
from schemas.parcels import Parcel
from transforms.batch_messages import _GatherBatches

KEY = (0, 0)
# A parcel's timestamp, and which call comes: a parcel, or one of the two timers.
STEPS = st.lists(st.tuples(st.integers(0, 50), st.sampled_from(["add", "add", "due", "end"])))


class Bag(list):
    def add(self, value):
        self.append(value)

    def read(self):
        return list(self)


class Cell:
    value = None

    def read(self):
        return self.value

    def write(self, value):
        self.value = value

    def clear(self):
        self.value = None


class HeldTimer:
    """A timer that holds the watermark at the timestamp of the element that sets it."""

    now = hold = due = None

    def set(self, due):
        self.hold, self.due = self.now, due.micros

    def clear(self):
        self.hold = self.due = None


@given(STEPS, st.integers(1, 400))
def test_every_parcel_leaves_once_stamped_by_its_oldest_and_held_there_until_then(steps, most):
    gather = _GatherBatches(most, 5.0, lambda: 100.0)
    bag, cell, due, end = state = Bag(), Cell(), HeldTimer(), HeldTimer()
    waiting, left = [], Counter()
    for number, (stamp, step) in enumerate([*steps, (0, "end")]):
        due.now = end.now = stamp
        if step == "add":
            parcel = Parcel.of(RawPack([b"%d" % number], [stamp]), 100)
            waiting.append((stamp, b"%d" % number))
            given_out = list(gather.process((KEY, parcel), Timestamp(micros=stamp), *state))
        else:
            given_out = list({"due": gather.on_due, "end": gather.on_end}[step](KEY, *state))
        for batch in given_out:
            assert batch.timestamp.micros == min(stamp for stamp, _ in waiting)
            assert sorted(batch.value[1].payloads) == sorted(payload for _, payload in waiting)
            left.update(batch.value[1].payloads)
            waiting = []
        assert due.hold == min((stamp for stamp, _ in waiting), default=None)
        assert due.due == (105_000_000 if waiting else None)
        assert (end.due is not None) == bool(waiting) == bool(bag) == (cell.value is not None)
        assert len(waiting) * 100 < most
    added = [b"%d" % number for number, (_, step) in enumerate(steps) if step == "add"]
    assert left == Counter(added)
