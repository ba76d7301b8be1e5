/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Options as numbers. The headers say `#define X 1` (or a level up to 4) or `#undef X`; here each
 * becomes CONFIG_X, which is always defined, so that all other code says `if (CONFIG_X)`: the compiler
 * checks both sides and drops the dead one, and a misspelt option is an error instead of a silent 0.
 *
 * How: pasting a value behind OPTION_IS_ gives one of the five macros below, which put it into second
 * place. Pasting the name of an undefined option gives an unknown word, and the 0 stands second.
 */
#pragma once

#define OPTION_IS_0                       ~, 0
#define OPTION_IS_1                       ~, 1
#define OPTION_IS_2                       ~, 2
#define OPTION_IS_3                       ~, 3
#define OPTION_IS_4                       ~, 4
#define OPTION(x)                         OPTION_PASTE(x)
#define OPTION_PASTE(x)                   OPTION_PICK(OPTION_IS_##x, 0, ~)
#define OPTION_PICK(...)                  OPTION_SECOND(__VA_ARGS__)
#define OPTION_SECOND(first, second, ...) second

/* node_config.h */
#define CONFIG_ENABLE_IPV4 OPTION(ENABLE_IPV4)
#define CONFIG_ENABLE_IPV6 OPTION(ENABLE_IPV6)

/* ep_config.h: how the node routes */
#define CONFIG_FORCE_LOCAL_POLICY_EVAL_AT_SOURCE OPTION(FORCE_LOCAL_POLICY_EVAL_AT_SOURCE)
#define CONFIG_ENABLE_ROUTING                    OPTION(ENABLE_ROUTING)
#define CONFIG_ENABLE_ARP_RESPONDER              OPTION(ENABLE_ARP_RESPONDER)
#define CONFIG_ENABLE_HOST_REDIRECT              OPTION(ENABLE_HOST_REDIRECT)
#define CONFIG_LOCAL_DELIVERY_METRICS            OPTION(LOCAL_DELIVERY_METRICS)

/* ep_config.h: options of the endpoint */
#define CONFIG_CONNTRACK             OPTION(CONNTRACK)
#define CONFIG_CONNTRACK_ACCOUNTING  OPTION(CONNTRACK_ACCOUNTING)
#define CONFIG_CONNTRACK_LOCAL       OPTION(CONNTRACK_LOCAL)
#define CONFIG_DEBUG                 OPTION(DEBUG)
#define CONFIG_LB_DEBUG              OPTION(LB_DEBUG)
#define CONFIG_POLICY_DEBUG          OPTION(POLICY_DEBUG)
#define CONFIG_DROP_NOTIFY           OPTION(DROP_NOTIFY)
#define CONFIG_MONITOR_AGGREGATION   OPTION(MONITOR_AGGREGATION)
#define CONFIG_ENABLE_NAT46          OPTION(ENABLE_NAT46)
#define CONFIG_POLICY_AUDIT_MODE     OPTION(POLICY_AUDIT_MODE)
#define CONFIG_POLICY_VERDICT_NOTIFY OPTION(POLICY_VERDICT_NOTIFY)
#define CONFIG_TRACE_NOTIFY          OPTION(TRACE_NOTIFY)
