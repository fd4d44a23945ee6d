/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/test.h"
#include "wire/client/counter_file.h"

static char directory[64], path[96];

static void directory_make(void)
{
	snprintf(directory, sizeof(directory), "/tmp/sluice-test-XXXXXX");
	assert_non_null(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/ids", directory);
}

static void directory_remove(void)
{
	static const char *const names[] = { "", ".new", ".lock" };
	char name[128];

	for (size_t i = 0; i < 3; i++) {
		snprintf(name, sizeof(name), "%s%s", path, names[i]);
		unlink(name);
	}
	assert_int_equal(rmdir(directory), 0);
}

static uint64_t take(struct client_counter *counter)
{
	uint64_t value = 0;

	assert_int_equal(client_counter_take(counter, &value), 0);
	return value;
}

static void file_write(const char *text)
{
	FILE *stream = fopen(path, "w");

	assert_non_null(stream);
	fputs(text, stream);
	fclose(stream);
}

TEST(a_new_file_starts_at_the_first_value_and_counts_up_by_one)
{
	struct counter_file *file;
	struct client_counter counter;

	directory_make();
	assert_int_equal(counter_file_open(path, 1, &file, &counter), 0);
	for (uint64_t expected = 1; expected <= 3 * COUNTER_FILE_BLOCK; expected++)
		assert_int_equal(take(&counter), expected);
	assert_int_equal(counter_file_close(file, counter.next), 0);
	directory_remove();
}

TEST(a_clean_end_loses_no_value)
{
	struct counter_file *file;
	struct client_counter counter;

	directory_make();
	assert_int_equal(counter_file_open(path, 1, &file, &counter), 0);
	take(&counter);
	take(&counter);
	assert_int_equal(counter_file_close(file, counter.next), 0);
	assert_int_equal(counter_file_open(path, 1, &file, &counter), 0);
	assert_int_equal(take(&counter), 3);
	assert_int_equal(counter_file_close(file, counter.next), 0);
	directory_remove();
}

/* The child takes values and is killed; nothing it took may come again. */
TEST(no_value_is_used_again_after_a_crash)
{
	uint64_t seed = test_seed(), highest = 0;

	directory_make();
	for (int round = 0; round < 20; round++) {
		unsigned count = 1 + (unsigned)(test_random(&seed) % (2 * COUNTER_FILE_BLOCK));
		int pipe_fd[2], status;
		uint64_t first, last;
		pid_t pid;

		assert_int_equal(pipe(pipe_fd), 0);
		pid = fork();
		if (pid == 0) {
			struct counter_file *file;
			struct client_counter counter;
			uint64_t values[2];

			if (counter_file_open(path, 1, &file, &counter) < 0 ||
			    client_counter_take(&counter, &values[0]) < 0)
				_exit(1);
			values[1] = values[0];
			for (unsigned i = 1; i < count; i++) {
				if (client_counter_take(&counter, &values[1]) < 0)
					_exit(1);
			}
			if (write(pipe_fd[1], values, sizeof(values)) != sizeof(values))
				_exit(1);
			_exit(0); /* without close: the crash */
		}
		assert_int_equal(read(pipe_fd[0], &first, 8), 8);
		assert_int_equal(read(pipe_fd[0], &last, 8), 8);
		close(pipe_fd[0]);
		close(pipe_fd[1]);
		waitpid(pid, &status, 0);
		assert_int_equal(status, 0);
		assert_true(first > highest);
		assert_true(last >= first);
		highest = last;
	}
	directory_remove();
}

TEST(a_value_is_handed_out_only_after_the_file_covers_it)
{
	struct counter_file *file;
	struct client_counter counter;
	uint64_t limit = 0;

	directory_make();
	assert_int_equal(counter_file_open(path, 5, &file, &counter), 0);
	for (int i = 0; i < 2 * COUNTER_FILE_BLOCK; i++) {
		uint64_t value = take(&counter);
		FILE *stream = fopen(path, "r");

		assert_non_null(stream);
		assert_int_equal(fscanf(stream, "sluice-counter 1 %lu", &limit), 1);
		fclose(stream);
		assert_true(value < limit);
	}
	assert_int_equal(counter_file_close(file, counter.next), 0);
	directory_remove();
}

TEST(a_second_process_is_kept_out)
{
	struct counter_file *file, *second;
	struct client_counter counter, other;

	directory_make();
	assert_int_equal(counter_file_open(path, 1, &file, &counter), 0);
	assert_int_equal(counter_file_open(path, 1, &second, &other), -EBUSY);
	assert_int_equal(counter_file_close(file, counter.next), 0);
	assert_int_equal(counter_file_open(path, 1, &second, &other), 0);
	assert_int_equal(counter_file_close(second, other.next), 0);
	directory_remove();
}

TEST(a_damaged_file_is_refused)
{
	static const char *const texts[] = { "", "sluice-counter 1 12", "sluice-counter 1 0\n",
		"sluice-counter 2 12\n", "sluice-counter 1 012\n", "12\n",
		"sluice-counter 1 99999999999999999999999\n" };
	struct counter_file *file;
	struct client_counter counter;

	directory_make();
	for (int i = 0; i < (int)SLUICE_ARRAY_COUNT(texts); i++) {
		file_write(texts[i]);
		assert_case_equal(i, counter_file_open(path, 1, &file, &counter), -EBADMSG);
	}
	directory_remove();
}

TEST(a_failed_write_hands_out_nothing)
{
	struct counter_file *file;
	struct client_counter counter;
	char name[128];
	uint64_t value = 42;

	directory_make();
	assert_int_equal(counter_file_open(path, 1, &file, &counter), 0);
	/* A directory in the way of <path>.new: the open for writing fails. */
	snprintf(name, sizeof(name), "%s.new", path);
	assert_int_equal(mkdir(name, 0700), 0);
	assert_int_equal(client_counter_take(&counter, &value), -EISDIR);
	assert_int_equal(value, 42);
	assert_int_equal(rmdir(name), 0);
	assert_int_equal(take(&counter), 1);
	assert_int_equal(counter_file_close(file, counter.next), 0);
	directory_remove();
}

TEST_MAIN()
