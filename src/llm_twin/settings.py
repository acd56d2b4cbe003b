"""Settings from options, the environment (`TWIN_…`), `.env` and defaults, in this order.

Read once, by the CLI or by `Twin()`.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from platformdirs import user_cache_path, user_data_path
from pydantic import BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from llm_twin.errors import ConfigError
from llm_twin.links import ascii_host

MEGABYTE = 1_000_000


def _hosts(value: object) -> object:
    """Hosts from text with commas or spaces between them; a leading dot means all hosts below."""
    names = re.split(r"[,\s]+", value) if isinstance(value, str) else value
    if not isinstance(names, list | tuple):
        return value
    found = [str(name).lower() for name in names if name]
    for name in found:
        if not re.fullmatch(r"\.?[\w-]+(\.[\w-]+)*", name):
            raise ValueError(f'"{name}" is no host; give names such as ada.dev')
    return tuple("." * name.startswith(".") + ascii_host(name.removeprefix(".")) for name in found)


class Settings(BaseSettings):
    """All settings. Each field's description is its row in the README's table and in `twin doctor`."""

    model_config = SettingsConfigDict(env_prefix="TWIN_", env_file=".env", extra="ignore", frozen=True)

    home: Path = Field(
        default_factory=lambda: user_data_path("llm-twin"), description="Folder of all state: warehouse, index, locks"
    )
    warehouse: SecretStr = Field(
        default=SecretStr(""),
        description="`sqlite:///path` or `mongodb://host/database`; empty: SQLite in the home folder",
    )
    vectors: str = Field(
        default="", description="`http(s)://host:6333` of a Qdrant server or cloud; empty: embedded in the home folder"
    )
    vectors_key: SecretStr | None = Field(default=None, description="API key of the Qdrant server")
    collection: str = Field(default="chunks", description="Name of the collection on the Qdrant server")
    model: str = Field(
        default="sentence-transformers/all-MiniLM-L6-v2",
        description="Embedding model: Hub id or folder, or the name that the endpoint knows it by",
    )
    precision: Literal["fp32", "int8"] = Field(
        default="fp32", description="`int8`: embeds about twice as fast, with vectors that are nearly the same"
    )
    model_url: str = Field(
        default="", description="Address of an OpenAI-compatible endpoint that embeds, as `https://host/v1`"
    )
    model_key: SecretStr | None = Field(default=None, description="API key of that endpoint")
    model_tokens: int = Field(
        default=0, ge=0, description="Tokens that the endpoint's model reads; 0: as it is known or says, else 512"
    )
    reranker: str = Field(
        default="", description="Cross-encoder that reorders what was found: Hub id or folder; empty: none"
    )
    chunk_tokens: int = Field(
        default=0, ge=0, description="Most tokens of a passage, its headings included; 0: what the model reads"
    )
    chunk_overlap: int = Field(
        default=0, ge=0, description="Tokens that a passage repeats of the one before, at most, where a section is torn"
    )
    models: Path = Field(
        default_factory=lambda: user_cache_path("llm-twin") / "models", description="Folder where models are kept"
    )
    user_agent: str = Field(
        default="llm-twin/0.1 (+https://pypi.org/project/llm-twin/)", description="How requests identify themselves"
    )
    concurrency: int = Field(default=32, ge=1, le=256, description="Links collected at the same time")
    workers: int = Field(default=0, ge=0, le=256, description="Processes that read pages; 0: one for each core")
    delay: float = Field(default=0.5, ge=0, description="Seconds between two requests to one host")
    timeout: float = Field(default=30.0, gt=0, description="Seconds a request may take, its body included")
    link_timeout: float = Field(
        default=1800.0, gt=0, description="Seconds a link may take altogether: tries, redirects, pauses, reading"
    )
    clone_timeout: float = Field(default=300.0, gt=0, description="Seconds a clone may take")
    retries: int = Field(default=2, ge=0, le=10, description="Further tries after a transient failure")
    max_page_bytes: int = Field(default=10 * MEGABYTE, ge=1, le=12 * MEGABYTE, description="Largest page, unpacked")
    max_file_bytes: int = Field(default=MEGABYTE, ge=1, description="Largest source file kept from a repository")
    max_repository_bytes: int = Field(default=500 * MEGABYTE, ge=1, description="Largest clone")
    robots: bool = Field(default=True, description="Obey robots.txt")
    own_sites: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_hosts)] = Field(
        default=(),
        description="The author's own hosts, robots.txt not asked: `ada.dev,.ada.blog` (all below)",
    )
    render: Literal["auto", "never", "always"] = Field(
        default="auto", description="Let a browser draw pages: `auto`: those that show no text without JavaScript"
    )
    browser: str = Field(
        default="", description="Path of the Chromium that draws them; empty: the one on the PATH, else Playwright's"
    )
    posts_per_run: int = Field(
        default=100,
        ge=1,
        le=10_000,
        description="Posts and articles read of a LinkedIn profile in one run, unless `--expand` says it",
    )
    allow_private: bool = Field(default=False, description="Allow loopback and private addresses, and git over http")
    resolve: dict[str, str] = Field(
        default_factory=dict,
        description='Connect elsewhere, as JSON: `{"example.com:443": "127.0.0.1:8443"}`; for mirrors and tests',
    )
    github_token: SecretStr | None = Field(
        default=None, description="For listing a user's repositories beyond 60 an hour"
    )
    lock_wait: float = Field(default=30.0, ge=0, description="Seconds to wait for another process that holds the index")

    @classmethod
    def load(cls, **options: Any) -> Settings:
        """Settings with `options` (those that are not None) on top. Raises `ConfigError` naming the variable."""
        try:
            return cls(**{name: value for name, value in options.items() if value is not None})
        except ValidationError as error:
            first = error.errors()[0]
            name = "TWIN_" + "_".join(str(part) for part in first["loc"]).upper()
            said = first["msg"].removeprefix("Value error, ")
            raise ConfigError(f"{name}: {said[:1].lower()}{said[1:]}; see `twin doctor` for all settings") from None
        except ValueError as error:  # a value that should be JSON and is not
            raise ConfigError(f"settings: {error}; see `twin doctor` for all settings") from None

    @property
    def warehouse_address(self) -> str:
        """The warehouse's address with its password: for opening it, never for showing."""
        return self.warehouse.get_secret_value() or f"sqlite:///{self.home / 'warehouse.sqlite'}"

    @property
    def vectors_path(self) -> Path:
        """The folder of the embedded index."""
        return self.home / "vectors"


def masked(address: str) -> str:
    """An address with its user, password and query replaced by `***`, fit to be shown.

    A password may hold `/`, `#` or `?` that should have been encoded: everything up to the last `@` is masked.
    """
    shown = re.sub(r"//.*@", "//***@", address, flags=re.S)
    return re.sub(r"[?#].*", "?***", shown, flags=re.S)
