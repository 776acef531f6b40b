import contextlib
import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maasnb.errors import ArtifactError, ConflictError, MaasError, OptionError, UnknownNameError
from maasnb.registry.traffic import (
    Canary,
    Change,
    Plan,
    Stamp,
    check_alias,
    hide,
    move,
    remove_alias,
    roll_back,
    set_canary,
    set_shadow,
    show,
)

VERSIONS = (1, 2, 3, 4)
STAMP = Stamp(time_s=1000.0, by="ann")


def promoted(*versions, plan=None, alias="prod"):
    plan = plan or Plan()
    for version in versions:
        plan = move(plan, VERSIONS, alias, version, STAMP)
    return plan


def rolled_back(plan, times=1):
    for _ in range(times):
        plan = roll_back(plan, VERSIONS, "prod", STAMP)
    return plan.aliases["prod"]


def test_without_aliases_the_newest_version_answers():
    assert Plan().main(VERSIONS) == 4


def test_a_promoted_version_answers():
    plan = promoted(2)
    assert plan.main(VERSIONS) == 2
    assert plan.history == (
        Change(action="promote", time=1000.0, by="ann", alias="prod", version=2, before=4),
    )


def test_another_alias_changes_nothing_for_requests_without_a_version():
    assert promoted(1, alias="staging").main(VERSIONS) == 4


def test_promoting_what_answers_already_changes_nothing():
    plan = promoted(2)
    assert promoted(2, plan=plan) is plan


def test_a_rollback_goes_back_and_once_more_further():
    plan = promoted(1, 2, 3)
    assert rolled_back(plan) == 2
    assert rolled_back(plan, 2) == 1


def test_the_first_rollback_goes_back_to_what_was_newest_before_the_first_promotion():
    assert rolled_back(promoted(1)) == 4


def test_a_rollback_after_a_rollback_and_a_promotion_goes_back_to_the_version_between():
    plan = roll_back(promoted(1, 2, 3), VERSIONS, "prod", STAMP)
    assert rolled_back(promoted(4, plan=plan)) == 2


def test_without_earlier_promotions_a_rollback_takes_the_version_before():
    assert rolled_back(Plan()) == 3
    assert rolled_back(promoted(4)) == 3


def test_a_rollback_skips_versions_that_are_unpublished():
    plan = hide(promoted(1, 2, 3), VERSIONS, 2, STAMP)
    assert roll_back(plan, (1, 3, 4), "prod", STAMP).aliases["prod"] == 1


def test_with_one_version_there_is_nothing_to_roll_back_to():
    with pytest.raises(ConflictError, match=r"nothing to roll back to.*The versions are 1\."):
        roll_back(Plan(), (1,), "prod", STAMP)


def test_the_canary_that_is_promoted_has_done_its_work():
    plan = set_canary(promoted(1), VERSIONS, Canary(version=2, percent=10), STAMP)
    assert promoted(2, plan=plan).canary is None
    assert promoted(3, plan=plan).canary == Canary(version=2, percent=10)


def test_the_shadow_that_is_promoted_has_done_its_work():
    plan = set_shadow(promoted(1), VERSIONS, 2, STAMP)
    assert plan.shadow == 2
    assert promoted(2, plan=plan).shadow is None


@pytest.mark.parametrize("percent", [0, -1, 100.1, float("nan")])
def test_a_canary_needs_a_percentage(percent):
    with pytest.raises(OptionError, match="more than 0 and at most 100"):
        set_canary(promoted(1), VERSIONS, Canary(version=2, percent=percent), STAMP)


def test_what_answers_everything_can_be_neither_canary_nor_shadow():
    with pytest.raises(OptionError, match=r"the alias 'prod' points to it.*endpoint.promote\(4\)"):
        set_shadow(promoted(1), VERSIONS, 1, STAMP)
    with pytest.raises(OptionError, match=r"it is the newest.*endpoint.promote\(3\)"):
        set_canary(Plan(), VERSIONS, Canary(version=4, percent=10), STAMP)


def test_canary_and_shadow_end():
    plan = set_canary(promoted(1), VERSIONS, Canary(version=2, percent=10), STAMP)
    plan = set_shadow(plan, VERSIONS, 3, STAMP)
    ended = set_shadow(set_canary(plan, VERSIONS, None, STAMP), VERSIONS, None, STAMP)
    assert (ended.canary, ended.shadow) == (None, None)
    assert [change.action for change in ended.history[-2:]] == ["canary", "shadow"]
    assert set_canary(ended, VERSIONS, None, STAMP) is ended


def test_a_version_in_use_is_not_unpublished():
    plan = set_canary(promoted(1), VERSIONS, Canary(version=2, percent=10), STAMP)
    plan = set_shadow(plan, VERSIONS, 3, STAMP)
    for version, words in [(1, "the alias 'prod'"), (2, "the canary"), (3, "the shadow")]:
        with pytest.raises(ConflictError, match=f"cannot be unpublished: {words} is using it"):
            hide(plan, VERSIONS, version, STAMP)
    assert hide(plan, VERSIONS, 4, STAMP).visible(VERSIONS) == (1, 2, 3)


def test_unpublishing_a_model_takes_everything_away_but_its_history():
    plan = hide(promoted(1, 2), VERSIONS, None, STAMP)
    assert (plan.aliases, plan.visible(VERSIONS)) == ({}, ())
    assert [change.action for change in plan.history] == ["promote", "promote", "unpublish"]
    assert show(plan, 3, STAMP).visible(VERSIONS) == (3,)


def test_an_alias_is_removed():
    plan = remove_alias(promoted(1), "prod", STAMP)
    assert plan.main(VERSIONS) == 4
    with pytest.raises(UnknownNameError, match="no alias 'prod'"):
        remove_alias(plan, "prod", STAMP)


def test_an_unknown_version_is_refused_with_those_that_there_are():
    for change in (
        lambda: promoted(7),
        lambda: set_canary(Plan(), VERSIONS, Canary(version=7, percent=1), STAMP),
        lambda: set_shadow(Plan(), VERSIONS, 7, STAMP),
        lambda: hide(Plan(), VERSIONS, 7, STAMP),
    ):
        with pytest.raises(UnknownNameError, match=r"no version '7'.*Known: 1, 2, 3, 4\."):
            change()


@pytest.mark.parametrize("alias", ["", "7", "7up", "a b", "x" * 33, "../x", "ä"])
def test_a_word_that_could_be_taken_for_something_else_is_no_alias(alias):
    with pytest.raises(OptionError, match="cannot be an alias"):
        check_alias(alias)


def test_the_history_does_not_grow_without_end():
    plan = Plan()
    for number in range(1200):
        plan = promoted(1 + number % 2, plan=plan)
    assert len(plan.history) == 500
    assert rolled_back(plan) == 1


CHANGES = st.lists(
    st.tuples(
        st.sampled_from(["move", "back", "canary", "shadow", "hide", "show"]),
        st.integers(1, 4),
        st.sampled_from(["prod", "staging"]),
    ),
    max_size=30,
)


def applied(plan, action, version, alias):
    visible = plan.visible(VERSIONS)
    if action == "show":
        return show(plan, version, STAMP)
    if not visible:
        return plan
    if action == "move":
        return move(plan, visible, alias, version, STAMP)
    if action == "back":
        return roll_back(plan, visible, alias, STAMP)
    if action == "canary":
        return set_canary(plan, visible, Canary(version=version, percent=5), STAMP)
    change = {"shadow": set_shadow, "hide": hide}[action]
    return change(plan, visible, version, STAMP)


def after(changes):
    """Apply changes, the refused ones left out."""
    plan = Plan()
    for change in changes:
        with contextlib.suppress(MaasError):
            plan = applied(plan, *change)
    return plan


@given(changes=CHANGES)
def test_whatever_is_done_only_versions_that_are_there_answer(changes):
    plan = after(changes)
    visible = plan.visible(VERSIONS)
    used = {*plan.aliases.values()}
    used |= {plan.shadow} - {None} | ({plan.canary.version} if plan.canary else set())
    assert used <= {*visible}
    if visible:
        main = plan.main(visible)
        assert main in visible
        if "prod" in plan.aliases:
            assert plan.shadow != main
            assert plan.canary is None or plan.canary.version != main


@given(changes=CHANGES)
def test_a_document_is_read_as_it_was_written(changes):
    plan = after(changes)
    assert Plan.from_bytes(plan.to_bytes()) == plan


@pytest.mark.parametrize(
    "wrong",
    [
        b"",
        b"[]",
        b'{"schema": 1}',
        dataclasses.replace(promoted(1), aliases={"prod": 0}).to_bytes(),
        dataclasses.replace(promoted(1), aliases={"7": 1}).to_bytes(),
        dataclasses.replace(Plan(), shadow=-1).to_bytes(),
        dataclasses.replace(Plan(), canary=Canary(version=1, percent=400)).to_bytes(),
        b"[" * 100_000,
    ],
)
def test_a_document_that_is_none_is_refused(wrong):
    with pytest.raises(ArtifactError, match=r"traffic.json of a model cannot be read"):
        Plan.from_bytes(wrong)
