"""A note's Markdown as its readers see it: links lead somewhere, and what generators and editors put in is left out.

Knows Obsidian's wiki links and remarks, Jekyll's Liquid, Hugo's shortcodes, MDX. Code stays as it is. Reads in the time
that the length of a text takes, whatever is left open in it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from textwrap import dedent

from llm_twin.collect.reading.markdown import fenced
from llm_twin.collect.reading.markdown import link as markdown_link

MARKED = re.compile(r"\[\[|%%|<!--|<s(?:cript|tyle)\b|\{[%{:]|\]\(")
OPEN = re.compile(
    r"(?P<code>^[ \t]*(?P<fence>`{3,}|~{3,}).*?(?:^[ \t]*(?P=fence)[`~]*[ \t]*$|\Z)"
    r"|(?<!`)(?P<tick>`+)(?!`)[^\n]{0,1000}?(?<!`)(?P=tick)(?!`))"
    r"|(?P<remark><!--|(?<![\d%])(?<!%\w)%%(?!%)|<script\b|<style\b|\{/\*)"
    r"|(?P<tag>\{%|\{\{[<%](?!/\*))"
    r"|(?P<value>\{\{-?\s*(?:(?:site|page|layout|include)\b|(?P<quote>[\"'])(?P<quoted>[^\"'\n]{0,300})(?P=quote))[^{}\n]{0,300}\}\}"
    r"|^\{:[^{}\n]{1,300}\}[ \t]*$)",
    re.S | re.M,
)
# By how they begin: how remarks and tags end.
ENDS = {"<!--": "-->", "%%": "%%", "<script": "</script>", "<style": "</style>", "{/*": r"\*/\}"}
ENDS |= {"{%": r"%\}", "{{<": r">\}\}", "{{%": r"%\}\}"}
CODE = ("highlight", "codeblock")  # what wraps code: Jekyll's and Hugo's, Octopress' and Hexo's
LANGUAGE = re.compile(r"(?:highlight\s+|codeblock\s+.*?\blang:)([\w+#.-]+)")
LONGEST_TAG = 2_000  # characters
LONGEST_INDENT = 100
ATTRIBUTE = re.compile(r"""(\w+)\s*=\s*["']([^"'\n]*)["']""")
EMBEDDED = re.compile(r"""\w+\s+["']?(https?://[^\s"']+)""")
TITLED = re.compile(r"""\w+\s+["']([^"'\n]*\s[^"'\n]*)["']""")
PICTURES, CAPTIONS = ("src", "url", "image_path"), ("alt", "caption", "title")
BLANK = re.compile(r"[ \t]*(?:\n|\Z)")
WIKI = re.compile(r"(!?)\[\[([^\[\]|#^\n\\]{0,300})((?:[#^][^\[\]|\n\\]{0,300})?)(?:\\?\|([^\[\]\n]{0,500}))?\]\]")
NOTE = re.compile(
    r"(?<![!\\])\[((?:\\.|[^\[\]\\\n]){0,500})\]\((?:<([^<>\n]{1,500}?\.mdx?)(?:#[^<>\n]*)?>|([^()\s:]{1,500}?\.mdx?)(?:#[^()\s]*)?)\)"
)
FILE = re.compile(r"\.(?!md$)\w{2,5}$", re.I)
MODULE = re.compile(r"^(?:import|export)\b[^\n]*(?:\n[ \t]*[^\s][^\n]*)*", re.M)
COMPONENT = re.compile(
    r"""</?[A-Z][\w.]{0,60}(?:[^<>{}"']|"[^"\n]{0,500}"|'[^'\n]{0,500}'|\{[^{}]{0,500}(?:\{[^{}]{0,500}\}[^{}]{0,500}){0,9}\}){0,500}>"""
)


def resolved(
    text: str,
    named: Callable[[str], str],
    at: Callable[[str], str | None] = lambda path: None,
    *,
    mdx: bool = False,
) -> str:
    """The text of a note. `named` gives the link of the note of a name, `at` that of one at a path; "" where it is not
    read, None where there is none.
    """
    if not mdx and not MARKED.search(text):
        return text.strip("\n")
    done: list[str] = []
    words: list[str] = []  # what follows that, without code
    ends: dict[str, re.Match[str] | None] = {}
    position = 0

    def end_of(pattern: str, start: int) -> re.Match[str] | None:
        """Where something ends; each end is looked for once, however often what it closes is left open."""
        found = ends.get(pattern)
        if pattern not in ends or (found and found.start() < start):
            found = ends[pattern] = re.compile(pattern).search(text, start)
        return found

    def flush() -> None:
        done.append(_linked("".join(words), named, at, mdx))
        words.clear()

    while found := OPEN.search(text, position):
        words.append(text[position : found.start()])
        start, position = found.span()
        if found["code"]:
            flush()
            done.append(found[0])
            continue
        shown = found["quoted"] or ""
        if not found["value"]:
            end = end_of(ENDS[found[0]], position)
            if not end or not _is_one(text, found, end, mdx):
                words.append(found[0])
                continue
            position = end.end()
            if found["tag"]:
                body = text[found.end() : end.start()].strip(" -\t")
                name = body.partition(" ")[0]
                close = rf"\{{%-?\s*end{name}\s*-?%\}}" if found[0] == "{%" else rf"\{{\{{[<%]\s*/{name}\s*[>%]\}}\}}"
                inside = end_of(close, position) if name in (*CODE, "raw", "comment") else None
                if inside and name in CODE:
                    flush()
                    done.append(_fenced(text, start, body, text[position : inside.start()].strip("\n")))
                    position = inside.end()
                    done.append("" if BLANK.match(text, position) else "\n\n")
                    continue
                if inside and name == "raw":
                    flush()
                    done.append(text[position : inside.start()])
                    position = inside.end()
                    continue
                if inside:
                    position = inside.end()
                shown = _shown(name, body, named, at)
        if shown:
            words.append(shown)
        else:
            position = _closed_up(text, start, position, words)
    words.append(text[position:])
    flush()
    return "".join(done).strip("\n")


def _fenced(text: str, start: int, tag: str, code: str) -> str:
    """Code that a tag wraps as a block, on the line of the tag where nothing else is on it."""
    given = LANGUAGE.match(tag)
    line = _line(text, start)
    indent = "" if line is None else text[line:start]
    block = fenced(dedent(code) if indent else code, given[1] if given else "")
    return block.replace("\n", f"\n{indent}") if line is not None else f"\n\n{block}"


def _is_one(text: str, found: re.Match[str], end: re.Match[str], mdx: bool) -> bool:
    """Whether what begins with a mark and ends with another is a remark or a tag."""
    if found["tag"]:
        return end.start() - found.end() < LONGEST_TAG
    if found[0] != "%%":
        return mdx or found[0] != "{/*"
    return _line(text, found.start()) is not None or "\n\n" not in text[found.end() : end.start()]


def _line(text: str, position: int) -> int | None:
    """Where the line of a position begins, where nothing but blanks stands before that."""
    start = max(0, position - LONGEST_INDENT)
    before = text[start:position]
    line = before.rfind("\n") + 1
    return None if before[line:].strip() or (start and not line) else start + line


def _closed_up(text: str, start: int, end: int, words: list[str]) -> int:
    """Where the text goes on behind what is left out: without its line where it had one to itself."""
    line, blank = _line(text, start), BLANK.match(text, end)
    if line is None or not blank:
        if text[end : end + 1] in ("", *" \t\n.,;:!?)"):  # else one blank would be gone that parts two words
            words[-1] = words[-1].removesuffix(" ")
        return end
    end = blank.end()
    above = text[max(0, line - 2) : line]
    while above in ("", "\n\n") and end < len(text) and (blank := BLANK.match(text, end)) and blank[0]:
        end = blank.end()
    return end


def _shown(name: str, body: str, named: Callable[[str], str], at: Callable[[str], str | None]) -> str:
    """What stands in the place of a tag: a link to a note, the address of what is embedded, a picture, or a title."""
    if embedded := EMBEDDED.match(body):
        return embedded[1]
    if name in ("post_url", "link", "ref", "relref"):
        target = body[len(name) :].strip(" \"'").partition("#")[0]
        return at(target) or named(target)
    given = dict(ATTRIBUTE.findall(body))
    picture = next((given[key] for key in PICTURES if given.get(key)), "")
    titled = TITLED.match(body)
    caption = next((given[key] for key in CAPTIONS if given.get(key)), titled[1] if titled else "")
    return "!" + markdown_link(caption, picture) if picture and caption else caption


def _linked(text: str, named: Callable[[str], str], at: Callable[[str], str | None], mdx: bool) -> str:
    def wiki(found: re.Match[str]) -> str:
        shown = (found[4] or found[2] or found[3].lstrip("#^")).strip()
        target = named(found[2]) if found[2].strip() else ""
        if found[1] and not target and FILE.search(found[2].strip()):
            return ""  # a picture or another file that is shown here; what follows the bar is its size
        return markdown_link(shown, target) if target else shown

    def note(found: re.Match[str]) -> str:
        target = at(found[2] or found[3])
        return found[0] if target is None else markdown_link(found[1], target) if target else found[1]

    if mdx:
        text = COMPONENT.sub("", MODULE.sub("", text))
    return NOTE.sub(note, WIKI.sub(wiki, text))
