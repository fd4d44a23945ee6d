# SPDX-License-Identifier: Apache-2.0
"""Key establishment of the Python terminal: TLS 1.3 to control, from wire/keying/keying.h alone.

Formats and the exporter context are written here a second time, so that a difference from the C
code shows as two roots that do not fit.
"""
import contextlib
import datetime
import hashlib
import os
import pathlib
import random
import select
import socket
import struct
import time
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from OpenSSL import SSL

import sluice_terminal as st

VERSION, ALPN, LABEL = 1, b"sluice/1", b"EXPERIMENTAL-sluice-v1-root"
CIPHER, AES256GCM = "TLS_AES_256_GCM_SHA384", 2
BODY_MAX = 16384
ESTABLISH, ESTABLISHED, RENEW, RENEWED, REFUSED = 1, 2, 3, 4, 15
HEADER = struct.Struct("<HHI")  # version, kind, length of the body
ASK = struct.Struct("<H6xQ")  # AEAD, the terminal's clock
# session id, epoch, AEAD, terminal id, boot id, switch time, expires, rights, IPv4 address, first
# port, number of ports, flags, SHA-256 of the deployment
ANSWER = struct.Struct("<IHHQQQQIIHHI32s")
RENEWAL = struct.Struct("<II")  # lengths of certificate and of authorities
REFUSAL = struct.Struct("<HH4x")  # code, retry after seconds
# wire version, AEAD, session id, terminal id, SHA-256 of deployment, server's and client's
# certificate
CONTEXT = struct.Struct("<HHIQ32s32s32s")
FLAG_RENEW = 1
REFUSALS = {1: "BAD_REQUEST", 2: "AEAD_UNSUPPORTED", 3: "TERMINAL_UNKNOWN", 4: "TERMINAL_BLOCKED",
            5: "CERTIFICATE_REVOKED", 6: "CERTIFICATE_REPLACED", 7: "BUSY", 8: "REQUEST_MISMATCH",
            9: "NO_AUTHORITY"}
KEY, REQUEST, CERTIFICATE, TRUST = "terminal.key", "terminal.csr", "terminal.crt", "trust.crt"


class KeyingError(Exception):
    """No session, no certificate: network, TLS, or an answer that is wrong."""


class Refused(KeyingError):
    """Control said why."""

    def __init__(self, code, retry_after, text):
        super().__init__("%s: %s" % (REFUSALS.get(code, code), text))
        self.code, self.retry_after = code, retry_after
        self.name = REFUSALS.get(code, str(code))


@dataclass
class Session:
    session_id: int
    epoch: int
    terminal_id: int
    boot_id: int
    switch_time_ns: int
    expires_ns: int
    rights: int
    address: str  # None: control does not tell
    port: int
    ports: int
    flags: int
    root: bytes
    certificate_due: bool


# ---- Identity ----

def uri(deployment, terminal_id=None):
    return "urn:sluice:%s:%s" % (
        deployment, "control" if terminal_id is None else "terminal:%d" % terminal_id)


def roles(certificate):
    """The urn:sluice names of a certificate."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [name for name in names.get_values_for_type(x509.UniformResourceIdentifier)
            if name.startswith("urn:sluice:")]


def request_make(key, deployment, terminal_id):
    """A certificate request, PEM."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "terminal-%d" % terminal_id)])
    role = x509.SubjectAlternativeName(
        [x509.UniformResourceIdentifier(uri(deployment, terminal_id))])
    return (x509.CertificateSigningRequestBuilder().subject_name(name)
            .add_extension(role, critical=False).sign(key, hashes.SHA256())
            .public_bytes(serialization.Encoding.PEM))


def key_pem(key):
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                             serialization.NoEncryption())


def write_file(path, content, mode=0o644):
    """All of it or nothing."""
    temporary = path.with_name("." + path.name + ".tmp")
    with contextlib.suppress(FileNotFoundError):
        temporary.unlink()
    with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(path)


def identity_make(directory, deployment, terminal_id):
    """Key and certificate request in a directory; the path of the request."""
    directory = pathlib.Path(directory)
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    if (directory / KEY).exists():
        raise FileExistsError(directory / KEY)
    key = ec.generate_private_key(ec.SECP256R1())
    write_file(directory / REQUEST, request_make(key, deployment, terminal_id))
    write_file(directory / KEY, key_pem(key), 0o600)
    return directory / REQUEST


class Identity:
    """What a directory holds after enrolment."""

    def __init__(self, directory, deployment):
        self.directory, self.deployment = pathlib.Path(directory), deployment
        self.certificate = x509.load_pem_x509_certificate(
            (self.directory / CERTIFICATE).read_bytes())
        prefix = uri(deployment, 0)[:-1]
        mine = roles(self.certificate)
        if len(mine) != 1 or not mine[0].startswith(prefix):
            raise KeyingError("%s is of no terminal of %s" % (directory, deployment))
        self.terminal_id = int(mine[0][len(prefix):])

    def due(self):
        """Less than a third of its life is left."""
        begin, end = self.certificate.not_valid_before, self.certificate.not_valid_after
        return end - datetime.datetime.utcnow() < (end - begin) / 3


# ---- TLS ----

class Connection:
    """One handshake with control, finished and checked."""

    def __init__(self, address, identity, timeout):
        self.identity, self.end = identity, time.monotonic() + timeout
        context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        context.set_min_proto_version(SSL.TLS1_3_VERSION)
        context.set_max_proto_version(SSL.TLS1_3_VERSION)
        context.set_options(SSL.OP_NO_TICKET)
        context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
        context.set_alpn_protos([ALPN])
        context.set_verify(SSL.VERIFY_PEER, lambda _c, _x, _e, _d, good: bool(good))
        context.load_verify_locations(str(identity.directory / TRUST))
        context.use_certificate_file(str(identity.directory / CERTIFICATE))
        context.use_privatekey_file(str(identity.directory / KEY))
        try:
            self.socket = socket.create_connection(address, timeout)
        except OSError as error:
            raise KeyingError("cannot reach %s:%d: %s" % (*address, error)) from error
        self.socket.setblocking(False)
        self.tls = SSL.Connection(context, self.socket)
        self.tls.set_connect_state()
        try:
            self.step(self.tls.do_handshake)
            self.check()
        except BaseException:
            self.socket.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(SSL.Error):
            self.tls.shutdown()
        self.socket.close()

    def step(self, function, *arguments):
        while True:
            try:
                return function(*arguments)
            except (SSL.WantReadError, SSL.WantWriteError) as error:
                reads = [self.socket] if isinstance(error, SSL.WantReadError) else []
                writes = [] if reads else [self.socket]
                left = self.end - time.monotonic()
                if left <= 0:
                    raise KeyingError("no answer in time") from error
                select.select(reads, writes, [], left)
            except SSL.ZeroReturnError as error:
                raise KeyingError("control ended the connection") from error
            except SSL.Error as error:
                raise KeyingError("TLS: %s" % error) from error

    def check(self):
        """Chain and validity are OpenSSL's part; version, cipher, ALPN and role are ours."""
        if self.tls.get_protocol_version_name() != "TLSv1.3" or \
                self.tls.get_cipher_name() != CIPHER:
            raise KeyingError("not TLS 1.3 with " + CIPHER)
        if self.tls.get_alpn_proto_negotiated() != ALPN:
            raise KeyingError("another protocol than sluice/1")
        peer = self.tls.get_peer_certificate()
        if peer is None or roles(peer.to_cryptography()) != [uri(self.identity.deployment)]:
            raise KeyingError("the server is not control of " + self.identity.deployment)

    def read(self, size):
        out = b""
        while len(out) < size:
            out += self.step(self.tls.recv, size - len(out))
        return out

    def ask(self, kind, body, expected):
        self.step(self.tls.sendall, HEADER.pack(VERSION, kind, len(body)) + body)
        version, answered, length = HEADER.unpack(self.read(HEADER.size))
        if version != VERSION or length > BODY_MAX:
            raise KeyingError("a malformed answer")
        body = self.read(length)
        if answered == REFUSED and length >= REFUSAL.size:
            text = body[REFUSAL.size:].decode("utf-8", "replace")
            raise Refused(*REFUSAL.unpack_from(body), text)
        if answered != expected:
            raise KeyingError("not what was asked for")
        return body

    def root(self, session_id):
        own = self.identity.certificate.fingerprint(hashes.SHA256())
        peer = self.tls.get_peer_certificate().to_cryptography().fingerprint(hashes.SHA256())
        return self.tls.export_keying_material(LABEL, 48, context_make(
            session_id, self.identity.terminal_id, self.identity.deployment, peer, own))


def context_make(session_id, terminal_id, deployment, server_sha256, client_sha256):
    """The exporter's context, 112 bytes."""
    return CONTEXT.pack(1, AES256GCM, session_id, terminal_id,
                        hashlib.sha256(deployment.encode()).digest(), server_sha256, client_sha256)


def establish(address, directory, deployment, timeout=60.0):
    """A Session from the key server at `address` (host, port)."""
    identity = Identity(directory, deployment)
    with Connection(address, identity, timeout) as connection:
        body = connection.ask(ESTABLISH, ASK.pack(AES256GCM, time.time_ns()), ESTABLISHED)
        if len(body) < ANSWER.size:
            raise KeyingError("ESTABLISHED is too short")
        (session_id, epoch, aead, terminal_id, boot_id, now, expires, rights, ipv4, port, ports,
         flags, named) = ANSWER.unpack_from(body)
        if aead != AES256GCM or 0 in (session_id, epoch) or expires <= now:
            raise KeyingError("ESTABLISHED is malformed")
        if terminal_id != identity.terminal_id:
            raise KeyingError("the session is of terminal %d" % terminal_id)
        if named != hashlib.sha256(deployment.encode()).digest():
            raise KeyingError("the session is of another deployment")
        return Session(session_id, epoch, terminal_id, boot_id, now, expires, rights,
                       socket.inet_ntoa(struct.pack(">I", ipv4)) if ipv4 else None, port, ports,
                       flags, connection.root(session_id),
                       identity.due() or bool(flags & FLAG_RENEW))


def renew(address, directory, deployment, timeout=60.0):
    """A new key and certificate, and the authorities of now, in place of the old files. The new
    Identity. For tests: unlike the C terminal's, the change is not safe against a crash."""
    identity = Identity(directory, deployment)
    key = ec.generate_private_key(ec.SECP256R1())
    with Connection(address, identity, timeout) as connection:
        body = connection.ask(
            RENEW, request_make(key, deployment, identity.terminal_id), RENEWED)
    if len(body) < RENEWAL.size or len(body) < RENEWAL.size + sum(RENEWAL.unpack_from(body)):
        raise KeyingError("RENEWED is too short")
    size, trust_size = RENEWAL.unpack_from(body)
    certificate_pem = body[RENEWAL.size:RENEWAL.size + size]
    trust_pem = body[RENEWAL.size + size:RENEWAL.size + size + trust_size]
    certificate = x509.load_pem_x509_certificate(certificate_pem)
    if roles(certificate) != [uri(deployment, identity.terminal_id)] or \
            certificate.public_key().public_numbers() != key.public_key().public_numbers():
        raise KeyingError("the new certificate is not ours")
    x509.load_pem_x509_certificate(trust_pem)  # at least one, or ValueError
    write_file(identity.directory / TRUST, trust_pem)
    write_file(identity.directory / KEY, key_pem(key), 0o600)
    write_file(identity.directory / CERTIFICATE, certificate_pem)
    return Identity(directory, deployment)


# ---- The terminal ----

class KeyedTerminal(st.Terminal):
    """A terminal that gets its session from control, and a new one when the switch stays silent for
    `silence` and a random part of `spread` seconds, or when the last fifth of its life has begun.
    TLS blocks; the C terminal goes on asking the switch meanwhile.

    control: (host, port) of the key server; switch: (host, port), or None where control tells it.
    """

    def __init__(self, control, directory, deployment, switch=None, silence=5.0, spread=5.0,
                 timeout=60.0):
        self.control, self.directory, self.deployment = control, directory, deployment
        self.switch, self.silence, self.spread = switch, silence, spread
        self.tls_handshakes = self.renewals = self.silences = self.keying_failures = 0
        self.silent_due = None  # when to ask control, while the switch is silent
        self.backoff = 1.0
        session = self.establish(timeout)
        super().__init__(self.address_of(session), session.session_id, session.root,
                         session.boot_id, session.epoch, from_one=True)
        self.adopt(session)

    def establish(self, timeout=60.0):
        self.tls_handshakes += 1
        return establish(self.control, self.directory, self.deployment, timeout)

    def renew(self):
        """A new certificate; a failure leaves the old one, and the next session tries again."""
        self.tls_handshakes += 1
        try:
            renew(self.control, self.directory, self.deployment)
            self.renewals += 1
        except KeyingError:
            self.keying_failures += 1

    def address_of(self, session):
        if self.switch is not None:
            return self.switch
        return session.address, session.port + session.terminal_id % max(1, session.ports)

    def adopt(self, session):
        life = (session.expires_ns - session.switch_time_ns) / 1e9
        self.expiry = time.monotonic() + life * (0.8 + 0.2 * random.random())
        self.session, self.silent_due = session, None
        self.address = self.address_of(session)
        if session.certificate_due:
            self.renew()

    def new_session(self):
        """None, or the seconds to wait before asking again: a failure doubles them."""
        try:
            session = self.establish()
        except KeyingError as error:
            self.keying_failures += 1
            wait = self.backoff * random.uniform(1.0, 1.5)
            self.backoff = min(60.0, 2 * self.backoff)
            return max(wait, error.retry_after) if isinstance(error, Refused) else wait
        self.adopt(session)
        self.replace(session.session_id, session.root, session.boot_id, session.epoch)
        return None

    def silent(self):
        now = time.monotonic()
        if self.silent_due is None:
            self.silences += 1
            self.silent_due = now + self.silence + random.uniform(0, self.spread)
        if now >= self.silent_due:
            wait = self.new_session()
            if wait is not None:
                self.silent_due = time.monotonic() + wait

    def take(self, datagram):
        before, self.unheard = self.unheard, -1
        out = super().take(datagram)
        if self.unheard == -1:  # nothing authentic
            self.unheard = before
        else:
            self.silent_due, self.backoff = None, 1.0
        return out

    def request(self, *arguments, **more):
        if time.monotonic() >= self.expiry:
            wait = self.new_session()
            if wait is not None:
                self.expiry = time.monotonic() + wait
        return super().request(*arguments, **more)
