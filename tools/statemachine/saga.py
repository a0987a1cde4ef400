"""The migration as one table, from client-level to product-level sync settings.

Read THERE down: that is the migration. Read its undos up: that is the rollback, between BACK_BEGINS
and BACK_ENDS. `make statemachine` makes the definition and the picture from the table. Names of
states and steps, answers and fields are wire format: running executions rely on them.
"""

from dataclasses import replace
from typing import Final

from tools.statemachine.rows import (
    Activity,
    Choose,
    Each,
    Failure,
    Lane,
    Note,
    Part,
    Person,
    Step,
    Success,
    Table,
    Undo,
    Wait,
    entries,
)

FORWARD: Final = Lane("apply", "$.epoch", "$.listing", error="$.error", fails_to="BeginRollback")
# Nothing rolls back once all products are added: a failure only ends the checks.
CHECK: Final = replace(FORWARD, error="$.verify_error", fails_to="Complete")
BACK: Final = Lane(
    "compensate",
    "$.rollback.epoch",
    "$.rollback",
    error="$.undo_error",
    fails_to="NoteRollbackIncomplete",
)
# `BeginRollback` runs under the old epoch and returns the new one, which the undos use.
TURN: Final = replace(BACK, epoch="$.epoch")

THERE: Final[Table] = (
    Part("Plan", FORWARD),
    Choose("Enter", "$.entry", {"rollback": "BeginRollback"}, "A rollback has its own execution."),
    Step("Plan", "plan", "List the companies of the run.", result="listing"),
    Each("SurveyCompanies", "survey", "Read each company's settings, products and consents."),
    Step("FinishPlan", "finish_plan", "Make the plan; a dry run ends with it."),
    Success("Planned", on="planned"),
    Person("AwaitApproval", "approval", 168, "A person reads the plan and approves its hash."),
    # ----------------------------------------------------------------------------------------------
    Part("Snapshot", FORWARD),
    Step("Snapshot", "snapshot", "Save the client's state; list the companies.", result="listing"),
    Each("SnapshotCompanies", "snapshot_companies", "Save each company's state.", "snapshot"),
    Step(
        "CompareSnapshot",
        "compare_snapshot",
        "Compare the snapshot with the approved plan; ask again if they differ.",
        answers={"differs": "AwaitApproval"},
    ),
    # ----------------------------------------------------------------------------------------------
    Activity("Disable client-level sync", FORWARD, number=1),
    Step("DisableClientSync", "disable_client_sync", "Switch the client's schedules off."),
    Each("DisableCompanySync", "disable_company_sync", "Switch each company's own schedules off."),
    Step("JudgeCompanySync", "judge_company_sync", "Add up the chunks' outcomes.", result="wait"),
    Undo("Restore client-level sync", BACK, number=1, entry="reenable_client_sync"),
    Step("ReenableClientSync", "disable_client_sync", "Post the client's settings as saved."),
    Each(
        "ReenableCompanySync",
        "disable_company_sync",
        "Post each company's settings as saved.",
        "reenable_company_sync",
    ),
    Step("JudgeRestored", "judge_company_sync", "Add up the chunks' outcomes."),
    # ----------------------------------------------------------------------------------------------
    Activity("Wait for quiet", FORWARD, number=2),
    Step("BeginQuiet", "begin_quiet", "Record the start."),
    Wait("WaitForQuiet", "wait", "An hour, or the shortest schedule if longer; then a pause."),
    Each("LookForQuiet", "wait_for_quiet", "Look for old reads that are still running."),
    Step(
        "JudgeQuiet",
        "judge_quiet",
        "Look again, go on, or ask whether to go on.",
        result="wait",
        answers={"again": "WaitForQuiet"},
    ),
    Person(
        "AwaitGoOn",
        "approval",
        24,
        "Old reads are still running at the limit: a person decides to go on.",
        on="ask",
        then="DisableOldWebhooks",
    ),
    Undo("None: a wait changes nothing", BACK, number=2),
    # ----------------------------------------------------------------------------------------------
    Activity("Disable old webhooks", FORWARD, number=3),
    Step(
        "DisableOldWebhooks",
        "disable_old_webhooks",
        "Delete the old consumers, or ask a person to disable them; then check.",
    ),
    Person(
        "AwaitWebhooksDisabled",
        "webhooks_disabled",
        72,
        "A person disables the old consumers in the Portal.",
        on="ask",
    ),
    Undo("Restore old webhooks", BACK, number=3, entry="resubscribe_old_webhooks"),
    Step(
        "ResubscribeOldWebhooks",
        "disable_old_webhooks",
        "Create the old consumers again, or ask a person to enable them; then check.",
    ),
    Person(
        "AwaitWebhooksRestored",
        "webhooks_restored",
        72,
        "A person enables the old consumers in the Portal.",
        on="ask",
    ),
    # ----------------------------------------------------------------------------------------------
    Activity("Configure new webhooks", FORWARD, number=4),
    Step(
        "ConfigureNewWebhooks",
        "configure_new_webhooks",
        "Create the new consumers; ask a person for their signing secrets.",
    ),
    Person(
        "AwaitSigningSecret",
        "signing_secret",
        20,
        "A person stores the signing secrets. Until then Codat retries, for 28 h.",
        on="ask",
    ),
    Undo("Delete new webhooks", BACK, number=4, entry="unsubscribe_new_webhooks"),
    Step("UnsubscribeNewWebhooks", "configure_new_webhooks", "Delete the consumers of this run."),
    # ----------------------------------------------------------------------------------------------
    Activity("Add products", FORWARD, number=5),
    Step("BeginProducts", "begin_products", "Record the start."),
    Each("AddProducts", "add_products", "Add the products to each company that consented."),
    Step("JudgeProducts", "judge_products", "Add up the chunks' outcomes."),
    Undo("Remove products", BACK, number=5, entry="remove_products"),
    Step("BeginRemovals", "begin_removals", "Record the start."),
    Each("RemoveProducts", "add_products", "Remove what this run added.", "remove_products"),
    Step("JudgeRemovals", "judge_products", "Add up the outcomes; ask if too many are left."),
    Person(
        "AwaitGoOnBack",
        "products_kept",
        72,
        "Many companies keep a product: a person decides to go on without them.",
        on="ask",
        then="UnsubscribeNewWebhooks",
    ),
    # ----------------------------------------------------------------------------------------------
    Part("Check the reads", CHECK),
    Step(
        "FindLateCompanies",
        "find_late_companies",
        "List the companies that appeared during the run.",
        result="listing",
        fails_to="VerifyReads",
    ),
    Each(
        "AddLateProducts",
        "add_products",
        "Activity 5: Add the products to companies that appeared during the run.",
        on="late",
        fails_to="VerifyReads",
    ),
    Step("VerifyReads", "begin_reads", "List the companies of the run.", result="listing"),
    Each("LookForReads", "verify_reads", "Look for each company's first product read."),
    Step(
        "JudgeReads",
        "judge_reads",
        "Look again until the limit, then list what is missing.",
        again="LookForReads",
    ),
    Step("Complete", "complete", "Record the end.", fails_to="CompletionNotNoted"),
    Success("Migrated"),
    Failure(
        "CompletionNotNoted",
        "All five activities are done; only the ledger does not say so yet.",
        "When this execution ends, WatchMigrations records it.",
    ),
)

BACK_BEGINS: Final[Table] = (
    Part("Begin the rollback", TURN),
    Step(
        "BeginRollback",
        "begin_rollback",
        "Raise the epoch, so that forward steps are refused; find out which undo comes first.",
        result="rollback",
        answers={"nothing": "NothingToUndo", "differs": "ChangedSince"},
        says={"state.$": "$"},
    ),
    Wait("WaitOutCalls", "rollback", "Calls that started under the old epoch end meanwhile."),
    Choose(
        "EnterRollback",
        "$.rollback.next",
        entries(THERE),
        "Begin with the undo of the last activity that began.",
    ),
)

BACK_ENDS: Final[Table] = (
    Part("End the rollback", BACK),
    Step(
        "FinishRollback",
        "finish",
        "Forget the signing secrets of this run; record the end.",
        answers={"failed": "RolledBack"},
    ),
    Success("RolledBackOnDemand"),
    Failure("RolledBack", "$.result.cause"),
    Step("NothingToUndo", "nothing", "The run ended before it changed anything."),
    Failure("FailedBeforeAnyChange", "$.result.cause"),
    Failure("ChangedSince", "$.rollback.cause"),
    Note(
        "NoteRollbackIncomplete",
        "incomplete",
        {"state": {"undo_error.$": "$.undo_error"}},
        "Call a person, who can run the rollback again.",
    ),
    Failure(
        "RollbackIncomplete",
        "An undo failed. The migration's report says which; run the rollback again.",
    ),
)
