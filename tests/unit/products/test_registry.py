"""The registry is applied as a whole, and the schedules follow it."""

from dataclasses import replace

import pytest

from codat_hub.errors import Absent, Conflict, Invalid, Unavailable
from codat_hub.products.domain.product import Product, ProductKind, Schedule
from codat_hub.products.domain.product_rules import MOST_PRODUCTS
from codat_hub.products.usecases.registry import Registry, difference
from tests.support.fakes import FakeProductRegistry, FakeSchedules

DAILY, HOURLY = Schedule("rate(1 day)"), Schedule("rate(1 hour)")
A = Product("a", ProductKind.CUSTOM, data_types=("invoices",), schedule=DAILY)
B = Product("b", ProductKind.CUSTOM, data_types=("bills",))


def a_registry(*products, **counts):
    store, schedules = FakeProductRegistry(*products), FakeSchedules()
    return (
        Registry(store, schedules, lambda product, most: min(counts.get(product, 0), most)),
        store,
        schedules,
    )


def changes(applied):
    return {change.product: change.change for change in applied.changes}


def test_applied_products_become_the_registry_and_the_caller_is_kept():
    registry, store, schedules = a_registry(B)
    applied = registry.apply([A], "arn:ann")
    assert changes(applied) == {"a": "added", "b": "removed"}
    assert applied.scheduled == ("a",)
    assert dict(registry.products()) == {"a": A}
    assert schedules.kept == {"a": DAILY}
    assert store.by == ["arn:ann"]


def test_a_dry_run_changes_nothing():
    registry, store, schedules = a_registry(B)
    assert changes(registry.apply([A], "arn:ann", dry_run=True)) == {"a": "added", "b": "removed"}
    assert dict(registry.products()) == {"b": B}
    assert (store.by, schedules.kept) == ([], {})


def test_with_one_problem_anywhere_nothing_is_changed():
    registry, store, schedules = a_registry(B)
    bad = Product("x y", ProductKind.STANDARD, schedule=Schedule("never"))
    with pytest.raises(Invalid) as refused:
        registry.apply([A, bad], "arn:ann")
    assert [problem.field for problem in refused.value.problems] == [
        "products[1].product",
        "products[1].schedule",
        "products[1].schedule",
    ]
    assert (store.by, schedules.kept) == ([], {})


def test_a_product_that_companies_have_is_not_removed_and_they_are_counted():
    registry, store, _ = a_registry(A, B, a=3, b=1)
    with pytest.raises(Conflict) as refused:
        registry.apply([], "arn:ann")
    assert [(problem.field, problem.message) for problem in refused.value.problems] == [
        ("a", "3 companies have this product"),
        ("b", "1 companies have this product"),
    ]
    with pytest.raises(Conflict):
        registry.remove("a", "arn:ann")
    assert store.by == []


def test_of_a_product_on_thousands_of_companies_a_hundred_are_counted():
    registry, _, _ = a_registry(A, a=5000)
    with pytest.raises(Conflict) as refused:
        registry.remove("a", "arn:ann")
    (problem,) = refused.value.problems
    assert problem.message == "100 or more companies have this product"


def test_schedules_that_failed_are_finished_by_repeating():
    registry, store, schedules = a_registry()
    schedules.refusals = 1
    with pytest.raises(Unavailable):
        registry.apply([A, Product("c", ProductKind.CUSTOM, None, ("bills",), HOURLY)], "arn:ann")
    assert set(registry.products()) == {"a", "c"}
    again = registry.apply(list(registry.products().values()), "arn:ann")
    assert set(changes(again).values()) == {"unchanged"}
    assert schedules.kept == {"a": DAILY, "c": HOURLY}
    assert len(store.by) == 1  # an unchanged registry is not written again


def test_a_refused_schedule_is_named_with_awss_words_and_the_others_are_applied():
    registry, _, schedules = a_registry()
    schedules.refused = {"a": "Invalid Schedule Expression."}
    c = Product("c", ProductKind.CUSTOM, None, ("bills",), HOURLY)
    with pytest.raises(Conflict, match="tools/hub products apply") as refused:
        registry.apply([A, c], "arn:ann")
    assert [(problem.field, problem.message) for problem in refused.value.problems] == [
        ("a.schedule", "Invalid Schedule Expression.")
    ]
    assert set(registry.products()) == {"a", "c"}
    assert schedules.kept == {"c": HOURLY}


def test_another_products_refused_schedule_is_a_warning():
    registry, _, schedules = a_registry(A)
    schedules.refused = {"a": "Invalid Schedule Expression."}
    applied = registry.put(Product("c", ProductKind.CUSTOM, None, ("bills",), HOURLY), "arn:ann")
    assert applied.scheduled == ("c",)
    assert applied.warnings[0].startswith("a: EventBridge Scheduler refuses its schedule")
    assert applied.warnings[0].endswith("AWS said: Invalid Schedule Expression.")


def test_one_limit_holds_for_one_product_and_for_the_whole_registry():
    full = [Product(f"p{number}", ProductKind.STANDARD) for number in range(MOST_PRODUCTS)]
    registry, store, _ = a_registry(*full)
    with pytest.raises(Invalid) as refused:
        registry.put(B, "arn:ann")
    assert [problem.message for problem in refused.value.problems] == ["too many products"]
    registry.put(replace(full[0], name="New"), "arn:ann")
    registry.apply(list(registry.products().values()), "arn:ann")

    store.replace([*full, B], store.read()[1], "an earlier version")
    registry.put(replace(B, name="New"), "arn:ann")
    assert registry.products()["b"].name == "New", "one that is there can still be changed"


def test_a_disabled_schedule_is_kept_and_a_removed_one_goes():
    registry, _, schedules = a_registry(A)
    paused = Schedule("rate(1 day)", enabled=False)
    registry.put(Product("a", ProductKind.CUSTOM, None, ("invoices",), paused), "arn:ann")
    assert schedules.kept == {"a": paused}
    registry.remove("a", "arn:ann")
    assert schedules.kept == {}


def test_the_change_of_another_caller_meanwhile_is_not_lost():
    registry, store, _ = a_registry(A)
    read, first = store.read, True

    def read_then_overtaken():
        nonlocal first
        known = read()
        if first:
            first = False
            store.replace([A, B], known[1], "arn:bob")
        return known

    store.read = read_then_overtaken
    registry.put(Product("c", ProductKind.CUSTOM, None, ("bills",)), "arn:ann")
    assert set(registry.products()) == {"a", "b", "c"}


def test_schedules_match_the_registry_as_it_is_at_the_end():
    registry, store, schedules = a_registry()
    match, first = schedules.match, True

    def overtaken(wanted):
        nonlocal first
        changed = match(wanted)
        if first:
            first = False
            known, version = store.read()
            hourly = Product("a", ProductKind.CUSTOM, None, ("invoices",), HOURLY)
            store.replace([*known.values(), hourly][1:], version, "arn:bob")
        return changed

    schedules.match = overtaken
    registry.put(A, "arn:ann")
    assert schedules.kept == {"a": HOURLY}


def test_unknown_products_are_absent():
    registry, *_ = a_registry(A)
    for act in (lambda: registry.product("z"), lambda: registry.remove("z", "arn:ann")):
        with pytest.raises(Absent, match=r"No product 'z' is registered\."):
            act()


def test_the_difference_names_changed_fields_and_warns_of_more_data_types():
    more = Product("a", ProductKind.CUSTOM, "A", ("invoices", "bills"), DAILY)
    applied = difference({"a": A, "b": B}, {"a": more, "b": B})
    assert [(change.product, change.change, change.fields) for change in applied.changes] == [
        ("a", "changed", ("name", "data_types")),
        ("b", "unchanged", ()),
    ]
    assert "a reads more: bills" in applied.warnings[0]


def test_an_unreadable_product_is_written_again_and_never_drops_out_unseen():
    registry, store, schedules = a_registry(B)
    schedules.kept = {"a": DAILY}
    store.unreadable = ("a",)
    for change in (
        lambda: registry.put(B, "arn:ann"),  # even without a change: schedules would follow
        lambda: registry.remove("b", "arn:ann"),
        lambda: registry.apply([B], "arn:ann"),
    ):
        with pytest.raises(Conflict) as refused:
            change()
        assert [problem.field for problem in refused.value.problems] == ["a"]
    assert (dict(registry.products()), schedules.kept) == ({"b": B}, {"a": DAILY})
    assert changes(registry.apply([A, B], "arn:ann")) == {"a": "added", "b": "unchanged"}
    assert dict(registry.products()) == {"a": A, "b": B}
