# ruff: noqa: RUF001 - letters of other scripts
"""The language of a text, told from the text alone; none where it is short, mixed, or code."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_twin.collect.reading.language import language_of

TEXTS = {
    "en": "The valve had been stuck since the first frost, and nobody on the site knew which way it was meant to turn.",
    "de": "Das Ventil klemmte seit dem ersten Frost, und niemand wusste, in welche Richtung man es drehen muss.",
    "fr": "La vanne était bloquée depuis le premier gel, et personne ne savait dans quel sens il fallait la tourner.",
    "es": "La válvula estaba atascada desde la primera helada, y nadie sabía en qué sentido había que girarla.",
    "pt": "A válvula estava presa desde a primeira geada, e ninguém sabia para que lado era preciso rodá-la.",
    "it": "La valvola era bloccata dalla prima gelata, e nessuno sapeva in che senso si dovesse girare.",
    "nl": "De klep zat vast sinds de eerste vorst, en niemand wist welke kant op hij gedraaid moest worden.",
    "sv": "Ventilen hade suttit fast sedan den första frosten, och ingen visste åt vilket håll den skulle vridas.",
    "da": "Ventilen havde siddet fast siden den første frost, og ingen vidste, hvilken vej den skulle drejes nu.",
    "fi": "Venttiili oli jumissa, eikä kukaan tiennyt, mihin se kääntyy, mutta nyt se ei ole niin kuin ennen.",
    "pl": "Zawór był zablokowany od pierwszego mrozu i nikt nie wiedział, w którą stronę należy go przekręcić.",
    "cs": "Ventil byl zaseknutý od prvního mrazu a nikdo nevěděl, kam se má otočit, protože už je to dávno.",
    "hu": "A szelep az első fagy óta be volt szorulva, és senki sem tudta, hogy merre kell elfordítani.",
    "tr": "Vana ilk dondan beri sıkışmıştı ve kimse bunun hangi yöne çevrilmesi gerektiğini bilmiyordu.",
    "vi": "Cái van đã bị kẹt từ đợt sương giá đầu tiên, và không ai biết phải vặn nó theo hướng nào.",
    "id": "Katup itu macet sejak embun beku pertama, dan tidak ada yang tahu ke arah mana harus diputar.",
    "ru": "Вентиль заклинило ещё с первых морозов, и никто не знал, в какую сторону его нужно было повернуть.",
    "uk": "Вентиль заклинило ще з перших морозів, і ніхто не знав, у який бік його треба було повернути.",
    "el": "Η βαλβίδα είχε κολλήσει από τον πρώτο παγετό.",
    "he": "השסתום היה תקוע מאז הכפור הראשון.",
    "ar": "كان الصمام عالقا منذ الصقيع الأول ولم يكن أحد يعرف في أي اتجاه يجب أن يدور على ما يبدو من هذا",
    "hi": "वाल्व पहली ठंड के बाद से अटका हुआ था और किसी को पता नहीं था कि इसे किस दिशा में घुमाना है",
    "ja": "バルブは最初の霜から動かなくなっていた。",
    "ko": "밸브는 첫 서리 이후로 꼼짝도 하지 않았다.",
    "zh": "自从第一场霜冻以来，阀门就一直卡住了。",
    "th": "วาล์วติดอยู่ตั้งแต่น้ำค้างแข็งครั้งแรก",
}


@pytest.mark.parametrize("language", TEXTS)
def test_one_sentence_is_enough(language: str) -> None:
    assert language_of(TEXTS[language]) == language


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Hello",
        "OK, merci!",
        "2024-05-01 12:30 99 %",
        "Kubernetes, Docker, Terraform",
        "https://blog.example/the-valve-that-stuck-and-what-we-did",
        "```python\nfor line in the_file:\n    if this is not that:\n        return it\n```",
        "    for (int i = 0; i < n; i++) if (a[i]) break; /* the of and to in is that it for was */",
        "- [Home](/)\n- [About](/about)",
        f"{TEXTS['en']} {TEXTS['ru']}",
        f"{TEXTS['de']} {TEXTS['fr']}",
    ],
)
def test_what_is_short_mixed_or_code_has_none(text: str) -> None:
    assert language_of(text) is None


def test_code_and_english_terms_do_not_make_a_text_english() -> None:
    code = "```\n# the of and to in is that it for was with as on be are\n```\n"
    assert language_of(f"{code}{TEXTS['de']} [API](https://the.example/of/the/and) von the Cloud") == "de"
    assert language_of(f"{TEXTS['ja']} Kubernetes Docker API") == "ja"


@settings(deadline=None, max_examples=60)
@given(st.text(max_size=300))
def test_any_text_has_a_language_or_none(text: str) -> None:
    language = language_of(text)
    assert language is None or len(language) == 2
