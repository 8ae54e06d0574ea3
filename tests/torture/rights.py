# SPDX-License-Identifier: Apache-2.0
"""Kafka's authorizations by its own protocol (CreateAcls v1, DeleteAcls v1): Debian's Python client has no calls for
them. Numbers: org.apache.kafka.common.resource.ResourceType, .acl.AclOperation, .acl.AclPermissionType."""
import socket
import struct

TOPIC, GROUP = 2, 3
ALL, READ, WRITE = 2, 3, 4
DENY, ALLOW = 2, 3
LITERAL = 3
ANYONE = 'User:*', '*'


def _text(text):
    return struct.pack('>h', len(text)) + text.encode()


def _call(port, key, body):
    request = struct.pack('>hhi', key, 1, 1) + _text('torture') + body
    with socket.create_connection(('127.0.0.1', port), timeout=20) as connection:
        connection.sendall(struct.pack('>i', len(request)) + request)
        answer = b''
        while len(answer) < 4 or len(answer) < 4 + struct.unpack('>i', answer[:4])[0]:
            data = connection.recv(65536)
            assert data, 'Kafka closed the connection'
            answer += data
    # After the size: correlation, throttle time, number of results, code of the first.
    code, = struct.unpack('>h', answer[16:18])
    assert code == 0, f'Kafka refuses a change of authorizations with {code}'


def deny(port, kind, name, operation):
    """For all clients. What is said of a resource forbids everything else there, hence the first."""
    def entry(what, permission):
        return (struct.pack('>b', kind) + _text(name) + struct.pack('>b', LITERAL) + _text(ANYONE[0]) +
                _text(ANYONE[1]) + struct.pack('>bb', what, permission))
    _call(port, 30, struct.pack('>i', 2) + entry(ALL, ALLOW) + entry(operation, DENY))


def allow(port, kind, name, operation):
    """Takes the denial back."""
    _call(port, 31, struct.pack('>i', 1) + struct.pack('>b', kind) + _text(name) + struct.pack('>b', LITERAL) +
          _text(ANYONE[0]) + _text(ANYONE[1]) + struct.pack('>bb', operation, DENY))
