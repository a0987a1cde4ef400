"""The history of a company's consents comes in pages; the newest of each product on the first."""

import pytest

from tools.simulation.reads_world import ReadsWorld, Size
from tools.simulation.silence import silence

PATH = "/companies/c00000/consents"


@pytest.fixture
def world():
    with silence():
        yield ReadsWorld(Size(companies=1, products=2, tickets=1, history=5))


def pages(world, **query):
    found = [world.get(PATH, **query)]
    while cursor := found[-1]["next_cursor"]:
        found.append(world.get(PATH, cursor=cursor, **query))
    return found


@pytest.mark.parametrize(("limit", "sizes"), [(3, [3, 3, 3, 1]), (5, [5, 5]), (10, [10])])
def test_each_entry_comes_once_by_product_and_number(world, limit, sizes):
    found = pages(world, history="true", limit=str(limit))
    assert [len(page["history"]) for page in found] == sizes
    entries = [entry for page in found for entry in page["history"]]
    assert [(entry["consent"]["product"], entry["number"]) for entry in entries] == [
        (product, number) for product in ("p000", "p001") for number in range(1, 6)
    ]
    assert [len(page["consents"]) for page in found] == [2] + [0] * (len(sizes) - 1)


def test_without_the_history_the_newest_of_each_product_are_one_page(world):
    (page,) = pages(world)
    assert [consent["product"] for consent in page["consents"]] == ["p000", "p001"]
    assert page["history"] is None


@pytest.mark.parametrize("cursor", ["x", "WzFd", "WyJwIiwgLTFd"])
def test_a_cursor_of_another_list_is_refused(world, cursor):
    with pytest.raises(RuntimeError, match="answered 400"):
        world.get(PATH, history="true", cursor=cursor)
