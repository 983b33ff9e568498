"""Every transition of a moderation row, and who brings it about.

A list, because the promise counts them: the tests compare it with the public functions
of the flows. ``prepare`` commits what the transition starts from; ``act`` is what may
end at any statement, and gets what ``prepare`` returned.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.test import override_settings

from django_contentsafety.flows import (
    bulk_rounds,
    purge,
    review,
    rounds,
    upkeep,
    working,
)
from django_contentsafety.flows.moderate import drain
from django_contentsafety.flows.reconcile import begin_again, reconcile
from django_contentsafety.models import ModerationState
from tests.crashes import site
from tests.crashes.starts import (
    approved,
    asked_to_reanalyze,
    asked_to_redecide,
    batch,
    claim_all,
    claimed,
    decided,
    draft,
    finish,
    held,
    in_a_round,
    judged,
    left_behind,
    new_rules,
    nothing,
    old,
    raw_delete,
    too_old,
    two_policies,
    unseen,
    waiting,
)
from tests.policies import make_due, raw_update, state_of
from tests.testapp.models import Bulletin, Comment

Prepare = Callable[[str], Any]
Act = Callable[[str, Any], object]


@dataclass(frozen=True)
class Transition:
    name: str
    prepare: Prepare
    act: Act
    #: It writes what no signal tells of: only the reconciler brings that in order.
    unseen: bool = False


TRANSITIONS: dict[str, Transition] = {}


def transition(prepare: Prepare, *, unseen: bool = False) -> Callable[[Act], Act]:
    def add(act: Act) -> Act:
        TRANSITIONS[act.__name__] = Transition(act.__name__, prepare, act, unseen)
        return act

    return add


# --- Savers -----------------------------------------------------------------------


@transition(nothing)
def create(using: str, _: Any) -> None:
    Comment(body="bad").save(using=using)


@transition(nothing)
def create_under_two_policies(using: str, _: Any) -> None:
    Bulletin(title="fine", body="bad").save(using=using)


@transition(nothing)
def create_in_a_transaction(using: str, _: Any) -> None:
    with transaction.atomic(using):
        Comment(body="bad").save(using=using)
        with transaction.atomic(using):
            Comment(body="fine").save(using=using)


@transition(nothing)
def create_a_draft(using: str, _: Any) -> None:
    draft(using)


@transition(draft)
def publish(using: str, obj: Comment) -> None:
    obj.is_draft = False
    obj.save()


@transition(approved)
def withdraw(using: str, obj: Comment) -> None:
    obj.is_draft = True
    obj.save(update_fields=["is_draft"])


@transition(decided)
def edit(using: str, obj: Comment) -> None:
    obj.body = "bad"
    obj.save()


@transition(approved)
def edit_in_a_transaction(using: str, obj: Comment) -> None:
    with transaction.atomic(using):
        obj.body = "dubious"
        obj.save(update_fields=["body"])


@transition(claimed)
def edit_while_leased(using: str, row: ModerationState) -> None:
    obj = Comment.objects.using(using).get()
    obj.body = "fine"
    obj.save()


@transition(approved)
def save_unchanged(using: str, obj: Comment) -> None:
    obj.save()


@transition(two_policies)
def edit_under_two_policies(using: str, obj: Bulletin) -> None:
    obj.title = "bad"
    obj.save()


@transition(decided)
def delete(using: str, obj: Comment) -> None:
    obj.delete()


@transition(nothing)
def bulk_create(using: str, _: Any) -> None:
    Comment.objects.using(using).bulk_create([Comment(body="a"), Comment(body="bad")])


@transition(nothing, unseen=True)
def bulk_create_for_the_reconciler(using: str, _: Any) -> None:
    Comment.objects.using(using).bulk_create(
        [Comment(body="a"), Comment(body="bad")], contentsafety="reconcile"
    )


@transition(approved)
def bulk_update(using: str, obj: Comment) -> None:
    obj.body = "dubious"
    Comment.objects.using(using).bulk_update([obj], ["body"])


@transition(decided)
def update(using: str, obj: Comment) -> None:
    Comment.objects.using(using).filter(pk=obj.pk).update(body="bad")


@transition(nothing)
@override_settings(CONTENTSAFETY_WAKE="inline")
def create_and_drain_inline(using: str, _: Any) -> None:
    Comment(body="bad").save(using=using)


# --- Workers ----------------------------------------------------------------------


@transition(waiting)
def claim(using: str, _: Any) -> None:
    assert claim_all(using)


@transition(left_behind)
def claim_what_was_left(using: str, _: Any) -> None:
    assert claim_all(using)


@transition(claimed)
def renew(using: str, row: ModerationState) -> None:
    assert ModerationState.objects.using(using).renew(row, 120)


@transition(judged)
def keep(using: str, prepared: Any) -> None:
    rows = [case.row for case in prepared[1]]
    ModerationState.objects.using(using).keep(rows, 120)


@transition(claimed)
def release(using: str, row: ModerationState) -> None:
    states = ModerationState.objects.using(using)
    assert states.release(row, code="network", delay=1.0, refund=True)


@transition(waiting)
def complete(using: str, _: Any) -> None:
    assert drain(using).decided == 1


@transition(batch)
def complete_a_batch(using: str, prepared: Any) -> None:
    finish(using, prepared[1])


@transition(batch, unseen=True)
def complete_a_batch_after_an_unseen_edit(using: str, prepared: Any) -> None:
    raw_update(Comment.objects.using(using).get(body="bad"), "fine")
    finish(using, prepared[1])


@transition(judged)
def complete_two_policies(using: str, prepared: Any) -> None:
    finish(using, prepared[1])


@transition(judged, unseen=True)
def complete_after_an_unseen_edit(using: str, prepared: Any) -> None:
    obj, cases = prepared
    type(obj).objects.using(using).filter(pk=obj.pk).update(body="dubious")
    finish(using, cases)


@transition(judged)
def complete_after_an_edit(using: str, prepared: Any) -> None:
    obj, cases = prepared
    obj.title = "bad"
    obj.save()
    finish(using, cases)


@transition(judged, unseen=True)
def complete_after_an_unseen_delete(using: str, prepared: Any) -> None:
    raw_delete(prepared[0])
    finish(using, prepared[1])


@transition(waiting, unseen=True)
def read_after_an_unseen_delete(using: str, obj: Comment) -> None:
    rows = claim_all(using)
    raw_delete(obj)
    working.read(rows, using, working.DrainCounts())


@transition(waiting)
def answer_in_part(using: str, _: Any) -> None:
    """The first source's answer is kept, the second is asked again later."""
    with site.failing("second", "network"):
        drain(using)
    make_due(using)
    drain(using)


@transition(waiting)
def exhaust(using: str, _: Any) -> None:
    with site.failing("default", "content"):
        assert drain(using).exhausted == 1


@transition(left_behind)
def exhaust_poison(using: str, _: Any) -> None:
    ModerationState.objects.using(using).update(crashes=3)
    drain(using)


# --- Housekeepers -----------------------------------------------------------------


@transition(left_behind)
def free_leases(using: str, _: Any) -> None:
    counts = upkeep.sweep(using)
    assert (counts.freed, counts.poisoned) == (1, 1)


@transition(too_old)
def exhaust_old(using: str, _: Any) -> None:
    assert upkeep.sweep(using).too_old == 1


@transition(unseen, unseen=True)
def reconcile_a_pass(using: str, _: Any) -> None:
    begin_again("testapp.comment", using)
    reconcile(using, only=site.moderation(Comment))


@transition(unseen, unseen=True)
def purge_orphans(using: str, _: Any) -> None:
    assert purge.purge_orphans(using) == 1


@transition(old)
def purge_results(using: str, _: Any) -> None:
    purge.purge_results(using)


@transition(new_rules)
def redecide(using: str, _: Any) -> None:
    assert rounds.redecide("comments", using, by="7").changed == 1


@transition(new_rules)
def reanalyze(using: str, _: Any) -> None:
    assert rounds.reanalyze("comments", using, by="7").changed == 3


@transition(in_a_round)
def call_off(using: str, _: Any) -> None:
    assert rounds.call_off("comments", using, by="7") == 1


@transition(new_rules)
def ask_for_a_round(using: str, _: Any) -> None:
    bulk_rounds.ask("comments", "redecide", using, by="7")


@transition(asked_to_redecide)
def go_on_with_redeciding(using: str, _: Any) -> None:
    while bulk_rounds.running(using):
        bulk_rounds.advance(using)


@transition(asked_to_reanalyze)
def go_on_with_reanalyzing(using: str, _: Any) -> None:
    while bulk_rounds.running(using):
        bulk_rounds.advance(using)


@transition(asked_to_reanalyze)
def stop_a_round(using: str, _: Any) -> None:
    bulk_rounds.advance(using, seconds=0)
    assert bulk_rounds.stop("comments", using, by="7") == 3


# --- Reviewers --------------------------------------------------------------------


@transition(held)
def approve(using: str, row: ModerationState) -> None:
    review.approve(row.pk, using=using, generation=1, by="7")


@transition(claimed)
def reject(using: str, row: ModerationState) -> None:
    review.reject(row.pk, using=using, generation=1, by="7")


@transition(approved)
def retry(using: str, obj: Comment) -> None:
    review.retry(state_of(obj).pk, using=using, generation=1, by="7")
