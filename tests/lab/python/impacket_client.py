"""One SMB session of impacket's client: logs on, takes the given steps, logs off."""

import argparse
import functools
import io
import os
import sys
import time

from impacket import ntlm, smb
from impacket.dcerpc.v5 import atsvc, lsad, rrp, samr, scmr, transport
from impacket.dcerpc.v5.rpcrt import DCERPCException
from impacket.smb3structs import SMB2_DIALECT_002, SMB2_DIALECT_21, SMB2_DIALECT_30, SMB2_DIALECT_311
from impacket.smbconnection import SMBConnection

DIALECTS = {
    "1": smb.SMB_DIALECT,
    "2.0.2": SMB2_DIALECT_002,
    "2.1": SMB2_DIALECT_21,
    "3.0": SMB2_DIALECT_30,
    "3.1.1": SMB2_DIALECT_311,
}
MAXIMUM_ALLOWED = 0x02000000
# Seconds that a step waits for a file.
LONGEST_WAIT = 60


def bound(connection, server, pipe, interface):
    """A DCE-RPC connection over a pipe of this very session."""
    rpc = transport.SMBTransport(server, filename=pipe, smb_connection=connection).get_dce_rpc()
    rpc.connect()
    rpc.bind(interface)
    return rpc


def list_domains(connection, server):
    rpc = bound(connection, server, r"\samr", samr.MSRPC_UUID_SAMR)
    handle = samr.hSamrConnect(rpc)["ServerHandle"]
    domains = samr.hSamrEnumerateDomainsInSamServer(rpc, handle)["Buffer"]["Buffer"]
    for domain in domains:
        print("domain", domain["Name"])
    rpc.disconnect()


def open_policy(connection, server):
    rpc = bound(connection, server, r"\lsarpc", lsad.MSRPC_UUID_LSAD)
    policy = lsad.hLsarOpenPolicy2(rpc, MAXIMUM_ALLOWED)["PolicyHandle"]
    lsad.hLsarQueryInformationPolicy(rpc, policy, lsad.POLICY_INFORMATION_CLASS.PolicyAccountDomainInformation)
    print("policy opened")
    rpc.disconnect()


def create_service(connection, server):
    """Asks for a new service, which Samba refuses."""
    rpc = bound(connection, server, r"\svcctl", scmr.MSRPC_UUID_SCMR)
    manager = scmr.hROpenSCManagerW(rpc, dwDesiredAccess=scmr.SC_MANAGER_CONNECT)["lpScHandle"]
    try:
        scmr.hRCreateServiceW(rpc, manager, "lab", "lab", lpBinaryPathName="lab.exe")
        print("service created")
    except DCERPCException as error:
        print("service refused:", error)


def write_registry(connection, server):
    """Asks for a new key of the registry, for a value in it and for a copy of it, each of which may be refused."""
    rpc = bound(connection, server, r"\winreg", rrp.MSRPC_UUID_RRP)
    machine = rrp.hOpenLocalMachine(rpc)["phKey"]
    key = machine
    for what, call in (
        ("key", lambda: rrp.hBaseRegCreateKey(rpc, machine, r"SOFTWARE\lab")),
        ("value", lambda: rrp.hBaseRegSetValue(rpc, key, "lab", rrp.REG_SZ, "lab.exe")),
        ("copy", lambda: rrp.hBaseRegSaveKey(rpc, key, "lab.save")),
    ):
        try:
            answer = call()
            print("registry accepted", what)
            key = answer["phkResult"] if what == "key" else key
        except DCERPCException as error:
            print("registry refused", what, error)
    rpc.disconnect()


def add_job(connection, server):
    rpc = bound(connection, server, r"\atsvc", atsvc.MSRPC_UUID_ATSVC)
    job = atsvc.AT_INFO()
    job["JobTime"] = job["DaysOfMonth"] = job["DaysOfWeek"] = job["Flags"] = 0
    job["Command"] = "lab.exe\0"
    print("job", atsvc.hNetrJobAdd(rpc, atInfo=job)["pJobId"])
    rpc.disconnect()


def take(step, connection, arguments):
    action, _, rest = step.partition(":")
    if action == "shares":
        for share in connection.listShares():
            print("share", share["shi1_netname"].rstrip("\0"))
    elif action == "tree":
        connection.disconnectTree(connection.connectTree(rest))
        print("connected", rest)
    elif action == "get":
        content = io.BytesIO()
        connection.getFile(arguments.share, rest, content.write)
        print("fetched", len(content.getvalue()))
    elif action == "put":
        name, length = rest.split(":")
        connection.putFile(arguments.share, name, io.BytesIO(b"Z" * int(length)).read)
        print("stored", length)
    elif action == "note":
        open(rest, "x").close()
    elif action == "await":
        deadline = time.monotonic() + LONGEST_WAIT
        while not os.path.exists(rest):
            if time.monotonic() > deadline:
                raise TimeoutError(f"no file {rest}")
            time.sleep(0.005)
    elif action == "samr":
        list_domains(connection, arguments.server)
    elif action == "lsarpc":
        open_policy(connection, arguments.server)
    elif action == "service":
        create_service(connection, arguments.server)
    elif action == "registry":
        write_registry(connection, arguments.server)
    elif action == "job":
        add_job(connection, arguments.server)
    else:
        raise ValueError(f"unknown step {step}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--server", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--user", default="")
    parser.add_argument("--password", default="")
    parser.add_argument("--domain", default="")
    parser.add_argument("--share", required=True)
    parser.add_argument("--dialect", choices=DIALECTS, default="2.1")
    parser.add_argument("--ntlmv1", action="store_true")
    parser.add_argument("steps", nargs="*")
    arguments = parser.parse_args()

    if arguments.ntlmv1:
        # The client of SMB 2 leaves the choice to what these take for granted.
        for name in ("getNTLMSSPType1", "getNTLMSSPType3"):
            setattr(ntlm, name, functools.partial(getattr(ntlm, name), use_ntlmv2=False))
    # On 139 a server is called by a NetBIOS name; this one every server answers to.
    name = "*SMBSERVER" if arguments.port == 139 else arguments.server
    connection = SMBConnection(
        name,
        arguments.server,
        sess_port=arguments.port,
        timeout=15,
        preferredDialect=DIALECTS[arguments.dialect],
    )
    connection.login(arguments.user, arguments.password, arguments.domain)
    for step in arguments.steps:
        take(step, connection, arguments)
    connection.logoff()


if __name__ == "__main__":
    try:
        main()
    except Exception as error:  # The test reads what came of it.
        sys.exit(f"{type(error).__name__}: {error}")
