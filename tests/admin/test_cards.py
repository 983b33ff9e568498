"""The evaluation card on a version's page, and two versions side by side."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.staticfiles import finders
from django.db import connection
from django.template.loader import render_to_string
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from hypothesis import given, settings, strategies as st

from django_contentsafety.admin.card_samples import mark_words
from django_contentsafety.admin.cards import describe_card
from django_contentsafety.engine.classifier import train
from django_contentsafety.engine.head import TokenWeight
from django_contentsafety.engine.samples import Sample as FrozenSample
from django_contentsafety.flows import build, removing
from django_contentsafety.models import Category, CategoryVersion, Sample
from tests.admin.conftest import CARD, Elements, words
from tests.engine.made_up import make_samples
from tests.engine.test_stored_cards import broken, json_values, places

if TYPE_CHECKING:
    from playwright.sync_api import Page

TEMPLATE = "admin/contentsafety/card.html"


def page_of(version: CategoryVersion, page: str = "change") -> str:
    return reverse(f"admin:contentsafety_categoryversion_{page}", args=[version.pk])


@pytest.fixture(scope="session")
def samples() -> list[FrozenSample]:
    """Two of them have the wrong label."""
    made = make_samples(60, 60, seed=3)
    for index in (7, 100):
        label = made[index].is_positive
        made[index] = FrozenSample(text=made[index].text, is_positive=not label)
    return made


@pytest.fixture(scope="session")
def whole(samples: list[FrozenSample]) -> dict[str, Any]:
    card: dict[str, Any] = train(samples).card.as_dict()
    assert card["suspect_labels"]
    return card


@pytest.fixture
def version(
    category: Category, samples: list[FrozenSample], whole: dict[str, Any]
) -> CategoryVersion:
    return make(category, samples, whole)


def make(category: Category, samples: list[FrozenSample], card: Any) -> CategoryVersion:
    for sample in samples:
        Sample.objects.get_or_create(
            category=category, text=sample.text, is_positive=sample.is_positive
        )
    version = build.freeze(category, by="")
    rows = CategoryVersion.objects.filter(pk=version.pk)
    rows.update(card=card, status="ready")
    return rows.get()


# Any card


@given(json_values)
def test_any_json_makes_a_page(value: Any) -> None:
    for card in (value, {"metrics": value}, {**CARD, "curve": value}):
        render_to_string(TEMPLATE, {"card": describe_card(card)})


@settings(max_examples=100, deadline=None)
@given(data=st.data(), other=json_values)
def test_any_odd_value_in_a_card_makes_a_page(
    whole: dict[str, Any], data: st.DataObject, other: Any
) -> None:
    path = data.draw(st.sampled_from([*places(whole)]))
    card = broken(whole, path, other)
    html = render_to_string(TEMPLATE, {"card": describe_card(card)})
    assert Elements(html).dangers() == []


@pytest.mark.django_db
@pytest.mark.parametrize(
    "card",
    [
        [],
        "card",
        {"metrics": []},
        {**CARD, "worst_errors": [{"index": 10**9, "is_positive": True, "score": 0}]},
        {**CARD, "suspect_labels": [-1, 10**9, "x", 0]},
        {**CARD, "curve": [{"threshold": 0.5}], "scores": {"a": 1}},
        {**CARD, "worst_errors": {"index": 0}},
    ],
)
def test_an_odd_card_is_no_error(root: Client, category: Category, card: Any) -> None:
    few = make_samples(20, 20)
    odd, sound = make(category, few, card), make(category, few, CARD)
    for address in (
        page_of(odd),
        page_of(odd, "activate"),
        page_of(odd, "compare"),
        page_of(sound, "compare") + f"?with={odd.pk}",
    ):
        assert root.get(address).status_code == 200


@pytest.mark.django_db
@pytest.mark.parametrize("f1", ["high", [], {}, True, 1e300, None])
def test_an_odd_f1_leaves_the_category_its_page(
    root: Client, category: Category, f1: Any
) -> None:
    make(category, make_samples(20, 20), {"metrics": {"f1": f1}})
    address = reverse("admin:contentsafety_category_change", args=[category.pk])
    response = root.get(address)
    assert response.status_code == 200
    assert response.context["versions"][0]["f1"] == "–"


@pytest.mark.django_db
def test_a_deleted_version_is_compared_with_none(
    root: Client, category: Category
) -> None:
    """Its card stays, and its samples are gone: nothing would be in both."""
    few = make_samples(20, 20)
    old, new = make(category, few, CARD), make(category, few, CARD)
    removing.delete(old, by="")
    removing.run(old)
    assert "no other version" in words(root.get(page_of(new, "compare")))
    response = root.get(page_of(old, "compare"), follow=True)
    assert "The samples of crypto-scam v1 were deleted with it" in words(response)
    assert "first version" not in words(root.get(page_of(new, "diff")))


@pytest.mark.django_db
def test_a_provider_that_answers_yes_or_no(root: Client, category: Category) -> None:
    counts = {
        "true_positives": 36,
        "false_positives": 3,
        "false_negatives": 4,
        "true_negatives": 57,
    }
    version = make(category, make_samples(20, 20), {"metrics": counts})
    response = root.get(page_of(version))
    said = words(response)
    assert "36 caught" in said
    assert "3 wrongly flagged" in said
    # Wilson's interval of 36 in 40.
    assert "95 % sure: 0.77 to 0.96" in said
    assert "There is no curve" in said
    assert "cs-plot" not in response.content.decode()
    assert "range" not in [a.get("type") for _, a in Elements(said).tags]


# A whole one


@pytest.mark.django_db
def test_the_page_says_how_it_was_measured(
    root: Client, version: CategoryVersion
) -> None:
    said = words(root.get(page_of(version)))
    assert "60 positive and 60 negative samples, each scored by a model" in said
    assert "5-fold cross-validation" in said
    for heading in (
        "How it was measured",
        "What each threshold does",
        "Whether a score means what it says",
        "False alarms on unrelated texts",
        "Where it is better, and where worse",
        "Labels to look at",
    ):
        assert heading in said
    assert said.count("95 % sure:") >= 6
    for warning in version.card["warnings"]:
        assert warning in said


@pytest.mark.django_db
def test_every_plot_has_a_name_and_a_table(
    root: Client, version: CategoryVersion
) -> None:
    html = root.get(page_of(version)).content.decode()
    elements = Elements(html)
    plots = [a for tag, a in elements.tags if a.get("class") == "cs-plot"]
    assert len(plots) == 2
    assert all(a["role"] == "img" and a["aria-label"] for a in plots)
    assert html.count("<desc>") == 2
    assert sum(tag == "details" for tag, _ in elements.tags) >= 2
    rows = [a for tag, a in elements.tags if tag == "tr" and a.get("data-words")]
    assert len(rows) == len(version.card["curve"]) == 101
    assert elements.dangers() == []


@pytest.mark.django_db
def test_texts_need_the_permission_and_links_the_sample(
    staff: Callable[..., Client], version: CategoryVersion, samples: list[FrozenSample]
) -> None:
    index = version.card["suspect_labels"][0]
    first = samples[index].text.split()[0]
    live = Sample.objects.get(text=samples[index].text)
    link = reverse("admin:contentsafety_sample_change", args=[live.pk])

    plain = staff("view_categoryversion").get(page_of(version))
    assert "•••" in words(plain)
    assert not any(sample.text.split()[0] in words(plain) for sample in samples)
    assert link not in plain.content.decode()

    reader = staff("view_categoryversion", "view_sample_text").get(page_of(version))
    assert first in words(reader)
    assert link not in reader.content.decode()

    linked = staff("view_categoryversion", "view_sample").get(page_of(version))
    assert "•••" in words(linked)
    assert link in linked.content.decode()

    live.delete()
    gone = staff("view_categoryversion", "view_sample").get(page_of(version))
    assert link not in gone.content.decode()


@pytest.mark.django_db
def test_an_erased_sample_stays_in_the_list_without_its_text(
    root: Client, version: CategoryVersion, samples: list[FrozenSample]
) -> None:
    index = version.card["suspect_labels"][0]
    lines = bytes(version.samples_jsonl).splitlines(keepends=True)
    lines[index] = b'{"erased": true}\n'
    # Only erasure writes a frozen column; it goes past the guard.
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE contentsafety_categoryversion SET samples_jsonl = %s, redacted = %s"
            " WHERE id = %s",
            [b"".join(lines), True, version.pk],
        )
    said = words(root.get(page_of(version)))
    assert f"{index + 1} erased" in said
    assert samples[index].text not in said


@pytest.mark.django_db
def test_fifty_labels_to_look_at_cost_what_one_costs(
    root: Client, version: CategoryVersion, two: tuple[CategoryVersion, ...]
) -> None:
    def queries(page: str, suspects: int, others: int) -> int:
        card = {**version.card, "suspect_labels": list(range(suspects))}
        rows = CategoryVersion.objects.order_by("pk")
        rows.update(card=None)
        rows.filter(
            pk__in=list(rows.values_list("pk", flat=True)[: others + 1])
        ).update(card=card)
        with CaptureQueriesContext(connection) as captured:
            assert root.get(page_of(version, page)).status_code == 200
        return len(captured)

    queries("change", 1, 1)
    assert queries("change", 1, 1) == queries("change", 50, 2)
    assert queries("compare", 1, 1) == queries("compare", 50, 2)


def test_words_are_marked_by_what_they_say() -> None:
    text = "free coins <b> now"
    tokens = [
        TokenWeight(start=0, end=4, weight=2.0),
        TokenWeight(start=5, end=10, weight=-1.0),
        TokenWeight(start=11, end=14, weight=0.5),
        TokenWeight(start=15, end=18, weight=0.1),
    ]
    assert mark_words(text, tokens) == (
        '<bdi class="cs-text cs-words">'
        '<mark class="cs-for-3" title="+2.00">free</mark> '
        '<mark class="cs-against-2" title="-1.00">coins</mark> '
        '<mark class="cs-for-1" title="+0.50">&lt;b&gt;</mark> now</bdi>'
    )


def test_a_long_text_is_shown_where_its_strongest_word_is() -> None:
    text = "a" * 5_000 + " scam " + "b" * 5_000
    shown = mark_words(text, [TokenWeight(start=5_001, end=5_005, weight=1.0)])
    assert ">scam</mark>" in shown
    assert len(shown) < 600
    assert shown.count("…") == 2


@given(
    st.text(max_size=900),
    st.lists(st.tuples(st.integers(0, 1_000), st.integers(0, 30), st.floats(-9, 9))),
)
def test_any_words_can_be_marked(
    text: str, places: list[tuple[int, int, float]]
) -> None:
    tokens = [TokenWeight(start=s, end=s + n, weight=w) for s, n, w in places]
    assert mark_words(text, tokens).startswith("<bdi")


# Two versions


@pytest.fixture
def two(
    category: Category, samples: list[FrozenSample], whole: dict[str, Any]
) -> tuple[CategoryVersion, CategoryVersion]:
    """The second tells sample 3 wrong, which the first told right."""
    card = json.loads(json.dumps(whole))
    assert card["scores"][3] > 0.5
    card["scores"][3] = 0.12
    return make(category, samples, whole), make(category, samples, card)


@pytest.mark.django_db
def test_two_versions_side_by_side(
    root: Client, two: tuple[CategoryVersion, ...], samples: list[FrozenSample]
) -> None:
    before, after = two
    response = root.get(page_of(after, "compare"))
    said = words(response)
    assert "What v2 would change in the place of v1" in said
    assert "Broken 1" in said
    assert "Fixed 0" in said
    assert samples[3].text in said
    assert Elements(response.content.decode()).dangers() == []
    back = words(root.get(page_of(before, "compare")))
    assert "What v1 would change in the place of v2" in back
    assert "Fixed 1" in back


@pytest.mark.django_db
def test_the_active_version_is_the_other_one_unless_another_is_named(
    root: Client, category: Category, whole: dict[str, Any]
) -> None:
    one, two, three = (make(category, make_samples(20, 20), whole) for _ in range(3))
    Category.objects.update(active_version=one)
    assert "in the place of v1" in words(root.get(page_of(three, "compare")))
    chosen = words(root.get(page_of(three, "compare"), {"with": two.pk}))
    assert "in the place of v2" in chosen
    for nonsense in ("x", str(three.pk), "999999", ""):
        said = words(root.get(page_of(three, "compare"), {"with": nonsense}))
        assert "in the place of v1" in said


@pytest.mark.django_db
def test_another_categorys_version_is_not_compared(
    root: Client, two: tuple[CategoryVersion, ...], whole: dict[str, Any]
) -> None:
    category = Category.objects.create(name="b", definition="d", provider="local")
    other = make(category, make_samples(25, 25), whole)
    said = words(root.get(page_of(other, "compare"), {"with": two[0].pk}))
    assert "There is no other version" in said


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("threshold", "shown"),
    [("0.1", "0.10"), ("", "0.50"), ("2", "0.50"), ("nan", "0.50"), ("<", "0.50")],
)
def test_a_threshold_of_both(
    root: Client, two: tuple[CategoryVersion, ...], threshold: str, shown: str
) -> None:
    said = words(root.get(page_of(two[1], "compare"), {"threshold": threshold}))
    assert f"Flagged from {shown} in v1, from {shown} in v2." in said


@pytest.mark.django_db
def test_flipped_texts_need_the_permission(
    staff: Callable[..., Client],
    two: tuple[CategoryVersion, ...],
    samples: list[FrozenSample],
) -> None:
    said = words(staff("view_categoryversion").get(page_of(two[1], "compare")))
    assert "Broken 1" in said
    assert samples[3].text not in said


# In a browser


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
class TestBrowser:
    @pytest.fixture
    def open_page(
        self, live_server: Any, root: Client, page: Page, version: CategoryVersion
    ) -> Callable[..., Page]:
        cookie = {"name": "sessionid", "value": root.cookies["sessionid"].value}

        def open_page(*, scripts: bool = True) -> Page:
            browser = page.context.browser
            assert browser is not None
            context = browser.new_context(java_script_enabled=scripts)
            context.add_cookies([{**cookie, "url": live_server.url}])  # type: ignore[list-item]
            opened = context.new_page()
            opened.goto(live_server.url + page_of(version))
            return opened

        return open_page

    def test_the_slider_walks_over_the_thresholds(
        self, open_page: Callable[..., Page], whole: dict[str, Any]
    ) -> None:
        page = open_page()
        slider = page.get_by_label("Threshold", exact=False).first
        assert not page.locator("#cs-thresholds").get_attribute("open")
        dot = page.locator("#cs-explorer .cs-dot")
        for key, index in (("Home", 0), ("End", 100), ("ArrowLeft", 99)):
            slider.press(key)
            point = whole["curve"][index]
            for name, count in (
                ("caught", "true_positives"),
                ("missed", "false_negatives"),
                ("false", "false_positives"),
                ("passed", "true_negatives"),
            ):
                shown = page.locator(f"#cs-explorer [data-cs={name}]").inner_text()
                assert shown == str(point[count])
            assert page.locator("#cs-now").inner_text() == f"{point['threshold']:.2f}"
            words = slider.get_attribute("aria-valuetext") or ""
            assert words.startswith(f"{point['threshold']:.2f}: ")
            flagged = point["true_positives"] + point["false_positives"]
            assert dot.is_visible() is bool(flagged)
        slider.press("Home")
        # Everything is flagged: recall 1, at the right edge of the plot.
        assert dot.get_attribute("cx") == "316.0"

    def test_without_scripts_the_table_is_there(
        self, open_page: Callable[..., Page]
    ) -> None:
        page = open_page(scripts=False)
        assert page.locator("#cs-thresholds tbody tr").first.is_visible()
        assert not page.locator("#cs-slider").is_visible()

    def test_a_narrow_screen_has_room(self, open_page: Callable[..., Page]) -> None:
        page = open_page()
        page.set_viewport_size({"width": 400, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= 400


def test_the_static_files_are_found() -> None:
    for name in ("card.js", "card.css"):
        assert finders.find(f"contentsafety/{name}")
