"""What a rollback leaves over: refusals for one company, reruns, and items that are settled."""

from tests.support.migration.world import OPERATOR, OTHER

PRODUCT = "invoice-finance"
REASON = "the company left us"


def refuse(world, company, path, method, status=402):
    fault = {"path": f"/companies/{company}{path}", "method": method, "status": status}
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


def settle(world, company, product=None):
    world.migrations.settle(world.migration_id, OTHER, company, product, REASON)
