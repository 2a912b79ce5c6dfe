"""The image, made once, and what came of the launches from it."""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import OUTSIDE
from tests.templates.image import Image, make_image
from tests.templates.launches import (
    SECRET,
    Launch,
    everything_in,
    fill,
    launcher_arguments,
    launches_of,
)

SCRIPT = Path(__file__).parent / "in_the_image.py"


@dataclass(frozen=True)
class Launched:
    """What was launched in the image, what it told, and what is in the bucket afterwards."""

    bucket: str
    launches: dict[str, Launch]
    told: dict
    objects: dict[str, bytes]


@pytest.fixture(scope="session")
def image(tmp_path_factory) -> Image:
    """Give an environment that the Dockerfile's own commands have made."""
    return make_image(tmp_path_factory.mktemp("image"), OUTSIDE)


@pytest.fixture(scope="session")
def launched(image, gcs_emulator, tmp_path_factory) -> Launched:
    """Launch every template from the image, against the Cloud Storage emulator."""
    folder = tmp_path_factory.mktemp("launches")
    bucket = f"gs://{gcs_emulator.bucket()}"
    fill(bucket)
    launches = launches_of(bucket)
    asked = {
        "template": str(image.template / "launch.py"),
        "secret": SECRET,
        "launches": {
            name: (each.pipeline, [*each.parameters, *launcher_arguments(name, bucket)])
            for name, each in launches.items()
        },
    }
    (folder / "asked.json").write_text(json.dumps(asked))
    command = [str(image.python), str(SCRIPT), "asked.json", "told.json"]
    done = image.run(command, folder, STORAGE_EMULATOR_HOST=f"http://{gcs_emulator.address}")
    assert done.returncode == 0, done.stderr
    told = json.loads((folder / "told.json").read_text())
    return Launched(bucket, launches, told, everything_in(bucket))
