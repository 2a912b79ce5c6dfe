"""A step is known if it is one of the suite's, or if the quarantine has a folder of it."""

import pytest

from schemas.reason_guide import STEPS
from transforms.check_step import NoSuchStepError, check_step


@pytest.fixture
def quarantine(tmp_path):
    for folder in ("step=Decode", "step=Of%2Fothers", "_released"):
        (tmp_path / folder / "dt=2026-01-31").mkdir(parents=True)
    return str(tmp_path)


@pytest.mark.parametrize("step", [None, *sorted(STEPS), "Of/others"])
def test_steps_of_the_suite_and_of_the_folder_are_known(quarantine, step):
    check_step(quarantine, step)


@pytest.mark.parametrize("step", ["Decod", "", "decode", "_released"])
@pytest.mark.parametrize("part", ["", "/step=Decode", "/step=Decode/dt=2026-01-31/x.avro"])
def test_any_other_is_one_line_that_names_them(quarantine, step, part):
    with pytest.raises(NoSuchStepError) as raised:
        check_step(quarantine + part, step)
    known = sorted({*STEPS, *(() if part else ["Of/others"])})
    assert str(raised.value) == f"--step={step}: no such step; there are {', '.join(known)}"


@pytest.mark.parametrize("path", ["copy", "copy/none", "copy/x.avro"])
def test_a_copy_of_objects_may_be_of_any_step(tmp_path, path):
    (tmp_path / "copy").mkdir()
    check_step(f"{tmp_path}/{path}", "Mine")
