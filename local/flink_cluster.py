"""A real Flink cluster of separate processes on loopback: JobManager, TaskManagers, job server."""

import json
import os
import shutil
import signal
import socket
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from local.errors import ServiceError
from local.flink_build import FlinkPrograms
from local.flink_config import HOST, JavaProcess, Ports, job_manager, task_manager, write_settings
from local.flink_rest import FlinkRest
from local.flink_worker import worker_script
from local.processes import ServiceProcess, StartsAndStops, free_port

__all__ = ["FlinkCluster"]

_PATIENCE = 120.0
_PAUSE = 0.2
_JOB_SERVER_HEAP = "-Xmx512m"


@dataclass
class FlinkCluster(StartsAndStops):
    """Runs a cluster while the block lasts; it ends with the block, and with this process.

    Settings, checkpoints and logs lie in `folder`, a new one among the temporary files by default,
    which every error names. Python workers are started by Flink, one for each TaskManager and job.

    Args:
        programs: what it is made of.
        size: how many TaskManagers.
        slots: of each; so many parallel parts of a job one of them alone can run.
        environ: what the Python workers find in their environment beside this process's own, such
            as where the services are.
        folder: for everything that it writes.
        patience: seconds in which it must be ready.

    Raises:
        ServiceError: one of its processes does not start or does not answer.
    """

    programs: FlinkPrograms
    size: int = 2
    slots: int = 2
    environ: Mapping[str, str] = field(default_factory=dict)
    folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="penstock-flink-")))
    patience: float = _PATIENCE
    task_managers: list[ServiceProcess] = field(default_factory=list, init=False)
    _services: dict[str, ServiceProcess] = field(default_factory=dict, init=False)

    @property
    def logs(self) -> Path:
        """The folder of the logs."""
        return self.folder / "logs"

    @property
    def engine(self) -> list[str]:
        """The options by which a job runs on this cluster."""
        environment = json.dumps({"command": str(self.folder / "worker")})
        return [
            "--runner=PortableRunner",
            f"--job_endpoint={HOST}:{self._job_port}",
            "--environment_type=PROCESS",
            f"--environment_config={environment}",
            f"--parallelism={self.slots}",
        ]

    def start_task_manager(self) -> None:
        """Start one more TaskManager, without waiting for it."""
        name = f"taskmanager-{len(self.task_managers)}"
        self.task_managers.append(self._run(name, task_manager(self._java, name)))

    def wait_for_task_managers(self) -> None:
        """Wait until those that are alive are registered, and no other.

        Raises:
            ServiceError: they are not in time, or one of them has ended.
        """
        wanted = {f"taskmanager-{n}": self.task_managers[n] for n in self.alive()}

        def registered() -> bool:
            _require_running(wanted)
            return self.rest.task_managers() == set(wanted)

        self.wait(registered, "not all TaskManagers registered")

    def alive(self) -> list[int]:
        """Return which TaskManagers are alive, by their place in the order they were started."""
        return [n for n, process in enumerate(self.task_managers) if not process.ended()]

    def kill_machine(self, index: int) -> None:
        """Kill a TaskManager and its Python workers at once, as a machine does that fails."""
        os.killpg(self.task_managers[index].pid, signal.SIGKILL)
        self.task_managers[index].stop()

    def kill_task_manager(self, index: int) -> None:
        """Kill a TaskManager alone; its Python workers live on until they notice."""
        # The kernel kills the Java process with its guardian; elsewhere than on Linux, the group is
        # all that can be killed surely.
        kill = os.kill if os.uname().sysname == "Linux" else os.killpg
        kill(self.task_managers[index].pid, signal.SIGKILL)

    def workers(self) -> list[int]:
        """Return the process ids of the Python workers that are alive, in order."""
        groups = {process.pid for process in self.task_managers}
        noted = sorted(int(note.name) for note in self._notes.iterdir())
        return [pid for pid in noted if _group(pid) in groups]

    def wait(self, holds: Callable[[], bool], what: str, seconds: float = 0.0) -> None:
        """Wait until something is true, for as long as the cluster's patience lasts.

        Raises:
            ServiceError: it did not become true, or JobManager or job server have ended.
        """
        until = time.monotonic() + (seconds or self.patience)
        while not holds():
            self.check()
            if time.monotonic() > until:
                msg = f"{what} within {seconds or self.patience:.0f} s (logs: {self.logs})"
                raise ServiceError(msg)
            time.sleep(_PAUSE)

    def check(self) -> None:
        """Raise a ServiceError where JobManager or job server has ended by itself."""
        _require_running(self._services)

    def stop(self) -> None:
        """End everything; logs stay."""
        orphans = self.workers() if self._notes.is_dir() else []
        for process in [*reversed(self._services.values()), *self.task_managers]:
            process.stop()
        for pid in orphans:
            _end(pid, {process.pid for process in self.task_managers})
        shutil.rmtree(self.folder / "checkpoints", ignore_errors=True)
        shutil.rmtree(self.folder / "scratch", ignore_errors=True)

    @property
    def _notes(self) -> Path:
        return self.folder / "workers"

    def _start(self) -> None:
        for path in (self.logs, self._notes, self.folder / "checkpoints", self.folder / "scratch"):
            path.mkdir(parents=True)
        script = self.folder / "worker"
        script.write_text(worker_script(self._notes, self.environ))
        script.chmod(0o755)
        ports = Ports(rpc=free_port(), rest=free_port())
        self._job_port = free_port()
        self.rest = FlinkRest(ports.rest)
        settings = self.folder / "settings"
        write_settings(settings, ports, self.folder / "checkpoints", self.slots)
        self._java = JavaProcess(self.programs.java, self.programs.libraries, settings)
        self._services["JobManager"] = self._run("jobmanager", job_manager(self._java))
        for _ in range(self.size):
            self.start_task_manager()
        self._services["job server"] = self._run("job-server", self._job_server(ports.rest))
        self.wait_for_task_managers()
        self.wait(lambda: _listens(self._job_port), "the job server did not answer")

    def _job_server(self, rest: int) -> list[str]:
        return [
            str(self.programs.java),
            _JOB_SERVER_HEAP,
            *("-jar", str(self.programs.job_server)),
            f"--flink-master={HOST}:{rest}",
            f"--job-host={HOST}",
            f"--job-port={self._job_port}",
            f"--artifact-port={free_port()}",
            f"--expansion-port={free_port()}",
            f"--artifacts-dir={self.folder / 'scratch'}",
        ]

    def _run(self, name: str, command: list[str]) -> ServiceProcess:
        # What Java and Flink put among the temporary files goes with the cluster.
        scratch = str(self.folder / "scratch")
        environ = {**os.environ, **self.environ, "JAVA_TOOL_OPTIONS": f"-Djava.io.tmpdir={scratch}"}
        return ServiceProcess(command, self.logs / f"{name}.log", environ)


def _require_running(processes: Mapping[str, ServiceProcess]) -> None:
    for name, process in processes.items():
        if process.ended():
            msg = f"Flink's {name} has ended: {process.last_words()} (log: {process.log})"
            raise ServiceError(msg)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


def _group(pid: int) -> int | None:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return None


def _end(pid: int, groups: set[int]) -> None:
    """End a worker that has outlived its TaskManager; a number that is another's now stays."""
    if _group(pid) in groups:
        os.kill(pid, signal.SIGKILL)
