# SPDX-License-Identifier: Apache-2.0
"""A proxy between the daemons and Kafka, on the connection's level: cuts, swallows answers, delays, trickles."""
import contextlib
import socket
import struct
import threading
import time

PIECE, PIECE_S = 200, 0.002
DELAY_S = 0.3


class Proxy:
    """Forwards to a port of this machine. Kafka's listener for it is advertised with the proxy's port."""

    def __init__(self, port, target):
        self.port, self.target = port, target
        self.mode = ''  # 'mute': answers are swallowed; 'slow', 'trickle'
        self.lock, self.sockets = threading.Lock(), set()
        self.listener = socket.create_server(('127.0.0.1', port), backlog=128)
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self):
        """All connections, by a reset."""
        with self.lock:
            for s in self.sockets:
                with contextlib.suppress(OSError):
                    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
                    s.shutdown(socket.SHUT_RDWR)

    def close(self):
        self.listener.close()
        self.cut()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        try:
            server = socket.create_connection(('127.0.0.1', self.target), timeout=5)
        except OSError:
            client.close()
            return
        server.settimeout(None)
        for s in (client, server):
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self.lock:
            self.sockets |= {client, server}
        back = threading.Thread(target=self._pump, args=(server, client, True), daemon=True)
        back.start()
        self._pump(client, server, False)
        back.join()
        with self.lock:
            self.sockets -= {client, server}
        client.close()
        server.close()

    def _pump(self, source, sink, answers):
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                if answers and self.mode == 'mute':
                    continue
                if self.mode == 'slow':
                    time.sleep(DELAY_S)
                if self.mode == 'trickle' and len(data) <= 100 * PIECE:
                    for at in range(0, len(data), PIECE):
                        sink.sendall(data[at:at + PIECE])
                        time.sleep(PIECE_S)
                else:
                    sink.sendall(data)
        for s in (source, sink):
            with contextlib.suppress(OSError):
                s.shutdown(socket.SHUT_RDWR)
