"""The hot path as a stream, from a file to a service that counts mutations."""

from benchmarks.contender import main
from benchmarks.grow_hot_path import run_stream, told

__all__ = ["run_stream"]

if __name__ == "__main__":
    main(run_stream, figures=told)
