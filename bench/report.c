/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/report.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "wire/codes.h"

/* Batches of the journal that the block layer may have merged into one write or flush. */
#define DEVICE_MERGE_MAX 8

static void set_integer(json_t *report, const char *name, uint64_t value)
{
	json_object_set_new(report, name, json_integer((json_int_t)value));
}

static void set_real(json_t *report, const char *name, double value)
{
	json_object_set_new(report, name, json_real(value));
}

/* Nanoseconds as microseconds with one decimal kept. */
static void set_us(json_t *report, const char *name, uint64_t nanoseconds)
{
	set_real(report, name, (double)((nanoseconds + 50) / 100) / 10.0);
}

static double per_second(uint64_t count, uint64_t nanoseconds)
{
	return nanoseconds == 0 ? 0.0 : (double)count * 1e9 / (double)nanoseconds;
}

/* Rounded to whole requests a second: more would pretend precision. */
static void set_rate(json_t *report, const char *name, uint64_t count, uint64_t nanoseconds)
{
	set_integer(report, name, (uint64_t)(per_second(count, nanoseconds) + 0.5));
}

static double share(uint64_t part, uint64_t whole)
{
	return whole == 0 ? 0.0 : (double)part / (double)whole;
}

static void add_latency(json_t *report, const struct histogram *latency)
{
	set_us(report, "p50_us", histogram_quantile(latency, 50, 100));
	set_us(report, "p90_us", histogram_quantile(latency, 90, 100));
	set_us(report, "p99_us", histogram_quantile(latency, 99, 100));
	set_us(report, "p999_us", histogram_quantile(latency, 999, 1000));
	set_us(report, "max_us", latency->max);
	set_integer(report, "latencies", latency->count);
}

/* Where every request and datagram went. */
static void add_shed(json_t *report, const struct load *load)
{
	const struct load_counts *counts = &load->counts;
	const struct flood *flood = &load->flood;
	uint64_t others = 0;

	set_integer(report, "due_total", counts->due_total);
	set_integer(report, "left_in_ring", counts->left_in_ring);
	set_integer(report, "no_terminal", counts->no_terminal);
	set_integer(report, "datagrams_sent", load->io->counters.sent);
	if (flood->kind == FLOOD_NONE)
		return;
	for (uint32_t i = 1; i < load->terminal_count; i++)
		others += load->terminals[i].acked;
	json_object_set_new(report, "flood",
	    json_pack("{s:s,s:I,s:I,s:I,s:I,s:f}", "kind", flood_kind_name(flood->kind), "rate",
	        (json_int_t)flood->rate, "sent", (json_int_t)flood->sent, "left_in_ring",
	        (json_int_t)flood->left_in_ring, "victim_acked",
	        (json_int_t)load->terminals[0].acked, "others_acked_mean",
	        share(others, load->terminal_count - 1)));
}

/* Requests by kind, and why those refused were. */
static void add_kinds(json_t *report, const struct report_input *input)
{
	const struct load *load = input->load;
	json_t *requests = json_object(), *refused = json_object();

	for (int i = 0; i < REQUEST_KINDS; i++)
		if (load->kinds_acked[i] > 0)
			json_object_set_new(requests, request_kind_name((enum request_kind)i),
			    json_pack("{s:I,s:I}", "acked", (json_int_t)load->kinds_acked[i],
			        "accepted", (json_int_t)load->kinds_accepted[i]));
	for (unsigned i = 0; i < wire_code_count(); i++) {
		uint16_t code = wire_code_at(i);

		if (load->codes[code] > 0 && code != WIRE_CODE_OK && wire_code_is_final(code))
			set_integer(refused, wire_code_name(code), load->codes[code]);
	}
	json_object_set_new(report, "workload",
	    json_string(load->plan.workload == WORKLOAD_MIXED ? "mixed" : "bets"));
	set_real(report, "zipf", input->options->zipf);
	set_integer(report, "hot_permille", load->plan.hot_permille);
	json_object_set_new(report, "requests", requests);
	json_object_set_new(report, "refused", refused);
}

static void add_load(json_t *report, const struct report_input *input)
{
	const struct load *load = input->load;
	const struct load_counts *counts = &load->counts;
	uint64_t measured_ns = load->end_ns - load->measure_ns;
	json_t *codes = json_object();

	set_rate(report, "acked_per_s", counts->acked, measured_ns);
	set_real(report, "accepted_share", share(counts->accepted, counts->acked));
	set_rate(report, "offered_per_s", counts->offered, measured_ns);
	set_integer(report, "lost", counts->lost);
	set_integer(report, "duplicated", counts->duplicated);
	add_latency(report, &load->latency);
	json_object_set_new(
	    report, "loop", json_string(load->in_flight_max > 0 ? "closed" : "open"));
	set_integer(report, "in_flight", load->in_flight_max);
	set_integer(report, "rate", load->rate);
	set_integer(report, "messages_per_datagram", load->messages_per_datagram);
	set_integer(report, "accounts", input->options->account_count);
	set_integer(report, "sessions", load->terminal_count);
	set_integer(report, "markets_selections", load->plan.choice_count);
	set_integer(report, "seed", load->plan.seed);
	set_real(report, "seconds", (double)measured_ns / 1e9);
	set_integer(report, "acked_total", counts->acked_total);
	set_integer(report, "unsent", counts->unsent);
	set_integer(report, "resent", counts->resent);
	set_integer(report, "busy", counts->busy);
	set_integer(report, "in_progress", counts->in_progress);
	set_integer(report, "resets", counts->resets);
	set_integer(report, "failed", counts->failed);
	set_integer(report, "answers_repeated", counts->answers_repeated);
	set_integer(report, "bad_answers", counts->bad_answers);
	set_integer(report, "tx_full_turns", load->io->counters.turns_tx_full);
	json_object_set_new(report, "generator_polls", json_boolean(load->polls));
	set_us(report, "generator_turn_max_us", counts->turn_ns_max);
	add_shed(report, load);
	add_kinds(report, input);
	for (unsigned i = 0; i < wire_code_count(); i++) {
		uint16_t code = wire_code_at(i);

		if (load->codes[code] > 0)
			set_integer(codes, wire_code_name(code), load->codes[code]);
	}
	json_object_set_new(report, "codes", codes);
}

/* Difference of a per-shard sum over the measured time. */
static uint64_t grown(const struct report_input *input, const char *name)
{
	return status_sum(input->observer->end.status, name) -
	       status_sum(input->observer->begin.status, name);
}

/* What became of the datagrams at the switch, over the whole run. */
static void add_datagrams(json_t *report, const struct report_input *input)
{
	const json_t *before = json_object_get(input->before->status, "drops");
	json_t *after = json_object_get(input->after->status, "drops");
	json_t *drops = json_object();
	uint64_t missed = 0;
	const char *name;
	const json_t *value;
	size_t index;

	json_object_foreach(after, name, value)
	{
		json_int_t count =
		    json_integer_value(value) - json_integer_value(json_object_get(before, name));

		if (count != 0)
			json_object_set_new(drops, name, json_integer(count));
	}
	json_array_foreach(json_object_get(input->after->status, "ports"), index, value) missed +=
	    (uint64_t)json_integer_value(json_object_get(value, "missed"));
	set_integer(report, "datagrams_opened",
	    status_sum(input->after->status, "datagrams_in") -
	        status_sum(input->before->status, "datagrams_in"));
	json_object_set_new(report, "datagrams_dropped", drops);
	set_integer(report, "imissed", missed);
	set_integer(report, "resets_sent",
	    status_sum(input->after->status, "resets_sent") -
	        status_sum(input->before->status, "resets_sent"));
}

/* How much there is at the end: rows, events, files. */
static json_t *data_size(const json_t *status)
{
	static const char *const names[] = { "accounts", "bets", "durable_lsn", "log_bytes",
		"row_bytes" };
	json_t *object = json_object();

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(names); i++)
		set_integer(object, names[i], status_sum(status, names[i]));
	return object;
}

/* Whether the rules in force judge by the states of accounts and terminals, on every shard. */
static json_t *risk_factors(const json_t *status)
{
	size_t shards = json_array_size(json_object_get(status, "shards"));

	return shards == 0 ? json_null()
	                   : json_boolean(status_sum(status, "rule_factors") == shards);
}

/* The data plane's own figures; null where it could not be asked. */
static void add_dataplane(json_t *report, const struct report_input *input)
{
	const json_t *end = input->observer->end.status;
	const json_t *placement = json_object_get(end, "cpu_placement");
	const json_t *interrupt = json_object_get(placement, "journal_interrupt_cpu");
	uint64_t durable = status_sum(end, "durable_lsn");
	uint64_t committed = status_sum(end, "committed_lsn");
	uint64_t messages = 0;

	if (end != NULL && input->observer->begin.status != NULL)
		messages = grown(input, "busy_messages");
	json_object_set_new(report, "worker_busy_ns_per_message",
	    messages == 0 ? json_null() : json_real(share(grown(input, "busy_ns"), messages)));
	json_object_set_new(report, "store_running",
	    messages == 0 ? json_null() : json_boolean(grown(input, "committed_lsn") > 0));
	json_object_set_new(report, "store_lag_events",
	    end == NULL
	        ? json_null()
	        : json_integer((json_int_t)(durable > committed ? durable - committed : 0)));
	json_object_set_new(report, "risk_factors", risk_factors(end));
	json_object_set_new(report, "journal_interrupt_cpu",
	    interrupt != NULL ? json_deep_copy(interrupt) : json_null());
	if (input->before->status != NULL && input->after->status != NULL) {
		add_datagrams(report, input);
		set_integer(report, "events_logged",
		    status_sum(input->after->status, "durable_lsn") -
		        status_sum(input->before->status, "durable_lsn"));
		set_integer(
		    report, "events_in_log", status_sum(input->after->status, "durable_lsn"));
		set_integer(report, "bets_in_memory", status_sum(input->after->status, "bets"));
		json_object_set_new(report, "data", data_size(input->after->status));
		json_object_set(report, "drops", json_object_get(input->after->status, "drops"));
	}
}

static void add_placement(json_t *report, const struct report_input *input)
{
	const json_t *placement = json_object_get(input->observer->end.status, "cpu_placement");
	json_t *object = placement != NULL ? json_deep_copy(placement) : json_object();
	const struct observation *begin = &input->observer->begin, *end = &input->observer->end;
	uint64_t elapsed_ns = end->time_ns - begin->time_ns;
	json_t *cores = json_object();

	json_object_set_new(object, "bench", json_integer(sched_getcpu()));
	json_object_set_new(report, "cpu_placement", object);
	set_integer(cores, "machine", (uint64_t)sysconf(_SC_NPROCESSORS_ONLN));
	set_real(cores, "bench", share(end->bench_cpu_ns - begin->bench_cpu_ns, elapsed_ns));
	if (begin->dataplane_cpu_ns != 0 && end->dataplane_cpu_ns >= begin->dataplane_cpu_ns)
		set_real(cores, "dataplane",
		    share(end->dataplane_cpu_ns - begin->dataplane_cpu_ns, elapsed_ns));
	json_object_set_new(report, "cores", cores);
}

const char *report_durable_refusal(const struct report_input *input)
{
	const struct observation *before = input->before, *after = input->after;
	uint64_t batches;

	if (input->options->disk == NULL || !before->has_disk || !after->has_disk)
		return "the journal's folder was not given with --disk";
	if (before->disk.refusal[0] != '\0')
		return before->disk.refusal;
	if (after->status == NULL)
		return "the data plane was not asked (--admin)";
	if (input->journal_files == 0)
		return "the data plane has no journal segment open for writing below --disk";
	if (input->journal_files_direct != input->journal_files)
		return "a journal segment is open without O_DIRECT";
	batches = status_sum(after->status, "batches") - status_sum(before->status, "batches");
	if (after->disk.writes - before->disk.writes < batches / DEVICE_MERGE_MAX + 1)
		return "the device wrote less often than the journal";
	if (!probe_disk_must_flush(&after->disk))
		return NULL;
	if (!after->disk.has_flush_count)
		return "the device has a volatile cache and counts no flushes";
	if (after->disk.flushes - before->disk.flushes < batches / DEVICE_MERGE_MAX + 1)
		return "the device has a volatile cache and was flushed less often than written";
	return NULL;
}

/*
 * The log against what was acknowledged. A shard writes a TICK at most once a second, so a few more
 * events than acknowledgements are expected, and never fewer.
 */
static void problems_log(json_t *problems, const struct report_input *input)
{
	const json_t *before = input->before->status, *after = input->after->status;
	uint64_t logged, ticks, acked;

	if (before == NULL || after == NULL) {
		if (input->options->admin != NULL)
			json_array_append_new(
			    problems, json_string("the data plane did not say what it logged"));
		return;
	}
	acked = input->load->counts.acked_total - input->load->counts.asked_total;
	logged = status_sum(after, "durable_lsn") - status_sum(before, "durable_lsn");
	/* What a settlement wrote was asked for by nobody's request: it and its three marks. */
	logged -= status_sum(after, "walk_events") - status_sum(before, "walk_events");
	ticks = (input->options->settle_market != 0 ? 3 : 0) +
	        json_array_size(json_object_get(after, "shards")) *
	            ((input->after->time_ns - input->before->time_ns) / 1000000000u + 2);
	if (logged < acked)
		json_array_append_new(problems,
		    json_sprintf("%" JSON_INTEGER_FORMAT " acknowledgements are not in the log",
		        (json_int_t)(acked - logged)));
	else if (logged - acked > ticks)
		json_array_append_new(problems,
		    json_sprintf("%" JSON_INTEGER_FORMAT
		                 " events in the log were not acknowledged, %" JSON_INTEGER_FORMAT
		                 " of them TICKs at most",
		        (json_int_t)(logged - acked), (json_int_t)ticks));
}

json_t *report_problems(const struct report_input *input)
{
	const struct load_counts *counts = &input->load->counts;
	json_t *problems = json_array();

	if (counts->acked == 0)
		json_array_append_new(
		    problems, json_string("nothing was acknowledged in the measured time"));
	if (counts->lost != 0)
		json_array_append_new(problems, json_string("requests were lost"));
	if (counts->duplicated != 0)
		json_array_append_new(problems, json_string("requests had a second outcome"));
	if (counts->failed != 0)
		json_array_append_new(
		    problems, json_string("requests failed without an outcome, see codes"));
	if (counts->accepted * 100 < counts->acked * 99)
		json_array_append_new(
		    problems, json_string("fewer than 99 of 100 bets were accepted, see codes"));
	problems_log(problems, input);
	if (input->load->settle.failed)
		json_array_append_new(problems,
		    json_sprintf("the market was not settled: %s", input->load->settle.message));
	return problems;
}

/* The settlement of a market under this load. */
static void add_settlement(json_t *report, const struct report_input *input)
{
	const struct load *load = input->load;
	const struct settle *settle = &load->settle;
	uint64_t during = histogram_quantile(&load->latency_during, 99, 100);
	uint64_t without = histogram_quantile(&load->latency_before, 99, 100);
	/* The thread has ended. */
	uint64_t started = atomic_load_explicit(&settle->started_ns, memory_order_relaxed);
	uint64_t ended = atomic_load_explicit(&settle->ended_ns, memory_order_relaxed);
	json_t *object;

	if (settle->market_id == 0 || settle->failed || ended == UINT64_MAX)
		return;
	object = json_object();
	set_integer(object, "market", settle->market_id);
	set_integer(object, "bets", settle->bets);
	set_real(object, "seconds", (double)(ended - started) / 1e9);
	set_us(object, "live_p50_us_without", histogram_quantile(&load->latency_before, 50, 100));
	set_us(object, "live_p50_us_during", histogram_quantile(&load->latency_during, 50, 100));
	set_us(object, "live_p99_us_without", without);
	set_us(object, "live_p99_us_during", during);
	set_us(object, "live_p99_us_others", histogram_quantile(&load->latency, 99, 100));
	set_real(object, "ratio", without == 0 ? 0.0 : (double)during / (double)without);
	set_integer(object, "live_bets_without", load->latency_before.count);
	set_integer(object, "live_bets_during", load->latency_during.count);
	json_object_set_new(report, "settlement", object);
}

static void add_disk(json_t *report, const struct report_input *input)
{
	const char *refusal = report_durable_refusal(input);

	json_object_set_new(report, "durable", json_boolean(refusal == NULL));
	if (refusal != NULL)
		json_object_set_new(report, "durable_refused", json_string(refusal));
	if (input->before->has_disk) {
		const struct probe_disk *disk = &input->before->disk;

		json_object_set_new(report, "disk",
		    json_sprintf("%s %s", disk->device[0] != '\0' ? disk->device : "none",
		        disk->file_system));
		set_integer(report, "disk_flushes", input->after->disk.flushes - disk->flushes);
		set_integer(report, "disk_writes", input->after->disk.writes - disk->writes);
		json_object_set_new(report, "disk_write_cache",
		    disk->write_cache[0] != '\0' ? json_string(disk->write_cache) : json_null());
		json_object_set_new(report, "disk_fua", json_boolean(disk->fua));
		set_integer(report, "journal_files", input->journal_files);
		set_integer(report, "journal_files_direct", input->journal_files_direct);
	} else {
		json_object_set_new(report, "disk", json_null());
	}
	if (input->write != NULL) {
		set_us(report, "write_p50_us", input->write->p50_ns);
		set_us(report, "write_p99_us", input->write->p99_ns);
	} else {
		json_object_set_new(report, "write_p50_us", json_null());
	}
}

/* "model name" of the first CPU, or the machine's architecture. */
static void cpu_name(char out[128])
{
	char line[256];
	FILE *file = fopen("/proc/cpuinfo", "re");
	struct utsname name;

	uname(&name);
	snprintf(out, 128, "%.120s", name.machine);
	if (file == NULL)
		return;
	while (fgets(line, sizeof(line), file) != NULL) {
		char *colon = strchr(line, ':');

		if (strncmp(line, "model name", 10) != 0 || colon == NULL)
			continue;
		colon[strcspn(colon, "\n")] = '\0';
		snprintf(out, 128, "%.120s", colon + 2);
		break;
	}
	fclose(file);
}

static void add_machine(json_t *report)
{
	struct utsname name;
	char cpu[128];

	uname(&name);
	cpu_name(cpu);
	json_object_set_new(report, "machine",
	    json_pack("{s:s,s:s,s:I}", "kernel", name.release, "cpu", cpu, "cpus",
	        (json_int_t)sysconf(_SC_NPROCESSORS_ONLN)));
}

json_t *report_make(const struct report_input *input)
{
	json_t *report = json_object();
	json_t *problems = report_problems(input);
	const char *port = input->options->io.port;

	json_object_set_new(report, "schema", json_string("sluice-bench/1"));
	json_object_set_new(report, "ok", json_boolean(json_array_size(problems) == 0));
	json_object_set_new(report, "problems", problems);
	json_object_set_new(report, "port", json_stringn(port, strcspn(port, ":")));
	json_object_set_new(report, "network_included", json_boolean(1));
	add_load(report, input);
	add_settlement(report, input);
	add_dataplane(report, input);
	add_placement(report, input);
	add_disk(report, input);
	add_machine(report);
	return report;
}

int report_is_good(const json_t *report)
{
	return json_is_true(json_object_get(report, "ok"));
}

void report_print(const json_t *report)
{
	static const char *const names[] = { "ok", "problems", "port", "loop", "in_flight", "rate",
		"messages_per_datagram", "sessions", "accounts", "seconds", "acked_per_s",
		"offered_per_s", "accepted_share", "lost", "duplicated", "resent", "busy",
		"in_progress", "unsent", "p50_us", "p90_us", "p99_us", "p999_us", "max_us",
		"workload", "requests", "refused", "settlement", "write_p50_us",
		"worker_busy_ns_per_message", "risk_factors", "store_running", "store_lag_events",
		"generator_polls", "durable", "durable_refused", "disk", "disk_write_cache",
		"disk_fua", "journal_interrupt_cpu", "cpu_placement", "cores", "codes" };

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(names); i++) {
		json_t *value = json_object_get(report, names[i]);
		char *text;

		if (value == NULL)
			continue;
		text = json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(6));
		printf("%-28s %s\n", names[i], text != NULL ? text : "?");
		free(text);
	}
}
