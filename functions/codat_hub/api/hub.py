"""The use cases that the routes call; the handler passes them in with every request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from codat_hub.api.queries.companies import CompanyQueries
    from codat_hub.api.queries.status import ShowStatus
    from codat_hub.companies.usecases.assign_product import AssignProduct
    from codat_hub.companies.usecases.consents import RecordConsents
    from codat_hub.companies.usecases.create_company import CreateCompany
    from codat_hub.companies.usecases.remove_product import RemoveProduct
    from codat_hub.migration.usecases.operate import OperateMigrations
    from codat_hub.product_events.ports import Replays
    from codat_hub.product_events.usecases.measure_freshness import MeasureFreshness
    from codat_hub.product_events.usecases.owe_full_load import OweFullLoad
    from codat_hub.product_events.usecases.replay_webhooks import StartReplay
    from codat_hub.product_events.usecases.resend_events import ResendEvents
    from codat_hub.product_events.usecases.tail_events import TailEvents
    from codat_hub.products.usecases.registry import Registry
    from codat_hub.reconcile.usecases.show_reconciles import ShowReconciles
    from codat_hub.reconcile.usecases.start_reconcile import StartReconcile
    from codat_hub.refresh.usecases.refresh_now import RefreshNow


@dataclass(frozen=True, kw_only=True)
class Hub:
    """Every use case of the API. A new one needs a field here and a route in `routes/`."""

    registry: Registry
    companies: CompanyQueries
    create_company: CreateCompany
    assign_product: AssignProduct
    remove_product: RemoveProduct
    consents: RecordConsents
    migrations: OperateMigrations
    freshness: MeasureFreshness
    start_reconcile: StartReconcile
    reconciles: ShowReconciles
    start_replay: StartReplay
    replays: Replays
    resends: ResendEvents
    owe_full_load: OweFullLoad
    tails: TailEvents
    status: ShowStatus
    refresh_now: RefreshNow
