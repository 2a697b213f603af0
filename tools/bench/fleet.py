"""Lists of devices in a fleet of 100,000, beside the same calls in a fleet of 1,000.

    python3 tools/bench/fleet.py PROGRAM FOLDER [--devices 100000] [--calls 40]

The devices are rows that are inserted directly: enrolling them would take most of the time. Each figure is the median
time in milliseconds of one call on an open connection. FOLDER is made for this run.
"""

import argparse
import base64
import http.client
import json
import pathlib
import sqlite3
import statistics
import time
import urllib.parse

import serve

FEW = 1_000
MODELS = 20
# What every list answers within, in milliseconds.
GOAL = 50


def main():
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("program")
    arguments.add_argument("folder", type=lambda path: pathlib.Path(path).resolve())
    arguments.add_argument("--devices", type=int, default=100_000)
    arguments.add_argument("--calls", type=int, default=40)
    options = arguments.parse_args()
    few = measure(options, FEW)
    many = measure(options, options.devices)
    for what, path in queries(options.devices):
        print(
            json.dumps(
                {
                    "measurement": "fleet",
                    "what": what,
                    "path": path,
                    "devices": options.devices,
                    "ms": round(many[what], 3),
                    "goal_ms": GOAL,
                    "reached": many[what] <= GOAL,
                    "peer": f"the same call, {FEW} devices",
                    "peer_ms": round(few[what], 3),
                }
            ),
            flush=True,
        )


def measure(options, devices):
    data = options.folder / f"data-{devices}"
    with serve.serving(options.program, data):
        pass
    fill(data / "fleetmint.db", devices)
    medians = {}
    with serve.serving(options.program, data, core=0) as server:
        connection = http.client.HTTPConnection(urllib.parse.urlsplit(server.url).netloc, timeout=60)
        for what, path in queries(devices):
            times = []
            for _ in range(options.calls):
                began = time.perf_counter()
                answer = get(connection, server, path)
                times.append((time.perf_counter() - began) * 1e3)
            medians[what] = statistics.median(times)
            if what in ("page", "search, in all names"):
                assert len(answer["items"]) == 50, what
        connection.close()
    return medians


def get(connection, server, path):
    connection.request("GET", path, headers=server.headers)
    answer = connection.getresponse()
    body = answer.read()
    if answer.status != 200:
        raise SystemExit(f"bench: {path}: {answer.status} {body.decode(errors='replace')}")
    return json.loads(body)


def queries(devices):
    """What is measured: a name, and the call."""
    yield "page", "/api/devices?limit=50"
    for sort in ("id", "key", "name", "device_model_id", "created_at", "updated_at"):
        for direction in ("", "-"):
            yield f"sort {direction}{sort}", f"/api/devices?sort={direction}{sort}"
            yield f"sort {direction}{sort}, one model", f"/api/devices?sort={direction}{sort}&device_model_id=7"
    yield "sort name, far down", f"/api/devices?sort=name&cursor={cursor('name', devices)}"
    yield "search, in all names", "/api/devices?q=sensor"
    yield "search, one device", f"/api/devices?q={key(devices - 1)}"
    yield "search, nothing", "/api/devices?q=there-is-no-such-device"
    yield "search, nothing, sort -name", "/api/devices?q=there-is-no-such-device&sort=-name"
    yield "search, nothing, one model", "/api/devices?q=there-is-no-such-device&device_model_id=7"
    yield "serial", f"/api/devices?serial=SN-{devices - 1:08}"
    yield "one device", f"/api/devices/{devices}"


def key(n):
    digits = "0123456789abcdefghijklmnopqrstuvwxyz"
    # Spread over the index, as random keys are.
    number = (n * 2_654_435_761) % 36**7
    text = ""
    for _ in range(7):
        number, digit = divmod(number, 36)
        text += digits[digit]
    return "k" + text


def name(n):
    return f"Sensor {n * 7919 % 1_000_003:07} in hall {n % 13}"


def cursor(sort, devices):
    """The cursor of the page in the middle of the order by name, as the service writes it."""
    middle = sorted(range(devices), key=lambda n: (name(n), n))[devices // 2]
    text = json.dumps([sort, False, [name(middle), middle + 1]], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def fill(path, devices):
    """Inserts models and devices as enrolment does, half of them on a board."""
    database = sqlite3.connect(path)
    with database:
        for n in range(1, MODELS + 1):
            database.execute(
                "INSERT INTO device_models (id, code, name, created_at, updated_at, name_folded) VALUES (?, ?, ?, ?, ?, ?)",
                (n, f"model{n}", f"Model {n}", n, n, f"model {n}"),
            )
        start = 1_790_000_000_000_000
        database.executemany(
            "INSERT INTO devices (id, key, device_model_id, name, client_id, state, created_at, updated_at, serial,"
            " name_folded) VALUES (?, ?, ?, ?, ?, 'active', ?, ?, ?, ?)",
            (
                (
                    n + 1,
                    key(n),
                    n % MODELS + 1,
                    name(n),
                    f"iotdevice-model{n % MODELS + 1}-{key(n)}",
                    start + n,
                    start + n * 31 % 1_000_000_007,
                    f"SN-{n:08}",
                    name(n).lower(),
                )
                for n in range(devices)
            ),
        )
        database.executemany(
            "INSERT INTO flashes (device_id, current_device_id, mac, chip, partition_name, partition_offset,"
            " partition_size, tool, started_at, ended_at, outcome) VALUES (?, ?, ?, 'esp32c3', 'nvs', 36864, 24576,"
            " 'bench', ?, ?, 'written')",
            (
                (n + 1, n + 1, ":".join(f"{n + 1:012x}"[i : i + 2] for i in range(0, 12, 2)), start + n, start + n + 1)
                for n in range(0, devices, 2)
            ),
        )
    database.close()


if __name__ == "__main__":
    main()
