"""impacket's SMB server: one user, one share. It says `ready` once it listens."""

import argparse

from impacket import smbserver
from impacket.ntlm import compute_lmhash, compute_nthash


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--user", required=True)
    parser.add_argument("--password", required=True)
    parser.add_argument("--share", required=True)
    parser.add_argument("--folder", required=True)
    parser.add_argument("--smb1", action="store_true")
    arguments = parser.parse_args()

    server = smbserver.SimpleSMBServer(listenAddress="0.0.0.0", listenPort=arguments.port)
    server.addShare(arguments.share.upper(), arguments.folder, "")
    server.setSMB2Support(not arguments.smb1)
    server.addCredential(
        arguments.user, 0, compute_lmhash(arguments.password), compute_nthash(arguments.password)
    )
    print("ready", flush=True)
    server.start()


if __name__ == "__main__":
    main()
