/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Integer types of the kernel's ABI. The names are those of its UAPI (linux/types.h), so that a
 * declaration here reads like the kernel's documentation of it; nothing else is taken from there.
 */
#pragma once

/* Constants are patched, and keys are built, in the byte order of the only targets there are. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "weir runs on little-endian machines");

typedef unsigned char __u8;
typedef signed char __s8;
typedef unsigned short __u16;
typedef short __s16;
typedef unsigned int __u32;
typedef int __s32;
typedef unsigned long long __u64;
typedef long long __s64;

/* Values in network order. */
typedef __u16 __be16;
typedef __u32 __be32;

#define NULL ((void *)0)
