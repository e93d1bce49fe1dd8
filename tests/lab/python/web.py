"""A web server of one page, with or without TLS, which says `ready` once it listens; and a client that fetches a page."""

import argparse
import datetime
import http.server
import os
import ssl
import sys
import urllib.request

PAGE = b"<p>not SMB\n"


class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", str(len(PAGE)))
        self.end_headers()
        self.wfile.write(PAGE)

    def log_message(self, *_):
        pass


def certificate(folder):
    """Writes a key and a certificate signed with it, and gives the file."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "server.example")])
    now = datetime.datetime.now(datetime.timezone.utc)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now - datetime.timedelta(days=1))
    signed = builder.not_valid_after(now + datetime.timedelta(days=1)).sign(key, hashes.SHA256())
    path = os.path.join(folder, "certificate.pem")
    with open(path, "wb") as file:
        file.write(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        file.write(signed.public_bytes(serialization.Encoding.PEM))
    return path


def serve(arguments):
    server = http.server.ThreadingHTTPServer(("0.0.0.0", arguments.port), Page)
    if arguments.tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate(arguments.folder))
        server.socket = context.wrap_socket(server.socket, server_side=True)
    print("ready", flush=True)
    server.serve_forever()


def fetch(arguments):
    context = ssl._create_unverified_context() if arguments.url.startswith("https:") else None
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), *([urllib.request.HTTPSHandler(context=context)] if context else [])
    )
    with opener.open(arguments.url, timeout=15) as answer:
        print("fetched", len(answer.read()))


def main():
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(required=True)
    server = commands.add_parser("serve")
    server.add_argument("--port", type=int, required=True)
    server.add_argument("--folder", required=True)
    server.add_argument("--tls", action="store_true")
    server.set_defaults(run=serve)
    client = commands.add_parser("fetch")
    client.add_argument("url")
    client.set_defaults(run=fetch)
    arguments = parser.parse_args()
    arguments.run(arguments)


if __name__ == "__main__":
    try:
        main()
    except Exception as error:  # The test reads what came of it.
        sys.exit(f"{type(error).__name__}: {error}")
