/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/config.h"

#include <arpa/inet.h>
#include <cyaml/cyaml.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "dataplane/config_keys.h"

static const cyaml_strval_t polling_names[] = {
	{ "busy", CONFIG_POLLING_BUSY },
	{ "adaptive", CONFIG_POLLING_ADAPTIVE },
};

static const cyaml_strval_t port_type_names[] = {
	{ "pci", CONFIG_PORT_PCI },
	{ "af_xdp", CONFIG_PORT_AF_XDP },
	{ "af_packet", CONFIG_PORT_AF_PACKET },
	{ "memif", CONFIG_PORT_MEMIF },
	{ "ring", CONFIG_PORT_RING },
	{ "null", CONFIG_PORT_NULL },
};

static const cyaml_schema_value_t cpu_schema = {
	CYAML_VALUE_UINT(CYAML_FLAG_DEFAULT, uint32_t),
};

static const cyaml_schema_field_t lcores_fields[] = {
	CYAML_FIELD_UINT("main", CYAML_FLAG_DEFAULT, struct config_lcores, main),
	CYAML_FIELD_SEQUENCE("workers", CYAML_FLAG_POINTER, struct config_lcores, workers,
	    &cpu_schema, 1, LIMIT_SHARDS),
	CYAML_FIELD_UINT("store", CYAML_FLAG_DEFAULT, struct config_lcores, store),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t memory_fields[] = {
	CYAML_FIELD_BOOL("hugepages", CYAML_FLAG_DEFAULT, struct config_memory, hugepages),
	CYAML_FIELD_UINT("megabytes", CYAML_FLAG_DEFAULT, struct config_memory, megabytes),
	CYAML_FIELD_BOOL("populate", CYAML_FLAG_OPTIONAL, struct config_memory, populate),
	CYAML_FIELD_STRING_PTR(
	    "file_prefix", CYAML_FLAG_POINTER, struct config_memory, file_prefix, 1, 64),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t port_fields[] = {
	CYAML_FIELD_ENUM("type", CYAML_FLAG_STRICT, struct config_port, type, port_type_names,
	    CYAML_ARRAY_LEN(port_type_names)),
	CYAML_FIELD_STRING_PTR("interface", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL,
	    struct config_port, interface, 1, 64),
	CYAML_FIELD_STRING_PTR(
	    "socket", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct config_port, socket, 1, 107),
	CYAML_FIELD_STRING_PTR("address", CYAML_FLAG_POINTER, struct config_port, address, 7, 15),
	CYAML_FIELD_UINT("udp_port", CYAML_FLAG_DEFAULT, struct config_port, udp_port),
	CYAML_FIELD_END,
};

static const cyaml_schema_value_t port_schema = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct config_port, port_fields),
};

static const cyaml_schema_field_t capacity_fields[] = {
	CYAML_FIELD_UINT("accounts", CYAML_FLAG_DEFAULT, struct config_capacity, accounts),
	CYAML_FIELD_UINT("bets", CYAML_FLAG_DEFAULT, struct config_capacity, bets),
	CYAML_FIELD_UINT("markets", CYAML_FLAG_DEFAULT, struct config_capacity, markets),
	CYAML_FIELD_UINT("terminals", CYAML_FLAG_DEFAULT, struct config_capacity, terminals),
	CYAML_FIELD_UINT("sessions", CYAML_FLAG_DEFAULT, struct config_capacity, sessions),
	CYAML_FIELD_UINT("objects", CYAML_FLAG_OPTIONAL, struct config_capacity, objects),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t journal_fields[] = {
	CYAML_FIELD_UINT("segment_mib", CYAML_FLAG_DEFAULT, struct config_journal, segment_mib),
	CYAML_FIELD_UINT("depth", CYAML_FLAG_DEFAULT, struct config_journal, depth),
	CYAML_FIELD_UINT(
	    "segments_ready", CYAML_FLAG_DEFAULT, struct config_journal, segments_ready),
	CYAML_FIELD_UINT("segments_max", CYAML_FLAG_DEFAULT, struct config_journal, segments_max),
	CYAML_FIELD_BOOL(
	    "allow_volatile", CYAML_FLAG_OPTIONAL, struct config_journal, allow_volatile),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t store_fields[] = {
	CYAML_FIELD_UINT("log_rotate_mib", CYAML_FLAG_DEFAULT, struct config_store, log_rotate_mib),
	CYAML_FIELD_UINT("log_keep_mib", CYAML_FLAG_DEFAULT, struct config_store, log_keep_mib),
	CYAML_FIELD_UINT("checkpoint_interval_ms", CYAML_FLAG_DEFAULT, struct config_store,
	    checkpoint_interval_ms),
	CYAML_FIELD_UINT(
	    "disk_quota_mib", CYAML_FLAG_OPTIONAL, struct config_store, disk_quota_mib),
	CYAML_FIELD_UINT("disk_free_mib", CYAML_FLAG_OPTIONAL, struct config_store, disk_free_mib),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t archive_fields[] = {
	CYAML_FIELD_STRING_PTR("directory", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL,
	    struct config_archive, directory, 1, 4000),
	CYAML_FIELD_UINT("keep_days", CYAML_FLAG_OPTIONAL, struct config_archive, keep_days),
	CYAML_FIELD_UINT("keep_mib", CYAML_FLAG_OPTIONAL, struct config_archive, keep_mib),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t config_fields[] = {
	CYAML_FIELD_STRING_PTR(
	    "deployment", CYAML_FLAG_POINTER, struct dataplane_config, deployment, 1, 64),
	CYAML_FIELD_STRING_PTR("root", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL,
	    struct dataplane_config, root, 1, 4000),
	CYAML_FIELD_UINT("shards", CYAML_FLAG_DEFAULT, struct dataplane_config, shards),
	CYAML_FIELD_ENUM("polling", CYAML_FLAG_STRICT, struct dataplane_config, polling,
	    polling_names, CYAML_ARRAY_LEN(polling_names)),
	CYAML_FIELD_UINT("worker_budget_percent", CYAML_FLAG_OPTIONAL, struct dataplane_config,
	    worker_budget_percent),
	CYAML_FIELD_MAPPING(
	    "lcores", CYAML_FLAG_DEFAULT, struct dataplane_config, lcores, lcores_fields),
	CYAML_FIELD_MAPPING(
	    "memory", CYAML_FLAG_DEFAULT, struct dataplane_config, memory, memory_fields),
	CYAML_FIELD_SEQUENCE("ports", CYAML_FLAG_POINTER, struct dataplane_config, ports,
	    &port_schema, 1, LIMIT_PORTS),
	CYAML_FIELD_MAPPING(
	    "capacity", CYAML_FLAG_DEFAULT, struct dataplane_config, capacity, capacity_fields),
	CYAML_FIELD_MAPPING(
	    "journal", CYAML_FLAG_DEFAULT, struct dataplane_config, journal, journal_fields),
	CYAML_FIELD_MAPPING(
	    "store", CYAML_FLAG_DEFAULT, struct dataplane_config, store, store_fields),
	CYAML_FIELD_MAPPING(
	    "archive", CYAML_FLAG_OPTIONAL, struct dataplane_config, archive, archive_fields),
	CYAML_FIELD_END,
};

static const cyaml_schema_value_t config_schema = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct dataplane_config, config_fields),
};

/* libcyaml reports problems through its log: the first lines become our message. */
struct config_log {
	char *message;
	size_t size, used;
};

__attribute__((format(printf, 3, 0))) static void config_log_line(
    cyaml_log_t level, void *context, const char *format, va_list arguments)
{
	struct config_log *log = context;
	int written;

	if (level < CYAML_LOG_ERROR || log->used + 1 >= log->size)
		return;
	written = vsnprintf(log->message + log->used, log->size - log->used, format, arguments);
	if (written <= 0)
		return;
	log->used += (size_t)written;
	if (log->used >= log->size)
		log->used = log->size - 1;
	for (size_t i = 0; i < log->used; i++)
		if (log->message[i] == '\n')
			log->message[i] = ' ';
}

/* Each value is in its own range by now (config_keys.c). */
static int check_together(const struct dataplane_config *config, char *message, size_t size)
{
	uint32_t least = config->journal.segments_ready + 2u;

	if (config->journal.segments_max < least) {
		snprintf(message, size,
		    "key \"journal.segments_max\": expected segments_ready + 2 (%" PRIu32
		    ") at least, found %" PRIu32,
		    least, config->journal.segments_max);
		return -EINVAL;
	}
	if (config->store.disk_quota_mib != 0 &&
	    config->store.disk_quota_mib / config->journal.segments_max <
	        config->journal.segment_mib) {
		snprintf(message, size,
		    "key \"store.disk_quota_mib\": %" PRIu32
		    " MiB do not hold the journal alone (segments_max %" PRIu32 " of %" PRIu32
		    " MiB); give it the log and the tables on top",
		    config->store.disk_quota_mib, config->journal.segments_max,
		    config->journal.segment_mib);
		return -EINVAL;
	}
	if (config->archive.directory == NULL &&
	    (config->archive.keep_days != 0 || config->archive.keep_mib != 0)) {
		snprintf(message, size,
		    "key \"archive.directory\": missing; name it, or leave out archive");
		return -EINVAL;
	}
	if (config->lcores.workers_count != config->shards) {
		snprintf(message, size,
		    "key \"lcores.workers\": %u CPUs for %u shards; give one CPU for each shard's "
		    "worker",
		    config->lcores.workers_count, config->shards);
		return -EINVAL;
	}
	return 0;
}

static int check_port(
    struct config_port *port, uint32_t index, uint32_t shards, char *message, size_t size)
{
	int by_name = port->type == CONFIG_PORT_AF_XDP || port->type == CONFIG_PORT_AF_PACKET ||
	              port->type == CONFIG_PORT_PCI;
	struct in_addr address;

	if (by_name && port->interface == NULL) {
		snprintf(message, size,
		    "ports[%u].interface is missing; name the interface (or the PCI address)",
		    index);
		return -EINVAL;
	}
	if (port->type == CONFIG_PORT_MEMIF && port->socket == NULL) {
		snprintf(message, size,
		    "ports[%u].socket is missing; give the path of the memif socket", index);
		return -EINVAL;
	}
	if (inet_pton(AF_INET, port->address, &address) != 1) {
		snprintf(message, size,
		    "ports[%u].address: \"%s\" is not an IPv4 address; write it as a.b.c.d", index,
		    port->address);
		return -EINVAL;
	}
	port->address_ipv4 = ntohl(address.s_addr);
	if (port->udp_port == 0 || port->udp_port + shards > 65536u) {
		snprintf(message, size, "ports[%u].udp_port: %u is out of range; choose 1..%u",
		    index, port->udp_port, 65536u - shards);
		return -EINVAL;
	}
	return 0;
}

static int config_check(struct dataplane_config *config, char *message, size_t size)
{
	struct config_capacity *capacity = &config->capacity;
	int error = check_together(config, message, size);

	if (config->store.disk_free_mib == 0)
		config->store.disk_free_mib = CONFIG_DISK_FREE_MIB;
	if (config->archive.keep_days == 0)
		config->archive.keep_days = CONFIG_ARCHIVE_KEEP_DAYS;
	if (capacity->objects == 0)
		capacity->objects =
		    capacity->bets > CONFIG_OBJECTS_MIN ? capacity->bets : CONFIG_OBJECTS_MIN;
	for (uint32_t i = 0; error == 0 && i < config->ports_count; i++)
		error = check_port(&config->ports[i], i, config->shards, message, size);
	return error;
}

static const cyaml_config_t config_defaults = {
	.log_fn = config_log_line,
	.mem_fn = cyaml_mem,
	.log_level = CYAML_LOG_ERROR,
	/* Aliases are off: a small file must not unfold into a large one. */
	.flags = CYAML_CFG_NO_ALIAS,
};

static int parse(const uint8_t *text, size_t size, const char *name, struct dataplane_config **out,
    char *message, size_t message_size)
{
	char inner[384] = "";
	struct config_log log = { inner, sizeof(inner), 0 };
	cyaml_config_t cyaml = config_defaults;
	cyaml_data_t *data = NULL;
	cyaml_err_t result;
	int error = config_keys_check(text, size, name, message, message_size);

	if (error != 0)
		return error;
	cyaml.log_ctx = &log;
	result = cyaml_load_data(text, size, &cyaml, &config_schema, &data, NULL);
	if (result != CYAML_OK || data == NULL) {
		snprintf(message, message_size, "%s: %s; write the keys of dataplane/README.md",
		    name, log.used > 0 ? inner : cyaml_strerror(result));
		return result == CYAML_ERR_OOM ? -ENOMEM : -EINVAL;
	}
	error = config_check(data, inner, sizeof(inner));
	if (error != 0) {
		snprintf(message, message_size, "%s: %s", name, inner);
		config_free(data);
		return error;
	}
	*out = data;
	return 0;
}

int config_parse(const uint8_t *text, size_t size, struct dataplane_config **out, char *message,
    size_t message_size)
{
	return parse(text, size, "configuration", out, message, message_size);
}

#define CONFIG_FILE_SIZE_MAX (256u * 1024u)

int config_load(const char *path, struct dataplane_config **out, char *message, size_t message_size)
{
	uint8_t *text = NULL;
	FILE *file = fopen(path, "rbe");
	size_t size;
	int error;

	if (file == NULL) {
		error = errno;
		snprintf(message, message_size, "%s: %s; give the configuration with --config FILE",
		    path, strerror(error));
		return -error;
	}
	text = malloc(CONFIG_FILE_SIZE_MAX + 1);
	if (text == NULL) {
		fclose(file);
		return -ENOMEM;
	}
	size = fread(text, 1, CONFIG_FILE_SIZE_MAX + 1, file);
	fclose(file);
	if (size > CONFIG_FILE_SIZE_MAX) {
		snprintf(
		    message, message_size, "%s: larger than 256 KiB; is it the right file?", path);
		error = -EFBIG;
	} else {
		error = parse(text, size, path, out, message, message_size);
	}
	free(text);
	return error;
}

void config_free(struct dataplane_config *config)
{
	cyaml_config_t cyaml = { .mem_fn = cyaml_mem, .log_level = CYAML_LOG_ERROR };

	if (config != NULL)
		(void)cyaml_free(&cyaml, &config_schema, config, 0);
}
