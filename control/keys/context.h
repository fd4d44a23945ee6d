/* SPDX-License-Identifier: Apache-2.0 */
/* The key server's TLS parameters, in one place (wire/README.md section 3). */
#ifndef SLUICE_CONTROL_KEYS_CONTEXT_H
#define SLUICE_CONTROL_KEYS_CONTEXT_H

#include <stddef.h>

#include "wire/assert.h"

struct evp_pkey_st;
struct ssl_ctx_st;
struct x509_st;

/*
 * TLS 1.3 only, TLS_AES_256_GCM_SHA384 only, client certificates from `trusted` (NULLs are skipped)
 * required, ALPN "sluice/1", no tickets, no session cache, no early data. 0; -EIO.
 */
SLUICE_MUST_USE int context_server_make(struct x509_st *certificate, struct evp_pkey_st *key,
    struct x509_st *const trusted[], size_t trusted_count, struct ssl_ctx_st **out);

#endif
