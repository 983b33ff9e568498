"""A decision is pure, monotonic, and never *allow* where an answer is missing."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
from hypothesis import given, strategies as st

from django_contentsafety.decisions import (
    Decision,
    DecisionValue,
    Rule,
    decide,
    is_unsure,
)
from django_contentsafety.verdicts import (
    SCALE_RANGE,
    BlocklistHit,
    CategoryScore,
    Scale,
    Span,
    Verdict,
)

ALLOW, REVIEW, BLOCK = DecisionValue
WEIGHT = {ALLOW: 0, REVIEW: 1, BLOCK: 2}

PROVIDERS = ["default", "local", "azure"]
CATEGORIES = ["Hate", "Violence", "crypto-scam"]


def weight(decision: Decision) -> int:
    return WEIGHT[decision.value]


def verdict(source="default", hits=(), **values):
    """A verdict with one answer a keyword: a bool is *detected*, an int a severity."""
    scores = tuple(
        CategoryScore(
            category=category,
            detected=value if isinstance(value, bool) else None,
            severity=value if type(value) is int else None,
            score=value if isinstance(value, float) else None,
        )
        for category, value in values.items()
    )
    return Verdict(source=source, scores=scores, hits=hits)


def hit(decision, blocklist="slurs"):
    span = Span(field="", start=0, end=1)
    return BlocklistHit(blocklist=blocklist, term="t", decision=decision, span=span)


def on(scale):
    low, high = SCALE_RANGE[scale]
    if scale == Scale.DETECTED:
        return st.booleans()
    if scale == Scale.SEVERITY:
        return st.integers(int(low), int(high))
    return st.floats(low, high)


def thresholds(scale):
    low, high = SCALE_RANGE[scale]
    # Few values, so that answers and thresholds often meet.
    step = 8 if scale == Scale.SEVERITY else 4
    values = [low + i * (high - low) / (step - 1) for i in range(step)]
    return st.one_of(st.none(), st.sampled_from(values), st.floats(low, high))


@st.composite
def rules(draw):
    scale = draw(st.sampled_from(Scale.values))
    bounds = sorted(
        [draw(thresholds(scale)) for _ in range(2)],
        key=lambda bound: math.inf if bound is None else bound,
    )
    if draw(st.booleans()) and bounds[1] is None:
        bounds.reverse()  # block at once, review never
    return Rule(
        category=draw(st.sampled_from(CATEGORIES)),
        provider=draw(st.sampled_from(PROVIDERS)),
        scale=scale,
        review_at=bounds[0],
        block_at=bounds[1],
    )


@st.composite
def category_scores(draw, category):
    return CategoryScore(
        category=category,
        score=draw(st.none() | on(Scale.SCORE)),
        severity=draw(st.none() | on(Scale.SEVERITY)),
        detected=draw(st.none() | on(Scale.DETECTED)),
    )


@st.composite
def verdicts(draw):
    answered = draw(st.lists(st.sampled_from(PROVIDERS), unique=True))
    return {
        alias: Verdict(
            source=alias,
            scores=tuple(
                draw(category_scores(category))
                for category in draw(st.lists(st.sampled_from(CATEGORIES), unique=True))
            ),
            hits=tuple(
                hit(value)
                for value in draw(
                    st.lists(st.sampled_from(DecisionValue.values), max_size=2)
                )
            ),
        )
        for alias in answered
    }


some_rules = st.lists(rules(), max_size=6)


@given(some_rules, verdicts(), st.data())
def test_a_higher_value_never_makes_it_milder(ruleset, answers, data):
    given = [
        (alias, index, scale)
        for alias, verdict in sorted(answers.items())
        for index, score in enumerate(verdict.scores)
        for scale in Scale.values
        if getattr(score, scale) is not None
    ]
    if not given:
        return  # Nothing to raise: assume() would give too many examples up.
    alias, index, scale = data.draw(st.sampled_from(given))
    scores = list(answers[alias].scores)
    higher = max(getattr(scores[index], scale), data.draw(on(scale)))
    scores[index] = replace(scores[index], **{scale: higher})
    raised = {**answers, alias: replace(answers[alias], scores=tuple(scores))}
    assert weight(decide(ruleset, raised)) >= weight(decide(ruleset, answers))


@given(some_rules, rules(), verdicts())
def test_another_rule_never_makes_it_milder(ruleset, rule, answers):
    more = decide([*ruleset, rule], answers)
    assert weight(more) >= weight(decide(ruleset, answers))


@given(some_rules, verdicts(), st.sampled_from(DecisionValue.values))
def test_another_hit_never_makes_it_milder(ruleset, answers, value):
    more = {**answers, "blocklists": Verdict(source="blocklists", hits=(hit(value),))}
    assert weight(decide(ruleset, more)) >= weight(decide(ruleset, answers))


@given(some_rules, verdicts())
def test_it_is_never_allow_where_a_rule_is_unanswered(ruleset, answers):
    def is_answered(rule):
        answer = answers.get(rule.provider)
        score = answer.score_for(rule.category) if answer else None
        return score is not None and getattr(score, rule.scale) is not None

    decision = decide(ruleset, answers)
    missing = [rule for rule in ruleset if not is_answered(rule)]
    assert [reason.kind for reason in decision.reasons].count("unanswered") == len(
        missing
    )
    if missing:
        assert decision.value != ALLOW


@given(
    some_rules.flatmap(lambda r: st.tuples(st.just(r), st.permutations(r))), verdicts()
)
def test_the_order_of_rules_makes_no_difference(orders, answers):
    one, other = (decide(ruleset, answers) for ruleset in orders)
    assert one.value == other.value
    assert sorted(map(repr, one.reasons)) == sorted(map(repr, other.reasons))
    assert is_unsure(orders[0], answers) == is_unsure(orders[1], answers)


@given(some_rules, verdicts())
def test_the_value_is_its_worst_reason(ruleset, answers):
    decision = decide(ruleset, answers)
    worst = max((WEIGHT[reason.decision] for reason in decision.reasons), default=0)
    assert weight(decision) == worst
    assert all(reason.decision != ALLOW for reason in decision.reasons)
    assert decision.is_blocked == (decision.value == BLOCK)
    # Reasons are stored: nothing that JSON hasn't, and no term.
    assert "term" not in json.dumps([reason.as_dict() for reason in decision.reasons])


@pytest.mark.parametrize(
    ("review_at", "block_at", "value", "expected"),
    [
        (4, 6, 3, ALLOW),
        (4, 6, 4, REVIEW),
        (4, 6, 5, REVIEW),
        (4, 6, 6, BLOCK),
        (4, 6, 7, BLOCK),
        (4, 4, 3, ALLOW),
        (4, 4, 4, BLOCK),
        (0, None, 0, REVIEW),
        (None, 0, 0, BLOCK),
        (4, None, 7, REVIEW),
        (None, 6, 5, ALLOW),
        (None, 6, 6, BLOCK),
        (None, None, 7, ALLOW),
    ],
)
def test_thresholds_are_inclusive_and_none_is_never(
    review_at, block_at, value, expected
):
    rule = Rule(
        category="Hate",
        provider="default",
        scale=Scale.SEVERITY,
        review_at=review_at,
        block_at=block_at,
    )
    decision = decide([rule], {"default": verdict(Hate=value)})
    assert decision.value == expected
    if expected == ALLOW:
        assert decision.reasons == ()
    else:
        (reason,) = decision.reasons
        assert (reason.kind, reason.source) == ("threshold", "default")
        assert (reason.category, reason.scale) == ("Hate", "severity")
        assert reason.value == value
        assert reason.threshold == (block_at if expected == BLOCK else review_at)


@pytest.mark.parametrize(
    ("scale", "value", "expected"),
    [
        (Scale.SCORE, 0.5, REVIEW),
        (Scale.SCORE, math.nextafter(0.5, 0), ALLOW),
        (Scale.SCORE, 0.9, BLOCK),
        (Scale.DETECTED, False, ALLOW),
        (Scale.DETECTED, True, BLOCK),
    ],
)
def test_each_scale_has_its_own_thresholds(scale, value, expected):
    rule = Rule(
        category="Hate", provider="default", scale=scale, review_at=0.5, block_at=0.9
    )
    assert decide([rule], {"default": verdict(Hate=value)}).value == expected


#: Answers that are none: the verdicts for a rule on Hate's severity by "default".
NO_ANSWER = {
    "no verdict": {},
    "another source's": {"local": verdict("local", Hate=7)},
    "another category's": {"default": verdict(Violence=7)},
    "on another scale": {"default": verdict(Hate=0.0)},
    "nothing in it": {"default": verdict()},
    "only given as None": {
        "default": Verdict(source="default", scores=(CategoryScore(category="Hate"),))
    },
}


@pytest.mark.parametrize("case", NO_ANSWER)
def test_could_not_check_never_passes_for_nothing_found(case):
    rule = Rule(category="Hate", provider="default", scale=Scale.SEVERITY, block_at=6)
    decision = decide([rule], NO_ANSWER[case])
    assert decision.value == REVIEW
    assert [reason.kind for reason in decision.reasons] == ["unanswered"]
    assert not is_unsure([rule], NO_ANSWER[case])


@pytest.mark.parametrize("thresholds", [{"review_at": 0.5}, {"block_at": 0.5}])
def test_not_a_number_is_no_answer(thresholds):
    rule = Rule(category="Hate", provider="default", **thresholds)
    decision = decide([rule], {"default": verdict(Hate=math.nan)})
    assert decision.value == REVIEW
    assert [reason.kind for reason in decision.reasons] == ["unanswered"]


@pytest.mark.parametrize(
    ("decisions", "expected"),
    [
        ([], ALLOW),
        (["allow"], ALLOW),
        (["review"], REVIEW),
        (["block"], BLOCK),
        (["block", "allow"], BLOCK),
        (["allow", "review"], REVIEW),
    ],
)
def test_a_hit_decides_as_its_item_says(decisions, expected):
    hits = tuple(hit(decision, blocklist=f"l-{decision}") for decision in decisions)
    decision = decide([], {"blocklists": Verdict(source="blocklists", hits=hits)})
    assert decision.value == expected
    assert [(r.kind, r.source, r.category) for r in decision.reasons] == [
        ("blocklist", "blocklists", f"l-{value}")
        for value in decisions
        if value != "allow"
    ]


def test_an_allowed_term_does_not_outweigh_a_score():
    rule = Rule(category="Hate", provider="default", scale=Scale.SEVERITY, block_at=6)
    answers = {
        "blocklists": Verdict(source="blocklists", hits=(hit("allow"),)),
        "default": verdict(Hate=6),
    }
    assert decide([rule], answers).value == BLOCK


@pytest.mark.parametrize(
    ("review_at", "block_at", "value", "expected"),
    [
        (4, 6, 3, False),
        (4, 6, 4, True),
        (4, 6, 5, True),
        (4, 6, 6, False),
        (4, 4, 4, False),
        (4, None, 7, True),
        (None, 6, 5, False),
        (None, 6, 6, False),
    ],
)
def test_unsure_is_between_the_thresholds(review_at, block_at, value, expected):
    sure = Rule(category="Violence", provider="default", scale="severity", block_at=6)
    rule = replace(sure, category="Hate", review_at=review_at, block_at=block_at)
    answers = {"default": verdict(Hate=value, Violence=0)}
    assert is_unsure([sure, rule], answers) is expected


def test_nothing_asked_is_allowed():
    assert decide([], {}) == Decision(value=ALLOW)
    assert is_unsure([], {}) is False
