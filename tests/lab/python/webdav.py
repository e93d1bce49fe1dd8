"""A WebDAV server that asks for a log-on by NTLM and checks it, and says `ready` once it listens."""

import argparse
import base64
import http.server
import os
import tempfile

import spnego

LISTING = b"""<?xml version="1.0"?>
<D:multistatus xmlns:D="DAV:"><D:response><D:href>/share/</D:href><D:propstat><D:prop/>
<D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response></D:multistatus>
"""
CONTENT = b"the content of a file\n"


class WebDav(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    log_on = None
    is_in = False

    def answer(self, status, body=b"", **fields):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        for name, value in fields.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def may(self):
        """Whether the connection is logged on (RFC 4559: a log-on is one of the connection); if not, answers."""
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        if self.is_in:
            return True
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        if scheme not in ("NTLM", "Negotiate") or not token:
            self.answer(401, b"log on", WWW_Authenticate="NTLM")
            return False
        self.log_on = self.log_on or spnego.server(protocol="ntlm")
        try:
            reply = self.log_on.step(base64.b64decode(token))
        except spnego.exceptions.SpnegoError:
            self.log_on = None
            self.answer(401, b"refused", WWW_Authenticate="NTLM")
            return False
        if not self.log_on.complete:
            self.answer(401, b"go on", WWW_Authenticate=f"{scheme} {base64.b64encode(reply).decode()}")
            return False
        self.is_in = True
        return True

    def do_OPTIONS(self):
        if "Origin" in self.headers:
            self.answer(204, Access_Control_Allow_Origin="*", Access_Control_Allow_Methods="GET, PUT")
        elif self.may():
            self.answer(200, DAV="1,2", Allow="OPTIONS, PROPFIND, GET")

    def do_PROPFIND(self):
        if self.may():
            self.answer(207, LISTING, Content_Type="application/xml")

    def do_GET(self):
        if self.may():
            self.answer(200, CONTENT)

    def log_message(self, *_):
        pass


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--user", required=True)
    parser.add_argument("--password", required=True)
    arguments = parser.parse_args()
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as users:
        users.write(f":{arguments.user}:{arguments.password}\nCORP:{arguments.user}:{arguments.password}\n")
        users.flush()
        os.environ["NTLM_USER_FILE"] = users.name
        server = http.server.ThreadingHTTPServer(("0.0.0.0", arguments.port), WebDav)
        print("ready", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
