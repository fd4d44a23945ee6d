/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Key establishment (wire/README.md section 3): what terminal and control say to each other inside
 * TLS 1.3 once both certificates are verified, and how the root of a session comes out of it.
 *
 * TLS 1.3 only, TLS_AES_256_GCM_SHA384, mutual X.509, ALPN "sluice/1", no tickets, no resumption,
 * no 0-RTT. The terminal sends a request, control answers; up to KEYING_REQUESTS_MAX of them on one
 * connection. All numbers are little-endian. Fields are appended only at the end of a body; a
 * receiver ignores the tail of a longer body.
 *
 *   terminal -> control   ESTABLISH, RENEW
 *   control -> terminal   ESTABLISHED, RENEWED, REFUSED (then control closes)
 *
 * root = TLS-Exporter(KEYING_EXPORTER_LABEL, keying_context, 48)    (RFC 8446 7.5, RFC 5705 4)
 *
 * OpenSSL's exporter answers before the peer's certificate is verified: no root may be taken, and
 * nothing installed, before the handshake has finished and the certificate, its chain and its role
 * have been accepted.
 */
#ifndef SLUICE_WIRE_KEYING_H
#define SLUICE_WIRE_KEYING_H

#include <stddef.h>
#include <stdint.h>

#include "wire/assert.h"
#include "wire/bytes.h"
#include "wire/keys.h"

#define KEYING_VERSION        1
#define KEYING_ALPN           "sluice/1"
#define KEYING_EXPORTER_LABEL "EXPERIMENTAL-sluice-v1-root"
#define KEYING_AEAD_AES256GCM 2 /* AEAD_AES_256_GCM of RFC 5116 */
#define KEYING_BODY_SIZE_MAX  16384u
#define KEYING_REQUESTS_MAX   4
#define KEYING_TCP_PORT       7402 /* when the configuration names none */

/*
 * Roles stand in the certificate as a URI subject alternative name:
 *   urn:sluice:<deployment>:terminal:<id>      client certificates
 *   urn:sluice:<deployment>:control            the key server's certificate
 */
#define KEYING_URI_SIZE_MAX 160

enum keying_kind {
	KEYING_ESTABLISH = 1,   /* body: keying_establish */
	KEYING_ESTABLISHED = 2, /* body: keying_established */
	KEYING_RENEW = 3,       /* body: certificate request (PKCS #10), PEM */
	KEYING_RENEWED = 4,     /* body: keying_renewed, certificate PEM, trusted authorities PEM */
	KEYING_REFUSED = 15,    /* body: keying_refused, then a sentence in UTF-8 */
};

struct keying_header {
	struct le16 version;
	struct le16 kind;
	struct le32 length; /* of the body behind this header, at most KEYING_BODY_SIZE_MAX */
};
ASSERT_SIZE(struct keying_header, 8);

struct keying_establish {
	struct le16 aead;
	uint8_t reserved[6];
	struct le64 local_time_ns; /* the terminal's clock, for monitoring */
};
ASSERT_SIZE(struct keying_establish, 16);

enum keying_flag {
	/* The trusted authorities changed since this certificate was issued: send RENEW soon. */
	KEYING_FLAG_RENEW = 1u << 0,
};

struct keying_established {
	struct le32 session_id;
	struct le16 epoch; /* the current one, at least 1 */
	struct le16 aead;
	struct le64 terminal_id;
	struct le64 boot_id; /* of the data plane, 0 while it is not known */
	struct le64 switch_time_ns;
	struct le64 expires_ns; /* the session's hard end: make a new one before */
	struct le32 rights;
	struct le32 address_ipv4; /* of the switch, host order; 0: as the terminal is configured */
	struct le16 udp_port;     /* first port, 0: as configured */
	struct le16 udp_port_count;
	struct le32 flags;             /* keying_flag; unknown bits are ignored */
	uint8_t deployment_sha256[32]; /* of the deployment's name */
};
ASSERT_SIZE(struct keying_established, 88);
ASSERT_OFFSET(struct keying_established, boot_id, 16);
ASSERT_OFFSET(struct keying_established, rights, 40);
ASSERT_OFFSET(struct keying_established, udp_port, 48);
ASSERT_OFFSET(struct keying_established, deployment_sha256, 56);

struct keying_renewed {
	struct le32 certificate_length;
	struct le32 authorities_length;
};
ASSERT_SIZE(struct keying_renewed, 8);

struct keying_refused {
	struct le16 code; /* keying_refusal */
	struct le16 retry_after_s;
	uint8_t reserved[4];
};
ASSERT_SIZE(struct keying_refused, 8);

/* X(number, NAME, text) */
#define KEYING_REFUSALS(X)                                                                         \
	X(1, BAD_REQUEST, "the request is malformed; update the terminal")                         \
	X(2, AEAD_UNSUPPORTED, "the cipher is not offered; use AES-256-GCM")                       \
	X(3, TERMINAL_UNKNOWN, "this terminal is not enrolled; ask the operator")                  \
	X(4, TERMINAL_BLOCKED, "this terminal is blocked; ask the operator")                       \
	X(5, CERTIFICATE_REVOKED, "this certificate is revoked; enrol the terminal again")         \
	X(6, CERTIFICATE_REPLACED, "a newer certificate was issued; use that one")                 \
	X(7, BUSY, "the key server is busy; try again later")                                      \
	X(8, REQUEST_MISMATCH, "the certificate request is not for this terminal")                 \
	X(9, NO_AUTHORITY, "the authority cannot sign now; ask the operator")

enum keying_refusal {
#define KEYING_REFUSAL_ENUM(number, name, text) KEYING_REFUSAL_##name = number,
	KEYING_REFUSALS(KEYING_REFUSAL_ENUM)
#undef KEYING_REFUSAL_ENUM
};

/* The exporter's context: everything both sides must agree on. */
struct keying_context {
	struct le16 version; /* of the wire protocol: 1 */
	struct le16 aead;
	struct le32 session_id;
	struct le64 terminal_id;
	uint8_t deployment_sha256[32];
	uint8_t server_certificate_sha256[32]; /* of the DER encoding */
	uint8_t client_certificate_sha256[32];
};
ASSERT_SIZE(struct keying_context, 112);
ASSERT_OFFSET(struct keying_context, terminal_id, 8);
ASSERT_OFFSET(struct keying_context, server_certificate_sha256, 48);

/* "TERMINAL_BLOCKED" and its sentence; NULL for a number that is not in the table. */
const char *keying_refusal_name(unsigned code);
const char *keying_refusal_text(unsigned code);

/*
 * Checks a header's bytes. 0 with kind and body length; -EAGAIN (fewer than 8 bytes yet); -EPROTO
 * (version), -EMSGSIZE (length). Total on hostile bytes.
 */
SLUICE_MUST_USE int keying_header_read(
    const uint8_t *bytes, size_t size, enum keying_kind *kind, uint32_t *length);

/*
 * The URI of a role: of terminal `terminal_id`, or of control when it is 0. 0, or -EINVAL:
 * `deployment` is empty, longer than 64 or has other characters than letters, digits and ".-_".
 */
SLUICE_MUST_USE int keying_uri_write(
    const char *deployment, uint64_t terminal_id, char out[KEYING_URI_SIZE_MAX]);

struct x509_st;
/*
 * The role a certificate has in `deployment`: *terminal_id, 0 for control. -ENOENT: none there;
 * -EPROTO: more than one urn:sluice name, or one that is malformed. Says nothing about who signed
 * it: verify the chain first.
 */
SLUICE_MUST_USE int keying_role_read(
    const struct x509_st *certificate, const char *deployment, uint64_t *terminal_id);

/* SHA-256 of the deployment's name into out[32]. 0 or -EIO. */
SLUICE_MUST_USE int keying_deployment_hash(const char *deployment, uint8_t out[32]);

struct ssl_st;
/*
 * Exports the root on one side of a finished handshake. `context` must be complete but for the two
 * certificate hashes, which are taken from the connection; `server`: 1 at control. Refuses (-EPERM)
 * when the handshake is not finished, the peer has no certificate or its verification failed: the
 * exporter itself would answer. 0 or -EIO; root untouched on failure.
 */
SLUICE_MUST_USE int keying_root_export(
    struct ssl_st *ssl, int server, struct keying_context *context, uint8_t root[KEYS_ROOT_SIZE]);

#endif
