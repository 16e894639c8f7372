// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/*
 * What both programs share: the layouts that user space reads, and what can never be a container's root.
 *
 * The includer brings the kernel's types and `bool`: from linux/types.h and stdbool.h (CO-RE), or from kernel headers (bcc).
 */
#pragma once

#define SCHEMA 1
#define PATH_MAX_BYTES 1024 /* TRACE_CGROUP_PATH_LEN: the tracepoint itself cuts there, at the tail */
#define LEAF_MAX_BYTES 256 /* NAME_MAX and its NUL */
#define MAX_ANCESTORS 16
#define FLAG_PATH_CUT 1
#define FLAG_ANCESTORS_CUT 2

enum kind { START = 1, END = 2 };

/* Decoded by collect/wire.py; a change of anything here is a new SCHEMA. */
struct header {
	__u16 schema;
	__u8 kind;
	__u8 flags;
	__u32 attach;
	__u64 cgroup_id;
	__u64 boot_ns;
	__u32 hierarchy;
	__u32 level;
	__u16 path_bytes; /* then padded to 8 */
	__u16 ancestors; /* u64 each, the parent first */
	__u16 leaf_bytes; /* 0 unless the path was cut */
	__u16 reserved;
};

/* Ways out, in the order of collect/wire.py. */
struct ways {
	__u64 seen;
	__u64 other_hierarchy;
	__u64 never_a_container;
	__u64 throttled;
	__u64 quiet;
	__u64 submitted;
	__u64 lost;
};

struct control {
	__u32 hierarchy; /* the one that is followed */
	__u32 attach; /* number of this attach, in each record */
	__u64 quiet_at_ns; /* boot time after which nobody reads any more */
	__u64 window_ns; /* the limit below a known root is for each window of this length */
	__u64 limit;
};

/* BPF has no memcmp. A bounded loop, which the verifier follows since 5.3. */
static __always_inline bool same(const char *text, const char *other, __u32 bytes)
{
	__u32 i;

	for (i = 0; i < bytes; i++)
		if (text[i] != other[i])
			return false;
	return true;
}

#define begins_with(text, prefix) same(text, prefix, sizeof(prefix) - 1)

/* `bytes` is the length of `leaf`; the mask tells the verifier that the suffix lies within the buffer. */
#define ends_with(leaf, bytes, suffix)                                                                  \
	((bytes) >= sizeof(suffix) - 1 &&                                                               \
	 same((leaf) + (((bytes) - (sizeof(suffix) - 1)) & (LEAF_MAX_BYTES - 1)), suffix, sizeof(suffix) - 1))

/*
 * What no runtime ever makes a container's root of. Anything that could be one is decided in user space: a container
 * that somebody named `x.slice` must not vanish here, hence the first components.
 */
static __always_inline bool never_a_container(const char *path, const char *leaf, __u32 leaf_bytes)
{
	if (begins_with(leaf, "crio-conmon-") || begins_with(leaf, "libpod-conmon-"))
		return true;
	if (!begins_with(path, "/system.slice/") && !begins_with(path, "/user.slice/") &&
	    !begins_with(path, "/init.scope/") && !begins_with(path, "/kubepods.slice/"))
		return false;
	if (ends_with(leaf, leaf_bytes, ".slice") || ends_with(leaf, leaf_bytes, ".mount"))
		return true;
	return ends_with(leaf, leaf_bytes, ".service") && !begins_with(leaf, "systemd-nspawn@");
}
