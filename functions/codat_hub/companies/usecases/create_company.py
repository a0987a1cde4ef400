"""Create a company at Codat with its products; a repeat of the request finishes the work."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from codat_hub.codat.domain.idempotency import HeldKey, key_after, plan_key
from codat_hub.codat.domain.stamp import Stamp
from codat_hub.codat.errors import CallFailed, TryLater
from codat_hub.companies.domain.company import CompanyChange, apply
from codat_hub.companies.domain.consent import Consent, covers
from codat_hub.companies.domain.creation import Creation
from codat_hub.companies.domain.new_company import CreatedCompany, ProductOutcome
from codat_hub.errors import Absent, Conflict, Invalid, Problem, RequestReused, Unavailable
from codat_hub.telemetry import logger

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from codat_hub.codat.domain.idempotency import KeyPlan
    from codat_hub.companies.domain.new_company import CodatCompany, NewCompany
    from codat_hub.companies.ports import Companies, Creations
    from codat_hub.companies.usecases.assign_product import AssignProduct
    from codat_hub.companies.usecases.assignment_context import AssignmentContext
    from codat_hub.companies.usecases.consents import RecordConsents
    from codat_hub.products.domain.product import Product

_CLOCKS: Final = timedelta(minutes=5)  # the most by which the clocks of Codat and AWS differ


class CreateCompany:
    """Create a company; with an `Idempotency-Key`, repeats go on until the answer is complete.

    Products are added one by one, each with its outcome. With `send_products`, those that a consent
    covers go into the creation itself (docs/codat.md, C55). Raises Invalid, RequestReused,
    Conflict, WrongClient, CallFailed, Unavailable.
    """

    def __init__(
        self,
        context: AssignmentContext,
        *,
        creations: Creations,
        directory: Companies,
        consents: RecordConsents,
        assign: AssignProduct,
        send_products: bool = False,
        new_id: Callable[[], str] = lambda: str(uuid4()),
    ) -> None:
        self._context = context
        self._creations = creations
        self._directory = directory
        self._consents = consents
        self._assign = assign
        self._send_products = send_products
        self._new_id = new_id

    def __call__(self, new: NewCompany, key: str | None, by: str) -> CreatedCompany:
        self._refuse_invalid(new)
        creation, version = self._begin(new, key, by)
        if creation.outcome is not None:
            return creation.outcome
        self._context.check_client()
        company = creation.company
        if company is None:
            company, creation, version = self._create(new, key, creation, version)
        self._remember(company)
        for product, grant in new.consents.items():
            # a repeat must not grant again what was revoked since
            self._consents.grant(company.company_id, product, grant, by, first_only=True)
        outcomes = tuple(self._add(company.company_id, product, by) for product in new.products)
        created = CreatedCompany(company, outcomes)
        if key is not None and created.complete:
            self._creations.put(key, replace(creation, outcome=created), version)
        return created

    def _refuse_invalid(self, new: NewCompany) -> None:
        problems = new.problems()
        registered = self._registered()
        for field, names in (("products", new.products), ("consents", tuple(new.consents))):
            problems += [
                Problem(field, "no such product is registered", name, ", ".join(registered))
                for name in names
                if name not in registered
            ]
        if problems:
            raise Invalid(*problems)

    def _registered(self) -> Mapping[str, Product]:
        products, _ = self._context.registry.read()
        return products

    def _begin(self, new: NewCompany, key: str | None, by: str) -> tuple[Creation, int]:
        """Return how far the request has come, and the version; without a key it is always new."""
        fresh = Creation(new.fingerprint(), by, self._context.now())
        if key is None:
            return fresh, 0
        known, version = self._creations.get(key)
        if known is None:
            if not self._creations.put(key, fresh, 0):
                raise _under_way()
            return fresh, 1
        if known.fingerprint != fresh.fingerprint:
            raise RequestReused(
                "This Idempotency-Key came with another body before. Send the first body again, "
                "or take a new key for a new company."
            )
        return known, version

    def _create(
        self, new: NewCompany, key: str | None, creation: Creation, version: int
    ) -> tuple[CodatCompany, Creation, int]:
        """Create the company, or find the one that an earlier call created."""
        plan = plan_key(creation.held, self._context.now(), self._new_id)
        company = self._found(new, plan)
        if company is None:
            creation, version = self._keep(key, replace(creation, held=plan.key), version)
            try:
                company = self._context.codat.create(new, self._sent(new), plan.value)
            except CallFailed as failure:
                self._keep(key, replace(creation, held=_held_after(plan, failure)), version)
                raise
        logger.info("company created", company_id=company.company_id, by=creation.by)
        return company, *self._keep(key, replace(creation, held=None, company=company), version)

    def _found(self, new: NewCompany, plan: KeyPlan) -> CodatCompany | None:
        """Look for the company of an earlier call, once its key can no longer show its outcome."""
        if plan.unresolved_since is None:
            return None
        found = self._context.codat.created_since(new.name, plan.unresolved_since - _CLOCKS)
        if len(found) > 1:
            raise Conflict(
                f"Codat has {len(found)} new companies of this name: "
                f"{', '.join(company.company_id for company in found)}. Keep the right one, delete "
                "the others at Codat, and repeat the request."
            )
        return found[0] if found else None

    def _keep(self, key: str | None, creation: Creation, version: int) -> tuple[Creation, int]:
        """Store the creation; without a key there is nothing to repeat, and nothing is stored."""
        # No `update`: of two requests with one key only the first goes on.
        if key is not None and not self._creations.put(key, creation, version):
            raise _under_way()
        return creation, version + 1

    def _sent(self, new: NewCompany) -> tuple[str, ...]:
        """Return the products that go into the creation itself."""
        if not self._send_products:
            return ()
        registered, now = self._registered(), self._context.now()
        agreed = {
            product: Consent(product, now, grant.granted_by, grant.text_version, grant.data_types)
            for product, grant in new.consents.items()
        }
        return tuple(
            product for product in new.products if covers(agreed.get(product), registered[product])
        )

    def _remember(self, company: CodatCompany) -> None:
        """Enter the company in the directory now, unless its webhook came before."""
        known, version = self._directory.get(company.company_id)
        if not version:
            stamp = Stamp(self._context.now(), "")
            change = CompanyChange(company.company_id, stamp, name=company.name)
            self._directory.put(apply(known, change), version)  # A lost race: it is entered.

    def _add(self, company_id: str, product: str, by: str) -> ProductOutcome:
        try:
            self._assign(company_id, product, by)
        except (Absent, Conflict) as refusal:
            return ProductOutcome(product, "refused", str(refusal))
        except CallFailed as failure:
            logger.warning("product not added", company_id=company_id, cause=str(failure))
            return ProductOutcome(product, "failed", f"Codat: {failure.error}")
        except Unavailable as fault:
            logger.error("product not added", company_id=company_id, cause=str(fault))
            return ProductOutcome(product, "failed", "a store of the hub did not answer")
        return ProductOutcome(product, "assigned")


def _held_after(plan: KeyPlan, failure: CallFailed) -> HeldKey | None:
    """Return the key to hold; after a 5xx the next call looks for the company, which may exist."""
    held = key_after(plan, failure)
    if held is None and isinstance(failure, TryLater):
        return HeldKey(None, None, plan.key.unresolved_since or plan.key.open_since)
    return held


def _under_way() -> Conflict:
    return Conflict("The same request is under way: repeat it in a moment to get its answer.")
