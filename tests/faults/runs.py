"""Collecting a link from a server that misbehaves, and docs/faults.md, which says how each ends.

To write it anew, from the repository's root: `PYTHONPATH=tests python -m faults.runs > docs/faults.md`.
"""

from __future__ import annotations

import os
import re
import socket
import ssl
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import trustme

from faults import connections, pages, robots_and_lists
from faults.server import Misbehaving
from faults.table import CAP, FAULTS, TIMEOUT, Fault
from llm_twin import Settings, Twin
from llm_twin.documents import Author, Link, Outcome, Report

REGISTERED = (connections, pages, robots_and_lists)  # by being imported, in this order


@cache
def authority(strange: bool) -> trustme.CA:
    """Who signs certificates; the strange one is trusted by nobody."""
    return trustme.CA(organization_name="strange" if strange else "trusted")


def context_of(fault: Fault) -> ssl.SSLContext | None:
    """The TLS side of a server, if it has one."""
    if fault.tls in ("", "none"):
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if fault.h2:
        context.set_alpn_protocols(["h2"])
    past = datetime.now(UTC) - timedelta(days=1)
    name = "other.example" if fault.tls == "other" else fault.host
    cert = authority(fault.tls == "strange").issue_cert(name, not_after=past if fault.tls == "expired" else None)
    cert.configure_cert(context)
    return context


def closed_port() -> int:
    """A port that nothing listens at any more."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextmanager
def environment(values: Mapping[str, str]) -> Iterator[None]:
    """The process's environment with these values and no others of proxies."""
    former = dict(os.environ)
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        del os.environ[name]
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(former)


def collected(fault: Fault, folder: Path) -> tuple[Report, Misbehaving]:
    """A run over the fault's link with an empty home in `folder`, and its server."""
    report, [server] = together([fault], folder, **fault.settings)
    return report, server


def together(faults: Sequence[Fault], folder: Path, **options: Any) -> tuple[Report, list[Misbehaving]]:
    """One run over the links of several faults (of a single one if it is proxied), and their servers."""
    trusted = folder / "ca.pem"
    authority(False).cert_pem.write_to_path(str(trusted))
    with ExitStack() as stack:
        servers = [
            stack.enter_context(Misbehaving(fault.behaviour, fault.raw, fault.rules, context_of(fault)))
            for fault in faults
        ]
        proxied = faults[0].proxied
        usual = {"timeout": TIMEOUT, "retries": 0, "delay": 0, "max_page_bytes": CAP, "allow_private": not proxied}
        elsewhere = {
            f"{fault.host}:{443 if fault.tls else 80}": f"127.0.0.1:{closed_port() if fault.closed else server.port}"
            for fault, server in zip(faults, servers, strict=True)
            if not fault.proxied
        }
        proxy = {"http_proxy": f"http://127.0.0.1:{servers[0].port}"} if proxied else {}
        stack.enter_context(environment({"SSL_CERT_FILE": str(trusted), **proxy}))
        chosen = {name: value for name, value in options.items() if name in Settings.model_fields}
        settings = Settings.load(home=folder / "home", resolve=elsewhere, **{**usual, **chosen})
        twin = stack.enter_context(Twin(settings))
        ada = Author.named("Ada")
        links = [Link(url=fault.link, author=ada, expand=fault.expand) for fault in faults]
        return twin.collect_links(links), servers


def outcome_of(fault: Fault, report: Report) -> Outcome:
    """The one outcome of the fault's link."""
    [outcome] = [outcome for outcome in report.outcomes if outcome.link == fault.link]
    return outcome


def ending(outcome: Outcome) -> str:
    """Status and reason as one word: "failed(timeout)"."""
    return f"{outcome.status}({outcome.reason})" if outcome.reason else outcome.status


def row(fault: Fault, outcome: Outcome) -> str:
    """The fault's row in the table of docs/faults.md."""
    told = re.sub(r"\b\d+ s more", "… s more", outcome.detail).replace("|", "\\|")
    again = " (a retry may help)" if outcome.transient else ""
    return f"| {fault.does} | {outcome.status} | {outcome.reason or '-'} | {told or '-'}{again} |"


HEAD = f"""# What servers do wrong, and how it ends

Written by `PYTHONPATH=tests python -m faults.runs > docs/faults.md`; `tests/faults/` holds it to what happens.

A real server on loopback misbehaves in {{count}} ways, over sockets of its own. Each link goes through `Twin.collect`
with {TIMEOUT:g} s a request, {CAP:,} bytes a page, and no further tries but where it says "then". Every link ends in
exactly one outcome, in bounded time and memory, and the user is told why; those that may go through later are tried
again by `twin collect --retry-failed`.

| the server … | outcome | reason | what the user is told |
| --- | --- | --- | --- |
"""


def document(rows: list[str]) -> str:
    """The text of docs/faults.md."""
    return HEAD.format(count=len(rows)) + "\n".join(rows) + "\n"


def main() -> None:
    """Print docs/faults.md; what does not end as expected goes to stderr."""
    rows = []
    for one in FAULTS:
        with tempfile.TemporaryDirectory() as folder:
            outcome = outcome_of(one, collected(one, Path(folder))[0])
        if ending(outcome) != one.ends:
            sys.stderr.write(f"{one.name}: {ending(outcome)} instead of {one.ends}: {outcome.detail}\n")
        rows.append(row(one, outcome))
    sys.stdout.write(document(rows))


if __name__ == "__main__":
    main()
