"""What every warehouse promises about the queue of links: claims, results, what is remembered, and the end of a run."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from llm_twin.documents import Author, Document, Link, Outcome, Run, Seen, now
from llm_twin.errors import Reason
from llm_twin.warehouse import open_warehouse
from llm_twin.warehouse.queue import Collector, Done, Rules, Task, Visit
from llm_twin.warehouse.store import DocumentFilter, Warehouse
from stored_values import ADA, BOB, document, response, run

DOMAINS = ("a.example", "b.example", "c.example")


def link(number: int = 1, domain: str = "a.example", author: Author = ADA, **fields: Any) -> Link:
    return Link(url=f"https://{domain}/{number}", author=author, **fields)


def begun(warehouse: Warehouse, links: list[Link], name: str = "one", **fields: Any) -> tuple[Run, Collector]:
    """A run that has begun, or been joined, now, and a collector that takes part in it."""
    fresh = run(name, started_at=now(), host="here", **fields)
    collector = Collector(run_id=name)
    joined = warehouse.queue.begin(fresh, links, collector)
    return joined, collector.model_copy(update={"run_id": joined.id})


def result(task: Task, **fields: Any) -> Done:
    """A link that gave one article."""
    text = str(fields.pop("text", "Some text."))
    found = Document.of(task.link.author, task.link.url, kind="article", platform="blog", title="T", text=text)
    found = found.model_copy(update={"raw": response(text)})
    outcome = Outcome(link=task.link.url, author=task.link.author.name, status="new", stored_as=found.link)
    visit = Visit(
        seen=Seen(url=task.link.url, etag='"1"', body_digest="d"),
        extractor="1",
        document_id=found.id,
        content_hash=found.content_hash,
        kind="article",
        title="T",
        stored_as=found.link,
    )
    return Done(**{"task": task, "outcome": outcome, "documents": (found,), "visit": visit} | fields)


def urls(tasks: list[Task]) -> list[str]:
    return [task.link.url for task in tasks]


def waiting(warehouse: Warehouse, run_id: str = "one") -> dict[str, tuple[int, int, int]]:
    backlog = warehouse.queue.backlog(run_id)
    assert warehouse.queue.to_do(run_id) == sum(each.claimed + each.waiting for each in backlog)
    return {each.domain: (each.done, each.claimed, each.waiting) for each in backlog}


def test_links_are_claimed_by_domain_in_their_order_and_come_back_equal(warehouse: Warehouse) -> None:
    links = [link(n, domain) for n in (1, 2, 3) for domain in DOMAINS[:2]]
    links.append(link(9, "c.example", BOB, expand=7, since=now()))
    _, collector = begun(warehouse, links)
    tasks = warehouse.queue.claim(collector, 2, 2)
    assert {task.domain for task in tasks} == set(DOMAINS[:2])
    assert [task.link for task in tasks if task.domain == "a.example"] == [links[0], links[2]]
    assert [task.link for task in warehouse.queue.claim(collector, 5, 2, DOMAINS[:2])] == [links[-1]]
    assert warehouse.queue.claim(collector, 5, 2, DOMAINS) == []
    in_hand = [task.id for task in tasks]
    assert [task.link for task in warehouse.queue.more(collector, "a.example", 2, in_hand)] == [links[4]]


def test_what_one_collector_holds_no_other_gets_in_whatever_run(warehouse: Warehouse) -> None:
    links = [link(n, domain) for n in (1, 2) for domain in DOMAINS]
    _, first = begun(warehouse, links)
    _, helper = begun(warehouse, links)
    _, other = begun(warehouse, [link(5, "a.example", BOB), link(5, "d.example", BOB)], "two", key="other")
    assert helper.run_id == "one"
    mine = warehouse.queue.claim(first, 2, 8)
    assert {task.domain for task in mine} == {"a.example", "b.example"}
    assert {task.domain for task in warehouse.queue.claim(helper, 9, 8)} == {"c.example"}
    assert urls(warehouse.queue.claim(other, 9, 8)) == ["https://d.example/5"]
    warehouse.queue.release(first, ["a.example"])
    assert urls(warehouse.queue.claim(other, 9, 8, ["d.example"])) == ["https://a.example/5"]


def test_a_result_is_stored_with_its_outcome_and_its_link_is_done(warehouse: Warehouse) -> None:
    _, collector = begun(warehouse, [link(1), link(2)])
    tasks = warehouse.queue.claim(collector, 1, 8)
    failed = Outcome(link=tasks[1].link.url, author=ADA.name, status="failed", reason=Reason.TIMEOUT)
    outcomes = warehouse.queue.finish([result(tasks[0]), Done(task=tasks[1], outcome=failed)])
    assert [outcome and outcome.status for outcome in outcomes] == ["new", "failed"]
    assert {outcome.status for outcome in warehouse.outcomes("one")} == {"new", "failed"}
    (stored,) = warehouse.documents()
    assert (stored.link, warehouse.raw(stored.id)) == (tasks[0].link.url, response("Some text."))
    assert warehouse.queue.more(collector, "a.example", 8) == []
    assert waiting(warehouse) == {"a.example": (2, 0, 0)}


def test_what_a_link_gave_before_it_failed_is_stored_and_the_link_has_failed(warehouse: Warehouse) -> None:
    _, collector = begun(warehouse, [link(1), link(2)])
    tasks = warehouse.queue.claim(collector, 1, 8)
    failed = Outcome(link=tasks[0].link.url, author=ADA.name, status="failed", reason=Reason.BLOCKED, documents=1)
    outcomes = warehouse.queue.finish([result(tasks[0], outcome=failed, visit=None), result(tasks[1])])
    assert [outcome and outcome.status for outcome in outcomes] == ["failed", "new"]
    assert {document.link for document in warehouse.documents()} == {task.link.url for task in tasks}


def test_the_status_of_an_outcome_is_that_of_its_documents(warehouse: Warehouse) -> None:
    for name, text, status in (("one", "a", "new"), ("two", "a", "unchanged"), ("three", "b", "updated")):
        ran, collector = begun(warehouse, [link()], name)
        (task,) = warehouse.queue.claim(collector, 1, 8)
        (outcome,) = warehouse.queue.finish([result(task, text=text)])
        assert outcome and outcome.status == status
        warehouse.queue.leave(collector)
        assert warehouse.queue.end(ran)


def test_a_link_that_is_done_is_not_stored_again(warehouse: Warehouse) -> None:
    _, collector = begun(warehouse, [link()])
    (task,) = warehouse.queue.claim(collector, 1, 8)
    warehouse.queue.finish([result(task)])
    assert warehouse.queue.finish([result(task, text="Late.")]) == [None]
    assert [one.text for one in warehouse.documents()] == ["Some text."]
    assert len(warehouse.outcomes("one")) == 1


def test_a_list_puts_its_links_on_the_queue_each_once(warehouse: Warehouse) -> None:
    _, collector = begun(warehouse, [link(1), link(0, expand=5)])
    tasks = warehouse.queue.claim(collector, 1, 8)
    same = Link(url="https://A.example/1?utm_source=feed", author=ADA)
    outcome = Outcome(link=tasks[1].link.url, author=ADA.name, status="expanded")
    warehouse.queue.finish([Done(task=tasks[1], outcome=outcome, links=(link(1), same, link(2), link(3, "b.example")))])
    assert [one.url for one in warehouse.queue.left("one")] == [
        "https://a.example/1",
        "https://a.example/2",
        "https://b.example/3",
    ]
    expanded, skipped = warehouse.outcomes("one")
    assert expanded.status == "expanded"
    assert (skipped.link, skipped.reason, skipped.detail) == (same.url, "duplicate", "the same as https://a.example/1")


def test_links_given_twice_are_queued_once_and_another_spelling_is_told(warehouse: Warehouse) -> None:
    other = Link(url="https://a.example/1#top", author=ADA)
    begun(warehouse, [link(1), other, link(1), link(1, author=BOB), Link(url="no link", author=ADA)])
    assert waiting(warehouse) == {"a.example": (0, 0, 2), "(no link)": (0, 0, 1)}
    assert [(outcome.link, outcome.reason) for outcome in warehouse.outcomes("one")] == [(other.url, "duplicate")]


def test_what_a_link_gave_is_remembered_as_long_as_its_document_is_as_it_was(warehouse: Warehouse) -> None:
    _, collector = begun(warehouse, [link(1), link(2)])
    tasks = warehouse.queue.claim(collector, 1, 8)
    done = [result(task) for task in tasks]
    warehouse.queue.finish(done)
    warehouse.queue.release(collector, ["a.example"])

    def remembered(name: str) -> list[Visit | None]:
        _, later = begun(warehouse, [link(1), link(2)], name, key=name)
        found = [task.before for task in warehouse.queue.claim(later, 1, 8)]
        warehouse.queue.leave(later)
        return found

    assert remembered("two") == [each.visit for each in done]
    warehouse.put(result(tasks[0], text="Another.").documents)
    warehouse.delete([done[1].documents[0].id])
    assert remembered("three") == [None, None]


def test_what_is_remembered_can_be_renewed_without_documents(warehouse: Warehouse) -> None:
    _, collector = begun(warehouse, [link()])
    (task,) = warehouse.queue.claim(collector, 1, 8)
    done = result(task)
    warehouse.queue.finish([done])
    _, later = begun(warehouse, [link(1), link(2)], "two", key="two")
    warehouse.queue.leave(collector)
    tasks = warehouse.queue.claim(later, 1, 8)
    assert done.visit
    renewed = done.visit.model_copy(update={"seen": Seen(url=task.link.url, etag='"2"')})
    of_none = done.visit.model_copy(update={"document_id": "forgotten"})
    unchanged = [Outcome(link=each.link.url, author=ADA.name, status="unchanged") for each in tasks]
    found = warehouse.queue.finish(
        [
            Done(task=tasks[0], outcome=unchanged[0], visit=renewed),
            Done(task=tasks[1], outcome=unchanged[1], visit=of_none),
        ]
    )
    assert found == unchanged
    warehouse.queue.leave(later)
    _, last = begun(warehouse, [link(1), link(2)], "three", key="three")
    assert [task.before for task in warehouse.queue.claim(last, 1, 8)] == [renewed, None]


def test_a_repository_that_lost_a_file_is_not_remembered(warehouse: Warehouse) -> None:
    _, collector = begun(warehouse, [link()])
    (task,) = warehouse.queue.claim(collector, 1, 8)
    whole = document(1, kind="repository")
    part = document(2, kind="code", parent_id=whole.id)
    visit = result(task).visit
    assert visit
    fields = {"document_id": whole.id, "content_hash": whole.content_hash, "kind": "repository"}
    done = result(task, documents=(whole, part), visit=visit.model_copy(update=fields))
    warehouse.queue.finish([done])
    warehouse.queue.leave(collector)
    for name, remembered in (("two", True), ("three", False)):
        _, later = begun(warehouse, [link()], name, key=name)
        (task,) = warehouse.queue.claim(later, 1, 8)
        assert bool(task.before) == remembered
        warehouse.queue.leave(later)
        warehouse.delete([part.id])


def test_a_run_is_joined_while_it_is_not_finished_and_for_a_day(warehouse: Warehouse) -> None:
    first, collector = begun(warehouse, [link()])
    assert begun(warehouse, [link()], "two")[0] == first
    assert begun(warehouse, [link()], "three", key="another")[0].id == "three"
    (task,) = warehouse.queue.claim(collector, 1, 8)
    assert not warehouse.queue.end(first)
    warehouse.queue.finish([result(task)])
    finished = first.model_copy(update={"state": "finished", "finished_at": now()})
    assert warehouse.queue.end(finished)
    assert warehouse.queue.end(finished), "asked again"
    assert {ran.id: ran.state for ran in warehouse.runs()}["one"] == "finished"
    assert waiting(warehouse) == {}
    assert begun(warehouse, [link()], "four")[0].id == "four"


def test_a_run_of_days_ago_is_not_continued_and_its_links_are_gone(warehouse: Warehouse) -> None:
    old = run("old", started_at=now() - timedelta(hours=25))
    warehouse.queue.leave(Collector(run_id="old"))
    collector = Collector(run_id="old")
    warehouse.queue.begin(old, [link(1), link(2)], collector)
    warehouse.queue.leave(collector)
    assert [one.url for one in warehouse.queue.left("old")] == [link(1).url, link(2).url]
    assert begun(warehouse, [link()], "new")[0].id == "new"
    assert list(warehouse.queue.left("old")) == []


def test_a_run_whose_links_another_has_taken_over_is_not_continued(warehouse: Warehouse) -> None:
    begun(warehouse, [link(), link(author=BOB)])
    warehouse.queue.drop("one", BOB.id)
    assert list(warehouse.queue.left("one")) == [link()]
    assert begun(warehouse, [link()], "two")[0].id == "two"


def test_who_leaves_leaves_its_domains_and_says_whether_others_go_on(warehouse: Warehouse) -> None:
    _, first = begun(warehouse, [link(1), link(1, "b.example")])
    _, second = begun(warehouse, [link(1), link(1, "b.example")])
    warehouse.queue.claim(first, 9, 8)
    assert waiting(warehouse) == {"a.example": (0, 1, 0), "b.example": (0, 1, 0)}
    assert warehouse.queue.alive("one")
    assert warehouse.queue.leave(first)
    assert waiting(warehouse) == {"a.example": (0, 0, 1), "b.example": (0, 0, 1)}
    assert len(warehouse.queue.claim(second, 9, 8)) == 2
    assert not warehouse.queue.leave(second)
    assert not warehouse.queue.alive("one")


def test_a_process_that_is_gone_from_this_machine_has_lost_its_domains_at_once(warehouse: Warehouse) -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    gone = Collector(run_id="one", pid=child.pid)
    warehouse.queue.begin(run("one", started_at=now()), [link()], gone)
    assert not warehouse.queue.alive("one")
    warehouse.queue.claim(gone, 1, 8)
    _, heir = begun(warehouse, [link()])
    assert urls(warehouse.queue.claim(heir, 1, 8)) == [link().url]


def test_a_process_on_another_machine_keeps_its_domains_while_it_gives_signs_of_life(warehouse: Warehouse) -> None:
    there = Collector(run_id="one", machine="elsewhere", pid=os.getpid())
    warehouse.queue.begin(run("one", started_at=now()), [link()], there)
    warehouse.queue.claim(there, 1, 8)
    warehouse.queue.beat(there)
    _, here = begun(warehouse, [link()])
    assert warehouse.queue.claim(here, 1, 8) == []
    assert warehouse.queue.alive("one")


def test_a_domain_that_another_run_wants_is_handed_over(warehouse: Warehouse) -> None:
    _, holder = begun(warehouse, [link(1), link(2)])
    _, wanting = begun(warehouse, [link(5, author=BOB)], "two", key="other")
    warehouse.queue.claim(holder, 1, 1)
    assert warehouse.queue.beat(holder) == []
    warehouse.queue.want(wanting)
    assert warehouse.queue.beat(holder) == ["a.example"]
    warehouse.queue.release(holder, ["a.example"])
    assert warehouse.queue.claim(holder, 1, 8) == []
    assert urls(warehouse.queue.claim(wanting, 1, 8)) == [link(5).url]
    warehouse.queue.want(holder)
    assert warehouse.queue.beat(wanting) == ["a.example"], "and back again"
    warehouse.queue.leave(holder)
    assert warehouse.queue.beat(wanting) == [], "who has left wants nothing"


def test_of_one_run_who_has_more_domains_gives_one_to_who_has_none(warehouse: Warehouse) -> None:
    links = [link(1, domain) for domain in DOMAINS]
    _, rich = begun(warehouse, links)
    _, poor = begun(warehouse, links)
    warehouse.queue.claim(rich, 3, 8)
    warehouse.queue.want(poor)
    (wanted,) = warehouse.queue.beat(rich)
    warehouse.queue.release(rich, [wanted])
    assert [task.domain for task in warehouse.queue.claim(poor, 0, 8)] == [wanted]
    warehouse.queue.want(poor)
    assert warehouse.queue.beat(rich) == [], "two and one is fair"


def test_collectors_at_once_divide_the_links_among_them(warehouse: Warehouse, address: str) -> None:
    links = [link(n, f"{domain}.example") for n in range(4) for domain in "abcdefgh"]

    def work(number: int) -> int:
        with open_warehouse(address) as own:
            _, collector = begun(own, links, f"run{number}")
            stored = 0
            while tasks := own.queue.claim(collector, 1, 9):
                stored += sum(outcome is not None for outcome in own.queue.finish([result(task) for task in tasks]))
                own.queue.release(collector, {task.domain for task in tasks})
            return stored

    with ThreadPoolExecutor(4) as threads:
        assert sum(threads.map(work, range(4))) == len(links)
    assert len(warehouse.runs()) == 1, "all join the run of the first"
    assert len(warehouse.outcomes(warehouse.runs()[0].id)) == warehouse.count() == len(links)
    assert all(one.revision == 1 for one in warehouse.documents(DocumentFilter()))


def test_a_forgotten_author_leaves_nothing_on_the_queue(warehouse: Warehouse) -> None:
    warehouse.put_author(ADA)
    begun(warehouse, [link(), link(author=BOB)])
    warehouse.delete_author(ADA.id)
    assert list(warehouse.queue.left("one")) == [link(author=BOB)]


@pytest.mark.parametrize("count", [10_000])
def test_ten_thousand_links_are_queued_and_claimed_a_few_at_a_time(warehouse: Warehouse, count: int) -> None:
    links = [link(number, f"host{number % 50:02}.example") for number in range(count)]
    _, collector = begun(warehouse, links)
    tasks = warehouse.queue.claim(collector, 3, 4)
    assert sorted({task.domain for task in tasks}) == ["host00.example", "host01.example", "host02.example"]
    assert len(tasks) == 12
    assert sum(each.claimed + each.waiting for each in warehouse.queue.backlog("one")) == count


def test_rules_of_an_origin_are_remembered_until_they_are_to_be_read_again(warehouse: Warehouse) -> None:
    queue, later = warehouse.queue, now() + timedelta(hours=1)
    held = [Rules(origin=f"https://{number}.example:8443", text="User-agent: *\n\0é", until=later) for number in (1, 2)]
    queue.put_rules([*held, Rules(origin="https://old.example", text="", until=now() - timedelta(seconds=2))])
    queue.put_rules(held)
    origins = [each.origin for each in held]
    found = queue.rules([*origins, "https://old.example", "http://1.example:8443"])
    assert sorted(found, key=lambda each: each.origin) == held
    assert queue.rules([]) == []
    changed = held[0].model_copy(update={"text": "Disallow: /", "until": later + timedelta(hours=1)})
    queue.put_rules([changed])
    assert queue.rules(origins[:1]) == [changed]
    queue.put_rules([held[0].model_copy(update={"until": now() - timedelta(seconds=2)})])
    assert queue.rules(origins) == held[1:]
