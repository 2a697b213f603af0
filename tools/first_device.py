"""Starts the server and walks one device from nothing to its token, over HTTP as any client would.

    python3 tools/first_device.py PROGRAM [--once] [ARGUMENTS OF serve…]

`./run` builds PROGRAM and calls this. Python's standard library is all it needs. The steps, each one
line of output: a model, a device, its NVS image on disk, the image decoded, a token fetched with what
the image says. What is there from an earlier walk is used again. No secret is printed.
"""

import base64
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time
import tomllib
import urllib.error
import urllib.parse
import urllib.request

READY_SECONDS = 60
STOP_SECONDS = 30
PARTITION_SIZE = 0x6000
MODEL = {"code": "sample", "name": "Sample model"}
DEVICE_NAME = "Sample device"
# Characters that a terminal must not show.
SECRET_KEYS = {"client_secret", "wifi_password"}


class Failed(Exception):
    """The walk cannot go on; the text says why."""


def main():
    program, *arguments = sys.argv[1:]
    once = "--once" in arguments[:1]
    if once:
        arguments = arguments[1:]
    settings = Settings(arguments)

    if taken(settings.host, settings.port):
        sys.exit(
            f"run: {settings.host}:{settings.port} is taken by another program (is one running already?);"
            " choose another address: ./run --listen 127.0.0.1:PORT"
        )
    settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    log_path = settings.data_dir / "serve.log"
    # A plain `kill` also ends the server, like Ctrl-C. SIGINT is set explicitly, because a shell's background job starts
    # with it ignored, but the server still reacts to it.
    signal.signal(signal.SIGTERM, interrupted)
    signal.signal(signal.SIGINT, interrupted)
    with open(log_path, "wb") as log:
        server = subprocess.Popen([program, "serve", *arguments], stdout=log, stderr=log)
    try:
        began = time.monotonic()
        wait_until_ready(server, settings, log_path)
        say(f"server    ready on {settings.url} after {time.monotonic() - began:.2f} s (log: {log_path})")
        walk(program, settings)
        if not once:
            say(f"serving   {settings.url}/api/docs until Ctrl-C; administrator token: {settings.token_place}")
            code = server.wait()
            if code != 0:
                raise Failed(f"the server ended with exit code {code}\n{tail(log_path)}")
    except Failed as failure:
        sys.exit(f"run: {failure}")
    except KeyboardInterrupt:
        # Interrupting before the device has its token is a failure; ending the server after it is not.
        if once:
            sys.exit(130)
    finally:
        stop(server)


class Settings:
    """The few of serve's settings that a client beside it needs: flag, environment, file, default."""

    def __init__(self, arguments):
        config = option(arguments, "--config") or (
            "fleetmint.toml" if pathlib.Path("fleetmint.toml").exists() else None
        )
        try:
            file = tomllib.loads(pathlib.Path(config).read_text()) if config else {}
        except (OSError, ValueError):
            file = {}  # serve says what is wrong with it

        def setting(section, key):
            return os.environ.get(f"FLEETMINT_{section}__{key}".upper()) or file.get(section, {}).get(key)

        listen = option(arguments, "--listen") or setting("server", "listen") or "127.0.0.1:8080"
        host, _, port = listen.rpartition(":")
        host = host.strip("[]")
        if not port.isdecimal() or int(port) == 0:
            sys.exit(f"run: --listen {listen}: an address and a port other than 0 is wanted, as 127.0.0.1:8080")
        self.host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
        self.port = int(port)
        self.url = f"http://{f'[{self.host}]' if ':' in self.host else self.host}:{port}"
        self.data_dir = pathlib.Path(setting("data", "dir") or "fleetmint-data")
        self._token = setting("access", "bootstrap_token")
        self._token_file = pathlib.Path(
            os.environ.get("FLEETMINT_ACCESS__BOOTSTRAP_TOKEN_FILE") or self.data_dir / "admin-token"
        )
        self.token_place = "access.bootstrap_token" if self._token else self._token_file

    def token(self):
        return self._token or self._token_file.read_text().strip()


def option(arguments, name):
    for position, argument in enumerate(arguments):
        if argument == name:
            return arguments[position + 1] if position + 1 < len(arguments) else None
        if argument.startswith(name + "="):
            return argument.removeprefix(name + "=")
    return None


def walk(program, settings):
    api = Api(settings.url, settings.token())

    model, made = api.find_or_create(
        "/api/device-models", MODEL["code"], lambda one: one["code"] == MODEL["code"], MODEL
    )
    say(f"model     {model['code']}, id {model['id']} ({'created' if made else 'there already'})")

    device, made = api.find_or_create(
        "/api/devices",
        DEVICE_NAME,
        lambda one: one["name"] == DEVICE_NAME and one["device_model_id"] == model["id"],
        {"device_model_id": model["id"], "name": DEVICE_NAME},
    )
    say(
        f"device    {device['name']}, id {device['id']}, key {device['key']}, client {device['client_id']}"
        f" ({'created' if made else 'there already'})"
    )

    path = f"/api/devices/{device['id']}/provisioning?partition_size={PARTITION_SIZE:#x}"
    image = api.get_bytes(path)
    image_path = settings.data_dir / f"{device['client_id']}.bin"
    write_private(image_path, image)
    say(f"image     {len(image)} bytes in {image_path}; onto a board on USB:")
    say(f"          fleetmint flash --device {device['key']}")

    values = decode(program, image_path)
    say(f"decoded   fleetmint nvs dump {image_path}")
    for key, value in values.items():
        shown = f"({len(value.encode())} bytes, not shown)" if key in SECRET_KEYS else value
        say(f"          {key:<14} {shown}")

    token = fetch_token(values)
    claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
    say(
        f"token     from {values['token_url']}: sub {claims.get('sub')}, aud {claims.get('aud')},"
        f" valid for {claims.get('exp', 0) - claims.get('iat', 0)} s"
    )


def decode(program, image_path):
    done = subprocess.run(
        [program, "nvs", "dump", image_path, "--format", "json"], capture_output=True, text=True
    )
    if done.returncode:
        raise Failed(f"fleetmint nvs dump {image_path}: exit code {done.returncode}: {done.stderr.strip()}")
    return {one["key"]: one["value"] for one in json.loads(done.stdout) if one["namespace"] == "prov"}


def fetch_token(values):
    """What the firmware does: one client-credentials request with what its image says."""
    form = urllib.parse.urlencode(
        {
            "grant_type": "client_credentials",
            "client_id": values["client_id"],
            "client_secret": values["client_secret"],
        }
    )
    request = urllib.request.Request(values["token_url"], data=form.encode(), method="POST")
    return json.loads(answer(request))["access_token"]


class Api:
    def __init__(self, url, token):
        self.url = url
        self.authorization = f"Bearer {token}"

    def find_or_create(self, path, query, wanted, body):
        cursor = ""
        while cursor is not None:
            parameters = urllib.parse.urlencode({"q": query, **({"cursor": cursor} if cursor else {})})
            page = json.loads(self._call("GET", f"{path}?{parameters}"))
            for one in page["items"]:
                if wanted(one):
                    return one, False
            cursor = page["next_cursor"]
        return json.loads(self._call("POST", path, json.dumps(body).encode())), True

    def get_bytes(self, path):
        return self._call("GET", path, accept="application/octet-stream")

    def _call(self, method, path, body=None, accept="application/json"):
        headers = {"Authorization": self.authorization, "Accept": accept}
        if body is not None:
            headers["Content-Type"] = "application/json"
        return answer(urllib.request.Request(self.url + path, data=body, method=method, headers=headers))


# Loopback servers must not be asked by way of a proxy.
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def answer(request):
    try:
        with OPENER.open(request, timeout=30) as response:
            return response.read()
    except urllib.error.HTTPError as error:
        raise Failed(
            f"{request.method} {request.full_url}: {error.code} {error.read().decode(errors='replace')}"
        ) from None
    except OSError as error:
        raise Failed(f"{request.method} {request.full_url}: {error}") from None


def taken(host, port):
    try:
        with socket.create_connection((host, port), timeout=2):
            return True
    except OSError:
        return False


def wait_until_ready(server, settings, log_path):
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise Failed(f"the server did not start (exit code {server.returncode})\n{tail(log_path)}")
        try:
            with OPENER.open(f"{settings.url}/readyz", timeout=5):
                return
        except OSError:
            time.sleep(0.02)
    raise Failed(f"the server is not ready after {READY_SECONDS} s\n{tail(log_path)}")


def tail(path):
    lines = path.read_text(errors="replace").splitlines()
    return "\n".join(["its last lines:", *lines[-10:]])


def write_private(path, data):
    """The whole file or none of it, for the owner's eyes only: it holds the device's secret."""
    beside = path.with_suffix(".tmp")
    with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(data)
    os.replace(beside, path)


def interrupted(_signal, _frame):
    raise KeyboardInterrupt


def stop(server):
    if server.poll() is None:
        server.send_signal(signal.SIGTERM)
        try:
            server.wait(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def say(line):
    print(line, flush=True)


main()
