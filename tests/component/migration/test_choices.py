"""Choices of a request: what becomes of first links, locked settings and the wait for quiet."""

import pytest

from codat_hub.migration.domain.run import FirstLink
from tests.support.migration.world import OPERATOR


def settings_of(world, company=None):
    level = world.codat.company_settings(company) if company else world.codat.client_settings()
    return {setting["dataType"]: setting for setting in level["settings"]}


def override(world, company, **changes):
    """Give a company settings of its own, with these changes in each."""
    level = world.codat.company_settings(company)
    level["settings"] = [{**setting, **changes} for setting in level["settings"]]
    world.codat.set_company_settings({**level, "overridesDefaults": True}, f"own-{company}")


@pytest.mark.parametrize("subset", [False, True])
def test_first_links_are_switched_off_where_schedules_are_off_already(world, subset):
    company = world.companies[0]
    override(world, company, syncSchedule=0, fetchOnFirstLink=True)
    before = world.codat_now()
    chosen = {"company_ids": tuple(world.companies[:2])} if subset else {}
    assert world.migrate(fetch_on_first_link=FirstLink.OFF, **chosen).status == "complete"
    assert not any(each["fetchOnFirstLink"] for each in settings_of(world, company).values())
    world.migrations.rollback(world.migration_id, OPERATOR)
    assert world.go().status == "rolled_back"
    assert world.codat_now() == before


@pytest.mark.parametrize("level", ["client", "company"])
def test_locked_settings_are_left_and_listed_in_the_plan(world, level):
    company = world.companies[0]
    if level == "company":
        override(world, company, syncSchedule=24, isLocked=True)
    else:
        world.state.client_settings.settings[0].is_locked = True
        world.state.client_settings.settings[0].sync_schedule = 24
    first = world.state.client_settings.settings[0].data_type
    before = world.codat_now()
    run = world.migrate()
    assert run.status == "complete"
    after = settings_of(world, company if level == "company" else None)
    assert after[first]["syncSchedule"] == 24
    others = [each["syncSchedule"] for name, each in after.items() if name != first]
    assert set(others) == ({24} if level == "company" else {0})
    (warning,) = [text for text in run.plan["warnings"] if "locked" in text]
    assert (company if level == "company" else f"the client: {first}") in warning
    world.migrations.rollback(world.migration_id, OPERATOR)
    assert world.go().status == "rolled_back"
    assert world.codat_now() == before


@pytest.mark.parametrize(("hours", "waited"), [(None, 720), (2, 2)])
def test_the_first_wait_for_quiet_can_be_shortened_with_a_warning(world, hours, waited):
    levels = [world.state.client_settings]
    levels += [company.override for company in world.state.companies.values() if company.override]
    for setting in (setting for level in levels for setting in level.settings):
        setting.sync_schedule = 720 if setting.sync_schedule > 0 else setting.sync_schedule
    run = world.migrate(quiet_hours=hours)
    assert run.status == "complete"
    assert waited * 3600 in world.waited
    assert any("shortest schedule" in text for text in run.plan["warnings"]) == (hours is not None)
    assert "JudgeQuiet" in world.visited
