/* SPDX-License-Identifier: Apache-2.0 */
/* Families made of the data plane's answers to "status" and "histograms" (dataplane/admin). */
#include <stdlib.h>
#include <string.h>

#include "control/metrics/metrics_table.h"
#include "control/metrics/metrics_text.h"

enum scale {
	COUNT,
	NS,
};

static const struct shard_row {
	const char *field, *name, *type;
	enum scale scale;
	const char *help;
} shard_rows[] = {
#define SHARD_ROW(field, name, type, scale, help) { #field, name, #type, scale, help },
	METRICS_SHARD(SHARD_ROW)
#undef SHARD_ROW
};

static const struct lag_row {
	const char *name, *ahead, *behind, *help;
} lag_rows[] = {
#define LAG_ROW(name, ahead, behind, help) { name, #ahead, #behind, help },
	METRICS_LAGS(LAG_ROW)
#undef LAG_ROW
};

/* A whole number, or one in a string where 2^53 may be passed. 1 when it was there. */
static int number_of(const json_t *value, uint64_t *out)
{
	const char *text = json_string_value(value);
	char *end;

	if (json_is_integer(value)) {
		*out = (uint64_t)json_integer_value(value);
		return 1;
	}
	if (text == NULL || text[0] < '0' || text[0] > '9')
		return 0;
	*out = strtoull(text, &end, 10);
	return *end == '\0';
}

static int field_of(const json_t *object, const char *name, uint64_t *out)
{
	return number_of(json_object_get(object, name), out);
}

static void shard_labels(const json_t *shard, size_t index, char labels[METRICS_LABELS_SIZE])
{
	uint64_t number = index;

	(void)field_of(shard, "shard", &number);
	labels[0] = '\0';
	metrics_label_number(labels, "shard", number);
}

static void add_shards(struct metrics_text *text, const json_t *shards)
{
	char labels[METRICS_LABELS_SIZE];
	const json_t *shard;
	uint64_t value, behind;
	size_t i;

	for (size_t r = 0; r < SLUICE_ARRAY_COUNT(shard_rows); r++) {
		const struct shard_row *row = &shard_rows[r];

		metrics_family(text, row->name, row->type, row->help);
		json_array_foreach(shards, i, shard)
		{
			if (!field_of(shard, row->field, &value))
				continue;
			shard_labels(shard, i, labels);
			if (row->scale == NS)
				metrics_sample_ns(text, "", labels, value);
			else
				metrics_sample(text, "", labels, value);
		}
	}
	for (size_t r = 0; r < SLUICE_ARRAY_COUNT(lag_rows); r++) {
		metrics_family(text, lag_rows[r].name, "gauge", lag_rows[r].help);
		json_array_foreach(shards, i, shard)
		{
			if (!field_of(shard, lag_rows[r].ahead, &value) ||
			    !field_of(shard, lag_rows[r].behind, &behind))
				continue;
			shard_labels(shard, i, labels);
			/* Counters are read one by one: the one behind may be newer. */
			metrics_sample(text, "", labels, value > behind ? value - behind : 0);
		}
	}
}

/* One sample per member of an object of counts. */
static void add_counts(struct metrics_text *text, const json_t *object, const char *label,
    const char labels[METRICS_LABELS_SIZE])
{
	char with_name[METRICS_LABELS_SIZE];
	const char *name;
	json_t *member;
	uint64_t value;

	/* jansson keeps the order of insertion, which is that of the data plane's tables. */
	json_object_foreach((json_t *)(uintptr_t)object, name, member)
	{
		if (!number_of(member, &value))
			continue;
		memcpy(with_name, labels, METRICS_LABELS_SIZE);
		metrics_label(with_name, label, name);
		metrics_sample(text, "", with_name, value);
	}
}

/* Of each shard. A data plane that has only the sum over all gives samples without a shard. */
static void add_named(
    struct metrics_text *text, const json_t *status, const char *field, const char *label)
{
	const json_t *shards = json_object_get(status, "shards"), *shard;
	char labels[METRICS_LABELS_SIZE] = "";
	int by_shard = 0;
	size_t i;

	json_array_foreach(shards, i, shard)
	{
		const json_t *object = json_object_get(shard, field);

		if (object == NULL)
			continue;
		by_shard = 1;
		shard_labels(shard, i, labels);
		add_counts(text, object, label, labels);
	}
	labels[0] = '\0';
	if (!by_shard)
		add_counts(text, json_object_get(status, field), label, labels);
}

static void add_ports(struct metrics_text *text, const json_t *ports)
{
	const json_t *port;
	uint64_t udp_port;
	size_t i;

	metrics_family(text, "sluice_port_info", "gauge", "Network ports of the switch.");
	json_array_foreach(ports, i, port)
	{
		char labels[METRICS_LABELS_SIZE] = "";

		metrics_label_number(labels, "port", i);
		metrics_label(labels, "type", json_string_value(json_object_get(port, "type")));
		metrics_label(
		    labels, "address", json_string_value(json_object_get(port, "address")));
		if (field_of(port, "udp_port", &udp_port))
			metrics_label_number(labels, "udp_port", udp_port);
		metrics_sample(text, "", labels, 1);
	}
}

void metrics_add_status(struct metrics_text *text, const json_t *status)
{
	const json_t *open = json_object_get(status, "open");
	uint64_t value;

	metrics_family(text, "sluice_ports_open", "gauge", "1 when terminals are answered.");
	if (json_is_boolean(open))
		metrics_sample(text, "", "", json_is_true(open));
	else if (number_of(open, &value))
		metrics_sample(text, "", "", value != 0);
	metrics_family(text, "sluice_recovery_seconds", "gauge",
	    "Time the data plane took to recover at its last start.");
	if (field_of(status, "recovery_ns", &value))
		metrics_sample_ns(text, "", "", value);
	metrics_family(text, "sluice_dataplane_start_timestamp_seconds", "gauge",
	    "When the data plane was started.");
	if (field_of(status, "started_ns", &value))
		metrics_sample_ns(text, "", "", value);
	add_ports(text, json_object_get(status, "ports"));
	add_shards(text, json_object_get(status, "shards"));
	metrics_family(text, "sluice_drops_total", "counter",
	    "Datagrams dropped without an answer, by reason.");
	add_named(text, status, "drops", "reason");
	metrics_family(text, "sluice_answers_total", "counter", "Answers by code.");
	add_named(text, status, "codes", "code");
	metrics_family(text, "sluice_queue_entries", "gauge",
	    "What waits for a worker in its rings; history: for the reader.");
	add_named(text, status, "queues", "queue");
}

/* ---- Histograms ---- */

#define BOUNDS_MAX 1024

struct bounds {
	uint64_t ns[BOUNDS_MAX];
	size_t count;
};

static int bounds_read(const json_t *array, struct bounds *bounds)
{
	const json_t *value;
	size_t i;

	bounds->count = json_array_size(array);
	if (bounds->count == 0 || bounds->count > BOUNDS_MAX)
		return 0;
	json_array_foreach(array, i, value)
	{
		if (!number_of(value, &bounds->ns[i]) ||
		    (i > 0 && bounds->ns[i] <= bounds->ns[i - 1]))
			return 0;
	}
	return 1;
}

/*
 * Cumulative, as Prometheus wants. The data plane has four bounds in each power of two; every other
 * series would be dead weight in every scrape, so a bound is shown when it is twice the last one.
 */
static void add_histogram(
    struct metrics_text *text, const struct bounds *bounds, const json_t *stage, const char *labels)
{
	const json_t *counts = json_object_get(stage, "counts");
	uint64_t total = 0, count, sum, shown = 0;
	char with_bound[METRICS_LABELS_SIZE], seconds[40];

	/* One more count than bounds: what lies above the last. */
	if (json_array_size(counts) != bounds->count + 1 || !field_of(stage, "sum_ns", &sum))
		return;
	for (size_t i = 0; i <= bounds->count; i++)
		if (!number_of(json_array_get(counts, i), &count))
			return;
	for (size_t i = 0; i < bounds->count; i++) {
		(void)number_of(json_array_get(counts, i), &count);
		total += count;
		if (bounds->ns[i] < 2 * shown)
			continue;
		shown = bounds->ns[i];
		metrics_seconds(shown, seconds, sizeof(seconds));
		snprintf(with_bound, sizeof(with_bound), "%s", labels);
		metrics_label(with_bound, "le", seconds);
		metrics_sample(text, "_bucket", with_bound, total);
	}
	(void)number_of(json_array_get(counts, bounds->count), &count);
	total += count;
	snprintf(with_bound, sizeof(with_bound), "%s", labels);
	metrics_label(with_bound, "le", "+Inf");
	metrics_sample(text, "_bucket", with_bound, total);
	metrics_sample_ns(text, "_sum", labels, sum);
	metrics_sample(text, "_count", labels, total);
}

void metrics_add_histograms(struct metrics_text *text, const json_t *histograms)
{
	const json_t *shards = json_object_get(histograms, "shards"), *shard;
	struct bounds bounds;
	size_t i;

	if (!bounds_read(json_object_get(histograms, "bounds_ns"), &bounds))
		return;
	metrics_family(text, "sluice_stage_latency_seconds", "histogram",
	    "Time of requests, journal writes and loop turns, by stage.");
	json_array_foreach(shards, i, shard)
	{
		const char *name;
		json_t *stage;

		json_object_foreach(json_object_get(shard, "stages"), name, stage)
		{
			char labels[METRICS_LABELS_SIZE];

			shard_labels(shard, i, labels);
			metrics_label(labels, "stage", name);
			add_histogram(text, &bounds, stage, labels);
		}
	}
}
