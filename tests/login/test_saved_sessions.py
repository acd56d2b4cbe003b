"""Sessions as they are saved, shown, brought along from a browser, and removed."""

from __future__ import annotations

import json
import re
import stat
import sys
from pathlib import Path
from typing import Any

import pytest
from played import BLOG, HTML, LINKEDIN, Played, Run, cookie_txt, cookies_of, sent_to, shown

from llm_twin.collect.sessions.sites import site_named
from server import Answer, Request

TOKEN, UID = "token-of-ada", "uid-of-ada"
LINKEDIN_ROWS = ((f".{LINKEDIN}", "li_at", TOKEN), (f".{LINKEDIN}", "JSESSIONID", '"ajax:1"'))
MEDIUM_ROWS = ((".medium.com", "uid", UID), ("medium.com", "sid", "1:secret-of-ada"))


def status(twin: Run) -> list[dict[str, Any]]:
    code, out, err = twin("login", "--status", "--json")
    assert code in (0, 1), err
    return list(json.loads(out))


@pytest.fixture
def cookies(tmp_path: Path) -> Path:
    path = tmp_path / "cookies.txt"
    path.write_text(cookie_txt(*MEDIUM_ROWS, (".evil.example", "uid", "another")))
    return path


def test_a_cookies_txt_is_a_session_that_only_its_owner_can_read(
    twin: Run, sites: Played, cookies: Path, home: Path
) -> None:
    code, out, err = twin("login", "--import-cookies", cookies)
    assert code == 0, err
    assert "signed in" in out
    assert f"remove {cookies} now" in err
    (session,) = status(twin)
    assert (session["site"], session["state"], session["came_by"]) == ("medium", "signed in", "import")
    assert session["cookies"] == 2, "of other sites nothing is kept"
    assert session["key_in"] == "a file beside it"
    assert session["until"].startswith("2033-05-18")
    folder = home / "sessions"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {path.name for path in folder.iterdir()} == {"key", "medium.session"}
    for path in folder.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert not [word for word in (UID, "secret-of-ada") if word.encode() in path.read_bytes()]


EXTENSION = [
    {
        "domain": ".medium.com",
        "name": "uid",
        "value": UID,
        "hostOnly": False,
        "secure": True,
        "sameSite": "no_restriction",
    },
    {
        "domain": "medium.com",
        "name": "sid",
        "value": "1:s",
        "hostOnly": True,
        "expirationDate": 2000000000.5,
        "path": "/",
    },
]
STATE = {
    "cookies": [
        {"domain": ".medium.com", "name": "uid", "value": UID, "path": "/", "expires": -1, "sameSite": "Lax"},
        {"domain": "medium.com", "name": "sid", "value": "1:s", "path": "/", "expires": 2e9, "httpOnly": True},
    ],
    "origins": [],
}


@pytest.mark.parametrize("given", [EXTENSION, STATE], ids=["extension", "playwright"])
def test_json_of_extensions_and_of_playwright_is_read(given: object, twin: Run, sites: Played, tmp_path: Path) -> None:
    (tmp_path / "cookies.json").write_text("\ufeff" + json.dumps(given))
    code, _, err = twin("login", "medium", "--import-cookies", "cookies.json")
    assert code == 0, err
    assert [each["cookies"] for each in status(twin)] == [2]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no cookies in it"),
        ("nonsense secret-of-ada", "line 1: not a cookie"),
        ("[{]", "it begins like JSON and is none"),
        ('["secret-of-ada"]', "cookie 1: not a cookie"),
        (
            '[{"domain": ".medium.com", "name": "", "value": "secret-of-ada"}]',
            "cookie 1: this name is none that a cookie can have",
        ),
        (
            json.dumps([{"domain": ".medium.com", "name": "uid", "value": "secret-of-ada\r\nX: y"}]),
            "this value is none",
        ),
        (cookie_txt((".medium.com", "uid", UID), end=1_500_000_000), "they have expired"),
        (cookie_txt((".medium.com", "uid", "lo_1234")), "nobody is signed in at medium or linkedin"),
        (cookie_txt((".medium.com.evil.example", "uid", UID)), "nobody is signed in"),
    ],
)
def test_a_file_that_holds_no_session_is_refused_in_one_line(
    text: str, words: str, twin: Run, sites: Played, tmp_path: Path
) -> None:
    (tmp_path / "cookies").write_text(text)
    code, out, err = twin("login", "--import-cookies", "cookies", "--quiet")
    assert code == 2
    assert words in err
    assert err.count("\n") == 1
    assert not [secret for secret in ("secret-of-ada", UID) if secret in out + err]
    assert status(twin) == []


def test_odd_cookies_of_others_and_ends_in_milliseconds_do_no_harm(twin: Run, sites: Played, tmp_path: Path) -> None:
    odd = [
        {"domain": "127.0.0.1", "name": "a", "value": "b"},
        {"domain": ".shop.example", "name": "", "value": "b"},
        {"domain": ".shop.example", "name": "ä", "value": "\n", "path": "nowhere"},
        {"domain": ".medium.com", "name": "uid", "value": UID, "expirationDate": 2_000_000_000_000},
    ]
    (tmp_path / "cookies.json").write_text(json.dumps(odd))
    assert twin("login", "--import-cookies", "cookies.json")[0] == 0
    assert [each["until"][:4] for each in status(twin)] == ["2033"]
    (tmp_path / "cookies.json").write_text(json.dumps([{**odd[-1], "expirationDate": float("inf")}]))
    assert twin("login", "--import-cookies", "cookies.json")[0] == 0
    assert [each["until"] for each in status(twin)] == [None]


def test_cookies_that_the_site_does_not_take_replace_no_session(
    twin: Run, sites: Played, cookies: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert twin("login", "--import-cookies", cookies)[0] == 0
    (tmp_path / "old.txt").write_text(cookie_txt((".medium.com", "uid", "uid-of-old")))
    code, _, err = twin("login", "--import-cookies", "old.txt", "--quiet")
    assert (code, err.count("\n")) == (2, 1)
    assert "medium takes these cookies no longer" in err
    assert [(each["state"], each["cookies"]) for each in status(twin)] == [("signed in", 2)]
    monkeypatch.setenv("TWIN_BROWSER", "/nowhere")  # LinkedIn's can't be checked
    (tmp_path / "old.txt").write_text(cookie_txt((".medium.com", "uid", "uid-of-old"), *LINKEDIN_ROWS))
    code, out, err = twin("login", "--import-cookies", "old.txt", "--json")
    assert (code, [each["site"] for each in json.loads(out)]) == (1, ["linkedin"])
    assert "medium takes these cookies no longer" in err
    assert {each["site"]: each["state"] for each in status(twin)} == {"linkedin": "not checked", "medium": "signed in"}


def test_the_sites_are_asked_when_checks_are_wanted(twin: Run, sites: Played, cookies: Path) -> None:
    twin("login", "--import-cookies", cookies)
    before = len(sites.server.requests)
    assert twin("login", "--status")[0] == 0
    assert len(sites.server.requests) == before, "the status alone asks nobody"
    sites.members.clear()
    code, out, _ = twin("login", "--status", "--check", "--json")
    assert (code, json.loads(out)[0]["state"]) == (1, "expired")
    assert [each["state"] for each in status(twin)] == ["expired"]


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (Answer("<title>Just a moment...</title>", 403, HTML), "a check for robots"),
        (Answer("busy", 503), "HTTP 503 from https://medium.com/me/settings"),
    ],
    ids=["challenge", "busy"],
)
def test_a_site_that_cannot_be_asked_says_nothing_about_the_session_and_that_is_said(
    answer: Answer, why: str, twin: Run, sites: Played, cookies: Path
) -> None:
    assert twin("login", "--import-cookies", cookies)[0] == 0
    sites.server.route("medium.com", "/me/settings", lambda _: answer)
    code, out, _ = twin("login", "--status", "--check")
    assert (code, "not checked" in out) == (1, True)
    assert f"medium could not be checked: {why}" in out
    code, out, _ = twin("login", "--status", "--check", "--json")
    (told,) = json.loads(out)
    assert (code, told["state"], why in told["detail"]) == (1, "not checked", True)
    assert [each["state"] for each in status(twin)] == ["signed in"], "what was known is kept"
    code, out, _ = twin("login", "--import-cookies", cookies)
    assert (code, f"medium could not be checked: {why}" in out) == (0, True)
    assert [each["state"] for each in status(twin)] == ["not checked"]


def test_a_session_that_is_marked_wrongly_is_good_again_once_the_site_takes_it(
    twin: Run, sites: Played, cookies: Path
) -> None:
    twin("login", "--import-cookies", cookies)
    sites.members.clear()
    assert twin("login", "--status", "--check")[0] == 1
    sites.members.add(UID)
    assert twin("login", "--status", "--check")[0] == 0
    assert [each["state"] for each in status(twin)] == ["signed in"]


def test_exit_codes_are_those_of_the_table_with_json_too(twin: Run, sites: Played, cookies: Path, home: Path) -> None:
    assert [twin("login", "medium", "--status", *more)[0] for more in ((), ("--json",))] == [1, 1]
    assert [twin("login", "--status", *more)[0] for more in ((), ("--json",))] == [0, 0]
    twin("login", "--import-cookies", cookies)
    code, out, _ = twin("login", "medium", "--forget", "--json")
    assert (code, json.loads(out)) == (0, [{"site": "medium", "state": "forgotten"}])
    assert status(twin) == []


def test_the_key_lies_in_the_systems_keyring_where_there_is_one(
    twin: Run, sites: Played, cookies: Path, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keyring = pytest.importorskip("keyring", reason="keyring is not installed")
    from keyrings import FileKeyring

    former = keyring.get_keyring()
    monkeypatch.setenv("TEST_KEYRING", str(tmp_path / "keyring.json"))
    keyring.set_keyring(FileKeyring())
    try:
        assert twin("login", "--import-cookies", cookies)[0] == 0
        assert [each["key_in"] for each in status(twin)] == ["the system's keyring"]
        assert {path.name for path in (home / "sessions").iterdir()} == {"medium.session"}
        (tmp_path / "keyring.json").unlink()
        code, _, err = twin("login", "--status")
        assert code == 2
        assert "its key is not in the system's keyring; sign in again: twin login medium" in err
    finally:
        keyring.set_keyring(former)


def test_a_damaged_session_says_what_to_do(twin: Run, sites: Played, cookies: Path, home: Path) -> None:
    twin("login", "--import-cookies", cookies)
    path = home / "sessions" / "medium.session"
    path.write_bytes(path.read_bytes()[:-20])
    code, _, err = twin("login", "--status")
    assert code == 2
    assert "sign in again: twin login medium" in err
    cookies.write_text(cookie_txt(*LINKEDIN_ROWS))
    twin("login", "--import-cookies", cookies)
    code, out, err = twin("login", "--status")
    assert code == 2
    assert "linkedin" in out
    assert "sign in again: twin login medium" in err
    told = json.loads(twin("login", "--status", "--json")[1])
    assert {each["site"]: each["state"] for each in told} == {"linkedin": "not checked", "medium": "damaged"}
    cookies.write_text(cookie_txt(*MEDIUM_ROWS))
    assert twin("login", "--import-cookies", cookies)[0] == 0


@pytest.mark.parametrize("text", [b"", b"no key"], ids=["empty", "nonsense"])
def test_a_damaged_key_is_named_and_once_removed_one_can_sign_in_again(
    text: bytes, twin: Run, sites: Played, cookies: Path, home: Path
) -> None:
    twin("login", "--import-cookies", cookies)
    key = home / "sessions" / "key"
    key.write_bytes(text)
    told = f"the key of the sessions is damaged: remove {key}, then sign in again\n"
    for words in (("--status",), ("--import-cookies", cookies, "--quiet")):
        code, _, err = twin("login", *words)
        assert (code, err) == (2, f"twin: {told}")
    key.unlink()
    assert twin("login", "--import-cookies", cookies)[0] == 0
    assert [each["state"] for each in status(twin)] == ["signed in"]


def test_sessions_that_are_no_folder_end_in_one_line(twin: Run, sites: Played, cookies: Path, home: Path) -> None:
    home.mkdir()
    (home / "sessions").write_text("no folder")
    for words, told in (
        (("medium", "--forget"), "no session of medium is saved"),
        (("--import-cookies", cookies, "--quiet"), f"the session can't be saved: File exists: {home / 'sessions'}"),
    ):
        code, _, err = twin("login", *words)
        assert (code, err.count("\n"), told in err) == (2, 1, True), err
    assert twin("login", "--status")[0] == 0


def test_doctor_shows_the_sessions_and_whether_there_is_a_browser(
    twin: Run, sites: Played, cookies: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    twin("login", "--import-cookies", cookies)
    monkeypatch.setenv("TWIN_PASSWORD", "secret-of-ada")
    monkeypatch.setenv("TWIN_BROWSER", sys.executable)
    code, out, err = twin("doctor")
    assert code == 0, out
    assert re.search(rf"ok\s+browser\s+{re.escape(sys.executable)}", out)
    told = r"ok\s+session medium\s+signed in, saved \d+ s ago, checked \d+ s ago, valid until 2033-05-18, key in a file"
    assert re.search(told, " ".join(out.split()))
    assert not [secret for secret in ("secret-of-ada", UID) if secret in out + err]
    sites.members.clear()
    twin("login", "--status", "--check")
    (home / "sessions" / "linkedin.session").write_bytes(b"file\nnonsense")
    (home / "sessions" / "no site.session").write_bytes(b"file\nnonsense")
    monkeypatch.setenv("TWIN_BROWSER", "/nowhere/chromium")
    code, out, _ = twin("doctor", "--json")
    broken = {each["name"]: each for each in json.loads(out)["checks"] if each["state"] == "broken"}
    assert (code, set(broken)) == (2, {"session medium", "session linkedin", "browser"})
    assert broken["session medium"]["detail"].startswith("expired, saved")
    assert broken["session medium"]["todo"] == "twin login medium, or twin login medium --forget"


def test_a_session_of_any_site_opens_its_pages_until_it_is_over(
    twin: Run, sites: Played, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = " ".join(f"Sentence {number} is for subscribers of the blog alone." for number in range(30))
    good = {"member-1"}

    def page(request: Request) -> Answer:
        if cookies_of(request).get("member") not in good:
            return sent_to("/wp-login.php")
        return shown("For subscribers", f"<article><h1>For subscribers</h1><p>{words}</p></article>")

    link = sites.server.route(BLOG, "/for-subscribers", page)
    collect = ("collect", "--author", "Ada", link, "--json", "--quiet")
    assert json.loads(twin(*collect)[1])["outcomes"][0]["reason"] == "login_required"
    (tmp_path / "cookies.txt").write_text(cookie_txt((BLOG, "member", "member-1")))
    assert twin("login", BLOG, "--import-cookies", "cookies.txt")[0] == 0
    assert json.loads(twin(*collect)[1])["outcomes"][0]["status"] == "new"
    good.clear()
    (outcome,) = json.loads(twin(*collect)[1])["outcomes"]
    assert (outcome["reason"], f"twin login {BLOG}" in outcome["detail"]) == ("login_expired", True)


def test_a_session_is_forgotten(twin: Run, sites: Played, cookies: Path, home: Path) -> None:
    twin("login", "--import-cookies", cookies)
    assert twin("login", "medium", "--forget")[0] == 0
    assert not (home / "sessions" / "medium.session").exists()
    code, _, err = twin("login", "medium", "--forget")
    assert (code, "no session of medium is saved" in err) == (2, True)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "sign in where?"),
        (("http://blog.example/login",), "no site to sign in to by https"),
        (("no-such-name",), "give medium, linkedin or a host"),
        (("medium", "--check"), "--check goes with --status"),
        (("medium", "--status", "--forget"), "at a time"),
        (("--import-cookies", "nowhere.txt"), "nowhere.txt: no such file"),
        (
            ("https://ada:secret-of-ada@blog.example/login",),
            "https://***@blog.example/login: the link carries a user name",
        ),
        (("127.0.0.1",), "127.0.0.1: no site to sign in to by https; give medium, linkedin or a host"),
        (("medium", "--username", " "), "--username needs a name"),
        (("medium", "--username", "ada"), "medium has no passwords: sign in in a window, twin login medium"),
        (("linkedin", "--username", "ada"), "no password: set TWIN_PASSWORD or TWIN_LINKEDIN_PASSWORD"),
    ],
)
def test_wrong_usage_is_one_line(words: tuple[str, ...], told: str, twin: Run, sites: Played) -> None:
    code, _, err = twin("login", *words, "--quiet")
    assert code == 2
    assert told in err
    assert err.count("\n") == 1
    assert "secret-of-ada" not in err


def test_without_a_screen_there_is_no_window(twin: Run, sites: Played, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "TWIN_BROWSER"):
        monkeypatch.delenv(name, raising=False)
    code, _, err = twin("login", "medium", "--quiet")
    assert code == 2
    assert "--import-cookies FILE" in err or "no browser here" in err


@pytest.mark.parametrize("words", [("medium",), ("blog.example",), ("linkedin", "--username", "ada")])
def test_without_playwright_it_says_what_to_install(
    words: tuple[str, ...], twin: Run, sites: Played, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("playwright", "playwright.async_api"):
        monkeypatch.setitem(sys.modules, name, None)  # as where it is not installed
    code, _, err = twin("login", *words, "--quiet")
    assert (code, err.count("\n")) == (2, 1)
    assert "no browser here; pip install 'llm-twin[login]'" in err


@pytest.mark.parametrize(
    ("given", "page"),
    [("ada.dev", "https://ada.dev/")]
    + [(page.removeprefix("https://"), page) for page in ("https://ada.dev/wp-login.php", "https://ada.dev/in?next=1")],
)
def test_the_page_to_sign_in_on_is_opened_as_it_is_given(given: str, page: str) -> None:
    assert site_named(given).login == page
