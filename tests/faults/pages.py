"""Redirects, statuses and pages that are none."""

from __future__ import annotations

from collections.abc import Iterator

from faults.server import Ask, answer
from faults.table import GOOD, fault, says

says(
    "redirect-loop",
    "redirects to where it was asked",
    "failed(redirect_loop)",
    answer(status="302 Found", headers={"location": "/post"}),
    requests=12,
)


@fault("redirects ever on", "failed(redirect_loop)", requests=12)
def redirect_chain(ask: Ask) -> Iterator[bytes | float]:
    yield answer(status="302 Found", headers={"location": f"{ask.path}x"})


@fault("sends pages that only forward, to each other", "failed(redirect_loop)", requests=12)
def forward_loop(ask: Ask) -> Iterator[bytes | float]:
    onward = "/other" if ask.path == "/post" else "/post"
    yield answer(f'<meta http-equiv="refresh" content="0; url={onward}"><p>Moved')


for _name, _to in {
    "loopback": "http://127.0.0.1/admin",
    "metadata": "http://169.254.169.254/latest/meta-data/",
    "decimal": "http://2130706433/",
    "mapped": "http://[::ffff:10.0.0.1]/",
    "internal-name": "http://metadata.google.internal/",
    "octal": "http://017700000001/",
    "nat64": "http://[64:ff9b::a9fe:a9fe]/",
    "localhost": "http://localhost./",
    "carrier-grade-nat": "http://100.64.0.1/",
}.items():
    says(
        f"redirect-to-{_name}",
        f"redirects to `{_to}`",
        "failed(private_address)",
        answer(status="302 Found", headers={"location": _to}),
        proxied=True,
        path=f"/{_name}",
    )
says(
    "forward-to-metadata",
    "sends a page that only forwards to `http://169.254.169.254/`",
    "failed(private_address)",
    answer('<meta http-equiv="refresh" content="0; url=http://169.254.169.254/"><p>Moved'),
    proxied=True,
    path="/forward",
)
for _name, _to in {
    "zone": "http://[fe80::1%25eth0]/",
    "password": "http://ada:secret@redirect-to-password.example/",
}.items():
    says(
        f"redirect-to-{_name}",
        f"redirects to `{_to}`",
        "failed(bad_link)",
        answer(status="302 Found", headers={"location": _to}),
    )
says(
    "redirect-to-file",
    "redirects to `file:///etc/passwd`",
    "failed(bad_link)",
    answer(status="302 Found", headers={"location": "file:///etc/passwd"}),
)
says("redirect-nowhere", "redirects without saying where to", "failed(bad_data)", answer(status="302 Found"))


@fault("redirects to a login", "failed(login_required)")
def redirect_to_login(ask: Ask) -> Iterator[bytes | float]:
    if ask.path == "/post":
        yield answer(status="302 Found", headers={"location": "/login?next=/post"})
    yield answer("<title>Log in</title><form><input type=password></form>")


for _status, _ends in {
    "204 No Content": "failed(empty)",
    "206 Partial Content": "failed(bad_data)",
    "304 Not Modified": "failed(bad_data)",
    "401 Unauthorized": "failed(login_required)",
    "402 Payment Required": "failed(paywall)",
    "403 Forbidden": "failed(blocked)",
    "404 Not Found": "failed(not_found)",
    "410 Gone": "failed(gone)",
    "429 Too Many Requests": "failed(rate_limited)",
    "451 Unavailable For Legal Reasons": "failed(gone)",
    "500 Internal Server Error": "failed(server_error)",
    "503 Service Unavailable": "failed(server_error)",
    "999 Denied": "failed(blocked)",
}.items():
    _body = b"" if _status[:3] in ("204", "304") else b"<p>no"
    says(f"status-{_status[:3]}", f"answers {_status}", _ends, answer(_body, _status))
says(
    "long-wait",
    "answers 429 and asks to wait for an hour",
    "failed(rate_limited)",
    answer("slow down", "429 Too Many Requests", {"retry-after": "3600"}),
    settings={"retries": 2},
    requests=2,
)
says(
    "odd-wait",
    "answers 429 and asks to wait until no date at all",
    "failed(rate_limited)",
    answer("slow down", "429 Too Many Requests", {"retry-after": "\xb2 Mon, 99 Foo 99999 25:61:61 -9999"}),
)


@fault("answers 429 and asks to wait a second, then the page", "new", settings={"retries": 1}, seconds=6, requests=3)
def short_wait(ask: Ask) -> Iterator[bytes | float]:
    yield answer("slow down", "429 Too Many Requests", {"retry-after": "1"}) if ask.count == 1 else answer(GOOD)


@fault("answers 503 once, then the page", "new", settings={"retries": 1}, seconds=6, requests=3)
def busy_once(ask: Ask) -> Iterator[bytes | float]:
    yield answer("busy", "503 Service Unavailable") if ask.count == 1 else answer(GOOD)


says("empty", "answers 200 with nothing", "failed(empty)", answer())
says("blank", "answers 200 with spaces", "failed(empty)", answer(b" \r\n" * 50))
says(
    "wrong-charset",
    "says ASCII in the header and UTF-16 in the page, which is UTF-8",
    "new",
    answer(
        GOOD.replace("<head>", '<head><meta charset="utf-16">'), headers={"content-type": "text/html; charset=ascii"}
    ),
)
says(
    "unknown-charset",
    "names a character set that does not exist",
    "new",
    answer(GOOD.encode("cp1252"), headers={"content-type": "text/html; charset=martian"}),
)
says(
    "python-charset",
    "names an encoding of domain names as its character set",
    "new",
    answer(GOOD.replace("bread", "br\xe9ad").encode("cp1252"), headers={"content-type": "text/html; charset=punycode"}),
)
says(
    "no-text",
    "sends an encoding of bytes, not of text, as its character set",
    "new",
    answer(GOOD, headers={"content-type": "text/html; charset=base64"}),
)
says(
    "html-as-pdf",
    "sends HTML under the name and the type of a PDF",
    "failed(not_html)",
    answer(GOOD, headers={"content-type": "application/pdf"}),
    path="/paper.pdf",
)
says("html-named-pdf", "sends HTML under the name of a PDF", "new", answer(GOOD), path="/paper.pdf")
PDF = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<< /Type /Catalog /Pages 2 0 R >>\nendobj\n" + bytes(range(256)) * 40
says(
    "pdf-as-html",
    "sends a PDF under the name and the type of HTML",
    "failed(not_html)",
    answer(PDF),
    path="/paper.html",
)
PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(range(256)) * 40
says("picture-as-html", "sends a picture as HTML", "failed(not_html)", answer(PNG))
says("zip-as-html", "sends a ZIP file as HTML", "failed(not_html)", answer(b"PK\x03\x04" + bytes(range(256)) * 40))
says("nul-bytes", "sends a page of NUL bytes", "failed(not_html)", answer(bytes(5000)))
says(
    "deep",
    "sends 50,000 elements within each other",
    "failed(empty)",
    answer("<div>" * 50_000 + GOOD + "</div>" * 50_000),
    seconds=20,
)
says(
    "challenge",
    "puts a check for robots before the page",
    "failed(blocked)",
    answer("<title>Just a moment...</title><script>window._cf_chl_opt={}</script>"),
)
says(
    "challenge-503",
    "puts a check for robots before the page, with status 503",
    "failed(blocked)",
    answer("<title>Just a moment...</title><script>window._cf_chl_opt={}</script>", "503 Service Unavailable"),
)
says(
    "soft-404",
    "says in words that there is no page, with status 200",
    "failed(not_found)",
    answer("<title>Page not found</title><h1>404</h1><p>Sorry, the page you are looking for does not exist."),
)
says(
    "cookie-wall",
    "shows nothing before somebody agrees to cookies",
    "failed(blocked)",
    answer("<title>Before you continue to Blog</title><p>We use cookies.<form><button>Accept all</button></form>"),
)
says(
    "login-page",
    "shows a login with status 200",
    "failed(login_required)",
    answer("<title>Sign in</title><form><input name=u><input type=password></form>"),
)
says(
    "shell",
    "sends a page that JavaScript would have to fill",
    "failed(empty)",
    answer('<title>App</title><div id="root"></div><script src="/app.js"></script>'),
    settings={"render": "never"},
)
