/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EAL, ports and threads of the process.
 */
#include <errno.h>
#include <inttypes.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_mbuf.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "dataplane/log.h"
#include "dataplane/switch.h"

#define EAL_ARGUMENTS_MAX 32
#define EAL_ARGUMENT_SIZE 384

struct eal_arguments {
	char text[EAL_ARGUMENTS_MAX][EAL_ARGUMENT_SIZE];
	char *list[EAL_ARGUMENTS_MAX + 1];
	int count;
};

__attribute__((format(printf, 2, 3))) static void argument(
    struct eal_arguments *arguments, const char *format, ...)
{
	va_list values;

	SLUICE_REQUIRE(arguments->count < EAL_ARGUMENTS_MAX);
	va_start(values, format);
	vsnprintf(arguments->text[arguments->count], EAL_ARGUMENT_SIZE, format, values);
	va_end(values);
	arguments->list[arguments->count] = arguments->text[arguments->count];
	arguments->count++;
}

static enum port_kind port_kind_of(enum config_port_type type)
{
	switch (type) {
	case CONFIG_PORT_PCI:
		return PORT_PCI;
	case CONFIG_PORT_AF_XDP:
		return PORT_AF_XDP;
	case CONFIG_PORT_AF_PACKET:
		return PORT_AF_PACKET;
	case CONFIG_PORT_MEMIF:
		return PORT_MEMIF;
	case CONFIG_PORT_RING:
		return PORT_RING;
	case CONFIG_PORT_NULL:
		return PORT_NULL;
	}
	return PORT_NULL;
}

static int port_arguments(struct switch_process *process, struct eal_arguments *arguments)
{
	const struct dataplane_config *config = process->config;
	int pci = 0;

	for (uint32_t i = 0; i < config->ports_count; i++) {
		const struct config_port *port = &config->ports[i];
		const char *name = port->type == CONFIG_PORT_MEMIF ? port->socket : port->interface;
		char device[EAL_ARGUMENT_SIZE - 16];

		if (port_device_check(port_kind_of(port->type), name, process->message,
		        sizeof(process->message)) != 0)
			return EXIT_UNREACHABLE;
		if (port_device_string(port_kind_of(port->type), i, name, device, sizeof(device)) !=
		    0) {
			snprintf(process->message, sizeof(process->message),
			    "ports[%u]: the device name is too long", i);
			return EXIT_REFUSED;
		}
		if (port->type == CONFIG_PORT_PCI) {
			pci = 1;
			argument(arguments, "--allow=%s", device);
		} else {
			argument(arguments, "--vdev=%s", device);
		}
	}
	if (!pci)
		argument(arguments, "--no-pci");
	return 0;
}

/* A CPU the process may not run on would make EAL fail with its usage text. */
static int cpus_check(struct switch_process *process)
{
	const struct config_lcores *lcores = &process->config->lcores;
	cpu_set_t allowed;

	if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0)
		return 0; /* more CPUs than the set holds: EAL judges */
	for (uint32_t i = 0; i < lcores->workers_count + 2; i++) {
		uint32_t cpu = i < lcores->workers_count    ? lcores->workers[i]
		               : i == lcores->workers_count ? lcores->main
		                                            : lcores->store;

		if (cpu < CPU_SETSIZE && CPU_ISSET(cpu, &allowed))
			continue;
		snprintf(process->message, sizeof(process->message),
		    "lcores: CPU %u is not one this process may run on; choose from those that "
		    "`nproc` "
		    "counts, from 0",
		    cpu);
		return -EINVAL;
	}
	return 0;
}

int switch_eal(struct switch_process *process, const char *program)
{
	const struct dataplane_config *config = process->config;
	struct eal_arguments *arguments;
	char lcores[EAL_ARGUMENT_SIZE];
	size_t used;
	int status, lock = -1;

	if (cpus_check(process) != 0)
		return EXIT_REFUSED;
	if (config->memory.hugepages &&
	    port_memory_await(config->memory.file_prefix, config->memory.megabytes, &lock,
	        process->message, sizeof(process->message)) != 0)
		return EXIT_UNREACHABLE;
	arguments = calloc(1, sizeof(*arguments));
	if (arguments == NULL) {
		if (lock >= 0)
			close(lock);
		return EXIT_UNREACHABLE;
	}
	argument(arguments, "%s", program);
	used = (size_t)snprintf(lcores, sizeof(lcores), "0@%u", config->lcores.main);
	for (uint32_t i = 0; i < config->shards && used < sizeof(lcores); i++)
		used += (size_t)snprintf(lcores + used, sizeof(lcores) - used, ",%u@%u", i + 1,
		    config->lcores.workers[i]);
	argument(arguments, "--lcores=%s", lcores);
	argument(arguments, "--main-lcore=0");
	argument(arguments, "--file-prefix=%s", config->memory.file_prefix);
	argument(arguments, "-m");
	argument(arguments, "%u", config->memory.megabytes);
	if (config->memory.hugepages)
		argument(arguments, "--single-file-segments");
	else
		argument(arguments, "--no-huge");
	argument(arguments, "--log-level=*:warning");
	status = port_arguments(process, arguments);
	if (status == 0 && rte_eal_init(arguments->count, arguments->list) < 0) {
		snprintf(process->message, sizeof(process->message),
		    "DPDK did not start: %s; run as root, check the interface and socket "
		    "names of `ports`, and that no other process uses "
		    "memory.file_prefix %s%s",
		    rte_strerror(rte_errno), config->memory.file_prefix,
		    config->memory.hugepages
		        ? "; if no hugepages are reserved, set memory.hugepages to false"
		        : "");
		status = EXIT_UNREACHABLE;
	}
	free(arguments);
	if (lock >= 0)
		close(lock);
	return status;
}

/* Packet buffers of 2 KiB each in about half of the memory (DPDK wants room beside), at most 64 Ki.
 */
static uint32_t pool_count(const struct dataplane_config *config)
{
	uint64_t count = (uint64_t)config->memory.megabytes * 1024 * 1024 / 2 / 2560;

	return count > 65535 ? 65535 : (uint32_t)count;
}

int switch_ports(struct switch_process *process)
{
	const struct dataplane_config *config = process->config;
	uint32_t count = pool_count(config);

	process->shared.pool = rte_pktmbuf_pool_create(
	    "sluice_packets", count, 256, 0, RTE_MBUF_DEFAULT_BUF_SIZE, (int)rte_socket_id());
	if (process->shared.pool == NULL) {
		snprintf(process->message, sizeof(process->message),
		    "no memory for %u packet buffers: %s; raise memory.megabytes", count,
		    rte_strerror(rte_errno));
		return EXIT_UNREACHABLE;
	}
	for (uint32_t i = 0; i < config->ports_count; i++) {
		struct port_config port = {
			.kind = port_kind_of(config->ports[i].type),
			.index = (uint16_t)i,
			.device = config->ports[i].interface,
			.ipv4 = config->ports[i].address_ipv4,
			.udp_port_base = config->ports[i].udp_port,
			.udp_port_count = (uint16_t)config->shards,
			.queue_count = 1,
			.descriptor_count = 1024,
			.pool = process->shared.pool,
		};

		if (port_open(&process->shared.ports[i], &port, process->message,
		        sizeof(process->message)) != 0)
			return EXIT_UNREACHABLE;
		process->shared.port_count = i + 1;
		log_line(LOG_LEVEL_INFO, "port", "port %u: %s at %s, UDP port %u", i,
		    port_type(process->shared.ports[i]), config->ports[i].address,
		    config->ports[i].udp_port);
	}
	return 0;
}

static uint64_t monotonic_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
}

static void pause_us(unsigned us)
{
	struct timespec pause = { 0, (long)us * 1000 };

	nanosleep(&pause, NULL);
}

/*
 * Between two pieces of the store's work. With 1 us the CPU was never idle while a checkpoint was
 * sorted and written, and the journal's writes were left without completion for 20 to 100 ms.
 */
#define STORE_PAUSE_US 100
/*
 * With nothing left to take. A sleep costs 15 to 30 us of CPU on a virtual machine, whose timer is
 * the host's: at 200 us between looks that was a tenth of the CPU that completes the journal's
 * writes.
 */
#define STORE_LEVEL_US 1000
/* Half a second without work: look less often. */
#define STORE_IDLE_TURNS  500
#define READER_IDLE_TURNS 1000

/* Everything durable is in the store, or the store has failed and will not take it. */
static int store_done(const struct shard_parts *parts, int work)
{
	const struct switch_process *process = parts->process;
	struct store_status status;

	store_status(process->stores[parts->shard], &status);
	/* W4: its worker has ended, so this is the last value. */
	return work < 0 || status.applied_lsn >=
	                       atomic_load_explicit(&process->shared.durable_lsn[parts->shard],
	                           memory_order_acquire);
}

/*
 * Store thread: follows the journal until the workers have ended and nothing is left. It blocks for
 * a moment after every piece of work, because it shares its CPU with the kernel worker that
 * completes the journal's writes: sched_yield alone kept that one waiting for seconds (measured).
 */
static void *store_thread(void *context)
{
	struct shard_parts *parts = context;
	struct switch_process *process = parts->process;
	struct switch_store_turn turn;
	unsigned idle_turns = 0;
	int ended;

	do {
		/* P1: with it all batches the worker lent are visible in the feed. */
		ended = atomic_load_explicit(&process->workers_ended, memory_order_acquire) != 0;
		turn = switch_store_turn(parts, monotonic_ns());
		switch_disk_look(parts, monotonic_ns());
		idle_turns = turn.work > 0 || turn.keeper > 0 ? 0 : idle_turns + 1;
		if (turn.work < 0 || turn.keeper < 0)
			pause_us(10000); /* failed: shown in the status, tried again */
		else if (turn.keeper > 0 ||
		         (turn.work > 0 && store_more(process->stores[parts->shard])))
			pause_us(STORE_PAUSE_US);
		else
			pause_us(idle_turns < STORE_IDLE_TURNS ? STORE_LEVEL_US : 2000);
	} while (!ended || !store_done(parts, turn.work));
	return NULL;
}

/* Each second at most: a terminal sends its request again and again. */
#define DAMAGE_LOOK_NS 1000000000ull

struct damage_told {
	uint64_t count[LIMIT_SHARDS];
	uint64_t looked_ns;
};

/* Look-ups that failed since the last time, by shard, with the place of the newest. */
static void damage_tell(struct switch_process *process, struct damage_told *told, uint64_t now_ns)
{
	if (now_ns - told->looked_ns < DAMAGE_LOOK_NS)
		return;
	told->looked_ns = now_ns;
	for (uint32_t i = 0; i < process->shared.shard_count; i++) {
		struct log_damage damage = log_history_damage(process->histories[i]);

		if (damage.count == told->count[i])
			continue;
		told->count[i] = damage.count;
		log_line(LOG_LEVEL_ERROR, "log",
		    "shard %u: log-%016" PRIx64 " could not be read at LSN %" PRIu64 ", %" PRIu64
		    " times; requests are answered STORAGE_UNAVAILABLE, run sluice-db verify",
		    i, damage.env_first_lsn, damage.lsn, damage.count);
	}
}

static void *reader_thread(void *context)
{
	struct switch_process *process = context;
	struct damage_told told = { 0 };
	unsigned idle_turns = 0;

	/* P1 */
	while (atomic_load_explicit(&process->workers_ended, memory_order_acquire) == 0) {
		idle_turns = reader_work(process->reader, monotonic_ns()) ? 0 : idle_turns + 1;
		damage_tell(process, &told, monotonic_ns());
		pause_us(idle_turns < READER_IDLE_TURNS ? 500 : 5000);
	}
	return NULL;
}

static int thread_start(
    pthread_t *thread, void *(*run)(void *), void *context, const char *name, uint32_t cpu)
{
	cpu_set_t set;
	int error = pthread_create(thread, NULL, run, context);

	if (error != 0)
		return error;
	(void)pthread_setname_np(*thread, name);
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	(void)pthread_setaffinity_np(*thread, sizeof(set), &set); /* a wish: placement is shown */
	return 0;
}

static int workers_start(struct switch_process *process)
{
	for (uint32_t i = 0; i < process->shared.shard_count; i++) {
		struct worker *worker = process->workers[i];

		if (rte_eal_remote_launch(worker_run, worker, i + 1) != 0) {
			snprintf(process->message, sizeof(process->message),
			    "worker %u could not be started on its lcore", i);
			return EXIT_UNREACHABLE;
		}
	}
	for (uint32_t i = 0; i < process->shared.shard_count; i++) {
		struct worker *worker = process->workers[i];
		int32_t state;

		/* W5 */
		while ((state = atomic_load_explicit(&worker->state, memory_order_acquire)) == 0)
			pause_us(1000);
		if (state < 0) {
			snprintf(process->message, sizeof(process->message), "shard %u: %s", i,
			    worker->message[0] != '\0' ? worker->message : strerror(-state));
			return EXIT_UNREACHABLE;
		}
		if (worker->message[0] != '\0')
			log_line(LOG_LEVEL_WARNING, "journal", "shard %u: %s", i, worker->message);
	}
	return 0;
}

static int start_failed(struct switch_process *process, const char *what, int error)
{
	snprintf(process->message, sizeof(process->message),
	    "%s: %s; free memory or threads and start "
	    "again",
	    what, strerror(error));
	return EXIT_UNREACHABLE;
}

int switch_threads(struct switch_process *process)
{
	int status, error;

	for (uint32_t i = 0; i < process->shared.shard_count; i++) {
		/* One queue per port: worker 0 polls and transmits, others reach it by ring. */
		process->workers[i]->owns_port_queues = i == 0;
		process->workers[i]->queue = 0;
	}
	if (worker_connect(process->workers, process->shared.shard_count) != 0)
		return start_failed(process, "rings between workers", ENOMEM);
	process->reader =
	    reader_create(&process->shared, process->workers, process->stores, process->histories);
	if (process->reader == NULL)
		return start_failed(process, "reader", ENOMEM);
	reader_past_set(process->reader, process->past);
	status = workers_start(process);
	if (status != 0)
		return status;
	for (uint32_t i = 0; i < process->shared.shard_count; i++) {
		struct shard_parts *parts = &process->shards[i];

		error = thread_start(&parts->thread, store_thread, parts, "sluice-store",
		    process->config->lcores.store);
		if (error != 0)
			return start_failed(process, "store thread", error);
		parts->thread_started = 1;
	}
	error = switch_seal_start(process);
	if (error != 0)
		return start_failed(process, "sealing thread", error);
	error = thread_start(&process->reader_thread, reader_thread, process, "sluice-reader",
	    process->config->lcores.store);
	if (error != 0)
		return start_failed(process, "reader thread", error);
	process->reader_started = 1;
	return 0;
}

/*
 * EAL waits until the workers' functions have returned. What orders their memory before ours is
 * said here all the same, as for every other hand-over, and not left to a library.
 */
static void workers_join(struct switch_process *process)
{
	rte_eal_mp_wait_lcore();
	for (uint32_t i = 0; i < process->shared.shard_count; i++)
		if (process->workers[i] != NULL)
			/* W7 */
			(void)atomic_load_explicit(
			    &process->workers[i]->state, memory_order_acquire);
}

int switch_stop(struct switch_process *process)
{
	int status = 0;

	/* W2 */
	atomic_store_explicit(&process->shared.stop, 1, memory_order_release);
	workers_join(process);
	admin_free(process->admin); /* workers answered into it */
	admin_models_free(&process->shared);
	process->admin = NULL;
	/* P1 */
	atomic_store_explicit(&process->workers_ended, 1, memory_order_release);
	if (process->reader_started)
		pthread_join(process->reader_thread, NULL);
	for (uint32_t i = 0; i < process->shared.shard_count; i++)
		if (process->shards[i].thread_started)
			pthread_join(process->shards[i].thread, NULL);
	switch_seal_stop(process);
	for (uint32_t i = 0; i < process->shared.shard_count; i++) {
		struct shard_parts *parts = &process->shards[i];

		if (process->stores[i] != NULL && parts->thread_started &&
		    store_checkpoint_now(process->stores[i]) != 0) {
			snprintf(process->message, sizeof(process->message),
			    "shard %u: the last checkpoint was not written; the next start replays "
			    "the "
			    "journal instead",
			    i);
			status = EXIT_REFUSED;
		}
		switch_shard_free(process, i);
	}
	reader_free(process->reader);
	log_past_close(process->past);
	process->past = NULL;
	for (uint32_t i = 0; i < process->shared.port_count; i++)
		port_close(process->shared.ports[i]);
	return status;
}
