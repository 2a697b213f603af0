"""Runs wrk and reads what it prints."""

import os
import pathlib
import re
import statistics
import subprocess

MICROSECONDS = {"us": 1, "ms": 1_000, "s": 1_000_000, "m": 60_000_000}


def load(url, connections, seconds, headers=None, core=None):
    """Loads `url`; returns requests per second, latencies in microseconds, and how many answers were no 2xx."""
    command = ["taskset", "-c", str(core)] if core is not None else []
    command += ["wrk", "--latency", "-t1", f"-c{connections}", f"-d{seconds}s"]
    for name, value in (headers or {}).items():
        command += ["-H", f"{name}: {value}"]
    return _run([*command, url])


def create(url, body, first, connections, seconds, headers):
    """As `load`, but POSTs `body`, in which NUMBER is the number of the request, from `first` on."""
    script = pathlib.Path(__file__).with_name("post.lua")
    command = ["wrk", "--latency", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", str(script)]
    for name, value in headers.items():
        command += ["-H", f"{name}: {value}"]
    return _run([*command, url, "--", str(first)], BODY=body)


def medians(results):
    """The median of each figure over several rounds; answers and errors of all together."""
    median = {key: round(statistics.median(one[key] for one in results), 1) for key in ("rps", "p50_us", "p99_us")}
    return {**median, **{key: sum(one[key] for one in results) for key in ("answered", "errors")}}


def _run(command, **environment):
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environment})
    if done.returncode:
        # The command contains a token, so the message does not show it.
        raise SystemExit(f"bench: wrk failed: {done.stderr.strip()}")
    return parse(done.stdout)


def parse(text):
    def latency(percent):
        number, unit = re.search(rf"^\s+{percent}%\s+([\d.]+)([a-z]+)", text, re.MULTILINE).groups()
        return float(number) * MICROSECONDS[unit]

    errors = 0
    if match := re.search(r"Non-2xx or 3xx responses: (\d+)", text):
        errors += int(match.group(1))
    if match := re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", text):
        errors += sum(map(int, match.groups()))
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", text).group(1))
    answered = int(re.search(r"(\d+) requests in", text).group(1))
    return {"rps": rate, "p50_us": latency(50), "p99_us": latency(99), "answered": answered, "errors": errors}
