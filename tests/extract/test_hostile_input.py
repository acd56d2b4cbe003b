"""Whatever the bytes: no exception but ours, and bounded time and memory.

The worst pages are read in processes of their own that are killed when they take too much time or memory.
"""

from __future__ import annotations

import gzip
import random
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llm_twin.collect.extract import describe, extract
from llm_twin.collect.reading.walls import wall
from llm_twin.collect.sites.article import document_of
from llm_twin.collect.web import Page
from llm_twin.documents import Author, Link, now
from llm_twin.errors import Permanent

URL = "https://blog.example/a"
PAGES = Path(__file__).parent / "pages_no_articles"
SEEDS = sorted(file.read_bytes() for file in PAGES.glob("*.html"))
KILL_AFTER = 120  # seconds, for all pages of one process
AT_ONCE = 4
MEMORY = 3_000_000_000  # bytes of address space, of which the libraries reserve most
SLOW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])

HOSTILE = {
    "a hundred thousand open tags": "b'<div>' * 100_000 + b'deep down'",
    "a hundred thousand closed tags": "b'<b>' * 100_000 + b'x' + b'</b>' * 100_000",
    "deep lists": "b'<ul><li>' * 20_000 + b'x'",
    "deep tables": "b'<table><tr><td>' * 10_000 + b'x'",
    "deep quotes": "b'<blockquote>' * 30_000 + b'x'",
    "deep spans in a code block": "b'<pre>' + b'<span>' * 50_000 + b'x = 1'",
    "two megabytes in one paragraph": "b'<p>' + b'Words that go on and on, as they do. ' * 50_000",
    "ten megabytes of one word": "b'<p>' + b'a' * 10_000_000",
    "ten megabytes of spaces": "b'<p>a' + b' ' * 10_000_000 + b'b'",
    "two megabytes of line breaks": "b'<pre>' + b'\\n' * 2_000_000",
    "two hundred kilobytes of unclosed tags": "b'<' * 200_000",
    "two megabytes of an unclosed comment": "b'<!--' + b'-' * 2_000_000",
    "ten megabytes of an unclosed attribute": "b'<a href=\"' + b'x' * 10_000_000",
    "three thousand paragraphs": "b'<article>' + b'<p>A short one, of seven words here.</p>' * 3_000",
    "three thousand links": "b'<ul>' + b'<li><a href=/x>A link with words</a></li>' * 3_000",
    "three thousand headings": "b'<h1>Heading of a part</h1>' * 3_000",
    "three thousand attributes": "b'<p ' + b' '.join(b'a%d=1' % n for n in range(3_000)) + b'>text</p>'",
    "a class of a megabyte": "b'<div class=\"' + b'a ' * 500_000 + b'\"><p>text</p></div>'",
    "a table of three thousand cells": "b'<table>' + (b'<tr>' + b'<td>a cell</td>' * 100 + b'</tr>') * 30",
    "a thousand code blocks": "b'<pre><code>x = 1</code></pre>' * 1_000",
    "a hundred thousand entities": "b'<p>' + b'&amp;&#x1F600;&nosuch;' * 100_000",
    "null bytes": "b'\\0'.join([b'<p>text</p>'] * 10_000)",
    "json of a megabyte of brackets": "b'<script type=\"application/ld+json\">' + b'[' * 1_000_000 + b'</script><p>x'",
    "many json scripts": 'b\'<script type="application/ld+json">{"@type":"Article"}</script>\' * 4_000 + b\'<p>x\'',
    "sixty thousand json scripts that never end": "b'<p>x</p>' + b'<script type=application/ld+json>' * 60_000",
    "a type of two megabytes of spaces": "b'<script type=\"application/ld+json\">{\"@type\":' + b' ' * 2_000_000",
    "a hundred thousand links without text": "b'<title>Privacy settings</title>' + b'<a>' * 120_000",
    "a request to agree above links": (
        "b'<h1>We value your privacy</h1><p>We use cookies and our partners do</p>' + b'<a> ' * 70_000"
    ),
    "empty elements deep down": "b'<p>word</p>' + b'<div>' * 200 + b'<span></span>' * 200_000",
    "many meta tags": "b'<meta name=\"author\" content=\"A\">' * 20_000 + b'<p>x'",
    "a title of two hundred kilobytes": "b'<title>' + b'a - ' * 50_000 + b'</title><h1>' + b'a ' * 50_000 + b'</h1>'",
    "a heading of letters before the title": (
        "b'<title>Title words here now</title><h1>' + b'a' * 120 + b' 2020! Title words here now</h1><p>x'"
    ),
    "a class that says related over and over": "b'<h1>x</h1><div class=\"' + b'related_' * 20_000 + b'!\"><p>x'",
    "a byline of a hundred kilobytes": "b'<div class=byline>By ' + b'Ada Lovelace and ' * 10_000 + b'</div><p>x'",
    "a canonical link of a megabyte": "b'<link rel=canonical href=\"/' + b'a' * 1_000_000 + b'\"><p>x'",
    "marks of Markdown": "b'<p>' + b'*_`[](<>)#~|\\\\!' * 70_000",
    "open brackets": "b'<p>' + b'[' * 100_000 + b'(' * 100_000",
    "pictures for pages without scripts": "b'<p>x<div>' + b'<noscript><img src=/x.jpg alt=x></noscript>' * 20_000",
    "links within one paragraph": "b'<p>' + b'word <a href=#s>see there</a> ' * 20_000",
    "thousands of notes": (
        "b''.join(b'<p>A sentence of the text<a id=r%d href=#n%d>%d</a>.' % (i, i, i) for i in range(20_000)) + b'<ol>'"
        " + b''.join(b'<li id=n%d><a href=#r%d>^</a> A note on it.' % (i, i) for i in range(20_000))"
    ),
    "a lie about the encoding": "b'<meta charset=utf-16><p>' + 'Gr\\u00fc\\u00dfe '.encode('latin-1') * 100_000",
    "bytes of no encoding": "b'<meta charset=hex><p>' + bytes(range(128, 256)) * 10_000",
}

CHILD = f"""
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, ({MEMORY}, {MEMORY}))
from llm_twin.collect.sites.article import document_of
from llm_twin.collect.web import Page
from llm_twin.documents import Author, Link, now
from llm_twin.errors import Permanent
for source in sys.argv[1:]:
    page = Page("{URL}", 200, {{"content-type": "text/html"}}, now(), eval(source))
    try:
        print(len(document_of(page, Link(url="{URL}", author=Author.named("Ada Example"))).text), flush=True)
    except Permanent as error:
        print(error.reason, flush=True)
"""


LARGEST = {
    "50 MB of paragraphs": "b'<p>Words of a paragraph.</p>' * 1_800_000",
    "50 MB in one paragraph": "b'<p>' + b'Words that go on and on, as they do. ' * 1_400_000",
    "ten million open brackets": "b'<' * 10_000_000",
    "a paragraph of words in bold": "b'<p>' + b'word <strong>bold</strong> word. ' * 49_000",
    "10 MB of code": "b'<pre>' + b'x = 1\\n' * 1_600_000",
}
MEASURED = (
    CHILD.replace("import resource, sys", "import resource, sys, time").replace(
        "for source in sys.argv[1:]:",
        "from llm_twin.collect.extract import extract\n"
        "extract(b'<p>A page for which all is imported.</p>', '')\n"
        "started = time.process_time()\n"
        "for source in sys.argv[1:]:",
    )
    + """
# Not ru_maxrss, which begins with what the process that started this one had.
peak = next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(time.process_time() - started, int(peak) * 1024)
"""
)


def read(body: bytes) -> bool:
    """Whether a page can be read through every door; `Permanent` is the only way out but a result."""
    for function in (extract, describe):
        found = function(body, URL)
        if not isinstance(found.text, str) or not isinstance(found.markdown.encode(), bytes):
            return False
    page = Page(URL, 200, {"content-type": "text/html"}, now(), body)
    try:
        ended = document_of(page, Link(url=URL, author=Author.named("Ada Example"))).text.strip() != ""
    except Permanent as error:
        ended = "\n" not in error.detail
    wall(page)
    return ended


@SLOW
@given(st.binary(max_size=2000))
def test_any_bytes_are_read(body: bytes) -> None:
    assert read(body)


PIECES = st.sampled_from(
    "<div> </div> <p> </p> <pre> <code> </code> </pre> <table> <tr> <td> </table> <ul> <li> </ul> <h1> </h1> <a> "
    "<a\\x20href=/x> </a> <article> </article> <script\\x20type=application/ld+json> </script> <!-- --> <![CDATA[ ]]> "
    "<svg> <math> <iframe> <template> <form> <select> <option> <textarea> <title> <base\\x20href=//x> <plaintext> "
    "<body> <html> <head> <meta\\x20charset=utf-7> & &# &#0; &lt; \\0 \\ufeff \\u202e word Two\\x20words.".replace(
        "\\x20", "\u00a0"
    ).split(" ")
)


@SLOW
@given(st.lists(PIECES | st.text(max_size=12), max_size=120))
def test_any_markup_is_read(pieces: list[str]) -> None:
    assert read("".join(pieces).replace("\u00a0", " ").encode("utf-8", "surrogatepass"))


@SLOW
@given(st.integers(0, len(SEEDS) - 1), st.randoms(use_true_random=False))
def test_any_damage_to_a_page_is_borne(seed: int, chance: random.Random) -> None:
    body = bytearray(SEEDS[seed])
    for _ in range(chance.randint(1, 12)):
        start = chance.randrange(len(body))
        end = min(len(body), start + chance.randint(1, 400))
        part = bytes(body[start:end])
        change = chance.randrange(4)
        if change == 0:
            del body[start:end]
        elif change == 1:
            body[start:end] = part * 3
        elif change == 2:
            body[start:end] = bytes(byte ^ 0x80 for byte in part)
        else:
            body[start:start] = chance.choice(SEEDS)[: chance.randint(1, 600)]
        if not body:
            body += b"<"
    assert read(bytes(body))


@pytest.mark.parametrize("first", range(0, len(HOSTILE), AT_ONCE))
def test_the_worst_pages_take_no_more_than_they_may(first: int) -> None:
    names = [*HOSTILE][first : first + AT_ONCE]
    command = [sys.executable, "-c", CHILD, *(HOSTILE[name] for name in names)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=KILL_AFTER, check=False)
    except subprocess.TimeoutExpired as late:
        ended = len((late.stdout or b"").splitlines())
        pytest.fail(f"{names[ended]}: still at it after {KILL_AFTER} s")
    ended = len(done.stdout.splitlines())
    assert (done.returncode, ended) == (0, len(names)), f"{names[min(ended, len(names) - 1)]}: {done.stderr[-600:]}"


@pytest.mark.parametrize("name", LARGEST)
def test_the_largest_pages_take_under_five_seconds_and_500_megabytes(name: str) -> None:
    command = [sys.executable, "-c", MEASURED, LARGEST[name]]
    done = subprocess.run(command, capture_output=True, text=True, timeout=KILL_AFTER, check=False)
    assert done.returncode == 0, done.stderr[-600:]
    seconds, memory = map(float, done.stdout.split()[-2:])
    assert seconds < 5  # of one core, so that other work on the machine does not count
    assert memory < 500_000_000


def test_real_pages_cut_in_two_are_read() -> None:
    real = Path(__file__).parents[3] / "shared" / "data" / "pages" / "html"
    if not real.is_dir():
        pytest.skip("the real pages are not here")
    for file in sorted(real.glob("*.html.gz"))[::220]:
        body = gzip.decompress(file.read_bytes())
        for cut in (len(body) // 3, len(body) // 2):
            assert read(body[:cut])
            assert read(body[cut:])


@pytest.mark.parametrize("mark", ["\x1b", "\x00", "\x0b", "\ufffe", "&#27;", "&#x1;", "&#xFFFF;", "&#0;"])
def test_control_characters_cost_no_text(mark: str) -> None:
    paragraph = (
        f"Rye wants more{mark} water\n than wheat does, and less time in the oven than anybody would{mark} think."
    )
    code = f"<pre>bake(1){mark}\nrest(2)</pre><p><a href='/{mark}'> </a></p>"
    html = f"<h1>Bread{mark}</h1>{f'<p>{paragraph}</p>' * 4}{code}"
    found = extract(f"<html><body><article>{html}</article></body></html>", URL)
    assert "Rye wants more water than wheat does" in found.text
    assert "bake(1)\nrest(2)" in found.markdown
    assert not {"\x1b", "\x00", "\x01"} & set(found.text)
