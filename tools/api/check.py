"""Calls a running service with everything that its OpenAPI document allows, and with much that it does not: schemathesis.

    .tools/venv/bin/python tools/api/check.py PROGRAM quick|full [builtin|keycloak]

Starts PROGRAM on loopback in a folder of its own: with embedded defaults, and then with a new realm of the Keycloak that
`tools/keycloak start` has started (its variables must be set). quick takes a minute and a half and always makes the same
calls, full takes fifteen and makes others each time. Every check that schemathesis has must find nothing; what a document
cannot say is in hooks.py. Exit code 1 if something was found; it is printed with the call that shows it.
"""

import contextlib
import json
import os
import pathlib
import secrets
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
SECONDS = {"quick": {"builtin": 45, "keycloak": 35}, "full": {"builtin": 600, "keycloak": 300}}
READY_SECONDS = 60
STOP_SECONDS = 30


def main():
    program, lane, *providers = sys.argv[1:]
    program = pathlib.Path(program).resolve()
    found = [provider for provider in providers or PROVIDERS if serve_and_check(program, lane, provider)]
    if found:
        sys.exit(f"check: schemathesis found something with the identity provider {' and '.join(found)} (it is above)")


def serve_and_check(program, lane, provider):
    """Whether something was found."""
    with contextlib.ExitStack() as stack:
        settings = stack.enter_context(PROVIDERS[provider]())
        folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            address = f"127.0.0.1:{one.getsockname()[1]}"
        environment = {name: value for name, value in os.environ.items() if not name.startswith("FLEETMINT_")}
        environment["FLEETMINT_SERVER__TRUSTED_PROXIES"] = "127.0.0.0/8"  # see lane.py
        environment |= settings
        log_path = folder / "log"
        with open(log_path, "wb") as log:
            server = subprocess.Popen(
                [program, "serve", "--listen", address], cwd=folder, env=environment, stdout=log, stderr=log
            )
        try:
            wait_until_ready(server, address, log_path)
            print(f"with the identity provider {provider}:", flush=True)
            found = check(address, folder, lane, provider)
            if server.poll() is not None:
                sys.exit(f"check: the server ended with {server.returncode}\n{tail(log_path)}")
        finally:
            server.terminate()
            server.wait(STOP_SECONDS)
    return found


@contextlib.contextmanager
def builtin():
    yield {}


@contextlib.contextmanager
def keycloak():
    """A realm of its own, as docs/keycloak.md has people import it, so that no other test sees what is created here."""
    base = os.environ.get("FLEETMINT_TEST_KEYCLOAK")
    if base is None:
        sys.exit('check: FLEETMINT_TEST_KEYCLOAK is not set: eval "$(tools/keycloak start)" starts Keycloak and sets it')
    user, password = (os.environ[f"FLEETMINT_TEST_KEYCLOAK_{name}"] for name in ("ADMIN", "ADMIN_PASSWORD"))

    def call(method, path, body=None):
        # A new token each time, because a token is only valid for a minute.
        form = {"grant_type": "password", "client_id": "admin-cli", "username": user, "password": password}
        form = urllib.parse.urlencode(form).encode()
        token = send("POST", f"{base}/realms/master/protocol/openid-connect/token", form, {})["access_token"]
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        return send(method, f"{base}/admin/realms{path}", body and json.dumps(body).encode(), headers)

    realm = json.loads((ROOT / "docs" / "fleet-realm.json").read_text())
    realm["realm"] = name = f"check-{secrets.token_hex(4)}"
    call("POST", "", realm)
    try:
        (client,) = call("GET", f"/{name}/clients?clientId=fleetmint")
        secret = call("GET", f"/{name}/clients/{client['id']}/client-secret")["value"]
        yield {
            "FLEETMINT_IDENTITY__PROVIDER": "keycloak",
            "FLEETMINT_IDENTITY__KEYCLOAK__BASE_URL": base,
            "FLEETMINT_IDENTITY__KEYCLOAK__REALM": name,
            "FLEETMINT_IDENTITY__KEYCLOAK__CLIENT_ID": "fleetmint",
            "FLEETMINT_IDENTITY__KEYCLOAK__CLIENT_SECRET": secret,
            "FLEETMINT_IDENTITY__KEYCLOAK__DEVICE_SCOPE": "fleetmint-device",
            # It shares two cores with the callers of the service.
            "FLEETMINT_IDENTITY__KEYCLOAK__TIMEOUT_SECONDS": "20",
        }
    finally:
        call("DELETE", f"/{name}")


def send(method, url, body, headers):
    request = urllib.request.Request(url, data=body, method=method, headers=headers)
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=60) as answer:
        text = answer.read()
    return json.loads(text) if text else None


PROVIDERS = {"builtin": builtin, "keycloak": keycloak}


def wait_until_ready(server, address, log_path):
    limit = time.monotonic() + READY_SECONDS
    while True:
        try:
            with urllib.request.urlopen(f"http://{address}/readyz", timeout=5):
                return
        except OSError:
            pass
        if server.poll() is not None or time.monotonic() > limit:
            sys.exit(f"check: the server does not become ready\n{tail(log_path)}")
        time.sleep(0.1)


def check(address, folder, lane, provider):
    token = (folder / "fleetmint-data" / "admin-token").read_text().strip()
    config = folder / "schemathesis.toml"
    text = (ROOT / "schemathesis.toml").read_text().replace("tools.api.hooks", "tools.api.lane")
    # In a file, because every user can read a process's arguments.
    config.write_text(f'{text}\n[auth.openapi.administrator]\nbearer = "{token}"\n')
    config.chmod(0o600)
    seed = ["--seed", "1"] if lane == "quick" else []
    command = [
        sys.executable, "-m", "schemathesis.cli", "--config-file", config, "run", f"http://{address}/api/openapi.json",
        "--checks", "all", "--max-time", str(SECONDS[lane][provider]), "--continue-on-failure", *seed,
    ]
    return subprocess.run(command, cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)}).returncode


def tail(path):
    return "\n".join(path.read_text(errors="replace").splitlines()[-20:])


main()
