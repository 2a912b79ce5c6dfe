"""Makes what templates/Dockerfile makes, without Docker: its commands, run in an empty environment.

A virtual environment with nothing but pip stands for the Python of the base image. What it cannot
show: the base images themselves, their system libraries, and what is copied from other images.
"""

import contextlib
import json
import os
import re
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

from tests.templates.dockerfile import Dockerfile, copy_in

SEEDED = {"pip", "setuptools", "wheel"}
"""What the base image has of its own."""


@dataclass(frozen=True)
class Image:
    """An environment in a folder; `template` is the working directory of the last stage."""

    python: Path
    template: Path
    environment: dict[str, str]

    def run(
        self, command: list[str], folder: Path | None = None, **more: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in the image; the result has its output."""
        return subprocess.run(
            command,
            cwd=folder or self.template,
            env=self.environment | more,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )

    def installed(self) -> dict[str, str]:
        """Return the versions of the installed distributions."""
        listed = self.run([str(self.python), "-m", "pip", "list", "--format=json"])
        return {normal(each["name"]): each["version"] for each in json.loads(listed.stdout)}


def normal(name: str) -> str:
    """Return a distribution's name as an index has it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def make_image(folder: Path, outside: dict[str, str]) -> Image:
    """Run the commands that the Dockerfile has; `outside` are the user's own variables."""
    python = folder / "python"
    uv = [sys.executable, "-m", "uv", "venv", "--quiet", "--seed", "--python", sys.executable]
    subprocess.run([*uv, str(python)], check=True, env=outside, timeout=600)
    unwanted = ("VIRTUAL_ENV", "PYTHON", "UV_", "PIP_")
    environment = {
        **{name: value for name, value in outside.items() if not name.startswith(unwanted)},
        "PATH": f"{python / 'bin'}{os.pathsep}{outside['PATH']}",
        "TOOLS": str(folder / "tools"),
    }
    dockerfile = Dockerfile.read()
    _play(dockerfile, "build", folder / "build", environment)
    _lend_compiled(python)
    template = folder / "template"
    template.mkdir()
    image = Image(python / "bin" / "python", template, environment)
    for instruction in dockerfile.image().of("COPY"):
        if not instruction.text.startswith("--from="):
            copy_in(instruction, template)
    return image


def _lend_compiled(python: Path) -> None:
    """Put beside modules what they are compiled to, as the image has it, where it is known here.

    The versions are the same. Python looks whether what it finds belongs to its module's size and
    time, and compiles it where it does not.
    """
    of_image = python / Path(sysconfig.get_path("purelib")).relative_to(sys.prefix)
    for known in Path(sysconfig.get_path("purelib")).rglob("__pycache__"):
        folder = of_image / known.relative_to(sysconfig.get_path("purelib"))
        if not folder.parent.is_dir():
            continue
        folder.mkdir(exist_ok=True)
        for module in known.glob(f"*.{sys.implementation.cache_tag}.pyc"):
            with contextlib.suppress(OSError):
                os.link(module, folder / module.name)


def _play(dockerfile: Dockerfile, name: str, folder: Path, environment: dict[str, str]) -> None:
    folder.mkdir()
    for instruction in dockerfile.stage(name).instructions:
        if instruction.name == "COPY":
            copy_in(instruction, folder)
        elif instruction.name == "RUN":
            shell(instruction.text, folder, environment)


def shell(command: str, folder: Path, environment: dict[str, str]) -> str:
    """Run a command as RUN does; its output, or an error with it."""
    done = subprocess.run(
        ["/bin/sh", "-c", command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout
