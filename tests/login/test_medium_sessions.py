"""Medium with a session and without: whole stories, paywalls, sessions that are over, and where cookies go."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from played import MEDIUM, Played, Run, cookie_txt, cookies_of, sent_to
from played_medium import OWN, SENTENCES, Medium

from server import Answer

UID = "uid-of-ada"
SECRET = "a-token-that-pages-show-to-scripts"
Collect = Callable[..., dict[str, Any]]
CHALLENGE = Answer("<title>Just a moment...</title>", 403, {"content-type": "text/html"})


@pytest.fixture
def medium(sites: Played, monkeypatch: pytest.MonkeyPatch) -> Medium:
    found = Medium(sites)
    for host in (OWN, "ada.medium.com", "medium.com.evil.example", "elsewhere.example"):
        sites.server.route(host, "/robots.txt", status=404)
    for host in ("gist.githubusercontent.com",):
        sites.server.route(host, "/", status=404)
    monkeypatch.setenv("TWIN_RESOLVE", json.dumps(sites.server.resolve))
    return found


@pytest.fixture
def signed_in(twin: Run, medium: Medium, tmp_path: Path) -> None:
    rows = ((".medium.com", "uid", UID), (".medium.com", "xsrf", SECRET), ("medium.com", "sid", "1:s"))
    (tmp_path / "cookies.txt").write_text(cookie_txt(*rows))
    assert twin("login", "--import-cookies", "cookies.txt")[0] == 0


@pytest.fixture
def collect(twin: Run) -> Collect:
    def once(*links: str, **_: object) -> dict[str, Any]:
        code, out, err = twin("collect", "--author", "Ada", *links, "--json", "--quiet")
        assert code in (0, 1), err
        assert UID not in out + err
        outcomes = json.loads(out)["outcomes"]
        return dict(outcomes[0]) if len(outcomes) == 1 else {"all": outcomes}

    return once


def text_of(twin: Run) -> str:
    (document,) = json.loads(twin("documents", "--json")[1])
    return str(json.loads(twin("documents", "show", document["id"], "--json")[1])["text"])


def test_a_story_for_members_without_a_session_is_no_document(medium: Medium, collect: Collect, twin: Run) -> None:
    outcome = collect(medium.story("ada.medium.com", "gears-aa11bb22cc33"))
    assert (outcome["status"], outcome["reason"]) == ("failed", "paywall")
    assert 'of "The inner life of gears" only the opening can be read, 36 words' in outcome["detail"]
    assert "to sign in: twin login medium" in outcome["detail"]
    assert json.loads(twin("documents", "--json")[1]) == []


@pytest.mark.usefixtures("signed_in")
def test_with_a_session_the_whole_story_is_read(medium: Medium, collect: Collect, twin: Run, home: Path) -> None:
    token = [{"type": "P", "text": f"Yours: {SECRET}"}]
    assert collect(medium.story("ada.medium.com", "gears-aa11bb22cc33", paragraphs=token))["status"] == "new"
    text = text_of(twin)
    assert all(sentence in text for sentence in SENTENCES)
    assert text.endswith("Yours: \\*\\*\\*")
    raw = twin("documents", "show", json.loads(twin("documents", "--json")[1])[0]["id"], "--raw")[1]
    assert "Yours: ***" in raw
    assert SECRET not in raw
    files = [path for path in home.rglob("*") if path.is_file()]
    assert len(files) > 2
    assert not [path for path in files if UID.encode() in path.read_bytes()], "the cookie stands nowhere"


@pytest.mark.usefixtures("signed_in")
def test_a_session_that_ends_says_how_to_renew_it_and_is_not_tried_again(
    medium: Medium, collect: Collect, twin: Run, sites: Played
) -> None:
    link = medium.story("ada.medium.com", "gears-aa11bb22cc33")
    sites.members.clear()
    outcome = collect(link)
    assert (outcome["status"], outcome["reason"]) == ("failed", "login_expired")
    assert "sign in again: twin login medium" in outcome["detail"]
    assert [each["state"] for each in json.loads(twin("login", "--status", "--json")[1])] == ["expired"]
    sites.server.requests.clear()
    assert collect(link)["reason"] == "login_expired"
    (again,) = sites.server.asked("/gears-aa11bb22cc33")
    assert "cookie" not in again.headers, "it is sent no more"


@pytest.mark.usefixtures("signed_in")
def test_an_account_that_may_not_read_a_story_is_not_told_to_sign_in(medium: Medium, collect: Collect) -> None:
    link = medium.story("ada.medium.com", "gears-aa11bb22cc33")
    page = medium._page("aa11bb22cc33", link, "T", False, {})
    as_reader = str(page.body).replace('"viewer": null', '"viewer": {"__ref": "User:ada"}')
    medium.played.server.route("ada.medium.com", "/gears-aa11bb22cc33", body=as_reader)
    outcome = collect(link)
    assert outcome["reason"] == "paywall"
    assert "the account that is signed in may not read it" in outcome["detail"]


@pytest.mark.usefixtures("signed_in")
def test_a_redirect_to_the_login_is_a_session_that_is_over(medium: Medium, collect: Collect, sites: Played) -> None:
    sites.server.route("ada.medium.com", "/gears-aa11bb22cc33", lambda _: sent_to("https://medium.com/m/signin"))
    assert collect("https://ada.medium.com/gears-aa11bb22cc33")["reason"] == "login_expired"


@pytest.mark.parametrize("known", [True, False], ids=["signed in", "nobody"])
def test_a_challenge_ends_all_of_medium_for_the_run_and_the_session_until_it_is_renewed(
    known: bool, medium: Medium, twin: Run, sites: Played, request: pytest.FixtureRequest
) -> None:
    if known:
        request.getfixturevalue("signed_in")
    links = [f"https://{MEDIUM}/@ada/gears-{number}-aa11bb22cc{number}" for number in range(10, 16)]
    for link in links:
        sites.server.route(MEDIUM, link.removeprefix(f"https://{MEDIUM}"), lambda _: CHALLENGE)
    collect = ("collect", "--author", "Ada", *links, medium.story(OWN, "gears-aa11bb22cc33", locked=False))
    code, out, _ = twin(*collect, "--json", "--quiet")
    found = {each["link"]: each for each in json.loads(out)["outcomes"]}
    assert (code, found.pop(collect[-1])["status"]) == (1, "new"), "on other hosts nothing has stopped"
    assert {each["reason"] for each in found.values()} == {"blocked"}
    assert all("in your browser, then twin login medium" in each["detail"] for each in found.values())
    asked = [each for each in sites.server.requests if "/@ada/gears" in each.path]
    assert len(asked) <= 2, "what was on its way when the first answer came"
    if known:
        assert [each["state"] for each in json.loads(twin("login", "--status", "--json")[1])] == ["blocked"]
        sites.server.requests.clear()
        assert twin("collect", "--author", "Ada", links[0])[0] == 1
        assert sites.server.requests == [], "later runs ask nothing"
        assert twin("login", "medium", "--import-cookies", "cookies.txt")[0] == 0
        assert [each["state"] for each in json.loads(twin("login", "--status", "--json")[1])] == ["signed in"]


@pytest.mark.usefixtures("signed_in")
def test_cookies_go_to_hosts_of_their_site_alone(medium: Medium, collect: Collect, sites: Played) -> None:
    for host in ("medium.com.evil.example", "elsewhere.example"):
        sites.server.route(host, "/caught", body="<p>caught</p>")
        sites.server.route("ada.medium.com", f"/{host}", lambda _, host=host: sent_to(f"https://{host}/caught"))
        collect(f"https://ada.medium.com/{host}", f"https://{host}/caught")
    collect("http://medium.com/@ada/in-the-clear-aa11bb22cc33")
    seen = {(request.host, bool(cookies_of(request).get("uid"))) for request in sites.server.requests}
    assert ("ada.medium.com", True) not in {(host, sent) for host, sent in seen if "evil" in host}
    assert {host for host, sent in seen if sent} <= {"ada.medium.com", MEDIUM}
    assert ("elsewhere.example", False) in seen
    assert ("medium.com.evil.example", False) in seen
    sids = {request.host for request in sites.server.requests if "sid" in cookies_of(request)}
    assert sids <= {MEDIUM}, "a cookie without a domain is for its own host"


@pytest.mark.usefixtures("signed_in")
def test_a_story_on_a_domain_of_its_own_is_whole_for_members(medium: Medium, collect: Collect, sites: Played) -> None:
    link = medium.story(OWN, "gears-aa11bb22cc33")
    medium.identity()
    sites.server.route(MEDIUM, "/robots.txt", body="User-agent: *\nDisallow: /m/\n", content_type="text/plain")
    sites.server.route(OWN, "/gears-aa11bb22cc33", lambda request: medium.on_own_domain(request, link))
    assert collect(link)["status"] == "new"
    assert [bool(cookies_of(request)) for request in sites.server.asked("/m/global-identity-2")] == [True]
    assert not [request for request in sites.server.requests if request.host == OWN and UID in str(request.headers)]


def test_gists_are_part_of_the_story(medium: Medium, collect: Collect, twin: Run, sites: Played) -> None:
    gist = "https://gist.github.com/ada/0123456789abcdef"
    entities = {"MediaResource:1": {"title": "engine.py", "href": gist}}
    frame = {"type": "IFRAME", "text": "", "iframe": {"mediaResource": {"__ref": "MediaResource:1"}}}
    gone = {**frame, "iframe": {"mediaResource": {"id": "fedcba9876543210", "title": "gone.py"}}}
    code = "def turn(n):\n    return n + 1  # *not* emphasis\n"
    raw = "/ada/0123456789abcdef/raw"
    sites.server.route("gist.githubusercontent.com", raw, body=code, content_type="text/plain; charset=utf-8")
    link = medium.story(
        "ada.medium.com",
        "gears-aa11bb22cc33",
        locked=False,
        entities=entities,
        paragraphs=[frame, gone],
        sequence={"title": "Engines"},
    )
    assert collect(link)["status"] == "new"
    text = text_of(twin)
    assert f"```py\n{code}```\n\n[engine.py]({gist})" in text
    assert "[gone.py](https://medium.com/media/fedcba9876543210)" in text
    assert json.loads(twin("documents", "--json")[1])[0]["metadata"]["series"] == "Engines"
    assert collect(link)["status"] == "unchanged"


def test_responses_that_a_list_names_are_left_out_and_one_that_the_user_names_is_a_post(
    medium: Medium, twin: Run, collect: Collect
) -> None:
    story = medium.story("ada.medium.com", "gears-aa11bb22cc33", locked=False)
    # What it answers is somebody else's, and not in the state of the page.
    response = medium.story("ada.medium.com", "i-agree-dd11bb22cc33", "I agree", response_to={"__ref": "Post:1"})
    medium.subdomain("ada.medium.com", feed=[story], sitemap=[story, response])
    found = {each["link"]: each for each in collect("https://ada.medium.com", "--expand", "50")["all"]}
    assert found[story]["status"] == "new"
    assert (found[response]["status"], found[response]["reason"]) == ("skipped", "response")
    medium.story("ada.medium.com", "i-agree-dd11bb22cc33", "I agree", locked=False, response_to={"__ref": "Post:1"})
    assert collect(response)["status"] == "new"
    kinds = {each["link"]: each["kind"] for each in json.loads(twin("documents", "--json")[1])}
    assert kinds == {story: "article", response: "post"}


def test_a_publication_on_a_domain_of_its_own_is_listed_each_story_once(medium: Medium, twin: Run) -> None:
    stories = [medium.story(OWN, f"gears-{number}-aa11bb22cc{number}", locked=False) for number in range(10, 22)]
    home = '<meta property="al:android:package" content="com.medium.reader"><h1>Stories of Ada</h1>'
    medium.played.server.route(OWN, "/", body=f"<!doctype html><html><body>{home}</body></html>")
    medium.subdomain(OWN, feed=stories[:10], sitemap=[*stories, f"https://{OWN}/about", f"https://{OWN}/tagged/gears"])
    code, out, err = twin("discover", f"https://{OWN}/", "--json")
    assert code == 0, err
    assert [each["link"] for each in json.loads(out)["items"]] == stories


@pytest.mark.usefixtures("browser")
def test_a_profile_is_listed_to_its_end(medium: Medium, twin: Run, sites: Played) -> None:
    medium.profile(stories=47)
    code, out, err = twin("discover", "https://medium.com/@ada", "--json")
    assert code == 0, err
    found = {each["link"]: each["source"] for each in json.loads(out)["items"]}
    assert set(found) == {link for link, _ in medium.stories}, "none of somebody else's, no responses"
    assert set(found.values()) == {"feed+state+page", "state+page", "page"}


def test_a_short_list_needs_no_browser(
    medium: Medium, twin: Run, sites: Played, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TWIN_BROWSER", "/nowhere/chromium")
    medium.profile(stories=47)
    code, out, err = twin("discover", "https://medium.com/@ada", "--limit", 12, "--json")
    assert code == 0, err
    assert len(json.loads(out)["items"]) == 12


@pytest.mark.parametrize(
    ("how", "reason", "why", "links"),
    [
        ("too often", "rate_limited", "wants to be asked less often (HTTP 429)", 15),
        ("new layout", "layout_changed", "no story is seen on https://medium.com/@ada", 10),
    ],
)
@pytest.mark.usefixtures("browser")
def test_a_profile_that_cannot_be_scrolled_down_says_how_much_is_there_and_why_no_more(
    how: str, reason: str, why: str, links: int, medium: Medium, twin: Run, sites: Played
) -> None:
    medium.profile(stories=40)
    if how == "too often":
        sites.server.route(MEDIUM, "/_/stories", lambda _: Answer("{}", 429))
    else:
        sites.server.route(MEDIUM, "/@ada", body="<main><p>Ada writes about engines, now and then.</p></main>")
    code, out, err = twin("discover", "https://medium.com/@ada", "--limit", 30, "--json")
    assert (code, len(json.loads(out)["items"])) == (1, links)
    assert err.startswith(f"twin: {reason}: {links} links are found, 30 are wanted: ")
    assert why in err


@pytest.mark.parametrize(
    ("how", "reason", "why", "links"),
    [
        ("no browser", "incomplete", "Medium shows those beyond in a browser alone, and TWIN_RENDER is never", 15),
        ("challenge", "blocked", "look at it in your browser, then twin login medium", 10),
    ],
)
def test_a_profile_that_is_cut_short_fails_and_what_is_known_of_it_is_collected(
    how: str, reason: str, why: str, links: int, medium: Medium, twin: Run, sites: Played
) -> None:
    medium.profile(stories=40)
    for link, title in medium.stories[:15]:
        medium.story(MEDIUM, link.removeprefix(f"https://{MEDIUM}/"), title, locked=False)
    if how == "challenge":
        sites.server.route(MEDIUM, "/@ada", lambda _: CHALLENGE)
    render = "never" if how == "no browser" else "auto"
    collect = ("collect", "--author", "Ada", "https://medium.com/@ada", "--expand", 30, "--render", render)
    code, out, _ = twin(*collect, "--json", "--quiet")
    (profile, *others) = sorted(json.loads(out)["outcomes"], key=lambda each: len(each["link"]))
    assert (code, profile["status"], profile["reason"], profile["expand"]) == (1, "failed", reason, 30)
    assert f"{links} links are found, 30 are wanted: {'' if how == 'challenge' else why}" in profile["detail"]
    assert why in profile["detail"]
    assert (len(others), {each["status"] for each in others}) == (links, {"failed" if how == "challenge" else "new"})


def test_a_profile_that_its_feed_gives_whole_needs_no_browser(medium: Medium, twin: Run) -> None:
    medium.profile(stories=9)
    code, out, _ = twin("discover", "https://medium.com/@ada", "--set", "render=never", "--json")
    assert (code, len(json.loads(out)["items"])) == (0, 9)


def test_a_publication_whose_sitemap_cannot_be_read_is_cut_short_at_its_feed(medium: Medium, twin: Run) -> None:
    stories = [medium.story("ada.medium.com", f"gears-{number}-aa11bb22cc{number}") for number in range(10, 20)]
    medium.subdomain("ada.medium.com", feed=stories, sitemap=[])
    medium.played.server.route("ada.medium.com", "/sitemap.xml", status=503)
    code, out, err = twin("discover", "https://ada.medium.com/", "--json")
    assert (code, len(json.loads(out)["items"])) == (1, 10)
    assert "10 links are found, there may be more: HTTP 503" in err
