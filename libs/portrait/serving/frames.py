"""The wire of HiveServer2: Thrift's SASL frames, and the few messages that the gateway looks into.

Every connection starts with a SASL exchange (mechanism PLAIN: user and password); then each message is one frame of a
four-byte length and a Thrift binary call. Format: Apache Thrift, `TSaslTransport`; RFC 4616 for PLAIN.
"""

from __future__ import annotations

import socket
import struct
from typing import Any

from thrift.protocol.TBinaryProtocol import TBinaryProtocol
from thrift.Thrift import TMessageType
from thrift.transport.TTransport import TMemoryBuffer

START, OK, BAD, ERROR, COMPLETE = 1, 2, 3, 4, 5
_LARGEST_GREETING = 64 * 1024
_LARGEST_FRAME = 256 * 1024 * 1024


class Disconnected(Exception):
    """The peer has gone, or does not speak this protocol."""


class Wire:
    """One side of a connection."""

    def __init__(self, peer: socket.socket) -> None:
        self._peer = peer

    def read_greeting(self) -> tuple[int, bytes]:
        """A SASL message: its status and its payload."""
        status, length = struct.unpack(">BI", self._exactly(5))
        if length > _LARGEST_GREETING:
            raise Disconnected
        return status, self._exactly(length)

    def write_greeting(self, status: int, payload: bytes = b"") -> None:
        """Send a SASL message."""
        self._peer.sendall(struct.pack(">BI", status, len(payload)) + payload)

    def read_frame(self) -> bytes:
        """The next frame, without its length."""
        (length,) = struct.unpack(">I", self._exactly(4))
        if length > _LARGEST_FRAME:
            raise Disconnected
        return self._exactly(length)

    def write_frame(self, frame: bytes) -> None:
        """Send a frame."""
        self._peer.sendall(struct.pack(">I", len(frame)) + frame)

    def close(self) -> None:
        """End the connection."""
        self._peer.close()

    def _exactly(self, length: int) -> bytes:
        parts = []
        while length:
            part = self._peer.recv(min(length, 1 << 20))
            if not part:
                raise Disconnected
            parts.append(part)
            length -= len(part)
        return b"".join(parts)


def read_credentials(wire: Wire) -> tuple[str, str]:
    """The user and the password that a client sends; raises Disconnected for another mechanism."""
    status, mechanism = wire.read_greeting()
    if status != START or mechanism != b"PLAIN":
        wire.write_greeting(BAD, b"this server knows the mechanism PLAIN only")
        raise Disconnected
    _, response = wire.read_greeting()
    parts = response.split(b"\0")
    if len(parts) != 3:
        wire.write_greeting(BAD, b"not a PLAIN response")
        raise Disconnected
    return parts[1].decode("utf-8", "replace"), parts[2].decode("utf-8", "replace")


def introduce(wire: Wire, user: str) -> None:
    """Log in to Spark's own server, which listens on loopback only and takes every name."""
    wire.write_greeting(START, b"PLAIN")
    wire.write_greeting(COMPLETE, b"\0" + user.encode() + b"\0-")
    status, _ = wire.read_greeting()
    if status != COMPLETE:
        raise Disconnected


def call_name(frame: bytes) -> str:
    """The name of the call in a frame."""
    try:
        name: str = TBinaryProtocol(TMemoryBuffer(frame)).readMessageBegin()[0]
    except Exception as error:  # whatever thrift thinks of foreign bytes
        raise Disconnected from error
    return name


def read_call(frame: bytes, arguments: type[Any]) -> tuple[Any, int]:
    """The request of a call, and the number that its reply has to carry."""
    protocol = TBinaryProtocol(TMemoryBuffer(frame))
    try:
        _, _, number = protocol.readMessageBegin()
        found = arguments()
        found.read(protocol)
    except Exception as error:
        raise Disconnected from error
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
