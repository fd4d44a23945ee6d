/* SPDX-License-Identifier: Apache-2.0 */
/* Keys of a session by boot id and epoch (wire/README.md 3, 4). */
#include <errno.h>
#include <string.h>

#include "wire/client/client.h"
#include "wire/client/internal.h"

/* Key, then iv, leave the stack wiped whatever happens. */
static int key_make(const struct client *client, const uint8_t root[KEYS_ROOT_SIZE],
    enum keys_direction direction, uint16_t epoch, uint64_t boot_id, struct aead_key *key)
{
	uint8_t secret[AEAD_KEY_SIZE], iv[AEAD_IV_SIZE];
	int rc = keys_derive(root, direction, epoch, boot_id, secret, iv);

	if (rc == 0)
		rc = aead_key_init(key, (enum aead_backend)client->config.aead_backend, secret, iv);
	explicit_bzero(secret, sizeof(secret));
	explicit_bzero(iv, sizeof(iv));
	return rc;
}

static void epoch_wipe(struct client_epoch *epoch)
{
	if (epoch->held)
		aead_key_wipe(&epoch->key);
	epoch->held = 0;
	epoch->lanes_used = 0;
	epoch->open_failed = 0;
}

static int epoch_install(
    struct client *client, struct client_epoch *slot, uint64_t boot_id, uint16_t epoch)
{
	int rc;

	epoch_wipe(slot);
	rc = key_make(client, client->config.root, KEYS_TO_TERMINAL, epoch, boot_id, &slot->key);
	if (rc < 0)
		return rc;
	slot->epoch = epoch;
	slot->held = 1;
	return 0;
}

static int seal_key_replace(struct client *client, uint64_t boot_id, uint16_t epoch)
{
	struct aead_key fresh;
	int rc;

	memset(&fresh, 0, sizeof(fresh));
	rc = key_make(client, client->config.root, KEYS_TO_SWITCH, epoch, boot_id, &fresh);
	if (rc < 0)
		return rc;
	aead_key_wipe(&client->seal_key);
	client->seal_key = fresh; /* takes over what init took */
	explicit_bzero(&fresh, sizeof(fresh));
	client->sealed = 0;
	return 0;
}

int client_keys_install(struct client *client, uint64_t boot_id, uint16_t epoch)
{
	int rc = seal_key_replace(client, boot_id, epoch);

	if (rc < 0)
		return rc;
	for (unsigned i = 0; i < LIMIT_EPOCHS_HELD; i++) {
		/* Under the same boot id the windows stay: an old answer is not taken twice. */
		if (boot_id != client->boot_id || client->epochs[i].epoch + 1 < epoch)
			epoch_wipe(&client->epochs[i]);
	}
	client->boot_id = boot_id;
	client->epoch = epoch;
	return client_keys_find(client, epoch) == NULL ? -EIO : 0;
}

int client_keys_advance(struct client *client, uint16_t epoch)
{
	int rc = seal_key_replace(client, client->boot_id, epoch);

	if (rc < 0)
		return rc;
	for (unsigned i = 0; i < LIMIT_EPOCHS_HELD; i++) {
		if (client->epochs[i].epoch + 1 < epoch)
			epoch_wipe(&client->epochs[i]);
	}
	client->epoch = epoch;
	return 0;
}

/* Everything that can fail comes before the first change. */
int client_keys_replace(
    struct client *client, const uint8_t root[KEYS_ROOT_SIZE], uint64_t boot_id, uint16_t epoch)
{
	struct client_epoch *slot = &client->epochs[epoch % LIMIT_EPOCHS_HELD];
	struct aead_key seal, open;
	uint8_t reset_key[KEYS_RESET_SIZE];
	int rc;

	memset(&seal, 0, sizeof(seal));
	memset(&open, 0, sizeof(open));
	rc = keys_derive_reset(root, reset_key);
	if (rc == 0)
		rc = key_make(client, root, KEYS_TO_SWITCH, epoch, boot_id, &seal);
	if (rc == 0)
		rc = key_make(client, root, KEYS_TO_TERMINAL, epoch, boot_id, &open);
	if (rc < 0) {
		aead_key_wipe(&seal);
		aead_key_wipe(&open);
		goto out;
	}
	client_keys_wipe(client);
	memcpy(client->config.root, root, KEYS_ROOT_SIZE);
	memcpy(client->reset_key, reset_key, sizeof(reset_key));
	client->seal_key = seal; /* these take over what init took */
	slot->key = open;
	slot->epoch = epoch;
	slot->held = 1;
	client->boot_id = boot_id;
	client->epoch = epoch;
	client->sealed = 0;
	client->packet_number = 1; /* no number was used under these keys */
out:
	explicit_bzero(reset_key, sizeof(reset_key));
	explicit_bzero(&seal, sizeof(seal));
	explicit_bzero(&open, sizeof(open));
	return rc;
}

/*
 * Epochs count up from 1 and are compared without wrap: at one an hour, 65,535 last seven years and
 * a session lives a day. Keys are derived when an epoch is first met; previous, current and next
 * have different slots, so none is lost to another before it is out of reach.
 */
struct client_epoch *client_keys_find(struct client *client, uint16_t epoch)
{
	struct client_epoch *slot = &client->epochs[epoch % LIMIT_EPOCHS_HELD];

	if (epoch + 1 < client->epoch || epoch > client->epoch + 1)
		return NULL;
	if (slot->held && slot->epoch == epoch)
		return slot;
	return epoch_install(client, slot, client->boot_id, epoch) < 0 ? NULL : slot;
}

void client_keys_wipe(struct client *client)
{
	aead_key_wipe(&client->seal_key);
	for (unsigned i = 0; i < LIMIT_EPOCHS_HELD; i++)
		epoch_wipe(&client->epochs[i]);
}
