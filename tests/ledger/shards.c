/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/ledger/shards.h"

#include <errno.h>

uint64_t shards_pick(struct shards *shards, uint64_t bound)
{
	return test_random(&shards->random) % bound;
}

static struct ledger *ledger_new(struct shards *shards, uint32_t shard)
{
	struct ledger *ledger = ledger_create(&shards->config[shard]);

	assert_non_null(ledger);
	return ledger;
}

struct shards *shards_new(uint64_t seed)
{
	struct shards *shards = calloc(1, sizeof(*shards));

	assert_non_null(shards);
	shards->random = seed;
	shards->time_ns = NOW;
	shards->on_way = calloc(SHARDS_ON_WAY, sizeof(*shards->on_way));
	assert_non_null(shards->on_way);
	for (uint32_t i = 0; i < SHARDS; i++) {
		shards->config[i] = fixture_config(SHARDS_ROWS, 0);
		shards->config[i].objects_max = SHARDS_ROWS;
		shards->config[i].shard = i;
		shards->config[i].shard_count = SHARDS;
		ids_bucket_map_default(&shards->config[i].buckets, SHARDS);
		shards->ledger[i] = ledger_new(shards, i);
		shards->log[i].bytes = malloc(SHARDS_LOG_BYTES);
		shards->log[i].at = malloc(SHARDS_LOG_MAX * sizeof(size_t));
		assert_true(shards->log[i].bytes != NULL && shards->log[i].at != NULL);
	}
	return shards;
}

void shards_free(struct shards *shards)
{
	for (uint32_t i = 0; i < SHARDS; i++) {
		ledger_free(shards->ledger[i]);
		free(shards->log[i].bytes);
		free(shards->log[i].at);
	}
	free(shards->on_way);
	free(shards);
}

uint32_t shards_of_key(const struct shards *shards, uint64_t id)
{
	return shards->config[0].buckets.shard[ids_bucket_of_key(id)];
}

uint64_t shards_id_on(const struct shards *shards, uint32_t shard, uint64_t first, unsigned nth)
{
	for (uint64_t id = first;; id++)
		if (shards_of_key(shards, id) == shard && nth-- == 0)
			return id;
}

uint32_t shards_of_request(
    const struct shards *shards, const struct wire_request *wire, uint64_t terminal_id)
{
	uint32_t bucket;

	if (ledger_request_bucket_key(wire, &bucket) == 0)
		return shards_of_key(shards, terminal_id);
	return shards->config[0].buckets.shard[bucket];
}

/* ---- Logs ---- */

struct event_record shards_record(const struct shards *shards, uint32_t shard, uint64_t lsn)
{
	struct event_record record;

	memcpy(&record, shards->log[shard].bytes + shards->log[shard].at[lsn - 1], sizeof(record));
	return record;
}

static struct on_way *on_way_new(struct shards *shards, uint32_t shard, uint64_t lsn)
{
	struct on_way *entry = &shards->on_way[shards->on_way_count++];

	assert_true(shards->on_way_count < SHARDS_ON_WAY);
	memset(entry, 0, sizeof(*entry));
	entry->shard = shard;
	entry->lsn = lsn;
	return entry;
}

/* A TRANSFER that is open now leaves as a parcel, once it is durable. */
static void parcel_expect(struct shards *shards, uint32_t shard, const struct event_view *view)
{
	for (unsigned i = 0; i < view->object_count; i++) {
		if (view->objects[i].kind == OBJECT_TRANSFER &&
		    view->objects[i].state == OBJECT_OPEN)
			on_way_new(shards, shard, le64_get(view->record.lsn))->transfer_id =
			    le64_get(view->objects[i].id);
	}
}

/* Checks the event by itself, and keeps it at the end of the log. */
static void log_add(struct shards *shards, uint32_t shard, const struct event_buffer *event,
    size_t length, struct event_view *view)
{
	struct shard_log *log = &shards->log[shard];
	uint64_t lsn = le64_get(fixture_record(event).lsn);
	int error = event_check(event->bytes, length);

	if (error == 0)
		error = event_view_read(event->bytes, length, view);
	if (error != 0)
		fail_msg("shard %u lsn %llu: an event of type %u, code %x fails its check", shard,
		    (unsigned long long)lsn, le16_get(fixture_record(event).type),
		    fixture_code(event));
	assert_true(lsn <= SHARDS_LOG_MAX && log->size + length <= SHARDS_LOG_BYTES);
	log->at[lsn - 1] = log->size;
	memcpy(log->bytes + log->size, event->bytes, length);
	log->size += length;
	shards->events++;
	shards->by_type[le16_get(view->record.type)]++;
	shards->by_code[wire_code_index(le16_get(view->record.code))]++;
	parcel_expect(shards, shard, view);
}

void shards_take(
    struct shards *shards, uint32_t shard, const struct event_buffer *event, size_t length)
{
	struct event_view view;
	int error;

	log_add(shards, shard, event, length, &view);
	error = ledger_apply(shards->ledger[shard], event->bytes, length);
	if (error != 0)
		fail_msg("shard %u lsn %llu: applying type %u, code %x: %d", shard,
		    (unsigned long long)le64_get(view.record.lsn), le16_get(view.record.type),
		    fixture_code(event), error);
	if (shards->watch != NULL)
		shards->watch(shards, shard, &view);
}

void shards_take_group(struct shards *shards, uint32_t shard, const struct event_buffer *events,
    const size_t *lengths, unsigned count)
{
	struct event_view views[LIMIT_LINKED_MAX];

	for (unsigned i = 0; i < count; i++)
		log_add(shards, shard, &events[i], lengths[i], &views[i]);
	for (unsigned i = 0; i < count && shards->watch != NULL; i++)
		shards->watch(shards, shard, &views[i]);
}

void shards_sync(struct shards *shards, uint32_t shard)
{
	shards->log[shard].durable = ledger_shard(shards->ledger[shard])->lsn;
	for (unsigned i = 0; i < shards->on_way_count; i++) {
		struct on_way *entry = &shards->on_way[i];

		if (entry->sent || entry->shard != shard || entry->lsn > shards->log[shard].durable)
			continue;
		/* Closed meanwhile, by a receipt of an earlier sending: the parcel is for nobody.
		 */
		if (entry->is_receipt || ledger_parcel_make(shards->ledger[shard],
		                             entry->transfer_id, &entry->parcel) == 0)
			entry->sent = 1;
		else
			*entry = shards->on_way[--shards->on_way_count], i--;
	}
}

/* ---- Requests and commands ---- */

int shards_request_on(struct shards *shards, uint32_t shard, struct wire_request *wire,
    uint64_t terminal_id, struct event_buffer *event)
{
	struct ledger_request request = shards->asked;
	int length;

	request.wire = wire;
	request.terminal_id = terminal_id;
	wire->request_id = ++shards->request_id[terminal_id];
	length = ledger_decide(shards->ledger[shard], &request, shards->time_ns, event);
	if (length > 0)
		shards_take(shards, shard, event, (size_t)length);
	return length;
}

int shards_request(struct shards *shards, struct wire_request *wire, uint64_t terminal_id,
    struct event_buffer *event)
{
	return shards_request_on(
	    shards, shards_of_request(shards, wire, terminal_id), wire, terminal_id, event);
}

uint16_t shards_code(struct shards *shards, struct wire_request *wire, uint64_t terminal_id)
{
	struct event_buffer event;

	assert_true(shards_request(shards, wire, terminal_id, &event) > 0);
	return fixture_code(&event);
}

int shards_command_on(struct shards *shards, uint32_t shard, const struct ledger_command *command)
{
	struct event_buffer event;
	int length = ledger_decide_command(shards->ledger[shard], command, shards->time_ns, &event);

	if (length > 0)
		shards_take(shards, shard, &event, (size_t)length);
	return length;
}

int shards_command(struct shards *shards, const struct ledger_command *command)
{
	uint32_t bucket;
	int result = 0;

	if (ledger_command_bucket(command, &bucket))
		return shards_command_on(shards, shards->config[0].buckets.shard[bucket], command);
	for (uint32_t shard = 0; shard < SHARDS; shard++)
		result = shards_command_on(shards, shard, command);
	return result;
}

void shards_account(struct shards *shards, uint64_t id, int64_t amount, uint16_t currency)
{
	const struct ledger_command command = {
		.type = EVENT_ACCOUNT_OPEN, .account_id = id, .amount = amount, .currency = currency
	};

	assert_true(shards_command_on(shards, shards_of_key(shards, id), &command) >= 0);
}

unsigned shards_due(struct shards *shards, uint32_t shard, unsigned max)
{
	struct event_buffer event;
	unsigned count = 0;

	while (count < max) {
		int length = ledger_decide_due(shards->ledger[shard], shards->time_ns, &event);

		if (length == 0)
			break;
		if (length == -EAGAIN)
			continue;
		assert_true(length > 0);
		shards_take(shards, shard, &event, (size_t)length);
		count++;
	}
	return count;
}

/* ---- Between ---- */

static int parcel_deliver(struct shards *shards, const struct ledger_parcel *parcel)
{
	struct ledger *peer = shards->ledger[parcel->peer];
	struct event_buffer event;
	struct ledger_receipt receipt;
	struct on_way *entry;
	int length = ledger_decide_parcel(peer, parcel, shards->time_ns, &event, &receipt);

	if (length == -EAGAIN)
		return 0;
	if (length == -ESTALE) {
		/* A copy that was long on its way: nobody waits for the answer. */
		struct ledger_parcel open;

		assert_int_equal(
		    ledger_parcel_make(shards->ledger[parcel->source], parcel->transfer_id, &open),
		    -ENOENT);
		return 1;
	}
	assert_true(length >= 0);
	if (length > 0)
		shards_take(shards, parcel->peer, &event, (size_t)length);
	/* The answer is given when the event is durable, the first time or again. */
	entry = on_way_new(shards, parcel->peer, ledger_shard(peer)->lsn);
	entry->is_receipt = 1;
	entry->receipt = receipt;
	return 1;
}

static int receipt_deliver(struct shards *shards, const struct ledger_receipt *receipt)
{
	struct event_buffer event;
	int length = ledger_decide_receipt(
	    shards->ledger[receipt->source], receipt, shards->time_ns, &event);

	if (length == -EBUSY) { /* the account it goes back to is full: later */
		shards->busy = 1;
		return 0;
	}
	assert_true(length >= 0);
	if (length > 0)
		shards_take(shards, receipt->source, &event, (size_t)length);
	return 1;
}

int shards_deliver(struct shards *shards, unsigned nth, int again)
{
	struct on_way entry = shards->on_way[nth];

	if (!entry.sent)
		return 0;
	if (entry.is_receipt ? !receipt_deliver(shards, &entry.receipt)
	                     : !parcel_deliver(shards, &entry.parcel))
		return 0;
	if (!again)
		shards->on_way[nth] = shards->on_way[--shards->on_way_count];
	return 1;
}

void shards_settle_all(struct shards *shards)
{
	while (shards->on_way_count > 0) {
		int done = 0;

		shards->busy = 0;
		for (uint32_t shard = 0; shard < SHARDS; shard++)
			shards_sync(shards, shard);
		for (unsigned i = shards->on_way_count; i-- > 0;)
			done |= i < shards->on_way_count && shards_deliver(shards, i, 0);
		if (!done && shards->busy)
			return;
		assert_true(done || shards->on_way_count == 0);
	}
}

static struct ledger *replayed(struct shards *shards, uint32_t shard, uint64_t lsn_max)
{
	const struct shard_log *log = &shards->log[shard];
	struct ledger *ledger = ledger_new(shards, shard);

	for (uint64_t lsn = 1; lsn <= lsn_max; lsn++) {
		int error = ledger_apply(
		    ledger, log->bytes + log->at[lsn - 1], log->size - log->at[lsn - 1]);

		if (error != 0)
			fail_msg("replay of shard %u, lsn %llu: %d", shard, (unsigned long long)lsn,
			    error);
	}
	return ledger;
}

void shards_crash(struct shards *shards)
{
	shards->on_way_count = 0;
	for (uint32_t shard = 0; shard < SHARDS; shard++) {
		struct shard_log *log = &shards->log[shard];
		uint64_t lsn = ledger_shard(shards->ledger[shard])->lsn, id;
		struct ledger *ledger = replayed(shards, shard, log->durable);
		uint32_t row = 0;

		ledger_free(shards->ledger[shard]);
		shards->ledger[shard] = ledger;
		if (log->durable < lsn)
			log->size = log->at[log->durable];
		while ((id = ledger_transfer_open(ledger, &row)) != 0)
			on_way_new(shards, shard, 0)->transfer_id = id;
		shards_sync(shards, shard);
	}
}

void shards_check_replay(struct shards *shards)
{
	for (uint32_t shard = 0; shard < SHARDS; shard++) {
		struct ledger *ledger =
		    replayed(shards, shard, ledger_shard(shards->ledger[shard])->lsn);

		assert_true(ledger_state_hash(ledger) == ledger_state_hash(shards->ledger[shard]));
		assert_memory_equal(ledger_shard(ledger), ledger_shard(shards->ledger[shard]),
		    sizeof(struct shard_row));
		ledger_free(ledger);
	}
}
