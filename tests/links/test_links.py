"""Which text is a link, and when two links are the same."""

from __future__ import annotations

from contextlib import nullcontext
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from llm_twin.documents import Author, Link
from llm_twin.errors import Permanent, Reason
from llm_twin.links import (
    MAX_LINK_LENGTH,
    ascii_host,
    canonical,
    domain_of,
    host_of,
    on_domain,
    parse_link,
    same_site,
)

LABELS = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?", fullmatch=True)
HOSTS = st.lists(LABELS, min_size=1, max_size=4).map(".".join)
PORTS = st.none() | st.integers(1, 65535)
PATHS = st.text(st.characters(), max_size=15).map(lambda text: "/" + "".join(text.split()))
NAMES = st.from_regex(r"[a-z]{1,6}", fullmatch=True)
TRACKERS = st.sampled_from(
    ["utm_source", "UTM_Medium", "utm_anything", "fbclid", "gclid", "mc_cid", "igshid", "_hsenc", "msclkid", "ref_src"]
)


def refused(link: str) -> str:
    """Why a link is refused, in words."""
    with pytest.raises(Permanent) as caught:
        canonical(link)
    assert caught.value.reason is Reason.BAD_LINK
    assert "\n" not in caught.value.detail
    return caught.value.detail


# The canonical form


@settings(max_examples=300, deadline=None)
@given(st.text(st.characters(), max_size=60) | st.text("htps:/.[]@#?%&=ab1\\ ßİ。", max_size=60))
def test_any_text_is_a_link_or_a_bad_link(text: str) -> None:
    for link in (text, f"https://{text}", f"http://host/{text}", f"http://host/?{text}"):
        try:
            once = canonical(link)
        except Permanent as error:
            assert error.reason is Reason.BAD_LINK
        else:
            assert canonical(once) == once
            assert parse_link(once) == once
            assert once.isascii()
            assert host_of(once) == host_of(link)


@settings(max_examples=200, deadline=None)
@given(HOSTS, PORTS, PATHS, st.text(st.characters(), max_size=15), st.sampled_from(["http", "https"]))
def test_the_canonical_form_is_its_own_canonical_form(
    host: str, port: int | None, path: str, query: str, scheme: str
) -> None:
    netloc = host if port is None else f"{host}:{port}"
    link = f"{scheme}://{netloc}{path}?{''.join(query.split())}"
    try:
        once = canonical(link)
    except Permanent:
        assume(False)
    assert canonical(once) == once
    assert (urlsplit(once).hostname, urlsplit(once).scheme) == (host, scheme)
    assert urlsplit(once).port == (None if (scheme, port) in {("http", 80), ("https", 443)} else port)


@settings(deadline=None)
@given(
    kept=st.lists(st.tuples(NAMES.map("x".__add__), NAMES), max_size=3),
    dropped=st.lists(st.tuples(TRACKERS, NAMES), max_size=3),
    fragment=st.text("abc#/?&=", max_size=10),
    data=st.data(),
)
def test_tracking_parameters_and_fragments_are_dropped_and_the_others_keep_their_order(
    kept: list[tuple[str, str]], dropped: list[tuple[str, str]], fragment: str, data: st.DataObject
) -> None:
    mixed = list(kept)
    for pair in dropped:
        mixed.insert(data.draw(st.integers(0, len(mixed))), pair)
    query = "&".join(f"{name}={value}" for name, value in mixed)
    parts = urlsplit(canonical(f"https://blog.example/post?{query}#{fragment}"))
    assert parse_qsl(parts.query) == kept
    assert parts.fragment == ""


@pytest.mark.parametrize(
    ("link", "expected"),
    [
        ("HTTPS://Blog.Example", "https://blog.example/"),
        ("https://blog.example.:443/a/", "https://blog.example/a/"),
        ("http://blog.example:80", "http://blog.example/"),
        ("https://blog.example:80/", "https://blog.example:80/"),
        ("  https://blog.example/a \n", "https://blog.example/a"),
        ("https://blog.example/?", "https://blog.example/"),
        ("https://blog.example/?b=2&a=1&a=", "https://blog.example/?b=2&a=1&a="),
        ("https://blog.example/?q=a+b%20c", "https://blog.example/?q=a+b+c"),
        ("https://blog.example/?q=%ff", "https://blog.example/?q=%FF"),
        ("https://blog.example/é", "https://blog.example/%C3%A9"),
        ("https://blog.example/%c3%a9", "https://blog.example/%C3%A9"),
        ("https://blog.example/100%", "https://blog.example/100%"),
        ("https://medium.com/@ada/p?source=x&sk=y&page=2", "https://medium.com/@ada/p?page=2"),
        ("https://ada.medium.com/p?source=x", "https://ada.medium.com/p"),
        ("https://ada.substack.com/p/one?r=abc&s=w", "https://ada.substack.com/p/one"),
        ("https://blog.example/?source=x&r=1&sk=2", "https://blog.example/?source=x&r=1&sk=2"),
        ("https://medium.com.evil.example/?source=x", "https://medium.com.evil.example/?source=x"),
        ("https://bücher.example/", "https://xn--bcher-kva.example/"),
        ("https://BÜCHER.example。/", "https://xn--bcher-kva.example/"),
        ("http://[2001:DB8:0:0::1]:8080/a", "http://[2001:db8::1]:8080/a"),
        ("http://[::1]", "http://[::1]/"),
        ("http://127.0.0.1:8000/", "http://127.0.0.1:8000/"),
    ],
)
def test_the_canonical_form(link: str, expected: str) -> None:
    assert canonical(link) == expected
    assert canonical(expected) == expected


# What is no link


@pytest.mark.parametrize(
    ("link", "why"),
    [
        ("", "empty"),
        ("   ", "empty"),
        ("https://blog.example/a b", "spaces"),
        ("https://blog.example/\x00", "spaces"),
        ("https://blog.example/" + "x" * MAX_LINK_LENGTH, "over 2,048 characters"),
        ("blog.example/post", "did you mean https://blog.example/post"),
        ("//blog.example/post", "did you mean https://blog.example/post"),
        ("blog.example:8080/post", "did you mean https://blog.example:8080/post"),
        ("localhost:8080", "did you mean https://localhost:8080"),
        ("git@code.example:ada/engine.git", "did you mean https://code.example/ada/engine.git ?"),
        ("ssh://git@code.example/ada/engine.git", "did you mean https://code.example/ada/engine.git ?"),
        ("ftp://blog.example/", "unknown scheme ftp"),
        ("file:///etc/passwd", "unknown scheme file"),
        ("javascript:alert(1)", "unknown scheme javascript"),
        ("mailto:ada@blog.example", "unknown scheme mailto"),
        ("https://", "no host"),
        ("https:///path", "no host"),
        ("https://:80/", "no host"),
        ("https://ada:secret@blog.example/", "user name or password"),
        ("https://ada@blog.example/", "user name or password"),
        ("https://github.com\\@evil.example/", "user name or password"),
        ("https://blog.example:port/", "not a link"),
        ("https://blog.example:99999/", "not a link"),
        ("https://blog.example:0/", "port 0"),
        ("https://[::1/", "not a link"),
        ("https://[::zz]/", "not a link"),
        ("https://[v1.host]/", "no valid host name"),
        ("https://[fe80::1%25eth0]/", "no valid host name"),
        ("https://blog..example/", "no valid host name"),
        ("https://./", "no valid host name"),
        ("https://" + "a" * 64 + ".example/", "no valid host name"),
        ("https://" + "ü" * 64 + ".example/", "no valid host name"),
        ("https://" + ".".join(["a" * 60] * 5) + "/", "no valid host name"),
        ("https://blog_.example\\.evil/", "no valid host name"),
        ("https://blog!.example/", "no valid host name"),
        ("https://a℀b.example/", "not a link"),
        ("https://blog.example/\ud800", "characters that no link can hold"),
        ("https://\ud800.example/", "characters that no link can hold"),
    ],
)
def test_what_is_no_link_is_refused_with_a_hint(link: str, why: str) -> None:
    assert why in refused(link)
    assert domain_of(link) == "(no link)"


def test_a_link_that_is_too_long_once_it_is_escaped_is_refused() -> None:
    assert "over 2,048 characters" in refused("https://blog.example/" + "é" * 1000)


def test_a_password_in_a_link_is_not_repeated() -> None:
    assert "s3cret" not in refused("https://ada:s3cret@blog.example/")
    assert "s3cret" not in refused("https://ada:s3cret@blog.example:port/")


# Hosts and sites


@settings(deadline=None)
@given(host=HOSTS, domain=HOSTS)
@example("github.com.evil.org", "github.com")
@example("notgithub.com", "github.com")
@example("gist.github.com", "github.com")
def test_a_host_is_on_a_domain_when_its_last_labels_are_the_domains(host: str, domain: str) -> None:
    ours, its = host.split("."), domain.split(".")
    assert on_domain(host, domain) == (ours[-len(its) :] == its)
    assert on_domain(f"{host}.{domain}", domain)
    assert on_domain(f"{domain}.{host}", domain) == (f"{domain}.{host}".split(".")[-len(its) :] == its)


def test_hosts_are_told_apart_by_all_their_labels() -> None:
    assert not on_domain("github.com.evil.org", "github.com")
    assert not on_domain("evilgithub.com", "github.com")
    assert on_domain("gist.github.com", "github.com")


def test_the_domain_of_a_link_is_its_host_without_www() -> None:
    assert domain_of("https://WWW.Blog.Example:8080/a") == "blog.example"
    assert domain_of("http://[::1]:80/") == "::1"
    assert domain_of("no link") == "(no link)"
    assert host_of("https://WWW.Blog.Example/") == "www.blog.example"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("https://blog.example/a", "http://www.blog.example/b", True),
        ("https://blog.example/", "https://ada.blog.example/", True),
        ("https://blog.example/", "https://blog.example.evil.org/", False),
        ("https://ada.example/", "https://bob.example/", False),
    ],
)
def test_links_of_one_site(one: str, other: str, same: bool) -> None:
    assert same_site(one, other) is same_site(other, one) is same


@settings(deadline=None)
@given(HOSTS)
def test_a_host_name_is_its_own_ascii_form(host: str) -> None:
    assert ascii_host(host.upper() + ".") == host


@pytest.mark.parametrize(
    ("link", "shown"),
    [
        ("https://ada:pass@git.example/x?a=b@c", "https://***@git.example/x?a=b@c"),
        (" HTTP://token@git.example", " HTTP://***@git.example"),
        ("https://a:p@ss@git.example/", "https://***@git.example/"),
        ("https://medium.com/@ada", "https://medium.com/@ada"),
        ("https://ada.example?to=a@b", "https://ada.example?to=a@b"),
    ],
)
def test_a_password_in_a_link_is_not_kept(link: str, shown: str) -> None:
    kept = Link(url=link, author=Author.named("Ada"))
    assert kept.url == shown
    with pytest.raises(Permanent, match="user name or password") if "***" in shown else nullcontext():
        parse_link(kept.url)
