"""The commands of ROM loader and stub that a real chip answers differently from the simulated one, or that a fault is due at."""

import hashlib
import socket
import struct
import time

from esp32_mock_bootloader import protocol, server
from esptool.targets import CHIP_DEFS
from nor_flash import SECTOR, Cut

ROM_BAUD = 115_200

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
