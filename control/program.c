/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs sluice-db, which reads the files of the running switch, and hands on what it says. A program
 * of its own, as LMDB wants one open per environment and process, and so that its memory and faults
 * are not control's.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "control/control.h"

#define ANSWER_MAX (4u << 20)

extern char **environ;

/* Beside control, in the build's tree, or wherever PATH says. */
static void program_find(char path[PATH_MAX])
{
	static const char *const places[] = { "sluice-db", "../bin/sluice-db",
		"../tools/sluice-db" };
	char own[PATH_MAX];
	ssize_t length = readlink("/proc/self/exe", own, sizeof(own) - 1);
	char *slash;

	own[length > 0 ? length : 0] = '\0';
	slash = strrchr(own, '/');
	for (unsigned i = 0; slash != NULL && i < SLUICE_ARRAY_COUNT(places); i++) {
		struct stat status;

		if ((size_t)snprintf(
		        path, PATH_MAX, "%.*s/%s", (int)(slash - own), own, places[i]) < PATH_MAX &&
		    stat(path, &status) == 0 && S_ISREG(status.st_mode) && access(path, X_OK) == 0)
			return;
	}
	snprintf(path, PATH_MAX, "sluice-db");
}

/* Starts it with its answer and its words in one pipe each. 0 or -errno. */
static int program_start(char *const arguments[], int answer, int words, pid_t *pid)
{
	posix_spawn_file_actions_t actions;
	char program[PATH_MAX];
	int error = -posix_spawn_file_actions_init(&actions);

	if (error != 0)
		return error;
	program_find(program);
	error = -posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	if (error == 0)
		error = -posix_spawn_file_actions_adddup2(&actions, answer, 1);
	if (error == 0)
		error = -posix_spawn_file_actions_adddup2(&actions, words, 2);
	/* Neither sockets nor databases of control. */
	if (error == 0)
		error = -posix_spawn_file_actions_addclosefrom_np(&actions, 3);
	if (error == 0)
		error = -posix_spawnp(pid, program, &actions, NULL, arguments, environ);
	posix_spawn_file_actions_destroy(&actions);
	return error;
}

/* Both to their ends; what is too long is cut. */
static void pipes_read(const int fds[2], char *const texts[2], const size_t sizes[2])
{
	size_t used[2] = { 0 };
	struct pollfd polled[2] = { { fds[0], POLLIN, 0 }, { fds[1], POLLIN, 0 } };

	while (polled[0].fd >= 0 || polled[1].fd >= 0) {
		if (poll(polled, 2, -1) < 0) {
			if (errno == EINTR)
				continue; /* what it says of the pipes is of the round before */
			break;
		}
		for (int i = 0; i < 2; i++) {
			char rest[512];
			size_t room = sizes[i] - 1 - used[i];
			ssize_t got;

			if (polled[i].fd < 0 || polled[i].revents == 0)
				continue;
			got = read(polled[i].fd, room > 0 ? texts[i] + used[i] : rest,
			    room > 0 ? room : sizeof(rest));
			if (got <= 0 && errno != EINTR)
				polled[i].fd = -1;
			else if (got > 0 && room > 0)
				used[i] += (size_t)got;
			if (got == 0)
				polled[i].fd = -1;
		}
	}
	for (int i = 0; i < 2; i++)
		texts[i][used[i]] = '\0';
}

int control_program_run(
    char *const arguments[], json_t **result, char *message, size_t message_size)
{
	int answer[2] = { -1, -1 }, words[2] = { -1, -1 }, status = 0, error = 0;
	char said[600], *text = malloc(ANSWER_MAX);
	pid_t pid = 0;

	if (text == NULL)
		return handle_error(-ENOMEM, "answer", message, message_size);
	text[0] = said[0] = '\0';
	if (pipe2(answer, O_CLOEXEC) != 0 || pipe2(words, O_CLOEXEC) != 0)
		error = -errno;
	if (error == 0)
		error = program_start(arguments, answer[1], words[1], &pid);
	for (int i = 1; i >= 0; i--) {
		if (i == 0 && error == 0) {
			pipes_read((const int[2]){ answer[0], words[0] },
			    (char *const[2]){ text, said },
			    (const size_t[2]){ ANSWER_MAX, sizeof(said) });
			while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
				;
		}
		if (answer[i] >= 0)
			close(answer[i]);
		if (words[i] >= 0)
			close(words[i]);
	}
	*result = error == 0 ? json_loads(text, 0, NULL) : NULL;
	free(text);
	said[strcspn(said, "\n")] = '\0';
	if (error != 0)
		return handle_refuse(CONTROL_UNREACHABLE, message, message_size,
		    "sluice-db cannot be run: %s; install it beside sluice-control",
		    strerror(-error));
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0 && *result != NULL)
		return CONTROL_DONE;
	json_decref(*result);
	*result = NULL;
	return handle_refuse(CONTROL_REFUSED, message, message_size, "%s",
	    said[0] != '\0' ? said : "sluice-db failed");
}
