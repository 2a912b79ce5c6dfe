"""A machine where nobody has logged in to Google Cloud, whatever this one is."""

from pathlib import Path

import google.auth
import pytest

from schemas import credentials

VARIABLES = (
    "BIGQUERY_EMULATOR_HOST",
    "BIGTABLE_EMULATOR_HOST",
    "GOOGLE_APPLICATION_CREDENTIALS",
    "PUBSUB_EMULATOR_HOST",
    "STORAGE_EMULATOR_HOST",
)


def forget_credentials(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Leave no credentials, emulator or metadata server to be found; `folder` holds no login."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(folder))
    # Emulators that run for other tests have made the clients of this process anonymous.
    monkeypatch.setattr(google.auth, "default", google.auth._default.default)
    monkeypatch.setattr(google.auth._default, "_get_gce_credentials", lambda *_, **__: (None, None))
    credentials._find.cache_clear()
