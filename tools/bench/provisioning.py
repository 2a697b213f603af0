"""GET …/provisioning with embedded defaults, beside nginx that serves the same bytes from a file.

    python3 tools/bench/provisioning.py PROGRAM FOLDER [--rounds 3] [--seconds 5]

Server and nginx are on core 0, wrk on core 1; rounds alternate; the figures are medians. FOLDER is made
for this run and holds database, files and logs. Every request is authorized, read from the database and
audited durably, so one fdatasync of the same file system is measured in each round.
"""

import argparse
import contextlib
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import time

import serve
import wrk

SIZES = (4096, 24576)
CONNECTIONS = (1, 16, 64, 256)
# Requests per second beside nginx at 64 connections.
GOALS = {4096: 0.45, 24576: 0.30}


def main():
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("program")
    arguments.add_argument("folder", type=lambda path: pathlib.Path(path).resolve())
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--seconds", type=int, default=5)
    options = arguments.parse_args()
    data = options.folder / "data"

    with serve.serving(options.program, data) as server:
        model = server.post("/api/device-models", {"code": "bench", "name": "Bench"})
        device = server.post("/api/devices", {"device_model_id": model["id"], "name": "Bench"})
    start(options.program, data)

    with serve.serving(options.program, data, core=0) as server:
        paths = {size: f"/api/devices/{device['id']}/provisioning?partition_size={size}" for size in SIZES}
        answers = {size: server.get(path) for size, path in paths.items()}
        with nginx(options.folder, answers) as nginx_url:
            for size in SIZES:
                for connections in CONNECTIONS:
                    compare(
                        options,
                        size,
                        connections,
                        (server.url + paths[size], server.headers),
                        (f"{nginx_url}/{size}.json", {}),
                    )


def compare(options, size, connections, ours, theirs):
    rounds = {"fleetmint": [], "nginx": []}
    sync_us = []
    for (url, headers) in (ours, theirs):
        wrk.load(url, connections, 1, headers, core=1)
    for _ in range(options.rounds):
        for name, (url, headers) in (("fleetmint", ours), ("nginx", theirs)):
            rounds[name].append(wrk.load(url, connections, options.seconds, headers, core=1))
        # The disk's speed depends on other work of the machine, so it is measured in each round.
        sync_us.append(fdatasync(options.folder))
    fleetmint, nginx_ = wrk.medians(rounds["fleetmint"]), wrk.medians(rounds["nginx"])
    line = {
        "bench": "provisioning",
        "size": size,
        "connections": connections,
        "fleetmint": fleetmint,
        "nginx": nginx_,
        "rps_ratio": round(fleetmint["rps"] / nginx_["rps"], 3),
        "p50_ratio": round(fleetmint["p50_us"] / nginx_["p50_us"], 2),
        "p99_ratio": round(fleetmint["p99_us"] / nginx_["p99_us"], 2),
    }
    if connections == 64:
        line["goal_rps_ratio"] = GOALS[size]
    if connections == 1:
        sync = round(statistics.median(sync_us), 1)
        line["fdatasync_us"] = sync
        line["goal_p50_us"] = round(nginx_["p50_us"] + 1.5 * sync, 1)
    report(**line)


def start(program, data, rounds=5):
    """From the process's start to the first 200 of /readyz, on an existing database; then the memory."""
    ready, resident = [], []
    for _ in range(rounds):
        with serve.serving(program, data) as server:
            ready.append(server.ready_seconds * 1000)
            time.sleep(1)
            resident.append(server.resident_kib())
    report(bench="start", ready_ms=round(statistics.median(ready), 1), idle_rss_kib=statistics.median(resident))


def fdatasync(folder, rounds=300):
    """The median of one 4096-byte append and fdatasync, in microseconds."""
    taken = []
    with open(folder / "fdatasync", "wb", buffering=0) as file:
        for _ in range(rounds):
            began = time.perf_counter()
            file.write(bytes(4096))
            os.fdatasync(file.fileno())
            taken.append((time.perf_counter() - began) * 1e6)
    return round(statistics.median(taken), 1)


@contextlib.contextmanager
def nginx(folder, answers):
    """nginx, one process on core 0, with the answers as files."""
    root = folder / "nginx"
    root.mkdir()
    for size, answer in answers.items():
        (root / f"{size}.json").write_bytes(answer)
    port = serve.free_port()
    (root / "nginx.conf").write_text(
        f"""
        daemon off; master_process off; worker_processes 1; pid {root}/pid; error_log {root}/error.log;
        events {{ worker_connections 1024; }}
        http {{
            access_log off; sendfile on; tcp_nopush on; default_type application/json;
            keepalive_requests 1000000000;
            client_body_temp_path {root}/t1; proxy_temp_path {root}/t2; fastcgi_temp_path {root}/t3;
            uwsgi_temp_path {root}/t4; scgi_temp_path {root}/t5;
            server {{ listen 127.0.0.1:{port} backlog=1024; root {root}; }}
        }}
        """
    )
    program = shutil.which("nginx") or "/usr/sbin/nginx"
    process = subprocess.Popen(["taskset", "-c", "0", program, "-p", root, "-e", root / "error.log", "-c", root / "nginx.conf"])
    try:
        url = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + 10
        while True:
            try:
                serve.call("GET", f"{url}/{SIZES[0]}.json", {})
                break
            except OSError:
                if time.monotonic() > deadline or process.poll() is not None:
                    raise SystemExit("bench: nginx did not start") from None
                time.sleep(0.02)
        yield url
    finally:
        process.terminate()
        process.wait(timeout=10)


def report(**line):
    print(json.dumps(line), flush=True)


main()
