"""The plan: list and survey the companies, then say what a run would change. Nothing changes."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from codat_hub.errors import StepFailed
from codat_hub.migration.domain.plan import Survey, make_plan
from codat_hub.migration.domain.run import MigrationStatus
from codat_hub.migration.steps.findings import (
    client_of,
    counted,
    require_all,
    save_plan,
    survey_of,
    survey_total,
)
from codat_hub.migration.steps.left_over import Attempts, settings_of, still_on
from codat_hub.migration.usecases import listing as listings
from codat_hub.migration.usecases.context import StepResult, resuming

if TYPE_CHECKING:
    from codat_hub.migration.domain.chunk import Member, Tally
    from codat_hub.migration.usecases.context import Command, StepContext


def plan(context: StepContext, command: Command) -> StepResult:
    """List the companies of the run."""
    context.check_client()
    return listings.list_companies(context, command, "plan")


def survey(context: StepContext, command: Command) -> StepResult:
    """Survey the companies of a chunk. It changes nothing."""
    run = context.run(command)
    attempts = Attempts.forward(context, command, run, "survey")

    def look(member: Member, tally: Tally) -> Tally:
        settings = settings_of(context, member.company_id)
        if settings is None:
            return tally.skip(f"{member.company_id} was deleted meanwhile")
        had = set(member.products)
        return counted(tally, survey_of(context, run.request, member, settings, had))

    with resuming(context, command, "survey") as progress:
        for member in progress.left:
            if not command.more_time():
                return StepResult("again")
            company_id = member.company_id
            before = progress.tally.reopened(company_id)
            after = attempts.attempt(before, still_on(company_id), partial(look, member))
            failed = f"{company_id}: its settings were not read yet"
            progress.tally = before.leave_open(failed, company_id) if after == before else after
    tally = progress.tally
    return attempts.end(replace(tally, survey=tally.survey or Survey()))


def finish_plan(context: StepContext, command: Command) -> StepResult:
    """Make the plan. Answers `planned` for a dry run, else `approval`.

    Raises StepFailed if the plan is refused, except in a dry run, whose plan shows the refusals.
    """
    require_all(context, command, "survey", "plan")
    run = context.run(command)
    total = survey_total(context, command, "survey", "plan")
    settings, present = context.codat.client_settings(), context.codat.consumers()
    client = client_of(context, run, settings, present, "plan")
    made = make_plan(run.request, client, total, context.limits.calls_a_second)
    refusals = (*made.refusals, *_trial(context, command))
    made = replace(made, refusals=refusals)
    save_plan(context, run, made, client)
    if refusals and not run.request.dry_run:
        raise StepFailed(f"refused: {' '.join(refusals)}")
    if run.request.dry_run:
        context.change_run(command, lambda run: run.ended(MigrationStatus.PLANNED, context.now()))
        return StepResult("planned")
    return StepResult("approval")


def _trial(context: StepContext, command: Command) -> list[str]:
    """Try on the first company whether the client may use the product endpoints at all."""
    chunks = context.manifests.get(listings.manifest_key(command.migration_id, "plan")) or []
    if not chunks:
        return ["The run covers no company."]
    refusal = context.codat.products_are_enabled(chunks[0]["members"][0]["company_id"])
    return [f"Product endpoints are not enabled for this client: {refusal}"] if refusal else []
