"""A keyring of the system, as its packages provide them, that lives in a file named by an environment variable."""

from __future__ import annotations

import json
import os
from pathlib import Path

from keyring.backend import KeyringBackend


class FileKeyring(KeyringBackend):
    """Keeps what it is given in the file `TEST_KEYRING`."""

    priority = 9  # type: ignore[assignment]  # keyring's own backends write it so

    def _all(self) -> dict[str, str]:
        path = Path(os.environ["TEST_KEYRING"])
        return dict(json.loads(path.read_text())) if path.exists() else {}

    def get_password(self, service: str, username: str) -> str | None:
        return self._all().get(f"{service} {username}")

    def set_password(self, service: str, username: str, password: str) -> None:
        found = {**self._all(), f"{service} {username}": password}
        Path(os.environ["TEST_KEYRING"]).write_text(json.dumps(found))

    def delete_password(self, service: str, username: str) -> None:
        raise NotImplementedError
