/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kernels that lack what the writer wants, or refuse it. Each case runs in a child process under a
 * seccomp filter that answers one io_uring call with an error, for all flags or for some; the child
 * opens a writer and, where that must succeed, makes events durable through it.
 */
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/io_uring.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "dataplane/journal/writer.h"
#include "tests/journal/harness.h"

#if defined(__x86_64__)
#define KERNEL_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define KERNEL_ARCH AUDIT_ARCH_AARCH64
#else
#error "name this architecture's AUDIT_ARCH"
#endif

#define LOAD(offset)        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(offset))
#define EQUAL(value, no)    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), 0, (no))
#define RETURN(value)       BPF_STMT(BPF_RET | BPF_K, (value))
#define ANSWER_ERROR(error) RETURN(SECCOMP_RET_ERRNO | (uint32_t)(error))

/*
 * `call` answers `error`; with `opcode` >= 0 only when its second argument (io_uring_register's
 * operation) is that one. Everything else is allowed.
 */
static void deny(long call, int opcode, int error)
{
	struct sock_filter any[] = {
		LOAD(offsetof(struct seccomp_data, arch)),
		EQUAL(KERNEL_ARCH, 3),
		LOAD(offsetof(struct seccomp_data, nr)),
		EQUAL((uint32_t)call, 1),
		ANSWER_ERROR(error),
		RETURN(SECCOMP_RET_ALLOW),
	};
	struct sock_filter one[] = {
		LOAD(offsetof(struct seccomp_data, arch)),
		EQUAL(KERNEL_ARCH, 5),
		LOAD(offsetof(struct seccomp_data, nr)),
		EQUAL((uint32_t)call, 3),
		LOAD(offsetof(struct seccomp_data, args[1])), /* its low half: little-endian */
		EQUAL((uint32_t)opcode, 1),
		ANSWER_ERROR(error),
		RETURN(SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { .len = SLUICE_ARRAY_COUNT(any), .filter = any };

	if (opcode >= 0)
		program = (struct sock_fprog){ .len = SLUICE_ARRAY_COUNT(one), .filter = one };
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
		_exit(77);
}

struct kernel_case {
	const char *name;
	long call;
	int opcode, error;
	unsigned refuse_flags; /* setup flags this kernel does not know; no filter can see them */
	int result;
	const char *says; /* in the message; NULL: it is empty */
	int plain;        /* of the writer's features: 1 setup, 2 buffers, 4 files are the lesser */
};

#define DEFER (IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN)
#define COOP  IORING_SETUP_COOP_TASKRUN

static const struct kernel_case cases[] = {
	{ "all there", -1, -1, 0, 0, 0, NULL, 0 },
	{ "no io_uring", __NR_io_uring_setup, -1, ENOSYS, 0, -ENOSYS,
	    "io_uring is not available: Linux 5.11 or newer", 0 },
	{ "io_uring forbidden", __NR_io_uring_setup, -1, EPERM, 0, -EPERM,
	    "kernel.io_uring_disabled=0", 0 },
	{ "out of memory", __NR_io_uring_setup, -1, ENOMEM, 0, -ENOMEM, "Cannot allocate memory",
	    0 },
	{ "before 6.1", -1, -1, 0, DEFER, 0, "without DEFER_TASKRUN", 1 },
	{ "before 5.19", -1, -1, 0, DEFER | COOP, 0, "without DEFER_TASKRUN", 1 },
	{ "no setup flag at all is a clear error", __NR_io_uring_setup, -1, EINVAL, 0, -EINVAL,
	    "io_uring: Invalid argument", 0 },
	{ "registration refused", __NR_io_uring_register, -1, EPERM, 0, 0, "not registered", 6 },
	{ "buffers refused", __NR_io_uring_register, IORING_REGISTER_BUFFERS, ENOMEM, 0, 0,
	    "raise LimitMEMLOCK", 2 },
	{ "files refused", __NR_io_uring_register, IORING_REGISTER_FILES2, EINVAL, 0, 0,
	    "journal files not registered", 4 },
	{ "ring registration refused", __NR_io_uring_register, IORING_REGISTER_RING_FDS, EINVAL, 0,
	    0, NULL, 0 },
};

/* A child reports by its exit status: a line of this file, 0 all well. */
#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "line %d: %s; \"%s\"\n", __LINE__, #condition, message);   \
			_exit(1);                                                                  \
		}                                                                                  \
	} while (0)

static void open_and_write(
    struct harness *harness, const struct journal_report *report, const struct kernel_case *c)
{
	struct running running = { .next_lsn = report->end.next_lsn };
	const struct journal_writer *writer;
	char *message = running.message;
	int result;

	CHECK(journal_keeper_create(&running.keeper, &harness->config, &report->end) == 0);
	CHECK(journal_feed_create(&running.feed, 8, harness->config.depth) == 0);
	while (journal_keeper_work(running.keeper, 0) == 1)
		;
	if (c->call >= 0)
		deny(c->call, c->opcode, c->error);
	writer_ring_flags_refused = c->refuse_flags;
	result = journal_writer_open(&running.writer, &harness->config, report, running.feed,
	    running.keeper, running.message, sizeof(running.message));
	CHECK(result == c->result);
	if (c->says == NULL)
		CHECK(message[0] == '\0');
	else
		CHECK(strstr(message, c->says) != NULL);
	if (result == 0) {
		writer = running.writer;
		CHECK((writer->ring.flags & IORING_SETUP_DEFER_TASKRUN) ==
		      (c->plain & 1 ? 0 : IORING_SETUP_DEFER_TASKRUN));
		CHECK(!(writer->ring.flags & c->refuse_flags));
		CHECK(writer->buffers_fixed == !(c->plain & 2));
		CHECK((writer->files_fixed > 0) == !(c->plain & 4));
		for (int i = 0; i < 40; i++) {
			CHECK(running_event(&running, 200));
			if (i % 10 == 9)
				CHECK(running_drain(&running) == running.next_lsn - 1);
		}
		CHECK(journal_writer_error(running.writer) == 0);
		running_stop(&running);
	}
	_exit(0);
}

TEST(kernel_without_a_feature_is_told_apart_and_worked_with)
{
	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(cases); i++) {
		struct journal_report report;
		struct harness harness;
		int status;
		pid_t child;

		print_message("  %zu %s\n", i, cases[i].name);
		harness_begin(&harness);
		assert_int_equal(harness_recover(&harness, 1, 0, &report), 0);
		child = fork();
		assert_true(child >= 0);
		if (child == 0)
			open_and_write(&harness, &report, &cases[i]);
		assert_int_equal(waitpid(child, &status, 0), child);
		if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
			print_message("  seccomp filters are not allowed here: skipped\n");
		else
			assert_case_equal(i, status, 0);
		/* What it made durable is there, whatever the kernel lacked. */
		assert_int_equal(harness_recover(&harness, 1, 0, &report), 0);
		if (cases[i].result == 0 && WEXITSTATUS(status) == 0)
			assert_case_equal(i, report.cut_lsn, 40);
		harness_end(&harness);
	}
}

TEST_MAIN()
