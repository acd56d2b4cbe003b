"""Soft 404s: pages that say they are missing although their status says they are not."""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import unescape
from itertools import islice

SHORT = 150  # words of a page that names itself missing in its title or its heading alone
# Words in sentences; real ones have up to 30, a short story has 70. Menus and lists of articles may stand around them.
MOST_PROSE = 60
WORD = re.compile(r"\w+")
FILLERS = {"404", "410", "error", "http", "status", "code", "oops", "ooops", "whoops", "uh", "oh", "sorry", "fehler"}
FILLERS |= {"erreur", "were", "so", "we", "are", "opps", "hmm", "ouch", "ups", "uups", "huch", "errore", "erro"}
FILLERS |= {"oups", "oeps", "hoppsan", "hupsan", "désolé", "hoppla", "leider", "helaas", "lo", "sentimos", "fel"}
FILLERS |= {"抱歉", "很抱歉", "对不起", "對不起", "哎呀", "申し訳ありません", "申し訳ございません", "죄송합니다"}
SUBJECT = (
    r"(?:(?:that|this|the|your|requested|a|blog) )*(?:page|article|post|story|content|url|document)(?: you.{1,40}?)?"
)
# Apostrophes and other marks are gone by then: "can't" is "cant".
PHRASE = re.compile(
    rf"{SUBJECT} (?:(?:is|was|does|do|has|could|can) )?(?:not|no longer|cannot|cant|couldnt|doesnt|isnt|wasnt) "
    r"(?:be |been )?(?:found|exists?|available|here|there)(?: any ?more)?"
    rf"|{SUBJECT} (?:(?:is|was|has been|may have been) )?(?:removed|deleted|gone|missing|unavailable|moved)"
    rf"|(?:cant|cannot|couldnt|could not|can not|unable to)(?: seem to)? (?:find|locate) {SUBJECT}"
    r"|(?:nothing|no (?:page|article|post|result)s?)(?: was| were)? found(?: here)?|(?:no such|missing) page|not found"
    r"|(?:this|the|that) (?:page|post|article|link) (?:isnt|is not) available(?: right now)?"
    r"|(?:die |diese )?seite (?:wurde |konnte )?nicht gefunden(?: werden)?|(?:diese )?seite existiert nicht(?: mehr)?"
    r"|die (?:angeforderte|gesuchte|gewünschte) seite .{1,40}|(?:(?:cette|la) )?page (?:est )?(?:introuvable"
    r"|non trouvée)"
    r"|(?:cette|la) page (?:demandée )?nexiste (?:pas|plus)|(?:esta |la )?página no (?:encontrada|existe|disponible)"
    r"|no se (?:ha encontrado|encontró|encuentra) la página|(?:esta |a )?página não (?:encontrada|existe"
    r"|foi encontrada)"
    r"|(?:questa |la )?pagina non (?:trovata|esiste|è stata trovata|disponibile)"
    r"|(?:die|deze|de) pagina (?:kan niet worden|werd niet|is niet) gevonden|(?:deze )?pagina (?:niet gevonden"
    r"|bestaat niet)"
    r"|sidan (?:kunde inte hittas|hittades inte|finns inte)|siden (?:blev ikke fundet|ble ikke funnet|finnes ikke"
    r"|findes ikke)"
    r"|sivua ei löyt\w+|strona nie (?:została )?(?:znaleziona|istnieje)|nie znaleziono strony"
    r"|stránka (?:nebyla )?nenalezena"
    r"|stránka nebyla nalezena|az oldal nem található|pagina nu a fost găsită"
    r"|sayfa bulunamad\u0131|η σελίδα δεν βρέθηκε"
    r"|halaman tidak ditemukan|không tìm thấy trang|страница не (?:найдена|существует)|сторінку не знайдено"
    r"|(?:お探しの|指定された)?ページ(?:が|は)(?:見つかりません(?:でした)?|存在しません)"
    r"|(?:(?:您|你)?(?:所|要|想)?(?:访问|查?找|请求|浏览|訪問|瀏覽)的|[该此該])?(?:页面|网页|文章|頁面|網頁)"
    r"(?:(?:已经?|已經)?不存在|[未没沒](?:有)?找到|找不到|无法找到|無法找到|(?:已经?|已經)?被?(?:删除|刪除)|不见|走丢)[了啦]?"
    r"(?:或(?:已经?|已經)?被?(?:删除|刪除|移除))?"
    r"|(?:找不到|[未没沒](?:有)?找到)(?:(?:您|你)?(?:所|要|想)?(?:访问|查?找|请求|浏览|訪問|瀏覽)?的|[该此該])?"
    r"(?:页面|网页|頁面|網頁)"
    r"|(?:요청하신 )?페이지를 찾을 수 없습니다|الصفحة غير موجودة|العمود غير موجود|הדף לא נמצא"
)
SEPARATORS = re.compile(r"\s+[|·•»«:/\u2013\u2014-]+\s+|\s*[|·•»«]\s*")
HEADING = re.compile(r"<h[12]\b[^<>]{0,500}>(.{0,500}?)</h[12]", re.S | re.I)
HEADINGS = 4  # that are looked at


def says_missing(title: str, source: str) -> str:
    """The words with which a page names itself missing; empty for all others.

    Title and heading have to agree, or one of them and the shortness of the page. An article about such pages has more
    words in its title, and sentences below.
    """
    found = (re.sub(r"<[^<>]*>", " ", heading[1]) for heading in islice(HEADING.finditer(source), HEADINGS))
    headings = [" ".join(unescape(text).split()) for text in found]
    titled = next((part for part in (title, *SEPARATORS.split(title)) if _is_phrase(part)), "")
    headed = next((heading for heading in headings if _is_phrase(heading)), "")
    if not titled and not headed:
        return ""
    from llm_twin.collect.reading.content_blocks import count_words
    from llm_twin.collect.reading.list_pages import sentences
    from llm_twin.collect.reading.not_articles import content_tree

    tree = content_tree(source)
    if tree is None:
        return titled or headed
    told, prose = count_words(" ".join(map(str, tree.itertext()))), sentences(tree)
    return (titled or headed) if prose < MOST_PROSE and ((titled and headed) or told < SHORT) else ""


def line_says_missing(lines: Iterable[str]) -> str:
    """The line of a page with hardly any other that says that it is missing; empty where there is none."""
    return next((line for line in lines if _is_phrase(line) and not line.strip().isdigit()), "")


def _is_phrase(text: str) -> bool:
    """Whether a text says that a page is missing, and nothing else."""
    words = WORD.findall(re.sub(r"['\u2019]", "", text.lower()))
    told = " ".join(word for word in words if word not in FILLERS)
    if not told:
        return bool({"404", "410"} & set(words))
    return len(words) < 20 and PHRASE.fullmatch(told) is not None
