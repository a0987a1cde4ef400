"""The expected calls of the migration's function in their order, independent of the definition.

A step has the name in its payload, a wait for a person its reason, any other wait is `wait`.
"""


def words(text):
    return text.split()


def up_to(step, steps):
    return steps[: steps.index(step) + 1]


def instead(steps, **others):
    """Replace some steps; each replacement is a text of one or more steps."""
    return [one for step in steps for one in others.get(step, step).split()]


def without(steps, *left_out):
    return [step for step in steps if step not in left_out]


def noted(steps):
    """Add after each step on a chunk the step that notes its failure."""
    chunks = {*CHUNKS, *CHUNKS_BACK}
    return instead(steps, **{step: f"{step} note_chunk_failure" for step in chunks})


# Activities 1 to 5 and their undos (docs/codat.md, C67), as the calls of the function.
THERE = words("""
plan survey finish_plan approval snapshot snapshot_companies compare_snapshot
disable_client_sync disable_company_sync judge_company_sync
begin_quiet wait wait_for_quiet judge_quiet
disable_old_webhooks
configure_new_webhooks
begin_products add_products judge_products find_late_companies
begin_reads verify_reads judge_reads complete
""")
BACK = words("""
begin_removals add_products judge_products
configure_new_webhooks
disable_old_webhooks
disable_client_sync disable_company_sync judge_company_sync
finish
""")
BACK_FROM = {
    "remove_products": BACK,
    "unsubscribe_new_webhooks": BACK[BACK.index("configure_new_webhooks") :],
    "resubscribe_old_webhooks": BACK[BACK.index("disable_old_webhooks") :],
    "reenable_client_sync": BACK[BACK.index("disable_client_sync") :],
}

# By the step that fails: the undo that the rollback begins with.
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
# Steps whose failure does not roll back.
VERIFYING = ("find_late_companies", "begin_reads", "judge_reads", "complete")
# Steps on chunks, except add_products, which two Maps call.
CHUNKS = ("survey", "snapshot_companies", "disable_company_sync", "wait_for_quiet", "verify_reads")
CHUNKS_BACK = ("add_products", "disable_company_sync")
UNDOING = tuple(step for step in BACK if step not in CHUNKS_BACK)
# Steps after which a Map reads a manifest.
BEFORE_MAPS = ("plan", "snapshot", "disable_client_sync", "begin_quiet", "begin_products")
BEFORE_MAPS_BACK = ("begin_removals", "disable_client_sync")


# Every step answers `again` once, and every stop for a person is taken.
ALL_ASKED_AGAIN = words("""
plan wait plan survey wait survey finish_plan wait finish_plan approval
snapshot wait snapshot snapshot_companies wait snapshot_companies
compare_snapshot wait compare_snapshot approval snapshot snapshot_companies compare_snapshot
disable_client_sync wait disable_client_sync disable_company_sync wait disable_company_sync
judge_company_sync wait judge_company_sync
begin_quiet wait begin_quiet wait wait_for_quiet wait wait_for_quiet judge_quiet
wait wait_for_quiet judge_quiet approval
disable_old_webhooks wait disable_old_webhooks webhooks_disabled disable_old_webhooks
configure_new_webhooks wait configure_new_webhooks signing_secret configure_new_webhooks
begin_products wait begin_products add_products wait add_products
judge_products wait judge_products
find_late_companies wait find_late_companies add_products wait add_products find_late_companies
begin_reads wait begin_reads verify_reads wait verify_reads judge_reads
wait verify_reads judge_reads complete wait complete
""")
ALL_ASKED_AGAIN_BACK = words("""
wait begin_rollback wait begin_removals wait begin_removals add_products wait add_products
judge_products wait judge_products products_kept
configure_new_webhooks wait configure_new_webhooks
disable_old_webhooks wait disable_old_webhooks webhooks_restored disable_old_webhooks
disable_client_sync wait disable_client_sync disable_company_sync wait disable_company_sync
judge_company_sync wait judge_company_sync finish wait finish
""")
WITH_LATE_ONES = instead(
    THERE, find_late_companies="find_late_companies add_products find_late_companies"
)
UNVERIFIED = without(THERE, "verify_reads", "judge_reads")
