"""A program that jobs are forked off without Beam; as a job it runs the code that it is given."""

import sys
from unittest import mock

from chaos import fork_server


def main() -> None:
    """Serve, or run a job."""
    if sys.argv[1:]:
        exec(sys.argv[1])
        return
    with mock.patch.object(fork_server, "_ENGINES", ()):
        fork_server.serve(["tests.chaos.light_forks"])


if __name__ == "__main__":
    main()
