/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/placement.h"

#include <ctype.h>
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

/* Total count of one interrupt over all CPUs, from /proc/interrupts. */
static unsigned long long interrupt_total(int irq)
{
	FILE *file = fopen("/proc/interrupts", "re");
	unsigned long long total = 0;
	char line[4096];

	if (file == NULL)
		return 0;
	while (fgets(line, sizeof(line), file) != NULL) {
		char *at = line;
		long number = strtol(line, &at, 10);

		if (at == line || *at != ':' || number != irq)
			continue;
		for (at++;;) {
			char *end;
			unsigned long long count = strtoull(at, &end, 10);

			if (end == at || (*end != ' ' && *end != '\n'))
				break;
			total += count;
			at = end;
		}
		break;
	}
	fclose(file);
	return total;
}

static int interrupt_cpu(int irq)
{
	char path[64], line[64];
	FILE *file;
	int cpu = -1;

	snprintf(path, sizeof(path), "/proc/irq/%d/effective_affinity_list", irq);
	file = fopen(path, "re");
	if (file == NULL)
		return -1;
	if (fgets(line, sizeof(line), file) != NULL && isdigit((unsigned char)line[0]))
		cpu = (int)strtol(line, NULL, 10);
	fclose(file);
	return cpu;
}

/* The busiest message-signalled interrupt listed in a device's directory, -1 when it has none. */
static int busiest_interrupt(const char *device)
{
	char path[PATH_MAX + 16];
	unsigned long long most = 0;
	struct dirent *entry;
	int irq = -1;
	DIR *directory;

	snprintf(path, sizeof(path), "%s/msi_irqs", device);
	directory = opendir(path);
	if (directory == NULL)
		return -1;
	while ((entry = readdir(directory)) != NULL) {
		unsigned long long total;
		int number;

		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		number = (int)strtol(entry->d_name, NULL, 10);
		total = interrupt_total(number);
		if (irq < 0 || total > most) {
			irq = number;
			most = total;
		}
	}
	closedir(directory);
	return irq;
}

int placement_interrupt_cpu(const char *path)
{
	char link[64], device[PATH_MAX];
	struct stat status;

	if (stat(path, &status) != 0)
		return -1;
	snprintf(
	    link, sizeof(link), "/sys/dev/block/%u:%u", major(status.st_dev), minor(status.st_dev));
	if (realpath(link, device) == NULL)
		return -1;
	/* From the disk (or partition) upwards to the device that owns the interrupts. */
	while (strlen(device) > strlen("/sys/devices")) {
		int irq = busiest_interrupt(device);

		if (irq >= 0)
			return interrupt_cpu(irq);
		*strrchr(device, '/') = '\0';
	}
	return -1;
}
