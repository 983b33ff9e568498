"""The pages of what a provider keeps, of full slots and of a card on its way."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from django_contentsafety.flows import build, listings, measuring
from django_contentsafety.models import BuildJob, CardJob, Category, CategoryVersion
from django_contentsafety.testing.fault_server import status
from django_contentsafety.testing.service import Service
from django_contentsafety.testing.trainer import Fault
from tests.admin.conftest import Elements, said, words
from tests.admin.test_foreign_text import PAYLOADS
from tests.building import settle
from tests.keeping import built, frozen, judge, serving

pytestmark = pytest.mark.django_db

ADOPT = "contentsafety.category_adopt"
PAYLOAD = " ".join(PAYLOADS)


@pytest.fixture
def service(settings: Any) -> Iterator[Service]:
    with serving(settings, Service(judge)) as service:
        yield service


def address(page: str, obj: Any = None) -> str:
    args = [] if obj is None else [obj.pk]
    return reverse(f"admin:contentsafety_{page}", args=args)


def listing(client: Client) -> Any:
    return client.get(address("category_adopt"), {"provider": "remote"})


def adopt(client: Client, *keys: tuple[str, str], follow: bool = True) -> Any:
    data = {"provider": "remote", "version": [json.dumps(key) for key in keys]}
    return client.post(address("category_adopt"), data, follow=follow)


def queries(client: Client, page: str, **data: str) -> int:
    with CaptureQueriesContext(connection) as captured:
        assert client.get(page, data).status_code == 200
    return len(captured)


# --- Adopting ---------------------------------------------------------------------


def test_from_the_list_to_rows(root: Client, service: Service) -> None:
    ours = built(size=1)
    foreign = service.trainer.put("spam")
    service.trainer.put("two words")
    page = root.get(address("category_adopt"))
    assert "List what it keeps" in page.content.decode()
    # Nobody is asked before a person asks.
    assert list(page.context["rows"]) == []
    listed = listing(root)
    text = words(listed)
    assert "spam" in text
    assert "Use letters, digits and inner hyphens only." in text
    assert address("categoryversion_change", ours) in listed.content.decode()
    boxes = [
        attrs["value"]
        for tag, attrs in Elements(listed.content.decode()).tags
        if tag == "input" and attrs.get("type") == "checkbox"
    ]
    assert boxes == [json.dumps(["spam", foreign])]
    done = adopt(root, ("spam", foreign))
    assert "1 version is adopted" in said(done)
    version = CategoryVersion.objects.get(category__name="spam")
    page = words(root.get(address("categoryversion_change", version)))
    assert "It was built elsewhere: its samples are not here" in page
    assert "they were never here" in page
    assert "SHA-256" not in page
    for tool in ("Export samples", "What changed", "Compare", "Analyze again"):
        assert tool not in page
    assert "built elsewhere" in words(
        root.get(address("category_change", version.category))
    )
    # Pressed twice, nothing more happens.
    assert "0 versions are adopted" in said(adopt(root, ("spam", foreign)))


@pytest.mark.parametrize("tool", ["diff", "compare", "export_samples", "build"])
def test_what_needs_samples_says_that_there_are_none(
    root: Client, service: Service, tool: str
) -> None:
    service.trainer.put("spam", "failed")
    service.trainer.put("spam")
    adopt(root, ("spam", "1"), ("spam", "2"))
    version = CategoryVersion.objects.order_by("-number")[0]
    page = address(f"categoryversion_{tool}", version)
    answered = (root.post if tool == "build" else root.get)(page, follow=True)
    assert "was built elsewhere" in words(answered)


@pytest.mark.parametrize(
    ("data", "words_"),
    [
        ({"provider": "local"}, "Choose a provider first."),
        ({"provider": "remote"}, "Choose at least one version."),
        ({"provider": "remote", "version": "x"}, "The page was changed"),
        ({"provider": "remote", "version": '["a", 1]'}, "The page was changed"),
        ({"provider": "remote", "version": '["a", "9"]'}, "has no version 9 of a"),
        ({}, "Choose a provider first."),
    ],
)
def test_a_form_that_makes_no_sense(
    root: Client, service: Service, data: dict[str, str], words_: str
) -> None:
    answered = root.post(address("category_adopt"), data, follow=True)
    assert words_ in words(answered)
    assert not Category.objects.exists()


def test_a_provider_that_fails_is_told(root: Client, service: Service) -> None:
    service.trainer.fail("list", Fault(status(401)))
    answered = root.get(address("category_adopt"), {"provider": "remote"}, follow=True)
    assert "remote" in said(answered)
    answered = root.get(address("category_adopt"), {"provider": "no"}, follow=True)
    assert "can't say what it keeps" in words(answered)


def test_without_a_provider_that_lists_the_page_says_so(root: Client) -> None:
    assert "can say what it keeps" in words(root.get(address("category_adopt")))


def test_foreign_names_are_shown_and_never_run(root: Client, service: Service) -> None:
    service.trainer.put("spam", definition=PAYLOAD, created=PAYLOAD)
    for payload in PAYLOADS:
        service.trainer.put(payload.replace("/", "|"), definition=payload)
    page = listing(root)
    elements = Elements(page.content.decode())
    assert elements.dangers() == []
    assert "<img src=x onerror=alert(1)>" in words(page)
    assert "U+202E" in words(page)
    assert len(page.context["rows"]) == len(PAYLOADS) + 1
    # And in the message that refuses one.
    answered = adopt(root, (PAYLOAD, PAYLOAD))
    assert Elements(answered.content.decode()).dangers() == []
    adopt(root, ("spam", "1"))
    version = CategoryVersion.objects.get()
    for name in ("change", "remove", "activate"):
        shown = root.get(address(f"categoryversion_{name}", version))
        assert Elements(shown.content.decode()).dangers() == []


def test_the_listing_is_flat(root: Client, service: Service) -> None:
    service.trainer.put("spam")
    adopt(root, ("spam", "1"))
    service.trainer.put("spam")
    page = address("category_adopt")
    queries(root, page, provider="remote")
    few = queries(root, page, provider="remote")
    keys = [("spam", service.trainer.put("spam")) for _ in range(20)]
    adopt(root, *keys)
    for number in range(20):
        service.trainer.put(f"other-{number}")
    assert queries(root, page, provider="remote") == few


# --- Gone -------------------------------------------------------------------------


def test_what_has_gone_is_told_on_its_pages(root: Client, service: Service) -> None:
    version = built(size=1)
    build.activate(version, by="7")
    change = address("categoryversion_change", version)
    assert "has not listed it" not in words(root.get(change))
    service.trainer.lose(version.provider_version)
    listings.compare("remote")
    page = words(root.get(change))
    assert "Its provider has not listed it since" in page
    assert "It answers no more: activate another version." in page
    assert "gone at the provider" in words(
        root.get(address("category_change", version.category))
    )


# --- Slots ------------------------------------------------------------------------


def full(service: Service) -> BuildJob:
    """A build that found no room: one version of ours answers, one rests, one is
    foreign."""
    service.trainer.slots = 3
    active = built(size=1)
    build.activate(active, by="7")
    idle = build.freeze(active.category, by="7")
    build.start(idle, by="7")
    settle()
    service.trainer.put("foreign")
    third = build.freeze(active.category, by="7")
    job = build.run(build.start(third, by="7"))
    assert (job.status, job.error_code) == ("needs_attention", "slots")
    return job


def test_full_slots_name_what_may_go(
    root: Client, service: Service, staff: Callable[..., Client]
) -> None:
    job = full(service)
    page = root.get(address("buildjob_change", job))
    text = words(page)
    assert "This build needs you" in text
    assert "keeps as many versions as it may" in text
    assert "What takes the provider’s 3 slots" in text
    assert "active: activate another one first" in text
    assert "made elsewhere, and no version here" in text
    active, idle = CategoryVersion.objects.order_by("number")[:2]
    html = page.content.decode()
    assert address("categoryversion_change", active) in html
    assert address("categoryversion_remove", idle) in html
    assert address("categoryversion_remove", active) not in html
    assert f"{address('category_adopt')}?provider=remote" in html
    # Who may not delete sees what there is, and no way to it.
    poor = staff("view_buildjob", "view_categoryversion")
    html = poor.get(address("buildjob_change", job)).content.decode()
    assert "foreign" in html
    assert address("categoryversion_remove", idle) not in html
    assert address("category_adopt") not in html
    poorer = staff("view_buildjob").get(address("buildjob_change", job))
    assert address("categoryversion_change", idle) not in poorer.content.decode()


def test_after_a_deletion_the_build_goes_on(root: Client, service: Service) -> None:
    job = full(service)
    idle = CategoryVersion.objects.get(number=2)
    remove = address("categoryversion_remove", idle)
    assert root.post(remove, {"reason": "room"}).status_code == 302
    settle()
    page = words(root.get(address("buildjob_change", job)))
    assert "scam v2" not in page
    root.post(address("buildjob_again", job))
    settle()
    job.refresh_from_db()
    assert (job.status, job.slots) == ("succeeded", None)


def test_a_foreign_version_is_adopted_and_deleted(
    root: Client, service: Service
) -> None:
    job = full(service)
    number = next(n for name, n in job.slots["held"] if name == "foreign")
    adopt(root, ("foreign", number))
    version = CategoryVersion.objects.get(category__name="foreign")
    html = root.get(address("buildjob_change", job)).content.decode()
    assert address("categoryversion_remove", version) in html
    root.post(address("categoryversion_remove", version), {"reason": ""})
    settle()
    root.post(address("buildjob_again", job))
    settle()
    job.refresh_from_db()
    assert job.status == "succeeded"


def test_foreign_names_in_slots_are_shown_and_never_run(
    root: Client, service: Service
) -> None:
    job = full(service)
    held = [[payload, payload] for payload in PAYLOADS]
    BuildJob.objects.filter(pk=job.pk).update(
        slots={"limit": "<b>", "held": [*held, "x", [1, 2], ["a"]]}
    )
    page = root.get(address("buildjob_change", job))
    assert Elements(page.content.decode()).dangers() == []
    assert "<script>alert(1)</script>" in words(page)
    for odd in ({}, [], "x", {"held": "x"}, None):
        BuildJob.objects.filter(pk=job.pk).update(slots=odd)
        assert root.get(address("buildjob_change", job)).status_code == 200


def test_the_slots_are_flat(root: Client, service: Service) -> None:
    job = full(service)
    page = address("buildjob_change", job)
    queries(root, page)
    few = queries(root, page)
    held = list(job.slots["held"])
    for _ in range(20):
        held.append(["foreign", service.trainer.put("foreign")])
    adopt(root, *[tuple(one) for one in held if one[0] == "foreign"])
    BuildJob.objects.filter(pk=job.pk).update(slots={"limit": 30, "held": held})
    assert queries(root, page) == few


# --- Measured ---------------------------------------------------------------------


def test_the_version_says_how_far_its_card_is(
    root: Client, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = frozen()
    change = address("categoryversion_change", version)
    assert "24 samples are withheld from the build" in words(root.get(change))
    build.run(build.start(version, by="7"))
    monkeypatch.setattr(measuring, "SECONDS", 0.0)
    measuring.advance(CardJob.objects.get().pk)
    page = words(root.get(change))
    assert "Card: 20 of 24 withheld samples analyzed." in page
    assert "24 more were withheld from the build for the card" in page
    # While it goes on nobody has to ask for it.
    assert "Analyze again" not in page
    settle()
    page = words(root.get(change))
    assert "withheld samples analyzed" not in page
    assert "Precision" in page
    assert "Analyze again" in page


def test_a_card_that_failed_says_why_and_is_asked_for_again(
    root: Client, service: Service, settings: Any
) -> None:
    version = built()
    CardJob.objects.update(
        due_at=None, error_code="config", error_message=f"No key. {PAYLOAD}"
    )
    change = address("categoryversion_change", version)
    page = root.get(change)
    assert "Card: 0 of 24 withheld samples analyzed. No key." in words(page)
    assert Elements(page.content.decode()).dangers() == []
    settings.CONTENTSAFETY_WAKE = "inline"
    root.post(address("categoryversion_measure", version))
    version.refresh_from_db()
    assert version.card
    assert CardJob.objects.get().error_message == ""


def test_why_there_is_no_card(root: Client, service: Service) -> None:
    version = built(size=2)
    page = words(root.get(address("categoryversion_change", version)))
    assert "No samples were withheld to measure it on: there are too few" in page


def test_the_worst_errors_are_those_of_the_withheld_samples(
    root: Client, settings: Any
) -> None:
    with serving(settings, Service(lambda text: 7)):
        version = built()
        settle()
        version.refresh_from_db()
        texts = [
            json.loads(line)["text"] for line in version.withheld_jsonl.splitlines()
        ]
        (wrong, *_rest) = version.card["worst_errors"]
        page = words(root.get(address("categoryversion_change", version)))
        assert texts[wrong["index"]] in page


def test_the_versions_of_a_category_are_flat(root: Client, service: Service) -> None:
    version = built()
    page = address("category_change", version.category)
    queries(root, page)
    few = queries(root, page)
    for _ in range(4):
        build.start(build.freeze(version.category, by="7"), by="7")
        settle()
    assert queries(root, page) == few
