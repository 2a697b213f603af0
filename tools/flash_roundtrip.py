"""Puts an image onto a simulated chip with esptool and reads it back.

    .tools/venv/bin/python tools/flash_roundtrip.py IMAGE OUT [--offset 0x9000] [--chip esp32]

`esptool write-flash` writes IMAGE at the offset (with the stub, which compares MD5 sums),
`esptool read-flash` reads as many bytes from there into OUT. The chip is esp32-mock-bootloader, which
speaks the ROM loader's protocol on a TCP port of loopback; its flash is blank at the start. Exit code 0
if esptool succeeded both times; what it printed goes to standard error if not. Whether OUT is IMAGE is
for the caller to see.

The read goes without the stub: read-flash through it does not end over TCP in mock 0.3.0.
"""

import argparse
import os
import subprocess
import sys

from esp32_mock_bootloader import mock_bootloader


def main():
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("image")
    arguments.add_argument("out")
    arguments.add_argument("--offset", default="0x9000")
    arguments.add_argument("--chip", default="esp32")
    options = arguments.parse_args()

    size = os.path.getsize(options.image)
    with mock_bootloader(options.chip) as chip:
        connection = ["--chip", options.chip, "--port", chip.url(), "--after", "no-reset"]
        esptool([*connection, "write-flash", options.offset, options.image])
        esptool([*connection, "--no-stub", "read-flash", options.offset, str(size), options.out])
    print(f"{size} bytes at {options.offset} of {options.chip}: written and read back by esptool")


def esptool(arguments):
    done = subprocess.run(
        [sys.executable, "-m", "esptool", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
    )
    if done.returncode:
        sys.stderr.write(done.stdout)
        sys.exit(f"flash_roundtrip: esptool {' '.join(arguments)}: exit code {done.returncode}")


main()
