"""The server with a real Keycloak, beside bare calls to the same Keycloak.

    python3 tools/bench/keycloak.py PROGRAM FOLDER [--rounds 5] [--seconds 4] [--warm-up 100000]

Rows: GET …/provisioning (audit included) beside GET …/client-secret over kept connections, at 1 and 16
connections; creating devices beside bare POST /clients, at 8. Rounds alternate, figures are medians,
Keycloak is warm before: after 20,000 requests its compiler is still at work. FOLDER is made for this run.
Keycloak comes from tools/keycloak.
"""

import argparse
import json
import pathlib
import shlex
import subprocess
import sys
import urllib.parse
import urllib.request

import serve
import wrk

KEYCLOAK = pathlib.Path(__file__).parent.parent / "keycloak"
SCOPE = "fleetmint-device"
DEVICES = 2000


def main():
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("program")
    arguments.add_argument("folder", type=lambda path: pathlib.Path(path).resolve())
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--seconds", type=int, default=4)
    arguments.add_argument("--warm-up", type=int, default=100000, help="requests before anything is measured")
    options = arguments.parse_args()

    instance = [sys.executable, KEYCLOAK, "--instance", "bench"]
    try:
        lines = subprocess.run([*instance, "--measured", "start"], stdout=subprocess.PIPE, text=True, check=True).stdout
        keycloak = Keycloak(dict(shlex.split(line)[1].split("=", 1) for line in lines.splitlines()))
        with serve.serving(options.program, options.folder / "data", keycloak.settings()) as server:
            measure(options, keycloak, server)
    finally:
        subprocess.run([*instance, "stop"], check=True)


class Keycloak:
    def __init__(self, values):
        self._of = lambda name: values[f"FLEETMINT_TEST_KEYCLOAK{name}"]
        self.realm = f"{self._of('')}/realms/{self._of('_REALM')}"
        self.admin = f"{self._of('')}/admin/realms/{self._of('_REALM')}"

    def settings(self):
        return {
            "FLEETMINT_IDENTITY__PROVIDER": "keycloak",
            "FLEETMINT_IDENTITY__KEYCLOAK__BASE_URL": self._of(""),
            "FLEETMINT_IDENTITY__KEYCLOAK__REALM": self._of("_REALM"),
            "FLEETMINT_IDENTITY__KEYCLOAK__CLIENT_ID": self._of("_CLIENT_ID"),
            "FLEETMINT_IDENTITY__KEYCLOAK__CLIENT_SECRET": self._of("_CLIENT_SECRET"),
            "FLEETMINT_IDENTITY__KEYCLOAK__DEVICE_SCOPE": SCOPE,
        }

    def headers(self):
        """With a fresh token of the service account's: it lives five minutes."""
        form = urllib.parse.urlencode(
            {
                "grant_type": "client_credentials",
                "client_id": self._of("_CLIENT_ID"),
                "client_secret": self._of("_CLIENT_SECRET"),
            }
        )
        request = urllib.request.Request(f"{self.realm}/protocol/openid-connect/token", data=form.encode())
        with serve.OPENER.open(request, timeout=60) as answer:
            return {"Authorization": f"Bearer {json.load(answer)['access_token']}"}


def measure(options, keycloak, server):
    model = server.post("/api/device-models", {"code": "bench", "name": "Bench"})
    device = server.post("/api/devices", {"device_model_id": model["id"], "name": "Bench"})
    image = f"{server.url}/api/devices/{device['id']}/provisioning"
    clients = f"{keycloak.admin}/clients"
    (client,) = json.loads(
        serve.call("GET", f"{clients}?clientId={device['client_id']}", keycloak.headers())
    )
    secret = f"{clients}/{client['id']}/client-secret"

    warm = 0
    while warm < options.warm_up:
        warm += wrk.load(secret, 16, 3, keycloak.headers())["answered"]
        warm += wrk.load(image, 16, 3, server.headers)["answered"]

    for connections, goals in ((1, {"goal_p50_ratio": 1.5}), (16, {"goal_rps_ratio": 0.8})):
        ours, bare = [], []
        for _ in range(options.rounds):
            ours.append(wrk.load(image, connections, options.seconds, server.headers))
            bare.append(wrk.load(secret, connections, options.seconds, keycloak.headers()))
        report("keycloak_provisioning", connections, wrk.medians(ours), wrk.medians(bare), goals)

    # The calls that the server sends for a device.
    create_client = json.dumps(
        {
            "clientId": "iotdevice-bench-NUMBER",
            "name": "Device NUMBER",
            "description": "Made by Fleetmint for one device",
            "enabled": True,
            "protocol": "openid-connect",
            "clientAuthenticatorType": "client-secret",
            "secret": "NUMBER-abcdefghijklmnopqrstuvwxyz0123456789",
            "attributes": {"fleetmint.device": "NUMBER"},
            "fullScopeAllowed": False,
            "publicClient": False,
            "bearerOnly": False,
            "serviceAccountsEnabled": True,
            "standardFlowEnabled": False,
            "implicitFlowEnabled": False,
            "directAccessGrantsEnabled": False,
            "defaultClientScopes": ["basic", SCOPE],
        }
    )
    create_device = json.dumps({"device_model_id": model["id"], "name": "NUMBER"})
    ours, bare = [], []
    # Creating needs a much longer warm-up than reading: Keycloak's JIT compiler is busy for thousands of clients.
    warm, seconds = 0, 3 * options.seconds
    for number in range(1000):
        first = number * 1_000_000
        if warm < options.warm_up // 10:
            warm += wrk.create(clients, create_client, first, 8, seconds, keycloak.headers())["answered"]
            continue
        ours.append(wrk.create(f"{server.url}/api/devices", create_device, first, 8, options.seconds, server.headers))
        bare.append(wrk.create(clients, create_client, first, 8, options.seconds, keycloak.headers()))
        if len(ours) >= options.rounds and sum(one["answered"] for one in ours) >= DEVICES:
            break
    report("keycloak_create", 8, wrk.medians(ours), wrk.medians(bare), {"goal_rps_ratio": 0.9})


def report(bench, connections, fleetmint, keycloak, goals):
    line = {
        "bench": bench,
        "connections": connections,
        "fleetmint": fleetmint,
        "keycloak": keycloak,
        "rps_ratio": round(fleetmint["rps"] / keycloak["rps"], 3),
        "p50_ratio": round(fleetmint["p50_us"] / keycloak["p50_us"], 2),
        "p99_ratio": round(fleetmint["p99_us"] / keycloak["p99_us"], 2),
        **goals,
    }
    print(json.dumps(line), flush=True)


main()
