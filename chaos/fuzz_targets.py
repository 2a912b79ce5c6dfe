"""The fuzz targets by name; each is imported where it is asked for, and Beam with some."""

from collections.abc import Mapping
from importlib import import_module

from chaos.fuzz_target import Target

__all__ = ["TARGETS", "load_target", "told_of"]

TARGETS: Mapping[str, tuple[str, str]] = {
    "decode": ("chaos.fuzz_events", "PAYLOADS"),
    "pubsub_messages": ("chaos.fuzz_events", "MESSAGES"),
    "archive_objects": ("chaos.fuzz_archive", "OBJECTS"),
    "quarantine_objects": ("chaos.fuzz_archive", "QUARANTINES"),
    "contracts": ("chaos.fuzz_contracts", "CONTRACTS"),
    "feature_files": ("chaos.fuzz_declarations", "FEATURE_FILES"),
    "metric_files": ("chaos.fuzz_declarations", "METRIC_FILES"),
    "quality_files": ("chaos.fuzz_declarations", "QUALITY_FILES"),
    "environment_files": ("chaos.fuzz_declarations", "ENVIRONMENTS"),
    "options": ("chaos.fuzz_options", "OPTIONS"),
    "command_lines": ("chaos.fuzz_options", "COMMAND_LINES"),
    "manifests": ("chaos.fuzz_manifests", "MANIFESTS"),
    "key_rings": ("chaos.fuzz_texts", "KEY_RINGS"),
    "cell_lines": ("chaos.fuzz_texts", "CELL_LINES"),
    "records": ("chaos.fuzz_texts", "RECORDS"),
}
"""By name the module that holds a target, and its name in there."""


def load_target(name: str) -> Target:
    """Return a target; `KeyError` where there is none of that name."""
    module, attribute = TARGETS[name]
    target: Target = getattr(import_module(module), attribute)
    return target


def told_of(name: str) -> str:
    """Return what a target promises."""
    return load_target(name).told
