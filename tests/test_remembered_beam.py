"""What Beam remembers in tests is what it would find anew."""

import functools

import apache_beam as beam
from apache_beam.coders import VarIntCoder
from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions, WorkerOptions
from apache_beam.transforms import userstate
from apache_beam.transforms.timeutil import TimeDomain

from tests.remembered_beam import _arguments_found_once, _specs_found_once, _views_made_once


class Counts(beam.DoFn):
    SEEN = userstate.ReadModifyWriteStateSpec("seen", VarIntCoder())
    OVER = userstate.TimerSpec("over", TimeDomain.WATERMARK)
    _SEEN = beam.DoFn.StateParam(SEEN)
    _OVER = beam.DoFn.TimerParam(OVER)

    def process(self, element, seen=_SEEN, over=_OVER):
        yield element

    @userstate.on_timer(OVER)
    def end(self, seen=_SEEN):
        yield seen.read()


class Passes(beam.DoFn):
    def process(self, element):
        yield element


def unmemoised(function):
    """Beam's own function, below what these tests themselves run with."""
    cells = function.__closure__ or ()
    return next((cell.cell_contents for cell in cells if callable(cell.cell_contents)), function)


def test_a_view_shares_what_is_set_and_no_list_with_views_of_other_options():
    view = _views_made_once(unmemoised(PipelineOptions.view_as))
    flags = ["--streaming", "--experiments=a", "--num_workers=3"]
    first, second = PipelineOptions(flags), PipelineOptions(list(flags))
    for options in (first, second):
        own = unmemoised(PipelineOptions.view_as)(PipelineOptions(flags), WorkerOptions)
        got = view(options, WorkerOptions)
        assert vars(got._visible_options) == vars(own._visible_options)
        assert got.num_workers == 3
    assert view(first, StandardOptions).streaming
    view(first, StandardOptions).streaming = False
    assert not view(first, StandardOptions).streaming
    assert view(second, StandardOptions).streaming
    assert view(PipelineOptions([]), WorkerOptions).num_workers is None
    changed = view(PipelineOptions(flags, num_workers=7), WorkerOptions)
    assert changed.num_workers == 7


def test_specs_of_a_dofn_are_those_of_its_class_and_of_a_wrapper_those_of_what_it_wraps():
    own = unmemoised(userstate.get_dofn_specs)
    find = _specs_found_once(own)
    assert find(Counts()) == find(Counts()) == own(Counts()) == ({Counts.SEEN}, {Counts.OVER})
    assert find(Passes()) == own(Passes()) == (set(), set())
    find(Counts())[0].clear()
    assert find(Counts())[0] == {Counts.SEEN}
    wrappers = [
        beam.transforms.core._ExceptionHandlingWrapperDoFn(
            each, "dead", Exception, False, None, True
        )
        for each in (Counts(), Passes())
    ]
    assert [find(each) for each in wrappers] == [own(each) for each in wrappers]


def test_arguments_of_a_method_are_remembered_by_its_class_and_those_of_others_not_at_all():
    asked = []

    def own(function):
        asked.append(function)
        return ["element"], [1]

    find = _arguments_found_once(own)
    find(Passes().process)[0].clear()
    assert find(Passes().process) == (["element"], [1])
    plain = functools.partial(int)
    assert find(plain) == find(plain) == (["element"], [1])
    assert len(asked) == 3
