/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/shard/bed.h"

#include <errno.h>
#include <rte_eal.h>
#include <rte_mbuf.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

static struct rte_mempool *pool;
static uint64_t clock_value_ns;

static int bed_clock(clockid_t clock, struct timespec *now)
{
	(void)clock;
	now->tv_sec = (time_t)(clock_value_ns / SECOND);
	now->tv_nsec = (long)(clock_value_ns % SECOND);
	return 0;
}

/* The worker's turn is private to its file: the bed takes it in, with the clock in its hands. */
#define clock_gettime bed_clock
#include "dataplane/shard/worker.c" /* NOLINT(bugprone-suspicious-include) */
#undef clock_gettime

/* ---- Terminals ---- */

struct session_install bed_install(const struct bed_terminal *terminal)
{
	uint8_t slot = (uint8_t)(terminal->session_id & 0xff);
	struct session_install install = {
		.session_id = terminal->session_id,
		.rights = RIGHT_ALL,
		.terminal_id = terminal->id,
		.epoch = 1,
		.current = 1,
	};

	memset(install.to_switch_key, 0x10 + slot, sizeof(install.to_switch_key));
	memset(install.to_switch_iv, 0x30 + slot, sizeof(install.to_switch_iv));
	memset(install.to_terminal_key, 0x50 + slot, sizeof(install.to_terminal_key));
	memset(install.to_terminal_iv, 0x70 + slot, sizeof(install.to_terminal_iv));
	return install;
}

static void terminal_open(struct bed *bed, unsigned number)
{
	struct bed_terminal *terminal = &bed->terminals[number];
	struct shard_command command = { .ticket = 1 + number, .kind = SHARD_SESSION_INSTALL };
	struct shard_result result;

	terminal->home = number < 2 ? 0 : bed->count - 1;
	terminal->id = bed_account(bed, terminal->home, 100 + number);
	terminal->session_id = number | 1u << LIMIT_SESSION_SLOT_BITS;
	command.install = bed_install(terminal);
	assert_int_equal(aead_key_init(&terminal->to_switch, aead_backend_default(),
	                     command.install.to_switch_key, command.install.to_switch_iv),
	    0);
	assert_int_equal(aead_key_init(&terminal->to_terminal, aead_backend_default(),
	                     command.install.to_terminal_key, command.install.to_terminal_iv),
	    0);
	atomic_store(&bed->slot_home[number], (uint8_t)terminal->home);
	assert_true(spsc_ring_push(bed->workers[terminal->home]->rings.command, &command));
	bed_turn(bed, terminal->home);
	assert_true(spsc_ring_pop(bed->workers[terminal->home]->rings.result, &result));
	assert_int_equal(result.error, 0);
}

void bed_send_all(struct bed *bed, unsigned number, struct wire_request *requests, int count)
{
	struct bed_terminal *terminal = &bed->terminals[number];
	struct wire_peer peer = { .ipv4 = 0x0a000001 + number, .udp_port = 5000 };
	struct frame_header header = {
		.version_kind = WIRE_VERSION << 4 | FRAME_KIND_DATA,
		.epoch = le16_make(1),
		.session_id = le32_make(terminal->session_id),
		.packet_number = le64_make(++terminal->packet_number),
	};
	struct rte_mbuf *mbuf = rte_pktmbuf_alloc(pool);
	size_t size = 0;
	uint8_t *payload;

	assert_non_null(mbuf);
	memcpy(rte_pktmbuf_mtod(mbuf, uint8_t *), &peer, sizeof(peer));
	payload = port_payload(mbuf);
	memcpy(payload, &header, sizeof(header));
	for (int i = 0; i < count; i++) {
		int length = wire_request_encode(
		    &requests[i], payload + sizeof(header) + size, LIMIT_PAYLOAD_SIZE_MAX - size);

		assert_true(length > 0);
		size += (size_t)length;
	}
	aead_seal(&terminal->to_switch, payload, size);
	mbuf->data_len =
	    (uint16_t)(PORT_HEADROOM + LIMIT_FRAME_HEADER_SIZE + size + LIMIT_FRAME_TAG_SIZE);
	mbuf->pkt_len = mbuf->data_len;
	fake_port_push((uint16_t)terminal->home, mbuf);
}

void bed_send(struct bed *bed, unsigned number, struct wire_request request)
{
	bed_send_all(bed, number, &request, 1);
	bed_turn(bed, bed->terminals[number].home);
}

static void reply_keep(struct bed *bed, const uint8_t *message, size_t size)
{
	struct wire_reply *reply;

	assert_true(bed->replies_count < BED_REPLIES_MAX);
	reply = &bed->replies[bed->replies_count++];
	assert_int_equal(wire_reply_decode(message, size, reply), 0);
	assert_true(reply->shard < bed->count);
	if (reply->lsn > fake_journal_durable(bed->journals[reply->shard]))
		fail_msg("answer to %llu left at LSN %llu, durable is %llu",
		    (unsigned long long)reply->request_id, (unsigned long long)reply->lsn,
		    (unsigned long long)fake_journal_durable(bed->journals[reply->shard]));
}

static void datagram_sent(void *context, const struct fake_port_sent *sent)
{
	struct bed *bed = context;
	uint32_t number = sent->peer.ipv4 - 0x0a000001;
	uint16_t offsets[LIMIT_MESSAGES_PER_DATAGRAM];
	size_t size = sent->size - (LIMIT_FRAME_HEADER_SIZE + LIMIT_FRAME_TAG_SIZE);
	const uint8_t *text = sent->payload + LIMIT_FRAME_HEADER_SIZE;
	int count;

	assert_true(number < BED_TERMINALS_MAX && sent->size <= LIMIT_DATAGRAM_SIZE_MAX);
	assert_int_equal(sent->queue, bed->terminals[number].home);
	assert_int_equal(aead_open(&bed->terminals[number].to_terminal, sent->payload, size), 0);
	count = wire_frame_messages(text, size, offsets);
	assert_true(count > 0);
	for (int i = 0; i < count; i++)
		reply_keep(
		    bed, text + offsets[i], (i + 1 < count ? offsets[i + 1] : size) - offsets[i]);
}

uint32_t bed_waiting(const struct bed *bed)
{
	return bed->replies_count - bed->replies_taken;
}

struct wire_reply bed_take(struct bed *bed)
{
	assert_true(bed_waiting(bed) != 0);
	return bed->replies[bed->replies_taken++];
}

struct wire_reply bed_take_only(struct bed *bed, uint64_t request_id, uint16_t code)
{
	struct wire_reply reply;

	assert_int_equal(bed_waiting(bed), 1);
	reply = bed_take(bed);
	assert_int_equal(reply.request_id, request_id);
	assert_int_equal(reply.code, code);
	return reply;
}

/* ---- Workers ---- */

uint64_t bed_account(const struct bed *bed, uint32_t shard, unsigned n)
{
	for (uint64_t id = 1000;; id++) {
		if (bed->shared.buckets.shard[ids_bucket_of_key(id)] == shard && n-- == 0)
			return id;
	}
}

static struct ledger *ledger_make(struct bed *bed, uint32_t shard, int64_t terminal_daily_max)
{
	struct ledger_config config = fixture_config(4096, 0);
	struct ledger_command rules = { .type = EVENT_RULES_SET };
	struct ledger *ledger;

	config.shard = shard;
	config.shard_count = bed->count;
	config.buckets = bed->shared.buckets;
	ledger = ledger_create(&config);
	assert_non_null(ledger);
	for (unsigned n = 0; n < 4; n++)
		assert_true(
		    fixture_account(ledger, bed_account(bed, shard, n), BED_OPENING, KRW) > 0);
	assert_true(fixture_market(ledger, BED_MARKET, 90, 1, MARKET_OPEN, NOW + 100 * HOUR) > 0);
	if (terminal_daily_max != 0) {
		risk_rules_default(&rules.rules);
		rules.rules.version = 2;
		rules.rules.terminal_daily_max = terminal_daily_max;
		assert_true(fixture_command(ledger, &rules, OPENED) > 0);
	}
	return ledger;
}

static void worker_make(struct bed *bed, uint32_t shard, int64_t terminal_daily_max)
{
	struct worker_config config = {
		.shard = shard,
		.terminals_max = 16,
		.shared = &bed->shared,
		.ledger = ledger_make(bed, shard, terminal_daily_max),
	};
	struct worker *worker = worker_create(&config);

	assert_non_null(worker);
	worker->owns_port_queues = 1;
	worker->queue = (uint16_t)shard;
	bed->workers[shard] = worker;
	bed->start_lsn[shard] = ledger_shard(worker->ledger)->lsn;
	bed->journals[shard] = fake_journal_create(bed->start_lsn[shard]);
	assert_non_null(bed->journals[shard]);
	worker->journal = bed->journals[shard];
	worker->durable_lsn = bed->start_lsn[shard];
}

struct bed *bed_open(uint32_t count, int64_t terminal_daily_max)
{
	struct bed *bed = aligned_alloc(64, sizeof(*bed));

	assert_non_null(bed);
	memset(bed, 0, sizeof(*bed));
	bed->replies = calloc(BED_REPLIES_MAX, sizeof(*bed->replies));
	assert_non_null(bed->replies);
	bed->count = count;
	bed->buffers = rte_mempool_in_use_count(pool);
	bed->now_ns = NOW;
	bed->port.sink = datagram_sent;
	bed->port.context = bed;
	bed->shared.shard_count = count;
	bed->shared.port_count = 1;
	bed->shared.slots_max = BED_TERMINALS_MAX;
	bed->shared.ports[0] = &bed->port;
	bed->shared.pool = pool;
	bed->shared.slot_home = bed->slot_home;
	ids_bucket_map_default(&bed->shared.buckets, count);
	fake_port_reset();
	for (uint32_t i = 0; i < count; i++)
		worker_make(bed, i, terminal_daily_max);
	assert_int_equal(worker_connect(bed->workers, count), 0);
	for (unsigned i = 0; i < BED_TERMINALS_MAX; i++)
		terminal_open(bed, i);
	return bed;
}

void bed_close(struct bed *bed)
{
	assert_int_equal(bed_waiting(bed), 0);
	assert_int_equal(rte_mempool_in_use_count(pool), bed->buffers);
	for (uint32_t i = 0; i < bed->count; i++) {
		assert_int_equal(ledger_balance_sum(bed->workers[i]->ledger, KRW), 0);
		worker_free(bed->workers[i]);
		journal_writer_free(bed->journals[i]);
	}
	for (unsigned i = 0; i < BED_TERMINALS_MAX; i++) {
		aead_key_wipe(&bed->terminals[i].to_switch);
		aead_key_wipe(&bed->terminals[i].to_terminal);
	}
	free(bed->replies);
	free(bed);
}

static unsigned step(struct bed *bed, uint32_t worker)
{
	unsigned moved;

	clock_value_ns = bed->now_ns;
	latency_begin(&bed->workers[worker]->latency, bed->now_ns);
	moved = turn(bed->workers[worker], 1);
	if (moved != 0) /* else the worker would idle */
		turn_account(bed->workers[worker], bed->now_ns, moved);
	return moved;
}

void bed_turn(struct bed *bed, uint32_t worker)
{
	(void)step(bed, worker);
}

void bed_settle(struct bed *bed, int complete)
{
	unsigned moved;

	do {
		moved = 0;
		for (uint32_t i = 0; i < bed->count; i++) {
			if (complete)
				fake_journal_complete_all(bed->journals[i]);
			moved += step(bed, i);
			moved += complete && fake_journal_closed(bed->journals[i]) !=
			                         fake_journal_durable(bed->journals[i]);
		}
	} while (moved != 0);
}

struct terminal_window *bed_window(struct bed *bed, unsigned number)
{
	const struct bed_terminal *terminal = &bed->terminals[number];
	struct worker *home = bed->workers[terminal->home];

	return &home->windows[worker_window(home, terminal->id)];
}

int bed_state(struct bed *bed, unsigned number, uint64_t request_id)
{
	const struct window_entry *entry =
	    &bed_window(bed, number)->entries[request_id % LIMIT_REQUEST_WINDOW];

	return entry->request_id == request_id ? entry->state : WINDOW_FREE;
}

uint64_t bed_lsn(const struct bed *bed, uint32_t shard)
{
	return ledger_shard(bed->workers[shard]->ledger)->lsn;
}

struct worker *bed_restarted(struct bed *bed, struct worker **workers)
{
	static struct store stores[BED_WORKERS_MAX];
	static struct log_history logs[BED_WORKERS_MAX];
	struct log_history *histories[BED_WORKERS_MAX];

	for (uint32_t i = 0; i < bed->count; i++) {
		struct ledger_config config = fixture_config(4096, 0);
		struct worker_config made = {
			.shard = i, .terminals_max = 16, .shared = &bed->shared
		};

		config.shard = i;
		config.shard_count = bed->count;
		config.buckets = bed->shared.buckets;
		made.ledger = ledger_create(&config);
		assert_non_null(made.ledger);
		assert_int_equal(ledger_copy(made.ledger, bed->workers[i]->ledger), 0);
		workers[i] = worker_create(&made);
		assert_non_null(workers[i]);
		stores[i] = (struct store){ .committed_lsn = bed_lsn(bed, i), .first_lsn = 1 };
		logs[i] = (struct log_history){ .journal = bed->journals[i], .store = &stores[i] };
		histories[i] = &logs[i];
	}
	assert_int_equal(worker_restore(workers, histories, bed->count), 0);
	return workers[bed->terminals[0].home];
}

/* ---- Start ---- */

static unsigned first_cpu(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	if (sched_getaffinity(0, sizeof(set), &set) != 0)
		return 0;
	for (unsigned cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (CPU_ISSET(cpu, &set))
			return cpu;
	}
	return 0;
}

int bed_main(const char *file)
{
	char text[][48] = { "test_shard", "--no-huge", "--no-shconf", "--no-pci", "--no-telemetry",
		"-m32", "--log-level=*:error", "", "" };
	char *arguments[SLUICE_ARRAY_COUNT(text)], directory[256];
	int failed;

	snprintf(text[7], sizeof(text[7]), "--file-prefix=sluice-test-shard-%ld", (long)getpid());
	snprintf(text[8], sizeof(text[8]), "-l%u", first_cpu());
	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(text); i++)
		arguments[i] = text[i];
	if (rte_eal_init((int)SLUICE_ARRAY_COUNT(text), arguments) < 0) {
		printf("EAL does not start here: skipped\n");
		return 77;
	}
	pool = rte_pktmbuf_pool_create("test", 2047, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, -1);
	if (pool == NULL) {
		printf("no memory for packet buffers: skipped\n");
		return 77;
	}
	failed =
	    _cmocka_run_group_tests(file, test_registry.tests, test_registry.count, NULL, NULL);
	rte_mempool_free(pool);
	snprintf(directory, sizeof(directory), "%s", rte_eal_get_runtime_dir());
	(void)rte_eal_cleanup();
	(void)rmdir(directory);
	return failed == 0 ? 0 : 1;
}
