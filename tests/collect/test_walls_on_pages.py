"""Pages that are no articles are refused by name, and pages that look like them are kept.

Each page is a file named after what has to come of it; its first line says where it was found.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from llm_twin import extract
from llm_twin.collect.sites.article import document_of
from llm_twin.collect.web import Page
from llm_twin.documents import Author, Link, now
from llm_twin.errors import Permanent, Reason

PAGES = Path(__file__).parents[1] / "extract" / "pages_no_articles"
ARTICLES = sorted(PAGES.glob("article_*.html"))
OTHERS = sorted(set(PAGES.glob("*.html")) - set(ARTICLES))
KINDS = {Reason.BLOCKED, Reason.LOGIN_REQUIRED, Reason.PAYWALL, Reason.NOT_FOUND, Reason.LIST_PAGE, Reason.EMPTY}


def load(file: Path) -> tuple[Page, Link]:
    body = file.read_bytes()
    url = re.match(rb"<!-- (\S+) -->\n", body)
    assert url
    link = url[1].decode()
    page = Page(link, 200, {"content-type": "text/html; charset=utf-8"}, now(), body[url.end() :])
    return page, Link(url=link, author=Author.named("Nora Winter"))


def refusal(file: Path) -> Permanent:
    with pytest.raises(Permanent) as caught:
        document_of(*load(file))
    return caught.value


@pytest.mark.parametrize("file", OTHERS, ids=lambda file: file.stem)
def test_a_page_that_is_no_article_is_refused_for_the_reason_in_its_name(file: Path) -> None:
    error = refusal(file)
    assert file.stem.startswith(error.reason)
    assert len(error.detail) > 20
    assert "\n" not in error.detail
    page, _ = load(file)
    found = extract(page.body, page.url)
    assert (found.reason, found.detail) == (error.reason, error.detail)
    assert bool(found.text) <= (error.reason in (Reason.PAYWALL, Reason.LOGIN_REQUIRED))  # no menu stands for a text


@pytest.mark.parametrize("file", ARTICLES, ids=lambda file: file.stem)
def test_an_article_that_looks_like_one_of_them_is_kept(file: Path) -> None:
    page, link = load(file)
    longest = max(re.findall(r"<p>([^<]*)</p>", re.split("</main>|</h1>", page.text)[1]), key=len)
    assert " ".join(longest.split()[:12]) in document_of(page, link).text
    assert extract(page.text, page.url).reason is None


@pytest.mark.parametrize("kind", ["blocked_consent", *(reason for reason in Reason if reason in KINDS)])
def test_every_kind_is_seen_in_many_forms_and_languages(kind: str) -> None:
    files = [file for file in OTHERS if file.stem.startswith(kind)]
    assert len(files) >= 8
    assert (
        len({match[1] for file in files if (match := re.search(r"<html[^>]* lang=\"?(\w\w)", file.read_text()))}) >= 3
    )


def test_a_paywall_says_how_much_could_be_read() -> None:
    for file in PAGES.glob("paywall_*.html"):
        words = re.search(r"(\d+) words could be read", refusal(file).detail)
        assert words
        assert 10 < int(words[1]) < 120


def test_a_list_says_how_to_collect_what_it_lists() -> None:
    for file in PAGES.glob("list_page_*.html"):
        detail = refusal(file).detail
        assert "--expand" in detail or "results of a search" in detail


def test_a_full_text_that_is_marked_as_paid_for_is_kept() -> None:
    teaser, whole = (load(PAGES / name) for name in ("paywall_marked_in_json_ld.html", "article_locked_but_whole.html"))
    assert '"isAccessibleForFree":false' in teaser[0].text
    assert '"isAccessibleForFree":false' in whole[0].text
    assert len(document_of(*whole).text.split()) > 400


@pytest.mark.parametrize(
    "prompt",
    [
        "Keep reading with your free trial",
        "Get a digital subscription to read the full story",
        "Pour lire la suite de cet article, abonnez-vous",
        "Para seguir leyendo, suscríbete",
        "Läs vidare med Plus",
        "Denne saken er for abonnenter",
        "Artiklen er kun for abonnenter",
        "Tämä artikkeli on vain tilaajille",
        "Ten artykuł jest dostępny wyłącznie dla subskrybentów",
        "Tento článek je pouze pro předplatitele",
        "Продолжение доступно только подписчикам",
        "Оформите подписку, чтобы читать дальше",
        "Повний текст доступний лише передплатникам",
        "Bu içerik sadece abonelere özeldir",
        "订阅后即可阅读全文",
        "続きを読むには会員登録が必要です",
        "구독자 전용 기사입니다",
    ],
)
def test_an_opening_above_a_request_to_pay_is_no_article_in_any_language(prompt: str) -> None:
    page = f"<main><h1>The ferry</h1>{'<p>It leaves the pier at seven with four cars and a dog.</p>' * 3}%s</main>"
    assert extract(page % f"<div>{prompt}</div>", "https://weekly.example/ferry").reason == Reason.PAYWALL
    assert extract(page % f"<p>“{prompt}”, says the paper.</p>", "https://weekly.example/ferry").reason is None
