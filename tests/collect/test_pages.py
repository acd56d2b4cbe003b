"""What a response says: its text whatever the label, and when to come back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from email.utils import format_datetime

import pytest

from llm_twin.collect.web import Page
from llm_twin.documents import now
from llm_twin.errors import LinkError
from llm_twin.settings import Settings

SettingsFor = Callable[..., Settings]
Fetch = Callable[..., Page]
Failure = Callable[..., LinkError]

BLOG = "blog.example"
MEGABYTE = 1_000_000


MOSTLY = "Grüße und vieles, was stimmt: äöü"


@pytest.mark.parametrize(
    ("body", "label", "text"),
    [
        ("Grüße".encode(), "", "Grüße"),
        ("Grüße".encode("latin-1"), "iso-8859-1", "Grüße"),
        ("Grüße “zitiert”".encode("cp1252"), "iso-8859-1", "Grüße “zitiert”"),
        ("Grüße".encode(), "iso-8859-1", "Grüße"),
        ("Grüße".encode("utf-8-sig"), "iso-8859-1", "Grüße"),
        ("Grüße".encode("utf-16"), "", "Grüße"),
        ('<meta charset="koi8-r">Привет'.encode("koi8-r"), "", '<meta charset="koi8-r">Привет'),
        ('<meta charset="koi8-r">Привет'.encode("koi8-r"), "utf-8", '<meta charset="koi8-r">Привет'),
        ("<?xml version='1.0' encoding='cp1251'?>Да".encode("cp1251"), "", "<?xml version='1.0' encoding='cp1251'?>Да"),
        ("日本語のページ".encode("iso2022_jp"), "iso-2022-jp", "日本語のページ"),
        ("日本語のページ".encode("cp932"), "shift_jis", "日本語のページ"),
        (MOSTLY.encode() + b"\xfc", "utf-8", MOSTLY + "\ufffd"),
        (MOSTLY.encode() + b"\xfc", "", MOSTLY + "\ufffd"),
        (b"\xff\xff\x81", "windows-1252", "ÿÿ\ufffd"),
        (b"", "utf-8", ""),
    ],
)
def test_text_is_read_whatever_its_label_says(body: bytes, label: str, text: str) -> None:
    headers = {"content-type": f"text/html; charset={label}" if label else "text/html"}
    assert Page("http://x.example/", 200, headers, now(), body).text == text


@pytest.mark.parametrize("label", ["no-such-charset", "hex", "undefined", "idna", "utf-16", '"', "utf8; charset="])
def test_a_label_that_means_nothing_is_no_obstacle(label: str) -> None:
    body = "Ein längerer deutscher Satz, in dem für Größe und Maß Umlaute stehen.".encode("cp1252")
    text = Page("http://x.example/", 200, {"content-type": f"text/html; charset={label}"}, now(), body).text
    assert isinstance(text, str)
    assert Page("http://x.example/", 200, {"content-type": f"text/html; charset={label}"}, now(), b"plain").text
    if label != "utf-16":
        assert "längerer deutscher Satz" in text


def test_retry_after_may_be_a_date() -> None:
    date = format_datetime((now() + timedelta(seconds=90)).replace(microsecond=0), usegmt=True)
    for value, least, most in ((date, 80, 90), ("7", 7, 7), ("Thu, 01 Jan 2015 00:00:00 GMT", 0, 0)):
        page = Page("http://x.example/", 503, {"retry-after": value}, now(), b"")
        assert page.retry_after is not None
        assert least <= page.retry_after <= most
    assert Page("http://x.example/", 503, {"retry-after": "soon"}, now(), b"").retry_after is None
