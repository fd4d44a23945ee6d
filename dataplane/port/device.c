/* SPDX-License-Identifier: Apache-2.0 */
/* What is known about a device before EAL starts: its argument, and why it would not start. */
#include "dataplane/port/port.h"

#include <errno.h>
#include <limits.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static int named(const char *name)
{
	return name != NULL && name[0] != '\0';
}

int port_device_string(
    enum port_kind kind, unsigned index, const char *name, char *out, size_t out_size)
{
	char text[512];
	int size = -1;

	/* A comma would start another argument of the device. */
	if (kind != PORT_RING && kind != PORT_NULL &&
	    (!named(name) || (kind != PORT_PCI && strchr(name, ',') != NULL)))
		return -EINVAL;
	switch (kind) {
	case PORT_PCI:
		size = snprintf(text, sizeof(text), "%s", name);
		break;
	case PORT_AF_XDP:
		size = snprintf(text, sizeof(text),
		    "net_af_xdp%u,iface=%s,start_queue=0,queue_count=1", index, name);
		break;
	case PORT_AF_PACKET:
		size = snprintf(text, sizeof(text), "net_af_packet%u,iface=%s", index, name);
		break;
	case PORT_MEMIF:
		size = snprintf(text, sizeof(text),
		    "net_memif%u,role=server,id=0,socket-abstract=no,socket=%s", index, name);
		break;
	case PORT_RING:
		size = snprintf(text, sizeof(text), "net_ring%u", index);
		break;
	case PORT_NULL:
		size = snprintf(text, sizeof(text), "net_null%u,no-rx=1", index);
		break;
	}
	if (size < 0)
		return -EINVAL;
	if ((size_t)size >= sizeof(text) || (size_t)size >= out_size)
		return -ENOSPC;
	memcpy(out, text, (size_t)size + 1);
	return 0;
}

static int interface_check(const char *name, char *message, size_t message_size)
{
	struct ifreq request;
	int error = 0;
	int raw = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	if (raw < 0) {
		error = errno;
		snprintf(message, message_size,
		    "no right to open raw sockets (%s); run as root or with CAP_NET_RAW and "
		    "CAP_NET_ADMIN",
		    strerror(error));
		return -error;
	}
	memset(&request, 0, sizeof(request));
	if (strlen(name) >= sizeof(request.ifr_name)) {
		snprintf(message, message_size,
		    "%s is not an interface name: at most %zu characters; see `ip link`", name,
		    sizeof(request.ifr_name) - 1);
		error = ENODEV;
	} else {
		memcpy(request.ifr_name, name, strlen(name));
		if (ioctl(raw, SIOCGIFFLAGS, &request) != 0) {
			error = errno;
			snprintf(message, message_size,
			    "interface %s: %s; list the names with `ip link`", name,
			    strerror(error));
		} else if (!(request.ifr_flags & IFF_UP)) {
			error = ENETDOWN;
			snprintf(message, message_size,
			    "interface %s is down; run `ip link set %s up`", name, name);
		}
	}
	close(raw);
	return -error;
}

static int socket_check(const char *path, char *message, size_t message_size)
{
	char directory[PATH_MAX];
	const char *slash = strrchr(path, '/');
	struct stat status;

	if (strlen(path) > 107) {
		snprintf(message, message_size,
		    "memif socket %s: the path is longer than 107 characters; use a shorter one",
		    path);
		return -ENAMETOOLONG;
	}
	if (slash == NULL || slash == path)
		return 0;
	snprintf(directory, sizeof(directory), "%.*s", (int)(slash - path), path);
	if (stat(directory, &status) == 0 && S_ISDIR(status.st_mode) &&
	    access(directory, W_OK) == 0)
		return 0;
	snprintf(message, message_size,
	    "memif socket %s: the directory %s is missing or not writable; create it first", path,
	    directory);
	return -ENOENT;
}

static int pci_check(const char *name, char *message, size_t message_size)
{
	char address[32], path[96], driver[PATH_MAX];
	const char *base;
	ssize_t size;

	snprintf(address, sizeof(address), "%.*s", (int)strcspn(name, ","), name);
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s", address);
	if (strchr(address, '/') != NULL || access(path, F_OK) != 0) {
		snprintf(message, message_size,
		    "no PCI device %s; list them with `dpdk-devbind.py --status` and write the "
		    "address in full (0000:00:05.0)",
		    address);
		return -ENODEV;
	}
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver", address);
	size = readlink(path, driver, sizeof(driver) - 1);
	if (size < 0)
		size = 0;
	driver[size] = '\0';
	base = strrchr(driver, '/');
	base = base == NULL ? driver : base + 1;
	/* mlx4/5 devices stay with their kernel driver. */
	if (strcmp(base, "vfio-pci") == 0 || strncmp(base, "uio", 3) == 0 ||
	    strcmp(base, "igb_uio") == 0 || strncmp(base, "mlx", 3) == 0)
		return 0;
	snprintf(message, message_size,
	    "PCI device %s is bound to %s; run `dpdk-devbind.py --bind=vfio-pci %s`", address,
	    base[0] == '\0' ? "no driver" : base, address);
	return -EBUSY;
}

int port_device_check(enum port_kind kind, const char *name, char *message, size_t message_size)
{
	if (kind == PORT_RING || kind == PORT_NULL)
		return 0;
	if (!named(name)) {
		snprintf(message, message_size,
		    "the port has no device; set `interface` (af_xdp, af_packet, pci) or `socket` "
		    "(memif)");
		return -EINVAL;
	}
	if (kind == PORT_MEMIF)
		return socket_check(name, message, message_size);
	if (kind == PORT_PCI)
		return pci_check(name, message, message_size);
	return interface_check(name, message, message_size);
}
