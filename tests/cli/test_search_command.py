"""`twin search`: its modes, filters and explanations, and what is said when it can't do as told."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from blog import BREAD, SAILS
from llm_twin import Author, Document, Twin
from tiny_models import overlap_cross_encoder

ADA = Author.named("Ada Example")
Run = Callable[..., tuple[int, str, str]]
LONG = "\n\n".join(f"## Part {number}\n\n" + " ".join(BREAD) * 3 for number in range(4))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An indexed home with three documents, which searches leave as it is."""
    home = tmp_path_factory.mktemp("home")
    texts = {"bread": ("How to bake sourdough", LONG, "en"), "sails": ("Gybing a spinnaker", " ".join(SAILS), "en")}
    texts["brot"] = ("Sauerteig", "Mehl, Wasser, Salz und Geduld: so wird aus Sauerteig ein gutes Brot.", "de")
    with Twin(home=home) as twin:
        twin.warehouse.put_author(ADA)
        twin.warehouse.put(
            [
                Document.of(
                    ADA,
                    f"https://blog.example/{name}",
                    kind="article",
                    platform="blog",
                    title=title,
                    text=text,
                    language=language,
                )
                for name, (title, text, language) in texts.items()
            ]
        )
        twin.index()
    return home


@pytest.fixture
def search(home: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Runs `twin search …` and returns (exit code, stdout, stderr)."""
    from llm_twin import cli

    def run(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["twin", "search", *map(str, words), "--home", str(home)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as exit_:
            cli.main()
        out, err = capfd.readouterr()
        return int(exit_.value.code or 0), out, err

    return run


def links(out: str) -> list[str]:
    return [hit["link"].rsplit("/", 1)[1] for hit in json.loads(out)]


@pytest.mark.parametrize("mode", ["dense", "sparse", "hybrid"])
def test_each_mode_finds_the_document(search: Run, mode: str) -> None:
    code, out, err = search("sourdough starter", "--mode", mode, "--json")
    assert (code, err, links(out)[0]) == (0, "", "bread")


def test_filters_narrow_the_search_down(search: Run) -> None:
    assert links(search("bread", "--language", "de", "--json")[1]) == ["brot"]
    assert links(search("bread", "--link", "HTTPS://blog.example/sails?utm_source=x", "--json")[1]) == ["sails"]
    assert search("bread", "--platform", "nowhere")[1] == "nothing found; without the filters there may be more\n"


def test_an_explanation_is_shown_and_printed_as_json(search: Run) -> None:
    out = search("feed the starter", "-k", 1, "--explain")[1]
    assert "sense: rank 1, cosine 0." in out
    assert "words: rank 1, BM25 " in out
    assert "0.73 dense + 0.27 sparse, places, lead = " in out
    assert "matched: " in out
    assert "starter " in out
    assert "in: How to bake sourdough › Part " in out
    (hit,) = json.loads(search("feed the starter", "-k", 1, "--explain", "--json")[1])
    assert hit["explanation"]["mode"] == "hybrid"
    assert {"feed", "starter"} <= set(hit["explanation"]["words"])
    assert hit["passages"][0]["heading"].startswith("How to bake sourdough › Part ")
    assert json.loads(search("feed", "-k", 1, "--json")[1])[0]["explanation"] is None


def test_context_brings_the_neighbours_of_a_passage(search: Run) -> None:
    plain, wide = (
        max(json.loads(search("closed pot", "-k", 1, "--json", *words)[1])[0]["passages"], key=lambda it: it["score"])
        for words in ((), ("--context", "9"))
    )
    assert wide["text"] == LONG
    assert plain["end"] - plain["start"] <= wide["end"] - wide["start"] == len(LONG)
    assert LONG[plain["start"] : plain["end"]] == plain["text"]
    out = search("closed pot", "-k", 1, "--context", "9")[1]
    assert all(f"Part {number}" in out for number in range(4)), "shown whole"


def test_a_cross_encoder_reranks_where_one_is_set(search: Run, tmp_path: Path) -> None:
    question = "wild yeast and bacteria"
    code, out, err = search(question, "--rerank")
    assert (code, out) == (2, "")
    assert "set TWIN_RERANKER to the Hub id or the folder of a cross-encoder" in err
    assert err.count("\n") == 1
    folder = overlap_cross_encoder(tmp_path / "reranker", [*BREAD, *SAILS])
    setting = ("--set", f"reranker={folder}")
    reranked = json.loads(search(question, "--explain", "--json", *setting)[1])
    assert reranked[0]["score"] == reranked[0]["explanation"]["rerank_score"] > 0.9
    plain = json.loads(search(question, "--explain", "--json", "--no-rerank", *setting)[1])
    assert plain[0]["explanation"]["rerank_score"] is None


def test_diverse_results_are_the_same_documents(search: Run) -> None:
    plain, diverse = (links(search("bread", "--json", *words)[1]) for words in ((), ("--diverse",)))
    assert sorted(plain) == sorted(diverse) == ["bread", "brot", "sails"]
    assert plain[0] == diverse[0] == "bread"


def test_a_question_longer_than_the_model_reads_is_said_to_be_cut(search: Run) -> None:
    code, out, err = search("sourdough " * 400, "--json")
    assert (code, links(out)[0]) == (0, "bread")
    assert "of which sentence-transformers/all-MiniLM-L6-v2 reads the first 254" in err
    assert err.count("\n") == 1
    code, out, err = search("sourdough " * 4_000, "--json")
    assert (code, links(out)[0]) == (0, "bread")
    assert "only its first 10,000 characters are searched for" in err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["x", "--mode", "fuzzy"], "'fuzzy' is not one of 'dense', 'sparse', 'hybrid'"),
        (["x", "-k", "100000"], "not in the range 1<=x<=1000"),
        (["x", "--diversity", "2"], "not in the range 0<=x<=1"),
        (["x", "--context", "-1"], "not in the range 0<=x<=100"),
        (["  "], "question is empty"),
    ],
)
def test_what_makes_no_sense_is_one_line(search: Run, words: list[str], says: str) -> None:
    code, out, err = search(*words)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert says in err


def test_more_documents_than_there_are_gives_those_there_are(search: Run) -> None:
    assert len(links(search("bread", "-k", 1000, "--json")[1])) == 3


def test_bytes_that_are_no_text_are_searched_for_all_the_same(search: Run) -> None:
    code, out, err = search("bread \udcff\udcfe", "--json")  # as Python gives bytes that are no UTF-8
    assert (code, err, links(out)[0]) == (0, "", "bread")
