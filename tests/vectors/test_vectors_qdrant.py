"""The index on a server: what goes wrong on the way there, and after half a write."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from pydantic import SecretStr
from qdrant_client import QdrantClient, models

from llm_twin.errors import ConfigError, OutdatedError, StoreError
from llm_twin.settings import Settings
from llm_twin.vectors import open_vectors, qdrant
from llm_twin.vectors.edge import EdgeVectors
from llm_twin.vectors.qdrant import QdrantVectors
from llm_twin.vectors.store import ChunkFilter, Indexed

pytestmark = pytest.mark.filterwarnings("ignore:.*no effect:UserWarning")
Build = Callable[..., Indexed]
KEY = SecretStr("s3cret-key")


class Refusing(BaseHTTPRequestHandler):
    """Answers every request with the server's `status`, quoting the key as a bad proxy might."""

    def do_GET(self) -> None:
        body = json.dumps({"status": {"error": f"key {self.headers['api-key']} is not allowed"}}).encode()
        self.send_response(self.server.status)  # type: ignore[attr-defined]
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as running:
        Thread(target=running.serve_forever, daemon=True).start()
        yield running
        running.shutdown()


def url(port: int) -> str:
    return f"http://ada:pass-word@127.0.0.1:{port}"


def refused(port: int) -> str:
    with pytest.raises(StoreError) as error:
        QdrantVectors(url(port), KEY, "chunks", "tiny", 4)
    text = str(error.value)
    assert f"http://***@127.0.0.1:{port}" in text
    assert "s3cret" not in text
    assert "pass-word" not in text
    assert "\n" not in text
    return text


def test_a_server_that_is_not_there_is_a_store_error_without_key_and_password() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert "can't be reached" in refused(port)


def test_a_server_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(qdrant, "OPEN_SECONDS", 1)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert "Timeout" in refused(listener.getsockname()[1])


@pytest.mark.parametrize(("status", "text"), [(401, "TWIN_VECTORS_KEY"), (403, "does not allow"), (500, "HTTP 500")])
def test_a_refusal_says_what_to_do_without_the_key(server: ThreadingHTTPServer, status: int, text: str) -> None:
    server.status = status  # type: ignore[attr-defined]
    assert text in refused(server.server_address[1])


def test_a_server_that_is_no_qdrant_is_a_store_error(server: ThreadingHTTPServer) -> None:
    server.status = 200  # type: ignore[attr-defined]
    assert "answers nonsense" in refused(server.server_address[1])


class Failing(QdrantClient):
    """A client whose server goes away at the named request."""

    gone_at = ""

    def upsert(self, collection: str, *arguments: Any, **options: Any) -> Any:
        if self.gone_at == "upsert" and "documents" not in collection:
            raise ConnectionResetError
        return super().upsert(collection, *arguments, **options)

    def delete(self, *arguments: Any, **options: Any) -> Any:
        if self.gone_at == "delete":
            raise ConnectionResetError
        return super().delete(*arguments, **options)


@pytest.mark.parametrize(("gone_at", "left"), [("upsert", {"old "}), ("delete", {"old ", "new "})])
def test_a_write_cut_short_leaves_the_ledger_stale_and_is_made_good_by_the_next(
    indexed: Build, gone_at: str, left: set[str]
) -> None:
    client = Failing(":memory:")
    store = QdrantVectors("http://test", None, "chunks", "tiny", 4, client)
    old, new = indexed("a", "old "), indexed("a", "new ", fingerprint="a-2")
    store.put([old])
    client.gone_at = gone_at
    with pytest.raises(StoreError, match="http://test"):
        store.put([new])
    client.gone_at = ""
    assert store.ledger()[old.card.document_id].fingerprint == ""
    ids = {document.chunks[0].id for document in (old, new) if document.chunks[0].text in left}
    assert set(store.chunk_ids()[old.card.document_id]) == ids
    store.put([new])
    assert store.ledger()[old.card.document_id].fingerprint == "a-2"
    assert store.chunk_ids() == {new.card.document_id: [new.chunks[0].id]}


class Recording(QdrantClient):
    """A client that notes how aliases were changed, and what existed at that moment."""

    def __init__(self) -> None:
        super().__init__(":memory:")
        self.changes: list[tuple[int, set[str]]] = []
        self.indexes: set[tuple[str, str]] = set()

    def create_payload_index(self, collection: str, field: str, *arguments: Any, **options: Any) -> Any:
        self.indexes.add((collection, field))

    def update_collection_aliases(self, operations: Any, **options: Any) -> bool:
        before = {each.name for each in self.get_collections().collections}
        self.changes.append((len(operations), before))
        return super().update_collection_aliases(operations, **options)


def test_a_rebuild_switches_both_aliases_in_one_request_and_removes_the_old_collections(indexed: Build) -> None:
    client = Recording()
    store = QdrantVectors("http://test", None, "chunks", "tiny", 4, client)
    store.put([indexed("a", "old ")])
    old = {each.name for each in client.get_collections().collections}
    draft = QdrantVectors("http://test", None, "chunks", "tiny", 4, client, draft=True)
    draft.put([indexed("a", "new ")])
    client.changes.clear()
    draft.publish()
    ((_, before),) = client.changes
    assert old < before
    aliases = {each.alias_name: each.collection_name for each in client.get_aliases().aliases}
    assert aliases.keys() == {"chunks", "chunks_documents"}
    assert {each.name for each in client.get_collections().collections} == set(aliases.values()) == before - old


def test_every_field_that_is_filtered_by_has_a_payload_index_in_both_collections(indexed: Build) -> None:
    client = Recording()
    QdrantVectors("http://test", None, "chunks", "tiny", 4, client).put([indexed("a", "one ")])
    filtered = {
        {"since": "published_at", "document_ids": "document_id"}.get(name, name) for name in ChunkFilter.model_fields
    }
    for collection in client.get_collections().collections:
        assert {(collection.name, field) for field in filtered} <= client.indexes


def test_collections_of_another_user_of_the_server_are_left_alone(indexed: Build) -> None:
    client = QdrantClient(":memory:")
    others = {"chunks_of_mine", "photos", "my_chunks_0123abcd", "chunks_documents_old"}
    for name in others:
        client.create_collection(name, models.VectorParams(size=4, distance=models.Distance.DOT))
    for draft in (False, True):
        with QdrantVectors("http://test", None, "chunks", "tiny", 4, client, draft=draft) as store:
            store.put([indexed("a", "one ")])
            store.publish()
    assert others < {each.name for each in client.get_collections().collections}


def test_an_index_of_a_version_without_aliases_is_rebuilt(indexed: Build) -> None:
    client = QdrantClient(":memory:")
    vectors = {"dense": models.VectorParams(size=4, distance=models.Distance.COSINE)}
    client.create_collection("chunks", vectors)
    with pytest.raises(OutdatedError, match="another version of llm-twin; `twin index` rebuilds it"):
        QdrantVectors("http://test", None, "chunks", "tiny", 4, client)
    draft = QdrantVectors("http://test", None, "chunks", "tiny", 4, client, draft=True)
    draft.put([indexed("a", "one ")])
    draft.publish()
    assert QdrantVectors("http://test", None, "chunks", "tiny", 4, client).count() == 1


def test_a_collection_of_something_else_is_left_alone() -> None:
    client = QdrantClient(":memory:")
    client.create_collection("photos", models.VectorParams(size=4, distance=models.Distance.DOT))
    with pytest.raises(StoreError, match="photos on http://test is no index of llm-twin; set TWIN_COLLECTION"):
        QdrantVectors("http://test", None, "photos", "tiny", 4, client)


def test_the_settings_choose_the_store(tmp_path: Any) -> None:
    with open_vectors(Settings(home=tmp_path, vectors=""), "tiny", 4) as store:
        assert isinstance(store, EdgeVectors)
        assert store.path == tmp_path / "vectors"
    with pytest.raises(ConfigError, match="TWIN_VECTORS: redis://"):
        open_vectors(Settings(home=tmp_path, vectors="redis://localhost"), "tiny", 4)
    with pytest.raises(StoreError, match="127.0.0.1:1 can't be reached"):
        open_vectors(Settings(home=tmp_path, vectors="http://127.0.0.1:1"), "tiny", 4)
