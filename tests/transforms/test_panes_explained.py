"""Every pane has its reason through crashes, lost commits, lost instances and jumps of time."""

from collections import defaultdict

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.explained_panes import explain
from tests.metric_builders import BASE, MINUTE, Seen
from tests.transforms.test_fold_windows import Crash, Engine
from tests.window_builders import EAGER, parts_of

USERS = ("ana", "bo")
AHEAD = st.sampled_from([1, MINUTE // 2, MINUTE, 4 * MINUTE, 20 * MINUTE])
AGE = st.integers(-2 * MINUTE, 6 * MINUTE)
ARRIVAL = st.lists(st.tuples(AGE, st.sampled_from(USERS)), min_size=1, max_size=3)
STEPS = st.lists(st.one_of(AHEAD, ARRIVAL, st.none()), max_size=25)


def places_of(one):
    return [(length, one.time // length * length, one.user) for length in (MINUTE, 5 * MINUTE)]


@settings(max_examples=120)
@given(STEPS, st.randoms(use_true_random=False))
def test_whatever_comes_and_breaks_each_pane_tells_what_was_there(steps, chance):
    engine, watermark, script, panes = Engine(instances=2, metrics=[EAGER]), BASE, [BASE], []
    for number, step in enumerate(steps):
        if step is None:
            panes += engine.speculate(chance.randrange(2))
        elif isinstance(step, int):
            watermark += step
            script.append(watermark)
            panes += engine.close(watermark, chance.randrange(2))
        else:
            # A window that state has been forgotten of is none of this test's.
            bundle = [
                Seen(f"{number}-{n}", "click", max(BASE, watermark - age), user)
                for n, (age, user) in enumerate(step)
            ]
            script.append(bundle)
            panes += committed(engine, parts_of(bundle, [EAGER], 1), chance)
    script.append(watermark + 60 * MINUTE)
    panes += engine.close(script[-1])
    told = defaultdict(list)
    for pane in panes:
        part = pane.part
        user = part.key.decode(errors="replace")
        [name] = [name for name in USERS if name in user]
        told[part.length, part.start, name].append((pane.index, pane.timing, part.events))
    explain(told, script, places_of, lambda place: place[1] + place[0])


def committed(engine, bundle, chance):
    """Run a bundle until it is committed; crashes and lost commits leave nothing behind."""
    while True:
        fault, instance = chance.random(), chance.randrange(2)
        if fault < 0.2:
            engine.instances[instance] = engine.fresh()
        try:
            crash_after = chance.randrange(4) if 0.2 < fault < 0.4 else 10**9
            return engine.bundle(bundle, instance, crash_after, lose=0.4 < fault < 0.6)
        except Crash:
            continue
