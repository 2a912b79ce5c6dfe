import subprocess
import sys
from pathlib import Path

import pytest

from chaos.fork_server import ForkServer
from chaos.loop_jobs import ForkedJob

_WRITES = """
import sys
for line in sys.stdin:
    try:
        with open(line.strip(), "w") as file:
            file.write("x")
        print("written", flush=True)
    except OSError as error:
        print("refused", flush=True)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits another process")
def test_a_disk_is_full_for_one_process_and_only_for_a_while(tmp_path: Path):
    command = [sys.executable, "-I", "-S", "-c", _WRITES]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        job = ForkedJob(ForkServer("chaos.loop_forge"), process.pid, tmp_path / "log")

        def write(name: str) -> str:
            process.stdin.write(f"{tmp_path / name}\n")
            process.stdin.flush()
            return process.stdout.readline().strip()

        assert write("before") == "written"
        job.fill_disk()
        assert job.is_full
        assert write("during") == "refused"
        (tmp_path / "others").write_text("x")
        job.empty_disk()
        assert write("after") == "written"
        process.stdin.close()


def test_last_words_are_the_last_line_that_says_something(tmp_path: Path):
    log = tmp_path / "log"
    log.write_text("first\nwhy it failed\n\n")
    assert ForkedJob(ForkServer("chaos.loop_forge"), 0, log).last_words() == "why it failed"
