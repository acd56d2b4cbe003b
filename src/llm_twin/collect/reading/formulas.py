"""Formulas as TeX between dollar signs, once each: pages carry them as MathML, TeX and pictures, often all at once."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lxml.html import HtmlElement

TEX = "tex"  # the element that stands for a formula; its text is TeX with its dollar signs
STAND_IN = "\ue0f0"  # for a backslash
TAG = re.compile(r"<(?=[A-Za-z/!?])")
ENTITY = re.compile(r"&(?=(?:[A-Za-z]\w{1,30}|#\d{1,7}|#[xX][\da-fA-F]{1,6});)")
LINK = re.compile(r"\[(?=[^\[\]]{1,300}\]\()")
MARKS = re.compile(r"[*_~`]")
# Pairs that CommonMark takes for emphasis or code; an underscore inside a word is none.
MARKED = re.compile(
    r"(?P<mark>\*{1,3}|(?<!\w)_{1,3}|~~|`{1,3})(?P<inside>[^\s*_~`]|[^\s*_~`][^*~`\n]{0,300}?[^\s*_~`])(?P=mark)(?!(?<=_)\w)"
)
DEEPEST = 60  # elements of a formula within each other
SHELL = re.compile(r"katex|mathjax|mwe-math|mjx|(?:^|\s)math(?:\s|$|-)|ltx_math", re.I)  # classes around one formula
SHOWN_APART = re.compile(r"katex-display|mathjax_display|mwe-math-(?:mathml|fallback-image)-display|math display", re.I)
PICTURED = re.compile(r"latex\.php|/latex\?|codecogs\.com|mathtex|/math/render/|/svg\.latex", re.I)  # addresses
STYLED = re.compile(r"\{\\(?:display|text)style\s*(.*)\}", re.S)
RENDERED = {"MathJax_Preview", "MathJax", "MathJax_Display", "MathJax_SVG", "MathJax_SVG_Display", "MathJax_CHTML"}
RAW = re.compile(  # TeX in running text, in the time that its length takes; dollars alone are mostly prices
    r"\\\(((?:[^\\]|\\[^()\[\]]){1,1000})\\\)|\\\[((?:[^\\]|\\[^()\[\]]){1,2000})\\\]|\$\$([^$]{1,2000})\$\$"
    r"|\$(?=[^$]{0,200}[\\^_])([^$\s](?:[^$]{0,300}[^$\s])?)\$(?!\d)"
)
DRAWS_RAW = re.compile(r"mathjax|katex", re.I)  # scripts that find TeX in the text of a page
ACCENTS = {  # signs over a letter, most of them in two forms
    "\u00af": r"\bar",
    "\u203e": r"\overline",
    "^": r"\hat",
    "\u02c6": r"\hat",
    "~": r"\tilde",
    "\u02dc": r"\tilde",
    "\u2192": r"\vec",
    "\u20d7": r"\vec",
    "\u02d9": r"\dot",
}
ROW_END = r" \\ "
FORMS = {  # @: the parts, in order; the last one first for `mover` and `mroot`
    "mfrac": r"\frac{@}{@}",
    "msup": "{@}^{@}",
    "msub": "{@}_{@}",
    "msubsup": "{@}_{@}^{@}",
    "mover": r"\overset{@}{@}",
    "munder": "{@}_{@}",
    "munderover": "{@}_{@}^{@}",
    "mroot": r"\sqrt[@]{@}",
}
CODE = ("pre", "code", "script", "style", "textarea")


def write_formulas(tree: HtmlElement) -> None:
    """Put `$…$` and `$$…$$` in the place of whatever shows a formula."""
    scripts = list(tree.iter("script"))
    for script in [script for script in scripts if (script.get("type") or "").startswith("math/tex")]:
        for _ in range(2):  # a preview and the formula drawn
            before = script.getprevious()
            if before is not None and not (before.tail or "").strip() and set(_names(before)) & RENDERED:
                before.drop_tree()
        _replace(script, script.text or "", "mode=display" in script.get("type", ""))
    for math in list(tree.iter("math")):
        if math.getparent() is None or next(math.iterancestors("math"), None) is not None:
            continue
        shell, apart = math, math.get("display") == "block"
        for around in math.iterancestors():
            if around.tag not in ("span", "mjx-container", "mjx-assistive-mml") or not SHELL.search(
                f"{around.tag} {around.get('class') or ''}"
            ):
                break
            shell = around
            apart = apart or around.get("display") == "true" or bool(SHOWN_APART.search(around.get("class") or ""))
        _replace(shell, _tex_of(math), apart)
    for picture in list(tree.iter("img")):
        names = (picture.get("class") or "").lower().split()
        if picture.get("alt") and (
            "latex" in names or "tex" in names or PICTURED.search(picture.get("src") or picture.get("data-src") or "")
        ):
            _replace(picture, picture.get("alt"), False)
    if any(DRAWS_RAW.search(f"{s.get('src') or ''} {s.get('id') or ''} {(s.text or '')[:300]}") for s in scripts):
        _mark_raw(tree)


def _names(element: HtmlElement) -> list[str]:
    return str(element.get("class") or "").split()


def _tex_of(math: HtmlElement) -> str:
    for note in math.iter("annotation"):
        if "tex" in (note.get("encoding") or "").lower() and (note.text or "").strip():
            return str(note.text)
    return math.get("alttext") or math.get("data-latex") or _written(math, 0)


def _replace(element: HtmlElement, tex: str, apart: bool) -> None:
    """Put a formula in the place of an element; nothing where it is empty."""
    tex = " ".join(tex.split())
    while styled := STYLED.fullmatch(tex):
        tex = styled[1].strip()
    tex = tex.strip("$").strip()
    parent = element.getparent()
    if parent is None:
        return
    if not tex:
        element.drop_tree()
        return
    formula = _formula(tex, apart)
    formula.tail = element.tail
    parent.replace(element, formula)


def _formula(tex: str, apart: bool) -> HtmlElement:
    from lxml.html import Element

    formula = Element(TEX)
    formula.text = f"$${tex}$$" if apart else f"${tex}$"
    if not apart:
        return formula
    line = Element("div")
    line.append(formula)
    return line


def _mark_raw(tree: HtmlElement) -> None:
    """Formulas between TeX's marks in running text, which a script would have drawn."""
    for element in list(tree.iter()):
        if not isinstance(element.tag, str) or element.tag == TEX:
            continue
        if element.tag not in CODE and RAW.search(element.text or ""):
            _split(element, None)
        parent = element.getparent()
        if parent is not None and parent.tag not in CODE and RAW.search(element.tail or ""):
            _split(parent, element)


def _split(parent: HtmlElement, before: HtmlElement | None) -> None:
    text = str(parent.text if before is None else before.tail)
    end, last, at = 0, before, 0 if before is None else parent.index(before) + 1
    for found in RAW.finditer(text):
        between = text[end : found.start()]
        if last is None:
            parent.text = between
        else:
            last.tail = between
        inline, display = found[1] or found[4], found[2] or found[3]
        last = _formula(" ".join((inline or display).split()), apart=not inline)
        parent.insert(at, last)
        at, end = at + 1, found.end()
    if last is not None:
        last.tail = text[end:]


def _written(element: HtmlElement, depth: int) -> str:
    """Presentation MathML (W3C, MathML 3, chapter 3) as TeX."""
    tag = str(element.tag).rpartition(":")[2]
    if tag in ("annotation", "annotation-xml") or depth > DEEPEST:
        return ""
    own = " ".join((element.text or "").split())
    if tag in ("mi", "mn", "mo", "ms"):
        return rf"\mathrm{{{own}}}" if tag == "mi" and len(own) > 1 and own.isalpha() else own
    if tag == "mtext":
        return rf"\text{{{own}}}" if own else " "
    parts = [_written(child, depth + 1) for child in element if isinstance(child.tag, str)]
    if tag == "mover" and len(parts) == 2 and parts[1] in ACCENTS:
        return f"{ACCENTS[parts[1]]}{{{parts[0]}}}"
    pieces = FORMS.get(tag, "").split("@")
    if len(pieces) == len(parts) + 1:
        order = parts[::-1] if tag in ("mover", "mroot") else parts
        return pieces[0] + "".join(part + piece for part, piece in zip(order, pieces[1:], strict=True))
    if tag == "msqrt":
        return rf"\sqrt{{{' '.join(parts)}}}"
    if tag == "mfenced":
        return str(element.get("open") or "(") + ", ".join(parts) + str(element.get("close") or ")")
    if tag == "mtable":
        return rf"\begin{{matrix}} {ROW_END.join(parts)} \end{{matrix}}"
    return (" & " if tag in ("mtr", "mlabeledtr") else " ").join(part for part in parts if part)


def shield(body: HtmlElement) -> None:
    """Keep the formulas' backslashes from being taken for text that needs escaping."""
    for formula in body.iter(TEX):
        formula.text = (formula.text or "").replace("\\", STAND_IN)


def literal(text: str) -> str:
    """Text in which what looks like a tag, a mark or an entity is one no more once it is Markdown."""
    if "<" in text:
        text = TAG.sub(f"{STAND_IN}<", text)
    if "&" in text:
        text = ENTITY.sub(f"{STAND_IN}&", text)
    if "](" in text:
        text = LINK.sub(f"{STAND_IN}[", text)
    return MARKED.sub(_unmarked, text) if MARKS.search(text) else text


def _unmarked(found: re.Match[str]) -> str:
    mark = "".join(STAND_IN + sign for sign in found["mark"])
    return f"{mark}{found['inside']}{mark}"


def unshield(markdown: str) -> str:
    """The Markdown with the backslashes that stood aside."""
    return markdown.replace(STAND_IN, "\\")
