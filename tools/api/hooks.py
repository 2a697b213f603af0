"""What schemathesis cannot know of the service, and what it must find nevertheless.

A document's schemas say much, and not all: whether a model exists, whether bytes are an NVS partition, how many bytes a
text has. A refusal for such a reason alone is no failure; a refusal for anything else that the schemas allow is one.
"""

import schemathesis
from schemathesis.core.failures import AcceptedNegativeData
from schemathesis.openapi.checks import RejectedPositiveData

# The values that a 422 may name where the schemas allow them, by operation.
WIFI = {"/provisioning/wifi_ssid", "/provisioning/wifi_password"}  # counted in bytes
URLS = {"/provisioning/base_url", "/provisioning/token_url", "/provisioning/mqtt_url"}
SAID_BY_THE_STATE = {
    "create_device_model": WIFI,
    "update_device_model": WIFI,
    "create_device": WIFI | {"/device_model_id"},
    "update_device": WIFI,
    "list_device_models": {"/cursor"},
    "list_devices": {"/cursor"},
    # A device, its model and the settings may lack a value or have one that does not fit.
    "get_provisioning": WIFI | URLS,
    "patch_provisioning": WIFI | URLS | {"/data", "/nvs_keys"},
    "verify_provisioning": WIFI | URLS,
    # Counted in bytes.
    "begin_flash": {"/partition/name"},
    # What one value may be depends on the others.
    "end_flash": {"/outcome", "/sectors", "/bytes", "/reason"},
    "list_flashes": {"/cursor"},
    "list_boards": {"/cursor"},
    "list_board_flashes": {"/cursor"},
}
# The kinds of problems that name no value: a repeated call, another caller's change, no room.
KINDS_OF_THE_STATE = {"precondition-failed", "idempotency-key-reused", "does-not-fit", "value-missing"}


@schemathesis.hook
def filter_failure(ctx, failure, case, response):
    if isinstance(failure, RejectedPositiveData):
        return not refused_for_the_state(case, response)
    if isinstance(failure, AcceptedNegativeData):
        # A precondition is checked before the body (RFC 9110 §13.2.1), so a 412 does not mean a valid body.
        return response.status_code != 412 and not short_only_in_characters(case)
    return True


def refused_for_the_state(case, response):
    try:
        problem = response.json()
    except ValueError:
        return False
    if problem.get("type", "").removeprefix("urn:fleetmint:problem:") in KINDS_OF_THE_STATE:
        return True
    known = SAID_BY_THE_STATE.get(case.operation.definition.raw.get("operationId"), set())
    pointers = {error["pointer"] for error in problem.get("errors", [])}
    if pointers and all(isinstance(value_at(case.body, pointer), float) for pointer in pointers):
        # 4096.0 is an integer to JSON Schema, and none to the service.
        return True
    if shows_a_mask(case):
        # It stands for what is stored, so it is right only where something is.
        known = known | {"/provisioning/mqtt_url"}
    if not pointers or not pointers <= known:
        return False
    if pointers & WIFI and not case.operation.path.endswith(("/provisioning", "/provisioning/patch", "/provisioning/verify")):
        # Only text that is not ASCII has more bytes than characters.
        texts = provisioning_of(case)
        return all(not str(texts.get(pointer.rsplit("/", 1)[1], "")).isascii() for pointer in pointers & WIFI)
    if "/partition/name" in pointers:
        return not str(case.body["partition"]["name"]).isascii()
    return True


def value_at(body, pointer):
    for name in pointer.split("/")[1:]:
        body = body.get(name) if isinstance(body, dict) else None
    return body


def shows_a_mask(case):
    """An MQTT URL as it is shown, with `***` in place of its user name and password."""
    return "://***@" in str(provisioning_of(case).get("mqtt_url"))


def provisioning_of(case):
    body = case.body if isinstance(case.body, dict) else {}
    provisioning = body.get("provisioning")
    return provisioning if isinstance(provisioning, dict) else {}


def short_only_in_characters(case):
    """A Wi-Fi password of fewer than 8 characters, but of 8 bytes: the schema is stricter than the service there."""
    password = provisioning_of(case).get("wifi_password")
    return isinstance(password, str) and len(password) < 8 <= len(password.encode("utf-8", "surrogatepass"))


@schemathesis.deserializer("application/octet-stream")
def read_bytes(ctx, response):
    return response.content.decode("latin-1")
