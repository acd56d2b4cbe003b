"""Saved sessions: a sealed file for each site, below the home folder.

Sealed with Fernet (AES-128-CBC and HMAC-SHA256). The key lies in the system's keyring where there is one, else in a
file beside them, which keeps sessions out of backups of single files, greps and mistakes, not from who can read both.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from llm_twin.collect.sessions.cookies import Cookie
from llm_twin.collect.sessions.sites import Site, site_named
from llm_twin.documents import Moment, now
from llm_twin.errors import ConfigError, TwinError, UsageError
from llm_twin.links import on_domain

if TYPE_CHECKING:
    from cryptography.fernet import Fernet

SERVICE = "llm-twin sessions"  # the name in the keyring
RECOMMENDED = 1  # keyring's own threshold of what is safe
HEADS = {b"keyring": "the system's keyring", b"file": "a file beside it"}

State = Literal["signed in", "not checked", "expired", "blocked"]
SECONDS = {"d": 86_400, "h": 3_600, "min": 60}


class Session(BaseModel):
    """Being signed in at one site."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    site: str
    cookies: tuple[Cookie, ...] = Field(repr=False)
    came_by: Literal["window", "form", "import"]
    saved_at: Moment = Field(default_factory=now)
    checked_at: Moment | None = None  # when a page for members was last seen with it
    problem: Literal["", "expired", "blocked"] = ""  # what a site answered when it was last used
    problem_at: Moment | None = None
    key_in: str = Field(default="", exclude=True)

    @property
    def at(self) -> Site:
        """The site."""
        return site_named(self.site)

    @property
    def until(self) -> datetime | None:
        """When the cookie that says who is signed in ends; None: unknown."""
        site = self.at
        ends = [cookie.expires for cookie in self.cookies if not site.mark or cookie.name == site.mark]
        known = [end for end in ends if end]
        return datetime.fromtimestamp(min(max(known), 253_402_300_799), UTC) if known else None

    @property
    def state(self) -> State:
        """How it stands, as far as can be told without asking the site."""
        if self.problem:
            return self.problem
        if not self.at.signed_in(self.cookies):
            return "expired"
        return "signed in" if self.checked_at else "not checked"


def ago(moment: datetime) -> str:
    """How long ago a moment was, in its largest unit."""
    seconds = max(0.0, (now() - moment).total_seconds())
    return next(
        (f"{seconds / size:.0f} {unit} ago" for unit, size in SECONDS.items() if seconds >= size),
        f"{seconds:.0f} s ago",
    )


class Sessions:
    """The sessions of one home folder. Files are read when they are asked for; writing replaces them at once."""

    def __init__(self, home: Path) -> None:
        self._home = home.expanduser()
        self._folder = self._home / "sessions"

    def get(self, site: str) -> Session | None:
        """The session of a site, if there is one. Raises `ConfigError` when it can't be opened."""
        path = self._path(site)
        try:
            head, _, sealed = path.read_bytes().partition(b"\n")
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ConfigError(f"the session of {site} can't be read: {error.strerror}: {path}") from None
        from cryptography.fernet import InvalidToken

        key = self._key(head, make=False)
        try:
            if not key or head not in HEADS:
                raise InvalidToken
            found = Session.model_validate_json(key.decrypt(sealed))
        except (InvalidToken, ValidationError):
            where = HEADS.get(head, "nowhere")
            why = f"its key is not the one in {where}, or the file is damaged" if key else f"its key is not in {where}"
            raise ConfigError(
                f"the session of {site} can't be opened: {why}; sign in again: twin login {site}"
            ) from None
        return found.model_copy(update={"key_in": HEADS[head]})

    def for_host(self, host: str) -> Session | None:
        """The session of the site that a host belongs to, if there is one."""
        for name in self.names():
            if any(on_domain(host, domain) for domain in site_named(name).domains):
                return self.get(name)
        return None

    def names(self) -> list[str]:
        """The sites there are sessions of; files whose names are none of a site are nobody's."""
        return sorted(path.stem for path in self._folder.glob("*.session") if _is_site(path.stem))

    def put(self, session: Session) -> Session:
        """Save a session, in the place of the site's former one. Raises `ConfigError` when it can't be written."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._folder.chmod(0o700)
            head = b"keyring" if _keyring() else b"file"
            key = self._key(head, make=True)
            if not key:
                raise ConfigError("the system's keyring keeps no key; see `keyring diagnose`")
            _write(self._path(session.site), head + b"\n" + key.encrypt(session.model_dump_json().encode()))
        except OSError as error:
            raise ConfigError(f"the session can't be saved: {error.strerror}: {self._folder}") from None
        return session.model_copy(update={"key_in": HEADS[head]})

    def mark(self, site: str, problem: Literal["expired", "blocked"]) -> None:
        """Write down that a site takes the session no longer, so that it is not tried over and over."""
        with suppress(TwinError):
            if found := self.get(site):
                self.put(found.model_copy(update={"problem": problem, "problem_at": now()}))

    def forget(self, site: str) -> bool:
        """Remove the session of a site; False where there is none. Raises `ConfigError` when it can't be removed."""
        try:
            self._path(site).unlink()
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError as error:
            raise ConfigError(f"the session can't be removed: {error.strerror}: {self._path(site)}") from None
        return True

    def _path(self, site: str) -> Path:
        return self._folder / f"{site}.session"

    def _key(self, head: bytes, *, make: bool) -> Fernet | None:
        """The key of a file with this head. None where there is none. Raises `ConfigError` for a damaged one."""
        from cryptography.fernet import Fernet

        in_keyring = head == b"keyring"
        try:
            found = self._in_keyring(make) if in_keyring else self._in_file(make)
            return None if found is None else Fernet(found)
        except OSError as error:
            raise ConfigError(f"the key of the sessions can't be used: {error.strerror}: {self._key_file}") from None
        except ValueError:
            where = f"the entry {SERVICE!r} of the system's keyring" if in_keyring else self._key_file
            raise ConfigError(f"the key of the sessions is damaged: remove {where}, then sign in again") from None

    def _in_keyring(self, make: bool) -> str | None:
        if not _keyring():
            return None
        import keyring
        from cryptography.fernet import Fernet
        from keyring.errors import KeyringError

        whose = str(self._home.absolute())
        try:
            found: str | None = keyring.get_password(SERVICE, whose)
            if found is None and make:
                found = Fernet.generate_key().decode()
                keyring.set_password(SERVICE, whose, found)
        except KeyringError as error:
            raise ConfigError(f"the system's keyring can't be used: {type(error).__name__}; unlock it") from None
        return found

    @property
    def _key_file(self) -> Path:
        return self._folder / "key"

    def _in_file(self, make: bool) -> bytes | None:
        from cryptography.fernet import Fernet

        with suppress(FileNotFoundError):
            return self._key_file.read_bytes()
        if not make:
            return None
        with suppress(FileExistsError):  # another process was quicker
            _write(self._key_file, Fernet.generate_key(), new=True)
        return self._key_file.read_bytes()


def _is_site(name: str) -> bool:
    try:
        return site_named(name).name == name
    except UsageError:
        return False


def _keyring() -> bool:
    """Whether there is a keyring of the system that may be trusted with a key."""
    try:
        import keyring
    except ImportError:
        return False
    return bool(keyring.get_keyring().priority >= RECOMMENDED)


def _write(path: Path, data: bytes, *, new: bool = False) -> None:
    """Write a file that its owner alone can read, whole or not at all. `new`: `FileExistsError` if there is one."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".writing-")  # mode 0600
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if new:
            os.link(name, path)
        else:
            Path(name).replace(path)
    finally:
        Path(name).unlink(missing_ok=True)
