"""Checks ./run as a new user meets it, from a clean clone of what is committed.

    python3 tools/check_run.py TARGET_DIR

The clone shares TARGET_DIR (cargo's) and .tools, so that only the workspace's own crates are built again.
"""

import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent


def main():
    target_dir = pathlib.Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory() as folder:
        clone = pathlib.Path(folder) / "fleetmint"
        subprocess.run(["git", "clone", "--quiet", ROOT, clone], check=True)
        check(clone, target_dir)


def check(clone, target_dir):
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("FLEETMINT_")},
        "CARGO_TARGET_DIR": str(target_dir),
        "FLEETMINT_TOOLS": os.environ.get("FLEETMINT_TOOLS", str(ROOT / ".tools")),
    }
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    arguments = ["--listen", f"127.0.0.1:{port}"]

    def run(*more):
        done = subprocess.run(
            ["./run", *more, *arguments], cwd=clone, env=environment, text=True, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, timeout=1800,
        )
        return done.returncode, done.stdout, done.stderr

    first = run("--once")
    expect(first[0] == 0, "the first ./run --once ends with 0", first)
    for word in ("ready on", "model", "device", "image", "decoded", "client_secret", "token"):
        expect(word in first[1], f"it tells of '{word}'", first)
    expect("created" in first[1], "it creates the sample", first)

    second = run("--once")
    expect(second[0] == 0, "the second ./run --once ends with 0", second)
    expect("created" not in second[1], "it goes on with the sample that is there", second)

    (image,) = (clone / "fleetmint-data").glob("iotdevice-*.bin")
    expect(image.stat().st_mode & 0o777 == 0o600, "the image is its owner's alone", second)
    dump = subprocess.run(
        [target_dir / "release" / "fleetmint", "nvs", "dump", image, "--format", "json"],
        capture_output=True, text=True, check=True,
    )
    secret = {one["key"]: one["value"] for one in json.loads(dump.stdout)}["client_secret"]
    token = (clone / "fleetmint-data" / "admin-token").read_text().strip()
    log = (clone / "fleetmint-data" / "serve.log").read_text()
    for what, hidden in (("the client's secret", secret), ("the administrator's token", token)):
        printed = any(hidden in place for place in (*first[1:], *second[1:], log))
        expect(not printed, f"{what} is not printed", (0, "(the output is withheld)", ""))

    program = (target_dir / "release" / "fleetmint").read_bytes()
    expect(b"FLEETMINT_FAILPOINT" not in program, "the release has no failpoints", second)

    with socket.create_server(("127.0.0.1", port)):
        taken = run("--once")
    expect(taken[0] != 0 and f"127.0.0.1:{port} is taken" in taken[2], "a taken port is a clear error", taken)

    serving = subprocess.Popen(
        ["./run", *arguments], cwd=clone, env=environment, text=True, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, start_new_session=True,
        # A terminal's jobs react to Ctrl-C, even if this script's own parent ignores it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    lines = []
    for line in serving.stdout:
        lines.append(line)
        if line.startswith("serving"):
            break
    # Like the terminal at Ctrl-C: to every process of the group.
    os.killpg(serving.pid, signal.SIGINT)
    out, err = serving.communicate(timeout=60)
    ended = (serving.returncode, "".join(lines) + out, err)
    expect(any(line.startswith("serving") for line in lines), "./run goes on serving after the walk", ended)
    expect(serving.returncode == 0, "Ctrl-C ends it with 0", ended)
    with socket.socket() as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        one.bind(("127.0.0.1", port))  # nothing is left running


def expect(true, what, ended):
    print(f"{'ok' if true else 'FAILED'}: {what}", flush=True)
    if not true:
        code, out, err = ended
        sys.exit(f"check_run: exit code {code}\n{out}\n{err}")


main()
