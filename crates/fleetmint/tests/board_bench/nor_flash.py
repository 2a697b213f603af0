"""The flash of the simulated chip: it erases sectors, and clears bits; it counts what it did; it wears out, and loses its power."""

import mmap
import os
import struct
import sys
import time

from esp32_mock_bootloader import server

SECTOR = 4096
#: How long a sector's erase and the programming of 256 bytes take, by the data sheets of common flash chips.
ERASE_SECONDS = 0.045
PROGRAM_SECONDS = 0.0007


class Cut(Exception):
    """The cable is pulled, and the chip has no power any more."""


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
