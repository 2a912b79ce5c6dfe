"""The program that the jobs of the loop are forked off: `python -m chaos.loop_forge`."""

from chaos.fork_server import serve

__all__ = ["MODULES"]

MODULES = (
    "pipelines.archive_raw",
    "pipelines.curate_events",
    "pipelines.hot_path",
    "pipelines.recompute_windows",
    "pipelines.window_metrics",
)
"""What a job can be."""

if __name__ == "__main__":
    # Threads of clients and engines do not keep the process, as they would not a container.
    serve(MODULES, leave_threads=True)
