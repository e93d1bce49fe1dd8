"""Guesses passwords with impacket's client: one connection and one log-on for each line `user<TAB>password` of a file."""

import argparse
import sys

from impacket.nt_errors import STATUS_LOGON_FAILURE
from impacket.smb3structs import SMB2_DIALECT_21
from impacket.smbconnection import SMBConnection, SessionError


def guess(arguments, user, password):
    connection = SMBConnection(
        arguments.server, arguments.server, sess_port=445, timeout=15, preferredDialect=SMB2_DIALECT_21
    )
    try:
        connection.login(user, password, arguments.domain)
    except SessionError as error:
        if error.getErrorCode() != STATUS_LOGON_FAILURE:
            raise
        print("refused", user)
    else:
        print("accepted", user)
        connection.logoff()
    finally:
        connection.close()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--server", required=True)
    parser.add_argument("--domain", required=True)
    parser.add_argument("--guesses", required=True)
    arguments = parser.parse_args()
    with open(arguments.guesses, encoding="utf-8") as guesses:
        for line in guesses:
            user, _, password = line.rstrip("\n").partition("\t")
            guess(arguments, user, password)


if __name__ == "__main__":
    try:
        main()
    except Exception as error:  # The test reads what came of it.
        sys.exit(f"{type(error).__name__}: {error}")
