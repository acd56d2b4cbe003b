"""Secrets in what was collected, masked before anything is stored: `***masked: aws access token***`.

Found by Kingfisher (MongoDB, `kingfisher-secret-scanner`): its rules, kept up to date by others, run in this process
and never use the network. It is asked for patterns only; rules that go by entropy or by the word "secret" alone find
hashes and prose.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from html import escape
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple

from llm_twin.documents import Document, Raw, digest
from llm_twin.links import canonical

if TYPE_CHECKING:
    from kingfisher_sdk import Scanner
    from kingfisher_sdk.core import Finding

MASK = re.compile(rb"\*\*\*masked: ([a-z0-9 ]{1,60})\*\*\*")
PASSWORD = b"password"
AWS_KEY = re.compile(rb"\b(?:AKIA|ASIA)[A-Z2-7]{16}\b(?<!EXAMPLE)")  # Kingfisher wants to see its other half as well
UNMISTAKABLE = 16  # bytes from which a secret is masked wherever else it stands; a shorter one may be a word
SPREAD = 200  # secrets that are looked for elsewhere; a page with more is made of them
ROUNDS = 6  # a mask may bring to light what its secret hid; more than two have not been seen
# Rules need a quote or space behind a token. In Markdown it may be followed by these as well.
ENDS = bytes.maketrans(b"<>)]},|*", b"        ")
BETWEEN = bytes.maketrans(b'/?&=#;"<>', b"         ")  # the parts of a link
SENTENCE_END = re.compile(rb"[.:!?](?=\s|$)")
IN_ADDRESS = re.compile(rb"://([^:/@\s]*):([^@\s]+)@")
# Passwords of examples: templates, and what every tutorial uses.
NO_PASSWORD = re.compile(
    rb"<.*|.*[{}].*|\[.*|\$\w+|\$\(.*|\*+|%\w+%?|x+|\.+|(my|your|the|db|user|some)?[-_]*(pass(w(or)?d|code)?|pwd|secret|token|key)[-_]*"
    rb"(here)?|guest|admin|root|test|postgres|mysql|change[-_]?(me|it)|example|placeholder|redacted|masked",
    re.I | re.S,
)
# Files of settings by their names, where every value of a secret's name is one: `.env`, `.env.local`, `prod.env`.
SETTINGS_FILE = re.compile(r"(^|/)(\.env(\.[\w.-]+)?|[\w.-]+\.env|\.envrc|\.npmrc|\.pypirc|\.netrc|\.pgpass)$", re.I)
SETTING = re.compile(
    rb"^[ \t]*(?:export[ \t]+)?[\w.-]{0,80}(?:key|token|secret|passw(?:or)?d|passphrase|pwd|credentials?)[\w.-]{0,80}"
    rb"""[ \t]*[=:][ \t]*(["']?)([^\s"'#][^\r\n"']{0,4000}?)\1[ \t]{0,20}(?:[ \t]#[^\r\n]*)?\r?$""",
    re.I | re.M,
)
NETRC = re.compile(rb"\bpassword[ \t]+(\S+)", re.I)
PGPASS = re.compile(rb"^[^:\r\n#]+:[^:\r\n]*:[^:\r\n]*:[^:\r\n]*:([^\r\n]+)$", re.M)


# What no secret is without: a long run of letters and digits, a password in an address, a key's heading. Most texts
# have none, pages have one near their beginning: this costs less than it saves, the loading of the rules too.
SUSPECT = re.compile(rb"[A-Za-z0-9_]{20}|[A-Za-z0-9_-]{32}|://[^/\s:@]{0,128}:[^/\s@]{1,256}@|PRIVATE KEY")


class Secret(NamedTuple):
    """Where a secret stands, in bytes, and what it is."""

    start: int
    end: int
    label: bytes


def masked(documents: Sequence[Document]) -> tuple[list[Document], int]:
    """The documents without secrets in text, title, metadata, link and response, and how many different ones they had.

    What belongs together, such as the files of a repository, is masked together: a secret found in one is masked in
    all. Masking twice is masking once. Loads the rules at first use: a second, and on a machine's first time some ten.
    """
    known: dict[bytes, bytes] = {}
    done = [_masked(document, known) for document in documents]
    if spread := [each for each in known.items() if len(each[0]) >= UNMISTAKABLE][:SPREAD]:
        changed = _replacing(dict(spread))
        done = [_masked(document, known, changed) for document in done]
    moved = {before.id: after.id for before, after in zip(documents, done, strict=True) if before.id != after.id}
    if moved:
        parents = [moved.get(each.parent_id or "", each.parent_id) for each in done]
        done = [each.model_copy(update={"parent_id": parent}) for each, parent in zip(done, parents, strict=True)]
    return done, len({value.replace(b"\\n", b"\n") for value in known})  # JSON's line ends make no other secret


def _masked(document: Document, known: dict[bytes, bytes], replace: Callable[[bytes], bytes] | None = None) -> Document:
    """One document. Adds the secrets it has to `known`; `replace` masks those of others first."""
    path = str(document.metadata.get("path", "")) if document.kind == "code" else ""
    was = "\n".join((document.title, *_strings(document.metadata))).encode("utf-8", "surrogatepass")
    changes: dict[str, Any] = {}

    def clean(text: str) -> str:
        data = text.encode("utf-8", "surrogatepass")
        return _without(replace(data) if replace else data, known, path).decode("utf-8", "surrogatepass")

    if _found(was, path) or (replace and replace(was) != was):
        changes["title"] = clean(document.title)
        changes["metadata"] = _mapped(document.metadata, clean)
    if (text := clean(document.text)) != document.text:
        changes["text"] = text
    if (link := _link(document.link, known)) != document.link:
        changes |= {"link": canonical(link), "id": digest(document.author_id, canonical(link))}
    if document.raw and (raw := _raw(document.raw, known, replace)) is not document.raw:
        changes["raw"] = raw
    return document.model_copy(update=changes) if changes else document


def _raw(raw: Raw, known: dict[bytes, bytes], replace: Callable[[bytes], bytes] | None) -> Raw:
    wide = raw.body[:2] in (b"\xff\xfe", b"\xfe\xff")  # UTF-16, which is scanned as UTF-8
    body = raw.body.decode("utf-16", "surrogatepass").encode("utf-8", "surrogatepass") if wide else raw.body
    new = _without(replace(body) if replace else body, known, None)
    url, headers = _link(raw.url, known), {name: _link(value, known) for name, value in raw.headers.items()}
    if (new, url, headers) == (body, raw.url, raw.headers):
        return raw
    body = new.decode("utf-8", "surrogatepass").encode("utf-16") if wide else new
    return raw.model_copy(update={"body": body, "url": url, "headers": headers})


def _link(link: str, known: dict[bytes, bytes]) -> str:
    """A link, or what else stands in a line of a response, with `masked` for its secrets. Adds them to `known`."""
    data = link.encode("utf-8", "surrogatepass")
    for secret in reversed(_found(data.translate(BETWEEN), "")):
        known.setdefault(data[secret.start : secret.end], secret.label)
        data = data[: secret.start] + b"masked" + data[secret.end :]
    return data.decode("utf-8", "surrogatepass")


def _without(data: bytes, known: dict[bytes, bytes], path: str | None) -> bytes:
    """`data` with its secrets masked. `path`: of a file, "": of text; None: a page as it came."""
    for _ in range(ROUNDS):
        secrets = _found(data, path)
        if not secrets:
            break
        parts, end = [], 0
        for secret in secrets:
            known.setdefault(data[secret.start : secret.end], secret.label)
            parts += [data[end : secret.start], _mask(secret.label)]
            end = secret.end
        data = b"".join([*parts, data[end:]])
    return data


def _found(data: bytes, path: str | None) -> list[Secret]:
    """The secrets in `data`, in order, none touching another or a mask."""
    secrets = _settings(data, path) if path and SETTINGS_FILE.search(path) else []
    if SUSPECT.search(data):
        secrets += _scanned(data, path)
        if path is not None and (spaced := SENTENCE_END.sub(b" ", data.translate(ENDS))) != data:
            secrets += _scanned(spaced, path)
    if not secrets:
        return []
    masks = [(found.start(), found.end()) for found in MASK.finditer(data) if found[1] in _labels()]
    ends = [end for _, end in masks]
    apart: list[Secret] = []
    for secret in sorted(secrets, key=lambda each: (each.start, -each.end)):
        after = bisect_right(ends, secret.start)  # the first mask that does not end before it
        if after < len(masks) and masks[after][0] < secret.end:
            continue
        if apart and secret.start < apart[-1].end:
            apart[-1] = apart[-1]._replace(end=max(apart[-1].end, secret.end))
        else:
            apart.append(secret)
    return apart


def _scanned(data: bytes, path: str | None) -> list[Secret]:
    from kingfisher_sdk import ScanInput

    findings = [
        finding
        for finding in _scanner().scan_input(ScanInput(path=path or "", data=data))
        if finding.confidence != "low"
    ]
    findings.sort(key=lambda finding: finding.confidence != "high")  # where several name one place, the surest does
    providers = {_provider(finding) for finding in findings if finding.visible}
    secrets: list[Secret] = []
    if b"AKIA" in data or b"ASIA" in data:  # five times as quick as the expression
        secrets = [Secret(*found.span(), b"aws access key") for found in AWS_KEY.finditer(data)]
    for finding in findings:
        # Helpers of other rules: names and addresses are no secrets, and hashes in pages look like AWS' secret keys.
        if not finding.visible and (
            not re.search(r"secret|token|passphrase", finding.rule_id)
            or (path is None and _provider(finding) not in providers)
        ):
            continue
        place = finding.location
        start, end, label = place["start_offset"], place["end_offset"], _label(finding.rule_id)
        if re.search(r"uri$|connection-string$", finding.rule_id):
            address = IN_ADDRESS.search(data, max(0, data.rfind(b"://", 0, start + 16) - 1), end + 1)
            if address:
                if NO_PASSWORD.fullmatch(address[2]) or address[1] == address[2]:
                    continue
                start, end, label = *address.span(2), PASSWORD
        if 0 <= start < end <= len(data):
            secrets.append(Secret(start, end, label))
    return secrets


def _settings(data: bytes, path: str) -> list[Secret]:
    """The values of secrets' names in a file of settings, whatever they look like."""
    others = {"netrc": NETRC, "pgpass": PGPASS}.get(path.rpartition(".")[2].lower())
    found = others.finditer(data) if others else SETTING.finditer(data)
    places = [each.span(each.lastindex or 0) for each in found]
    return [Secret(*place, b"setting") for place in places if not NO_PASSWORD.fullmatch(data[slice(*place)])]


def _replacing(values: dict[bytes, bytes]) -> Callable[[bytes], bytes]:
    """A function that masks these values, also as HTML and JSON write them."""
    spelt: dict[bytes, bytes] = {}
    for value, label in values.items():
        text = value.decode("utf-8", "surrogateescape")
        for other in (text, escape(text), escape(text, quote=False), text.replace("\n", "\\n")):
            spelt[other.encode("utf-8", "surrogateescape")] = _mask(label)
    either = re.compile(b"|".join(re.escape(value) for value in sorted(spelt, key=len, reverse=True)))
    return lambda data: either.sub(lambda found: spelt[found[0]], data)


def _mask(label: bytes) -> bytes:
    return b"***masked: " + label + b"***"


def _strings(value: Any) -> Iterable[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _strings(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _strings(inner)


def _mapped(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {name: _mapped(inner, change) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_mapped(inner, change) for inner in value)
    return value


def _provider(finding: Finding) -> str:
    return finding.rule_id.rpartition("/")[2].removeprefix("betterleaks.").partition("-")[0]


def _label(rule: str) -> bytes:
    """`betterleaks.aws-access-token` as words."""
    words = re.sub(r"[^a-z0-9]+", " ", rule.removeprefix("betterleaks.").removeprefix("veles.secrets/").lower())
    return re.sub(r"( \d+)$", "", words.strip()).encode()[:60].strip()


_loading = Lock()


def _scanner() -> Scanner:
    with _loading:
        return _loaded()[0]


def _labels() -> frozenset[bytes]:
    with _loading:
        return _loaded()[1]


@cache
def _loaded() -> tuple[Scanner, frozenset[bytes]]:
    """The rules, compiled once on a machine and kept (2.4 MB), and the names that they give to secrets."""
    from kingfisher_sdk import Rules, Scanner
    from platformdirs import user_cache_path

    rules = Rules(cache_dir=user_cache_path("llm-twin") / "secret-rules")
    return Scanner(rules), frozenset(
        {_label(rule["id"]) for rule in rules.metadata()} | {PASSWORD, b"setting", b"aws access key"}
    )
