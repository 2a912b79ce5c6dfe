"""What the processes of a Flink cluster are told: settings, logging and command lines."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

__all__ = [
    "HOST",
    "JavaProcess",
    "Ports",
    "job_manager",
    "settings",
    "settings_text",
    "task_manager",
    "write_settings",
]

HOST = "127.0.0.1"

_LOGGING = """\
rootLogger.level = INFO
rootLogger.appenderRef.console.ref = Console
appender.console.name = Console
appender.console.type = CONSOLE
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{HH:mm:ss,SSS} %-5p %c{1} - %m%n
"""
_EXPORTED = (
    ("java.base", "sun.net.util"),
    ("java.rmi", "sun.rmi.registry"),
    ("java.security.jgss", "sun.security.krb5"),
)
_OPENED = (
    "java.io", "java.lang", "java.lang.reflect", "java.net", "java.nio", "java.text", "java.time",
    "java.util", "java.util.concurrent", "java.util.concurrent.atomic",
    "java.util.concurrent.locks", "sun.nio.ch",
)  # fmt: skip
_MODULES = (
    *(f"--add-exports={module}/{package}=ALL-UNNAMED" for module, package in _EXPORTED),
    *(f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in _OPENED),
)
_JOB_MANAGER = "org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint"
_TASK_MANAGER = "org.apache.flink.runtime.taskexecutor.TaskManagerRunner"
# A whole cluster of three processes with its job server stays below 4 GB.
_HEAP = {_JOB_MANAGER: "768m", _TASK_MANAGER: "900m"}


class Ports(NamedTuple):
    """The loopback ports that have to be known to others."""

    rpc: int
    rest: int


class JavaProcess(NamedTuple):
    """What it takes to start a Java process of the cluster.

    Args:
        java: the program.
        jars: folder of Flink's jars.
        settings: folder of `config.yaml` and `log4j.properties`.
    """

    java: Path
    jars: Path
    settings: Path

    def command(self, main: str, arguments: Sequence[str] = ()) -> list[str]:
        """Return the command that runs a main class of Flink."""
        logging = self.settings / "log4j.properties"
        return [
            str(self.java),
            f"-Xmx{_HEAP[main]}",
            "-XX:MaxMetaspaceSize=400m",
            *_MODULES,
            f"-Dlog4j.configurationFile={logging.as_uri()}",
            *("-cp", f"{self.jars}/*"),
            main,
            *("--configDir", str(self.settings)),
            *arguments,
        ]


def job_manager(process: JavaProcess) -> list[str]:
    """Return the command of a JobManager."""
    return process.command(_JOB_MANAGER, ["--host", HOST])


def task_manager(process: JavaProcess, name: str) -> list[str]:
    """Return the command of a TaskManager of this name."""
    return process.command(_TASK_MANAGER, ["-D", f"taskmanager.resource-id={name}"])


def write_settings(folder: Path, ports: Ports, checkpoints: Path, slots: int) -> None:
    """Write what the processes read when they start."""
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(settings_text(settings(ports, checkpoints, slots)))
    (folder / "log4j.properties").write_text(_LOGGING)


def settings(ports: Ports, checkpoints: Path, slots: int) -> dict[str, str | int]:
    """Return the settings of a cluster that stays on this machine and notices a death in seconds.

    The failed part of a job is started again one second later, twenty times. Checkpoints are files,
    so that they outlive the process that wrote them; how often is said with each job.
    """
    places = dict.fromkeys(
        ("jobmanager.bind-host", "jobmanager.rpc.address", "rest.address", "rest.bind-address",
         "taskmanager.bind-host", "taskmanager.host"), HOST,
    )  # fmt: skip
    memory = {"framework.heap": 128, "task.heap": 640, "framework.off-heap": 128,
              "task.off-heap": 64, "managed": 128, "jvm-metaspace": 256}  # fmt: skip
    return {
        **places,
        "jobmanager.rpc.port": ports.rpc,
        "rest.port": ports.rest,
        "taskmanager.numberOfTaskSlots": slots,
        "taskmanager.cpu.cores": "1.0",
        **{f"taskmanager.memory.{name}.size": f"{size}m" for name, size in memory.items()},
        **{f"taskmanager.memory.network.{end}": "192m" for end in ("min", "max")},
        # Every shuffle of a batch job asks for so many buffers at once, and there are many.
        "taskmanager.network.sort-shuffle.min-buffers": 64,
        **{f"taskmanager.memory.jvm-overhead.{end}": "128m" for end in ("min", "max")},
        "parallelism.default": slots,
        "cluster.evenly-spread-out-slots": "true",
        "heartbeat.interval": 2_000,
        "heartbeat.timeout": 10_000,
        "restart-strategy.type": "fixed-delay",
        "restart-strategy.fixed-delay.attempts": 20,
        "restart-strategy.fixed-delay.delay": "1 s",
        "state.backend.type": "hashmap",
        "state.checkpoints.dir": checkpoints.as_uri(),
    }


def settings_text(values: Mapping[str, str | int]) -> str:
    """Return settings as Flink reads them, one a line.

    >>> settings_text({"rest.port": 8081, "rest.address": "127.0.0.1"}).splitlines()
    ['rest.port: 8081', 'rest.address: 127.0.0.1']
    """
    return "".join(f"{name}: {value}\n" for name, value in values.items())
