"""Pages whose text is there but is no article: lists of articles, openings before a paywall, requests to sign in.

Each rule needs two witnesses, what the page says of itself and the shape of its text, because an article that is
taken for a list is lost. Where they disagree the page is an article.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, cast

from llm_twin.collect.reading.content_blocks import count_words
from llm_twin.collect.reading.list_pages import HEADINGS, list_page, says_it_is_a_list, short_texts, text_of
from llm_twin.collect.reading.missing_pages import line_says_missing
from llm_twin.collect.reading.tame import bounded, tame
from llm_twin.collect.reading.walls import GZIP, asks_consent
from llm_twin.errors import Reason

if TYPE_CHECKING:
    from lxml.etree import _Element
    from lxml.html import HtmlElement

    from llm_twin.collect.pages import Page

LOOKED_AT = 3_000_000  # characters of source; larger pages are taken as they are
TEASER_WORDS = 200  # openings have 30 to 180
PROMPT_WORDS = 20  # of a request to pay or sign in; a sentence of an article is mostly longer
STUB_WORDS = 40
SHELL_WORDS = 5  # of content in a page that a script fills
LINES = {"p", "div", "span", *HEADINGS}
PROMPTS = {*LINES, "button", "a", "strong", "section"}
CHROME = ("script", "style", "noscript", "template", "svg", "nav", "footer", "aside", "form", "dialog")

# Where the scripts of React, Next, Nuxt, Vue, Gatsby, Svelte, Ember and Angular put what they draw.
MOUNT = re.compile(
    r"""<(?:div|main|section)\b[^<>]{0,200}\bid=["']?(?:root|app|__next|__nuxt|___gatsby|react-root|svelte|main-app"""
    r"""|mount)\b"""
    r"|<app-root\b|<body\b[^<>]{0,300}ember-application",
    re.I,
)
LOCKED = re.compile(
    r"""isaccessibleforfree["']?(?:\s*:|[^>]{0,100}\bcontent=)\s*["']?(?:https?://schema\.org/)?false""", re.I
)
# Where a page speaks of itself: its JSON-LD and microdata. What never ends goes to the end, so nothing is read twice.
DATA = re.compile(
    r"""<script\b[^<>]{0,200}ld\+json[^<>]{0,200}>(?:[^<]++|<(?!/script))*+"""
    r"""|<meta\b[^<>]{0,200}isaccessibleforfree[^<>]{0,200}>""",
    re.I,
)
FREE = re.compile(r"""isaccessibleforfree["']?\s*:\s*["']?(?:https?://schema\.org/)?true""", re.I)
# What may be asked below a whole article: to sign in to comment, to subscribe to what comes next.
ASIDE = re.compile(
    r"\b(?:comment|kommentar|kommentier|coment[aá]|commenta|reply|repl(?:y|ies)\b|antworten|répondre|responder|respond"
    r"|newsletter|new posts|posts like this|(?:my|our) (?:next|other|new|future)\b|support (?:me|us|my|our)\b)"
    r"|コメント|评论",
    re.I,
)
SAYS_ARTICLE = re.compile(
    r"""<meta\b[^<>]{0,200}(?:article:published_time|og:type["'][^<>]{0,40}content=["']article["'])"""
    r"""|<meta\b[^<>]{0,100}content=["']article["'][^<>]{0,40}og:type""",
    re.I,
)
ARTICLE_TYPE = re.compile(r""""@type"\s*:\s*+(?:\[\s*+)?"(?:\w*Article|BlogPosting|Report|Review|HowTo|Recipe)\"""")
READ_ON = r"(?:continue|keep|finish) reading|read (?:on|more of|(?:the )?(?:full|rest|entire|whole|complete)\b)"
PAY = re.compile(
    rf"(?:please )?(?:subscribe|become a (?:paid )?(?:subscriber|member)|join|upgrade|buy|pay)\b"
    rf".{{0,40}}\bto (?:{READ_ON})"
    rf"|to (?:{READ_ON}).{{0,60}}\b(?:subscribe|subscription|upgrade|become a (?:subscriber|member))"
    r"|(?:this|the (?:full|rest of (?:the|this))) (?:article|story|post|content|page)\b.{0,20}\bis\b.{0,30}"
    r"\b(?:subscribers|paying|paid|premium|members)\b"
    r"|(?:subscriber|member|premium)[- ]?(?:only|exclusive)? (?:content|article|story)$"
    r"|you(?:'|\N{RIGHT SINGLE QUOTATION MARK}| ha)ve (?:reached|used|read) "
    r"(?:your|all|the).{0,30}\bfree (?:article|stor)"
    r"|(?:subscribe|sign up|pay|join|upgrade)\b.{0,20} to "
    r"(?:unlock|(?:read|view|see)(?! (?:how|what|who|why|whether)\b))\b"
    r"|unlock (?:this|the (?:full|rest)) (?:article|story|post)?\b.{0,60}"
    rf"|(?:{READ_ON}|continue) with (?:an? |your )?(?:\w+ )?(?:trial|subscription|membership)\b"
    rf"|(?:start|begin|get|try|activate) (?:your|an?|the)\b.{{0,30}} (?:trial|subscription|membership)\b.{{0,20}}"
    rf" to (?:continue$|continue\W|unlock|{READ_ON})"
    r"|(?:get|unlock) (?:full |unlimited )?access to (?:this|the (?:full|rest))\b.{0,40}"
    r"|(?:jetzt )?(?:(?:diesen |den )?(?:artikel|text|beitrag) )?(?:weiter ?lesen|freischalten"
    r"|lesen sie weiter) mit\b.{0,40}"
    r"|(?:dieser|der) (?:artikel|inhalt|text|beitrag) ist (?:nur|exklusiv|ausschließlich) für .{0,20}(?:abonnent"
    r"|mitglied)"
    r"|(?:exklusiv|nur) für (?:unsere )?(?:abonnent|mitglieder|plus)|mit (?:dem )?abo weiter ?lesen"
    r"|(?:il vous reste .{1,60})?(?:cet article|la suite|ce contenu) est réservée? (?:aux?|à nos) abonnée?s"
    r"|(?:article|contenu) réservé (?:aux?|à nos) abonnés|abonnez-vous pour (?:lire|continuer|accéder)"
    r"|est[ea] (?:contenido|artículo|noticia|nota) es .{0,20}(?:suscriptores|socios)"
    r"|contenido exclusivo para suscriptores"
    r"|suscríbe(?:te|se) (?:para|y) (?:seguir|continuar|leer|sigue)"
    r"|(?:per )?continua(?:re)? a leggere .{0,40}abbon|abbonati per (?:continuare|leggere)|(?:articolo"
    r"|contenuto) (?:riservato|"
    r"esclusivo) (?:agli|per gli) abbonati"
    r"|(?:lees verder|verder lezen) met\b.{0,40}|(?:dit artikel|deze inhoud) is (?:alleen"
    r"|exclusief) voor (?:abonnees|leden)"
    r"|(?:este|esse) (?:conteúdo|artigo) é (?:exclusivo|apenas|reservado) (?:para|a) .{0,12}(?:assinantes|subscritores)"
    r"|assine para (?:continuar|ler)|artikeln är (?:bara|endast)? ?för (?:prenumeranter|inloggade)"
    r"|pour (?:lire|continuer|accéder)\b.{0,40} abonnez-vous|para (?:seguir leyendo|continuar lendo)\b.{0,30}"
    r"(?:suscr|hazte|assin)|(?:conteúdo|artigo) exclusivo para assinantes|läs vidare med\b.{0,40}"
    r"|dostęp (?:tylko )?dla (?:subskrybentów|prenumeratorów)|(?:この記事は)?(?:有料会員|会員)限定|本文为付费内容"
    r"|(?:ten )?(?:artykuł|treść) (?:jest )?(?:dostępn[ya]|przeznaczon[ya]) (?:tylko |wyłącznie )?dla (?:sub|pren)"
    r"|(?:denne )?(?:artikl?en|artikkelen|saken) er (?:kun |bare )?for abonn|bliv? abonnent (?:for å|og) l[eæ]s"
    r"|(?:tämä )?(?:artikkeli|juttu|sisältö) on (?:vain )?tilaaji|(?:tento )?(?:článek|obsah|text) je (?:pouze |jen )?"
    r"(?:pro předplatitele|dostupný (?:pouze|jen) předplatitelům)"
    r"|(?:этот |эта |полный |полная )?(?:текст|версия|стать[яи]|материала?|продолжение)(?: статьи| материала)? "
    r"доступ(?:ен|на|но) (?:только )?(?:для )?(?:подписчик|по подписке)|(?:только|эксклюзивно) для подписчиков"
    r"|(?:оформите|купите) подписку,? чтобы (?:чита|прочита|продолжи)"
    r"|(?:повний текст|стаття|матеріал|текст)(?: статті)? доступ\w+ (?:лише|тільки) (?:для )?передплатник"
    r"|(?:bu |haberin )?(?:içerik|makale|haber|yaz\w|devam\w) (?:sadece|yaln\wzca) aboneler"
    r"|(?:okumaya )?devam etmek için abone"
    r"|(?:本文|全文|此文)(?:仅限|仅供|只限|僅限)(?:付费|订阅|訂閱)?(?:会员|用户|會員|訂戶)"
    r"|(?:订阅|訂閱|付费|成为会员)后?(?:即可|可以?)?(?:继续|繼續)?(?:阅读|閱讀)(?:全文|全部)"
    r"|続きを(?:読む|お読みいただく)には.{0,20}(?:会員|購読|有料)|(?:유료 ?)?(?:구독자|회원) ?전용",
    re.I,
)
SIGN_IN = re.compile(
    rf"(?:please )?(?:log ?in|sign ?in|sign up|register|create (?:a|an|your) (?:free )?account)\b.{{0,40}}"
    rf"\bto (?:{READ_ON}|(?:view|see|access) (?:this|the|other))"
    r"|you (?:must|need to|have to) (?:be )?(?:log(?:ged)? ?in|sign(?:ed)? ?in|register(?:ed)?)\b"
    r"|(?:this|the) (?:page|content|post) is (?:only )?(?:available |visible )?(?:to|for) (?:registered|logged)"
    r"|(?:bitte )?(?:melden sie sich an|loggen sie sich ein|melde dich an|logge dich ein)\b.{0,20}\bum\b"
    r"|(?:sie müssen|du musst) (?:angemeldet|eingeloggt|sich anmelden)|(?:nur|bitte) (?:für angemeldete|einloggen)"
    r"|(?:vous devez|il faut) (?:être connecté|vous connecter|vous identifier)|connectez-vous pour (?:lire|voir"
    r"|accéder|cont)"
    r"|(?:debes|debe|tienes que|necesitas) (?:iniciar sesión|estar registrad|registrarte)|inicia sesión para"
    r"|(?:devi|è necessario) (?:accedere|effettuare (?:il login|l'accesso)|essere registrat)|accedi per (?:leggere"
    r"|cont|ved)"
    r"|(?:je|u) moet (?:ingelogd|inloggen|zijn ingelogd)|log in om .{0,20}te (?:lezen|zien|bekijken)"
    r"|(?:você|é) (?:precisa|necessário) (?:estar logad|fazer login|iniciar)|faça login para",
    re.I,
)
NEEDS_SCRIPTS = re.compile(
    r"(?:please )?(?:you need to )?(?:enable|activate|turn on|allow) javascript|javascript (?:is|seems to be|must be) "
    r"(?:required|disabled|turned off|enabled)|(?:this|the) (?:site|page|app\w*) (?:requires|needs) javascript"
    r"|(?:we're sorry but )?.{0,40}doesn't work (?:properly )?without javascript|loading(?:\.\.\.|…)?$"
    r"|(?:bitte )?(?:aktivieren|aktiviere) (?:sie )?(?:bitte )?javascript|javascript (?:ist )?(?:deaktiviert"
    r"|erforderlich)"
    r"|veuillez activer (?:le )?javascript|activez (?:le )?javascript|(?:por favor,? )?(?:active|activa|habilite"
    r"|habilita|ative)"
    r" (?:el |o )?javascript|(?:per favore,? )?(?:attiva|abilita)(?:re)? javascript|schakel javascript in"
    r"|something went wrong.{0,40}(?:try again|another (?:shot|go))|laden?(?:\.\.\.|…)$|chargement(?:\.\.\.|…)$",
    re.I,
)


def not_article(page: Page, text: str) -> tuple[Reason, str] | None:
    """Why a page from which `text` was extracted is no article, and a word on it; None for all others."""
    if page.body.startswith(GZIP):
        return Reason.NOT_HTML, "a gzip file by its first bytes"
    source = page.text
    if len(source) > LOOKED_AT:
        return None
    words = count_words(text)
    tree: HtmlElement | None = None
    if words < TEASER_WORDS and (tree := content_tree(source)) is not None:
        heading = next((text_of(each, 50) for each in tree.iter(*HEADINGS)), "")
        if asks_consent(heading, text, source):
            return Reason.BLOCKED, f'a consent page stands before it: "{heading[:80]}"'
        texts = short_texts(tree, PROMPT_WORDS)
        if words < STUB_WORDS and (said := line_says_missing(_lines(texts))):
            return Reason.NOT_FOUND, f'the page says "{said.lower()}", although its status is {page.status}'
        if words < STUB_WORDS and NEEDS_SCRIPTS.match(" ".join(text.split())):
            return Reason.EMPTY, f'the page has no text but "{" ".join(text.split())[:80]}"; JavaScript has to draw it'
        if words < STUB_WORDS and MOUNT.search(source) and count_words(text_of(tree, SHELL_WORDS)) < SHELL_WORDS:
            return Reason.EMPTY, "the page has no text but its frame; JavaScript would have to fill it in"
        told = " ".join(DATA.findall(source))
        if (LOCKED.search(told) and not FREE.search(told)) or _prompt(texts, PAY):
            return Reason.PAYWALL, f"only its opening is shown: {words} words could be read"
        if words < TEASER_WORDS / 2 and (prompt := _prompt(texts, SIGN_IN)):
            return Reason.LOGIN_REQUIRED, f'{words} words could be read, then: "{prompt}"'
    if not says_it_is_a_list(source) and (SAYS_ARTICLE.search(source) or len(ARTICLE_TYPE.findall(source)) == 1):
        return None
    tree = content_tree(source) if tree is None else tree
    return None if tree is None else list_page(tree, source, page.url)


def content_tree(source: str) -> HtmlElement | None:
    """The body without what frames its content; None when there is nothing in it."""
    from lxml import etree, html

    # Without `huge_tree` nesting ends at a depth of some 250, which bounds all walks from an element to its ancestors.
    parser = html.HTMLParser(encoding="utf-8", remove_comments=True, remove_pis=True)
    try:
        tree = html.document_fromstring(tame(bounded(source)).encode("utf-8", "replace"), parser=parser)
    except (etree.ParserError, ValueError):
        return None
    body = next((child for child in tree if child.tag == "body"), None)
    if body is None:
        return None
    etree.strip_elements(body, *CHROME, with_tail=False)
    for header in list(body.iter("header")):
        # The header of an article or list holds its title; the site's own stands in neither.
        if next(header.iterancestors("main", "article", "section", "li"), None) is None:
            cast("HtmlElement", header).drop_tree()
    return body


def _lines(texts: dict[_Element, str]) -> list[str]:
    """The texts of elements that hold no other but marks in a line."""
    return [text for element, text in texts.items() if element.tag in LINES and len(element) < 3]


def _prompt(texts: dict[_Element, str], asks: re.Pattern[str]) -> str:
    """The text of an element that says nothing but what `asks` matches; empty where there is none."""
    for element, said in texts.items():
        if element.tag not in PROMPTS or len(element) > 8:
            continue
        if 2 < count_words(said) <= PROMPT_WORDS and asks.match(said) and not ASIDE.search(said):
            entry = next(element.iterancestors("a", "li"), None)  # another article, of which this is said
            if entry is None or texts.get(entry) == said:
                return said
    return ""
