"""The files of an embedded index: which generation is in use, and the draft of the next one.

    vectors/index.json      model, dimension and the generation in use
    vectors/draft.json      the same of a rebuild that is under way or was stopped
    vectors/g-1a2b3c4d/     a generation: one folder a collection

A draft takes the place of the index by one rename, draft.json to index.json: whenever a process is killed, one of the
two is in use as a whole.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from pydantic import BaseModel, ValidationError

from llm_twin.errors import OutdatedError, StoreError

FORMAT = 4
IN_USE, DRAFT = "index.json", "draft.json"
OURS = re.compile(r"index\.json|draft\.json|\.new-.*|g-[0-9a-f]{8}")


class Meta(BaseModel):
    """What a generation was built for."""

    format: int = FORMAT
    model: str
    dimension: int
    generation: str = ""


def new_generation() -> str:
    """The name of a folder that does not exist yet."""
    return f"g-{uuid4().hex[:8]}"


def read(root: Path, file: str) -> Meta | None:
    """What stands in `index.json` or `draft.json`; None when there is none.

    Raises `StoreError` when it is damaged or can't be read, or when the folder is of something else.
    """
    try:
        text = (root / file).read_text("utf-8")
    except FileNotFoundError:
        names = [path.name for path in root.iterdir()] if root.is_dir() else []
        if IN_USE not in names and not all(map(OURS.fullmatch, names)):
            raise StoreError(f"{root} is no index of llm-twin; empty that folder or choose another home") from None
        return None
    except OSError as error:
        raise StoreError(
            f"the index in {root} can't be read: {error.strerror}; is {root.parent} the right home?"
        ) from None
    try:
        return Meta.model_validate_json(text)
    except ValidationError:
        raise StoreError(f"the index in {root} is damaged ({file}); `twin index --rebuild` builds it anew") from None


def fitting(root: Path, meta: Meta, model: str, dimension: int) -> Meta:
    """`meta`, when it is of this model and of this version. Raises `OutdatedError` when it is not."""
    if meta.format != FORMAT:
        raise OutdatedError(f"the index in {root} was built by another version of llm-twin; `twin index` rebuilds it")
    if (meta.model, meta.dimension) != (model, dimension):
        raise OutdatedError(
            f"the index in {root} was built with {meta.model} ({meta.dimension} dimensions), not with {model}"
            f" ({dimension}); `twin index` rebuilds it, or set TWIN_MODEL back",
            meta.model,
            meta.dimension,
        )
    return meta


def write(root: Path, file: str, meta: Meta) -> None:
    """Note a generation, in one step."""
    new = root / f".new-{file}"
    with new.open("w", encoding="utf-8") as out:
        json.dump(meta.model_dump(), out)
        out.flush()
        os.fsync(out.fileno())
    new.replace(root / file)


def remove_draft(root: Path) -> None:
    """Remove the draft, whatever state it is in."""
    (root / DRAFT).unlink(missing_ok=True)
    remove_strays(root)


def remove_strays(root: Path) -> None:
    """Remove every generation that neither file names, and what versions before the first generation left."""
    keep = {IN_USE, DRAFT}
    for file in (IN_USE, DRAFT):
        try:
            meta = read(root, file)
        except StoreError:
            return  # nobody knows what is still needed
        keep |= {meta.generation} if meta else set()
    for path in root.iterdir() if root.is_dir() else ():
        if path.name in keep:
            continue
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            with suppress(OSError):
                path.unlink()
