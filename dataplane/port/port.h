/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ports: one ethdev each, opened by the main lcore, then used by the workers. A queue belongs to
 * one worker; the rest of an open port never changes, so no function on the packet path needs a
 * lock.
 */
#ifndef SLUICE_PORT_H
#define SLUICE_PORT_H

#include <stddef.h>
#include <stdint.h>

#include "dataplane/port/frame.h"
#include "wire/assert.h"

struct port;
struct rte_mbuf;
struct rte_mempool;

enum port_kind {
	PORT_PCI,
	PORT_AF_XDP,
	PORT_AF_PACKET,
	PORT_MEMIF,
	PORT_RING,
	PORT_NULL,
};

/* ---- Before EAL starts ---- */

/*
 * The device's argument for EAL: the value of --allow for PORT_PCI, of --vdev for all others.
 * `name` is the PCI address, the interface (af_xdp, af_packet) or the socket path (memif); unused
 * for ring and null. `index` makes the device unique in the process. One queue. A null port never
 * receives. 0; -EINVAL when the name is missing, holds a comma (PCI: may carry arguments) or the
 * kind is none; -ENOSPC when `out` is too small.
 */
SLUICE_MUST_USE int port_device_string(
    enum port_kind kind, unsigned index, const char *name, char *out, size_t out_size);

/*
 * Looks for what would make EAL fail with an unclear text: interface missing or down, no right to
 * open raw sockets, socket directory missing, PCI device missing or bound to a kernel driver. 0, or
 * -errno with `message`: what is wrong and what to do.
 */
SLUICE_MUST_USE int port_device_check(
    enum port_kind kind, const char *name, char *message, size_t message_size);

/*
 * Waits until hugepages for `megabytes` are free and spoken for by nobody: what a killed process
 * with this file prefix left is removed, and what is on its way back is waited for, at most
 * PORT_MEMORY_WAIT_MS. *lock is then a file that keeps other data planes of the machine, and the
 * tools that reserve pages, from taking them: the caller closes it behind EAL's start; -1 when the
 * file could not be had, which is no failure. 0; -ENOMEM with `message` and nothing to close, at
 * once if the machine has never reserved that many.
 */
SLUICE_MUST_USE int port_memory_await(
    const char *file_prefix, unsigned megabytes, int *lock, char *message, size_t message_size);

#define PORT_MEMORY_WAIT_MS 10000

/*
 * Removes the page files of `file_prefix` in `directory` that no living process holds (EAL keeps a
 * lock on each of its own). The number removed, 0 if the directory cannot be read.
 */
unsigned port_memory_leftovers_remove(const char *directory, const char *file_prefix);

/* ---- Main lcore ---- */

struct port_config {
	enum port_kind kind;
	uint16_t index;     /* of this port in the process; as given to port_device_string */
	const char *device; /* PCI: the address; else not needed */
	uint32_t ipv4;      /* host order */
	uint16_t udp_port_base, udp_port_count;
	uint16_t queue_count;      /* receive and transmit; 0: 1 */
	uint16_t descriptor_count; /* per queue, adapted to the device; 0: 1,024 */
	struct rte_mempool *pool;  /* stays the caller's; outlives the port */
};

/*
 * Configures and starts the device: queues, promiscuous mode, link up. Does not wait for the link.
 * 0 with *out, else -errno with `message` (what failed and the remedy); *out untouched.
 */
SLUICE_MUST_USE int port_open(
    struct port **out, const struct port_config *config, char *message, size_t message_size);
/* Stops the device and frees the port. No worker may use it any more. NULL is fine. */
void port_close(struct port *port);

/* "af_xdp", "af_packet", "memif", "ring", "null" or "pci", by the driver that serves the port. */
const char *port_type(const struct port *port);
const uint8_t *port_mac(const struct port *port);
uint16_t port_queue_count(const struct port *port);
/* 1: link up, 0: down or unknown. May be called at any time by the main lcore. */
int port_link_up(const struct port *port);

struct port_counters {
	uint64_t received, sent;
	uint64_t missed;    /* lost because the receive ring was full: overload */
	uint64_t no_buffer; /* lost because the pool was empty */
	uint64_t errors;
};
/* The device's own counters. 0 or -errno; *counters untouched then. */
SLUICE_MUST_USE int port_counters_read(const struct port *port, struct port_counters *counters);

/* ---- Workers ---- */

/* Takes at most `max` frames from a queue. */
uint16_t port_receive(struct port *port, uint16_t queue, struct rte_mbuf **mbufs, uint16_t max);

/* port_frame_classify for a buffer. One in several segments is dropped as BAD_IP_HEADER: nothing of
 * the protocol needs more than one. */
int port_classify(const struct port *port, struct rte_mbuf *mbuf, struct port_packet *packet);

/* Where the payload of an answer goes in a fresh buffer. */
uint8_t *port_payload(struct rte_mbuf *mbuf);
/* Headers in front of that payload; sets the buffer's lengths and clears its offload flags. */
void port_build_udp(const struct port *port, struct rte_mbuf *mbuf, const struct wire_peer *peer,
    uint16_t payload_size);

/*
 * Sends from the first frame on; returns how many the device took. Tries again a few times while it
 * takes some; the rest stays the caller's, to free and count as TX_FULL.
 */
uint16_t port_transmit(struct port *port, uint16_t queue, struct rte_mbuf **mbufs, uint16_t count);

#endif
