#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""TLS in front of a plain TCP port of 127.0.0.1, for tests of TLS clients.

usage: tls-proxy.py LISTEN_PORT TARGET_PORT PEM [--client-ca CA.pem]

PEM holds the key and the certificate (pki.sh makes some: server, expired, wrong-name). With
--client-ca a client must show a certificate of that authority. Prints "listening" when it does;
SIGTERM ends it. One thread for each direction of each connection: meant for few connections.
"""
import argparse
import socket
import ssl
import sys
import threading


def pump(source, sink):
    """Copies until the source ends, then tells the sink so."""
    try:
        while data := source.recv(65536):
            sink.sendall(data)
        # Half-closing TLS would need unwrap(); the plain side can be told, the other is closed.
        if isinstance(sink, ssl.SSLSocket):
            sink.close()
        else:
            sink.shutdown(socket.SHUT_WR)
    except (OSError, ValueError):
        for end in (source, sink):
            try:
                end.close()
            except OSError:
                pass


def serve(raw, context, target_port):
    """Shakes hands, connects to the target and starts both directions."""
    try:
        raw.settimeout(10)
        client = context.wrap_socket(raw, server_side=True)
        client.settimeout(None)
        target = socket.create_connection(("127.0.0.1", target_port))
    except (OSError, ssl.SSLError) as error:
        print(f"refused: {error}", flush=True)
        raw.close()
        return
    for end in (client, target):
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    threading.Thread(target=pump, args=(client, target), daemon=True).start()
    pump(target, client)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("listen_port", type=int)
    parser.add_argument("target_port", type=int)
    parser.add_argument("pem")
    parser.add_argument("--client-ca")
    args = parser.parse_args()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(args.pem)
    if args.client_ca:
        context.load_verify_locations(args.client_ca)
        context.verify_mode = ssl.CERT_REQUIRED
    listener = socket.create_server(("127.0.0.1", args.listen_port), backlog=64)
    print("listening", flush=True)
    while True:
        raw, _ = listener.accept()
        threading.Thread(target=serve, args=(raw, context, args.target_port), daemon=True).start()


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(0)
