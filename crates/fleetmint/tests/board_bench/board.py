"""A board on a cable, for tests: a simulated chip on a pseudo-terminal whose flash behaves as flash does.

    .tools/venv/bin/python crates/fleetmint/tests/board_bench/board.py --chip esp32c3 --flash flash.bin [--link PORT]

The chip is esp32-mock-bootloader (PyPI), which speaks the protocol of Espressif's ROM loader and stub. This program stands
between it and the cable, and does what a real chip does and the simulated one does not:

- A write erases whole sectors first, and can then only clear bits. Every bit that would have to be set is a violation.
- What lies outside of the flash, or of the region that a write announced, is refused.
- `read-flash` streams with as many blocks in flight as the host asks for.
- Security: secure download mode, flash encryption, secure boot, as the chip reports them.

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
import contextlib
import hashlib
import json
import mmap
import os
import pty
import queue
import select
import socket
import struct
import sys
import termios
import threading
import time
import tty

from esp32_mock_bootloader import protocol, registers, server
from esptool.targets import CHIP_DEFS

SECTOR = 4096
ROM_BAUD = 115_200
#: How long a sector's erase and the programming of 256 bytes take, by the data sheets of common flash chips.
ERASE_SECONDS = 0.045
PROGRAM_SECONDS = 0.0007

NAMES = {code: name for name, code in protocol.CMD.items()}

#: What a ROM loader in secure download mode still does. Source: esptool's documentation, "Secure Download Mode".
SECURE_DOWNLOAD_COMMANDS = {
    protocol.CMD[name]
    for name in (
        "SYNC", "FLASH_BEGIN", "FLASH_DATA", "FLASH_END", "FLASH_DEFL_BEGIN", "FLASH_DEFL_DATA", "FLASH_DEFL_END",
        "SPI_SET_PARAMS", "SPI_ATTACH", "CHANGE_BAUDRATE", "GET_SECURITY_INFO",
    )
}  # fmt: skip

SECURE_BOOT_EN = 1 << 0
SECURE_DOWNLOAD_ENABLE = 1 << 2

#: Errors of the stub.
BAD_DATA_LEN = 0xC0
TOO_MUCH_DATA = 0xC9


class Cut(Exception):
    """The cable is pulled."""


class NorFlash(server.FlashImage):
    """Erases the sectors of a write first, as ROM and stub do; bits only clear; counts what it did; can lose its power."""

    def __init__(self, path, delays):
        super().__init__()
        size = len(self.data)
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        have = os.fstat(file).st_size
        if have > size:
            sys.exit(f"{path}: it has more than {size} bytes")
        while have < size:
            have += os.pwrite(file, b"\xff" * (size - have), have)
        self.data = mmap.mmap(file, size)
        os.close(file)
        self.delays = delays
        self.cut_after = None
        self.stuck = 0
        self.region = (0, 0)
        self.clear()

    def clear(self):
        self.erased, self.written, self.violations = [], 0, 0

    def contains(self, offset, size):
        return offset + size <= len(self.data)

    def erase_region(self, offset, size):
        self._erase(offset, size)

    def _erase(self, offset, size):
        for sector in range(offset // SECTOR, (offset + size + SECTOR - 1) // SECTOR):
            if self.delays:
                time.sleep(ERASE_SECONDS)
            self.erased.append(sector)
            self.data[sector * SECTOR : (sector + 1) * SECTOR] = b"\xff" * SECTOR

    def _program(self, offset, data):
        if self.delays:
            time.sleep(PROGRAM_SECONDS * ((len(data) + 255) // 256))
        for position, byte in enumerate(data, offset):
            if self.cut_after is not None:
                if self.cut_after == 0:
                    raise Cut
                self.cut_after -= 1
            start, end = self.region
            if not start <= position < end:
                self.violations += 1
                return
            if byte & ~self.data[position]:
                self.violations += 1
            self.data[position] &= byte | self.stuck
            self.written += 1

    def _begin(self, payload):
        size, _blocks, _block_size, offset = struct.unpack_from("<IIII", payload)
        if size:
            self._erase(offset, size)
        self.region = (offset, offset + size)

    def begin_defl(self, payload):
        super().begin_defl(payload)
        self._begin(payload)

    def begin_plain(self, payload):
        super().begin_plain(payload)
        self._begin(payload)

    def write_defl_block(self, payload):
        if len(payload) < 16 or self._decompressor is None:
            return
        (size,) = struct.unpack_from("<I", payload)
        data = self._decompressor.decompress(payload[16 : 16 + size])
        offset, self._defl_offset = self._defl_offset, self._defl_offset + len(data)
        self._program(offset, data)

    def write_plain_block(self, payload):
        if len(payload) < 16:
            return
        (size,) = struct.unpack_from("<I", payload)
        data = payload[16 : 16 + size]
        offset, self._plain_offset = self._plain_offset, self._plain_offset + len(data)
        # A padded last block may reach beyond what was announced.
        room = max(self.region[1] - offset, 0)
        self._program(offset, data[:room] if set(data[room:]) <= {0xFF} else data)


class Terminal:
    """The board's end of a pseudo-terminal."""

    def __init__(self, link):
        self.master, slave = pty.openpty()
        tty.setraw(slave)
        self.path = os.ttyname(slave)
        os.close(slave)
        self.poll = select.poll()
        self.poll.register(self.master, select.POLLIN)
        self.link = link
        if link:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(link)
            os.symlink(self.path, link)

    def is_open(self):
        """Whether a program has the port open."""
        return not any(event & select.POLLHUP for _, event in self.poll.poll(0))

    def read(self, seconds):
        """Bytes; none if there are none yet; None if the other side has closed."""
        for _, event in self.poll.poll(seconds * 1000):
            if event & select.POLLIN:
                return os.read(self.master, 65536)
            if event & select.POLLHUP:
                return None
        return b""

    def write(self, data):
        writable = select.poll()
        writable.register(self.master, select.POLLOUT)
        # Nobody has to read what a board says: after a while it is lost, as on a cable.
        while data and writable.poll(3000):
            data = data[os.write(self.master, data[:1024]) :]

    def flush(self):
        termios.tcflush(self.master, termios.TCIOFLUSH)

    def close(self):
        # The name of a closed pseudo-terminal goes to the next that anyone opens.
        if self.link:
            os.unlink(self.link)
        os.close(self.master)


class Frames:
    """Standard input and output as frames."""

    def __init__(self):
        self.input, self.output, self.lock = sys.stdin.buffer, sys.stdout.buffer, threading.Lock()

    def send(self, kind, data=b""):
        with self.lock:
            self.output.write(kind + struct.pack("<I", len(data)) + data)
            self.output.flush()

    def __iter__(self):
        while len(head := self.input.read(5)) == 5:
            yield head[:1], self.input.read(struct.unpack("<I", head[1:])[0])


class Wire:
    """A cable with reset lines, at the other end of which is a test: see `Terminal`, and `--stdio`.

    A chip is in download mode from the reset that asked for it until the next one. Before that, and after a reset without that
    wish, its application runs.
    """

    def __init__(self, frames, options):
        self.frames, self.options, self.path = frames, options, None
        self.received, self.running, self.idle = queue.Queue(), False, threading.Event()
        self.idle.set()
        self.lines = {"dtr": False, "rts": False}
        self.wants_download = self.in_reset = False
        self.resets, self.boots, self.bauds = 0, 0, []
        self.is_application = options.mode == "application"

    def is_open(self):
        if self.running:
            self.idle.clear()
        return self.running

    def read(self, seconds):
        try:
            return self.received.get(timeout=seconds) if self.running else None
        except queue.Empty:
            return b""

    def write(self, data):
        if self.running:
            self.frames.send(b"D", data)

    def flush(self):
        self.idle.set()

    def close(self):
        self.running = False
        self.idle.set()
        self.frames.send(b"G")

    def opened(self, baud):
        self.bauds.append(baud)
        if self.is_application:
            self.running = True

    def _stop(self):
        self.running = False
        self.received.put(b"")
        self.idle.wait(2)
        self.received = queue.Queue()

    def boot(self, download):
        """What the chip does after a reset."""
        self._stop()
        if download and self.options.mode == "silent":
            return
        if download:
            self.is_application = False
            self.frames.send(b"D", b"ESP-ROM\r\nboot:0x5 (DOWNLOAD(USB/UART0/1))\r\nwaiting for download\r\n")
            self.running = True
        else:
            self.boots += 1
            self.frames.send(b"D", b"ESP-ROM\r\nboot:0xd (SPI_FAST_FLASH_BOOT)\r\n")
            self.running = self.is_application
            if self.options.reenumerates:
                self.frames.send(b"G")

    def signals(self, change):
        before, self.lines = self.lines, {**self.lines, **change}
        if self.options.no_reset_lines:
            return
        if self.options.usb_jtag:
            self._usb_jtag(before, self.lines)
        else:
            self._bridge(before, self.lines)

    def _bridge(self, before, now):
        """The two transistors of a development board: RTS alone holds EN low, DTR alone holds IO0 low; both together do neither."""

        def enabled(lines):
            return not (lines["rts"] and not lines["dtr"])

        if enabled(before) and not enabled(now):
            self._stop()
            self.resets += 1
        if enabled(now) and not enabled(before):
            self.boot(now["dtr"] and not now["rts"] and self.options.mode != "application")

    def _usb_jtag(self, before, now):
        """The USB-Serial/JTAG of ESP32-C3 and younger: DTR alone asks for download mode, RTS alone resets; each is remembered."""
        if now["dtr"] and not now["rts"]:
            self.wants_download = True
        if now["rts"] and not now["dtr"] and not (before["rts"] and not before["dtr"]):
            self._stop()
            self.resets += 1
            self.in_reset = True
        if self.in_reset and not now["rts"]:
            download, self.wants_download, self.in_reset = self.wants_download, False, False
            self.boot(download)


class Connection:
    """What `server.handle_client` takes for a connection: one program that has opened the port.

    Complete commands go to the simulated chip one by one; those that a real chip answers differently are answered here.
    """

    def __init__(self, board):
        self.board, self.options, self.flash = board, board.options, board.flash
        self.buffer = bytearray()
        self.number = 0
        self.stub = False
        self.baud = ROM_BAUD
        self.next_baud = None
        self.opened = time.monotonic()

    def set_timeout(self, _seconds):
        pass

    def ignore_eof_for_disconnect(self):
        return False

    def abort_empty_session(self):
        return False

    def close(self):
        pass

    def _wait(self, size):
        """As long as so many bytes take, with a start and a stop bit each."""
        if self.options.baud_delay:
            time.sleep(size * 10 / self.baud)

    def sendall(self, data):
        if self.board.cut_at == ("answer", self.number):
            raise Cut
        self._wait(len(data))
        self.board.sent += len(data)
        self.board.terminal.write(data)
        self.board.answered = time.monotonic() - self.opened
        if self.next_baud:
            self.baud, self.next_baud = self.next_baud, None

    def _receive(self, seconds):
        if self.board.unplugged.is_set():
            raise Cut
        data = self.board.terminal.read(seconds)
        if data:
            self.board.received += len(data)
            self._wait(len(data))
            self.buffer += data
        return data

    def _frame(self):
        """The next frame as it came, or none."""
        end = bytes([protocol.SLIP_END])
        while self.buffer.startswith(end * 2):
            del self.buffer[0]
        start = self.buffer.find(end)
        if start < 0:
            self.buffer.clear()
            return None
        stop = self.buffer.find(end, start + 1)
        if stop < 0:
            return None
        frame = bytes(self.buffer[start : stop + 1])
        del self.buffer[: stop + 1]
        return frame

    def recv(self, _size):
        """The next command that the simulated chip answers."""
        while True:
            frame = self._frame()
            if frame is None:
                data = self._receive(0.02)
                if data is None:
                    return b""
                if not data:
                    raise socket.timeout
                continue
            decoded = server.slip_decode_frames(frame)
            if not decoded or len(decoded[0]) < 8 or decoded[0][0] != 0:
                continue
            command, payload = decoded[0][1], decoded[0][8:]
            self.number += 1
            self.board.names.append(NAMES.get(command, f"{command:#04x}"))
            self.board.times.append(time.monotonic() - self.opened)
            if self.board.cut_at == ("command", self.number):
                raise Cut
            if not self._answer(command, payload):
                return frame

    def _refuse(self, command, error):
        self.sendall(server.make_response(command, status=1, error=error, stub=self.stub))
        return True

    def _answer(self, command, payload):
        """Answers a command in place of the simulated chip; whether it did."""
        if self.stub and NAMES.get(command) == self.board.babble_at:
            while self.board.terminal.read(0.01) is not None:
                self.board.terminal.write(server.make_response(0xFF, stub=True))
            return True
        if self.options.secure_download and command not in SECURE_DOWNLOAD_COMMANDS:
            return self._refuse(command, protocol.ROM_INVALID_MESSAGE)
        name = NAMES.get(command)
        if name == "GET_SECURITY_INFO":
            return self._security_info(command)
        if name == "READ_REG" and self._register(command, payload):
            return True
        if name in ("FLASH_BEGIN", "FLASH_DEFL_BEGIN"):
            size, _blocks, _block_size, offset = struct.unpack_from("<IIII", payload)
            if not self.flash.contains(offset, size):
                return self._refuse(command, BAD_DATA_LEN)
        if name in ("ERASE_REGION", "SPI_FLASH_MD5", "READ_FLASH", "READ_FLASH_SLOW"):
            offset, size = struct.unpack_from("<II", payload)
            if not self.flash.contains(offset, size):
                return self._refuse(command, BAD_DATA_LEN)
            if name == "ERASE_REGION" and (offset % SECTOR or size % SECTOR):
                return self._refuse(command, BAD_DATA_LEN)
        if name in ("FLASH_DATA", "FLASH_DEFL_DATA"):
            self.board.data += struct.unpack_from("<I", payload)[0]
        if name == "MEM_END" and struct.unpack_from("<I", payload)[0] == 0:
            self.stub = True
        if name == "CHANGE_BAUDRATE":
            # The answer still comes at the old speed.
            self.next_baud = struct.unpack_from("<I", payload)[0]
        if name == "READ_FLASH" and self.stub:
            return self._read_flash(command, payload)
        return False

    def _security_info(self, command):
        name = self.options.chip
        flags = SECURE_BOOT_EN * self.options.secure_boot | SECURE_DOWNLOAD_ENABLE * self.options.secure_download
        info = struct.pack("<IB7x", flags, int(self.options.flash_encryption))
        # An ESP32-S2 does not say which chip it is; an ESP32 does not know the command.
        if name != "esp32s2":
            if not server.chips.PROFILES[name].supports_security_info:
                return self._refuse(command, protocol.ROM_INVALID_MESSAGE)
            info += struct.pack("<II", CHIP_DEFS[name].IMAGE_CHIP_ID, 0)
        # The stub ends its answers with two bytes, the ROM loader with four.
        info += bytes(2 if self.stub else 4)
        self.sendall(server.slip_encode(struct.pack("<BBHI", 1, command, len(info), 0) + info))
        return True

    def _register(self, command, payload):
        """The eFuse of an ESP32 that says whether its flash is encrypted: others report it with the security info."""
        chip = CHIP_DEFS[self.options.chip]
        if self.options.chip != "esp32" or not self.options.flash_encryption:
            return False
        if struct.unpack_from("<I", payload)[0] != chip.EFUSE_SPI_BOOT_CRYPT_CNT_REG:
            return False
        # One of the seven bits of FLASH_CRYPT_CNT: an odd number of them means that it is on.
        self.sendall(server.make_response(command, value=1 << 20, stub=self.stub))
        return True

    def _read_flash(self, command, payload):
        offset, size, block, in_flight = struct.unpack_from("<IIII", payload)
        self.sendall(server.make_response(command, stub=True))
        sent = acknowledged = 0
        while acknowledged < size:
            while sent < size and sent - acknowledged < block * in_flight:
                count = min(block, size - sent)
                data = bytearray(self.flash.read(offset + sent, count))
                if self.board.garbles:
                    data[count // 2] ^= 0x10
                    self.board.garbles = False
                self.sendall(server.slip_encode(bytes(data)))
                sent += count
            frame = self._frame()
            if frame is None:
                if self._receive(3) in (None, b""):
                    return True
                continue
            decoded = server.slip_decode_frames(frame)
            if decoded and len(decoded[0]) >= 4:
                acknowledged = struct.unpack_from("<I", decoded[0])[0]
        self.sendall(server.slip_encode(hashlib.md5(self.flash.read(offset, size)).digest()))
        return True


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
