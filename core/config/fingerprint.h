/* SPDX-License-Identifier: Apache-2.0 */
/* fingerprint.h - shows whether two processes have read the same configuration. */
#ifndef CONFIG_FINGERPRINT_H
#define CONFIG_FINGERPRINT_H

struct config;

enum { CONFIG_FINGERPRINT_LEN = 16 };

/* Of its settings and the texts of its scripts: equal where these are, in every process. */
void config_fingerprint(const struct config *config, char text_r[CONFIG_FINGERPRINT_LEN + 1]);

#endif
