"""What a rollback leaves over: refusals for one company, reruns, and items that are settled."""

from codat_hub.migration.steps.settling import ItemToSettle
from tests.support.migration.world import OPERATOR, OTHER

PRODUCT = "invoice-finance"
REASON = "the company left us"


def refuse(world, company, path, method, status=402):
    refuse_path(world, f"/companies/{company}{path}", method, status)


def refuse_path(world, path, method, status=402):
    fault = {"path": path, "method": method, "status": status}
    world.portal_call("/faults", {**fault, "times": 100_000})


def lift(world):
    world.http.request("DELETE", "http://localhost/_sandbox/faults")


def standing(world):
    return world.migrations.standing(world.run)


def roll_back(world):
    world.migrations.rollback(world.migration_id, OPERATOR)
    return world.go()


def left(world):
    return {(item["company_id"], item.get("product")) for item in standing(world).left}


def settle(world, company, product=None, consumer=None):
    item = ItemToSettle(company, product, consumer)
    world.migrations.settle(world.migration_id, OTHER, item, REASON)
