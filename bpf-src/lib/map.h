/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* How libbpf's convention writes a map's attributes: a number is the length of an array. */
#pragma once

#define MAP_NUMBER(field, number) int(*field)[number]
#define MAP_TYPE(field, type)     __typeof__(type) *field

#define PIN_BY_NAME 1
