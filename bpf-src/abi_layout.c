/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Nothing of this is ever loaded. The compiler describes in BTF what a program uses, and no one shape
 * of the datapath uses all that is shared: here each structure has a variable, so that each is described.
 */
#include "abi_events.h"
#include "abi_node.h"

#define DESCRIBE(name) const struct name layout_of_##name = {}

DESCRIBE(endpoint_key);
DESCRIBE(endpoint_value);
DESCRIBE(ipcache_key);
DESCRIBE(ipcache_value);
DESCRIBE(policy_key);
DESCRIBE(policy_value);
DESCRIBE(ct4_key);
DESCRIBE(ct6_key);
DESCRIBE(ct_value);
DESCRIBE(frag4_key);
DESCRIBE(frag6_key);
DESCRIBE(frag_value);
DESCRIBE(host_port_key);
DESCRIBE(host_port_value);
DESCRIBE(metrics_key);
DESCRIBE(metrics_value);
DESCRIBE(native_cidr_key);
DESCRIBE(node_open_key);
DESCRIBE(snat4_key);
DESCRIBE(snat4_value);
DESCRIBE(snat6_key);
DESCRIBE(snat6_value);
DESCRIBE(sock_asked_key);
DESCRIBE(sock_asked_value);
DESCRIBE(event_header);
DESCRIBE(event_packet);
DESCRIBE(drop_event);
DESCRIBE(trace_event);
DESCRIBE(verdict_event);
DESCRIBE(debug_event);
