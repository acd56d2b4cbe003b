"""Every error that llm-twin raises on purpose. Their texts are one line: what, where, what to do.

    TwinError
    ├── UsageError      the caller asked for something that does not exist or makes no sense   exit code 2
    ├── ConfigError     a setting, a run file, an installed part is missing or wrong           exit code 2
    ├── StoreError      a warehouse or an index can't be opened, reached or written            exit code 2
    │   ├── LockedError     another process holds it, and the time to wait is over
    │   ├── RecordError     it is fine, but does not take this record
    │   └── OutdatedError   the index was built with another model or version: it has to be rebuilt
    └── LinkError       one link failed, for a named reason; becomes an Outcome                exit code 1
        ├── Transient       may go through later: worth a retry
        └── Permanent       will not change by itself

`Reason` is the closed set of why a link was skipped or failed.
"""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """Why a link ended as skipped or failed. Values are stored, so they are never renamed."""

    ROBOTS = "robots"
    DUPLICATE = "duplicate"
    OLDER = "older"
    RESPONSE = "response"
    OTHER_AUTHOR = "other_author"
    NOT_FOUND = "not_found"
    GONE = "gone"
    BLOCKED = "blocked"
    PAYWALL = "paywall"
    LOGIN_REQUIRED = "login_required"
    LOGIN_EXPIRED = "login_expired"
    LIST_PAGE = "list_page"
    LAYOUT_CHANGED = "layout_changed"
    INCOMPLETE = "incomplete"
    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    RATE_LIMITED = "rate_limited"
    SERVER_ERROR = "server_error"
    REDIRECT_LOOP = "redirect_loop"
    TOO_LARGE = "too_large"
    TOO_COMPLEX = "too_complex"
    NOT_HTML = "not_html"
    EMPTY = "empty"
    PRIVATE_ADDRESS = "private_address"
    BAD_LINK = "bad_link"
    BAD_DATA = "bad_data"
    INTERNAL = "internal"


class TwinError(Exception):
    """Base of all errors whose text is meant for the user."""

    exit_code = 2


class UsageError(TwinError):
    """What was asked for does not exist or makes no sense."""


class ConfigError(TwinError):
    """A setting, a run file or an installed part is missing or wrong."""


class StoreError(TwinError):
    """A warehouse or an index can't be opened, reached or written."""


class LockedError(StoreError):
    """Another process holds the store, and the time to wait is over."""


class RecordError(StoreError):
    """One record is of no kind or size that the store takes; the store itself is fine."""


class OutdatedError(StoreError):
    """The index was built with another embedding model, where it is named, or by another version of llm-twin."""

    def __init__(self, text: str, model: str = "", dimension: int = 0) -> None:
        super().__init__(text)
        self.model = model
        self.dimension = dimension


class LinkError(TwinError):
    """One link failed. `reason` is stored with the outcome, `detail` says more in words.

    `partial`: what came before it is whole by itself, and is stored.
    """

    exit_code = 1
    partial = False

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else str(reason))
        self.reason = reason
        self.detail = detail


class Transient(LinkError):
    """May go through later: worth a retry. `retry_after` is in seconds, where the server named it."""

    def __init__(self, reason: Reason, detail: str = "", retry_after: float | None = None) -> None:
        super().__init__(reason, detail)
        self.retry_after = retry_after


class Permanent(LinkError):
    """Will not change by itself."""
