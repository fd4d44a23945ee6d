/* SPDX-License-Identifier: Apache-2.0 */
/* An authority in a directory of its own. */
#ifndef SLUICE_TESTS_CONTROL_KEYS_AUTHORITY_BED_H
#define SLUICE_TESTS_CONTROL_KEYS_AUTHORITY_BED_H

#include <openssl/x509v3.h>

#include "control/keys/authority.h"
#include "tests/test.h"

/* What the last call that takes one said. */
extern char authority_said[512];

struct control_config authority_bed_config(const char *deployment);
/* A new directory in each test; its parent is missing too, as on a fresh system. */
const char *authority_bed_directory(void);
/* Opened, and made if `init`; fails the test otherwise. */
struct authority *authority_bed_open(const char *directory, int init);
X509 *pem_certificate(const char *pem);
unsigned pem_count(const char *pem);
/* Whether what the authority trusts leads to the certificate. */
int authority_bed_verified(const struct authority *authority, X509 *certificate, int purpose);
/* A certificate for a new key of that terminal. */
struct authority_certificate authority_bed_issue(struct authority *authority, uint64_t terminal_id);
/* A text of what it shows; to be freed. */
char *authority_bed_text(const struct authority *authority, const char *key);
void authority_bed_state_check(const struct authority *authority, const char *want);

#endif
