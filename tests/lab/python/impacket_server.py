"""impacket's SMB server: one user, one share, and on request a task scheduler. It says `ready` once it listens."""

import argparse
import os
import struct
import time

from impacket import ntlm, smbserver
from impacket.dcerpc.v5 import atsvc, tsch
from impacket.dcerpc.v5.rpcrt import (
    MSRPC_AUTH3,
    MSRPC_BIND,
    MSRPC_BINDACK,
    RPC_C_AUTHN_LEVEL_PKT_PRIVACY,
    SEC_TRAILER,
    CtxItem,
    CtxItemResult,
    DCERPCServer,
    MSRPCBind,
    MSRPCBindAck,
    MSRPCHeader,
    MSRPCRequestHeader,
    MSRPCRespHeader,
)
from impacket.nt_errors import STATUS_SUCCESS
from impacket.ntlm import compute_lmhash, compute_nthash
from impacket.uuid import bin_to_uuidtup, uuidtup_to_bin

NDR = uuidtup_to_bin(("8a885d04-1ceb-11c9-9fe8-08002b104860", "2.0"))
PIPE = r"\PIPE\atsvc"
# MS-RPCE 2.2.2.4: what a context of a bind is refused for.
PROVIDER_REJECTION, NO_ABSTRACT_SYNTAX, NO_TRANSFER_SYNTAX = 2, 1, 2
# MS-ERREF 2.2: the answer to a call that the scheduler does not know.
UNKNOWN_OPERATION = 0x1C010002
MSRPC_FAULT = 3


class LogOn:
    """A client's log-on to a pipe by NTLM, and the keys that seal its calls afterwards."""

    TAKEN = (
        ntlm.NTLMSSP_NEGOTIATE_56
        | ntlm.NTLMSSP_NEGOTIATE_128
        | ntlm.NTLMSSP_NEGOTIATE_KEY_EXCH
        | ntlm.NTLMSSP_NEGOTIATE_EXTENDED_SESSIONSECURITY
        | ntlm.NTLMSSP_NEGOTIATE_UNICODE
        | ntlm.NTLMSSP_NEGOTIATE_SIGN
        | ntlm.NTLMSSP_NEGOTIATE_ALWAYS_SIGN
        | ntlm.NTLMSSP_NEGOTIATE_SEAL
    )
    SAID = (
        ntlm.NTLMSSP_NEGOTIATE_NTLM
        | ntlm.NTLMSSP_NEGOTIATE_TARGET_INFO
        | ntlm.NTLMSSP_REQUEST_TARGET
        | ntlm.NTLMSSP_TARGET_TYPE_SERVER
    )
    # Where the payload of the challenge begins, which carries no version.
    PAYLOAD = 48

    def __init__(self, negotiate):
        self.negotiate = ntlm.NTLMAuthNegotiate()
        self.negotiate.fromString(negotiate)
        name = "LABSRV".encode("utf-16le")
        info = ntlm.AV_PAIRS()
        for field in (
            ntlm.NTLMSSP_AV_HOSTNAME,
            ntlm.NTLMSSP_AV_DOMAINNAME,
            ntlm.NTLMSSP_AV_DNS_HOSTNAME,
            ntlm.NTLMSSP_AV_DNS_DOMAINNAME,
        ):
            info[field] = name
        info[ntlm.NTLMSSP_AV_TIME] = struct.pack("<q", 116444736000000000 + int(time.time()) * 10000000)
        self.challenge = ntlm.NTLMAuthChallenge()
        self.challenge["flags"] = self.negotiate["flags"] & self.TAKEN | self.SAID
        self.challenge["challenge"] = os.urandom(8)
        self.challenge["domain_name"] = name
        self.challenge["domain_offset"] = self.PAYLOAD
        self.challenge["TargetInfoFields"] = info.getData()
        self.challenge["TargetInfoFields_offset"] = self.PAYLOAD + len(name)
        self.challenge["Version"] = b""

    def finish(self, response, user, password):
        """Derives the keys, or raises if the response is not this user's."""
        authenticate = ntlm.NTLMAuthChallengeResponse()
        authenticate.fromString(response)
        name = authenticate["user_name"].decode("utf-16le")
        hashes = compute_lmhash(password), compute_nthash(password)
        challenge = self.challenge["challenge"]
        status, key = smbserver.computeNTLMv2(
            user, *hashes, challenge, authenticate, self.challenge, self.negotiate
        )
        if status != STATUS_SUCCESS or name != user:
            raise PermissionError(f"{name} may not log on to the pipe")
        self.flags = authenticate["flags"]
        self.client, self.server = (
            (ntlm.SIGNKEY(self.flags, key, mode), ntlm.ARC4.new(ntlm.SEALKEY(self.flags, key, mode)).encrypt)
            for mode in ("Client", "Server")
        )
        self.calls = self.answers = 0

    def opened(self, packet, request):
        """The arguments of a sealed call; raises if its signature is wrong."""
        signing, cipher = self.client
        arguments = cipher(request["pduData"])
        end = len(packet) - request["auth_len"]
        begin = end - len(SEC_TRAILER()) - len(arguments)
        signed = packet[:begin] + arguments + packet[begin + len(arguments) : end]
        signature = ntlm.MAC(self.flags, cipher, signing, self.calls, signed)
        if signature.getData() != request["auth_data"]:
            raise PermissionError("the signature of a call is wrong")
        self.calls += 1
        return arguments

    def seal(self, response, trailer):
        """Seals an answer, under the same trailer as its call."""
        signing, cipher = self.server
        answer = response["pduData"]
        trailer["auth_pad_len"] = -len(answer) % 4
        answer += b"\0" * trailer["auth_pad_len"]
        response["pduData"], response["sec_trailer"], response["auth_data"] = answer, trailer.getData(), b" " * 16
        signed = response.get_packet()[:-16]
        response["pduData"] = cipher(answer)
        response["auth_data"] = ntlm.MAC(self.flags, cipher, signing, self.answers, signed).getData()
        self.answers += 1


class TaskScheduler(DCERPCServer):
    """The interfaces atsvc and ITaskSchedulerService. It runs nothing: each task leaves the same output."""

    def __init__(self, user, password, temporary, output):
        super().__init__()
        self.daemon = True
        self.user, self.password, self.temporary, self.output = user, password, temporary, output
        self.log_on = None
        tasks = {1: self.register_task, 12: self.run_task, 13: self.delete_task, 16: self.last_run}
        self.addCallbacks(bin_to_uuidtup(tsch.MSRPC_UUID_TSCHS), PIPE, tasks)
        self.addCallbacks(bin_to_uuidtup(atsvc.MSRPC_UUID_ATSVC), PIPE, {0: self.add_job})

    def register_task(self, arguments):
        response = tsch.SchRpcRegisterTaskResponse()
        response["pActualPath"] = tsch.SchRpcRegisterTask(arguments)["path"]
        response["pErrorInfo"] = tsch.NULL
        response["ErrorCode"] = 0
        return response

    def run_task(self, arguments):
        name = tsch.SchRpcRun(arguments)["path"].strip("\\\0")
        with open(os.path.join(self.temporary, f"{name}.tmp"), "x", encoding="ascii") as output:
            output.write(self.output)
        response = tsch.SchRpcRunResponse()
        response["pGuid"] = os.urandom(16)
        response["ErrorCode"] = 0
        return response

    def last_run(self, _arguments):
        response = tsch.SchRpcGetLastRunInfoResponse()
        # A task that never ran has no year here.
        response["pLastRuntime"]["wYear"] = time.gmtime().tm_year
        response["pLastReturnCode"] = response["ErrorCode"] = 0
        return response

    def delete_task(self, _arguments):
        response = tsch.SchRpcDeleteResponse()
        response["ErrorCode"] = 0
        return response

    def add_job(self, _arguments):
        response = atsvc.NetrJobAddResponse()
        response["pJobId"], response["ErrorCode"] = 1, 0
        return response

    def processRequest(self, data):
        packet = MSRPCHeader(data)
        if packet["type"] == MSRPC_BIND:
            return self.accept(packet)
        if packet["type"] == MSRPC_AUTH3:
            self.log_on.finish(packet["auth_data"], self.user, self.password)
            return None
        return self.answer(data)

    def accept(self, packet):
        """Answers a bind, with a challenge if the client logs on. impacket's own server cannot do that."""
        bind = MSRPCBind(packet["pduData"])
        results, contexts = b"", bind["ctx_items"]
        for _ in range(bind["ctx_num"]):
            context, result = CtxItem(contexts), CtxItemResult()
            contexts = contexts[len(context) :]
            result["Result"] = result["Reason"] = 0
            result["TransferSyntax"] = NDR
            if context["TransferSyntax"] != NDR:
                result["Result"], result["Reason"] = PROVIDER_REJECTION, NO_TRANSFER_SYNTAX
            elif context["AbstractSyntax"] not in self._listenUUIDS:
                result["Result"], result["Reason"] = PROVIDER_REJECTION, NO_ABSTRACT_SYNTAX
            else:
                self._boundUUID = context["AbstractSyntax"]
            results += result.getData()
        response = MSRPCBindAck()
        response["type"] = MSRPC_BINDACK
        response["call_id"] = packet["call_id"]
        response["max_tfrag"], response["max_rfrag"] = bind["max_tfrag"], bind["max_rfrag"]
        response["assoc_group"] = 0x1234
        response["SecondaryAddrLen"] = len(PIPE) + 1
        response["SecondaryAddr"] = PIPE
        response["Pad"] = b"\0" * (-(MSRPCBindAck._SIZE + len(PIPE) + 1) % 4)
        response["ctx_num"], response["ctx_items"] = bind["ctx_num"], results
        self.log_on = None
        if packet["auth_len"]:
            self.log_on = LogOn(packet["auth_data"])
            response["sec_trailer"] = packet["sec_trailer"]
            response["auth_data"] = self.log_on.challenge.getData()
            response["auth_len"] = len(response["auth_data"])
        response["frag_len"] = len(response.getData())
        self._clientSock.sendall(response.getData())

    def answer(self, data):
        request, response = MSRPCRequestHeader(data), MSRPCRespHeader()
        sealed = request["auth_len"] > 0
        arguments = self.log_on.opened(data, request) if sealed else request["pduData"]
        callback = self._listenUUIDS[self._boundUUID]["CallBacks"].get(request["op_num"])
        response["call_id"], response["ctx_id"] = request["call_id"], request["ctx_id"]
        if callback is None:
            response["type"] = MSRPC_FAULT
            response["pduData"] = struct.pack("<L", UNKNOWN_OPERATION)
            return response
        response["pduData"] = callback(arguments).getData()
        response["alloc_hint"] = len(response["pduData"])
        if sealed:
            trailer = SEC_TRAILER(request["sec_trailer"])
            if trailer["auth_level"] != RPC_C_AUTHN_LEVEL_PKT_PRIVACY:
                raise ValueError("a call is signed and not sealed")
            self.log_on.seal(response, trailer)
        return response


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--user", required=True)
    parser.add_argument("--password", required=True)
    parser.add_argument("--share", required=True)
    parser.add_argument("--folder", required=True)
    parser.add_argument("--smb1", action="store_true")
    # Then it has a task scheduler, and the folder is ADMIN$ too.
    parser.add_argument("--task-output")
    arguments = parser.parse_args()

    server = smbserver.SimpleSMBServer(listenAddress="0.0.0.0", listenPort=arguments.port)
    server.addShare(arguments.share.upper(), arguments.folder, "")
    server.setSMB2Support(not arguments.smb1)
    server.addCredential(
        arguments.user, 0, compute_lmhash(arguments.password), compute_nthash(arguments.password)
    )
    if arguments.task_output is not None:
        temporary = os.path.join(arguments.folder, "Temp")
        os.mkdir(temporary)
        server.addShare("ADMIN$", arguments.folder)
        scheduler = TaskScheduler(arguments.user, arguments.password, temporary, arguments.task_output)
        server.registerNamedPipe("atsvc", ("127.0.0.1", scheduler.getListenPort()))
        scheduler.start()
    print("ready", flush=True)
    server.start()


if __name__ == "__main__":
    main()
