from __future__ import annotations

import pytest

from django_contentsafety.exceptions import RefusedError
from django_contentsafety.flows.policies import (
    record_change,
    switch_mode,
    would_have_hidden,
)
from django_contentsafety.models import LogEntry, ModerationState, Policy, PolicyRule

pytestmark = pytest.mark.django_db(databases="__all__")


@pytest.fixture
def policy() -> Policy:
    # The test app names it, so migrating has founded it with default rules.
    return Policy.objects.get(slug="comments")


def test_a_switch_is_logged_with_its_actor(policy: Policy) -> None:
    switch_mode(policy, "live", by="7")
    policy.refresh_from_db()
    assert policy.mode == "live"
    entry = LogEntry.objects.filter(event="policy_mode").get()
    assert (entry.from_value, entry.to_value) == ("shadow", "live")
    assert (entry.actor_key, entry.subject) == ("7", "comments")


def test_the_mode_it_has_is_no_change(policy: Policy) -> None:
    switch_mode(policy, "shadow", by="7")
    assert not LogEntry.objects.filter(event="policy_mode").exists()


@pytest.mark.parametrize("before", ["shadow", "off"])
def test_without_rules_it_cannot_go_live(policy: Policy, before: str) -> None:
    Policy.objects.filter(pk=policy.pk).update(mode=before)
    PolicyRule.objects.filter(policy=policy).delete()
    with pytest.raises(RefusedError, match="no rules and no blocklists"):
        switch_mode(policy, "live", by="7")
    policy.refresh_from_db()
    assert policy.mode == before
    assert not LogEntry.objects.filter(event="policy_mode").exists()


def test_an_unknown_mode_names_the_known_ones(policy: Policy) -> None:
    with pytest.raises(RefusedError, match="live, shadow, off"):
        switch_mode(policy, "on", by="7")


def test_a_deleted_policy_is_gone(policy: Policy) -> None:
    Policy.objects.filter(pk=policy.pk).delete()
    with pytest.raises(RefusedError, match="gone"):
        switch_mode(policy, "off", by="7")


def test_a_stale_instance_logs_what_the_database_held(policy: Policy) -> None:
    Policy.objects.filter(pk=policy.pk).update(mode="off")
    switch_mode(policy, "live", by="7")
    assert LogEntry.objects.get(event="policy_mode").from_value == "off"


def test_a_change_raises_the_version(policy: Policy) -> None:
    record_change(policy, by="7", rules=2)
    assert policy.version == 2
    entry = LogEntry.objects.get(event="policy_changed")
    assert entry.details == {"version": 2, "rules": 2}


def test_would_have_hidden_counts_current_decisions_of_all_databases(
    policy: Policy, settings: object
) -> None:
    settings.CONTENTSAFETY_DATABASES = ["default", "other"]  # type: ignore[attr-defined]

    def state(using: str, key: str, **values: object) -> None:
        ModerationState.objects.using(using).create(
            model="testapp.comment", object_key=key, policy="comments", **values
        )

    decided = {"state": "done", "decided_generation": 1}
    state("default", "1", decision="block", **decided)
    state("default", "2", decision="allow", **decided)
    state("other", "1", decision="review", **decided)
    # Decided for an earlier text, not yet decided, and nobody's business.
    state("default", "3", decision="block", generation=2, decided_generation=1)
    state("default", "4")
    state("default", "5", decision="block", decided_generation=1, state="exempt")
    assert would_have_hidden(policy) == (2, 3)
