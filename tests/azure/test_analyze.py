"""AzureContentSafety asks as the documents say, over real sockets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from django_contentsafety.exceptions import (
    AuthenticationFailed,
    Gone,
    NotFound,
    ProtocolError,
    RateLimited,
)
from django_contentsafety.http import close_sessions
from django_contentsafety.providers.base import Provider
from django_contentsafety.testing.azure import AzureService
from django_contentsafety.testing.azure.state import Blocklist, Item, Version
from django_contentsafety.testing.fault_server import FaultServer, answer, status
from django_contentsafety.verdicts import CategoryScore, Span

from .asking import HARM, KEY, NEWER, OLDER, custom, safety

#: A word for each severity that the four levels don't have too.
WORDS = {"fight": {"Violence": 5}, "kill": {"Violence": 6}, "scam": {"scam": 1}}


def made(service: AzureService, name: str = "scam", *numbers: int) -> AzureService:
    """With built versions of a category."""
    service.state.versions[name] = {
        number: Version(
            name=name,
            number=number,
            definition="Scams.",
            blob_url="",
            copy_url="",
            created="",
            samples=b"",
            status="succeeded",
        )
        for number in numbers or (2,)
    }
    return service


@pytest.fixture
def azure() -> AzureService:
    return made(AzureService(words=WORDS))


@pytest.fixture
def server(azure: AzureService) -> Iterator[FaultServer]:
    with FaultServer(azure) as server:
        yield server
        close_sessions()


def paths(server: FaultServer) -> list[str]:
    return [request.path for request in server.requests]


def said(categories: Any = (), **more: Any) -> Any:
    """An answer of ``text:analyze``."""
    listed = [{"category": name, "severity": n} for name, n in dict(categories).items()]
    return answer({"categoriesAnalysis": listed, **more})


FINE = dict.fromkeys(HARM, 0)

# The four harm categories.


def test_severities_come_as_they_are_asked_for(server: FaultServer) -> None:
    (verdict,) = safety(server.url).analyze(["a fight"], ["Violence", "Hate"])
    assert verdict.scores == (
        CategoryScore(category="Violence", severity=4),
        CategoryScore(category="Hate", severity=0),
    )
    assert (verdict.source, verdict.spans, verdict.hits) == ("azure", (), ())
    (request,) = server.requests
    assert request.path == "/contentsafety/text:analyze?api-version=2024-09-01"
    assert request.headers["ocp-apim-subscription-key"] == KEY
    assert "authorization" not in request.headers
    assert request.data == {
        "text": "a fight",
        "outputType": "FourSeverityLevels",
        "categories": ["Violence", "Hate"],
    }


def test_eight_levels(server: FaultServer) -> None:
    provider = safety(server.url, levels="eight")
    (verdict,) = provider.analyze(["a fight"], ["Violence"])
    assert verdict.scores[0].severity == 5
    assert server.requests[0].data["outputType"] == "EightSeverityLevels"


def test_a_batch_is_one_text_a_request(server: FaultServer) -> None:
    provider = safety(server.url)
    verdicts = provider.analyze(["a fight", "", "to kill"], ["Violence"])
    assert [verdict.scores[0].severity for verdict in verdicts] == [4, 0, 6]
    # The flow sends each in a thread of its own.
    assert (provider.batch_size, Provider.concurrency) == (1, 8)


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"categoriesAnalysis": None},
        {"categoriesAnalysis": {}},
        {"categoriesAnalysis": ["Hate"]},
        {"categoriesAnalysis": []},
        {"categoriesAnalysis": [{"category": "Hate"}]},
        {"categoriesAnalysis": [{"category": "Hate", "severity": None}]},
        {"categoriesAnalysis": [{"category": "Hate", "severity": "0"}]},
        {"categoriesAnalysis": [{"category": "Hate", "severity": True}]},
        {"categoriesAnalysis": [{"category": "Hate", "severity": 0.0}]},
        {"categoriesAnalysis": [{"category": "Hate", "severity": -1}]},
        {"categoriesAnalysis": [{"category": "Hate", "severity": 8}]},
        # Of eight levels, where four were asked for.
        {"categoriesAnalysis": [{"category": "Hate", "severity": 3}]},
        {"categoriesAnalysis": [{"category": "hate", "severity": 0}]},
        {"categoriesAnalysis": [{"severity": 0}]},
        {"categoriesAnalysis": [{"category": "Hate", "severity": 0}] * 2},
        {
            "categoriesAnalysis": [{"category": "Hate", "severity": 0}],
            "blocklistsMatch": {},
        },
        {
            "categoriesAnalysis": [{"category": "Hate", "severity": 0}],
            "blocklistsMatch": [{"blocklistName": "bad"}],
        },
    ],
)
def test_half_an_answer_is_none(server: FaultServer, data: Any) -> None:
    server.play(answer(data))
    with pytest.raises(ProtocolError):
        safety(server.url).analyze(["x"], ["Hate"])


def test_a_category_nobody_asked_for_is_kept(server: FaultServer) -> None:
    server.play(said({**FINE, "Copyright": 4}), said({"Hate": 0, "Odd one": "high"}))
    provider = safety(server.url)
    (verdict,) = provider.analyze(["x"], ["Hate"])
    assert [score.category for score in verdict.scores] == ["Hate"]
    assert verdict.raw["parts"][0]["severities"]["Copyright"] == 4
    (verdict,) = provider.analyze(["x"], ["Hate"])
    assert verdict.scores[0].severity == 0


def test_an_order_of_its_own_and_no_matches_are_fine(server: FaultServer) -> None:
    server.play(said({"Violence": 2, "Hate": 0}, blocklistsMatch=None))
    (verdict,) = safety(server.url).analyze(["x"], ["Hate", "Violence"])
    assert [score.severity for score in verdict.scores] == [0, 2]


# Long texts.


def test_each_part_of_a_long_text_is_analyzed(server: FaultServer) -> None:
    text = "Fine words. " * 2_000 + "And a fight."
    provider = safety(server.url)
    cost = provider.cost([text], ["Violence"])
    (verdict,) = provider.analyze([text], ["Violence"])
    parts = [request.data["text"] for request in server.requests]
    assert (len(parts), cost) == (3, {"text": 3})
    assert all(len(part) <= 10_000 and part in text for part in parts)
    assert parts[0] == text[: len(parts[0])]
    assert text.endswith(parts[-1])
    assert verdict.scores[0].severity == 4
    (span,) = verdict.spans
    assert (span.field, span.category, span.end) == ("", "Violence", len(text))
    assert text[span.start : span.end] == parts[2]


def test_the_worst_part_counts_wherever_it_is(server: FaultServer) -> None:
    for text in ("kill. " + "x " * 9_000, "x " * 9_000 + "kill", "kill " * 4_000):
        (verdict,) = safety(server.url).analyze([text], ["Violence", "Hate"])
        assert [score.severity for score in verdict.scores] == [6, 0]
        (span,) = verdict.spans
        assert "kill" in text[span.start : span.end]


def test_the_limit_is_in_code_points(server: FaultServer) -> None:
    provider = safety(server.url)
    provider.analyze(["😀" * 10_000], ["Hate"])
    assert len(server.requests) == 1
    (verdict,) = provider.analyze(["😀" * 10_001], ["Hate"])
    assert [len(request.data["text"]) for request in server.requests[1:]] == [
        10_000,
        501,
    ]
    assert verdict.scores[0].severity == 0


def test_a_word_at_a_cut_is_found(server: FaultServer) -> None:
    text = "x" * 9_998 + "fight" + "x" * 9_000
    (verdict,) = safety(server.url).analyze([text], ["Violence"])
    assert verdict.scores[0].severity == 4


# Blocklists.


@pytest.fixture
def lists(azure: AzureService) -> None:
    azure.state.blocklists["bad"] = Blocklist(
        name="bad", items={"1": Item(id="1", text="Gizmo")}
    )


@pytest.mark.usefixtures("lists")
def test_a_hit_says_what_was_found_and_where(server: FaultServer) -> None:
    provider = safety(server.url, blocklists=["bad"])
    (verdict,) = provider.analyze(["Buy a gizmo and fight"], ["Violence"])
    (hit,) = verdict.hits
    assert (hit.blocklist, hit.term, hit.decision) == ("bad", "Gizmo", "block")
    assert hit.span == Span(field="", start=6, end=11)
    assert verdict.scores[0].severity == 4
    assert server.requests[0].data["blocklistNames"] == ["bad"]
    assert server.requests[0].data["haltOnBlocklistHit"] is False
    # A decision of its own.
    provider = safety(server.url, blocklists="bad", blocklist_decision="review")
    assert provider.analyze(["gizmo"], ["Hate"])[0].hits[0].decision == "review"


@pytest.mark.usefixtures("lists")
def test_a_hit_that_halts_leaves_no_severity(server: FaultServer) -> None:
    provider = safety(server.url, blocklists=["bad"], halt_on_blocklist_hit=True)
    text = "fight " * 2_000 + "gizmo " + "fight " * 9_000
    halted, fine = provider.analyze([text, "fight"], ["Violence", custom()])
    # No score of what was looked at only in part.
    assert (len(halted.hits), halted.scores, halted.spans) == (1, (), ())
    assert halted.raw["parts"][-1]["halted"] is True
    assert [score.severity for score in fine.scores] == [4, None]
    # Nothing was asked after the hit.
    assert len(server.requests) == 2 + 2


@pytest.mark.usefixtures("lists")
def test_a_hit_in_two_parts_is_one_hit(server: FaultServer) -> None:
    text = "x" * 9_600 + " gizmo " + "x" * 9_000
    provider = safety(server.url, blocklists=["bad"])
    (verdict,) = provider.analyze([text], ["Hate"])
    assert [hit.span.start for hit in verdict.hits] == [9_601]


def test_a_hit_that_stands_nowhere_is_its_part(server: FaultServer) -> None:
    match = {"blocklistName": "bad", "blocklistItemId": "1", "blocklistItemText": "a.b"}
    server.play(said({"Hate": 0}, blocklistsMatch=[match]))
    (verdict,) = safety(server.url, blocklists=["bad"]).analyze(["axb"], ["Hate"])
    assert verdict.hits[0].span == Span(field="", start=0, end=3)


# Custom categories, in both dialects.


def test_the_older_dialect_asks_inline(server: FaultServer) -> None:
    provider = safety(server.url, categories_api_version=OLDER)
    asked = ["Violence", custom()]
    (verdict,) = provider.analyze(["a scam and a fight"], asked)
    assert verdict.scores == (
        CategoryScore(category="Violence", severity=4),
        CategoryScore(category="scam", detected=True),
    )
    assert verdict.versions == {"scam": 7}
    (request,) = server.requests
    assert request.path.endswith(f"/text:analyze?api-version={OLDER}")
    assert request.data["customizedCategories"] == [
        {"categoryName": "scam", "version": 2}
    ]
    assert provider.cost(["x"], asked) == {"custom": 1}


def test_five_of_them_are_asked_about_at_once(
    azure: AzureService, server: FaultServer
) -> None:
    names = [f"c{number}" for number in range(7)]
    for name in names:
        made(azure, name)
    provider = safety(server.url, categories_api_version=OLDER)
    asked = ["Hate", *map(custom, names)]
    (verdict,) = provider.analyze(["x"], asked)
    assert [score.category for score in verdict.scores] == ["Hate", *names]
    counts = [len(r.data["customizedCategories"]) for r in server.requests]
    assert (counts, provider.cost(["x"], asked)) == ([5, 2], {"custom": 2})
    # The harm categories came with the first.
    assert ["categories" in r.data for r in server.requests] == [True, False]


def test_the_newer_dialect_asks_one_by_one(server: FaultServer) -> None:
    provider = safety(server.url, categories_api_version=NEWER)
    text = "x " * 700 + "a scam"
    (verdict,) = provider.analyze([text], ["Violence", custom()])
    assert verdict.scores[1] == CategoryScore(category="scam", detected=True)
    first, *others = server.requests
    assert first.path.endswith("/text:analyze?api-version=2024-09-01")
    assert [request.data["version"] for request in others] == [2, 2]
    assert {request.data["categoryName"] for request in others} == {"scam"}
    assert all(len(request.data["text"]) <= 1_000 for request in others)
    assert paths(server)[1].endswith(f"/text:analyzeCustomCategory?api-version={NEWER}")
    (span,) = verdict.spans
    assert text[span.start : span.end] == others[1].data["text"]


def test_a_long_text_costs_what_it_says(
    azure: AzureService, server: FaultServer
) -> None:
    names = ["one", "two", "three"]
    for name in names:
        made(azure, name)
    text = "word " * 5_000
    asked = ["Hate", *map(custom, names)]
    provider = safety(server.url, categories_api_version=NEWER)
    assert len(text) == 25_000
    assert provider.cost([text], asked) == {"text": 3, "custom": 3 * 25}
    provider.analyze([text], asked)
    sent = [path.partition("?")[0].rpartition("/")[2] for path in paths(server)]
    assert sent.count("text:analyze") == 3
    assert sent.count("text:analyzeCustomCategory") == 75
    assert len(sent) == 78


def test_only_custom_categories_ask_for_nothing_else(server: FaultServer) -> None:
    provider = safety(server.url)
    provider.analyze(["x"], [custom()])
    assert len(server.requests) == 1
    assert provider.cost(["x"], [custom()]) == {"custom": 1}


@pytest.mark.parametrize("version", [OLDER, NEWER])
def test_a_version_that_is_not_there_is_missing(
    server: FaultServer, version: str
) -> None:
    provider = safety(server.url, categories_api_version=version)
    with pytest.raises(NotFound):
        provider.analyze(["x"], [custom(number="9")])


@pytest.mark.parametrize("number", ["", "scam-v7", "-1", "1.0"])
def test_a_version_without_a_number_is_not_asked_about(
    server: FaultServer, number: str
) -> None:
    provider, asked = safety(server.url), [custom(number=number)]
    with pytest.raises(NotFound, match="scam v7"):
        provider.analyze(["x"], asked)
    assert server.requests == []
    # Counting is no place for an error.
    assert provider.cost(["x"], asked) == {"custom": 1}


@pytest.mark.parametrize(
    ("version", "data"),
    [
        (OLDER, {"categoriesAnalysis": []}),
        (OLDER, {"categoriesAnalysis": [], "textCustomizedCategoriesAnalysis": []}),
        (
            OLDER,
            {
                "categoriesAnalysis": [],
                "textCustomizedCategoriesAnalysis": [
                    {"categoryName": "scam", "detected": "true"}
                ],
            },
        ),
        (
            OLDER,
            {
                "categoriesAnalysis": [],
                "textCustomizedCategoriesAnalysis": [
                    {"categoryName": "scam", "detected": False},
                    {"categoryName": "scam", "detected": True},
                ],
            },
        ),
        (NEWER, {}),
        (NEWER, {"customCategoryAnalysis": None}),
        (NEWER, {"customCategoryAnalysis": {}}),
        (NEWER, {"customCategoryAnalysis": {"detected": 0}}),
    ],
)
def test_half_an_answer_about_a_custom_category_is_none(
    server: FaultServer, version: str, data: Any
) -> None:
    server.play(answer(data))
    provider = safety(server.url, categories_api_version=version)
    with pytest.raises(ProtocolError):
        provider.analyze(["x"], [custom()])


# What goes wrong.


def test_a_version_that_is_gone_names_its_setting(
    azure: AzureService, server: FaultServer
) -> None:
    azure.retired = frozenset({"2024-09-01", NEWER})
    provider = safety(server.url)
    with pytest.raises(Gone, match=r"api_version \(2024-09-01\)") as caught:
        provider.analyze(["x"], ["Hate"])
    assert (caught.value.status, caught.value.alias) == (404, "azure")
    assert caught.value.request_id
    with pytest.raises(Gone, match=rf"categories_api_version \({NEWER}\)"):
        provider.analyze(["x"], [custom()])


def test_a_wrong_key_is_tried_once_and_then_the_second(server: FaultServer) -> None:
    with pytest.raises(AuthenticationFailed, match="key or credential"):
        safety(server.url, key="wrong").analyze(["x"], ["Hate"])
    assert len(server.requests) == 1
    both = safety(server.url, key="wrong", second_key=KEY)
    assert both.analyze(["x"], ["Hate"])[0].scores[0].severity == 0


def test_a_long_text_goes_on_where_it_was_told_to_wait(server: FaultServer) -> None:
    text = "word " * 5_000
    provider = safety(server.url)
    fine = [said({"Hate": 2}), said({"Hate": 0})]
    server.play(*fine, status(429, retry_after="3"), said({"Hate": 0}))
    with pytest.raises(RateLimited) as caught:
        provider.analyze([text], ["Hate"])
    assert caught.value.retry_after == 3
    # What is answered is not asked, nor counted, again.
    assert provider.cost([text, "x"], ["Hate"]) == {"text": 2}
    (verdict,) = provider.analyze([text], ["Hate"])
    assert (verdict.scores[0].severity, len(server.requests)) == (2, 4)
    # Only until it is answered: a text that comes back may be found otherwise.
    assert provider.cost([text], ["Hate"]) == {"text": 3}
    assert verdict.spans[0].start == 0
