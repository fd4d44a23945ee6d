/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Key schedule (final): from a session's root to the keys of one epoch and boot id.
 *
 *   root        48 bytes, from the TLS exporter (RFC 8446 7.5) or, in tests, from a file
 *   info        "sluice v1 " || label || 0x00 || LE16(epoch) || LE64(boot id)
 *   label       "to switch", "to terminal"
 *   key || iv   HKDF-Expand(SHA-384, root, info, 44)           (RFC 5869 2.3)
 *   reset key   HKDF-Expand(SHA-384, root, "sluice v1 reset", 32): the same for every epoch and
 *               boot id
 *
 * The data plane only ever gets key, iv and reset key; the root stays in control and the terminal.
 */
#ifndef SLUICE_WIRE_KEYS_H
#define SLUICE_WIRE_KEYS_H

#include <stdint.h>

#include "wire/aead.h"
#include "wire/assert.h"
#include "wire/messages.h"

#define KEYS_ROOT_SIZE  48
#define KEYS_RESET_SIZE 32

enum keys_direction {
	KEYS_TO_SWITCH,
	KEYS_TO_TERMINAL,
};

/* Derives key and iv. 0 or -EIO when the library fails; outputs untouched then. */
SLUICE_MUST_USE int keys_derive(const uint8_t root[KEYS_ROOT_SIZE], enum keys_direction direction,
    uint16_t epoch, uint64_t boot_id, uint8_t secret[AEAD_KEY_SIZE], uint8_t iv[AEAD_IV_SIZE]);
SLUICE_MUST_USE int keys_derive_reset(
    const uint8_t root[KEYS_ROOT_SIZE], uint8_t reset_key[KEYS_RESET_SIZE]);

/* Fills reset->mac from the other fields. 0 or -EIO. */
SLUICE_MUST_USE int keys_reset_sign(
    struct frame_reset *reset, const uint8_t reset_key[KEYS_RESET_SIZE]);
/* 0, -EBADMSG when the MAC is wrong (compared in constant time), -EIO. */
SLUICE_MUST_USE int keys_reset_verify(
    const struct frame_reset *reset, const uint8_t reset_key[KEYS_RESET_SIZE]);

#endif
