"""Signing in with a real Chromium: in a window, and unattended by a form."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from played import BLOG, HTML, LINKEDIN, PASSWORD, PIN, USER, Played, Run, cookie_txt, fields_of, sent_to, shown

from server import Answer, Request

pytestmark = pytest.mark.usefixtures("browser")


def states(twin: Run) -> dict[str, str]:
    return {each["site"]: each["state"] for each in json.loads(twin("login", "--status", "--json")[1])}


@pytest.mark.parametrize("site", ["linkedin", "medium"])
def test_a_user_signs_in_in_the_window_and_the_session_is_saved_and_checked(
    site: str, twin: Run, sites: Played, home: Path
) -> None:
    sites.somebody_is_there = sites.second_factor = True
    code, out, err = twin("login", site, "--json")
    assert code == 0, err
    (session,) = json.loads(out)
    assert (session["state"], session["came_by"]) == ("signed in", "window")
    assert states(twin) == {site: "signed in"}
    saved = (home / "sessions" / f"{site}.session").read_bytes()
    assert b"of-ada" not in saved


def test_closing_the_window_saves_what_a_site_that_is_not_known_has_given(
    twin: Run, sites: Played, close_window: Callable[[], None]
) -> None:
    sites.somebody_is_there = True
    sites.server.route(BLOG, "/wp-admin/", lambda _: shown("In", "<main>In<script>fetch('/seen')</script></main>"))
    sites.server.route(BLOG, "/seen", lambda _: threading.Timer(0.6, close_window).start() or Answer())
    code, out, err = twin("login", f"https://{BLOG}/wp-login.php", "--json")
    assert code == 0, err
    assert "close it when you are done" in err
    (session,) = json.loads(out)
    assert (session["site"], session["state"], session["cookies"]) == (BLOG, "not checked", 1)


def test_closing_the_window_before_saves_nothing(
    twin: Run, sites: Played, close_window: Callable[[], None], home: Path
) -> None:
    sites.server.route(LINKEDIN, "/login", lambda _: threading.Timer(0.6, close_window).start() or shown("Log in", ""))
    code, _, err = twin("login", "linkedin", "--quiet")
    assert (code, err) == (2, "twin: the window was closed before you were signed in at linkedin; nothing is saved\n")
    assert not list(home.glob("sessions/*"))


def test_the_form_is_filled_in_unattended_and_no_browser_knows_the_password_before(
    twin: Run, sites: Played, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TWIN_LINKEDIN_PASSWORD", PASSWORD)
    monkeypatch.setenv("TWIN_PASSWORD", "another")
    environments: list[bytes] = []

    def look(request: Request) -> Answer:
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                environments.append((process / "environ").read_bytes())
        return sites.linkedin_submit(request)

    sites.server.route(LINKEDIN, "/checkpoint/lg/login-submit", look)
    code, _, err = twin("login", "linkedin", "--username", USER)
    assert code == 0, err
    assert states(twin) == {"linkedin": "signed in"}
    mine = Path("/proc/self/environ").read_bytes()
    assert len(environments) > 5
    assert not [each for each in environments if PASSWORD.encode() in each and each != mine]
    sites.accepted.clear()
    code, out, _ = twin("login", "--status", "--check", "--json")
    assert (code, json.loads(out)[0]["state"]) == (1, "expired")


def test_a_checkpoint_that_a_check_meets_is_written_down_and_others_are_checked_all_the_same(
    twin: Run, sites: Played, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = ((f".{LINKEDIN}", "li_at", "token-of-ada"), (".medium.com", "uid", "uid-of-ada"))
    (tmp_path / "cookies.txt").write_text(cookie_txt(*rows))
    with monkeypatch.context() as without:
        without.setenv("TWIN_BROWSER", "/nowhere")
        assert twin("login", "--import-cookies", "cookies.txt")[0] == 0
    sites.server.route(LINKEDIN, "/feed/", lambda _: Answer("busy", 503))
    code, out, _ = twin("login", "--status", "--check", "--json")
    assert (code, {each["site"]: each["state"] for each in json.loads(out)}) == (
        1,
        {"linkedin": "not checked", "medium": "signed in"},
    )
    sites.captcha = True
    sites.server.route(LINKEDIN, "/feed/", lambda _: sent_to("/checkpoint/challenge/verify"))
    code, out, _ = twin("login", "--status", "--check")
    assert (code, "to sign in again: twin login linkedin" in out) == (1, True)
    assert states(twin) == {"linkedin": "blocked", "medium": "signed in"}
    sites.server.requests.clear()
    assert twin("login", "linkedin", "--status", "--check")[0] == 1
    assert sites.server.requests == [], "who wants to see a person is asked nothing"


@pytest.mark.parametrize(
    ("how", "words", "reason"),
    [
        ("wrong", "did not take this name and password", "login_required"),
        ("second_factor", "asks for a second factor: sign in in a window, twin login linkedin", "login_required"),
        ("captcha", "wants to see that you are no robot", "blocked"),
    ],
)
def test_what_a_form_alone_cannot_do_ends_at_once(
    how: str, words: str, reason: str, twin: Run, sites: Played, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TWIN_PASSWORD", "wrong secret" if how == "wrong" else PASSWORD)
    sites.second_factor, sites.captcha = how == "second_factor", how == "captcha"
    code, out, err = twin("login", "linkedin", "--username", USER)
    assert code == 1
    assert words in err
    assert f"twin: {reason}:" in err
    assert len(sites.server.asked("/checkpoint/lg/login-submit")) == 1, "tried once"
    assert "secret" not in out + err
    assert PASSWORD not in out + err
    assert states(twin) == {}


def test_the_code_of_a_second_factor_is_asked_for_in_a_terminal(sites: Played, browser: Path, home: Path) -> None:
    """In a terminal of its own: the password is typed as well, and stands in no list of processes."""
    import pty
    import select

    sites.second_factor = True
    leader, follower = pty.openpty()
    command = [
        str(Path(sys.executable).with_name("twin")),
        "--home",
        str(home),
        "login",
        "linkedin",
        "--username",
        USER,
    ]
    seen = b""
    answers = [(b"Password", PASSWORD), (b"second factor", PIN)]
    listed = ""
    with subprocess.Popen(command, stdin=follower, stdout=follower, stderr=follower, start_new_session=True) as process:
        os.close(follower)
        while process.poll() is None or select.select([leader], [], [], 0)[0]:
            if not select.select([leader], [], [], 30)[0]:
                break
            try:
                seen += os.read(leader, 4096)
            except OSError:  # the terminal's other end is closed
                break
            if answers and answers[0][0] in seen:
                listed += subprocess.run(["ps", "axeww"], capture_output=True, text=True, check=True).stdout
                os.write(leader, answers.pop(0)[1].encode() + b"\n")
    assert process.returncode == 0, seen.decode()
    assert b"signed in" in seen
    assert PASSWORD.encode() not in seen
    assert "--type=renderer" in listed
    assert PASSWORD not in listed
    assert PIN not in listed
    os.close(leader)


def test_any_site_with_a_form_will_do(twin: Run, sites: Played, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TWIN_PASSWORD", PASSWORD)
    code, _, err = twin("login", BLOG, "--username", "ada")
    assert code == 0, err
    assert states(twin) == {BLOG: "not checked"}


SEARCH = "<form action=/search><input type=text name=s placeholder=Search></form>"
FORM = "<form method=post action=/welcome><input type=text name=%s>%s<button>Go</button></form>"
PASSWORD_FIELD = "<input type=password name=pwd>"


@pytest.mark.parametrize("steps", ["at once", "one after the other, and after a link"])
def test_the_name_goes_into_the_form_of_the_password_and_never_into_a_search(
    steps: str, twin: Run, sites: Played, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TWIN_PASSWORD", PASSWORD)
    posted: list[dict[str, str]] = []

    def welcome(request: Request) -> Answer:
        posted.append(fields_of(request))
        if steps != "at once" and len(posted) == 1:
            return shown("Log In", SEARCH + FORM % ("again", PASSWORD_FIELD))
        return sent_to("/wp-admin/", set_cookie="wp=in; Path=/; Secure; HttpOnly")

    first = FORM % ("kennung", PASSWORD_FIELD if steps == "at once" else "")
    sites.server.route(BLOG, "/wp-login.php", lambda _: shown("Log In", SEARCH + first))
    sites.server.route(BLOG, "/", lambda _: shown("Ada's blog", SEARCH + "<a href=/wp-login.php>Log in</a>"))
    sites.server.route(BLOG, "/welcome", welcome)
    code, _, err = twin("login", BLOG, "--username", "ada")
    assert code == 0, err
    assert posted[0]["kennung"] == "ada"
    assert posted[-1]["pwd"] == PASSWORD
    assert not sites.server.asked("/search")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (shown("Error", "<h1>Service unavailable</h1>", 503), "answers the form with HTTP 503; nothing is saved"),
        (shown("Oh", "<h1>Your account is locked</h1>"), "shows neither a form to fill in nor that you are signed in"),
    ],
    ids=["503", "locked"],
)
def test_a_page_that_is_no_login_any_more_is_no_sign_of_being_signed_in(
    answer: Answer, words: str, twin: Run, sites: Played, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TWIN_PASSWORD", PASSWORD)
    monkeypatch.setenv("TWIN_TIMEOUT", "5")
    visit = {"set-cookie": "PHPSESSID=of-any-visitor; Path=/"}
    form = shown("Log In", FORM % ("log", PASSWORD_FIELD))
    sites.server.route(BLOG, "/enter", lambda _: Answer(form.body, 200, {**HTML, **visit}))
    sites.server.route(BLOG, "/welcome", lambda _: answer)
    code, _, err = twin("login", f"https://{BLOG}/enter", "--username", "ada")
    assert (code, words in err) == (1, True), err
    assert states(twin) == {}
