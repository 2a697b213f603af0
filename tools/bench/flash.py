"""`fleetmint flash` beside `esptool write-flash` of the whole partition, on a simulated board.

    .tools/venv/bin/python tools/bench/flash.py PROGRAM FOLDER [--chip esp32c3] [--rounds 3]

The board is crates/fleetmint/tests/board_bench/board.py, a simulated chip on a pseudo-terminal. Bytes take as long as on a
real line of the named speed, erases and writes as long as on a real flash. The figures:

    seconds     from the opened port to the last answer, as the board sees it: connect, stub, read, write, verify
    connect     of that, until the stub runs: the same work for both tools, which upload the same kind of stub at 115,200 baud
    commands, to_board, from_board     on the line; to_board and from_board in bytes
    data        of to_board, what is to be written, compressed
    written     bytes that went into the flash: whole sectors

A real board is also reset before and after, which a pseudo-terminal cannot be: about 0.15 s before (esptool's tight reset) and
0.1 s after, the same for both tools.

esptool writes the whole partition as it will be, which is what a user does without Fleetmint: it cannot know what the
partition holds. Rounds alternate; seconds are medians, the other figures are the same in each round.
"""

import argparse
import contextlib
import json
import os
import pathlib
import random
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
BOARD = ROOT / "crates/fleetmint/tests/board_bench/board.py"
BAUDS = (115_200, 921_600)
OFFSET, SIZE = 0x9000, 0x6000
# Written bytes beside esptool's, and seconds beside esptool's at 921,600 baud.
GOALS = {"written": 0.25, "seconds": 0.6}


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("program")
    arguments.add_argument("folder", type=lambda path: pathlib.Path(path).resolve())
    arguments.add_argument("--chip", default="esp32c3")
    arguments.add_argument("--rounds", type=int, default=3)
    options = arguments.parse_args()
    options.folder.mkdir(exist_ok=True)
    nvs = Nvs(options)
    worn, blank = nvs.worn(), b"\xff" * SIZE
    secret = nvs.changes("secret.csv", [("client_secret", "n3w-" + "s" * 39)])
    identity = nvs.changes("identity.csv", nvs.identity)
    cases = {
        "one changed secret, worn partition": (worn, secret),
        "blank partition": (blank, identity),
        "unchanged": (nvs.patched(worn, secret), secret),
    }
    for baud in BAUDS:
        for case, (before, changes) in cases.items():
            compare(options, baud, case, before, changes, nvs.patched(before, changes))


def compare(options, baud, case, before, changes, after):
    rounds = {"fleetmint": [], "esptool": []}
    image = options.folder / "after.bin"
    image.write_bytes(after)
    for _ in range(options.rounds):
        with board(options, before) as (port, ask):
            connection = ["--port", port, "--baud", str(baud), "--before", "no-reset", "--after", "no-reset"]
            state = {"XDG_STATE_HOME": str(options.folder / "state")}
            run([options.program, "flash", "--changes", changes, "--yes", *connection], state)
            rounds["fleetmint"].append(figures(ask("report")))
            check(options, after)
        with board(options, before) as (port, ask):
            esptool = [sys.executable, "-m", "esptool", "--chip", options.chip]
            connection = ["--port", port, "--baud", str(baud), "--before", "no-reset", "--after", "no-reset"]
            run([*esptool, *connection, "write-flash", hex(OFFSET), image])
            rounds["esptool"].append(figures(ask("report")))
            check(options, after)
    fleetmint, esptool = (medians(rounds[name]) for name in ("fleetmint", "esptool"))
    line = {
        "bench": "flash",
        "chip": options.chip,
        "baud": baud,
        "case": case,
        "fleetmint": fleetmint,
        "esptool": esptool,
        "written_ratio": round(fleetmint["written"] / esptool["written"], 3),
        "data_ratio": round(fleetmint["data"] / esptool["data"], 3),
        "seconds_ratio": round(fleetmint["seconds"] / esptool["seconds"], 2),
        "seconds_ratio_after_connect": round(
            (fleetmint["seconds"] - fleetmint["connect"]) / (esptool["seconds"] - esptool["connect"]), 2
        ),
        "goals": GOALS if baud == BAUDS[-1] else {"written": GOALS["written"]},
    }
    print(json.dumps(line), flush=True)


def check(options, after):
    """The flash has what both tools should have left there."""
    found = (options.folder / "flash.bin").read_bytes()[OFFSET : OFFSET + SIZE]
    if found != after:
        sys.exit("bench: the flash differs from what was to be written")


def figures(report):
    if report["violations"]:
        sys.exit(f"bench: {report['violations']} violations")
    return {
        "seconds": report["answered"],
        "connect": report["times"][report["names"].index("MEM_END")],
        "commands": report["commands"],
        "to_board": report["received"],
        "data": report["data"],
        "from_board": report["sent"],
        "written": report["written"],
    }


def medians(rounds):
    return {name: round(statistics.median(one[name] for one in rounds), 3) for name in rounds[0]}


@contextlib.contextmanager
def board(options, nvs):
    """A board with this partition: its port, and a function that gives it a command."""
    flash, port = options.folder / "flash.bin", options.folder / "port"
    flash.write_bytes(b"\xff" * 0x8000 + partition_table() + b"\xff" * (OFFSET - 0x8000 - 0xC00) + nvs)
    command = [sys.executable, BOARD, "--chip", options.chip, "--flash", flash, "--link", port]
    with subprocess.Popen(
        [*command, "--baud-delay", "--flash-delay"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:

        def ask(line):
            process.stdin.write(line + "\n")
            process.stdin.flush()
            return json.loads(process.stdout.readline())

        process.stdout.readline()
        yield str(port), ask
        process.stdin.close()
        process.stdout.read()


def partition_table():
    """`nvs` and an application, as `gen_esp32part.py` writes them, without a checksum."""

    def row(kind, subtype, offset, size, name):
        return (
            b"\xaa\x50"
            + bytes([kind, subtype])
            + offset.to_bytes(4, "little")
            + size.to_bytes(4, "little")
            + name.ljust(16, b"\0")
            + bytes(4)
        )

    rows = row(1, 2, OFFSET, SIZE, b"nvs") + row(0, 0, 0x10000, 0x100000, b"factory")
    return rows.ljust(0xC00, b"\xff")


class Nvs:
    """Partitions, which the program itself creates."""

    identity = [
        ("device_key", "vibxdl4f"),
        ("client_id", "iotdevice-vibxdl4f"),
        ("client_secret", "o1d-" + "s" * 39),
        ("token_url", "https://fleetmint.example.com/oauth2/token"),
        ("base_url", "https://fleetmint.example.com"),
        ("mqtt_url", "mqtts://mqtt.example.com:8883"),
        ("wifi_ssid", "Workshop"),
        ("wifi_password", "correct horse battery"),
    ]

    def __init__(self, options):
        self.options = options

    def changes(self, name, values):
        path = self.options.folder / name
        rows = [f"{key},data,string,{value}" for key, value in values]
        path.write_text("\n".join(["key,type,encoding,value", "prov,namespace,,", *rows]) + "\n")
        return path

    def patched(self, nvs, changes):
        before, after = self.options.folder / "before.bin", self.options.folder / "patched.bin"
        before.write_bytes(nvs)
        run([self.options.program, "nvs", "patch", before, changes, after])
        return after.read_bytes()

    def worn(self):
        """A partition with an identity, Wi-Fi's calibration, and an application that has counted its starts for a while."""
        nvs = self.patched(b"\xff" * SIZE, self.changes("identity.csv", self.identity))
        table = self.options.folder / "use.csv"
        chance = random.Random(1)
        lines = ["key,type,encoding,value", "phy,namespace,,", f"cal_data,data,hex2bin,{chance.randbytes(1904).hex()}"]
        for start in range(300):
            session = chance.randbytes(1 + start % 24).hex()
            lines += ["app,namespace,,", f"boots,data,u32,{start}", f"session,data,string,{session}"]
        table.write_text("\n".join(lines) + "\n")
        return self.patched(nvs, table)


def run(command, environment=None):
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=300, env={**os.environ, **(environment or {})}
    )
    if done.returncode:
        sys.exit(f"bench: {' '.join(map(str, command))}: exit code {done.returncode}\n{done.stdout}{done.stderr}")


main()
