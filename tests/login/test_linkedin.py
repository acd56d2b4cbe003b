"""LinkedIn's activity page, read by a real Chromium that is signed in."""

from __future__ import annotations

import csv
import json
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from played import LINKEDIN, Played, Run, cookie_txt, shown
from played_linkedin import ACTIVITY, PROFILE, Article, LinkedIn, Post

from llm_twin import Twin
from server import Answer, Request

Collect = Callable[..., dict[str, Any]]
MORE = """<div class=update-components-image><img src="https://media.licdn.com/a.jpg" alt="A wooden gear wheel"></div>
<div class=update-components-document__container><iframe title="Gears in ten slides"></iframe></div>
<div class=update-components-article><a href="https://engines.example/paper?utm_source=li">The paper</a></div>"""


@pytest.fixture
def signed_in(twin: Run, sites: Played, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TWIN_BROWSER", "/nowhere")  # not needed yet
    (tmp_path / "cookies.txt").write_text(cookie_txt((f".{LINKEDIN}", "li_at", "token-of-ada")))
    assert twin("login", "linkedin", "--import-cookies", "cookies.txt", "--quiet")[0] == 0


@pytest.fixture
def collect(signed_in: None, browser: Path, twin: Run) -> Collect:
    def once(*words: object) -> dict[str, Any]:
        code, out, err = twin("collect", "--author", "Ada Example", *words, "--json", "--quiet")
        assert code in (0, 1), err
        assert "token-of-ada" not in out + err
        (outcome,) = json.loads(out)["outcomes"]
        return dict(outcome)

    return once


def documents(twin: Run) -> list[dict[str, Any]]:
    code, _, err = twin("documents", "export", "all.jsonl")
    assert code == 0, err
    return [json.loads(line) for line in Path("all.jsonl").read_text("utf-8").splitlines()]


def exported(posts: list[Post]) -> None:
    """Posts as LinkedIn's data export has them."""
    columns = ("Date", "ShareLink", "ShareCommentary", "SharedUrl", "MediaUrl", "Visibility")
    with Path("Shares.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(columns)
        for post in posts:
            link = f"https://www.linkedin.com/feed/update/{post.share}"
            rows.writerow((f"{post.at:%Y-%m-%d %H:%M:%S}", link, post.words, "", "", ""))


def test_three_hundred_posts_in_two_layouts_become_documents(collect: Collect, sites: Played, twin: Run) -> None:
    kinds = {3: "reshare", 7: "repost", 155: "reshare", 157: "repost"}
    posts = [
        Post(
            number,
            "2024" if number < 150 else "2023",
            kinds.get(number, "post"),
            {"parts": MORE if number == 5 else ""},
        )
        for number in range(300)
    ]
    article = Article("on-gears", 20)
    LinkedIn(sites, posts, articles=[article])
    exported(posts[1:3])
    assert twin("import", "Shares.csv", "--author", "Ada Example", "--quiet")[0] == 0
    outcome = collect(PROFILE, "--expand", 300)
    assert (outcome["status"], outcome["documents"]) == ("new", 299), outcome
    found = {each["link"]: each for each in documents(twin)}
    assert found.pop(article.link)["kind"] == "article"
    assert set(found) == {
        f"https://www.linkedin.com/feed/update/{post.share}/" for post in posts if post.kind != "repost"
    }, "by the share, as the data export names them"
    for post in (posts[0], posts[149], posts[151], posts[299]):
        each = found[f"https://www.linkedin.com/feed/update/{post.share}/"]
        assert (each["kind"], each["platform"]) == ("post", "linkedin")
        assert each["text"] == post.words.replace("#", "\\#") or each["text"] == post.words
        assert each["published_at"][:10] == f"{post.at:%Y-%m-%d}"
        details = each["metadata"]
        assert details["urn"] == post.activity
        assert details["hashtags"] == ["engines", "gears"]
        assert details["mentions"] == [{"name": "Charles Babbage", "link": "https://www.linkedin.com/in/charles"}]
        assert (details["reactions"], details["comments"]) == (1000 + post.number, 12)
        assert details["parser"] == ("linkedin 2024-1" if post.layout == "2024" else "linkedin 2023-1")
    for number in (3, 155):
        each = found[f"https://www.linkedin.com/feed/update/{posts[number].share}/"]
        assert "somebody else" not in each["text"]
        assert each["metadata"]["type"] == "reshare"
        assert each["metadata"]["reshare_of"] == {
            "author": "Grace Hopper",
            "profile": "https://www.linkedin.com/in/grace",
        }
    rich = found[f"https://www.linkedin.com/feed/update/{posts[5].share}/"]
    assert rich["metadata"]["images"] == [{"alt": "A wooden gear wheel", "address": "https://media.licdn.com/a.jpg"}]
    assert rich["metadata"]["documents"] == ["Gears in ten slides"]
    assert rich["metadata"]["links"] == ["https://engines.example/paper?utm_source=li"]
    assert "A wooden gear wheel" in rich["text"]

    exported(posts[:3])
    code, out, err = twin("import", "Shares.csv", "--author", "Ada Example", "--json", "--quiet")
    assert code == 0, err
    assert {each["status"] for each in json.loads(out)["outcomes"]} <= {"skipped", "unchanged"}, out
    assert len(documents(twin)) == 299, "a post that is in the export is the same document"


def test_a_walk_ends_at_a_date_and_no_process_shows_its_session(collect: Collect, sites: Played, twin: Run) -> None:
    played = LinkedIn(sites, [Post(number) for number in range(300)])
    processes: list[bytes] = []

    def look(request: Request) -> Answer:
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                processes.append((process / "cmdline").read_bytes() + (process / "environ").read_bytes())
        return played._feed(request)

    sites.server.route(LINKEDIN, "/voyager/api/feed", look)
    since = f"{Post(30).at:%Y-%m-%d}"
    outcome = collect(PROFILE, "--since", since)
    assert (outcome["status"], outcome["documents"]) == ("new", 31), outcome
    starts = [int(request.query.partition("=")[2]) for request in sites.server.asked("/voyager/api/feed")]
    assert max(starts) <= 60, "what is older is not asked for"
    assert [each for each in processes if b"--proxy-server=http://127.0.0.1:" in each]
    assert not [each for each in processes if b"token-of-ada" in each or b"://llm-twin:" in each]
    assert not [each for each in sites.server.requests if "proxy-authorization" in each.headers]


@pytest.mark.parametrize(
    ("where", "reason", "command"),
    [
        ("/login?session_redirect=feed", "login_expired", "sign in again: twin login linkedin"),
        ("/checkpoint/challenge/AgH?ut=1", "blocked", "look at it in your browser, then twin login linkedin"),
    ],
)
def test_a_wall_in_mid_run_ends_it_for_good(
    where: str,
    reason: str,
    command: str,
    collect: Collect,
    sites: Played,
    twin: Run,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    played = LinkedIn(sites, [Post(number) for number in range(70)], wall=(60, where))
    outcome = collect(PROFILE, "--expand", 300)
    assert (outcome["status"], outcome["reason"]) == ("failed", reason), outcome["detail"]
    assert command in outcome["detail"]
    stored = len(documents(twin))
    assert stored in (40, 60), "what was read before is not lost; the last 20 may not be read when the wall comes"
    assert outcome["documents"] == stored
    assert f"the {stored} posts and articles that were read are stored" in outcome["detail"]
    asked = len(sites.server.requests)
    again = collect(PROFILE, "--expand", 300)
    assert (again["reason"], len(sites.server.requests)) == (reason, asked), "nothing is asked once more"
    played.wall = (10**9, "")
    played.played.accepted.add("token-of-ada")
    with monkeypatch.context() as without:
        without.setenv("TWIN_BROWSER", "/nowhere")  # not needed to sign in by cookies
        assert twin("login", "linkedin", "--import-cookies", "cookies.txt", "--quiet")[0] == 0
    if reason == "blocked":  # what the wall kept back comes
        code, out, _ = twin("collect", "--retry-failed", "--json", "--quiet")
        (outcome,) = json.loads(out)["outcomes"]
        assert (code, outcome["status"], outcome["documents"]) == (0, "updated", 70)
        assert len(documents(twin)) == 70


def test_a_slow_list_is_waited_for_and_one_that_breaks_off_is_not_at_its_end(
    collect: Collect, sites: Played, twin: Run
) -> None:
    played = LinkedIn(sites, [Post(number) for number in range(70)])

    def feed(request: Request) -> Answer:
        if request.query == "start=20":
            threading.Event().wait(2)  # longer than it takes to see that a page has come to rest
        return Answer("{}", 500) if request.query == "start=40" else played._feed(request)

    sites.server.route(LINKEDIN, "/voyager/api/feed", feed)
    outcome = collect(PROFILE)
    assert (outcome["status"], outcome["reason"], outcome["documents"]) == ("failed", "server_error", 40), outcome
    assert "breaks off: HTTP 500" in outcome["detail"]


def test_articles_come_from_their_tab_the_newest_with_the_newest_posts_and_one_that_fails_takes_nothing_with_it(
    collect: Collect, sites: Played, twin: Run
) -> None:
    mine = [Article(f"how-gears-add-{number}", number) for number in (2, 9, 40)]
    others = Article("somebody-else-on-gears", 3, by="grace")
    card = f"<div class=update-components-article><a href='{others.link}?trk=x'>Read on</a></div>"
    own = f"<div class=update-components-article><a href='{mine[0].link}/?trk=x'>Read on</a></div>"
    posts = [Post(number, more={"parts": {4: card, 5: own}.get(number, "")}) for number in range(20)]
    LinkedIn(sites, posts, articles=[Article("no-words", 1), *mine, Article("gone", 8)])
    sites.server.route(LINKEDIN, "/pulse/somebody-else-on-gears", others.answer)
    sites.server.route(LINKEDIN, "/pulse/no-words", lambda _: shown("x", f"<main><a href='{PROFILE}'>Ada</a></main>"))
    sites.server.route(LINKEDIN, "/pulse/gone", status=404)
    outcome = collect(PROFILE, "--expand", 15)
    assert (outcome["status"], outcome["reason"], outcome["documents"]) == ("failed", "empty", 15), outcome
    assert f"https://{LINKEDIN}/pulse/no-words: " in outcome["detail"]
    articles = {each["link"]: each for each in documents(twin) if each["kind"] == "article"}
    assert set(articles) == {mine[0].link, mine[1].link}, "none of somebody else's, and none that is older"
    assert "Gear 19 of How gears add 2" in articles[mine[0].link]["text"]
    assert articles[mine[0].link]["published_at"][:10] == f"{Post(2).at:%Y-%m-%d}"
    assert len(sites.server.asked("/pulse/how-gears-add-2")) == 1
    assert not sites.server.asked("/pulse/how-gears-add-40")
    assert not sites.server.asked("/pulse/read-this-too")


def test_pages_that_no_parser_knows_are_kept_without_the_session(collect: Collect, sites: Played, home: Path) -> None:
    LinkedIn(sites, [Post(number, "2031", more={"parts": "<p>token-of-ada</p>"}) for number in range(5)])
    outcome = collect(PROFILE)
    assert (outcome["status"], outcome["reason"]) == ("failed", "layout_changed")
    (kept,) = (home / "kept").iterdir()
    assert f"twin import {kept} --author 'Ada Example';" in outcome["detail"]
    text = kept.read_text("utf-8")
    assert "x7f2a" in text
    assert "<p>***</p>" in text
    assert "token-of-ada" not in text
    assert f"<!-- saved from url=({len('https://' + LINKEDIN + ACTIVITY):04d})https://{LINKEDIN}{ACTIVITY} -->" in text


def test_nothing_of_the_session_is_stored_where_pages_show_it(
    collect: Collect, sites: Played, twin: Run, home: Path
) -> None:
    token = "a-token-as-long-as-real-ones"
    sites.accepted.add(token)
    Path("cookies.txt").write_text(cookie_txt((f".{LINKEDIN}", "li_at", token)))
    assert twin("login", "linkedin", "--import-cookies", "cookies.txt", "--quiet")[0] == 0
    shows = {"parts": f"<a href='/logout?csrfToken={token}'>out</a><p>{token}</p>"}
    article = Article("how-gears-add-2", 2)
    LinkedIn(sites, [Post(number, more=shows) for number in range(3)], articles=[article])
    said = "".join(f"<p>Gear {number} of the engine turns the one beside it.</p>" for number in range(20))
    who = f"<header><a href='/in/ada-example/'>Ada</a><i>{token}</i></header>"
    told = shown("How gears add 2", f"<main>{who}<article><h1>How gears add 2</h1>{said}</article></main>")
    sites.server.route(LINKEDIN, "/pulse/how-gears-add-2", lambda _: told)
    outcome = collect(PROFILE)
    assert outcome["documents"] == 4, outcome
    with Twin(home=home) as opened:
        found = [raw for each in opened.documents() if (raw := opened.warehouse.raw(each.id))]
    assert {each.url.split("/")[3] for each in found} == {"feed", "pulse"}
    assert not [each.url for each in found if token.encode() in each.body]
    assert all(b"***" in each.body for each in found)


def test_posts_of_a_layout_nobody_knows_are_told_from_those_that_are_read(
    collect: Collect, sites: Played, home: Path, twin: Run
) -> None:
    empty = {"parts": "<div class=update-components-poll><p>Which of these four gears do you like best?</p></div>"}
    posts = [Post(number, "2031" if number in (2, 5) else "2024") for number in range(8)]
    LinkedIn(sites, [*posts, Post(8, kind="bare", more=empty)])
    outcome = collect(PROFILE)
    assert (outcome["status"], outcome["reason"], outcome["documents"]) == ("failed", "layout_changed", 6), outcome
    assert "9 posts, and all but 2 could be read" in outcome["detail"]
    (kept,) = (home / "kept").iterdir()
    text = kept.read_text("utf-8")
    assert [number for number, post in enumerate(posts) if post.activity in text] == [2, 5]
    saved = text.splitlines()[:2] + [
        post.html.replace("on gears.</span>", "on the gears of engines.</span>") for post in posts
    ]
    kept.write_text("\n".join(saved), "utf-8")
    code, out, _ = twin("import", kept, "--author", "Ada Example", "--json", "--quiet")
    failed = [each["link"] for each in json.loads(out)["outcomes"] if each["reason"] == "layout_changed"]
    assert code == 1
    assert [link.rpartition(" ")[2] for link in failed] == [posts[2].activity, posts[5].activity]


def test_one_post_and_one_article_are_read_by_their_links(collect: Collect, sites: Played, twin: Run) -> None:
    post = Post(1)
    found = LinkedIn(sites, [post])
    sites.server.route(LINKEDIN, f"/feed/update/{post.activity}/", found._activity)
    assert collect(f"https://{LINKEDIN}/feed/update/{post.activity}/")["stored_as"].endswith(f"{post.share}/")
    paragraphs = "".join(f"<p>Gear number {number} of the engine turns the one beside it.</p>" for number in range(20))
    article = (
        f"<main><article><h1>How gears add</h1><time datetime=2025-03-04>March</time>{paragraphs}</article></main>"
    )
    sites.server.route(LINKEDIN, "/pulse/how-gears-add-ada", lambda _: shown("How gears add | LinkedIn", article))
    outcome = collect(f"https://{LINKEDIN}/pulse/how-gears-add-ada?trk=x")
    assert (outcome["status"], outcome["title"]) == ("new", "How gears add"), outcome
    (article_,) = (each for each in documents(twin) if each["kind"] == "article")
    assert "Gear number 19" in article_["text"]


def test_the_post_that_a_link_names_is_taken_and_nothing_of_somebody_else(
    signed_in: None, browser: Path, sites: Played, twin: Run
) -> None:
    first, second, third, others = (Post(number) for number in range(4))
    graces = others.html.replace("ada-example", "grace").replace("Ada Example", "Grace Hopper")
    page = shown("Post | LinkedIn", f"<main>{first.html}{second.html}{third.html}</main>")
    by_share = f"/posts/ada-example_on-gears-{third.share[7:].replace(':', '-')}-aB3x"
    links = {
        f"/feed/update/{second.activity}/": page,
        by_share: page,
        "/posts/ada_gone-activity-7522266120192000009-x": page,
    }
    links[f"/feed/update/{others.activity}/"] = shown("Post | LinkedIn", f"<main>{graces}</main>")
    header = f"<header><a href='https://{LINKEDIN}/in/grace'>Grace Hopper</a></header>"
    bugs = "".join(f"<p>Bug number {number} sat in the relay beside it.</p>" for number in range(20))
    links["/pulse/bugs"] = shown("Bugs | LinkedIn", f"<main>{header}<article><h1>Bugs</h1>{bugs}</article></main>")
    for path, answer in links.items():
        sites.server.route(LINKEDIN, path, lambda _, answer=answer: answer)
    asked = [f"https://{LINKEDIN}{path}" for path in links]
    _, out, _ = twin("collect", "--author", "Ada Example", *asked, "--json", "--quiet")
    found = {each["link"].rstrip("/"): each for each in json.loads(out)["outcomes"]}
    told = [found[link.rstrip("/")] for link in asked]
    assert [each["reason"] or each["title"] for each in told] == [
        "Note 1 on gears.",
        "Note 2 on gears.",
        "not_found",
        "other_author",
        "other_author",
    ]
    assert told[1]["stored_as"].endswith(f"{third.share}/")
    assert (told[3]["status"], "it is by Grace Hopper, not by Ada Example" in told[3]["detail"]) == ("skipped", True)


def test_as_many_posts_are_read_as_are_wanted_whatever_is_reposted_between(collect: Collect, sites: Played) -> None:
    LinkedIn(sites, [Post(number, kind="repost" if number < 25 else "post") for number in range(120)])
    outcome = collect(PROFILE, "--expand", 5)
    assert (outcome["status"], outcome["documents"], outcome["title"]) == ("new", 5, "Note 25 on gears."), outcome
    starts = [request.query for request in sites.server.asked("/voyager/api/feed")]
    assert starts[:1] == ["start=20"]
    assert len(starts) < 3, "no further than that, or a step that was under way"


def test_without_a_session_linkedin_is_not_even_asked(twin: Run, sites: Played) -> None:
    code, out, _ = twin("collect", "--author", "Ada Example", PROFILE, "--json", "--quiet")
    (outcome,) = json.loads(out)["outcomes"]
    assert (code, outcome["reason"]) == (1, "login_required")
    assert "twin login linkedin" in outcome["detail"]
    assert "twin import FILE.zip" in outcome["detail"]
    assert sites.server.requests == []
