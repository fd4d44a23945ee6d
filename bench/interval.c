/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/interval.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#define POLL_NS 20000000l

static double microseconds(uint64_t nanoseconds)
{
	return (double)((nanoseconds + 50) / 100) / 10.0;
}

static void line_write(struct interval *interval, uint64_t number)
{
	const struct histogram *latency = &interval->latency[number & 1];
	const struct interval_counts *at = &interval->at[number & 1];

	fprintf(interval->out,
	    "{\"interval\": %llu, \"seconds\": %.3f, \"acked\": %llu, \"accepted\": %llu, "
	    "\"resent\": %llu, \"busy\": %llu, \"failed\": %llu, \"latencies\": %llu, "
	    "\"p50_us\": %.1f, \"p99_us\": %.1f, \"p999_us\": %.1f, \"max_us\": %.1f}\n",
	    (unsigned long long)number, (double)(at->end_ns - at->begin_ns) / 1e9,
	    (unsigned long long)at->acked, (unsigned long long)at->accepted,
	    (unsigned long long)at->resent, (unsigned long long)at->busy,
	    (unsigned long long)at->failed, (unsigned long long)latency->count,
	    microseconds(histogram_quantile(latency, 50, 100)),
	    microseconds(histogram_quantile(latency, 99, 100)),
	    microseconds(histogram_quantile(latency, 999, 1000)), microseconds(latency->max));
	fflush(interval->out);
}

static void *interval_main(void *context)
{
	static const struct timespec pause = { .tv_nsec = POLL_NS };
	struct interval *interval = context;
	uint64_t written = 0;

	for (;;) {
		/* I3: what was closed before the stop is seen below. */
		int stop = atomic_load_explicit(&interval->stop, memory_order_acquire);

		/* I1 */
		if (atomic_load_explicit(&interval->closed, memory_order_acquire) > written) {
			line_write(interval, written);
			histogram_reset(&interval->latency[written & 1]);
			written++;
			/* I2: the histogram is empty before the loop takes it again. */
			atomic_store_explicit(&interval->written, written, memory_order_release);
			continue;
		}
		if (stop)
			return NULL;
		nanosleep(&pause, NULL);
	}
}

int interval_start(struct interval *interval, const char *path, unsigned seconds)
{
	int error;

	interval->out = strcmp(path, "-") == 0 ? stderr : fopen(path, "ae");
	if (interval->out == NULL)
		return -errno;
	histogram_reset(&interval->latency[0]);
	histogram_reset(&interval->latency[1]);
	interval->length_ns = seconds * 1000000000ull;
	error = pthread_create(&interval->thread, NULL, interval_main, interval);
	interval->running = error == 0;
	return -error;
}

void interval_finish(struct interval *interval)
{
	if (interval->running) {
		/* I3 */
		atomic_store_explicit(&interval->stop, 1, memory_order_release);
		pthread_join(interval->thread, NULL);
	}
	interval->running = 0;
	if (interval->out != NULL && interval->out != stderr)
		fclose(interval->out);
	interval->out = NULL;
}

void interval_begin(struct interval *interval, uint64_t now_ns)
{
	interval->at[0] =
	    (struct interval_counts){ .begin_ns = now_ns, .end_ns = now_ns + interval->length_ns };
}

void interval_close(
    struct interval *interval, const struct interval_counts *totals, uint64_t now_ns)
{
	struct interval_counts *at = &interval->at[interval->number & 1], *next;

	/* I2 */
	if (atomic_load_explicit(&interval->written, memory_order_acquire) < interval->number) {
		at->end_ns = now_ns + interval->length_ns;
		return;
	}
	next = &interval->at[(interval->number + 1) & 1];
	/* Totals at the begin were kept in place of the interval's own counts. */
	*next = *totals;
	next->begin_ns = now_ns;
	next->end_ns = now_ns + interval->length_ns;
	at->acked = totals->acked - at->acked;
	at->accepted = totals->accepted - at->accepted;
	at->resent = totals->resent - at->resent;
	at->busy = totals->busy - at->busy;
	at->failed = totals->failed - at->failed;
	at->end_ns = now_ns;
	interval->number++;
	/* I1 */
	atomic_store_explicit(&interval->closed, interval->number, memory_order_release);
}
