"""A board on a cable, for tests: a simulated chip on a pseudo-terminal whose flash behaves as flash does.

    .tools/venv/bin/python crates/fleetmint/tests/board_bench/board.py --chip esp32c3 --flash flash.bin [--link PORT]

The chip is esp32-mock-bootloader (PyPI), which speaks the protocol of Espressif's ROM loader and stub. This program stands
between it and the cable, and does what a real chip does and the simulated one does not:

- A write erases whole sectors first, and can then only clear bits. Every bit that would have to be set is a violation.
- What lies outside of the flash, or of the region that a write announced, is refused.
- `read-flash` streams with as many blocks in flight as the host asks for.
- Security: secure download mode, flash encryption, secure boot, as the chip reports them.

`nor_flash` is its flash, `commands` what it answers by itself, `cable` both kinds of cable. Here are the board, and what a test tells it.

A pseudo-terminal has no reset lines: whoever opens it finds the chip just reset into its ROM loader, as after a reset into
download mode. `--link` is a symbolic link to the pseudo-terminal, which stays the same when the board is replugged.

FLASH is a file of 4 MiB, which is created, or extended with 0xFF. It always has what the chip's flash has, so a test can look
at it and change it. `esptool_port` in the first line of the output is a TCP port where the real esptool reads the same flash,
past this program: `esptool --chip CHIP --port socket://127.0.0.1:PORT --before no-reset --after no-reset --no-stub read-flash …`

Standard output gets one line of JSON at the start, {"port": …, "esptool_port": …, "mac": …}, and one for each line on standard
input; the program ends with its standard input, after a last report. The lines that it reads:

    report                    what happened: see `Board.report`
    clear                     begin to count again
    cut-at-command N          cut the cable when command N of a connection arrives (the first is 1); it is not carried out
    cut-at-answer N           carry out command N, and cut the cable before its answer
    cut-after-written N       cut the cable once N more bytes are written to the flash
    babble-at NAME            answer each command NAME with frames that answer another one, until the program closes the port
    garble                    flip a bit of the next block that is read
    stick                     from now on one bit of each byte stays set: the flash is worn out
    unplug                    cut the cable now
    replug                    a new pseudo-terminal, behind the same link; no further cut
    boot                      hold BOOT and press RESET (with --stdio)

With `--stdio` there is no pseudo-terminal: the cable is standard input and output itself, for a test whose serial port is its own,
such as `navigator.serial` in a browser. This cable has reset lines. Both directions are frames, a kind (1 byte), a length (4 bytes,
little-endian) and as many bytes:

    in     D  bytes for the board      S  the lines, {"dtr": …, "rts": …}, those that change      B  the speed that the port is opened at
           C  one of the lines above
    out    D  bytes from the board     J  the line of JSON that answers a C, or the first line      G  the cable was cut
"""

import argparse
import json
import queue
import socket
import sys
import threading
import time

from cable import Frames, Terminal, Wire
from commands import Connection
from esp32_mock_bootloader import registers, server
from esptool.targets import CHIP_DEFS
from nor_flash import Cut, NorFlash


class Board:
    def __init__(self, options, frames=None):
        self.options, self.frames = options, frames
        self.flash = NorFlash(options.flash, options.flash_delay)
        self.unplugged = threading.Event()
        self.plugged = queue.Queue()
        self.cut_at = self.babble_at = None
        self.garbles = False
        self.connections = 0
        self.clear()
        self.terminal = self._cable()

    def _cable(self):
        return Wire(self.frames, self.options) if self.frames else Terminal(self.options.link)

    def clear(self):
        self.names, self.times, self.answered = [], [], 0
        self.received, self.data, self.sent, self.was_cut = 0, 0, 0, False
        self.flash.clear()

    def report(self):
        return {
            # The connections of programs so far, and the commands since the last `clear`.
            "connections": self.connections,
            "commands": len(self.names),
            "names": self.names,
            # When each command arrived, and when the last byte was sent: seconds since the port was opened.
            "times": self.times,
            "answered": self.answered,
            # Bytes on the cable, as the board sees them.
            "received": self.received,
            # Of those, what is to be written into the flash, compressed or not.
            "data": self.data,
            "sent": self.sent,
            # The sectors that were erased, in order, and the bytes that were written.
            "erased": self.flash.erased,
            "written": self.flash.written,
            # Bits that a write would have had to set, and writes outside of what was announced.
            "violations": self.flash.violations,
            "cut": self.was_cut,
            **self._lines(),
        }

    def _lines(self):
        """Resets by the lines, starts of the application, and the speeds that the port was opened at."""
        wire = self.terminal
        return {"resets": wire.resets, "boots": wire.boots, "bauds": wire.bauds} if self.frames else {}

    def serve(self):
        """One program after the other, until the end of the process."""
        while True:
            try:
                if self.terminal.is_open():
                    self.connections += 1
                    self._connection()
                    self.terminal.flush()
                elif self.unplugged.is_set():
                    raise Cut
                else:
                    time.sleep(0.01)
            except Cut:
                self.was_cut = True
                self.terminal.close()
                self.plugged.get()
                self.unplugged.clear()
                self.cut_at = self.flash.cut_after = None
                self.terminal = self._cable()
                self.plugged.task_done()

    def _connection(self):
        connection = Connection(self)
        if self.options.mode == "download" or (self.frames and not self.terminal.is_application):
            server.handle_client(
                connection, threading.Event(), self.options.chip, exit_on_disconnect=True, flash=self.flash
            )
            return
        said = 0
        while connection._receive(0.1) is not None:
            connection.buffer.clear()
            if self.options.mode == "application":
                text = f"I ({312 + 100 * said}) main: the application runs\r\n"
                if said == 0:
                    text = "rst:0x1 (POWERON),boot:0x8 (SPI_FAST_FLASH_BOOT)\r\n" + text
                self.terminal.write(text.encode())
                said += 1

    def obey(self, line):
        match line.split():
            case ["report"]:
                return self.report()
            case ["clear"]:
                self.clear()
            case ["cut-at-command", number]:
                self.cut_at = ("command", int(number))
            case ["cut-at-answer", number]:
                self.cut_at = ("answer", int(number))
            case ["cut-after-written", number]:
                self.flash.cut_after = int(number)
            case ["babble-at", name]:
                self.babble_at = name
            case ["garble"]:
                self.garbles = True
            case ["stick"]:
                self.flash.stuck = 0x01
            case ["unplug"]:
                self.unplugged.set()
            case ["replug"]:
                self.unplugged.set()
                self.plugged.put(None)
                self.plugged.join()
            case ["boot"]:
                self.terminal.boot(download=True)
            case _:
                return {"error": f"no such command: {line.strip()}"}
        return {}

    def esptool_port(self):
        """A TCP port where the real esptool reads the flash from the ROM loader."""
        listener = socket.create_server(("127.0.0.1", 0))

        def accept():
            while True:
                client, _ = listener.accept()
                server.handle_client(
                    server.BootloaderConnection(sock=client),
                    threading.Event(),
                    self.options.chip,
                    exit_on_disconnect=True,
                    flash=self.flash,
                )

        threading.Thread(target=accept, daemon=True).start()
        return listener.getsockname()[1]


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--chip", default="esp32c3", choices=sorted(CHIP_DEFS))
    arguments.add_argument("--flash", required=True, help="the file of the flash")
    arguments.add_argument("--link", help="a symbolic link to the pseudo-terminal")
    arguments.add_argument("--mac", help="the MAC address, as aa:bb:cc:dd:ee:ff")
    arguments.add_argument("--mode", default="download", choices=["download", "application", "silent"])
    arguments.add_argument("--secure-download", action="store_true", help="the chip is in secure download mode")
    arguments.add_argument("--secure-boot", action="store_true", help="the chip reports secure boot")
    arguments.add_argument("--flash-encryption", action="store_true", help="the chip reports flash encryption")
    arguments.add_argument("--baud-delay", action="store_true", help="bytes take as long as at the line's speed")
    arguments.add_argument("--flash-delay", action="store_true", help="erases and writes take as long as a real flash's")
    arguments.add_argument("--stdio", action="store_true", help="frames on standard input and output, see above")
    arguments.add_argument("--usb-jtag", action="store_true", help="with --stdio: the USB of the chip itself")
    arguments.add_argument("--reenumerates", action="store_true", help="with --stdio: the port is another one once the firmware runs")
    arguments.add_argument("--no-reset-lines", action="store_true", help="with --stdio: the lines are not connected")
    options = arguments.parse_args()
    if options.mac:
        chosen = tuple(bytes.fromhex(options.mac.replace(":", "")))
        registers.mac_bytes_for_chip = lambda _chip: chosen
    board = Board(options, Frames() if options.stdio else None)
    mac = ":".join(f"{byte:02x}" for byte in registers.mac_bytes_for_chip(options.chip))
    ready = {"port": options.link or board.terminal.path, "esptool_port": board.esptool_port(), "mac": mac}
    threading.Thread(target=board.serve, daemon=True).start()
    if board.frames:
        over_frames(board, ready)
        return
    print(json.dumps(ready), flush=True)
    for line in sys.stdin:
        print(json.dumps(board.obey(line)), flush=True)
    print(json.dumps(board.report()), flush=True)


def over_frames(board, ready):
    board.frames.send(b"J", json.dumps(ready).encode())
    for kind, data in board.frames:
        match kind:
            case b"D":
                board.terminal.received.put(data)
            case b"S":
                board.terminal.signals(json.loads(data))
            case b"B":
                board.terminal.opened(int(data))
            case b"C":
                board.frames.send(b"J", json.dumps(board.obey(data.decode())).encode())


main()
