/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sluice-db stopped at one of its own steps: killed right before it, or told there that the disk is
 * full. Steps are the calls that make, move or finish a file or directory of the configuration, and
 * the renames by which what was built takes its name. Those in a place of the run's own, which the
 * next one does not touch (reshard.tmp), do not count.
 */
#ifndef SLUICE_TESTS_SLUICE_DB_STOP_H
#define SLUICE_TESTS_SLUICE_DB_STOP_H

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/test.h"

enum stop {
	STOP_KILL,
	STOP_NO_SPACE,
};

/* The name a call is about; "" when it is none that counts. */
static inline void stop_name(pid_t child, const struct user_regs_struct *registers, char name[512])
{
	char link[64];
	ssize_t got = -1;

	memset(name, 0, 512);
	if (registers->orig_rax == SYS_mkdir || registers->orig_rax == SYS_rename) {
		struct iovec local = { name, 511 };
		struct iovec remote = { (void *)registers->rdi, 511 };

		got = process_vm_readv(child, &local, 1, &remote, 1, 0);
		if (got < 0) { /* the end of its memory is nearer */
			local.iov_len = remote.iov_len = 4096 - (registers->rdi & 4095) < 511
			                                     ? 4096 - (registers->rdi & 4095)
			                                     : 511;
			got = process_vm_readv(child, &local, 1, &remote, 1, 0);
		}
		assert_true(got > 0);
	} else if (registers->orig_rax == SYS_fchmod) {
		snprintf(link, sizeof(link), "/proc/%d/fd/%d", (int)child, (int)registers->rdi);
		got = readlink(link, name, 511);
		assert_true(got > 0);
	}
}

static inline int stop_is_step(pid_t child, const struct user_regs_struct *registers)
{
	char name[512];

	stop_name(child, registers, name);
	if (strstr(name, "reshard.tmp") != NULL)
		return 0;
	return strstr(name, "/etc/sluice") != NULL ||
	       (registers->orig_rax == SYS_rename && strstr(name, "sluice.restoring") != NULL);
}

/* The child at its next beginning or end of a call; 0: it has ended. */
static inline int stop_next(pid_t child, int *status)
{
	do {
		if (ptrace(PTRACE_SYSCALL, child, NULL, NULL) != 0)
			assert_int_equal(errno, ESRCH);
		assert_int_equal(waitpid(child, status, 0), child);
		if (WIFEXITED(*status) || WIFSIGNALED(*status))
			return 0;
	} while (WSTOPSIG(*status) != (SIGTRAP | 0x80));
	return 1;
}

static inline pid_t stop_begin(const char *command)
{
	pid_t child = fork();
	int status;

	assert_true(child >= 0);
	if (child == 0) {
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
			_exit(126);
		(void)raise(SIGSTOP);
		execl("/bin/sh", "sh", "-c", command, (char *)NULL);
		_exit(127);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSTOPPED(status));
	assert_int_equal(ptrace(PTRACE_SETOPTIONS, child, NULL,
	                     (void *)(PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL)),
	    0);
	return child;
}

/*
 * Runs `sluice-db` with these arguments up to its step `at`, from 1 on. Its exit status; -1: it was
 * killed there. *reached: it has so many steps.
 */
__attribute__((format(printf, 4, 5))) static inline int stop_run(
    enum stop stop, unsigned at, int *reached, const char *format, ...)
{
	char arguments[700], command[1000];
	unsigned steps = 0;
	int status, begins = 1;
	va_list list;
	pid_t child;

	va_start(list, format);
	vsnprintf(arguments, sizeof(arguments), format, list);
	va_end(list);
	/* A search for leaks cannot be traced. */
	snprintf(command, sizeof(command),
	    "ASAN_OPTIONS=$ASAN_OPTIONS:detect_leaks=0 exec '%s' %s >/dev/null 2>&1",
	    getenv("SLUICE_DB"), arguments);
	child = stop_begin(command);
	*reached = 0;
	for (; stop_next(child, &status); begins = !begins) {
		struct user_regs_struct registers;

		if (!begins || *reached)
			continue;
		assert_int_equal(ptrace(PTRACE_GETREGS, child, NULL, &registers), 0);
		if (!stop_is_step(child, &registers) || ++steps != at)
			continue;
		*reached = 1;
		if (stop == STOP_KILL) {
			assert_int_equal(kill(child, SIGKILL), 0);
			assert_int_equal(waitpid(child, &status, 0), child);
			return -1;
		}
		registers.orig_rax = (unsigned long long)-1; /* no such call: nothing is done */
		assert_int_equal(ptrace(PTRACE_SETREGS, child, NULL, &registers), 0);
		assert_int_equal(stop_next(child, &status), 1);
		assert_int_equal(ptrace(PTRACE_GETREGS, child, NULL, &registers), 0);
		registers.rax = (unsigned long long)-ENOSPC;
		assert_int_equal(ptrace(PTRACE_SETREGS, child, NULL, &registers), 0);
		begins = 0; /* that was its end */
	}
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

#endif
