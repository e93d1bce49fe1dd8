"""SMB sessions of smbprotocol's client, one after the other: each logs on, takes the given steps, logs off."""

import argparse
import os
import socket
import sys
import uuid

import smbprotocol.connection
from smbprotocol.connection import Connection, Dialects
from smbprotocol.open import (
    CreateDisposition,
    CreateOptions,
    FileAttributes,
    FilePipePrinterAccessMask,
    ImpersonationLevel,
    Open,
    ShareAccess,
)
from smbprotocol.session import Session
from smbprotocol.transport import DirectTCPPacket, Tcp
from smbprotocol.tree import TreeConnect

DIALECTS = {
    "2.0.2": Dialects.SMB_2_0_2,
    "2.1": Dialects.SMB_2_1_0,
    "3.0": Dialects.SMB_3_0_0,
    "3.1.1": Dialects.SMB_3_1_1,
}


class HaltingTcp(Tcp):
    """Sends the first bytes of each message in a segment of their own."""

    halt_after = 0
    # Where the first bytes are sent, and where the rest is; anywhere without them.
    cpus = ()

    def send(self, header):
        packet = DirectTCPPacket()
        packet["smb2_message"] = header
        message = packet.pack()
        with self._sock_lock:
            self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for cpu, part in enumerate((message[: self.halt_after], message[self.halt_after :])):
                if self.cpus:
                    os.sched_setaffinity(0, {self.cpus[cpu]})
                self._sock.sendall(part)


class CountingTcp(Tcp):
    """Counts the bytes that it sends."""

    sent = 0

    def send(self, header):
        CountingTcp.sent += len(header) + 4
        super().send(header)


def store_in_compounds(tree, count, length):
    """Stores small files, each by CREATE, WRITE and CLOSE in one compound."""
    connection, session = tree.session.connection, tree.session
    for number in range(count):
        file = Open(tree, f"{number}.bin")
        steps = [
            file.create(
                ImpersonationLevel.Impersonation,
                FilePipePrinterAccessMask.GENERIC_WRITE,
                FileAttributes.FILE_ATTRIBUTE_NORMAL,
                ShareAccess.FILE_SHARE_READ,
                CreateDisposition.FILE_OVERWRITE_IF,
                CreateOptions.FILE_NON_DIRECTORY_FILE,
                send=False,
            ),
            file.write(b"Z" * length, 0, send=False),
            file.close(send=False),
        ]
        messages = [message for message, _ in steps]
        requests = connection.send_compound(
            messages, session.session_id, tree.tree_connect_id, related=True
        )
        for (_, answered), request in zip(steps, requests):
            answered(request)


def opened(tree, name, access, disposition):
    file = Open(tree, name)
    file.create(
        ImpersonationLevel.Impersonation,
        access,
        FileAttributes.FILE_ATTRIBUTE_NORMAL,
        ShareAccess.FILE_SHARE_READ,
        disposition,
        CreateOptions.FILE_NON_DIRECTORY_FILE,
    )
    return file


def take(step, session, arguments):
    action, _, rest = step.partition(":")
    share = rest if action == "tree" else arguments.share
    tree = TreeConnect(session, rf"\\{arguments.server}\{share}")
    tree.connect()
    if action == "tree":
        print("connected", rest)
    elif action == "get":
        file = opened(tree, rest, FilePipePrinterAccessMask.GENERIC_READ, CreateDisposition.FILE_OPEN)
        fetched, length = 0, file.end_of_file
        while fetched < length:
            fetched += len(file.read(fetched, min(length - fetched, session.connection.max_read_size, 1 << 16)))
        print("fetched", fetched)
        file.close()
    elif action == "put":
        name, length = rest.split(":")
        length = int(length)
        file = opened(tree, name, FilePipePrinterAccessMask.GENERIC_WRITE, CreateDisposition.FILE_OVERWRITE_IF)
        stored = 0
        while stored < length:
            stored += file.write(b"Z" * min(length - stored, session.connection.max_write_size, 1 << 16), stored)
        print("stored", stored)
        file.close()
    elif action == "compounds":
        count, length = rest.split(":")
        store_in_compounds(tree, int(count), int(length))
        print("stored", count)
    else:
        raise ValueError(f"unknown step {step}")
    tree.disconnect()


def run_session(arguments):
    user = f"{arguments.domain}\\{arguments.user}" if arguments.domain else arguments.user
    connection = Connection(uuid.uuid4(), arguments.server, arguments.port, require_signing=True)
    connection.connect(DIALECTS[arguments.dialect], timeout=15)
    session = Session(
        connection, user, arguments.password, require_encryption=arguments.encrypt, auth_protocol="ntlm"
    )
    session.connect()
    for step in arguments.steps:
        take(step, session, arguments)
    session.disconnect()
    connection.disconnect()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--server", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--user", default="")
    parser.add_argument("--password", default="")
    parser.add_argument("--domain", default="")
    parser.add_argument("--share", required=True)
    parser.add_argument("--dialect", choices=DIALECTS, default="3.1.1")
    parser.add_argument("--encrypt", action="store_true")
    parser.add_argument("--halt-after", type=int, action="append", metavar="BYTES")
    parser.add_argument("--change-cpu", action="store_true")
    parser.add_argument("steps", nargs="*")
    arguments = parser.parse_args()

    if arguments.halt_after:
        smbprotocol.connection.Tcp = HaltingTcp
        if arguments.change_cpu:
            HaltingTcp.cpus = sorted(os.sched_getaffinity(0))[:2]
    elif any(step.startswith("compounds:") for step in arguments.steps):
        smbprotocol.connection.Tcp = CountingTcp
    for halt_after in arguments.halt_after or [0]:
        HaltingTcp.halt_after = halt_after
        run_session(arguments)
    if CountingTcp.sent:
        print("sent", CountingTcp.sent)


if __name__ == "__main__":
    try:
        main()
    except Exception as error:  # The test reads what came of it.
        sys.exit(f"{type(error).__name__}: {error}")
