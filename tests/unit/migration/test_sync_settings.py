from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codat_hub.migration.domain import sync_settings
from codat_hub.migration.domain.run import FirstLink
from codat_hub.migration.domain.sync_settings import OffUnknown

HOURS = st.sampled_from([-1, 0, 1, 6, 24, 168, 720])
SETTING = st.fixed_dictionaries(
    {"fetchOnFirstLink": st.booleans(), "syncSchedule": HOURS, "syncOrder": st.integers(0, 9)},
    optional={
        "monthsToSync": st.integers(1, 48) | st.none(),
        "isLocked": st.booleans(),
        "syncFromUtc": st.just("2024-01-01T00:00:00Z"),
        "aNewField": st.text(max_size=5),
    },
)


@st.composite
def settings(draw):
    types = draw(st.lists(st.sampled_from(["a", "b", "c", "d", "e"]), unique=True))
    return {
        "clientId": "c",
        "settings": [{"dataType": type_, **draw(SETTING)} for type_ in types],
        "overridesDefaults": draw(st.booleans()),
    }


def level(*hours, counts=True):
    entries = [{"dataType": f"t{n}", "syncSchedule": one} for n, one in enumerate(hours)]
    return {"settings": entries, "overridesDefaults": counts}


class TestOff:
    def test_it_is_what_the_client_uses_for_a_type_that_is_off(self):
        assert sync_settings.off_value(level(24, 0, 1), None) == 0
        assert sync_settings.off_value(level(24, -1), None) == -1

    def test_what_is_configured_wins(self):
        assert sync_settings.off_value(level(24, 0), -1) == -1

    @pytest.mark.parametrize(
        ("hours", "seen"),
        [
            ((), "it switches no data type off"),
            ((24, 1), "it switches no data type off"),
            ((0, -1, 24), r"it uses different values, \[-1, 0\]"),
        ],
    )
    def test_it_is_refused_when_nothing_or_two_things_show_it(self, hours, seen):
        with pytest.raises(OffUnknown, match=f"{seen}. Set one data type to None in the Portal"):
            sync_settings.off_value(level(*hours), None)

    @given(settings(), st.sampled_from([0, -1]))
    def test_switching_off_changes_schedules_and_nothing_else(self, before, off):
        after = sync_settings.switched_off(before, off, FirstLink.KEEP)
        assert sync_settings.is_off(after)
        on = {each["dataType"] for each in after["settings"] if each["syncSchedule"] > 0}
        assert on == set(sync_settings.locked(before))
        assert after["overridesDefaults"] is True
        assert {**after, "settings": 0, "overridesDefaults": 0} == {
            **before, "settings": 0, "overridesDefaults": 0,
        }  # fmt: skip
        for one, other in zip(before["settings"], after["settings"], strict=True):
            changed = {name for name in one if one[name] != other[name]}
            assert changed <= {"syncSchedule"}
            assert list(one) == list(other)
            assert (one["syncSchedule"] > 0 and not one.get("isLocked")) or not changed

    @pytest.mark.parametrize("hours", [1, 24])
    def test_every_interval_is_on(self, hours):
        assert not sync_settings.is_off(level(0, hours))
        assert sync_settings.is_off(level(0, -1))

    @given(settings())
    def test_the_first_fetch_is_switched_off_only_where_chosen(self, before):
        after = sync_settings.switched_off(before, 0, FirstLink.OFF)
        kept = [setting for setting in after["settings"] if setting["fetchOnFirstLink"]]
        assert all(setting.get("isLocked") for setting in kept)
        assert all(setting["fetchOnFirstLink"] in {True, False} for setting in after["settings"])
        assert not sync_settings.needs_change(after, FirstLink.OFF)

    @given(settings())
    def test_switching_off_twice_is_switching_off_once(self, before):
        once = sync_settings.switched_off(before, 0, FirstLink.KEEP)
        assert sync_settings.switched_off(once, 0, FirstLink.KEEP) == once


class TestDifferences:
    @given(settings(), st.randoms())
    def test_order_and_nulls_do_not_count(self, one, rng):
        shuffled = [dict(entry) for entry in one["settings"]]
        rng.shuffle(shuffled)
        for entry in shuffled:
            entry["syncFromWindow"] = None
        assert sync_settings.differences(one, {**one, "settings": shuffled}) == ()

    @given(settings())
    def test_every_other_difference_is_named(self, one):
        other = sync_settings.switched_off(one, 0, FirstLink.KEEP)
        named = {text.partition(":")[0] for text in sync_settings.differences(one, other)}
        on = {each["dataType"] for each in one["settings"] if each["syncSchedule"] > 0}
        changed = on - set(sync_settings.locked(one))
        expected = changed | (set() if one["overridesDefaults"] else {"overridesDefaults is True"})
        assert {text.partition(",")[0] for text in named} == expected

    def test_a_missing_type_is_named(self):
        assert sync_settings.differences(level(1, 24), level(1)) == (
            "t1: none, not syncSchedule 24",
        )


class TestWait:
    @pytest.mark.parametrize(
        ("levels", "hours"),
        [
            ([level(1, 24)], 1),
            ([level(24, 168)], 24),
            ([level(0, 0)], 1),
            ([level(0, 24)], 24),
            ([], 1),
            ([level(24), level(6)], 6),
            ([level(24), level(6, counts=False)], 24),
        ],
    )
    def test_an_hour_or_the_most_frequent_schedule_that_counts(self, levels, hours):
        assert sync_settings.wait_for(levels) == timedelta(hours=hours)

    def test_a_schedule_that_is_locked_is_not_waited_for(self):
        locked = level(6, 24)
        locked["settings"][0]["isLocked"] = True
        assert sync_settings.wait_for([locked]) == timedelta(hours=24)
        assert sync_settings.locked(locked) == ["t0"]

    @given(st.lists(settings()))
    def test_never_less_than_an_hour(self, levels):
        assert sync_settings.wait_for(levels) >= timedelta(hours=1)
