"""Two recomputations at once: when both have ended, each window is wholly that of one of them."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.coverage import Coverage
from schemas.current_panes import current_panes
from schemas.pane_rows import PaneForm
from schemas.recomputed_rows import recomputed_rows
from schemas.window_parts import Pane
from tests.metric_builders import BASE, MINUTE, WIDE, Seen
from tests.window_builders import parts_of

SEEN = st.tuples(
    st.integers(0, 15).map(str),
    st.sampled_from(["page_view", "click"]),
    st.integers(BASE, BASE + 10 * MINUTE - 1),
    st.sampled_from(["ana", "bo"]),
    st.sampled_from(["web", "ios"]),
).map(lambda values: Seen(*values))
EVENTS = st.lists(SEEN, max_size=12, unique_by=lambda one: one.event_id)
SPANS = st.tuples(st.integers(0, 9), st.integers(1, 10)).map(
    lambda ends: Coverage(BASE + ends[0] * MINUTE, BASE + (ends[0] + ends[1]) * MINUTE)
)


def written(seen, generation, span=None):
    """The rows of panes and those of `ops.recomputed` that one run leaves, live or anew."""
    form = PaneForm(WIDE)
    panes = [
        json.loads(form.row(Pane(part, 0, "on_time", generation))[0])
        for _, pack in parts_of(seen, [WIDE])
        for part in pack.parts
        if span is None or span.holds(part.start, part.length)
    ]
    lengths = WIDE.windows if span else ()
    packs = [
        pack
        for length in lengths
        for pack in recomputed_rows(WIDE.name, length, span, generation, f"r{generation}")
    ]
    return panes, [json.loads(row) for pack in packs for row in pack.rows]


@settings(max_examples=60, deadline=None)
@given(EVENTS, EVENTS, EVENTS, SPANS, SPANS, st.permutations([5, 7]), st.randoms())
def test_the_greater_generation_holds_wholly_whatever_order_rows_came_in(
    live, one, other, first, second, generations, chance
):
    """They read different events: one of them began before the archive had the others."""
    told = written(live, 0)
    runs = {
        generations[0]: (written(one, generations[0], first), first),
        generations[1]: (written(other, generations[1], second), second),
    }
    panes = [*told[0], *(row for (rows, _), _ in runs.values() for row in rows)]
    done = [row for (_, rows), _ in runs.values() for row in rows]
    chance.shuffle(panes)
    chance.shuffle(done)
    current = current_panes(WIDE, panes, done)
    alone = {0: current_panes(WIDE, told[0])} | {
        generation: current_panes(WIDE, rows) for generation, ((rows, _), _) in runs.items()
    }
    for length in WIDE.windows:
        for start in range(BASE, BASE + 20 * MINUTE, length):
            last = max([0, *(n for n, (_, span) in runs.items() if span.holds(start, length))])
            name = f"{length // MINUTE}m"
            found = {key: row for key, row in current.items() if key[:2] == (name, start)}
            wanted = {key: row for key, row in alone[last].items() if key[:2] == (name, start)}
            assert found == wanted
