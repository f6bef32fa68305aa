/* SPDX-License-Identifier: Apache-2.0 */
/* log_file.h - the file that the log is written to, instead of stderr. */
#ifndef PROCESS_LOG_FILE_H
#define PROCESS_LOG_FILE_H

#include <stdbool.h>

#include "base/error.h"
#include "base/memory.h"

struct config;

/* Redirects stderr to the end of that file. path NULL: does nothing. */
bool log_file_begin(const char *path, struct error *error_r) MUST_CHECK;
/* True: log_file_begin would succeed. Creates no file. */
bool log_file_try(const char *path, struct error *error_r) MUST_CHECK;
/* Call after the file was moved (rotation): opens it again, or logs why not. */
void log_file_reopen(const char *path);
void log_file_set_level(const struct config *config);

#endif
