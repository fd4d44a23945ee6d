/* SPDX-License-Identifier: Apache-2.0 */
/* A table, sessions with made-up keys, and a terminal's side of one. */
#ifndef SLUICE_TESTS_SESSION_FIXTURE_H
#define SLUICE_TESTS_SESSION_FIXTURE_H

#include "dataplane/session/session.h"

#define SECOND     1000000000ull
#define START      (1700000000ull * SECOND)
#define SESSION_ID (5u | 1u << LIMIT_SESSION_SLOT_BITS)
#define LANE       3

static inline struct session_install install_of(uint32_t session_id, uint16_t epoch, int current)
{
	struct session_install install;

	memset(&install, 0, sizeof(install));
	install.session_id = session_id;
	install.rights = RIGHT_ALL;
	install.terminal_id = 77;
	install.epoch = epoch;
	install.current = (uint8_t)current;
	memset(install.to_switch_key, (int)(0x10 + epoch), sizeof(install.to_switch_key));
	memset(install.to_switch_iv, (int)(0x30 + epoch), sizeof(install.to_switch_iv));
	memset(install.to_terminal_key, (int)(0x50 + epoch), sizeof(install.to_terminal_key));
	memset(install.to_terminal_iv, (int)(0x70 + epoch), sizeof(install.to_terminal_iv));
	memset(install.reset_key, 0x99, sizeof(install.reset_key));
	return install;
}

static inline int install(
    struct session_table *table, uint32_t session_id, uint16_t epoch, int current)
{
	struct session_install made = install_of(session_id, epoch, current);

	return session_install(table, &made, START);
}

static inline struct wire_peer peer_of(uint32_t ipv4, uint16_t udp_port)
{
	struct wire_peer peer;

	memset(&peer, 0, sizeof(peer));
	peer.ipv4 = ipv4;
	peer.udp_port = udp_port;
	return peer;
}

/* The terminal's seal under an epoch's made-up key. Returns the datagram's size. */
static inline size_t terminal_seal(
    uint8_t *datagram, uint32_t session_id, uint16_t epoch, uint64_t number, size_t text_size)
{
	struct session_install made = install_of(session_id, epoch, 0);
	struct frame_header header = {
		.version_kind = WIRE_VERSION << 4 | FRAME_KIND_DATA,
		.epoch = le16_make(epoch),
		.session_id = le32_make(session_id),
		.packet_number = le64_make(number),
	};
	struct aead_key key;

	memset(&key, 0, sizeof(key));
	if (aead_key_init(&key, aead_backend_default(), made.to_switch_key, made.to_switch_iv) != 0)
		abort();
	memcpy(datagram, &header, sizeof(header));
	memset(datagram + sizeof(header), 0xab, text_size);
	aead_seal(&key, datagram, text_size);
	aead_key_wipe(&key);
	return text_size + 32;
}

#endif
