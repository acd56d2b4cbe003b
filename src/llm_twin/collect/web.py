"""Polite and safe HTTP. (Interface stub, replaced by the implementation.)"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import TracebackType
from typing import Self

from llm_twin.documents import Raw
from llm_twin.settings import Settings


@dataclass(frozen=True)
class Page:
    """A response that came through: status 200, its body unpacked and under the cap."""

    url: str  # after redirects
    status: int
    headers: Mapping[str, str]  # names in lower case
    fetched_at: datetime
    body: bytes = field(repr=False)

    @property
    def content_type(self) -> str: ...

    @property
    def text(self) -> str: ...

    @property
    def raw(self) -> Raw: ...


class Web:
    """The outside world, as crawlers see it. Use as an async context manager."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    async def get(self, url: str, *, headers: Mapping[str, str] | None = None, robots: bool = True) -> Page: ...

    async def address(self, host: str, port: int) -> tuple[str, int]: ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
