"""From an empty category to a live policy, through the admin alone."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from django_contentsafety.flows import moderate
from django_contentsafety.models import (
    BuildJob,
    Category,
    CategoryVersion,
    LogEntry,
    ModerationState,
    Policy,
    PolicyRule,
    Sample,
)
from django_contentsafety.providers import BuildState, providers
from django_contentsafety.providers.dummy import DummyProvider
from tests.admin.conftest import make_version, said, samples, words
from tests.testapp.models import Comment

pytestmark = pytest.mark.django_db

BAD_LINES = {
    "not JSON": (b"{oops", "is not JSON"),
    "nested": (b'{"text": ' + b"[" * 100_000, "nested too deep"),
    "no text": (b'{"isPositive": true}', "no text"),
    "not UTF-8": (b'{"text": "\xff\xfe"}', "not UTF-8"),
    "NUL": (b'{"text": "a\\u0000b"}', "NUL"),
    "lone surrogate": (b'{"text": "a\\ud800b"}', "half of a character"),
    "20 MB": (b'{"text": "' + b"a" * 19_900_000 + b'"}', "longer than"),
    "doubles": (b'{"text": "fine one"}', "already stands in line 1"),
    "contradicts": (
        b'{"text": "fine one", "isPositive": false}',
        "line 1 with the other label",
    ),
}


def url(page: str, obj: Any) -> str:
    opts = obj._meta
    return reverse(f"admin:contentsafety_{opts.model_name}_{page}", args=[obj.pk])


def preview(
    root: Client, category: Category, data: bytes, name: str = "f.jsonl"
) -> Any:
    file = BytesIO(data)
    file.name = name
    return root.post(url("upload", category), {"file": file})


def upload(root: Client, category: Category, data: bytes, name: str = "f.jsonl") -> Any:
    token = preview(root, category, data, name).context["token"]
    return root.post(url("upload", category), {"token": token}, follow=True)


def rule_form(policy: Policy, **values: Any) -> dict[str, Any]:
    data = {
        "blocklists": [],
        "stop_on_block": "on",
        "on_pending": policy.on_pending,
        "on_outage": policy.on_outage,
        "on_exhausted": policy.on_exhausted,
        "on_unknown": policy.on_unknown,
        "fail_open_reason": "",
        "inline_ms": "",
        "rules-TOTAL_FORMS": 1,
        "rules-INITIAL_FORMS": 0,
    }
    rule = {
        "category": "crypto-scam",
        "provider": "local",
        "scale": "score",
        "review_at": "0.5",
        "block_at": "0.9",
        **values,
    }
    return {**data, **{f"rules-0-{name}": value for name, value in rule.items()}}


def test_the_whole_story(root: Client, settings: Any, policy: Policy) -> None:
    settings.CONTENTSAFETY_WAKE = "inline"
    response = root.post(
        reverse("admin:contentsafety_category_add"),
        {"name": "crypto-scam", "definition": "Lures.", "provider": "local"},
        follow=True,
    )
    category = Category.objects.get()
    assert "was added successfully" in said(response)

    response = upload(root, category, samples(5, 5))
    assert "10 samples were added." in said(response)
    response = root.post(url("freeze", category), follow=True)
    assert "Too few samples" in said(response)
    assert "Add 15 more" in said(response)
    assert not CategoryVersion.objects.exists()

    response = upload(root, category, samples())
    assert "40 samples were added. 10 were there already." in said(response)
    response = root.post(url("freeze", category), follow=True)
    version = CategoryVersion.objects.get()
    assert "25 positive, 25 negative" in said(response)

    response = root.post(url("build", version), follow=True)
    assert "is built" in said(response)
    page = words(response)
    for word in ("Precision", "Recall", "F1", "ROC-AUC", "Average precision"):
        assert word in page
    assert version.samples_sha256 in page
    assert "25 positive, 25 negative" in page
    assert "25 positive and 25 negative samples, each scored by a model" in page

    assert "No version answers now" in words(root.get(url("activate", version)))
    root.post(url("activate", version))
    category.refresh_from_db()
    assert category.active_version == version

    PolicyRule.objects.all().delete()
    # No provider of that kind answers by severity.
    response = root.post(
        url("change", policy), rule_form(policy, scale="severity", block_at="6")
    )
    formset = response.context["inline_admin_formsets"][0].formset
    assert "gives no severity" in str(formset.forms[0].errors["category"])
    assert not policy.rules.exists()

    root.post(url("change", policy), rule_form(policy))
    assert policy.rules.get().block_at == 0.9
    policy.refresh_from_db()
    assert policy.version == 2
    entry = LogEntry.objects.get(event="policy_changed")
    assert entry.details["changed"] == ["rules"]

    assert "No text has been decided yet" in words(root.get(url("live", policy)))
    root.post(url("live", policy))
    policy.refresh_from_db()
    assert policy.mode == "live"
    switch = LogEntry.objects.get(event="policy_mode")
    assert (switch.from_value, switch.to_value) == ("shadow", "live")
    assert switch.actor_key == str(User.objects.get().pk)


@pytest.mark.parametrize("case", BAD_LINES)
def test_a_bad_line_is_named_and_nothing_is_stored(
    root: Client, category: Category, case: str
) -> None:
    line, message = BAD_LINES[case]
    data = b'{"text": "fine one"}\n' + line + b'\n{"text": "fine two"}\n'
    response = preview(root, category, data, "mine.jsonl")
    assert response.status_code == 200
    error = response.context["rows"][0]
    assert error["line"] == 2
    assert message in error["message"]
    assert error["remedy"]
    page = words(response)
    assert "Preview of mine.jsonl" in page
    assert error["message"] in page
    assert error["remedy"] in page
    assert not Sample.objects.exists()


def test_a_file_is_not_read_past_its_limit(root: Client, category: Category) -> None:
    response = preview(root, category, b'{"text": "fine"}\n' + b"\n" * 20_000_001)
    assert "larger than" in response.context["rows"][0]["message"]
    assert not Sample.objects.exists()


def test_errors_are_counted_and_some_of_them_listed(
    root: Client, category: Category
) -> None:
    response = preview(root, category, b"oops\n" * 150)
    assert len(response.context["rows"]) == 50
    assert response.context["preview"].counts == {"unreadable": 150}
    assert "Nothing here can be imported." in words(response)
    assert not Sample.objects.exists()


def test_a_contradiction_with_what_is_stored(root: Client, category: Category) -> None:
    upload(root, category, b'{"text": "one"}')
    other = b'{"text": "one", "isPositive": false}\n{"text": "two"}'
    response = preview(root, category, other)
    error = response.context["rows"][0]
    assert error["line"] == 1
    assert "positive" in error["message"]
    # Unless it is said that it be left out, nothing is stored.
    assert "1 problem" in said(upload(root, category, other))
    assert Sample.objects.count() == 1
    data = {"token": response.context["token"], "skip": "on"}
    response = root.post(url("upload", category), data, follow=True)
    assert "1 sample was added. 1 line was left out." in said(response)
    assert Sample.objects.count() == 2


def test_lines_are_pasted(root: Client, category: Category) -> None:
    data = {"pasted": "one\ntwo", "label": "negative"}
    token = root.post(url("upload", category), data).context["token"]
    response = root.post(url("upload", category), {"token": token}, follow=True)
    assert "2 samples were added." in said(response)
    found = set(Sample.objects.values_list("text", "source", "is_positive"))
    assert found == {("one", "paste", False), ("two", "paste", False)}


@pytest.mark.parametrize("data", [{}, {"pasted": " "}])
def test_nothing_given(root: Client, category: Category, data: dict[str, str]) -> None:
    assert "Choose a file, or paste lines." in words(
        root.post(url("upload", category), data)
    )


def test_both_given(root: Client, category: Category) -> None:
    data = {"pasted": "x", "file": BytesIO(b"y")}
    assert "not both" in words(root.post(url("upload", category), data))


def test_an_unknown_provider_is_refused_in_words(root: Client) -> None:
    response = root.post(
        reverse("admin:contentsafety_category_add"),
        {"name": "scam", "definition": "Lures.", "provider": "nobody"},
    )
    assert "There is no provider “nobody”" in words(response)
    assert "default, local" in words(response)
    assert not Category.objects.exists()


@pytest.mark.parametrize(
    ("name", "problem"),
    [("Hate", "built-in harm category"), ("a b", "inner hyphens"), ("scam", "")],
)
def test_names(root: Client, name: str, problem: str) -> None:
    response = root.post(
        reverse("admin:contentsafety_category_add"),
        {"name": name, "definition": "Lures.", "provider": "local"},
        follow=True,
    )
    assert problem in words(response)
    assert Category.objects.exists() is not bool(problem)


def named_by(policy: Policy, category: Category) -> None:
    version = make_version(category)
    Category.objects.filter(pk=category.pk).update(active_version=version)
    PolicyRule.objects.create(
        policy=policy, category=category.name, provider="default", review_at=0.5
    )
    category.refresh_from_db()


def test_a_category_that_a_rule_names_stays(
    root: Client, category: Category, policy: Policy
) -> None:
    named_by(policy, category)
    page = words(root.post(url("delete", category), {"post": "yes"}))
    assert "The rule of the policy comments" in page
    data = {"name": "other", "definition": "Lures.", "provider": "local"}
    page = words(root.post(url("change", category), data))
    assert page.count("comments has a rule for “crypto-scam”") == 2
    assert Category.objects.get().name == "crypto-scam"


def test_a_category_goes_with_its_active_version(
    root: Client, category: Category, policy: Policy
) -> None:
    named_by(policy, category)
    PolicyRule.objects.filter(category=category.name).delete()
    page = words(root.get(url("delete", category)))
    assert "Samples: 4" in page
    root.post(url("delete", category), {"post": "yes"})
    assert not Category.objects.exists()
    assert not CategoryVersion.objects.exists()


def test_who_defines_changes_and_deletes_a_category_is_logged(
    root: Client, superuser: User
) -> None:
    add = reverse("admin:contentsafety_category_add")
    data = {"name": "scam", "definition": "Lures.", "provider": "local"}
    root.post(add, data)
    category = Category.objects.get()
    root.post(url("change", category), data)  # Nothing is changed by it.
    root.post(url("change", category), {**data, "name": "lure", "definition": "x"})
    root.post(url("delete", category), {"post": "yes"})
    told = [
        (entry.event, entry.actor_key, entry.subject, entry.from_value, entry.details)
        for entry in LogEntry.objects.order_by("pk").filter(
            subject__in=("scam", "lure")
        )
    ]
    by = str(superuser.pk)
    assert told == [
        ("category_created", by, "scam", "", {}),
        ("category_changed", by, "lure", "scam", {"changed": ["name", "definition"]}),
        ("category_deleted", by, "lure", "", {"samples": 0, "versions": 0}),
    ]


def test_categories_are_deleted_from_the_list(
    root: Client, category: Category, policy: Policy
) -> None:
    named_by(policy, category)
    data = {"action": "delete_selected", "_selected_action": [category.pk]}
    listed = reverse("admin:contentsafety_category_changelist")
    page = words(root.post(listed, {**data, "post": "yes"}))
    assert "The rule of the policy comments" in page
    assert Category.objects.exists()
    PolicyRule.objects.filter(category=category.name).delete()
    root.post(listed, {**data, "post": "yes"})
    assert not Category.objects.exists()


def test_a_provider_that_the_settings_lost(root: Client, category: Category) -> None:
    Category.objects.filter(pk=category.pk).update(provider="gone")
    response = root.post(url("freeze", category), follow=True)
    assert "There is no provider 'gone'" in said(response)


def test_a_sample_that_no_line_can_hold(root: Client, category: Category) -> None:
    # Not by a form: by the ORM, or a fixture.
    for number in range(40):
        Sample.objects.create(
            category=category, text=f"text {number}", is_positive=number % 2
        )
    Sample.objects.bulk_create(
        [Sample(category=category, text="a\x00b", text_hash="x", is_positive=True)]
    )
    response = root.post(url("freeze", category), follow=True)
    assert "NUL" in said(response)
    assert not CategoryVersion.objects.exists()


def test_our_pages_have_our_styles(root: Client, category: Category) -> None:
    for page in ("change", "upload"):
        content = root.get(url(page, category)).content.decode()
        assert '/static/contentsafety/admin.css"' in content


def test_activating_says_which_policies_it_concerns(
    root: Client, category: Category, policy: Policy
) -> None:
    named_by(policy, category)
    second = make_version(category)
    page = words(root.get(url("activate", second)))
    assert "Version 1 answers now" in page
    assert "These policies ask the category: comments" in page
    root.post(url("activate", second))
    policy.refresh_from_db()
    assert policy.version == 2


def test_only_a_ready_version_is_activated(root: Client, category: Category) -> None:
    version = make_version(category, ready=False)
    assert "only a ready version" in words(root.get(url("activate", version)))
    response = root.post(url("activate", version), follow=True)
    assert "only a ready version" in said(response)
    category.refresh_from_db()
    assert category.active_version is None


def test_the_category_page_lists_its_versions(root: Client, category: Category) -> None:
    ready, frozen = make_version(category), make_version(category, ready=False)
    page = root.get(url("change", category)).content.decode()
    assert "0.51" in page
    assert url("activate", ready) in page
    assert url("build", frozen) in page
    assert url("build", ready) not in page


def test_a_failing_build_is_shown(
    root: Client,
    category: Category,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings.CONTENTSAFETY_WAKE = "inline"
    version = make_version(category, ready=False)
    failed = BuildState(status="failed", error="The samples are all alike.")
    monkeypatch.setattr(DummyProvider, "poll", lambda *args: failed)
    response = root.post(url("build", version), follow=True)
    assert "could not be built" in said(response)
    assert "The samples are all alike." in words(response)


def test_a_build_is_canceled_and_built_again(root: Client, category: Category) -> None:
    version = make_version(category, ready=False)
    root.post(url("build", version))
    response = root.post(url("build", version), follow=True)
    assert "only a frozen or failed one" in said(response)
    job = BuildJob.objects.get()
    assert "can be built again" in said(root.post(url("cancel", job), follow=True))
    assert "moved on" in said(root.post(url("cancel", job), follow=True))
    root.post(url("build", version))
    assert BuildJob.objects.count() == 2


def test_a_build_that_needs_attention_is_tried_again(
    root: Client, category: Category
) -> None:
    version = make_version(category, ready=False)
    root.post(url("build", version))
    job = BuildJob.objects.get()
    assert "moved on" in said(root.post(url("again", job), follow=True))
    BuildJob.objects.update(status="needs_attention", error_message="look")
    assert "it is queued" in said(root.post(url("again", job), follow=True))
    job.refresh_from_db()
    assert (job.status, job.error_message) == ("queued", "")


def test_samples_one_by_one(root: Client, category: Category) -> None:
    add = reverse("admin:contentsafety_sample_add")
    data = {"category": category.pk, "text": "Send coins", "is_positive": "on"}
    root.post(add, data)
    sample = Sample.objects.get()
    assert sample.created_by == str(User.objects.get().pk)
    assert "has a sample of this text already" in words(root.post(add, data))
    del data["is_positive"]
    assert "with the other label" in words(root.post(add, data))
    blank = root.post(add, {**data, "text": "  "})
    assert "This field is required" in words(blank)
    assert Sample.objects.count() == 1
    root.post(url("change", sample), {"text": "Send coins now", "is_positive": "on"})
    sample.refresh_from_db()
    assert sample.text == "Send coins now"


def test_losing_a_race_is_no_server_error(
    root: Client, category: Category, monkeypatch: pytest.MonkeyPatch
) -> None:
    Sample.objects.create(category=category, text="Send coins")
    monkeypatch.setattr("django_contentsafety.forms.text_hash", lambda text: "other")
    response = root.post(
        reverse("admin:contentsafety_sample_add"),
        {"category": category.pk, "text": "Send coins"},
        follow=True,
    )
    assert "nothing was stored" in said(response)
    assert Sample.objects.count() == 1


# Policies


def test_a_policy_that_cannot_decide_does_not_go_live(
    root: Client, policy: Policy
) -> None:
    PolicyRule.objects.all().delete()
    assert "no rules and no blocklists" in words(root.get(url("live", policy)))
    response = root.post(url("live", policy), follow=True)
    assert "can't go live" in said(response)
    listed = root.get(reverse("admin:contentsafety_policy_changelist"))
    assert "no rules and no blocklists" in words(listed)
    policy.refresh_from_db()
    assert policy.mode == "shadow"


def test_going_live_tells_what_it_would_have_hidden(
    root: Client, policy: Policy
) -> None:
    providers["default"].script = lambda text: {"Hate": 7 if "bad" in text else 0}
    for body in ("bad", "good", "fine"):
        Comment.objects.create(body=body)
    moderate.drain("default")
    assert "1 of 3" in words(root.get(url("live", policy)))


def test_leaving_off_wakes_what_waited(
    root: Client, policy: Policy, settings: Any
) -> None:
    Policy.objects.update(mode="off")
    Comment.objects.create(body="fine")
    settings.CONTENTSAFETY_WAKE = "inline"
    root.post(url("shadow", policy))
    assert ModerationState.objects.get().state == "done"


def test_a_live_policy_is_not_deleted(root: Client, policy: Policy) -> None:
    Policy.objects.filter(pk=policy.pk).update(mode="live")
    page = words(root.post(url("delete", policy), {"post": "yes"}))
    assert "Switch it off first" in page
    assert Policy.objects.filter(pk=policy.pk).exists()
    Policy.objects.filter(pk=policy.pk).update(mode="off")
    root.post(url("delete", policy), {"post": "yes"})
    assert not Policy.objects.filter(pk=policy.pk).exists()
    assert LogEntry.objects.get(event="policy_deleted").subject == "comments"


def test_the_mode_is_not_a_field_of_the_form(root: Client, policy: Policy) -> None:
    PolicyRule.objects.all().delete()
    data = rule_form(policy, category="Hate", provider="default")
    root.post(url("change", policy), {**data, "mode": "live", "slug": "other"})
    policy.refresh_from_db()
    assert (policy.mode, policy.slug) == ("shadow", "comments")


def test_an_unchanged_policy_keeps_its_version(root: Client, policy: Policy) -> None:
    PolicyRule.objects.all().delete()
    root.post(
        url("change", policy),
        {**rule_form(policy), "rules-TOTAL_FORMS": 0},
        follow=True,
    )
    policy.refresh_from_db()
    assert policy.version == 1


def test_two_rules_for_one_category(root: Client, policy: Policy) -> None:
    PolicyRule.objects.all().delete()
    data = rule_form(policy, category="Hate", provider="default")
    data |= {k.replace("-0-", "-1-"): v for k, v in data.items() if "-0-" in k}
    response = root.post(url("change", policy), {**data, "rules-TOTAL_FORMS": 2})
    assert response.status_code == 200
    assert "duplicate" in words(response)
    assert not policy.rules.exists()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "This field is required."),
        ("a\0b", "Null characters are not allowed."),
        ("a" * 1_000_001, "longer than 1,000,000 bytes"),
    ],
    ids=["empty", "NUL", "long"],
)
def test_a_sample_that_could_not_be_trained_on_is_refused(
    root: Client, category: Category, text: str, problem: str
) -> None:
    data = {"category": category.pk, "text": text, "is_positive": "on"}
    response = root.post(reverse("admin:contentsafety_sample_add"), data)
    (said,) = response.context["adminform"].form.errors["text"]
    assert problem in said
    assert not Sample.objects.exists()


@pytest.mark.parametrize("category", ["", "a" * 65, "a\0"])
def test_a_name_that_is_none_is_refused_once(
    root: Client, policy: Policy, category: str
) -> None:
    PolicyRule.objects.all().delete()
    data = rule_form(policy, category=category, provider="default")
    response = root.post(url("change", policy), data)
    (errors,) = response.context["inline_admin_formsets"][0].formset.errors
    assert [len(words) for words in errors.values()] == [1]


def test_a_new_policy_starts_in_shadow(root: Client, policy: Policy) -> None:
    data = rule_form(policy, category="Hate", provider="default")
    root.post(
        reverse("admin:contentsafety_policy_add"), {**data, "slug": "new"}, follow=True
    )
    assert Policy.objects.get(slug="new").mode == "shadow"
    assert LogEntry.objects.get(event="policy_founded", subject="new").actor_key


def test_a_changed_blocklist_changes_its_policies(root: Client, policy: Policy) -> None:
    root.post(
        reverse("admin:contentsafety_blocklist_add"),
        {
            "name": "words",
            "items-TOTAL_FORMS": 1,
            "items-INITIAL_FORMS": 0,
            "items-0-term": "scunthorpe",
            "items-0-decision": "block",
        },
    )
    blocklist = policy.blocklists.model.objects.get()
    policy.blocklists.add(blocklist)
    item = blocklist.items.get()
    data = {
        "name": "words",
        "items-TOTAL_FORMS": 1,
        "items-INITIAL_FORMS": 1,
        "items-0-id": item.pk,
        "items-0-blocklist": blocklist.pk,
        "items-0-term": "scunthorpe",
        "items-0-decision": "review",
    }
    root.post(url("change", blocklist), data)
    policy.refresh_from_db()
    assert policy.version == 2
    details = LogEntry.objects.get(event="policy_changed").details
    assert details == {"version": 2, "changed": ["items"], "blocklist": blocklist.pk}
    root.post(url("delete", blocklist), {"post": "yes"})
    policy.refresh_from_db()
    assert policy.version == 3
