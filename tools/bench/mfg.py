"""`fleetmint nvs mfg generate` beside Espressif's generator, a loop in C that writes the same bytes, and `tar`.

    .tools/venv/bin/python tools/bench/mfg.py PROGRAM FOLDER [--devices 1000 10000] [--rounds 3]

The images have 24 KiB, as the partition of many boards, and the namespace `prov` with the eight strings of a device, a number and a
certificate of 1 KiB. Encrypted: new keys for each device. The figures:

    seconds     files: until they are on the disk (one syncfs) and the manifest is; tar: until the archive is
    cpu         microseconds of both processors, user and system, for each image
    rss         peak memory in KiB
    floor       a loop in C that creates, writes and closes the same files, and then calls syncfs; its memory holds all bytes before
                its clock starts. Its cpu is what the system takes for the files alone
    tar         GNU tar of the same files, and an fsync of the archive
    python      esp-idf-nvs-partition-gen, called for each row in one process, as mfg_gen.py calls it: a table for each device, then
                its image. mfg_gen.py itself is in no package; it also reads and checks the two tables, which this peer does not.

Rounds alternate, in both orders, each in a new folder; all are deleted at the end. Seconds and cpu are medians.
"""

import argparse
import csv
import json
import os
import pathlib
import random
import statistics
import subprocess
import sys

SIZE = 0x6000
GOALS = {"files_of_floor": 1.25, "tar_of_tar": 1.5, "cpu_of_python": 0.05}
CONFIGURATION = """\
prov,namespace,
device_key,data,string
client_id,data,string
client_secret,data,string
token_url,data,string,REPEAT
base_url,data,string,REPEAT
mqtt_url,data,string,REPEAT
wifi_ssid,data,string,REPEAT
wifi_password,data,string,REPEAT
factory,namespace,
batch,data,u32,REPEAT
ca,file,binary,REPEAT
"""
REPEATED = {
    "token_url": "https://id.example.com/realms/fleet/protocol/openid-connect/token",
    "base_url": "https://fleet.example.com",
    "mqtt_url": "mqtts://mqtt.example.com:8883",
    "wifi_ssid": "Factory",
    "wifi_password": "correct horse battery staple",
    "batch": "20261127",
    "ca": "ca.der",
}


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("program", type=pathlib.Path)
    arguments.add_argument("folder", type=lambda path: pathlib.Path(path).resolve())
    arguments.add_argument("--devices", type=int, nargs="+", default=[1000, 10000])
    arguments.add_argument("--rounds", type=int, default=3)
    options = arguments.parse_args()
    options.program = options.program.resolve()
    options.folder.mkdir(exist_ok=True)
    options.floor, options.measured = (compiled(options.folder, name) for name in ("mfg_floor", "measured"))
    lines = []
    for kind in ("plain", "encrypted"):
        for devices in options.devices:
            lines.append(compare(options, kind, devices))
            print(json.dumps(lines[-1]), flush=True)
    few, many = min(options.devices), max(options.devices)
    for kind in ("plain", "encrypted"):
        rss = {line["devices"]: line["files"]["rss"] for line in lines if line["kind"] == kind}
        print(json.dumps({"bench": "mfg", "kind": kind, "rss_of_few": round(rss[many] / rss[few], 3)}), flush=True)


def compiled(folder, name):
    """A program in C that is beside this file."""
    program = folder / name
    subprocess.run(["cc", "-O2", "-o", program, pathlib.Path(__file__).with_name(f"{name}.c")], check=True)
    return program


def compare(options, kind, devices):
    inputs = tables(options.folder / f"{kind}-{devices}", devices)
    rounds = {name: [] for name in ("files", "tar", "floor", "gnu_tar", "python")}
    generate = [options.program, "nvs", "mfg", "generate", "conf.csv", "values.csv", "Fan", str(SIZE), "--fileid", "serial"]
    generate += ["--keygen"] if kind == "encrypted" else []
    # What the floor and tar write, and the page cache's first touch of its memory, which counts for nobody.
    first = inputs / "first"
    measured(options, [*generate, "--outdir", first], inputs)
    packed(first, inputs)
    for number in range(options.rounds):
        place = inputs / f"round{number}"
        (place / "floor/bin").mkdir(parents=True)
        (place / "floor/keys").mkdir()
        gnu = f"tar -cf {place}/gnu.tar -C {first} . && sync {place}/gnu.tar"
        peer = [sys.executable, pathlib.Path(__file__).with_name("mfg_peer.py"), kind, "values.csv", place / "python"]
        commands = {
            "files": [*generate, "--outdir", place / "files"],
            "floor": [options.floor, inputs / "list", inputs / "pack", place / "floor"],
            "tar": [*generate, "--tar", place / "ours.tar"],
            "gnu_tar": ["sh", "-c", gnu],
            "python": peer,
        }
        # Each second round in the other order: who comes first writes into memory that nobody has touched.
        for name in list(commands)[:: 1 if number % 2 else -1]:
            rounds[name].append(measured(options, commands[name], inputs, own_clock=name == "floor"))
    figures = {name: medians(found) for name, found in rounds.items()}
    for figure in figures.values():
        figure["cpu"] = round(figure["cpu"] / devices * 1e6, 1)
    return {
        "bench": "mfg",
        "kind": kind,
        "devices": devices,
        **figures,
        "files_of_floor": round(figures["files"]["seconds"] / figures["floor"]["seconds"], 2),
        "tar_of_tar": round(figures["tar"]["seconds"] / figures["gnu_tar"]["seconds"], 2),
        "cpu_of_python": round(figures["files"]["cpu"] / figures["python"]["cpu"], 3),
        "floor_cpu_of_python": round(figures["floor"]["cpu"] / figures["python"]["cpu"], 3),
        "seconds_of_python": round(figures["files"]["seconds"] / figures["python"]["seconds"], 4),
        "goals": GOALS,
    }


def tables(folder, devices):
    folder.mkdir()
    (folder / "conf.csv").write_text(CONFIGURATION)
    seeded = random.Random(7)
    (folder / "ca.der").write_bytes(seeded.randbytes(1024))
    with open(folder / "values.csv", "w", newline="") as file:
        own = ["serial", "device_key", "client_id", "client_secret"]
        table = csv.DictWriter(file, [*own, *REPEATED], lineterminator="\n")
        table.writeheader()
        for number in range(devices):
            key = "k" + "".join(seeded.choices("abcdefghijklmnopqrstuvwxyz0123456789", k=7))
            secret = "".join(seeded.choices("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_", k=43))
            row = {"serial": f"SN{number:06}", "device_key": key, "client_id": f"iotdevice-fan-{key}", "client_secret": secret}
            table.writerow(row | (REPEATED if number == 0 else {}))
    return folder


def packed(files, place):
    """The files of a run, for the floor."""
    with open(place / "list", "w") as names, open(place / "pack", "wb") as pack:
        for folder in ("bin", "keys"):
            for path in sorted((files / folder).glob("*")):
                names.write(f"{path.stat().st_size} {folder}/{path.name}\n")
                pack.write(path.read_bytes())


def measured(options, command, folder, own_clock=False):
    """Seconds, processor seconds and peak memory of a command."""
    os.sync()
    result = options.folder / "result"
    run = subprocess.run([options.measured, result, *command], cwd=folder, capture_output=True, text=True)
    if run.returncode:
        sys.exit(f"bench: {command}: {run.stderr}")
    seconds, cpu, rss = result.read_text().split()
    return {"seconds": float(run.stdout if own_clock else seconds), "cpu": float(cpu), "rss": int(rss)}


def medians(rounds):
    figures = {name: statistics.median(one[name] for one in rounds) for name in rounds[0]}
    return figures | {"seconds": round(figures["seconds"], 3)}


if __name__ == "__main__":
    main()
