"""Espressif's generator, called for each device of a table in one process, as mfg_gen.py calls it.

    .tools/venv/bin/python tools/bench/mfg_peer.py plain|encrypted VALUES.csv FOLDER

The table of each device is written by hand here: the configuration is that of mfg.py.
"""

import argparse
import contextlib
import csv
import os
import pathlib
import sys

from esp_idf_nvs_partition_gen import nvs_partition_gen

STRINGS = ["device_key", "client_id", "client_secret", "token_url", "base_url", "mqtt_url", "wifi_ssid", "wifi_password"]


def main():
    kind, values, folder = sys.argv[1:]
    folder = pathlib.Path(folder)
    (folder / "csv").mkdir(parents=True)
    (folder / "bin").mkdir()
    with open(values, newline="") as file:
        devices = csv.DictReader(file)
        first = None
        for device in devices:
            first = first or device
            device = {key: value or first[key] for key, value in device.items()}
            table = folder / "csv" / f"Fan-{device['serial']}.csv"
            with open(table, "w", newline="") as rows:
                write = csv.writer(rows).writerow
                write(["key", "type", "encoding", "value"])
                write(["prov", "namespace", "", ""])
                for key in STRINGS:
                    write([key, "data", "string", device[key]])
                write(["factory", "namespace", "", ""])
                write(["batch", "data", "u32", device["batch"]])
                write(["ca", "file", "binary", device["ca"]])
            call = argparse.Namespace(
                input=str(table),
                output=f"bin/Fan-{device['serial']}.bin",
                size="0x6000",
                version=2,
                outdir=str(folder),
                keygen=kind == "encrypted",
                keyfile=f"keys-Fan-{device['serial']}.bin",
                inputkey=None,
                key_protect_hmac=False,
                kp_hmac_keygen=False,
                kp_hmac_keyfile=None,
                kp_hmac_inputkey=None,
            )
            with open(os.devnull, "w") as nothing, contextlib.redirect_stdout(nothing):
                nvs_partition_gen.encrypt(call) if kind == "encrypted" else nvs_partition_gen.generate(call)


if __name__ == "__main__":
    main()
