"""Walks one device through, from its model to the end of both, by the client that openapi-python-client made.

    python3 tools/api/walk.py CLIENT_FOLDER URL TOKEN_FILE

CLIENT_FOLDER holds the package fleetmint_client. Every answer is one that the document knows: the client raises
otherwise. No secret is printed.
"""

import base64
import pathlib
import sys

folder, url, token_file = sys.argv[1:]
sys.path.insert(0, folder)

from fleetmint_client import AuthenticatedClient  # noqa: E402
from fleetmint_client.api.audit import list_audit  # noqa: E402
from fleetmint_client.api.boards import begin_flash, end_flash, get_board  # noqa: E402
from fleetmint_client.api.device_models import create_device_model, delete_device_model, update_device_model  # noqa: E402
from fleetmint_client.api.devices import create_device, delete_device, get_device, list_devices, update_device  # noqa: E402
from fleetmint_client.api.identity import get_identity  # noqa: E402
from fleetmint_client.api.provisioning import get_provisioning  # noqa: E402
from fleetmint_client.models import (  # noqa: E402
    AuditRecord,
    Board,
    ChangeDevice,
    ChangeDeviceModel,
    ChangeOverrides,
    Device,
    DeviceModel,
    EndFlash,
    Flash,
    ListDevicesSort,
    NewDevice,
    NewDeviceModel,
    NewFlash,
    Partition,
    Problem,
)

SIZE = 0x6000


def expect(answer, status, kind):
    assert answer.status_code == status, f"{answer.status_code}: {answer.content!r}"
    assert kind is None or isinstance(answer.parsed, kind), type(answer.parsed)
    return answer.parsed


token = pathlib.Path(token_file).read_text().strip()
client = AuthenticatedClient(base_url=url, token=token, raise_on_unexpected_status=True)
with client as client:
    new = NewDeviceModel(code="walked", name="Walked model")
    model = expect(create_device_model.sync_detailed(client=client, body=new), 201, DeviceModel)
    change = ChangeDeviceModel(provisioning=ChangeOverrides(wifi_ssid="workshop"))
    model = expect(update_device_model.sync_detailed(model.id, client=client, body=change), 200, DeviceModel)
    assert model.provisioning.wifi_ssid == "workshop"

    new = NewDevice(device_model_id=model.id, name="Walked device")
    device = expect(create_device.sync_detailed(client=client, body=new), 201, Device)
    image = expect(get_provisioning.sync_detailed(device.id, client=client, partition_size=SIZE), 200, None)
    assert image.size == SIZE == len(base64.b64decode(image.data, validate=True))

    identity = expect(get_identity.sync_detailed(device.id, client=client), 200, None)
    assert identity.healthy and identity.client_id == device.client_id

    overrides = ChangeOverrides(mqtt_url="mqtts://broker.example", wifi_password="")
    change = ChangeDevice(name="Walked device, renamed", provisioning=overrides)
    changed = expect(update_device.sync_detailed(device.id, client=client, body=change), 200, Device)
    assert changed.name == "Walked device, renamed"
    assert changed.provisioning.wifi_password_state == "empty"
    shown = expect(get_device.sync_detailed(device.id, client=client), 200, Device)
    # The answer is sent back unchanged, and changes nothing.
    same = ChangeDevice.from_dict(shown.to_dict())
    again = expect(update_device.sync_detailed(device.id, client=client, body=same), 200, Device)
    assert again.provisioning == shown.provisioning and again.created_at == shown.created_at

    partition = Partition(name="nvs", offset=0x9000, size=SIZE)
    new = NewFlash(mac="60:55:F9:AA:00:01", chip="esp32c3", partition=partition, tool="walk.py")
    flash = expect(begin_flash.sync_detailed(device.id, client=client, body=new), 201, Flash)
    end = EndFlash(outcome="failed", sectors=1, bytes_=4096, reason="the walk ends here")
    ended = expect(end_flash.sync_detailed(device.id, flash.id, client=client, body=end), 200, Flash)
    assert (ended.state, ended.outcome, ended.sectors) == ("ended", "failed", 1)
    board = expect(get_board.sync_detailed(flash.mac, client=client), 200, Board)
    assert board.device.key == device.key and board.flashes[0].id == flash.id

    refused = ChangeDevice.from_dict({"key": "k1234567"})
    problem = expect(update_device.sync_detailed(device.id, client=client, body=refused), 422, Problem)
    assert [error.pointer for error in problem.errors] == ["/key"]

    page = expect(list_devices.sync_detailed(client=client, q="RENAMED", sort=ListDevicesSort("-name")), 200, None)
    assert [listed.id for listed in page.items] == [device.id]
    page = expect(list_audit.sync_detailed(client=client, device=device.id), 200, None)
    actions = {record.action for record in page.items if isinstance(record, AuditRecord)}
    assert {"create_device", "get_provisioning", "update_device"} <= actions, actions

    problem = expect(delete_device_model.sync_detailed(model.id, client=client), 409, Problem)
    assert problem.type_ == "urn:fleetmint:problem:in-use"
    expect(delete_device.sync_detailed(device.id, client=client), 204, None)
    expect(get_device.sync_detailed(device.id, client=client), 404, Problem)
    expect(delete_device_model.sync_detailed(model.id, client=client), 204, None)
print("walked one device through")
