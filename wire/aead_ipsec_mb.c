/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cipher back end over libipsec-mb's direct (synchronous) GCM calls.
 *
 * One IMB_MGR serves every thread. The job API keeps queues in the manager and must not be shared;
 * the direct calls only read a function pointer from it, set once by init_mb_mgr_auto for this CPU.
 * All state of an operation is in the key (read only) and in a context on the caller's stack.
 */
#include <errno.h>
#include <string.h>

#include "wire/aead_backend.h"

#ifdef SLUICE_HAVE_IPSEC_MB

#include <pthread.h>

#include <intel-ipsec-mb.h>

_Static_assert(sizeof(struct gcm_key_data) <= AEAD_STATE_SIZE, "the expanded key fits in place");
_Static_assert(
    _Alignof(struct gcm_key_data) <= _Alignof(struct aead_key), "the expanded key is aligned");

static pthread_once_t manager_once = PTHREAD_ONCE_INIT;
static IMB_MGR *manager; /* for the life of the process; NULL when the CPU lacks AES-NI */

static void manager_create(void)
{
	IMB_MGR *created = alloc_mb_mgr(0);

	if (created == NULL)
		return;
	init_mb_mgr_auto(created, NULL);
	/* Without AES-NI the library would fall back to an emulation slower than OpenSSL. */
	if (imb_get_errno(created) != 0 || (created->features & IMB_FEATURE_AESNI) == 0) {
		free_mb_mgr(created);
		return;
	}
	manager = created;
}

int aead_ipsec_mb_usable(void)
{
	return pthread_once(&manager_once, manager_create) == 0 && manager != NULL;
}

static struct gcm_key_data *expanded(struct aead_key *key)
{
	return (struct gcm_key_data *)(void *)key->state;
}

void aead_ipsec_mb_init(struct aead_key *key, const uint8_t secret[AEAD_KEY_SIZE])
{
	IMB_AES256_GCM_PRE(manager, secret, expanded(key));
}

void aead_ipsec_mb_seal(
    struct aead_key *key, const struct aead_operation *operation, uint8_t tag[AEAD_TAG_SIZE])
{
	struct gcm_context_data context;

	IMB_AES256_GCM_ENC(manager, expanded(key), &context, operation->out, operation->text,
	    operation->text_size, operation->nonce, operation->aad, operation->aad_size, tag,
	    AEAD_TAG_SIZE);
}

int aead_ipsec_mb_open(
    struct aead_key *key, const struct aead_operation *operation, const uint8_t tag[AEAD_TAG_SIZE])
{
	struct gcm_context_data context;
	uint64_t computed[2], received[2];

	IMB_AES256_GCM_DEC(manager, expanded(key), &context, operation->out, operation->text,
	    operation->text_size, operation->nonce, operation->aad, operation->aad_size,
	    (uint8_t *)computed, AEAD_TAG_SIZE);
	memcpy(received, tag, sizeof(received));
	/* Constant time: both halves are always compared, and there is one branch on the whole. */
	if (((computed[0] ^ received[0]) | (computed[1] ^ received[1])) != 0)
		return -EBADMSG;
	return 0;
}

#else /* built without libipsec-mb: aead_key_init refuses the back end, nothing else is reached */

int aead_ipsec_mb_usable(void)
{
	return 0;
}

void aead_ipsec_mb_init(struct aead_key *key, const uint8_t secret[AEAD_KEY_SIZE])
{
	(void)key;
	(void)secret;
	SLUICE_REQUIRE(0);
}

void aead_ipsec_mb_seal(
    struct aead_key *key, const struct aead_operation *operation, uint8_t tag[AEAD_TAG_SIZE])
{
	(void)key;
	(void)operation;
	(void)tag;
	SLUICE_REQUIRE(0);
}

int aead_ipsec_mb_open(
    struct aead_key *key, const struct aead_operation *operation, const uint8_t tag[AEAD_TAG_SIZE])
{
	(void)key;
	(void)operation;
	(void)tag;
	return -EBADMSG;
}

#endif
