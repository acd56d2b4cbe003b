"""What came back for a link: status, headers, unpacked body, and its text."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import Message
from email.utils import parsedate_to_datetime
from functools import cached_property
from html import unescape

from llm_twin.documents import Raw, Seen, body_digest, now
from llm_twin.errors import LinkError, Permanent, Reason, Transient

KEPT_HEADERS = {"content-type", "content-language", "etag", "last-modified", "link", "x-robots-tag"}

REFUSALS = {
    401: (Reason.LOGIN_REQUIRED, "the site asks to sign in"),
    402: (Reason.PAYWALL, "the site asks to pay"),
    404: (Reason.NOT_FOUND, "no such page"),
    410: (Reason.GONE, "the page was removed"),
    451: (Reason.GONE, "the page was removed for legal reasons"),
    999: (Reason.BLOCKED, "LinkedIn refuses robots"),
}

# Labels that browsers read as the larger character set (WHATWG Encoding Standard, section 4.2).
SUPERSETS = {"iso8859-1": "cp1252", "ascii": "cp1252", "gb2312": "gb18030", "gbk": "gb18030", "shift_jis": "cp932"}
SUPERSETS |= {"euc_kr": "cp949", "iso8859-9": "cp1254"}
PYTHONS_OWN = {"punycode", "idna", "unicode-escape", "raw-unicode-escape", "undefined"}  # no page is written in them
BOMS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
IN_PAGE_LABEL = re.compile(
    rb"""<meta[^>]{0,200}?charset\s*=\s*["']?\s*([\w.:-]+)|^\s*<\?xml[^>]{0,200}?encoding=["']([\w.:-]+)""", re.I
)
GUESS_FROM = 20_000  # bytes, enough for statistics and quick
# How Hugo, Jekyll and others forward from an old address; in <noscript> it is meant for old browsers only.
FORWARD = re.compile(
    r"""<meta\s(?=[^>]{0,300}http-equiv=["']?refresh)[^>]{0,300}?content=["']?\s*[0-5]\s*;\s*url=["']?([^"'>\s]+)""",
    re.I,
)
FORWARD_BYTES = 4000  # such a page has nothing else in it
REDIRECTS = {301, 302, 303, 307, 308}
LABEL_WITHIN = 4096  # bytes; the standard says 1,024, pages are less strict


@dataclass(frozen=True)
class Page:
    """A response. `Web.get` gives only those that came through: status 200, body unpacked and under the cap."""

    url: str  # after redirects
    status: int
    headers: Mapping[str, str]  # names in lower case
    fetched_at: datetime
    body: bytes = field(repr=False)

    @property
    def content_type(self) -> str:
        """The media type in lower case without parameters; empty when the server names none."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @cached_property
    def text(self) -> str:
        """The decoded body. A byte order mark wins, then UTF-8 where it fits, then the labels of header and page."""
        for mark, encoding in BOMS.items():
            if self.body.startswith(mark):
                return self.body.decode(encoding, "replace")
        labels = [*self._labels()]
        # Seven-bit encodings with escapes are valid UTF-8 too; of all others valid UTF-8 is never an accident.
        if not any(label.startswith(("iso2022", "hz", "utf-16", "utf-32", "utf-7")) for label in labels):
            labels.insert(0, "utf-8")
        for label in labels:
            try:
                return self.body.decode(label)
            except (UnicodeError, LookupError):
                continue
        return self.body.decode(_guess(self.body, labels), "replace")

    def __getstate__(self) -> dict[str, object]:
        """What goes to another process: the text is made there from the body."""
        return {name: value for name, value in vars(self).items() if name != "text"}

    def _labels(self) -> Iterator[str]:
        """Python's names of the encodings that the header and the page claim, those it does not know left out."""
        header = Message()
        header["content-type"] = self.headers.get("content-type", "")
        charset = header.get_content_charset()
        match = IN_PAGE_LABEL.search(self.body[:LABEL_WITHIN])
        in_page = (match[1] or match[2]).decode("ascii", "replace") if match else None
        for label in (charset, in_page):
            try:
                name = codecs.lookup(label).name if label else ""
                b"  ".decode(name or "utf-8", "replace")  # refuses what is no encoding of text, such as hex
            except (LookupError, UnicodeError, ValueError):
                continue
            if name and name not in PYTHONS_OWN:
                yield SUPERSETS.get(name, name)

    @property
    def raw(self) -> Raw:
        """The response as the warehouse keeps it, with the headers that say something about the page."""
        headers = {name: value for name, value in self.headers.items() if name in KEPT_HEADERS}
        return Raw(url=self.url, status=self.status, headers=headers, fetched_at=self.fetched_at, body=self.body)

    def seen(self, asked: str) -> Seen:
        """What is to be remembered of this page, which answered when `asked` was asked for."""
        return Seen(
            url=asked,
            page_url=self.url,
            etag=self.headers.get("etag", ""),
            last_modified=self.headers.get("last-modified", ""),
            body_digest=body_digest(self.body),
        )

    @property
    def retry_after(self) -> float | None:
        """Seconds that the server asks to wait (RFC 9110, section 10.2.3), from now; None when it does not."""
        value = self.headers.get("retry-after", "").strip()
        if not value or self.status < 400:
            return None
        if value.isascii() and value.isdigit():
            return float(value[:9])  # 30 years are as good as for ever
        try:
            moment = parsedate_to_datetime(value)
            return max(0.0, (moment.replace(tzinfo=moment.tzinfo or UTC) - now()).total_seconds())
        except (ValueError, OverflowError, IndexError, TypeError):
            return None

    @property
    def forward(self) -> str | None:
        """Where the server, or a page that does nothing else, sends its visitors on to. May be relative."""
        if self.status in REDIRECTS:
            return self.headers.get("location")
        if self.status != 200 or self.content_type != "text/html" or len(self.body) > FORWARD_BYTES:
            return None
        match = FORWARD.search(re.sub(r"(?is)<noscript.*?</noscript", "", self.text))
        return unescape(match[1]) if match else None

    @property
    def refusal(self) -> LinkError | None:
        """What the status says is wrong, or None when the page came through."""
        status = self.status
        where = f"HTTP {status} from {self.url}"
        if status in (200, 203):
            return None if self.body.strip() else Permanent(Reason.EMPTY, f"{where} without content")
        if status in (204, 205):
            return Permanent(Reason.EMPTY, where)
        if status in REFUSALS:
            reason, words = REFUSALS[status]
            return Permanent(reason, f"{words}: {where}")
        if status == 429:
            asked = f", which asks to wait {self.retry_after:.0f} s" if self.retry_after else ""
            return Transient(Reason.RATE_LIMITED, where + asked, self.retry_after)
        if status == 408:
            return Transient(Reason.TIMEOUT, where)
        if status >= 500 or status in (202, 425):  # accepted, too early: not ready yet
            return Transient(Reason.SERVER_ERROR, where, self.retry_after)
        if status >= 400:
            return Permanent(Reason.BLOCKED, f"the site refuses: {where}")
        return Permanent(Reason.BAD_DATA, f"no page: {where}")


class Shell(Permanent):
    """The page has no text: JavaScript would have to fill it in. A browser can make something of `page`."""

    def __init__(self, page: Page, reason: Reason, detail: str) -> None:
        super().__init__(reason, detail)
        self.page = page


class Unchanged(Exception):
    """The page is the one that was seen before; no error. `seen` is what to remember of it now.

    `page` is there when it was sent again with the same body, and None when the server said so (304).
    """

    def __init__(self, seen: Seen, page: Page | None = None) -> None:
        super().__init__(f"unchanged: {seen.url}")
        self.seen = seen
        self.page = page


def validators(seen: Seen) -> dict[str, str]:
    """The headers that ask for a page only if it is another than the one seen (RFC 9110, section 13.1)."""
    asked = {"if-none-match": seen.etag, "if-modified-since": seen.last_modified}
    return {name: value for name, value in asked.items() if value}


def _guess(body: bytes, labels: list[str]) -> str:
    """The encoding of bytes that are wrong in all encodings they are labelled as."""
    text = body.decode("utf-8", "replace")
    wrong = text.count("\ufffd")
    if 2 * wrong < sum(character > "\x7f" for character in text):
        return "utf-8"  # mostly right: a stray byte, or a character cut in two
    claimed = next((label for label in labels if label != "utf-8"), None)
    if claimed:
        return claimed
    from charset_normalizer import from_bytes

    best = from_bytes(body[:GUESS_FROM]).best()
    return best.encoding if best else "utf-8"
