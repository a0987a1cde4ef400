"""Every path of the migration's definition, as a list of what its steps say on the way.

One list, three interpreters that must agree on each: the walker (tests/asl_walker.py), moto's
(tests/component/migration/test_scenarios.py) and the emulator's
(tests/system/test_migration_scenarios.py). Together they take every transition: whoever adds one
to the definition adds a scenario here.

What none can show: an invocation that fails while it hands over a token, because the emulator goes
on waiting; nobody's answer leads to the same Catch.
"""

from tests.migration_script import Says, Scenario

DONE = Says()
AGAIN, ASK, LATE, DIFFERS = Says("again"), Says("ask"), Says("late"), Says("differs")
FAILS = Says(error="Permanent")  # which no state retries
BUSY = Says(error="Busy")  # which every state does: six times forward, twelve times back
LOSES_MANIFEST = Says(loses_manifest=True)
NOBODY = Says(leaves_waiting=True)

MIGRATED = ON_DEMAND = "SUCCEEDED"
ROLLED_BACK = "FAILED RolledBack"
BEFORE_ANY_CHANGE = "FAILED FailedBeforeAnyChange"

# What fails before the products are added rolls back from here.
ENTERED_AT = {
    "plan": "nothing",
    "finish_plan": "nothing",
    "snapshot": "nothing",
    "compare_snapshot": "nothing",
    "disable_client_sync": "reenable_client_sync",
    "judge_company_sync": "reenable_client_sync",
    "begin_quiet": "reenable_client_sync",
    "judge_quiet": "reenable_client_sync",
    "disable_old_webhooks": "resubscribe_old_webhooks",
    "configure_new_webhooks": "unsubscribe_new_webhooks",
    "begin_products": "remove_products",
    "judge_products": "remove_products",
}
# What fails behind that does not.
VERIFYING = {
    "find_late_companies": MIGRATED,
    "begin_reads": MIGRATED,
    "judge_reads": MIGRATED,
    "complete": "FAILED CompletionNotNoted",
}
# The seed's undo; by where it is entered, what is asked from there on.
UNDO = (
    "begin_removals", "add_products", "judge_products", "configure_new_webhooks",
    "disable_old_webhooks", "disable_client_sync", "disable_company_sync", "judge_company_sync",
    "finish",
)  # fmt: skip
UNDO_FROM = {
    "remove_products": UNDO,
    "unsubscribe_new_webhooks": UNDO[UNDO.index("configure_new_webhooks") :],
    "resubscribe_old_webhooks": UNDO[UNDO.index("disable_old_webhooks") :],
    "reenable_client_sync": UNDO[UNDO.index("disable_client_sync") :],
    "nothing": ("nothing",),
    "differs": (),
}
# Steps on chunks. Products are added by two Maps, that of the late companies too.
CHUNKS = ("survey", "snapshot_companies", "disable_company_sync", "wait_for_quiet", "verify_reads")
CHUNKS_BACK = ("add_products", "disable_company_sync")
UNDOING = tuple(step for step in UNDO if step not in CHUNKS_BACK)
# Steps after which a Map reads a manifest.
BEFORE_MAPS = ("plan", "snapshot", "disable_client_sync", "begin_quiet", "begin_products")
BEFORE_MAPS_BACK = ("begin_removals", "disable_client_sync")


def every(steps, *says):
    return {step: list(says) for step in steps}


def asked(entered_at, stops_at=None):
    """Return the undo's steps from there on; behind the one it stops at, a person is called."""
    steps = ("begin_rollback", *UNDO_FROM[entered_at])
    return (*steps[: steps.index(stops_at) + 1], "incomplete") if stops_at else steps


def undone(name, entered_at, forward, waits=()):
    """A failure that rolls back by itself."""
    end = BEFORE_ANY_CHANGE if entered_at == "nothing" else ROLLED_BACK
    back = {"begin_rollback": [Says(entered_at)]}
    if end == ROLLED_BACK:
        back["finish"] = [Says("failed")]
    return Scenario(name, end, forward, back, dict(waits), asked(entered_at))


def rollback(name, end, back, entered_at="remove_products"):
    """A rollback on demand."""
    back = {"begin_rollback": [Says(entered_at)], **back}
    return Scenario(name, end, {}, back, undo=asked(entered_at), entry="rollback")


def incomplete(name, stops_at, back, entered_at="remove_products", waits=()):
    """A rollback on demand that cannot be finished."""
    back = {"begin_rollback": [Says(entered_at)], **back}
    undo = asked(entered_at, stops_at)
    return Scenario(name, "FAILED RollbackIncomplete", {}, back, dict(waits), undo, "rollback")


SCENARIOS = [
    # there
    Scenario("in-api-mode", MIGRATED, chunks=3),
    Scenario("dry-run", MIGRATED, {"finish_plan": [Says("planned")]}),
    Scenario(
        "in-portal-mode-and-everything-is-asked-again",
        MIGRATED,
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
    Scenario("a-step-is-busy", MIGRATED, {"disable_client_sync": [BUSY] * 6}),
    Scenario("a-chunk-is-busy", MIGRATED, {"add_products": [BUSY] * 6}),
    Scenario(
        "every-chunk-fails",
        MIGRATED,
        {
            **every(CHUNKS, FAILS),
            "add_products": [FAILS, FAILS],
            "find_late_companies": [LATE],
        },
    ),
    Scenario(
        "every-chunk-fails-and-that-is-not-noted",
        MIGRATED,
        {
            **every(CHUNKS, FAILS),
            "add_products": [FAILS, FAILS],
            "find_late_companies": [LATE],
            "note_chunk_failure": [FAILS] * 7,
        },
    ),
    *(Scenario(f"{step}-fails", end, {step: [FAILS]}) for step, end in VERIFYING.items()),
    Scenario(
        "no-manifest-of-late-companies",
        MIGRATED,
        {"find_late_companies": [Says("late", loses_manifest=True)]},
    ),
    Scenario("no-manifest-behind-begin_reads", MIGRATED, {"begin_reads": [LOSES_MANIFEST]}),
    # there, and back by itself
    *(undone(f"{step}-fails", undo, {step: [FAILS]}) for step, undo in ENTERED_AT.items()),
    *(
        undone(f"no-manifest-behind-{step}", ENTERED_AT[step], {step: [LOSES_MANIFEST]})
        for step in BEFORE_MAPS
    ),
    undone("a-step-is-busy-for-too-long", "nothing", {"snapshot": [BUSY] * 7}),
    undone("nobody-approves", "nothing", {}, {"approval": [NOBODY]}),
    undone(
        "nobody-says-to-go-on",
        "reenable_client_sync",
        {"judge_quiet": [ASK]},
        {"approval": [DONE, NOBODY]},
    ),
    undone(
        "nobody-disables-old-webhooks",
        "resubscribe_old_webhooks",
        {"disable_old_webhooks": [ASK]},
        {"webhooks_disabled": [NOBODY]},
    ),
    undone(
        "nobody-gives-the-secret",
        "unsubscribe_new_webhooks",
        {"configure_new_webhooks": [ASK]},
        {"signing_secret": [NOBODY]},
    ),
    # back on demand
    rollback("rollback", ON_DEMAND, {}),
    rollback("rollback-of-what-others-changed", "FAILED ChangedSince", {}, "differs"),
    rollback(
        "rollback-in-portal-mode-and-everything-is-asked-again",
        ROLLED_BACK,
        {
            **every((*UNDOING, *CHUNKS_BACK), AGAIN),
            "begin_rollback": [AGAIN, Says("remove_products")],
            "disable_old_webhooks": [AGAIN, ASK],
            "finish": [AGAIN, Says("failed")],
        },
    ),
    rollback(
        "rollback-of-nothing-is-asked-again", BEFORE_ANY_CHANGE, {"nothing": [AGAIN]}, "nothing"
    ),
    rollback("rollback-with-a-busy-chunk", ON_DEMAND, {"disable_company_sync": [BUSY] * 12}),
    rollback("rollback-where-every-chunk-fails", ON_DEMAND, every(CHUNKS_BACK, FAILS)),
    rollback(
        "rollback-where-every-chunk-fails-and-that-is-not-noted",
        ON_DEMAND,
        {**every(CHUNKS_BACK, FAILS), "note_chunk_failure": [FAILS, FAILS]},
    ),
    # and not even back
    *(incomplete(f"rollback-{step}-fails", step, {step: [FAILS]}) for step in UNDOING),
    *(
        incomplete(f"rollback-no-manifest-behind-{step}", step, {step: [LOSES_MANIFEST]})
        for step in BEFORE_MAPS_BACK
    ),
    incomplete("rollback-does-not-begin", "begin_rollback", {"begin_rollback": [FAILS]}),
    incomplete("rollback-of-nothing-fails", "nothing", {"nothing": [FAILS]}, "nothing"),
    incomplete(
        "rollback-is-busy-for-too-long",
        "configure_new_webhooks",
        {"configure_new_webhooks": [BUSY] * 13},
    ),
    incomplete(
        "nobody-restores-old-webhooks",
        "disable_old_webhooks",
        {"disable_old_webhooks": [ASK]},
        waits={"webhooks_restored": [NOBODY]},
    ),
    incomplete(
        "rollback-fails-and-that-is-not-noted",
        "finish",
        {"finish": [FAILS], "incomplete": [FAILS]},
    ),
]
