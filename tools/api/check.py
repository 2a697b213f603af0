"""Calls a running service with everything that its OpenAPI document allows, and with much that it does not: schemathesis.

    .tools/venv/bin/python tools/api/check.py PROGRAM quick|full

Starts PROGRAM on loopback with embedded defaults in a folder of its own. quick takes a minute and always makes the same
calls, full takes ten and makes others each time. Every check that schemathesis has must find nothing; what a document
cannot say is in hooks.py. Exit code 1 if something was found; it is printed with the call that shows it.
"""

import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
SECONDS = {"quick": 60, "full": 600}
READY_SECONDS = 60
STOP_SECONDS = 30


def main():
    program, lane = sys.argv[1:]
    program = pathlib.Path(program).resolve()
    with tempfile.TemporaryDirectory() as folder, socket.socket() as one:
        folder = pathlib.Path(folder)
        one.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{one.getsockname()[1]}"
        one.close()
        environment = {name: value for name, value in os.environ.items() if not name.startswith("FLEETMINT_")}
        environment["FLEETMINT_SERVER__TRUSTED_PROXIES"] = "127.0.0.0/8"  # see lane.py
        log_path = folder / "log"
        with open(log_path, "wb") as log:
            server = subprocess.Popen(
                [program, "serve", "--listen", address], cwd=folder, env=environment, stdout=log, stderr=log
            )
        try:
            wait_until_ready(server, address, log_path)
            found = check(address, folder, lane)
            if server.poll() is not None:
                sys.exit(f"check: the server ended with {server.returncode}\n{tail(log_path)}")
        finally:
            server.terminate()
            server.wait(STOP_SECONDS)
    if found:
        sys.exit("check: schemathesis found something (it is above)")


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


def check(address, folder, lane):
    token = (folder / "fleetmint-data" / "admin-token").read_text().strip()
    config = folder / "schemathesis.toml"
    text = (ROOT / "schemathesis.toml").read_text().replace("tools.api.hooks", "tools.api.lane")
    # In a file, since arguments are for all to read.
    config.write_text(f'{text}\n[auth.openapi.administrator]\nbearer = "{token}"\n')
    config.chmod(0o600)
    seed = ["--seed", "1"] if lane == "quick" else []
    command = [
        sys.executable, "-m", "schemathesis.cli", "--config-file", config, "run", f"http://{address}/api/openapi.json",
        "--checks", "all", "--max-time", str(SECONDS[lane]), "--continue-on-failure", *seed,
    ]
    return subprocess.run(command, cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)}).returncode


def tail(path):
    return "\n".join(path.read_text(errors="replace").splitlines()[-20:])


main()
