"""Create a company at Codat and give it its products; a repeated request goes on from there."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, Protocol
from uuid import uuid4

from codat_hub.codat.domain.idempotency import HeldKey, key_after, plan_key
from codat_hub.codat.domain.stamp import Stamp
from codat_hub.codat.errors import CallFailed, TryLater
from codat_hub.companies.domain.company import Company, CompanyChange, apply
from codat_hub.companies.domain.consent import Consent, covers
from codat_hub.companies.domain.creation import Creation
from codat_hub.companies.domain.new_company import CreatedCompany, ProductOutcome
from codat_hub.errors import Absent, Conflict, Invalid, Problem, RequestReused, Unavailable
from codat_hub.telemetry import logger

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from codat_hub.codat.domain.idempotency import KeyPlan
    from codat_hub.companies.domain.new_company import CodatCompany, NewCompany
    from codat_hub.companies.usecases.assign_product import AssignProduct
    from codat_hub.companies.usecases.consents import Consents
    from codat_hub.products.domain.product import Product

_TRIES: Final = 10
_CLOCKS: Final = timedelta(minutes=5)  # by which Codat's clock and ours may differ


class Codat(Protocol):
    def create(self, new: NewCompany, products: Sequence[str], key: str) -> CodatCompany: ...
    def created_since(self, name: str, since: datetime) -> Sequence[CodatCompany]: ...


class Creations(Protocol):
    def get(self, key: str) -> tuple[Creation | None, int]: ...
    def put(self, key: str, creation: Creation, version: int) -> bool: ...


class Directory(Protocol):
    def get(self, company_id: str) -> tuple[Company, int]: ...
    def put(self, company: Company, version: int) -> bool: ...


class CreateCompany:
    """With an `Idempotency-Key` the request can be repeated until the answer is complete.

    Products are added one by one and each outcome is told; `send_products` puts those with a
    covering consent into the creation itself (docs/codat.md, C55). Raises Invalid, RequestReused,
    Conflict, WrongClient, CallFailed, Unavailable.
    """

    def __init__(
        self,
        *,
        codat: Codat,
        creations: Creations,
        directory: Directory,
        consents: Consents,
        assign: AssignProduct,
        registered: Callable[[], Mapping[str, Product]],
        check_client: Callable[[], None],
        send_products: bool = False,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        new_id: Callable[[], str] = lambda: str(uuid4()),
    ) -> None:
        self._codat = codat
        self._creations = creations
        self._directory = directory
        self._consents = consents
        self._assign = assign
        self._registered = registered
        self._check_client = check_client
        self._send_products = send_products
        self._now = now
        self._new_id = new_id

    def __call__(self, new: NewCompany, key: str | None, by: str) -> CreatedCompany:
        self._refuse_invalid(new)
        creation, version = self._begin(new, key, by)
        if creation.outcome is not None:
            return creation.outcome
        self._check_client()
        if creation.company is None:
            creation, version = self._create(new, key, creation, version)
        company = creation.company
        if company is None:
            raise Unavailable("the creation lost its company")
        self._remember(company)
        for product, grant in new.consents.items():
            self._consents.grant(company.company_id, product, grant, by)
        outcomes = tuple(self._add(company.company_id, one, by) for one in new.products)
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

    def _begin(self, new: NewCompany, key: str | None, by: str) -> tuple[Creation, int]:
        fresh = Creation(new.fingerprint(), by, self._now())
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
    ) -> tuple[Creation, int]:
        plan = plan_key(creation.held, self._now(), self._new_id)
        company = self._found(new, plan)
        if company is None:
            creation, version = self._keep(key, replace(creation, held=plan.key), version)
            try:
                company = self._codat.create(new, self._sent(new), plan.value)
            except CallFailed as failure:
                self._keep(key, replace(creation, held=_held_after(plan, failure)), version)
                raise
        logger.info("company created", company_id=company.company_id, by=creation.by)
        return self._keep(key, replace(creation, held=None, company=company), version)

    def _found(self, new: NewCompany, plan: KeyPlan) -> CodatCompany | None:
        """Look for what an earlier call may have created, once its key no longer tells."""
        if plan.unresolved_since is None:
            return None
        found = self._codat.created_since(new.name, plan.unresolved_since - _CLOCKS)
        if len(found) > 1:
            raise Conflict(
                f"Codat has {len(found)} new companies of this name: "
                f"{', '.join(one.company_id for one in found)}. See which is meant, delete the "
                "others at Codat, and repeat the request."
            )
        return found[0] if found else None

    def _keep(self, key: str | None, creation: Creation, version: int) -> tuple[Creation, int]:
        if key is not None and not self._creations.put(key, creation, version):
            raise _under_way()
        return creation, version + 1

    def _sent(self, new: NewCompany) -> tuple[str, ...]:
        if not self._send_products:
            return ()
        registered, now = self._registered(), self._now()
        agreed = {
            product: Consent(product, now, one.granted_by, one.text_version, one.data_types)
            for product, one in new.consents.items()
        }
        return tuple(one for one in new.products if covers(agreed.get(one), registered[one]))

    def _remember(self, company: CodatCompany) -> None:
        """Enter it in the directory now; its webhook comes later and says the same."""
        change = CompanyChange(company.company_id, Stamp(self._now(), ""), name=company.name)
        for _ in range(_TRIES):
            known, version = self._directory.get(company.company_id)
            if version or self._directory.put(apply(known, change), version):
                return
        raise Unavailable("the directory keeps being changed by others")

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
    """Return what to hold; after a 5xx a company may exist all the same, so it is looked for."""
    held = key_after(plan, failure)
    if held is None and isinstance(failure, TryLater):
        return HeldKey(None, None, plan.key.unresolved_since or plan.key.open_since)
    return held


def _under_way() -> Conflict:
    return Conflict("The same request is under way: repeat it in a moment for its answer.")
