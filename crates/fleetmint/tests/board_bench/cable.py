"""The board's end of the cable: a pseudo-terminal, or frames for a test whose serial port is its own."""

import contextlib
import os
import pty
import queue
import select
import struct
import sys
import termios
import threading
import tty


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
