/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ways in and out of the load generator: kernel UDP, or a DPDK port (memif, AF_XDP, AF_PACKET) in a
 * DPDK primary process of its own. One owning thread, bursts of at most LIMIT_BURST, no copy of the
 * payload, no allocation after opening.
 */
#ifndef SLUICE_BENCH_IO_H
#define SLUICE_BENCH_IO_H

#include <stddef.h>
#include <stdint.h>

#include "wire/assert.h"
#include "wire/limits.h"

#define IO_MESSAGE_SIZE 256

struct io_packet {
	uint8_t *data; /* UDP payload; room for LIMIT_DATAGRAM_SIZE_MAX */
	uint32_t size;
	/* Sending on a DPDK port: another source than our own (host order); 0: our own. */
	uint32_t source_ipv4;
	uint16_t source_port;
};

struct io_config {
	const char *port;     /* "memif:SOCKET", "af_xdp:IFACE", "af_packet:IFACE" or "udp" */
	uint32_t switch_ipv4; /* host order */
	uint32_t local_ipv4;  /* host order; not used by kernel UDP */
	uint16_t switch_port;
	uint16_t local_port;
	int cpu; /* CPU the calling thread is pinned to, -1: not pinned */
	int hugepages;
	unsigned memory_mib;
};

struct io_counters {
	uint64_t received, sent; /* datagrams */
	uint64_t ignored;        /* received, not a datagram of the switch */
	uint64_t turns_tx_full; /* turns in which nothing could be sent because the port was full */
};

struct io {
	/* Packets to be filled, at most `max`: 0 while the port is full. Valid until send. */
	unsigned (*room)(struct io *io, struct io_packet *packets, unsigned max);
	/* Sends the first `count` packets of the last room; what the port does not take is kept and
	 * sent before anything else, by the next flush or room. */
	void (*send)(struct io *io, const struct io_packet *packets, unsigned count);
	/* Sends what was kept. Returns how many packets still are. */
	unsigned (*flush)(struct io *io);
	/* Received payloads, at most `max`, valid until release. */
	unsigned (*receive)(struct io *io, struct io_packet *packets, unsigned max);
	void (*release)(struct io *io);
	void (*close)(struct io *io);
	struct io_counters counters;
};

/*
 * Opens by config->port, resolves the switch by ARP where the kernel does not, and pins the calling
 * thread. 0 with *out; -errno with message: what and the remedy. Close with (*out)->close.
 */
SLUICE_MUST_USE int io_open(
    struct io **out, const struct io_config *config, char message[IO_MESSAGE_SIZE]);

SLUICE_MUST_USE int io_udp_open(
    struct io **out, const struct io_config *config, char message[IO_MESSAGE_SIZE]);
SLUICE_MUST_USE int io_dpdk_open(
    struct io **out, const struct io_config *config, char message[IO_MESSAGE_SIZE]);

#endif
