/* SPDX-License-Identifier: Apache-2.0 */
#include "control/keys/limiter.h"

#include <netinet/in.h>
#include <string.h>

#define PROBES     8u
#define MICRO      1000000u
#define NS_PER_S   1000000000u
#define AGE_NS_MAX (3600ull * NS_PER_S) /* a bucket is full long before; keeps products small */
#define MARK_IPV4  (1ull << 63)
#define MARK_IPV6  1ull /* a /64 whose lowest bit is lost to it: two networks share a bucket */

uint64_t limiter_address(const struct sockaddr_storage *address)
{
	struct sockaddr_in ipv4;
	struct sockaddr_in6 ipv6;
	uint64_t network = 0;

	if (address->ss_family == AF_INET) {
		memcpy(&ipv4, address, sizeof(ipv4));
		return MARK_IPV4 | ipv4.sin_addr.s_addr;
	}
	if (address->ss_family == AF_INET6) {
		memcpy(&ipv6, address, sizeof(ipv6));
		memcpy(&network, &ipv6.sin6_addr, sizeof(network));
	}
	return network | MARK_IPV6;
}

/* The address's slot, or the one not used for longest among its places. */
static struct limiter_slot *slot_of(struct limiter *limiter, uint64_t address)
{
	uint64_t mixed = (address ^ limiter->secret) * 0x9e3779b97f4a7c15ull;
	struct limiter_slot *oldest = NULL;

	mixed ^= mixed >> 32;
	mixed *= 0xbf58476d1ce4e5b9ull;
	for (unsigned i = 0; i < PROBES; i++) {
		struct limiter_slot *slot =
		    &limiter->slots[((mixed >> 40) + i) & (LIMITER_SLOTS - 1)];

		if (slot->address == address)
			return slot;
		if (oldest == NULL || (oldest->address != 0 && slot->address == 0) ||
		    (oldest->address != 0 && slot->time_ns < oldest->time_ns))
			oldest = slot;
	}
	return oldest;
}

int limiter_take(
    struct limiter *limiter, uint64_t address, uint64_t now_ns, uint32_t rate_per_s, uint32_t burst)
{
	struct limiter_slot *slot = slot_of(limiter, address);
	uint64_t full = (uint64_t)burst * MICRO, age;

	if (slot->address != address)
		*slot = (struct limiter_slot){ address, now_ns, full };
	age = now_ns > slot->time_ns ? now_ns - slot->time_ns : 0;
	if (age > AGE_NS_MAX)
		age = AGE_NS_MAX;
	slot->tokens_micro += age / 1000u * rate_per_s; /* ns to micro-tokens */
	if (slot->tokens_micro > full)
		slot->tokens_micro = full;
	slot->time_ns = now_ns;
	if (slot->tokens_micro < MICRO)
		return 0;
	slot->tokens_micro -= MICRO;
	return 1;
}
