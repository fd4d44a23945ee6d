/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/faults/rules.h"

#include <errno.h>
#include <fnmatch.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define RULES_MAX 32

struct rule {
	char glob[128];
	enum rule_operation operation;
	struct rule_verdict verdict;
	uint64_t skip, count;
};

static struct rule rules[RULES_MAX];
static unsigned rule_count;
static uint64_t hits, generation; /* generation: raised by rules_clear */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cleared = PTHREAD_COND_INITIALIZER;

static const char *const operation_names[RULE_OPERATIONS] = { "read", "write", "grow", "sync" };

static int operation_parse(const char *word, enum rule_operation *operation)
{
	for (int i = 0; i < RULE_OPERATIONS; i++) {
		if (strcmp(word, operation_names[i]) == 0) {
			*operation = (enum rule_operation)i;
			return 0;
		}
	}
	return -EINVAL;
}

static int action_parse(const char *word, struct rule_verdict *verdict)
{
	unsigned delay_ms;

	*verdict = (struct rule_verdict){ 0 };
	if (strcmp(word, "eio") == 0)
		verdict->error = -EIO;
	else if (strcmp(word, "enospc") == 0)
		verdict->error = -ENOSPC;
	else if (strcmp(word, "torn") == 0)
		*verdict = (struct rule_verdict){ .error = -EIO, .torn = 1 };
	else if (strcmp(word, "lie") == 0)
		verdict->lie = 1;
	else if (strcmp(word, "hold") == 0)
		verdict->hold = 1;
	else if (sscanf(word, "delay=%u", &delay_ms) == 1)
		verdict->delay_ms = delay_ms;
	else
		return -EINVAL;
	return 0;
}

int rules_add(const char *words)
{
	struct rule rule = { .count = UINT64_MAX };
	char operation[16], action[32], more[2][32] = { "", "" };
	int found = sscanf(
	    words, "%127s %15s %31s %31s %31s", rule.glob, operation, action, more[0], more[1]);

	if (found < 3 || operation_parse(operation, &rule.operation) != 0 ||
	    action_parse(action, &rule.verdict) != 0)
		return -EINVAL;
	for (int i = 0; i < found - 3; i++) {
		if (strncmp(more[i], "skip=", 5) == 0)
			rule.skip = strtoull(more[i] + 5, NULL, 10);
		else if (strncmp(more[i], "count=", 6) == 0)
			rule.count = strtoull(more[i] + 6, NULL, 10);
		else
			return -EINVAL;
	}
	pthread_mutex_lock(&lock);
	found = rule_count < RULES_MAX;
	if (found)
		rules[rule_count++] = rule;
	pthread_mutex_unlock(&lock);
	return found ? 0 : -EINVAL;
}

void rules_clear(void)
{
	pthread_mutex_lock(&lock);
	rule_count = 0;
	generation++;
	pthread_cond_broadcast(&cleared);
	pthread_mutex_unlock(&lock);
}

struct rule_verdict rules_judge(const char *path, enum rule_operation operation)
{
	struct rule_verdict verdict = { 0 };

	pthread_mutex_lock(&lock);
	for (unsigned i = 0; i < rule_count; i++) {
		struct rule *rule = &rules[i];

		if (rule->operation != operation || rule->count == 0 ||
		    fnmatch(rule->glob, path, 0) != 0)
			continue;
		if (rule->skip > 0) {
			rule->skip--;
			continue;
		}
		if (rule->count != UINT64_MAX)
			rule->count--;
		verdict = rule->verdict;
		hits++;
		break;
	}
	pthread_mutex_unlock(&lock);
	return verdict;
}

struct rule_verdict rules_obey(const char *path, enum rule_operation operation)
{
	struct rule_verdict verdict = rules_judge(path, operation);

	if (verdict.hold) {
		pthread_mutex_lock(&lock);
		for (uint64_t begun = generation; begun == generation;)
			pthread_cond_wait(&cleared, &lock);
		pthread_mutex_unlock(&lock);
	}
	if (verdict.delay_ms > 0) {
		struct timespec pause = { verdict.delay_ms / 1000,
			(long)(verdict.delay_ms % 1000) * 1000000 };

		nanosleep(&pause, NULL);
	}
	return verdict;
}

uint64_t rules_hits(void)
{
	uint64_t now;

	pthread_mutex_lock(&lock);
	now = hits;
	pthread_mutex_unlock(&lock);
	return now;
}
