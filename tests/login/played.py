"""A local server that plays the sign-in of LinkedIn, Medium and a blog, under their real host names.

What a user would type into a window is typed by the page itself, where `somebody_is_there`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import parse_qs, quote

from server import Answer, LocalServer, Request

Run = Callable[..., tuple[int, str, str]]

USER, PASSWORD, PIN = "ada@example.org", "correct horse battery staple", "493827"
LINKEDIN, MEDIUM, BLOG = "www.linkedin.com", "medium.com", "ada-blog.example"
HTML = {"content-type": "text/html; charset=utf-8"}
CAPTCHA = (
    "<iframe src='https://client-api.arkoselabs.com/fc' width=300 height=200></iframe><p>Let's do a quick check</p>"
)
TYPES = """<script>setTimeout(() => { const form = document.forms[0];
  for (const [name, value] of Object.entries(%s)) form.elements[name].value = value; form.submit(); }, 200);</script>"""
LOOKS = """<style>body{font:16px system-ui;background:#f4f2ee;display:grid;place-items:center;min-height:90vh}
form,main{background:#fff;padding:2rem;border-radius:8px;width:20rem;display:grid;gap:1rem;box-shadow:0 4px 12px #0002}
input,button{font:inherit;padding:.7rem;border:1px solid #888;border-radius:4px}
button{background:#0a66c2;color:#fff;border:0;border-radius:2rem}</style>"""


def page(title: str, body: str) -> str:
    return f"<!doctype html><html><head><title>{title}</title>{LOOKS}</head><body>{body}</body></html>"


def shown(title: str, body: str, status: int = 200) -> Answer:
    return Answer(page(title, body), status, HTML)


def sent_to(url: str, **headers: str) -> Answer:
    return Answer("", 303, {"location": url, **{name.replace("_", "-"): value for name, value in headers.items()}})


def cookies_of(request: Request) -> dict[str, str]:
    pairs = (part.strip().partition("=") for part in request.headers.get("cookie", "").split(";"))
    return {name: value for name, _, value in pairs if name}


def fields_of(request: Request) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(request.body.decode()).items()}


@dataclass
class Played:
    """The sites, and how they behave."""

    server: LocalServer
    second_factor: bool = False
    captcha: bool = False
    somebody_is_there: bool = False
    accepted: set[str] = field(default_factory=lambda: {"token-of-ada"})  # LinkedIn sessions that are good
    members: set[str] = field(default_factory=lambda: {"uid-of-ada"})  # Medium's

    def __post_init__(self) -> None:
        route = self.server.route
        for host in (LINKEDIN, MEDIUM, BLOG):
            route(host, "/robots.txt", status=404)
            route(host, "/favicon.ico", status=404)
        route(LINKEDIN, "/login", self._linkedin_login)
        route(LINKEDIN, "/uas/login", self._linkedin_login)
        route(LINKEDIN, "/checkpoint/lg/login-submit", self.linkedin_submit)
        route(LINKEDIN, "/checkpoint/challenge/verify", self._linkedin_pin)
        route(LINKEDIN, "/feed/", self._linkedin_feed)
        route(MEDIUM, "/m/signin", self._medium_login)
        route(MEDIUM, "/m/callback/email", self._medium_callback)
        route(MEDIUM, "/me/settings", self._medium_settings)
        route(BLOG, "/", lambda _: shown("Ada's blog", "<main><a href='/wp-login.php'>Log in</a></main>"))
        route(BLOG, "/wp-login.php", self._blog_login)
        route(BLOG, "/wp-admin/", lambda _: shown("Dashboard", "<main>Howdy, ada</main>"))

    # --- LinkedIn ---

    def linkedin_knows(self, request: Request) -> bool:
        return cookies_of(request).get("li_at", "") in self.accepted

    def _form(self, error: str = "") -> Answer:
        typed = TYPES % {"session_key": USER, "session_password": PASSWORD} if self.somebody_is_there else ""
        body = f"""<form method=post action=/checkpoint/lg/login-submit><h1>Sign in</h1>
            <input id=username name=session_key placeholder='Email or phone' autocomplete=username>
            <input id=password name=session_password type=password placeholder=Password>
            {f"<div id=error-for-password role=alert>{error}</div>" if error else ""}
            <button type=submit>Sign in</button></form>{typed}"""
        return shown("LinkedIn Login, Sign in | LinkedIn", body)

    def _linkedin_login(self, request: Request) -> Answer:
        return self._form()

    def linkedin_submit(self, request: Request) -> Answer:
        given = fields_of(request)
        if (given.get("session_key"), given.get("session_password")) != (USER, PASSWORD):
            return self._form("Wrong email or password. Try again.")
        if self.captcha:
            return sent_to("/checkpoint/challenge/verify")
        if self.second_factor:
            return sent_to("/checkpoint/challenge/verify")
        return self._linkedin_in()

    def _linkedin_pin(self, request: Request) -> Answer:
        if self.captcha:
            return shown("Security Verification | LinkedIn", f"<main>{CAPTCHA}</main>")
        if request.method == "POST" and fields_of(request).get("pin") == PIN:
            return self._linkedin_in()
        body = """<form method=post><h1>Enter the code</h1><input name=pin inputmode=numeric>
            <button type=submit>Submit</button></form>"""
        return shown(
            "Security Verification | LinkedIn", body + (TYPES % {"pin": PIN} if self.somebody_is_there else "")
        )

    def _linkedin_in(self) -> Answer:
        cookie = "li_at=token-of-ada; Domain=.www.linkedin.com; Path=/; Secure; HttpOnly; Max-Age=31536000"
        return sent_to("/feed/", set_cookie=cookie)

    def _linkedin_feed(self, request: Request) -> Answer:
        if not self.linkedin_knows(request):
            return sent_to("/uas/login?session_redirect=%2Ffeed%2F")
        return shown("Feed | LinkedIn", "<main>Start a post</main>")

    # --- Medium ---

    def medium_knows(self, request: Request) -> bool:
        return cookies_of(request).get("uid", "") in self.members

    def _medium_login(self, request: Request) -> Answer:
        body = """<form method=post action=/m/callback/email><h1>Sign in with email</h1>
            <input name=email type=email placeholder='Your email'><button>Continue</button></form>"""
        typed = TYPES % {"email": USER} if self.somebody_is_there else ""
        answer = shown("Sign in to Medium", body + typed)
        return Answer(answer.body, 200, {**HTML, "set-cookie": "uid=lo_1234; Domain=.medium.com; Path=/; Secure"})

    def _medium_callback(self, request: Request) -> Answer:
        cookie = "uid=uid-of-ada; Domain=.medium.com; Path=/; Secure; HttpOnly; Max-Age=31536000"
        return sent_to("/me/settings", set_cookie=cookie)

    def _medium_settings(self, request: Request) -> Answer:
        if not self.medium_knows(request):
            return sent_to(f"/m/signin?redirect={quote('/me/settings')}")
        return shown("Settings - Medium", "<main>Your settings</main>")

    # --- a blog ---

    def _blog_login(self, request: Request) -> Answer:
        if request.method == "POST":
            given = fields_of(request)
            if (given.get("log"), given.get("pwd")) == ("ada", PASSWORD):
                return sent_to("/wp-admin/", set_cookie="wordpress_logged_in=ada-is-in; Path=/; Secure; HttpOnly")
        error = "<div class=error>The password is wrong.</div>" if request.method == "POST" else ""
        body = f"<form method=post><input name=log><input name=pwd type=password>{error}<button>Log In</button></form>"
        return shown("Log In", body + (TYPES % {"log": "ada", "pwd": PASSWORD} if self.somebody_is_there else ""))


def cookie_txt(*rows: tuple[str, str, str], end: int = 2_000_000_000) -> str:
    """A cookies.txt of (domain, name, value)."""
    lines = [
        f"{domain}\t{str(domain.startswith('.')).upper()}\t/\tTRUE\t{end}\t{name}\t{value}"
        for domain, name, value in rows
    ]
    return "# Netscape HTTP Cookie File\n\n" + "\n".join(lines) + "\n"
