/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A terminal's identity: a directory with its private key and the certificates it needs.
 *
 *   terminal.key   EC P-256 private key, mode 0600
 *   terminal.csr   certificate request for the operator (`sluicectl terminal enroll`)
 *   terminal.crt   its certificate
 *   trust.crt      the authorities it trusts
 *
 * A renewal changes three files. They are first written beside the old ones as *.next,
 * terminal.crt.next last; once that one exists the change counts as made, and whoever opens the
 * directory finishes it by renaming. So a crash leaves the old set or the new one. The old files
 * stay as *.previous until client_identity_settle; terminal.csr is then one for the new key. Calls
 * of several processes wait for each other by a lock on the directory.
 */
#ifndef SLUICE_WIRE_CLIENT_IDENTITY_H
#define SLUICE_WIRE_CLIENT_IDENTITY_H

#include <stddef.h>
#include <stdint.h>

#include "wire/assert.h"

#define CLIENT_IDENTITY_KEY         "terminal.key"
#define CLIENT_IDENTITY_REQUEST     "terminal.csr"
#define CLIENT_IDENTITY_CERTIFICATE "terminal.crt"
#define CLIENT_IDENTITY_TRUST       "trust.crt"
#define CLIENT_IDENTITY_FILE_MAX    65536u /* bytes of each */

struct evp_pkey_st;
struct x509_st;
struct x509_store_st;

struct client_identity {
	struct evp_pkey_st *key;
	struct x509_st *certificate;
	struct x509_store_st *trust;
	uint64_t terminal_id; /* in the certificate's role */
	int64_t not_before_s, not_after_s;
};

/*
 * Makes a key and a certificate request for `terminal_id` in `directory`, which is made (0700) when
 * it is missing. 0; -EEXIST (there is a key: it is never overwritten), -EINVAL (deployment or id),
 * -EIO (OpenSSL), or -errno of the file system. A failure has a sentence in `message`.
 */
SLUICE_MUST_USE int client_identity_make(const char *directory, const char *deployment,
    uint64_t terminal_id, char *message, size_t message_size);

/*
 * Reads key, certificate and trust, after finishing a renewal that a crash cut short. 0; -ENOENT
 * (not enrolled), -EPERM (others may read the key), -EBADMSG (malformed, or key and certificate do
 * not belong together), -EACCES (the certificate is of another deployment or role), or -errno. A
 * failure has a sentence in `message`. Free it with client_identity_free.
 */
SLUICE_MUST_USE int client_identity_load(const char *directory, const char *deployment,
    struct client_identity *identity, char *message, size_t message_size);
void client_identity_free(struct client_identity *identity);

/* 1 when less than a third of the certificate's life is left at the Unix time now_s. */
int client_identity_due(const struct client_identity *identity, int64_t now_s);

/* For a renewal: a fresh key, and a request (PEM; the caller's to free()) for it. 0, -EINVAL, -EIO
 * or -ENOMEM. */
SLUICE_MUST_USE int client_identity_key(struct evp_pkey_st **key);
SLUICE_MUST_USE int client_identity_request(struct evp_pkey_st *key, const char *deployment,
    uint64_t terminal_id, char **pem, size_t *pem_size);

/*
 * Puts a renewed identity in place. Refused with -EBADMSG, nothing changed, unless the certificate
 * is for this key, this terminal and this deployment, and one of the authorities signed it. Else 0
 * or -errno; a failure has a sentence in `message`.
 */
SLUICE_MUST_USE int client_identity_replace(const char *directory, const char *deployment,
    uint64_t terminal_id, struct evp_pkey_st *key, const char *certificate_pem,
    size_t certificate_size, const char *trust_pem, size_t trust_size, char *message,
    size_t message_size);

/* The identity works: the old files (*.previous) are removed. */
void client_identity_settle(const char *directory);

#endif
