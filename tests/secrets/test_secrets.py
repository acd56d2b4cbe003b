"""Secrets are masked wherever they stand in a document, and nothing else is."""

from __future__ import annotations

import gzip
import html
import json
import random
import string
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llm_twin.collect.secrets import masked
from llm_twin.documents import Author, Document, Raw, now

ADA = Author.named("Ada Example")
PAGES = Path(__file__).parents[3] / "shared" / "data" / "pages"
SOURCE = Path(__file__).parents[2] / "src"


def drawn(letters: str, length: int, seed: int = 7) -> str:
    """The same letters every time, so that no secret stands in this file."""
    return "".join(random.Random(seed).choices(letters, k=length))


ALNUM = string.ascii_letters + string.digits
LOWER = string.ascii_lowercase + string.digits
PEM = "\n".join(drawn(ALNUM + "+/", 64, seed) for seed in range(12))
SECRETS = {
    "aws access key": "AKIA" + drawn(string.ascii_uppercase + "234567", 16),
    "github pat": "ghp_" + drawn(ALNUM, 36),
    "gitlab pat": "glpat-" + drawn(ALNUM, 20),
    "openai api key": "sk-" + drawn(ALNUM, 20) + "T3Blbk" + "FJ" + drawn(ALNUM, 20, 8),
    "anthropic api key": "sk-ant-" + "api03-" + drawn(ALNUM, 93) + "AA",
    "huggingface access token": "hf_" + drawn(string.ascii_letters, 34),
    "gcp api key": "AIza" + drawn(ALNUM, 35),
    "slack bot token": "xoxb-" + "-".join(drawn(string.digits, 12, seed) for seed in (1, 2)) + "-" + drawn(ALNUM, 24),
    "stripe access token": "sk_" + "live_" + drawn(ALNUM, 24),
    "npmjsaccesstoken": "npm_" + drawn(ALNUM, 36),
    "private key": f"-----BEGIN RSA {'PRIVATE'} KEY-----\n{PEM}\n-----END RSA {'PRIVATE'} KEY-----",
}
PASSWORD = drawn(ALNUM, 13)
ADDRESSES = [
    "postgres://ada:{}@db.prod.net:5432/app",
    "mysql://root:{}@10.0.0.5/app",
    "mongodb+srv://ada:{}@cluster0.ab1cd.mongodb.net/app?retryWrites=true",
    "redis://:{}@cache.prod.net:6379/0",
    "amqp://ada:{}@queue.prod.net/",
    "https://ada:{}@git.prod.net/ada/notes.git",
]
any_secret = pytest.mark.parametrize(("label", "secret"), SECRETS.items())


def document(text: str, title: str = "A title", raw: bytes | None = None, **more: Any) -> Document:
    """An article with this text."""
    fields = {"kind": "article", "platform": "example", "metadata": {}} | more
    page = Raw(url="https://ada.example/a", status=200, headers={}, fetched_at=now(), body=raw) if raw else None
    return Document.of(ADA, "https://ada.example/a", title=title, text=text, raw=page, **fields)


def text_of(text: str, **more: Any) -> str:
    """What is stored of a text."""
    return masked([document(text, **more)])[0][0].text


@any_secret
def test_a_secret_is_masked_and_the_rest_of_its_line_kept(label: str, secret: str) -> None:
    (clean,), count = masked([document(f'Before it: key = "{secret}" # and after\nNext line')])
    assert clean.text == f'Before it: key = "***masked: {label}***" # and after\nNext line'
    assert count == 1


@any_secret
@pytest.mark.parametrize("around", ["`{}`", "Mine is {}.", "({}), or", "**{}**", "[{}](#a)", "<b>{}</b>", "{}"])
def test_a_secret_is_found_in_markdown(label: str, secret: str, around: str) -> None:
    if label == "gcp api key" and "**" in around:
        around = "{}"
    assert text_of(around.format(secret)) == around.format(f"***masked: {label}***")


@pytest.mark.parametrize("address", ADDRESSES)
def test_of_an_address_only_the_password_is_masked(address: str) -> None:
    assert text_of(f"Connect to {address.format(PASSWORD)} first") == (
        f"Connect to {address.format('***masked: password***')} first"
    )


@pytest.mark.parametrize(
    "password", ["password", "<password>", "$PASSWORD", "${DB_PASS}", "your_password", "{secret}", "***"]
)
@pytest.mark.parametrize("address", ADDRESSES)
def test_the_password_of_an_example_stays(address: str, password: str) -> None:
    text = f"Connect to {address.format(password)} first"
    assert text_of(text) == text


@any_secret
def test_a_secret_is_masked_in_title_metadata_and_the_page_itself(label: str, secret: str) -> None:
    page = f"<p>My key is <code>{secret}</code></p><script>{json.dumps({'key': secret})}</script>".encode()
    one = document(
        f"My key is `{secret}`", f"On {secret}", page, metadata={"tags": ["a", secret], "more": {"b": f"x {secret} y"}}
    )
    (clean,), count = masked([one])
    stored = clean.model_dump_json() + (clean.raw.body.decode() if clean.raw else "")
    assert secret not in stored
    assert json.dumps(secret)[1:-1] not in stored
    assert clean.title == f"On ***masked: {label}***"
    assert clean.metadata["tags"] == ["a", f"***masked: {label}***"]
    assert clean.id == one.id
    assert count == 1


@pytest.mark.parametrize("label", [name for name in SECRETS if name != "private key"])
def test_a_secret_is_masked_in_the_link_that_a_page_was_found_at(label: str) -> None:
    link = f"https://ada.example/a?token={SECRETS[label]}&page=2"
    raw = Raw(
        url=link, status=200, headers={"etag": SECRETS[label], "link": f"<{link}>"}, fetched_at=now(), body=b"<p>"
    )
    fields = {"kind": "article", "platform": "example", "title": "A", "text": "B"}
    whole = Document.of(ADA, link, raw=raw, **fields)
    part = Document.of(ADA, link + "#part", parent_id=whole.id, **fields)
    clean, count = masked([whole, part.model_copy(update={"link": "https://ada.example/b"})])
    assert clean[0].link == "https://ada.example/a?token=masked&page=2"
    assert clean[0].id == clean[1].parent_id == Document.of(ADA, clean[0].link, **fields).id
    assert SECRETS[label] not in "".join(each.model_dump_json() for each in clean)
    assert clean[0].raw
    assert clean[0].raw.url == clean[0].link
    assert count == 1
    assert masked(clean)[0] == clean


def test_a_secret_that_a_page_writes_otherwise_than_its_text_is_masked_in_both() -> None:
    secret = drawn(ALNUM, 20) + "&" + drawn(ALNUM, 20, 3)
    text = f"postgres://ada:{secret}@db.prod.net/app"
    (clean,), _ = masked([document(text, raw=f"<p><b>{html.escape(text)}</b>".encode())])
    assert clean.raw
    assert html.escape(secret).encode() not in clean.raw.body


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "latin-1"])
def test_a_page_keeps_its_encoding(encoding: str) -> None:
    page = "<p>é key: '{}' ü</p>"
    (clean,), _ = masked([document("é", raw=page.format(SECRETS["github pat"]).encode(encoding))])
    assert clean.raw
    assert clean.raw.body.decode(encoding) == page.format("***masked: github pat***")


def test_a_secret_of_one_file_is_masked_in_all_files_of_its_repository() -> None:
    password = drawn(ALNUM, 24)
    files = [
        document(f"DB_PASSWORD={password}\nDEBUG=1\n", kind="code", metadata={"path": "app/.env.production"}),
        document(f'connect("{password}")\n', kind="code", metadata={"path": "app/db.py"}),
    ]
    clean, count = masked(files)
    assert [each.text for each in clean] == [
        "DB_PASSWORD=***masked: setting***\nDEBUG=1\n",
        'connect("***masked: setting***")\n',
    ]
    assert count == 1


@pytest.mark.parametrize(
    ("path", "text", "stored"),
    [
        (".env", "export API_KEY='s3cr et' # mine\n", "export API_KEY='***masked: setting***' # mine\n"),
        ("a/.env.local", "SECRET=$2b$10$abc\r\nPORT=80\r\n", "SECRET=***masked: setting***\r\nPORT=80\r\n"),
        ("prod.env", "TOKEN=\nTOKEN=changeme\nTOKEN=${TOKEN}\n", "TOKEN=\nTOKEN=changeme\nTOKEN=${TOKEN}\n"),
        (".netrc", "machine a.b login c password d3f\n", "machine a.b login c password ***masked: setting***\n"),
        (".pgpass", "db.prod.net:5432:app:ada:pa55\n", "db.prod.net:5432:app:ada:***masked: setting***\n"),
        ("app.py", "password = ask()\nAPI_KEY = 's3cr et'\n", "password = ask()\nAPI_KEY = 's3cr et'\n"),
    ],
)
def test_files_of_settings_lose_the_values_of_their_secrets(path: str, text: str, stored: str) -> None:
    assert text_of(text, kind="code", metadata={"path": path}) == stored


def test_a_mask_in_a_page_hides_nothing() -> None:
    secret = SECRETS["aws access key"]
    assert secret not in text_of(f"***masked: {secret}***")


def test_hashes_ids_and_numbers_are_no_secrets() -> None:
    lines = [drawn("0123456789abcdef", length, length) for length in (32, 40, 64, 128)]
    lines += ["123e4567-e89b-12d3-a456-426614174000", "sha256:" + lines[2], "+49 170 1234567", "4111 1111 1111 1111"]
    text = "\n".join(lines)
    assert text_of(text) == text


words = st.sampled_from(
    [*SECRETS.values(), *(address.format(PASSWORD) for address in ADDRESSES), "***masked: jwt***", "***masked: ", "***"]
)
texts = st.lists(st.one_of(words, st.text(max_size=12), st.sampled_from(list(" \n'\"`=:@/{}<>.,"))), max_size=12).map(
    "".join
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(texts, texts, texts)
def test_masking_twice_is_masking_once(text: str, title: str, page: str) -> None:
    documents = [document(text, title, page.encode("utf-8", "surrogatepass"), metadata={"a": [title, {"b": text}]})]
    once, _ = masked(documents)
    assert masked(once) == (once, 0)


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=300), st.text(max_size=300))
def test_text_around_a_secret_stays_as_it_is(before: str, after: str) -> None:
    secret = SECRETS["github pat"]
    assert text_of(f"{before}\n{secret}\n{after}") == f"{before}\n***masked: github pat***\n{after}"


def test_our_own_source_has_nothing_to_mask() -> None:
    for path in SOURCE.rglob("*.py"):
        text = path.read_text()
        name = str(path.relative_to(SOURCE))
        assert text_of(text, kind="code", metadata={"path": name}) == text, name


@pytest.mark.skipif(not PAGES.is_dir(), reason="the saved pages are not on this machine")
def test_nothing_is_masked_in_the_texts_of_real_pages() -> None:
    with gzip.open(PAGES / "gold.jsonl.gz", "rt") as lines:
        texts = [page["markdown"] or page["text"] or "" for page in map(json.loads, lines)]
    assert len(texts) > 800
    assert masked([document(text) for text in texts])[1] == 0


@pytest.mark.parametrize(
    "text", ["key" * 300_000, "key=a" + " " * 900_000 + 'b"', "://" + "a:" * 400_000, "key=" * 200_000]
)
@pytest.mark.parametrize("path", [".env", ".netrc", ".pgpass", "a.py"])
def test_text_made_to_take_long_takes_seconds(text: str, path: str) -> None:
    started = time.perf_counter()
    text_of(text, kind="code", metadata={"path": path})
    assert time.perf_counter() - started < 60  # on a busy machine; what grows with the square of the length takes hours
