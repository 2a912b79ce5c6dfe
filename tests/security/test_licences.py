"""Every pin stands under a licence that is listed and allowed."""

import re
import sysconfig
from importlib.metadata import distributions

from local.licences import is_allowed, licence_of, licences_page, pins
from tests.security.call_graph import ROOT

PAGE = ROOT / "docs" / "licences.md"


def rows():
    found = re.findall(r"^\| `([^`]+)` \| ([^|]+) \| ([^|]+) \|$", PAGE.read_text(), re.MULTILINE)
    return {name: (licence, used) for name, licence, used in found}


def test_every_pin_is_listed_with_what_it_is_for():
    """Where this fails: `make docs`."""
    assert {name: ", ".join(used) for name, used in pins().items()} == {
        name: used for name, (_, used) in rows().items()
    }
    assert PAGE.read_text() == licences_page()


def test_every_licence_that_is_listed_is_allowed():
    assert {name: licence for name, (licence, _) in rows().items() if not is_allowed(licence)} == {}


def test_what_is_listed_is_what_the_installed_packages_say():
    listed = rows()
    installed = {
        re.sub(r"[-_.]+", "-", each.metadata["Name"]).lower(): licence_of(each)
        for each in distributions(path=[sysconfig.get_path("purelib")])
    }
    assert len(installed) > 100
    others = {name: licence for name, licence in installed.items() if name in listed and licence}
    assert {name: each for name, each in others.items() if listed[name][0] != each} == {}


def test_a_licence_that_takes_the_whole_work_along_is_not_allowed():
    for licence in ("GPL-3.0-only", "AGPL-3.0", "LGPL-2.1", "MIT AND GPL-2.0", "UNKNOWN", ""):
        assert not is_allowed(licence)
