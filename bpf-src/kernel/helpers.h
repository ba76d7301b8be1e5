/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The kernel's BPF helpers this datapath calls. A helper is called by its number; what it takes and
 * returns is documented in bpf-helpers(7) and in the kernel's include/uapi/linux/bpf.h.
 */
#pragma once

#include "kernel/types.h"

struct __sk_buff;
struct bpf_fib_lookup;
struct bpf_sock;
union bpf_sock_tuple;
struct bpf_sock_addr;

static void *(*const bpf_map_lookup_elem)(void *map, const void *key) = (void *)1;
static long (*const bpf_map_update_elem)(void *map, const void *key, const void *value,
					 __u64 flags) = (void *)2;
static __u64 (*const bpf_ktime_get_ns)(void) = (void *)5;
static __u32 (*const bpf_get_prandom_u32)(void) = (void *)7;
static long (*const bpf_skb_store_bytes)(struct __sk_buff *ctx, __u32 offset, const void *from,
					 __u32 len, __u64 flags) = (void *)9;
static long (*const bpf_l4_csum_replace)(struct __sk_buff *ctx, __u32 offset, __u64 from, __u64 to,
					 __u64 flags) = (void *)11;
static long (*const bpf_tail_call)(struct __sk_buff *ctx, void *programs, __u32 index) = (void *)12;
static long (*const bpf_redirect)(__u32 ifindex, __u64 flags) = (void *)23;
static long (*const bpf_skb_load_bytes)(const void *ctx, __u32 offset, void *to,
					__u32 len) = (void *)26;
static __s64 (*const bpf_csum_diff)(const void *from, __u32 from_size, const void *to,
				    __u32 to_size, __u32 seed) = (void *)28;
static long (*const bpf_skb_change_tail)(struct __sk_buff *ctx, __u32 len,
					 __u64 flags) = (void *)38;
static long (*const bpf_skb_pull_data)(struct __sk_buff *ctx, __u32 len) = (void *)39;
static __s64 (*const bpf_csum_update)(struct __sk_buff *ctx, __u32 sum) = (void *)40;
static __u64 (*const bpf_get_socket_cookie)(struct bpf_sock_addr *ctx) = (void *)46;
static long (*const bpf_fib_lookup)(struct __sk_buff *ctx, struct bpf_fib_lookup *params,
				    int params_size, __u32 flags) = (void *)69;
static struct bpf_sock *(*const bpf_sk_lookup_udp)(struct __sk_buff *ctx,
						   union bpf_sock_tuple *tuple, __u32 size,
						   __u64 netns, __u64 flags) = (void *)85;
static long (*const bpf_sk_release)(void *socket) = (void *)86;
static struct bpf_sock *(*const bpf_skc_lookup_tcp)(struct __sk_buff *ctx,
						    union bpf_sock_tuple *tuple, __u32 size,
						    __u64 netns, __u64 flags) = (void *)99;
static __u64 (*const bpf_jiffies64)(void) = (void *)118;
static __u64 (*const bpf_get_netns_cookie)(struct bpf_sock_addr *ctx) = (void *)122;
static void *(*const bpf_ringbuf_reserve)(void *ring, __u64 size, __u64 flags) = (void *)131;
static void (*const bpf_ringbuf_submit)(void *data, __u64 flags) = (void *)132;
static __u64 (*const bpf_ringbuf_query)(void *ring, __u64 what) = (void *)134;
static long (*const bpf_redirect_peer)(__u32 ifindex, __u64 flags) = (void *)155;
static __u64 (*const bpf_ktime_get_coarse_ns)(void) = (void *)160;
