"""Reads a Dockerfile and its .dockerignore, as far as the project's own use them."""

import functools
import re
import shlex
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "templates" / "Dockerfile"


@dataclass(frozen=True)
class Instruction:
    """One instruction with its continued lines joined."""

    name: str
    text: str

    @property
    def words(self) -> list[str]:
        return shlex.split(self.text)


@dataclass
class Stage:
    """What stands between one FROM and the next; its name is "" where it has none."""

    base: str
    name: str
    instructions: list[Instruction] = field(default_factory=list)

    def of(self, name: str) -> list[Instruction]:
        return [each for each in self.instructions if each.name == name]

    @property
    def runs(self) -> list[str]:
        return [each.text for each in self.of("RUN")]

    @property
    def variables(self) -> dict[str, str]:
        """What ENV sets."""
        return dict(word.split("=", 1) for each in self.of("ENV") for word in each.words)


@dataclass
class Dockerfile:
    """The global arguments with their defaults, and the stages."""

    arguments: dict[str, str]
    stages: list[Stage]

    @classmethod
    def read(cls, path: Path = DOCKERFILE, **given: str) -> "Dockerfile":
        """Read a file; `given` are arguments of the build."""
        arguments: dict[str, str] = {}
        stages: list[Stage] = []
        for each in _instructions(path.read_text()):
            if each.name == "FROM":
                base, *named = each.words
                stages.append(Stage(_filled(base, arguments), named[-1] if named else ""))
            elif stages:
                stages[-1].instructions.append(each)
            else:
                assert each.name == "ARG", each
                name, _, value = each.text.partition("=")
                arguments[name] = given.get(name, value)
        return cls(arguments, stages)

    def stage(self, name: str) -> Stage:
        (found,) = [stage for stage in self.stages if stage.name == name]
        return found

    def image(self) -> Stage:
        """The last stage, with the instructions of those that it is made from."""
        last = self.stages[-1]
        whole = Stage(last.base, "", list(last.instructions))
        while whole.base in [stage.name for stage in self.stages]:
            before = self.stage(whole.base)
            whole = Stage(before.base, "", [*before.instructions, *whole.instructions])
        return whole


def copy_in(instruction: Instruction, target: Path) -> None:
    """Do what COPY does from the context, below `target`."""
    *sources, last = instruction.words
    for source in sources:
        found = [path for path in context() if path == Path(source) or Path(source) in path.parents]
        assert found, f"COPY {source}: not in the context"
        for path in found:
            inside = path.relative_to(source) if path != Path(source) else Path(path.name)
            is_file = path == Path(source) and len(sources) == 1 and not last.endswith("/")
            place = target / last if is_file and last != "." else target / last / inside
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / path, place)


@functools.cache
def context() -> list[Path]:
    """Return the files that .dockerignore lets through, relative to the repository."""
    rules = [
        line
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line and not line.startswith("#")
    ]
    tops = [path for path in ROOT.iterdir() if not is_ignored(Path(path.name), rules)]
    # Of a folder that is left out some files may be let in.
    named = {Path(rule.removeprefix("!")).parts[0] for rule in rules if rule.startswith("!")}
    found = {*tops, *(ROOT / name for name in named)}
    files = [
        path.relative_to(ROOT)
        for top in sorted(found)
        for path in ([top] if top.is_file() else sorted(top.rglob("*")))
        if path.is_file()
    ]
    return [path for path in files if not is_ignored(path, rules)]


def is_ignored(path: Path, rules: list[str]) -> bool:
    """Return whether the last rule that is about a path, or a folder it is in, leaves it out."""
    ignored = False
    for rule in rules:
        pattern = rule.removeprefix("!")
        if any(_matches(each, pattern) for each in (path, *path.parents[:-1])):
            ignored = not rule.startswith("!")
    return ignored


def _matches(path: Path, pattern: str) -> bool:
    if pattern.startswith("**/"):
        return fnmatchcase(path.name, pattern.removeprefix("**/"))
    parts, wanted = path.parts, pattern.split("/")
    return len(parts) == len(wanted) and all(map(fnmatchcase, parts, wanted))


def _instructions(text: str) -> Iterator[Instruction]:
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    for line in joined.splitlines():
        name, _, rest = line.partition(" ")
        yield Instruction(name, rest)


def _filled(text: str, arguments: dict[str, str]) -> str:
    return re.sub(r"\$\{(\w+)\}", lambda found: arguments[found[1]], text)
