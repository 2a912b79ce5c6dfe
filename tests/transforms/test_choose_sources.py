"""Sources are chosen by name, and whoever names none or a wrong one is told which there are."""

import pytest

from schemas.events import RawEvent
from tests.archive_builders import put
from transforms.choose_sources import NoSourceError, choose_sources, only_source


@pytest.fixture
def root(tmp_path):
    for source in ("orders", "clicks"):
        put(tmp_path, [RawEvent(b"{}", {}, "m", 0)], source=source)
    return str(tmp_path)


def test_of_several_sources_one_has_to_be_named_and_must_be_there(root):
    with pytest.raises(NoSourceError, match="2 sources; name one by --source: clicks, orders"):
        only_source(root, None)
    with pytest.raises(NoSourceError, match=r"--source=x: not in .* holds clicks, orders"):
        only_source(root, "x")
    with pytest.raises(NoSourceError, match="--warm_source=x: not in"):
        only_source(root, "x", "warm_source")
    assert only_source(root, "clicks") == "clicks"


def test_where_several_may_be_meant_all_are_unless_one_is_named(root):
    assert choose_sources(root, None) == ["clicks", "orders"]
    assert choose_sources(root, "orders") == ["orders"]
    with pytest.raises(NoSourceError, match=r"--source=x: not in .* holds clicks, orders"):
        choose_sources(root, "x")


def test_where_nothing_is_that_is_said_whatever_is_asked_for(tmp_path):
    for choose in (choose_sources, only_source):
        with pytest.raises(NoSourceError, match="raw/events: holds no events; name the root"):
            choose(str(tmp_path), "x")
