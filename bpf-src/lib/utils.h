/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The vocabulary of every other file, and the only one that ep_config.h includes: it stands before any
 * option is known, so nothing here may depend on one.
 */
#pragma once

#include "kernel/types.h"
#include "kernel/packet.h"

#define SEC(name)       __attribute__((section(name), used))
#define __always_inline inline __attribute__((always_inline))

/*
 * A function that the kernel verifies by itself, once, whatever its callers have found out before: without
 * these, every way through one step would be tried with every way through the next. Its arguments are the
 * context, numbers, and pointers to structures, which it must not trust to be there. It is compiled in every
 * shape: one that names a map of some shapes only says so first.
 */
#define VERIFIED_ALONE __attribute__((noinline))

/*
 * Hides from the compiler what it knows of a variable: a bound that the verifier has to see must not be
 * undone, a call must not be merged with its like, an argument that a shape has no use for must be passed.
 * It is an instruction, since the kernel refuses an object with two lines of source at one place.
 */
#define KEEP(variable) asm volatile("%0 = %0" : "+r"(variable))

/* The text of a macro's value. */
#define TEXT(x)     TEXT_RAW(x)
#define TEXT_RAW(x) #x

/* Network order of a constant. */
#define BE16(x) ((__be16)__builtin_bswap16(x))
#define BE32(x) ((__be32)__builtin_bswap32(x))

/*
 * Constants of an endpoint. Each is a symbol of its own in .rodata.config, which the builder overwrites
 * in a copy of the template: its bytes must exist in the file, also where they are zero, and it must
 * stay when nobody reads it ("used"). `volatile` keeps the compiler from believing the placeholder;
 * the verifier does believe the frozen map and cuts what the value switches off.
 */
#define CONSTANT(type, name) volatile const type __config_##name SEC(".rodata.config")

/* Six octets and two of padding, so that a MAC is one register. */
union mac_address {
	__u8 octet[8];
	__u64 word;
};

_Static_assert(sizeof(union mac_address) == 8, "a MAC in .rodata.config");
_Static_assert(sizeof(union ipv6_address) == 16, "an IPv6 address in .rodata.config");

#define DEFINE_U32(NAME, value) CONSTANT(__u32, NAME) = (value)
#define DEFINE_IPV6(NAME, b0, b1, b2, b3, b4, b5, b6, b7, b8, b9, b10, b11, b12, b13, b14, b15)    \
	CONSTANT(union ipv6_address, NAME) = { { b0, b1, b2, b3, b4, b5, b6, b7, b8, b9, b10, b11, \
						 b12, b13, b14, b15 } }
#define DEFINE_MAC(NAME, b0, b1, b2, b3, b4, b5)                                                   \
	CONSTANT(union mac_address, NAME) = { { b0, b1, b2, b3, b4, b5, 0, 0 } }

#define fetch_u32(NAME) __config_##NAME
#define fetch_ipv6(NAME)                                                                           \
	((union ipv6_address){ .word = { __config_##NAME.word[0], __config_##NAME.word[1] } })
/* A MAC as the number that mac_read() gives. */
#define fetch_mac(NAME) __config_##NAME.word

/* The MAC at `octets`, as a number: 4 + 2 bytes, since a copy of octets is read one by one. */
static __always_inline __u64 mac_read(const void *octets)
{
	const __u32 *low = octets;
	const __u16 *high = octets + sizeof(*low);

	return *low | (__u64)*high << 32;
}

static __always_inline void mac_write(void *octets, __u64 mac)
{
	__u16 *half = octets;

	/* In a frame on the stack it lies at a multiple of two only. */
	half[0] = (__u16)mac;
	half[1] = (__u16)(mac >> 16);
	half[2] = (__u16)(mac >> 32);
}

static __always_inline int ipv6_equal(const union ipv6_address *a, const union ipv6_address *b)
{
	return a->word[0] == b->word[0] && a->word[1] == b->word[1];
}

static __always_inline int ipv6_is_zero(const union ipv6_address *a)
{
	return !(a->word[0] | a->word[1]);
}
