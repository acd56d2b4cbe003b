"""Formulas become TeX between dollar signs, once each, in the text as in the Markdown."""

from __future__ import annotations

import pytest

from llm_twin.collect.extract import extract

LINE = "The pressure in the loop follows from the height of the house, which is {} as everybody on the site knew."
TEX = r"\frac{a}{b} \{x\} \\ y_1"
KATEX = (
    '<span class="katex"><span class="katex-mathml"><math><semantics><mrow><mi>a</mi></mrow>'
    f'<annotation encoding="application/x-tex">{TEX}</annotation></semantics></math></span>'
    '<span class="katex-html" aria-hidden="true">ab</span></span>'
)
WIKIPEDIA = (
    '<span class="mwe-math-element"><span class="mwe-math-mathml-inline mwe-math-mathml-a11y" style="display: none;">'
    r'<math alttext="{\displaystyle x^{2}}"><semantics><mi>x</mi></semantics></math></span>'
    r'<img src="/math/render/svg/abc" class="mwe-math-fallback-image-inline" alt="{\displaystyle x^{2}}"></span>'
)
MATHJAX_3 = (
    '<mjx-container class="MathJax" jax="CHTML"><mjx-math>drawn</mjx-math><mjx-assistive-mml><math><mfrac><mi>a</mi>'
    "<msup><mi>b</mi><mn>2</mn></msup></mfrac><mo>+</mo><msqrt><mi>c</mi></msqrt></math></mjx-assistive-mml></mjx-container>"
)
MATHJAX_2 = (
    '<span class="MathJax_Preview">drawn</span><span class="MathJax" id="M-1-Frame"><nobr>drawn</nobr></span>'
    '<script type="math/tex">E=mc^2</script>'
)
WORDPRESS = r'<img src="https://s0.example/latex.php?latex=x%5E2" alt="x^2 \leq y" class="latex">'


def read(formula: str, head: str = "") -> tuple[str, str]:
    story = "".join(f"<p>{LINE.format(word)}</p>" for word in ("nine metres", formula, "no secret"))
    html = f"<html><head>{head}</head><body><article><h1>Loops</h1>{story}</article></body></html>"
    found = extract(html, "https://log.example/a")
    return found.text, found.markdown


@pytest.mark.parametrize(
    ("formula", "tex"),
    [
        (KATEX, TEX),
        (WIKIPEDIA, "x^{2}"),
        (MATHJAX_3, r"\frac{a}{{b}^{2}} + \sqrt{c}"),
        (MATHJAX_2, "E=mc^2"),
        (WORDPRESS, r"x^2 \leq y"),
    ],
)
def test_a_formula_is_there_once(formula: str, tex: str) -> None:
    text, markdown = read(formula)
    assert LINE.format(f"${tex}$") in text
    assert LINE.format(f"${tex}$") in markdown


def test_a_formula_set_apart_stands_on_a_line_of_its_own() -> None:
    _, markdown = read(f'<span class="katex-display">{KATEX.replace("<math>", "<math display=block>")}</span>')
    assert f"\n\n$${TEX}$$\n\n" in markdown


def test_tex_that_a_script_would_draw_is_kept_as_it_is() -> None:
    raw = r"\(a_1 \{b\}\) or $x_1$ for $20 or $30"
    text, markdown = read(raw, '<script src="https://cdn.example/mathjax@3/tex.js"></script>')
    assert r"$a_1 \{b\}$ or $x_1$ for $20 or $30" in markdown
    assert r"$a_1 \{b\}$ or $x_1$ for $20 or $30" in text


def test_code_on_a_page_with_formulas_is_left_alone() -> None:
    _, markdown = read("</p><pre>\\(a\\)</pre><p>", '<script src="/katex.js"></script>')
    assert "```\n\\(a\\)\n```" in markdown
