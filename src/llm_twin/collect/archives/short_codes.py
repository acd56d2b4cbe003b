"""WordPress's short codes (`[name key="value"]…[/name]`), which plugins and page builders leave in the text of posts.

What stands between two of them stays. Words and media that a code itself carries come out of it; brackets that are no
codes (`[1]`, `[sic]`, `a[0]`) stay as they are. Code stays as it is written.
"""

from __future__ import annotations

import re
from html import escape, unescape

# Those around code: the code editor's own, and the languages that its plugin takes for names.
SOURCES = (
    "sourcecode|source|code|crayon|as3|bash|shell|sh|css|clojure|cpp|c|csharp|delphi|diff|erlang|fsharp|go|groovy|html"
    "|java|javafx|javascript|js|jscript|latex|matlab|objc|perl|php|plain|text|powershell|py|python|r|rails|ruby|scala"
    "|sql|swift|typescript|vb|xml|yaml"
)
SOURCE = re.compile(
    rf"(?:<(?:pre|p)(?:\s[^<>]*)?>\s*)?(?<!\[)\[(?P<name>{SOURCES})(?P<keys>[\s:=][^\[\]]*)?\]"
    r"(?P<code>(?:(?!\[(?P=name)[\s\]]).)*?)\[/(?P=name)\](?!\])(?:\s*</(?:pre|p)>)?",
    re.S | re.I,
)
TAG = re.compile(r"<[A-Za-z/!]")
LANGUAGE = re.compile(r"(?:\blang(?:uage)?\s*=|^[:=])\W*([\w+#.-]{1,20})", re.I)
CODE = re.compile(r"(</?)(?:pre|code)[\s>]", re.I)
NAME = r"[A-Za-z][\w-]{0,60}"
BRACKETS = re.compile(rf"(\[?)\[(/?)({NAME})((?:[\s=/][^\[\]]*)?)\](\]?)")
CLOSING = re.compile(rf"\[/({NAME})\]")
BLOCK = re.compile(rf"<!-- wp:shortcode[^>]*-->\s*\[({NAME})")
QUOTE = r"(?:[\"'“”″]|&quot;|&#8220;|&#8221;)"
KEY = re.compile(rf"\s[\w-]+={QUOTE}|^\s*/$|\s/$")  # or it closes itself
BUILDERS = re.compile(r"(?:et_pb|vc|fusion)_")  # page builders: their codes make blocks, and their titles are read
KNOWN = re.compile(
    r"(?:caption|embed|gallery|audio|video|playlist|wp_caption|wpvideo|latexpage|toc|ez-toc|contact-form|contact-form-7"
    r"|contact-field|youtube|vimeo|soundcloud|spotify|gist|tweet|slideshare|googlemaps|polldaddy|archives|sitemap)$"
)
MEDIA = re.compile(
    r"(?:audio|video|playlist|youtube|vimeo|soundcloud|spotify|gist|tweet|slideshare|vc_video|et_pb_video)$"
)
PICTURE = re.compile(r"(?:et_pb|et_pb_fullwidth)_image$")
ADDRESS = re.compile(r"https?://[^\s\"'“”″\[\]<>&]+(?:&(?!quot;|#)[^\s\"'“”″\[\]<>&]*)*")
ENCODED = re.compile(r"\[(vc_raw_(?:html|js))[^\[\]]*\][^\[\]]*\[/\1\]")  # in letters and digits that nobody reads
LATEX = re.compile(  # sizes and colours may follow
    r"\$latex[\s=]\s*((?:[^$\\]|\\.)+?)(?:&(?:amp;|#0?38;)?(?:bg|fg|s)=[\w-]+)*\s*\$", re.S
)
ESCAPED = {"%22": '"', "%91": "[", "%93": "]", "%92": "\\"}  # by Divi, in values


def resolved(html: str) -> str:
    """HTML with what its short codes stand for, as far as it stands in the post."""
    named = set(BLOCK.findall(html)) | set(CLOSING.findall(html))
    html = ENCODED.sub("", SOURCE.sub(_code, html.replace("<!--nextpage-->", "\n\n")))

    def written(found: re.Match[str]) -> str:
        opened, closing, name, keys, closed = found.groups()
        is_code = name in named or KEY.search(keys) or KNOWN.match(name) or BUILDERS.match(name)
        if not is_code:
            return found[0]
        if opened and closed:  # how one writes about them
            return found[0][1:-1]
        space = "\n\n" if BUILDERS.match(name) else ""
        return opened + space + ("" if closing else _carried(name, keys)) + space + closed

    parts: list[str] = []
    at = depth = 0
    for tag in CODE.finditer(html):
        before = html[at : tag.start()]
        parts += [before if depth else _formulas(BRACKETS.sub(written, before)), tag[0]]
        at, depth = tag.end(), max(0, depth + (1 if tag[1] == "<" else -1))
    return "".join((*parts, html[at:] if depth else _formulas(BRACKETS.sub(written, html[at:]))))


def _formulas(html: str) -> str:
    return LATEX.sub(r"<tex>$\1$</tex>", html)


def _code(found: re.Match[str]) -> str:
    named = LANGUAGE.search(found["keys"] or "")
    name = found["name"].lower()
    language = named[1] if named else "" if name in ("sourcecode", "source", "code", "crayon") else name
    code = found["code"]
    if not TAG.search(code):  # the code editor keeps it escaped, the others as it was typed
        code = unescape(code)
    return f'\n\n<pre><code class="language-{escape(language)}">{escape(code)}</code></pre>\n\n'


def _carried(name: str, keys: str) -> str:
    """What readers see of the code itself: a link to media, a picture, a title."""
    if MEDIA.match(name) and (address := ADDRESS.search(keys)):
        return f'<a href="{escape(unescape(address[0]))}">{escape(unescape(address[0]))}</a>'
    if PICTURE.match(name) and (source := _value(keys, "src")):
        return f'<img src="{escape(source)}" alt="{escape(_value(keys, "alt"))}">'
    if BUILDERS.match(name) and (
        title := _value(keys, "title") or _value(keys, "text" if "heading" in name else "heading")
    ):
        return f"<h3>{escape(title)}</h3>"
    return ""


def _value(keys: str, key: str) -> str:
    found = re.search(rf"\s{key}={QUOTE}(.*?){QUOTE}", keys, re.S)
    value = unescape(found[1]) if found else ""
    for code, sign in ESCAPED.items():
        value = value.replace(code, sign)
    return value
