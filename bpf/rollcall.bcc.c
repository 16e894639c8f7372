// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/*
 * The same probe for bcc, which compiles it on the node: tells of every cgroup directory made or removed that could be a
 * container's root.
 *
 * Kernels: 5.8 and newer (the ring buffer); no BTF is needed. Only the tracepoints' own fields are used, by name: no
 * layout of a kernel struct is, so that the headers of another release serve as well. What only a struct could tell is
 * missing: the ancestors, a limit below a known root (`throttled` stays 0) and the leaf of a path that was cut, whose
 * event is therefore never filtered.
 *
 * RING_PAGES comes from user space. Both tracepoints run under cgroup_mutex, so a CPU's scratch is never shared.
 */
#include "rollcall.h"

struct scratch {
	struct header header;
	char path[PATH_MAX_BYTES];
	char leaf[LEAF_MAX_BYTES + 8]; /* a suffix is compared at a masked offset */
	u32 leaf_at; /* in memory, so that the verifier follows one path per step and not one per place of a slash */
};

BPF_RINGBUF_OUTPUT(events, RING_PAGES);
BPF_PERCPU_ARRAY(counters, struct ways, 2); /* mkdir, rmdir */
BPF_ARRAY(control, struct control, 1);
BPF_PERCPU_ARRAY(scratches, struct scratch, 1);

/* `path` lies in the tracepoint's own record, at an offset that only the record tells: it is read by the helper. */
static __always_inline int tell(u32 kind, u32 hierarchy, u32 level, u64 id, const char *path)
{
	u32 zero = 0, which = kind - 1, at, i;
	struct ways *ways = counters.lookup(&which);
	struct control *ctl = control.lookup(&zero);
	struct scratch *scratch = scratches.lookup(&zero);
	long path_bytes, leaf_bytes;
	bool cut;
	u64 now;

	if (!ways || !ctl || !scratch)
		return 0; /* cannot be: array maps always have their entries */
	ways->seen++;

	if (hierarchy != ctl->hierarchy) {
		ways->other_hierarchy++;
		return 0;
	}
	now = bpf_ktime_get_boot_ns();
	if (now > ctl->quiet_at_ns) {
		ways->quiet++;
		return 0;
	}

	path_bytes = bpf_probe_read_kernel_str(scratch->path, PATH_MAX_BYTES, path);
	path_bytes = path_bytes > 0 ? path_bytes - 1 : 0; /* without its NUL; an unreadable text is an empty one */
	cut = path_bytes >= PATH_MAX_BYTES - 1;

	scratch->leaf_at = 0;
	for (i = 1; i < LEAF_MAX_BYTES + 1 && i <= path_bytes; i++) {
		at = (path_bytes - i) & (PATH_MAX_BYTES - 1);
		if (scratch->path[at] == '/') {
			scratch->leaf_at = at + 1;
			break;
		}
	}
	leaf_bytes = bpf_probe_read_kernel_str(scratch->leaf, LEAF_MAX_BYTES, path + (scratch->leaf_at & (PATH_MAX_BYTES - 1)));
	leaf_bytes = leaf_bytes > 0 ? leaf_bytes - 1 : 0;
	if (!cut && never_a_container(scratch->path, scratch->leaf, leaf_bytes)) {
		ways->never_a_container++;
		return 0;
	}

	scratch->header.schema = SCHEMA;
	scratch->header.kind = kind;
	scratch->header.flags = cut ? FLAG_PATH_CUT : 0;
	scratch->header.attach = ctl->attach;
	scratch->header.cgroup_id = id;
	scratch->header.boot_ns = now;
	scratch->header.hierarchy = hierarchy;
	scratch->header.level = level;
	scratch->header.path_bytes = path_bytes;
	scratch->header.ancestors = 0;
	scratch->header.leaf_bytes = 0;
	scratch->header.reserved = 0;

	if (events.ringbuf_output(scratch, sizeof(struct header) + (path_bytes & (PATH_MAX_BYTES - 1)), 0))
		ways->lost++;
	else
		ways->submitted++;
	return 0;
}

struct tracepoint__cgroup__cgroup_mkdir; /* bcc writes both from the fields that tracefs shows */
struct tracepoint__cgroup__cgroup_rmdir;

int cgroup_made(struct tracepoint__cgroup__cgroup_mkdir *args)
{
	return tell(START, args->root, args->level, args->id, (char *)args + (args->data_loc_path & 0xFFFF));
}

int cgroup_removed(struct tracepoint__cgroup__cgroup_rmdir *args)
{
	return tell(END, args->root, args->level, args->id, (char *)args + (args->data_loc_path & 0xFFFF));
}
