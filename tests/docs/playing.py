"""Plays a page: its blocks are run by a shell in which the commands of clouds only take notes."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

from tests.docs.pages import ROOT, code_blocks

__all__ = ["play"]

_NOTED = ("gcloud", "bq", "penstock", "make", "git", "cd")
_ACTIVATE = re.compile(r"^\. \.venv.*$", re.MULTILINE)


def play(text: str, notes: Path, **variables: str) -> list[list[str]]:
    """Run the blocks of a page, in order and in one shell; return the commands that were typed.

    A variable that is used before it is set, and any error of the shell, fails.

    Args:
        text: of the page.
        notes: file for the commands.
        variables: which the reader has to know.
    """
    head = ["set -euo pipefail", f"exec 3>{shlex.quote(str(notes))}"]
    head += [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
    head += [f'{name}() {{ _note {name} "$@"; }}' for name in _NOTED]
    # What comes through a pipe is read, as the commands themselves do.
    head.append('_note() { cat > /dev/null; printf "%s\\037" "$@" >&3; printf "\\036" >&3; }')
    head.append(f'python() {{ {shlex.quote(sys.executable)} "$@"; }}')
    blocks = [_ACTIVATE.sub("", block) for block in code_blocks(text)]
    done = subprocess.run(
        ["bash", "-c", "\n".join([*head, *blocks])],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert not done.stderr, done.stderr
    assert done.returncode == 0
    return [line.split("\x1f")[:-1] for line in notes.read_text().split("\x1e")[:-1]]
