"""The retrieval benchmark: its metrics, the forms of collections that it reads, and whole runs on two small ones."""

from __future__ import annotations

import gzip
import json
import math
import re
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
BENCHMARKS = HERE.parents[1] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

import retrieval  # noqa: E402
import retrieval_collections as collections  # noqa: E402

BEIR = {"--corpus": "beir/corpus.jsonl", "--queries": "beir/queries.jsonl", "--qrels": "beir/qrels.tsv"}
TREC = {"--corpus": "trec/documents.trec", "--queries": "trec/topics.txt", "--qrels": "trec/qrels.txt"}


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(BENCHMARKS / "retrieval.py"), *words], capture_output=True, text=True, timeout=240
    )


def rows(printed: str) -> dict[str, float]:
    found = re.findall(r"^(dense|sparse|hybrid|plain RRF) +([\d.]+)", printed, re.M)
    return {mode: float(value) for mode, value in found}


def test_a_collection_in_beirs_form_is_measured_by_the_command() -> None:
    done = run(*(word for option, file in BEIR.items() for word in (option, str(HERE / file))))
    assert done.returncode == 0, done.stderr
    assert "8 documents, 8 chunks, 3 queries" in done.stdout
    assert set(rows(done.stdout)) == {"dense", "sparse", "hybrid", "plain RRF"}
    assert rows(done.stdout)["hybrid"] >= 0.9


def test_a_collection_in_trecs_form_is_measured(capsys: pytest.CaptureFixture[str]) -> None:
    retrieval.collection(*(HERE / file for file in TREC.values()), retrieval.Settings.load())
    printed = capsys.readouterr().out
    assert "8 documents, 8 chunks, 3 queries" in printed
    assert rows(printed)["hybrid"] >= 0.9


def test_an_odd_collection_is_measured_all_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    corpus = [
        {"_id": 1, "title": None, "text": "Bread is baked\u2028in a hot oven. \x85 It rises before."},
        {"_id": 2, "text": "", "title": "How a sail is trimmed to the wind"},
        {"_id": 3, "text": "", "title": ""},
        {"_id": 1, "text": "What comes again under the same id is left out: bread, bread, bread."},
        {"_id": 4, "text": ["Rain is measured", "with a gauge."]},
        {"_id": 5, "text": "``` \ud83d | <b> [x](" * 30},
    ]
    queries = [
        {"_id": 4, "text": "how is rain measured"},
        {"_id": 2, "text": "bread in the oven"},
        {"_id": 7, "text": "  "},
        {"_id": 8, "text": "nobody judged this"},
    ]
    lines = "\r\n".join(json.dumps(each, ensure_ascii=each["_id"] == 5) for each in corpus)
    (tmp_path / "corpus.jsonl.gz").write_bytes(gzip.compress(lines.encode()))
    (tmp_path / "queries.json").write_text(json.dumps(queries))
    (tmp_path / "qrels.tsv").write_text("query-id\tcorpus-id\tscore\r\n4\t4\t1\r\n2\t1\t1.0\r\n7\t9\t1\r\n2\t3\t0\r\n")
    files = (tmp_path / name for name in ("corpus.jsonl.gz", "queries.json", "qrels.tsv"))
    retrieval.collection(*files, retrieval.Settings.load())
    printed = capsys.readouterr().out
    assert "5 documents, " in printed
    assert ", 3 queries" in printed
    assert "1 relevant documents are not in the corpus" in printed
    assert rows(printed) == {mode: pytest.approx(2 / 3, abs=1e-4) for mode in rows(printed)}, "4 answers 4"


def test_metrics_are_those_of_trec_eval() -> None:
    relevant = {"a": 2, "b": 1, "c": 1}
    found = ["x", "a", "c"]
    ideal = 2 + 1 / math.log2(3) + 1 / math.log2(4)
    assert retrieval.ndcg(found, relevant) == pytest.approx((2 / math.log2(3) + 1 / math.log2(4)) / ideal)
    assert retrieval.recall(found, relevant) == pytest.approx(2 / 3)
    assert retrieval.reciprocal_rank(found, relevant) == pytest.approx(1 / 2)
    assert retrieval.ndcg(["a", "b", "c"], relevant) == pytest.approx(1)


def test_only_the_first_ten_count() -> None:
    found = [f"x{number}" for number in range(10)] + ["a"]
    metrics = (retrieval.ndcg, retrieval.recall, retrieval.reciprocal_rank)
    assert [metric(found, {"a": 1}) for metric in metrics] == [0, 0, 0]
    many = {f"x{number}": 1 for number in range(20)}
    assert retrieval.ndcg(found, many) == pytest.approx(1)
    assert retrieval.recall(found, many) == pytest.approx(0.5)


def test_the_interval_holds_the_mean_and_is_the_same_every_time() -> None:
    values = [1.0, 0.5, 0.0, 1.0] * 10
    low, high = retrieval.interval(values)
    assert 0.4 < low < 0.625 < high < 0.8
    assert retrieval.interval(values) == (low, high)


def test_both_forms_of_a_collection_say_the_same() -> None:
    beir = [item._replace(id=item.id.upper()) for item in collections.read_corpus(HERE / BEIR["--corpus"])]
    trec = [
        item._replace(id=item.id.removesuffix("-0001")) for item in collections.read_corpus(HERE / TREC["--corpus"])
    ]
    assert beir == trec
    assert [item.text for item in collections.read_queries(HERE / BEIR["--queries"])] == [
        item.text for item in collections.read_queries(HERE / TREC["--queries"])
    ]
    assert collections.read_judgements(HERE / BEIR["--qrels"]) == {
        "q1": {"bread": 2, "tea": 1},
        "q2": {"merge": 1},
        "q3": {"quant": 1},
    }
    assert collections.read_judgements(HERE / TREC["--qrels"])["300"] == {"BREAD-0001": 2, "TEA-0001": 1}


@pytest.mark.parametrize(
    ("text", "queries"),
    [
        ("7\thow to bake\n8\tgybing\n", [("7", "how to bake"), ("8", "gybing")]),
        ('<topics><topic number="7"><query>how to bake</query></topic></topics>', [("7", "how to bake")]),
        ("<top>\n<num> Number: 7\n<title>\n<desc> Description:\nhow to bake\n</top>", [("7", "how to bake")]),
        ("<top><num>7</num><title>how to bake</title></top>", [("7", "how to bake")]),
        ('{"qid": 7, "query": "how to bake"}', [("7", "how to bake")]),
    ],
    ids=["tsv", "xml", "description", "closed", "jsonl"],
)
def test_queries_are_read_in_every_usual_form(tmp_path: Path, text: str, queries: list[tuple[str, str]]) -> None:
    (tmp_path / "queries").write_text(text)
    assert [(item.id, item.text) for item in collections.read_queries(tmp_path / "queries")] == queries


def test_packed_files_in_a_folder_are_one_corpus(tmp_path: Path) -> None:
    (tmp_path / "b.jsonl").write_text('{"id": "two", "contents": "second"}\n\n')
    (tmp_path / "a.gz").write_bytes(gzip.compress(b"<DOC><DOCNO>one</DOCNO><HEAD>On &amp; on</HEAD>Caf\xe9</DOC>"))
    assert list(collections.read_corpus(tmp_path)) == [
        collections.Item("one", "On & on", "Caf\u00e9"),
        collections.Item("two", "", "second"),
    ]


@pytest.mark.parametrize(
    ("text", "documents"),
    [
        ("id\ttext\ttitle\n7\tIt rises.\tBread\n8\tGybing\n", [("7", "Bread", "It rises."), ("8", "", "Gybing")]),
        ('[{"docid": 7, "contents": "It rises."}]', [("7", "", "It rises.")]),
        ('{"id": null, "docno": "x", "abstract": "a\u2028b\x85c"}\r\n', [("x", "", "a\u2028b\x85c")]),
        ("<doc>\n<docno> x </docno>\n<text>It rises.\n</text>\n</doc>", [("x", "", "It rises.")]),
    ],
    ids=["tabs", "list", "separators", "lower case"],
)
def test_documents_are_read_in_every_usual_form(
    tmp_path: Path, text: str, documents: list[tuple[str, str, str]]
) -> None:
    (tmp_path / "corpus").write_bytes(text.encode())
    assert list(collections.read_corpus(tmp_path / "corpus")) == documents


def test_a_broken_byte_does_not_spoil_a_file_in_utf_8(tmp_path: Path) -> None:
    (tmp_path / "corpus").write_bytes('{"id": 1, "text": "Café, thé, gâteau '.encode() + b'\xff"}')
    (found,) = collections.read_corpus(tmp_path / "corpus")
    assert found.text == "Café, thé, gâteau \ufffd"


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("qrels", b"q\td\t1\nq d\n", "line 2: 2 fields; qrels have 3"),
        ("qrels", b"q\td\t1\nq\td\thigh\n", "line 2: 'high' is no relevance"),
        ("corpus", b'{"id": 1, "text": "a"}\n{"id"', "line 2: no JSON"),
        ("corpus", b'{"text": "a"}', "line 1: no id; one of _id"),
        ("corpus", b"[1]", "item 1: no record with an id, but '1'"),
        ("corpus", b"\x1f\x8b\x08 broken", "not to be unpacked"),
    ],
)
def test_a_file_that_can_not_be_read_is_named_with_its_line(tmp_path: Path, name: str, text: bytes, line: str) -> None:
    (tmp_path / name).write_bytes(text)
    read = collections.read_judgements if name == "qrels" else collections.read_corpus
    with pytest.raises(SystemExit, match=line):
        list(read(tmp_path / name))


def test_the_handbook_keeps_words_and_drops_short_passages() -> None:
    (passage,) = retrieval.handbook_passages("Some `code()` here. " * 90 + "\n\nThe end.")
    assert passage.startswith("Some code here. Some code")
    assert 1_000 <= len(passage) <= 2_001
    assert list(retrieval.handbook_passages("Too short.")) == []


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ([], "give --handbook DUMP, or --corpus, --queries and --qrels"),
        (["--corpus", str(HERE)], "give --handbook DUMP"),
        (["--handbook", "nowhere"], "nowhere does not exist"),
    ],
    ids=["nothing", "half", "nowhere"],
)
def test_wrong_options_get_one_line(words: list[str], text: str) -> None:
    done = run(*words)
    assert done.returncode == 2
    assert text in done.stderr
    assert "Traceback" not in done.stderr


def test_ids_that_do_not_agree_are_named() -> None:
    done = run(
        *(word for option, file in {**BEIR, "--qrels": TREC["--qrels"]}.items() for word in (option, str(HERE / file)))
    )
    assert done.returncode == 1
    assert "the ids don't agree" in done.stderr
