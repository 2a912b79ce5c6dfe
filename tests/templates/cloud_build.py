"""Reads cloudbuild.yaml and runs its scripts, with small programs in the place of the cloud's."""

import os
import re
import subprocess
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import yaml

from tests.templates.dockerfile import ROOT

BUILT_IN = {
    "PROJECT_ID": "my-project",
    "COMMIT_SHA": "0123456789abcdef0123456789abcdef01234567",
    "BUILD_ID": "b1946ac9-2492-4d23-47dc-aaaabbbbcccc",
}
_NAME = re.compile(r"\$(?:\{(_?[A-Z0-9_]+)\}|(_?[A-Z][A-Z0-9_]*))")
# Notes its name and arguments, and does what is asked of it by a file of states, one for each look.
_RECORD = r"""#!/usr/bin/env bash
{ printf '%s\x1f' "${0##*/}" "$@"; echo; } >> "$CALLS"
[[ ${0##*/} != "$FAILING" ]] || exit 1
previous=
for word; do
  if [[ $previous == --metadata-file && $word == build/* ]]; then
    digest=$(basename "$word" | sha256sum)
    printf '{\n  "containerimage.digest": "sha256:%s",\n  "x": 1\n}\n' "${digest%% *}" > "$word"
  fi
  case $previous$word in
    flex-templaterun) echo 2026-01-31_04_05_06-7 ;;
    jobsdescribe)
      mapfile -t states < "$STATES"
      ((${#states[@]} == 1)) || printf '%s\n' "${states[@]:1}" > "$STATES"
      echo "${states[0]}" ;;
  esac
  previous=$word
done
"""
_BETWEEN = "\x1f"
PROGRAMS = ("apt-get", "docker", "gcloud", "make", "sleep")
LONGEST_CANARY = 1800
"""Seconds that a canary may be asked to run."""


@dataclass(frozen=True)
class CloudBuild:
    """A build's configuration."""

    text: str
    config: dict

    @classmethod
    def read(cls) -> "CloudBuild":
        text = (ROOT / "cloudbuild.yaml").read_text()
        return cls(text, yaml.safe_load(text))

    @property
    def steps(self) -> dict[str, dict]:
        return {step["id"]: step for step in self.config["steps"]}

    @property
    def substitutions(self) -> dict[str, str]:
        return self.config["substitutions"]

    @property
    def pipelines(self) -> list[str]:
        return self.substitutions["_PIPELINES"].split()

    def environment(self, step: str, **given: str) -> dict[str, str]:
        """Return what a step's script finds, with the substitutions that a user gives."""
        pairs = (item.partition("=") for item in self.steps[step].get("env", []))
        return {name: self.filled(value, **given) for name, _, value in pairs}

    def filled(self, text: str, **given: str) -> str:
        """Fill in substitutions, which may name others."""
        known = {**BUILT_IN, **self.substitutions, **given}
        while (filled := _NAME.sub(lambda found: known[found[1] or found[2]], text)) != text:
            text = filled
        return text

    def command(self, step: str) -> list[str]:
        """Return what a step without a script runs."""
        found = self.steps[step]
        return [found["entrypoint"], *found["args"]]


def names_in(text: str) -> set[str]:
    """Return the variables in capitals that a text names."""
    return set(re.findall(r"\$\{?(_?[A-Z][A-Z0-9_]*)", text))


@dataclass
class Cloud:
    """A folder to run steps in, which has the repository's files, and notes all calls."""

    folder: Path
    build: CloudBuild

    def __post_init__(self) -> None:
        self.bin, self.calls_file = self.folder / "bin", self.folder / "calls"
        self.work, self.states = self.folder / "workspace", self.folder / "states"
        for folder in (self.bin, self.work):
            folder.mkdir()
        (self.work / "templates").symlink_to(ROOT / "templates")
        for name in PROGRAMS:
            program = self.bin / name
            program.write_text(_RECORD)
            program.chmod(0o755)

    def run(
        self, step: str, states: str = "", failing: str = "", **given: str
    ) -> tuple[subprocess.CompletedProcess[str], list[list[str]]]:
        """Run a step's script; return what came of it, and the calls that it made."""
        self.calls_file.write_text("")
        self.states.write_text(states)
        done = subprocess.run(
            ["bash", "-c", self.build.steps[step]["script"]],
            cwd=self.work,
            env={
                **self.build.environment(step, **given),
                "PATH": f"{self.bin}{os.pathsep}{os.defpath}",
                "CALLS": str(self.calls_file),
                "STATES": str(self.states),
                "FAILING": failing,
            },
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        calls = self.calls_file.read_text().splitlines()
        return done, [line.removesuffix(_BETWEEN).split(_BETWEEN) for line in calls]


def valued(call: list[str], name: str) -> list[str]:
    """Return the values that a call gives an option."""
    return [value for option, value in pairwise(call) if option == name]
