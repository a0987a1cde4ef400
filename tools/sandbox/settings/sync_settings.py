"""Client and company sync settings (docs/codat.md, C63)."""

from typing import Any

from tools.sandbox.requests.errors import CodatError, invalid_request, key_of_another_client
from tools.sandbox.world.catalog import DATA_TYPES
from tools.sandbox.world.model import Company, SyncSetting, SyncSettings
from tools.sandbox.world.world import World


def effective(world: World, company: Company) -> list[SyncSetting]:
    """The settings that count for a company; without any override Codat's default: no schedule."""
    if company.override and company.override.overrides_defaults:
        return company.override.settings
    client = world.state.client_settings
    return client.settings if client.overrides_defaults else []


def client_view(world: World) -> dict[str, Any]:
    """GET /profile/syncSettings."""
    return {"clientId": world.options.client_id, **_view(world.state.client_settings)}


def company_view(world: World, company: Company) -> dict[str, Any]:
    """GET /companies/{companyId}/syncSettings: without an override, what counts for it."""
    settings = company.override or SyncSettings(world.state.client_settings.settings, False)
    return {"companyId": company.id, **_view(settings)}


def set_client(world: World, body: dict[str, Any]) -> None:
    """Replace the client's settings: what the body leaves out is no longer scheduled."""
    settings = _parse(body, "clientId")
    if body["clientId"].lower() != world.options.client_id.lower():
        raise key_of_another_client()
    world.state.client_settings = settings
    for company in world.state.companies.values():
        world.plan(world.now, "client.replan", company=company.id)


def set_company(world: World, company: Company, body: dict[str, Any]) -> None:
    """Replace a company's override."""
    settings = _parse(body, "companyId")
    if body["companyId"].lower() != company.id.lower():
        raise invalid_request("companyId must be the company of the path.")
    company.override = settings
    world.plan(world.now, "client.replan", company=company.id)


def _view(settings: SyncSettings) -> dict[str, Any]:
    return {
        "settings": [_setting_view(one) for one in settings.settings],
        "overridesDefaults": settings.overrides_defaults,
    }


def _setting_view(one: SyncSetting) -> dict[str, Any]:
    shown = {
        "dataType": one.data_type,
        "fetchOnFirstLink": one.fetch_on_first_link,
        "syncSchedule": one.sync_schedule,
        "syncOrder": one.sync_order,
        "syncFromUtc": one.sync_from_utc,
        "syncFromWindow": one.sync_from_window,
        "monthsToSync": one.months_to_sync,
        "isLocked": one.is_locked,
    }
    return {name: value for name, value in shown.items() if value is not None}


def _parse(body: dict[str, Any], owner: str) -> SyncSettings:
    """All three fields are required; the list is taken as a whole or refused as a whole."""
    if not isinstance(body.get(owner), str):
        raise invalid_request(f"{owner} is required.")
    if not isinstance(body.get("overridesDefaults"), bool):
        raise invalid_request("overridesDefaults is required.")
    if not isinstance(body.get("settings"), list):
        raise invalid_request("settings is required.")
    return SyncSettings([_setting(one) for one in body["settings"]], body["overridesDefaults"])


def _setting(one: Any) -> SyncSetting:
    if not isinstance(one, dict) or one.get("dataType") not in DATA_TYPES:
        raise _bad("dataType", "one of Codat's data types")
    if not isinstance(one.get("fetchOnFirstLink"), bool):
        raise _bad("fetchOnFirstLink", "true or false")
    if not isinstance(one.get("isLocked"), bool | None):
        raise _bad("isLocked", "true or false")
    if not isinstance(one.get("syncFromUtc"), str | None):
        raise _bad("syncFromUtc", "a date")
    return SyncSetting(
        data_type=one["dataType"],
        fetch_on_first_link=one["fetchOnFirstLink"],
        sync_schedule=_required_whole(one, "syncSchedule"),
        sync_order=_required_whole(one, "syncOrder"),
        sync_from_utc=one.get("syncFromUtc"),
        sync_from_window=_whole(one, "syncFromWindow"),
        months_to_sync=_whole(one, "monthsToSync"),
        is_locked=one.get("isLocked"),
    )


def _required_whole(one: dict[str, Any], name: str) -> int:
    value = _whole(one, name)
    if value is None:
        raise _bad(name, "a whole number")
    return value


def _whole(one: dict[str, Any], name: str) -> int | None:
    value = one.get(name)
    if value is None:
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise _bad(name, "a whole number")
    return value


def _bad(name: str, allowed: str) -> CodatError:
    return invalid_request(f"settings: {name} must be {allowed}.")
