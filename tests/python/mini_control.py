# SPDX-License-Identifier: Apache-2.0
"""A certificate authority and a key server for tests, from wire/keying/keying.h: enough to try the
Python terminal and the C one without control. It installs sessions in a MiniSwitch, and refuses,
lies or stops when it is told to.
"""
import contextlib
import datetime
import hashlib
import select
import socket
import struct
import threading
import time

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from OpenSSL import SSL, crypto

import keying

PEM = serialization.Encoding.PEM


def name_of(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


class Authority:
    """Signs what it is asked to; times are in seconds from now."""

    def __init__(self, name="authority"):
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = name_of(name)
        self.certificate = (
            self.begin(self.name, self.key.public_key(), -86400, 86400)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(self.key, hashes.SHA256()))
        self.pem = self.certificate.public_bytes(PEM)

    def begin(self, subject, public_key, begin, end):
        now = datetime.datetime.utcnow()
        return (x509.CertificateBuilder().subject_name(subject).issuer_name(self.name)
                .public_key(public_key).serial_number(x509.random_serial_number())
                .not_valid_before(now + datetime.timedelta(seconds=begin))
                .not_valid_after(now + datetime.timedelta(seconds=end)))

    def sign(self, public_key, role, server=False, begin=-60, end=3600):
        usage = ExtendedKeyUsageOID.SERVER_AUTH if server else ExtendedKeyUsageOID.CLIENT_AUTH
        return (self.begin(name_of("server" if server else "terminal"), public_key, begin, end)
                .add_extension(x509.SubjectAlternativeName(
                    [x509.UniformResourceIdentifier(role)]), critical=False)
                .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
                .sign(self.key, hashes.SHA256()))

    def enroll(self, directory, deployment, terminal_id, begin=-60, end=3600):
        """What `sluicectl terminal enroll` does with the request in a terminal's directory."""
        request = x509.load_pem_x509_csr((directory / keying.REQUEST).read_bytes())
        assert request.is_signature_valid
        certificate = self.sign(
            request.public_key(), keying.uri(deployment, terminal_id), begin=begin, end=end)
        keying.write_file(directory / keying.CERTIFICATE, certificate.public_bytes(PEM))
        keying.write_file(directory / keying.TRUST, self.pem)


class MiniControl:
    """The key server. With a switch, each session it makes is installed there.

    refuse: (code, retry after, text) for every request; lie: fields of ESTABLISHED to change;
    life: seconds of a session; renewal: (begin, end) of certificates it gives; role, alpn: of the
    server.
    """

    def __init__(self, authority, deployment="lab", switch=None, role=None, alpn=keying.ALPN):
        self.authority, self.deployment, self.switch, self.alpn = (
            authority, deployment, switch, alpn)
        self.refuse, self.lie, self.life, self.renewal = None, {}, 86400.0, (-60, 3600)
        self.handshakes = self.sessions = self.renewals = 0
        self.roots = {}  # session id -> root
        self.failures = []  # of handshakes, as text
        key = ec.generate_private_key(ec.SECP256R1())
        self.certificate = authority.sign(
            key.public_key(), role or keying.uri(deployment), server=True)
        self.context = self.context_make(key)
        self.address, self.listener, self.thread = ("127.0.0.1", 0), None, None
        self.start()

    def context_make(self, key):
        context = SSL.Context(SSL.TLS_SERVER_METHOD)
        context.set_min_proto_version(SSL.TLS1_3_VERSION)
        context.set_cipher_list(b"ALL")
        context.set_options(SSL.OP_NO_TICKET | SSL.OP_CIPHER_SERVER_PREFERENCE)
        context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
        context.set_alpn_select_callback(
            lambda _, offered: self.alpn if self.alpn in offered else SSL.NO_OVERLAPPING_PROTOCOLS)
        context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT,
                           lambda _c, _x, _e, _d, good: bool(good))
        context.get_cert_store().add_cert(crypto.X509.from_cryptography(self.authority.certificate))
        context.use_privatekey(crypto.PKey.from_cryptography_key(key))
        context.use_certificate(crypto.X509.from_cryptography(self.certificate))
        return context

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def start(self):
        """Listens, at the same port after a stop."""
        self.listener = socket.create_server(self.address)
        self.address = self.listener.getsockname()
        self.thread = threading.Thread(target=self.run, args=(self.listener,), daemon=True)
        self.thread.start()

    def stop(self):
        """As if the process had died: connections to it are refused."""
        if self.listener is not None:
            with contextlib.suppress(OSError):
                self.listener.shutdown(socket.SHUT_RDWR)
            self.thread.join()
            self.listener.close()
            self.listener = None

    def run(self, listener):
        while True:
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            with peer:
                peer.settimeout(5.0)
                try:
                    self.serve(peer)
                except (SSL.Error, OSError, TimeoutError, AssertionError) as error:
                    self.failures.append(repr(error))

    def serve(self, peer):
        tls = SSL.Connection(self.context, peer)
        tls.set_accept_state()
        self.step(peer, tls.do_handshake)
        self.handshakes += 1
        role = keying.roles(tls.get_peer_certificate().to_cryptography())[0]
        terminal_id = int(role.rsplit(":", 1)[1])
        version, kind, length = keying.HEADER.unpack(self.read(peer, tls, keying.HEADER.size))
        body = self.read(peer, tls, length)
        assert version == keying.VERSION
        if self.refuse is not None:
            code, retry_after, text = self.refuse
            self.say(peer, tls, keying.REFUSED,
                     keying.REFUSAL.pack(code, retry_after) + text.encode())
        elif kind == keying.ESTABLISH:
            self.establish(peer, tls, terminal_id)
        else:
            self.renew(peer, tls, terminal_id, body)
        with contextlib.suppress(SSL.Error):
            tls.shutdown()
        with contextlib.suppress(OSError):
            peer.shutdown(socket.SHUT_WR)
            peer.recv(1)

    @staticmethod
    def step(peer, function, *arguments):
        end = time.monotonic() + 5
        while True:
            try:
                return function(*arguments)
            except SSL.WantReadError:
                if not select.select([peer], [], [], max(0.0, end - time.monotonic()))[0]:
                    raise TimeoutError from None

    def read(self, peer, tls, size):
        out = b""
        while len(out) < size:
            out += self.step(peer, tls.recv, size - len(out))
        return out

    def say(self, peer, tls, kind, body):
        self.step(peer, tls.sendall,
                  keying.HEADER.pack(keying.VERSION, kind, len(body)) + body)

    def establish(self, peer, tls, terminal_id):
        self.sessions += 1
        session_id = (100 + self.sessions) << 20 | 5
        client = tls.get_peer_certificate().to_cryptography()
        root = tls.export_keying_material(keying.LABEL, 48, keying.context_make(
            session_id, terminal_id, self.deployment,
            self.certificate.fingerprint(hashes.SHA256()), client.fingerprint(hashes.SHA256())))
        self.roots[session_id] = root
        boot_id, epoch, host, port = 0, 1, "0.0.0.0", 0
        if self.switch is not None:
            self.switch.install(session_id, root)
            boot_id, epoch = self.switch.boot_id, self.switch.epoch
            host, port = self.switch.address
        now = time.time_ns()
        fields = dict(session_id=session_id, epoch=epoch, aead=keying.AES256GCM,
                      terminal_id=terminal_id, boot_id=boot_id, now=now,
                      expires=now + int(self.life * 1e9), rights=15,
                      address=struct.unpack(">I", socket.inet_aton(host))[0], port=port,
                      ports=1 if port else 0, flags=0,
                      deployment=hashlib.sha256(self.deployment.encode()).digest())
        fields.update(self.lie)
        self.say(peer, tls, keying.ESTABLISHED, keying.ANSWER.pack(*fields.values()))

    def renew(self, peer, tls, terminal_id, body):
        request = x509.load_pem_x509_csr(body)
        assert request.is_signature_valid
        begin, end = self.renewal
        certificate = self.authority.sign(
            request.public_key(), keying.uri(self.deployment, terminal_id), begin=begin,
            end=end).public_bytes(PEM)
        self.renewals += 1
        self.say(peer, tls, keying.RENEWED,
                 keying.RENEWAL.pack(len(certificate), len(self.authority.pem)) + certificate +
                 self.authority.pem)
