"""What a pickle would make is told without making it."""

import contextlib
import os
import pickle
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.graph_pickles import UnreadableError, spelled_out


def test_a_pickled_coder_is_the_same_text_whatever_the_hash_seed():
    script = (
        "import pickle, sys\n"
        "names = frozenset(f'n{i}' for i in range(50))\n"
        "sys.stdout.buffer.write(pickle.dumps([names, dict.fromkeys(set(names), names)]))"
    )
    pickles = [
        subprocess.run(
            [sys.executable, "-S", "-c", script],
            env={**os.environ, "PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
            timeout=60,
        ).stdout
        for seed in ("1", "2")
    ]
    assert pickles[0] != pickles[1]
    assert spelled_out(pickles[0]) == spelled_out(pickles[1])


class Runs:
    def __reduce__(self):
        return os.mkdir, ("made-by-a-pickle",)


def test_nothing_of_a_pickle_is_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert spelled_out(pickle.dumps(Runs())) == 'posix.mkdir("made-by-a-pickle")'
    assert not list(tmp_path.iterdir())


def of_protocol(value, protocol):
    return spelled_out(pickle.dumps(value, protocol))


# More of them tell nothing more, and take time.
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.tuples(inner) | st.dictionaries(st.text(), inner),
    max_leaves=4,
)


@given(VALUES, VALUES)
def test_equal_values_are_equal_texts_in_each_protocol_and_others_are_not(a, b):
    texts = {of_protocol(a, protocol) for protocol in (3, 4, 5)}
    assert len(texts) == 1
    same = pickle.dumps(a, 5) == pickle.dumps(b, 5) or repr(a) == repr(b)
    assert same or texts != {of_protocol(b, 5)} or a == b


@given(st.binary(max_size=60))
def test_bytes_that_are_no_pickle_are_refused_in_one_way(data):
    with contextlib.suppress(UnreadableError):
        spelled_out(data)


def test_what_a_pickle_repeats_without_end_is_refused():
    ring = []
    ring.append(ring)
    twice = "end"
    for _ in range(60):
        twice = (twice, twice)
    for value in (ring, twice):
        with pytest.raises(UnreadableError):
            spelled_out(pickle.dumps(value))
