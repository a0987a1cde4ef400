"""Sync settings of the client and of companies (docs/codat.md, C63)."""

from typing import Any

from tools.sandbox.requests.errors import CodatError, invalid_request, key_of_another_client
from tools.sandbox.world.catalog import DATA_TYPES
from tools.sandbox.world.model import Company, SyncSetting, SyncSettings
from tools.sandbox.world.world import World


def effective(world: World, company: Company) -> list[SyncSetting]:
    """Return the settings that count for a company; by Codat's default without a schedule."""
    if company.override and company.override.overrides_defaults:
        return company.override.settings
    client = world.state.client_settings
    return client.settings if client.overrides_defaults else []


def client_view(world: World) -> dict[str, Any]:
    """Answer GET /profile/syncSettings."""
    return {"clientId": world.options.client_id, **_view(world.state.client_settings)}


def company_view(world: World, company: Company) -> dict[str, Any]:
    """Answer GET /companies/{companyId}/syncSettings: its override, else what counts for it."""
    settings = company.override or SyncSettings(world.state.client_settings.settings, False)
    return {"companyId": company.id, **_view(settings)}


def set_client(world: World, body: dict[str, Any]) -> None:
    """Replace the client's settings; a data type that the body leaves out has no schedule."""
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
        "settings": [_setting_view(setting) for setting in settings.settings],
        "overridesDefaults": settings.overrides_defaults,
    }


def _setting_view(setting: SyncSetting) -> dict[str, Any]:
    shown = {
        "dataType": setting.data_type,
        "fetchOnFirstLink": setting.fetch_on_first_link,
        "syncSchedule": setting.sync_schedule,
        "syncOrder": setting.sync_order,
        "syncFromUtc": setting.sync_from_utc,
        "syncFromWindow": setting.sync_from_window,
        "monthsToSync": setting.months_to_sync,
        "isLocked": setting.is_locked,
    }
    return {name: value for name, value in shown.items() if value is not None}


def _parse(body: dict[str, Any], owner: str) -> SyncSettings:
    """Parse settings, with all three fields; one wrong entry refuses the whole list."""
    if not isinstance(body.get(owner), str):
        raise invalid_request(f"{owner} is required.")
    if not isinstance(body.get("overridesDefaults"), bool):
        raise invalid_request("overridesDefaults is required.")
    if not isinstance(body.get("settings"), list):
        raise invalid_request("settings is required.")
    return SyncSettings([_setting(raw) for raw in body["settings"]], body["overridesDefaults"])


def _setting(raw: Any) -> SyncSetting:
    if not isinstance(raw, dict) or raw.get("dataType") not in DATA_TYPES:
        raise _bad("dataType", "one of Codat's data types")
    if not isinstance(raw.get("fetchOnFirstLink"), bool):
        raise _bad("fetchOnFirstLink", "true or false")
    if not isinstance(raw.get("isLocked"), bool | None):
        raise _bad("isLocked", "true or false")
    if not isinstance(raw.get("syncFromUtc"), str | None):
        raise _bad("syncFromUtc", "a date")
    return SyncSetting(
        data_type=raw["dataType"],
        fetch_on_first_link=raw["fetchOnFirstLink"],
        sync_schedule=_required_whole(raw, "syncSchedule"),
        sync_order=_required_whole(raw, "syncOrder"),
        sync_from_utc=raw.get("syncFromUtc"),
        sync_from_window=_whole(raw, "syncFromWindow"),
        months_to_sync=_whole(raw, "monthsToSync"),
        is_locked=raw.get("isLocked"),
    )


def _required_whole(raw: dict[str, Any], name: str) -> int:
    value = _whole(raw, name)
    if value is None:
        raise _bad(name, "a whole number")
    return value


def _whole(raw: dict[str, Any], name: str) -> int | None:
    value = raw.get(name)
    if value is None:
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise _bad(name, "a whole number")
    return value


def _bad(name: str, allowed: str) -> CodatError:
    return invalid_request(f"settings: {name} must be {allowed}.")
