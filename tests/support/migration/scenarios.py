"""Every path of the migration's definition, as a list of the answers of its steps.

Three interpreters must agree on each scenario: the walker (asl_walker.py beside this), moto's
(tests/component/migration/test_scenarios.py) and the emulator's
(tests/system/test_migration_scenarios.py). Together the scenarios take every transition: a new
transition needs a new scenario here.

No scenario shows an invocation that fails while it hands over a token, because the emulator goes on
waiting. A timeout of the wait leads to the same Catch.
"""

from tests.support.migration.script import Says, Scenario
from tests.support.migration.steps import (
    ALL_ASKED_AGAIN,
    ALL_ASKED_AGAIN_BACK,
    BACK,
    BACK_FROM,
    BEFORE_MAPS,
    BEFORE_MAPS_BACK,
    CHUNKS,
    CHUNKS_BACK,
    ENTERED_AT,
    THERE,
    UNDOING,
    UNVERIFIED,
    VERIFYING,
    WITH_LATE_ONES,
    instead,
    noted,
    up_to,
    without,
)

DONE = Says()
AGAIN, ASK, LATE, DIFFERS = Says("again"), Says("ask"), Says("late"), Says("differs")
FAILS = Says(error="Permanent")  # no state retries it
BUSY = Says(error="Busy")  # every state retries it, for an hour
LOSES_MANIFEST = Says(loses_manifest=True)
NOBODY = Says(leaves_waiting=True)
EMPTY = Says(lists_nothing=True)

MIGRATED = ON_DEMAND = "SUCCEEDED"
ROLLED_BACK = "FAILED RolledBack"
BEFORE_ANY_CHANGE = "FAILED FailedBeforeAnyChange"
INCOMPLETE = "FAILED RollbackIncomplete"


def every(steps, *says):
    return {step: list(says) for step in steps}


def migrated(name, steps, forward=None, end=MIGRATED, **options):
    return Scenario(name, end, steps, forward or {}, **options)


def undone(name, entered_at, steps, forward, waits=()):
    """Return a failure that rolls back by itself."""
    back = {"begin_rollback": [Says(entered_at)], "finish": [Says("failed")]}
    end, steps_back = ROLLED_BACK, ["wait", *BACK_FROM.get(entered_at, ())]
    if entered_at == "nothing":
        del back["finish"]
        end, steps_back = BEFORE_ANY_CHANGE, ["nothing"]
    steps = [*steps, "begin_rollback", *steps_back]
    return Scenario(name, end, steps, forward, back, dict(waits))


def rollback(name, end, steps, back=None, entered_at="remove_products", waits=()):
    """Return a rollback on demand. `steps`: the steps after the first."""
    back = {"begin_rollback": [Says(entered_at)], **(back or {})}
    steps = ["begin_rollback", *steps]
    return Scenario(name, end, steps, {}, back, dict(waits), entry="rollback")


def incomplete(name, stops_at, back, more=(), waits=()):
    """Return a rollback that cannot be finished and calls a person."""
    steps = ["wait", *up_to(stops_at, BACK), *more, "incomplete"]
    return rollback(name, INCOMPLETE, steps, back, waits=waits)


SCENARIOS = [
    # there
    migrated(
        "in-api-mode",
        instead(THERE, **{step: f"{step} " * 3 for step in (*CHUNKS, "add_products")}),
        chunks=3,
    ),
    migrated("dry-run", up_to("finish_plan", THERE), {"finish_plan": [Says("planned")]}),
    migrated(
        "in-portal-mode-and-all-asked-again",
        ALL_ASKED_AGAIN,
        {
            **every((*ENTERED_AT, *VERIFYING, *CHUNKS), AGAIN),
            "compare_snapshot": [AGAIN, DIFFERS],
            "judge_quiet": [AGAIN, ASK],
            "disable_old_webhooks": [AGAIN, ASK],
            "configure_new_webhooks": [AGAIN, ASK],
            "find_late_companies": [AGAIN, LATE],
            "add_products": [AGAIN, DONE, AGAIN],
        },
    ),
    migrated(
        "a-step-is-busy",
        instead(THERE, disable_client_sync="disable_client_sync " * 7),
        {"disable_client_sync": [BUSY] * 6},
    ),
    migrated(
        "a-chunk-is-busy",
        instead(THERE, add_products="add_products " * 7),
        {"add_products": [BUSY] * 6},
    ),
    migrated(
        "every-chunk-fails",
        noted(WITH_LATE_ONES),
        {
            **every(CHUNKS, FAILS),
            "add_products": [FAILS, FAILS],
            "find_late_companies": [LATE],
        },
    ),
    migrated(
        "every-chunk-fails-and-that-is-not-noted",
        noted(WITH_LATE_ONES),
        {
            **every(CHUNKS, FAILS),
            "add_products": [FAILS, FAILS],
            "find_late_companies": [LATE],
            "note_chunk_failure": [FAILS] * 7,
        },
    ),
    migrated("late-companies-are-not-found", THERE, {"find_late_companies": [FAILS]}),
    migrated(
        "no-manifest-of-late-companies",  # it is that of the reads as well
        UNVERIFIED,
        {"find_late_companies": [Says("late", loses_manifest=True)]},
    ),
    migrated(
        "no-company-is-listed",
        instead(
            without(THERE, *CHUNKS, "add_products"),
            find_late_companies="find_late_companies find_late_companies",
        ),
        {
            **every(("plan", "snapshot", "begin_reads"), EMPTY),
            "find_late_companies": [Says("late", lists_nothing=True)],
        },
    ),
    migrated("reads-are-not-begun", UNVERIFIED, {"begin_reads": [FAILS]}),
    migrated("no-manifest-behind-begin_reads", UNVERIFIED, {"begin_reads": [LOSES_MANIFEST]}),
    migrated("reads-are-not-judged", THERE, {"judge_reads": [FAILS]}),
    migrated("completion-not-noted", THERE, {"complete": [FAILS]}, "FAILED CompletionNotNoted"),
    # there, and back by itself
    *(
        undone(f"{step}-fails", entered_at, up_to(step, THERE), {step: [FAILS]})
        for step, entered_at in ENTERED_AT.items()
    ),
    *(
        undone(
            f"no-manifest-behind-{step}",
            ENTERED_AT[step],
            [*up_to(step, THERE), *(["wait"] if step == "begin_quiet" else [])],
            {step: [LOSES_MANIFEST]},
        )
        for step in BEFORE_MAPS
    ),
    undone(
        "a-step-is-busy-for-too-long",
        "nothing",
        [*up_to("snapshot", THERE), *["snapshot"] * 20],
        {"snapshot": [BUSY] * 21},
    ),
    undone("nobody-approves", "nothing", up_to("approval", THERE), {}, {"approval": [NOBODY]}),
    undone(
        "nobody-says-to-go-on",
        "reenable_client_sync",
        [*up_to("judge_quiet", THERE), "approval"],
        {"judge_quiet": [ASK]},
        {"approval": [DONE, NOBODY]},
    ),
    undone(
        "nobody-disables-old-webhooks",
        "resubscribe_old_webhooks",
        [*up_to("disable_old_webhooks", THERE), "webhooks_disabled"],
        {"disable_old_webhooks": [ASK]},
        {"webhooks_disabled": [NOBODY]},
    ),
    undone(
        "nobody-gives-the-secret",
        "unsubscribe_new_webhooks",
        [*up_to("configure_new_webhooks", THERE), "signing_secret"],
        {"configure_new_webhooks": [ASK]},
        {"signing_secret": [NOBODY]},
    ),
    # back on demand
    rollback("rollback", ON_DEMAND, ["wait", *BACK]),
    rollback(
        "rollback-over-no-company",
        ON_DEMAND,
        ["wait", *without(BACK, *CHUNKS_BACK)],
        {"begin_rollback": [Says("remove_products", lists_nothing=True)]},
    ),
    rollback("rollback-of-what-others-changed", "FAILED ChangedSince", [], entered_at="differs"),
    rollback(
        "rollback-in-portal-mode-and-all-asked-again",
        ROLLED_BACK,
        ALL_ASKED_AGAIN_BACK,
        {
            **every((*UNDOING, *CHUNKS_BACK), AGAIN),
            "begin_rollback": [AGAIN, Says("remove_products")],
            "judge_products": [AGAIN, ASK],
            "disable_old_webhooks": [AGAIN, ASK],
            "finish": [AGAIN, Says("failed")],
        },
    ),
    rollback(
        "rollback-of-nothing-is-asked-again",
        BEFORE_ANY_CHANGE,
        ["nothing", "wait", "nothing"],
        {"nothing": [AGAIN]},
        "nothing",
    ),
    rollback(
        "rollback-with-a-busy-chunk",
        ON_DEMAND,
        ["wait", *instead(BACK, disable_company_sync="disable_company_sync " * 13)],
        {"disable_company_sync": [BUSY] * 12},
    ),
    rollback(
        "rollback-where-every-chunk-fails",
        ON_DEMAND,
        ["wait", *noted(BACK)],
        every(CHUNKS_BACK, FAILS),
    ),
    rollback(
        "rollback-where-every-chunk-fails-and-that-is-not-noted",
        ON_DEMAND,
        ["wait", *noted(BACK)],
        {**every(CHUNKS_BACK, FAILS), "note_chunk_failure": [FAILS, FAILS]},
    ),
    # and not even back
    *(incomplete(f"rollback-{step}-fails", step, {step: [FAILS]}) for step in UNDOING),
    *(
        incomplete(f"rollback-no-manifest-behind-{step}", step, {step: [LOSES_MANIFEST]})
        for step in BEFORE_MAPS_BACK
    ),
    rollback("rollback-does-not-begin", INCOMPLETE, ["incomplete"], {"begin_rollback": [FAILS]}),
    rollback(
        "rollback-of-nothing-fails",
        INCOMPLETE,
        ["nothing", "incomplete"],
        {"nothing": [FAILS]},
        "nothing",
    ),
    incomplete(
        "rollback-is-busy-for-too-long",
        "configure_new_webhooks",
        {"configure_new_webhooks": [BUSY] * 21},
        more=["configure_new_webhooks"] * 20,
    ),
    incomplete(
        "nobody-restores-old-webhooks",
        "disable_old_webhooks",
        {"disable_old_webhooks": [ASK]},
        more=["webhooks_restored"],
        waits={"webhooks_restored": [NOBODY]},
    ),
    incomplete(
        "nobody-decides-about-products-that-stay",
        "judge_products",
        {"judge_products": [ASK]},
        more=["products_kept"],
        waits={"products_kept": [NOBODY]},
    ),
    incomplete(
        "rollback-fails-and-that-is-not-noted",
        "finish",
        {"finish": [FAILS], "incomplete": [FAILS]},
    ),
]
