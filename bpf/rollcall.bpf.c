// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/*
 * Tells of every cgroup directory made or removed that could be a container's root.
 *
 * Kernels: 5.8 and newer with BTF (CONFIG_DEBUG_INFO_BTF). tp_btf needs 5.5, the ring buffer and bpf_ktime_get_boot_ns
 * 5.8, and since 5.8 CAP_BPF and CAP_PERFMON suffice. No vmlinux.h: the few kernel structs are declared below with the
 * fields that are used, and libbpf relocates them against the running kernel's BTF.
 *
 * Every event leaves by exactly one way, and each way has a counter: user space proves by their sum that it missed
 * nothing. Both tracepoints run under cgroup_mutex (kernel/cgroup/cgroup.c), so a CPU's scratch is never shared.
 */
#include <linux/types.h>
#include <stdbool.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include "rollcall.h"

/* How far up a known root is looked for: further than the ancestors that fit into a record, or depth would be a way out. */
#define MAX_LEVELS 128

char LICENSE[] SEC("license") = "GPL"; /* bpf_probe_read_kernel_str is for GPL-compatible programs only */

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct kernfs_node {
	const char *name;
	__u64 id; /* a plain u64 since 5.5: 67c0496e87d1 ("kernfs: convert kernfs_node->id to u64") */
};
struct cgroup_root {
	int hierarchy_id; /* 0 is version 2 */
};
struct cgroup;
struct cgroup_subsys_state {
	struct cgroup *cgroup;
	struct cgroup_subsys_state *parent;
};
struct cgroup {
	struct cgroup_subsys_state self;
	int level;
	struct kernfs_node *kn;
	struct cgroup_root *root;
};
#pragma clang attribute pop

struct scratch {
	struct header header;
	char body[PATH_MAX_BYTES + 8 * MAX_ANCESTORS + LEAF_MAX_BYTES];
	char leaf[LEAF_MAX_BYTES + 8]; /* a suffix is compared at a masked offset */
};

struct budget {
	__u64 window_start_ns;
	__u64 starts;
	__u64 ends;
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20); /* set by user space before loading */
} events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2); /* mkdir, rmdir */
	__type(key, __u32);
	__type(value, struct ways);
} counters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct control);
} control SEC(".maps");

/* The outermost container roots that user space knows, by cgroup id. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 8192);
	__type(key, __u64);
	__type(value, struct budget);
} roots SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct scratch);
} scratches SEC(".maps");

/* One container may not drown the others out: a fixed window for everything below one outermost root. */
static __always_inline bool over_budget(struct budget *budget, const struct control *ctl, enum kind kind, __u64 now)
{
	if (now - budget->window_start_ns > ctl->window_ns) {
		budget->window_start_ns = now;
		budget->starts = 0;
		budget->ends = 0;
	}
	if (kind == START)
		return __sync_fetch_and_add(&budget->starts, 1) >= ctl->limit;
	return __sync_fetch_and_add(&budget->ends, 1) >= ctl->limit;
}

static __always_inline int tell(struct cgroup *cgrp, const char *path, enum kind kind)
{
	__u32 zero = 0, which = kind - 1;
	struct ways *ways = bpf_map_lookup_elem(&counters, &which);
	struct control *ctl = bpf_map_lookup_elem(&control, &zero);
	struct scratch *scratch = bpf_map_lookup_elem(&scratches, &zero);
	struct cgroup_subsys_state *css;
	struct budget *outermost;
	__u64 root = 0;
	__u32 hierarchy, at, n;
	long path_bytes, leaf_bytes;
	__u64 now;

	if (!ways || !ctl || !scratch)
		return 0; /* cannot be: array maps always have their entries */
	ways->seen++;

	hierarchy = cgrp->root->hierarchy_id;
	if (hierarchy != ctl->hierarchy) {
		ways->other_hierarchy++;
		return 0;
	}
	now = bpf_ktime_get_boot_ns();
	if (now > ctl->quiet_at_ns) {
		ways->quiet++;
		return 0;
	}

	path_bytes = bpf_probe_read_kernel_str(scratch->body, PATH_MAX_BYTES, path);
	leaf_bytes = bpf_probe_read_kernel_str(scratch->leaf, LEAF_MAX_BYTES, cgrp->kn->name);
	/* Both count their NUL; an unreadable text is an empty one. */
	path_bytes = path_bytes > 0 ? path_bytes - 1 : 0;
	leaf_bytes = leaf_bytes > 0 ? leaf_bytes - 1 : 0;
	if (never_a_container(scratch->body, scratch->leaf, leaf_bytes)) {
		ways->never_a_container++;
		return 0;
	}

	/* Keeping the id, not the pointer, spares the verifier four fifths of its work. */
	css = cgrp->self.parent;
	for (n = 0; n < MAX_LEVELS && css; n++) {
		__u64 id = css->cgroup->kn->id;

		if (bpf_map_lookup_elem(&roots, &id))
			root = id;
		css = css->parent;
	}
	outermost = bpf_map_lookup_elem(&roots, &root);
	if (outermost && over_budget(outermost, ctl, kind, now)) {
		ways->throttled++;
		return 0;
	}

	scratch->header.schema = SCHEMA;
	scratch->header.kind = kind;
	scratch->header.flags = 0;
	scratch->header.attach = ctl->attach;
	scratch->header.cgroup_id = cgrp->kn->id;
	scratch->header.boot_ns = now;
	scratch->header.hierarchy = hierarchy;
	scratch->header.level = cgrp->level;
	scratch->header.path_bytes = path_bytes;
	scratch->header.leaf_bytes = 0;
	scratch->header.reserved = 0;

	at = ((__u32)path_bytes + 7) & (2 * PATH_MAX_BYTES - 8);
	css = cgrp->self.parent;
	for (n = 0; n < MAX_ANCESTORS && css; n++) {
		if (at > PATH_MAX_BYTES + 8 * (MAX_ANCESTORS - 1))
			break; /* cannot be; says so to the verifier */
		*(__u64 *)(scratch->body + at) = css->cgroup->kn->id;
		at += 8;
		css = css->parent;
	}
	scratch->header.ancestors = n;
	if (css)
		scratch->header.flags |= FLAG_ANCESTORS_CUT;

	if (path_bytes >= PATH_MAX_BYTES - 1) {
		scratch->header.flags |= FLAG_PATH_CUT;
		scratch->header.leaf_bytes = leaf_bytes;
		if (at > PATH_MAX_BYTES + 8 * MAX_ANCESTORS)
			return 0; /* cannot be; says so to the verifier */
		bpf_probe_read_kernel_str(scratch->body + at, LEAF_MAX_BYTES, cgrp->kn->name);
		at += (__u32)leaf_bytes & (LEAF_MAX_BYTES - 1);
	}
	at += sizeof(struct header);
	if (at > sizeof(struct header) + sizeof(scratch->body))
		at = sizeof(struct header) + sizeof(scratch->body);
	if (bpf_ringbuf_output(&events, scratch, at, 0))
		ways->lost++;
	else
		ways->submitted++;
	return 0;
}

SEC("tp_btf/cgroup_mkdir")
int BPF_PROG(cgroup_made, struct cgroup *cgrp, const char *path)
{
	return tell(cgrp, path, START);
}

SEC("tp_btf/cgroup_rmdir")
int BPF_PROG(cgroup_removed, struct cgroup *cgrp, const char *path)
{
	return tell(cgrp, path, END);
}
