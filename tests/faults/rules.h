/* SPDX-License-Identifier: Apache-2.0 */
/* Faults on demand: which operation on which file fails, waits or is refused. */
#ifndef SLUICE_FAULTS_RULES_H
#define SLUICE_FAULTS_RULES_H

#include <stddef.h>
#include <stdint.h>

enum rule_operation {
	RULE_READ,
	RULE_WRITE, /* any write */
	RULE_GROW,  /* what makes a file longer, and making one */
	RULE_SYNC,  /* fsync, fdatasync, and the sync of a write with O_DSYNC */
	RULE_OPERATIONS
};

/* What to do with one operation. */
struct rule_verdict {
	int error; /* 0 or -errno */
	int torn;  /* write the first half in whole sectors before the error */
	int lie;   /* a sync is answered, and nothing is durable */
	int hold;  /* wait until the rules are cleared */
	unsigned delay_ms;
};

/*
 * Adds a rule from words: GLOB OPERATION ACTION [skip=N] [count=N]. GLOB is matched against the
 * path below the mount point; OPERATION read, write, grow or sync; ACTION eio, enospc, torn, hold
 * or delay=MS. The first N matches are skipped, the next N (all) are hit. 0 or -EINVAL.
 */
int rules_add(const char *words);
/* Takes all rules away and lets what they hold go on. */
void rules_clear(void);
/* What the rules say of an operation; counts it. */
struct rule_verdict rules_judge(const char *path, enum rule_operation operation);
/* rules_judge, and waits as it says. */
struct rule_verdict rules_obey(const char *path, enum rule_operation operation);
/* How many operations were hit since the start. */
uint64_t rules_hits(void);

#endif
