"""Starts the release server for a measurement, and talks to it."""

import contextlib
import json
import os
import pathlib
import socket
import subprocess
import time
import urllib.error
import urllib.request

OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))
READY_SECONDS = 60


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class Server:
    def __init__(self, process, url, data_dir, ready_seconds):
        self.process = process
        self.url = url
        self.ready_seconds = ready_seconds
        self.headers = {"Authorization": f"Bearer {(data_dir / 'admin-token').read_text().strip()}"}

    def post(self, path, body):
        return json.loads(call("POST", self.url + path, self.headers, body))

    def get(self, path):
        return call("GET", self.url + path, self.headers)

    def resident_kib(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0])


@contextlib.contextmanager
def serving(program, data_dir, settings=None, core=None):
    """The server on a free port, ready, on the data in `data_dir`; stopped at the end."""
    port = free_port()
    command = ["taskset", "-c", str(core)] if core is not None else []
    command += [program, "serve", "--listen", f"127.0.0.1:{port}"]
    environment = {**os.environ, **(settings or {}), "FLEETMINT_DATA__DIR": str(data_dir)}
    log_path = data_dir.with_suffix(".log")
    with open(log_path, "wb") as log:
        began = time.monotonic()
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        try:
            url = f"http://127.0.0.1:{port}"
            wait_until_ready(process, url, log_path)
            yield Server(process, url, data_dir, time.monotonic() - began)
        finally:
            process.terminate()
            process.wait(timeout=60)


def wait_until_ready(process, url, log_path):
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with OPENER.open(f"{url}/readyz", timeout=5):
                return
        except OSError:
            time.sleep(0.001)
    raise SystemExit(f"bench: the server did not become ready:\n{log_path.read_text(errors='replace')[-2000:]}")


def call(method, url, headers, body=None):
    headers = {**headers, "Content-Type": "application/json"} if body is not None else headers
    data = json.dumps(body).encode() if body is not None else None
    try:
        with OPENER.open(urllib.request.Request(url, data=data, method=method, headers=headers), timeout=60) as answer:
            return answer.read()
    except urllib.error.HTTPError as error:
        raise SystemExit(f"bench: {method} {url}: {error.code} {error.read().decode(errors='replace')}") from None
