"""Runs `python -m chaos`."""

import sys

from chaos.command import main

# Simulations are run by processes that import this module anew.
if __name__ == "__main__":
    sys.exit(main())
