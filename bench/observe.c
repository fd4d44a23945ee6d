/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/observe.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "wire/admin/admin_client.h"

#define OBSERVE_TIMEOUT_S 5

static uint64_t monotonic_ns(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000000ull + (uint64_t)time.tv_nsec;
}

static uint64_t own_cpu_ns(void)
{
	struct timespec time;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
	return (uint64_t)time.tv_sec * 1000000000ull + (uint64_t)time.tv_nsec;
}

/* utime + stime of /proc/PID/stat (proc(5) fields 14 and 15); 0 when there is no such process. */
static uint64_t process_cpu_ns(int pid)
{
	unsigned long long user = 0, kernel = 0;
	char path[64], line[1024], *rest;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	file = fopen(path, "re");
	if (file == NULL)
		return 0;
	rest = fgets(line, sizeof(line), file);
	fclose(file);
	/* The name in parentheses may hold anything: count from its end. */
	rest = rest != NULL ? strrchr(line, ')') : NULL;
	if (rest == NULL ||
	    sscanf(rest + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu", &user,
	        &kernel) != 2)
		return 0;
	return (user + kernel) * (1000000000ull / (unsigned long long)sysconf(_SC_CLK_TCK));
}

void observation_take(
    struct observation *observation, const char *admin_path, const char *directory)
{
	char message[PROBE_MESSAGE_SIZE];
	struct admin_client admin;

	memset(observation, 0, sizeof(*observation));
	if (admin_path != NULL) {
		json_t *status = NULL;

		if (admin_client_open(&admin, admin_path, OBSERVE_TIMEOUT_S) == 0 &&
		    admin_client_call(&admin, json_pack("{s:s}", "cmd", "status"), &status) == 0)
			observation->status = status;
		admin_client_close(&admin);
	}
	observation->time_ns = monotonic_ns();
	observation->bench_cpu_ns = own_cpu_ns();
	if (observation->status != NULL)
		observation->dataplane_cpu_ns = process_cpu_ns(
		    (int)json_integer_value(json_object_get(observation->status, "pid")));
	if (directory != NULL)
		observation->has_disk =
		    probe_disk_read(directory, &observation->disk, message) == 0;
}

void observation_release(struct observation *observation)
{
	json_decref(observation->status);
	observation->status = NULL;
}

/* Looks every tenth of a second whether the load has ended before its time. */
#define OBSERVE_NAP_NS 100000000ull

static void sleep_until(uint64_t time_ns, atomic_int *finished)
{
	/* Pairs with the store in observer_finish; orders nothing else. */
	while (monotonic_ns() < time_ns && !atomic_load_explicit(finished, memory_order_relaxed)) {
		uint64_t now_ns = monotonic_ns();
		uint64_t next_ns =
		    now_ns + OBSERVE_NAP_NS < time_ns ? now_ns + OBSERVE_NAP_NS : time_ns;
		struct timespec time = { .tv_sec = (time_t)(next_ns / 1000000000u),
			.tv_nsec = (long)(next_ns % 1000000000u) };

		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL);
	}
}

static void *observer_main(void *context)
{
	struct observer *observer = context;

	sleep_until(observer->begin_ns, &observer->finished);
	observation_take(&observer->begin, observer->admin_path, observer->directory);
	sleep_until(observer->end_ns, &observer->finished);
	observation_take(&observer->end, observer->admin_path, observer->directory);
	return NULL;
}

int observer_start(struct observer *observer)
{
	int error = pthread_create(&observer->thread, NULL, observer_main, observer);

	observer->started = error == 0;
	return -error;
}

void observer_finish(struct observer *observer)
{
	/* Pairs with the load in sleep_until; orders nothing else. */
	atomic_store_explicit(&observer->finished, 1, memory_order_relaxed);
	if (observer->started)
		pthread_join(observer->thread, NULL);
	observer->started = 0;
}

uint64_t status_sum(const json_t *status, const char *name)
{
	const json_t *shard;
	uint64_t sum = 0;
	size_t index;

	json_array_foreach(json_object_get(status, "shards"), index, shard) sum +=
	    (uint64_t)json_integer_value(json_object_get(shard, name));
	return sum;
}
