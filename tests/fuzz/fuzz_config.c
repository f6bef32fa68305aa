/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a configuration file: finds the lines of its keys, and evaluates it. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/log.h"
#include "config/config.h"
#include "lua/config_reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    static char path[32];
    static int fd = -1;
    struct error error = {""};
    log_set_level(LOG_ERROR);
    if (fd < 0) fd = memfd_create("config", 0);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (fd < 0 || ftruncate(fd, 0) != 0 || pwrite(fd, data, len, 0) != (ssize_t)len) abort();
    struct config *config = config_reader_read(path, NULL, 0, &error);
    if (!config && error.text[0] == '\0') abort();
    if (config) config_unref(&config);
    return 0;
}
