"""A known failure is its line alone; an unknown one keeps its trace."""

import logging
import sys

import pytest

from pipelines.failures import known_failure
from pipelines.options import exit_status
from transforms.object_store import ObjectStoreError
from transforms.read_lines import UnreadableFileError

IN_A_STEP = "gs://b/x: no space; check that [while running 'Write']"


def noisy(error):
    """Fail as an engine does: log with the trace, print the trace, and wrap what was raised."""

    def run(argv):
        logger = logging.getLogger("an.engine")
        logger.warning("news")
        logger.error("trace\n%s: %s", type(error).__name__, error)
        try:
            raise error
        except type(error) as caught:
            logger.exception(str(caught))
        print(f"Traceback\n{type(error).__name__}: {error}", file=sys.stderr)
        print("other news", file=sys.stderr)
        raise error

    return run


def test_a_known_failure_prints_its_line_and_nothing_else_of_it(capsys, caplog):
    assert exit_status(noisy(ObjectStoreError(IN_A_STEP)), []) == 1
    assert capsys.readouterr().err == "other news\ngs://b/x: no space; check that\n"
    assert [record.message for record in caplog.records] == ["news"]


@pytest.mark.parametrize("kind", [RuntimeError, ValueError, OSError])
def test_an_unknown_failure_of_a_step_keeps_its_trace(kind):
    with pytest.raises(kind, match="no space"):
        exit_status(noisy(kind(IN_A_STEP)), [])


def test_a_mistake_is_its_line_and_status_two(capsys):
    assert exit_status(noisy(ValueError("--x: wrong")), []) == 2
    assert capsys.readouterr().err.endswith("--x: wrong\n")


def test_what_an_engine_says_of_it_while_a_process_ends_is_kept_back_too(capsys, monkeypatch):
    """Workers of another thread may fail after the line is printed."""
    logger = logging.getLogger()
    before = [(handler, [*handler.filters]) for handler in logger.handlers]
    monkeypatch.setattr(sys, "stderr", sys.stderr)
    monkeypatch.setattr(sys, "argv", ["job"])
    try:
        assert exit_status(noisy(ObjectStoreError(IN_A_STEP)), None) == 1
        print(f"Traceback\nObjectStoreError: {IN_A_STEP}", file=sys.stderr)
        print("more news", file=sys.stderr)
        assert all(len(handler.filters) > len(filters) for handler, filters in before)
    finally:
        for handler, filters in before:
            handler.filters = filters
    assert capsys.readouterr().err == "other news\ngs://b/x: no space; check that\nmore news\n"


def test_ctrl_c_is_no_trace(capsys):
    def stopped(argv):
        raise KeyboardInterrupt

    assert exit_status(stopped, []) == 130
    assert capsys.readouterr().err == "stopped\n"


def test_the_last_of_several_wrapped_lines_is_the_failure():
    wrapped = RuntimeError(
        "UnreadableFileError: a\nduring ...\nUnreadableFileError: b: cut\\n more"
    )
    assert known_failure(wrapped) == "b: cut"
    assert known_failure(UnreadableFileError("c: cut")) == "c: cut"
    assert known_failure(RuntimeError("out of memory")) is None
