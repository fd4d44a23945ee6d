/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Configuration of the data plane: one YAML file, checked as a whole before anything starts.
 */
#ifndef SLUICE_DATAPLANE_CONFIG_H
#define SLUICE_DATAPLANE_CONFIG_H

#include <stddef.h>
#include <stdint.h>

#include "wire/assert.h"
#include "wire/limits.h"

enum config_polling {
	CONFIG_POLLING_BUSY,
	CONFIG_POLLING_ADAPTIVE,
};

enum config_port_type {
	CONFIG_PORT_PCI,
	CONFIG_PORT_AF_XDP,
	CONFIG_PORT_AF_PACKET,
	CONFIG_PORT_MEMIF,
	CONFIG_PORT_RING,
	CONFIG_PORT_NULL,
};

struct config_lcores {
	uint32_t main;
	uint32_t *workers; /* CPU of each shard's worker */
	uint32_t workers_count;
	uint32_t store; /* CPU of the store threads and the reader */
};

struct config_memory {
	uint8_t hugepages;
	uint32_t megabytes; /* DPDK's: packet buffers and rings */
	uint8_t populate;   /* the tables' memory for all of `capacity` is taken at the start */
	char *file_prefix;
};

struct config_port {
	enum config_port_type type;
	char *interface;       /* af_xdp, af_packet: interface; pci: address of the device */
	char *socket;          /* memif */
	char *address;         /* dotted IPv4 */
	uint32_t address_ipv4; /* parsed, host order */
	uint16_t udp_port;
};

#define CONFIG_OBJECTS_MIN 65536u

struct config_capacity {
	uint32_t accounts, bets, markets, terminals, sessions;
	uint32_t objects; /* not given: as many as bets, at least CONFIG_OBJECTS_MIN */
};

struct config_journal {
	uint32_t segment_mib, depth, segments_ready, segments_max;
	uint8_t allow_volatile;
};

struct config_store {
	uint32_t log_rotate_mib, log_keep_mib, checkpoint_interval_ms;
	uint32_t disk_quota_mib; /* of each shard's files; 0: none */
	uint32_t disk_free_mib;  /* to be left on the file system; not given: 256 */
};

#define CONFIG_DISK_FREE_MIB     256u
#define CONFIG_ARCHIVE_KEEP_DAYS 2557u /* 7 years */

struct config_archive {
	char *directory;    /* not given: no archive; relative: below ROOT/var/lib/sluice */
	uint32_t keep_days; /* not given: CONFIG_ARCHIVE_KEEP_DAYS */
	uint32_t keep_mib;  /* of each shard; 0: no limit */
};

struct dataplane_config {
	char *deployment;
	char *root;
	uint32_t shards;
	enum config_polling polling;
	uint32_t worker_budget_percent; /* for tests and benchmarks; not given: 0, no limit */
	struct config_lcores lcores;
	struct config_memory memory;
	struct config_port *ports;
	uint32_t ports_count;
	struct config_capacity capacity;
	struct config_journal journal;
	struct config_store store;
	struct config_archive archive;
};

/*
 * Reads and checks a file. 0, or -EINVAL / -errno with `message` saying what, where and the remedy.
 * Freed by config_free.
 */
SLUICE_MUST_USE int config_load(
    const char *path, struct dataplane_config **out, char *message, size_t message_size);
/* The same from memory, for tests and fuzzing. */
SLUICE_MUST_USE int config_parse(const uint8_t *text, size_t size, struct dataplane_config **out,
    char *message, size_t message_size);
void config_free(struct dataplane_config *config);

#endif
