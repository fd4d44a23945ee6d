/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The datagram of the wire format, around the messages of messages.h.
 *
 * Datagram = frame header (16 B, additional data of the AEAD) | ciphertext | tag (16 B).
 * Plaintext = 0..16 messages.
 */
#ifndef SLUICE_WIRE_FRAME_H
#define SLUICE_WIRE_FRAME_H

#include "wire/bytes.h"

enum wire_version {
	WIRE_VERSION = 1,
	WIRE_SCHEMA_VERSION = 1,
};

enum frame_kind {
	FRAME_KIND_DATA = 1,
	FRAME_KIND_RESET = 2,
};

enum frame_flag {
	FRAME_FLAG_FROM_SWITCH = 1u << 0,
};

struct frame_header {
	uint8_t version_kind; /* high nibble WIRE_VERSION, low nibble frame_kind */
	uint8_t flags;        /* frame_flag; other bits zero */
	struct le16 epoch;
	struct le32 session_id;    /* slot | generation << 20 */
	struct le64 packet_number; /* lane << 56 | counter, counter from 1 */
};
ASSERT_SIZE(struct frame_header, 16);
ASSERT_OFFSET(struct frame_header, flags, 1);
ASSERT_OFFSET(struct frame_header, epoch, 2);
ASSERT_OFFSET(struct frame_header, session_id, 4);
ASSERT_OFFSET(struct frame_header, packet_number, 8);

/*
 * RESET, switch to terminal only: "your session lives under this boot id; send under this epoch".
 * Authenticated by HMAC-SHA-256 under the session's reset key, cut to 16 bytes, over bytes 0..23.
 */
struct frame_reset {
	struct frame_header header; /* kind RESET, flags FROM_SWITCH, epoch = the epoch to send
	                               under, packet number of the datagram that triggered it */
	struct le64 boot_id;
	uint8_t mac[16];
};
ASSERT_SIZE(struct frame_reset, 40);
ASSERT_OFFSET(struct frame_reset, boot_id, 16);
ASSERT_OFFSET(struct frame_reset, mac, 24);

#endif
