"""Whole articles that are told from openings, requests and pages that are none, in several languages."""

from __future__ import annotations

import pytest

from llm_twin.collect.extract import extract
from llm_twin.errors import Reason

URL = "https://log.example/2024/a"
STORY = [
    "The valve had been stuck since the first frost, and nobody on the site knew which way it was meant to turn.",
    "It gave on the third try, with a sound that I would rather not hear again, and the radiators came back to life.",
]


@pytest.mark.parametrize(
    "lines",
    [
        [
            "去年冬天、水管在第一次霜冻以后就被卡住了、工地上没有人知道应该往哪个方向转动它。",
            "我们把水放掉、用毛巾把阀门捂热、然后用更长的扳手又试了一次、没有抱太大的希望。",
            "第三次它终于松开了、发出一种我再也不想听到的声音、暖气又重新热了起来。",
            "从那以后、每个季度的第一个星期天、我都会把家里所有的阀门开关一遍、不管有没有必要。",
        ],
        [
            "去年の冬、最初の霜が降りたあとでバルブが固まり、どちらへ回すのか現場の誰も知りませんでした。",
            "水を抜き、タオルで本体を温め、もっと長いスパナでもう一度試しましたが、期待はしていませんでした。",
            "三度目にようやく動き、二度と聞きたくない音がして、暖房がふたたび温かくなりました。",
            "それ以来、季節の最初の日曜日には、必要かどうかにかかわらず家中のバルブを開け閉めしています。",
        ],
    ],
    ids=["zh", "ja"],
)
def test_languages_without_spaces_keep_all_their_paragraphs(lines: list[str]) -> None:
    missing = "<h2>404 Not Found</h2>"  # what one of its parts is about
    article = f"<article><h1>{lines[0][:6]}</h1>{missing}{''.join(f'<p>{line}</p>' for line in lines * 2)}</article>"
    found = extract(f"<html><body>{article}</body></html>", URL)
    assert found.reason is None, found.detail
    assert [line for line in lines if line not in found.markdown] == []


@pytest.mark.parametrize(
    "line",
    [
        "You must be logged in to post a comment.",
        "You need to log in to reply.",
        "Du musst angemeldet sein, um einen Kommentar abzugeben.",
        "Sign up for free to see new posts first.",
        "Subscribe to my newsletter to read more of this",
        "Join us to see what we do",
        "Become a member to keep reading posts like this one and support me.",
        '<ul><li><a href="/b">Another valve <b>Subscriber only content</b></a></li></ul>',
    ],
)
def test_what_is_asked_below_a_short_article_is_no_wall(line: str) -> None:
    html = (
        f"<html><body><article><h1>A valve</h1><p>{STORY[0]}</p><p>{STORY[1]}</p></article><p>{line}</p></body></html>"
    )
    found = extract(html, URL)
    assert (found.reason, found.detail) == (None, "")
    assert STORY[1] in found.markdown


@pytest.mark.parametrize(
    ("reason", "asked"),
    [
        (Reason.PAYWALL, "Jetzt weiterlesen mit Log Plus"),
        (Reason.PAYWALL, "Become a member to keep reading."),
        (Reason.LOGIN_REQUIRED, "Log in to continue reading."),
    ],
)
def test_what_is_asked_below_an_opening_is_a_wall(reason: Reason, asked: str) -> None:
    found = extract(
        f"<html><body><article><h1>A valve</h1><p>{STORY[0]}</p><h3>{asked}</h3></article></body></html>", URL
    )
    assert found.reason == reason
    assert STORY[0] in found.text


def test_what_data_of_other_articles_say_is_said_of_those() -> None:
    others = '<script>related = [{"url": "/b", "isAccessibleForFree": false}]</script>'
    own = '<script type="application/ld+json">{"@type": "Article", "isAccessibleForFree": false}</script>'
    page = f"<html><body><article><h1>A valve</h1><p>{STORY[0]}</p><p>{STORY[1]}</p></article>%s</body></html>"
    assert extract(page % others, URL).reason is None
    assert extract(page % own, URL).reason == Reason.PAYWALL


def test_a_request_to_agree_is_no_article() -> None:
    asked = "<h2>Wir respektieren Ihre Privatsphäre</h2><p>Wir und unsere 842 Partner speichern Informationen.</p>"
    found = extract(
        f"<html><title>Log</title><body><div>{asked}<button>Alle akzeptieren</button></div></body></html>", URL
    )
    assert (found.reason, found.text) == (Reason.BLOCKED, "")
