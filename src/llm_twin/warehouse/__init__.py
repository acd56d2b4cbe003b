"""Where raw documents live: `open_warehouse` picks the backend by the address; the contract is in `store.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llm_twin.errors import ConfigError

if TYPE_CHECKING:
    from llm_twin.warehouse.store import Warehouse


def open_warehouse(address: str) -> Warehouse:
    """The warehouse at `sqlite:///path` (made where there is none) or `mongodb://host/database` (default: `twin`).

    `sqlite:////var/twin.sqlite` is an absolute path, `sqlite:///twin.sqlite` a relative one; `~` is the home folder.
    Raises `ConfigError` for a malformed address, `StoreError` when the store can't be opened or reached within 5 s.
    """
    from llm_twin.settings import masked

    scheme, separator, rest = address.partition("://")
    if scheme.lower() == "sqlite" and rest.startswith("/") and rest.strip("/"):
        from llm_twin.warehouse.sqlite import SQLiteWarehouse

        return SQLiteWarehouse(rest[1:])
    if scheme.lower() in {"mongodb", "mongodb+srv"} and separator:
        from llm_twin.warehouse.mongo import MongoWarehouse

        return MongoWarehouse(address)
    raise ConfigError(
        f"warehouse {masked(address)!r}: no address of a warehouse; "
        "use sqlite:///path, mongodb://host/database or mongodb+srv://host/database"
    )
