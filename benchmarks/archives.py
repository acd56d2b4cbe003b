"""Import of archives of 100,000 posts: seconds and peak memory, each in a process of its own.

`python benchmarks/archives.py [--posts N] [linkedin x …]` writes the archives into a temporary folder. `kB/post` is by
how much the process grew for each post after the first thousand.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

WORDS = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8").split()
PLACES = ("linkedin", "x", "medium", "substack", "notes", "feed", "chatgpt")
MIB = 1 << 20
WARM = 1000  # posts after which all is loaded


def text(number: int, words: int = 150) -> str:
    """The text of one post: a thousand characters or so, no two alike."""
    chosen = random.Random(number).choices(WORDS, k=words)  # noqa: S311
    return f"Post {number}. " + " ".join(
        word for word in chosen if word.isascii() and not set(word) & set('<>&"[]`|#*')
    )


def day(number: int) -> str:
    """A moment for each post."""
    return f"20{10 + number % 15:02}-{1 + number % 12:02}-{1 + number % 28:02}T10:00:{number % 60:02}"


def turn(parent: str | None, role: str, number: int) -> dict[str, object]:
    """A message of a conversation."""
    content = {"content_type": "text", "parts": [text(number)]}
    return {"parent": parent, "message": {"author": {"role": role}, "content": content}}


def medium_post(number: int) -> str:
    """A page of Medium's export."""
    return (
        f'<html><body><article class="h-entry"><h1 class="p-name">Post {number}</h1>'
        '<section data-field="body" class="e-content">'
        f'<h3 class="graf graf--title">Post {number}</h3><p class="graf">{text(number)}</p></section>'
        f'<time class="dt-published" datetime="{day(number)}Z"></time>'
        f'<a class="p-canonical" href="https://medium.com/@ada/post-{number:012x}">link</a></article></body></html>'
    )


def members(name: str, posts: int) -> Iterator[tuple[str, Iterator[str]]]:
    """The files of an archive, each in pieces."""
    numbers = range(posts)
    if name == "linkedin":
        rows = (
            f"{day(n).replace('T', ' ')},"
            f"https://www.linkedin.com/feed/update/urn%3Ali%3Ashare%3A{7 * 10**18 + n * 10**9},"
            f'"{text(n)}",,,MEMBER_NETWORK\n'
            for n in numbers
        )
        yield "Shares.csv", _with("Date,ShareLink,ShareCommentary,SharedUrl,MediaUrl,Visibility\n", rows)
    elif name == "x":
        posts_of_x = (
            {"id_str": str(10**18 + n), "full_text": text(n, 40), "created_at": "Wed May 01 10:00:00 +0000 2024"}
            | ({"in_reply_to_status_id_str": str(10**18 + n - 1)} if n % 10 == 9 else {})
            for n in numbers
        )
        items = (f"{',' if n else ''}{json.dumps({'tweet': post})}\n" for n, post in enumerate(posts_of_x))
        yield "data/tweets.js", _with("window.YTD.tweets.part0 = [", items, "]")
    elif name == "medium":
        for n in numbers:
            yield f"posts/2024-05-01_post-{n:012x}.html", iter([medium_post(n)])
    elif name == "substack":
        table = (f"{n}.post-{n},{day(n)}Z,true,newsletter,everyone,Post {n}\n" for n in numbers)
        yield "posts.csv", _with("post_id,post_date,is_published,type,audience,title\n", table)
        yield "email_list.ada.csv", iter(["email\n"])
        for n in numbers:
            yield f"posts/{n}.post-{n}.html", iter([f"<p>{text(n)}</p>"])
    elif name == "notes":
        for n in numbers:
            yield (
                f"{n % 100}/note {n}.md",
                iter([f"---\ndate: {day(n)[:10]}\n---\n# Note {n}\n\n{text(n)} [[note {n - 1}]]\n"]),
            )
    elif name == "feed":
        items = (
            f"<item><title>Post {n}</title><link>https://ada.example/{n}/</link><wp:status>publish</wp:status>"
            f"<wp:post_type>post</wp:post_type><content:encoded><![CDATA[<p>{text(n)}</p>]]></content:encoded></item>\n"
            for n in numbers
        )
        head = '<rss version="2.0" xmlns:wp="http://wordpress.org/export/1.2/" xmlns:content="urn:c"><channel>\n'
        yield "ada.xml", _with(head, items, "</channel></rss>")
    elif name == "chatgpt":
        talks = (
            {
                "title": f"Talk {n}",
                "create_time": 1_700_000_000 + n,
                "mapping": {"a": turn(None, "user", n), "b": turn("a", "assistant", n)},
                "current_node": "b",
                "conversation_id": f"conversation-{n}",
            }
            for n in numbers
        )
        yield (
            "conversations.json",
            _with("[", (f"{',' if n else ''}{json.dumps(talk)}" for n, talk in enumerate(talks)), "]"),
        )


def _with(head: str, pieces: Iterator[str], tail: str = "") -> Iterator[str]:
    yield head
    yield from pieces
    yield tail


def write(path: Path, name: str, posts: int) -> int:
    """Write the archive; how many bytes it unpacks to."""
    unpacked = 0
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as zipped:
        for member, pieces in members(name, posts):
            with zipped.open(member, "w", force_zip64=True) as file:
                for piece in pieces:
                    unpacked += file.write(piece.encode())
    return unpacked


class Growth:
    """Progress that notes how large the process was when it was warm."""

    def __init__(self) -> None:
        self.done, self.warm = 0, 0

    def plan(self, stage: str, total: int) -> None:
        """Nothing to show."""

    def say(self, text: str) -> None:
        """Nothing to show."""

    def step(self, stage: str, done: int = 1, outcome: object = None) -> None:
        """A post is stored."""
        self.done += done
        if self.done == WARM:
            self.warm = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def measure(path: Path, home: Path) -> None:
    """Import in this process, and say how it went."""
    from llm_twin import Settings, Twin

    growth = Growth()
    with Twin(Settings.load(home=home), growth) as twin:
        started = time.perf_counter()
        report = twin.import_archive(path, "Ada Example")
        seconds = time.perf_counter() - started
    used = resource.getrusage(resource.RUSAGE_SELF)
    told = {
        "seconds": round(seconds, 1),
        "cpu": round(used.ru_utime + used.ru_stime, 1),
        "peak_mb": used.ru_maxrss // 1024,
        "grown_kb": round((used.ru_maxrss - growth.warm) / max(growth.done - WARM, 1), 2),
        "counts": report.counts,
    }
    print(json.dumps({**told, **report.summary}))


def main() -> None:
    """Write, import, print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("formats", nargs="*", default=PLACES)
    options.add_argument("--posts", type=int, default=100_000)
    options.add_argument("--import", dest="one", nargs=2, metavar=("FILE", "HOME"), help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.one:
        measure(*map(Path, given.one))
        return
    print(f"{given.posts:,} posts           unpacked MB   zip MB   seconds     CPU s   posts/s   peak MB  kB/post")
    for name in given.formats:
        with TemporaryDirectory() as folder:
            path = Path(folder, f"{name}.zip")
            unpacked = write(path, name, given.posts)
            command = [sys.executable, __file__, "--import", str(path), str(Path(folder, "home"))]
            told = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            rate = given.posts / told["seconds"]
            packed = path.stat().st_size
            print(
                f"{name:<24} {unpacked / MIB:>10.0f} {packed / MIB:>8.0f} {told['seconds']:>9} {told['cpu']:>9}"
                f" {rate:>9.0f} {told['peak_mb']:>9} {told['grown_kb']:>8}   {told['counts']} {told['left_out']}",
                flush=True,
            )


if __name__ == "__main__":
    main()
