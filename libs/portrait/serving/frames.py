"""The wire of HiveServer2: Thrift's SASL frames, and the few messages that the gateway looks into.

Every connection starts with a SASL exchange (mechanism PLAIN: user and password); then each message is one frame of a
four-byte length and a Thrift binary call. Format: Apache Thrift, `TSaslTransport`; RFC 4616 for PLAIN.
"""

from __future__ import annotations

import socket
import struct
import time
from typing import Any

from thrift.protocol.TBinaryProtocol import TBinaryProtocol
from thrift.Thrift import TMessageType
from thrift.transport.TTransport import TMemoryBuffer

START, OK, BAD, ERROR, COMPLETE = 1, 2, 3, 4, 5
_LARGEST_GREETING = 64 * 1024
_CALL = struct.pack(">I", 0x80010000 | TMessageType.CALL)  # version 1 of the binary protocol
LARGEST_REQUEST = 4 * 1024 * 1024
"""A statement of 200,000 characters is far below; what a client announces beyond is not waited for."""
_NO_CALL = "not one call of Thrift in a frame"
_TOO_SLOW = "not whole in time"
_LARGEST_RESULT = 256 * 1024 * 1024


class Disconnected(Exception):
    """The connection is over: without an argument the peer has gone, else it says why it was hung up on."""


class Wire:
    """One side of a connection: frames of at most `largest` bytes, each whole within `seconds` once it has begun."""

    def __init__(self, peer: socket.socket, *, largest: int = _LARGEST_RESULT, seconds: float | None = None) -> None:
        self._peer, self._largest, self._seconds = peer, largest, seconds
        self._deadline: float | None = None

    def end_by(self, deadline: float | None) -> None:
        """Raise Disconnected for whatever is read or written after this moment of the monotonic clock."""
        self._deadline = deadline

    def read_greeting(self) -> tuple[int, bytes]:
        """A SASL message: its status and its payload."""
        status, length = struct.unpack(">BI", self._exactly(5))
        if length > _LARGEST_GREETING:
            raise Disconnected("a log-in that is too large")
        return status, self._exactly(length)

    def write_greeting(self, status: int, payload: bytes = b"") -> None:
        """Send a SASL message."""
        self._peer.settimeout(self._rest())
        self._peer.sendall(struct.pack(">BI", status, len(payload)) + payload)

    def read_frame(self) -> bytes:
        """The next frame, without its length."""
        first = self._exactly(1)
        if self._seconds is not None:
            self.end_by(time.monotonic() + self._seconds)
        (length,) = struct.unpack(">I", first + self._exactly(3))
        if length > self._largest:
            raise Disconnected("a request or an answer that is too large")
        frame = self._exactly(length)
        if self._seconds is not None:
            self.end_by(None)
        return frame

    def write_frame(self, frame: bytes) -> None:
        """Send a frame."""
        self._peer.settimeout(self._rest())
        self._peer.sendall(struct.pack(">I", len(frame)) + frame)

    def close(self) -> None:
        """End the connection."""
        self._peer.close()

    def _exactly(self, length: int) -> bytes:
        parts = []
        while length:
            try:
                self._peer.settimeout(self._rest())
                part = self._peer.recv(min(length, 1 << 20))
            except TimeoutError as error:
                raise Disconnected(_TOO_SLOW) from error
            if not part:
                raise Disconnected
            parts.append(part)
            length -= len(part)
        return b"".join(parts)

    def _rest(self) -> float | None:
        if self._deadline is None:
            return None
        rest = self._deadline - time.monotonic()
        if rest <= 0:
            raise Disconnected(_TOO_SLOW)
        return rest


def read_credentials(wire: Wire) -> tuple[str, str]:
    """The user and the password that a client sends; raises Disconnected for another mechanism."""
    status, mechanism = wire.read_greeting()
    if status != START or mechanism != b"PLAIN":
        wire.write_greeting(BAD, b"this server knows the mechanism PLAIN only")
        raise Disconnected("another mechanism than PLAIN")
    _, response = wire.read_greeting()
    parts = response.split(b"\0")
    if len(parts) != 3:
        wire.write_greeting(BAD, b"not a PLAIN response")
        raise Disconnected("not a PLAIN response")
    return parts[1].decode("utf-8", "replace"), parts[2].decode("utf-8", "replace")


def introduce(wire: Wire, user: str, secret: str) -> None:
    """Log in to Spark's own server, which takes every name with the secret of its start; else Disconnected."""
    wire.write_greeting(START, b"PLAIN")
    wire.write_greeting(COMPLETE, b"\0" + user.encode() + b"\0" + secret.encode())
    status, _ = wire.read_greeting()
    if status != COMPLETE:
        raise Disconnected("the log-in was refused")


def call_name(frame: bytes) -> str:
    """The name of the call in a frame."""
    try:
        name: str = TBinaryProtocol(TMemoryBuffer(frame)).readMessageBegin()[0]
    except Exception as error:  # whatever thrift thinks of foreign bytes
        raise Disconnected(_NO_CALL) from error
    return name


def read_call(frame: bytes, arguments: type[Any]) -> tuple[Any, int]:
    """The request of a call, and the number that its reply has to carry.

    Raises Disconnected unless the frame is this one call and nothing else: Thrift's server would go on reading.
    """
    buffer = TMemoryBuffer(frame)
    protocol = TBinaryProtocol(buffer)
    try:
        _, _, number = protocol.readMessageBegin()
        found = arguments()
        found.read(protocol)
    except Exception as error:
        raise Disconnected(_NO_CALL) from error
    if found.req is None or not frame.startswith(_CALL) or buffer.read(1):
        raise Disconnected(_NO_CALL)
    return found.req, number


def write_call(name: str, body: Any, number: int, *, reply: bool = False) -> bytes:
    """A frame of a call, or of the reply to one."""
    buffer = TMemoryBuffer()
    protocol = TBinaryProtocol(buffer)
    protocol.writeMessageBegin(name, TMessageType.REPLY if reply else TMessageType.CALL, number)
    body.write(protocol)
    protocol.writeMessageEnd()
    frame: bytes = buffer.getvalue()
    return frame
