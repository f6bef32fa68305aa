/* SPDX-License-Identifier: Apache-2.0 */
/* Feeds every file of the folders and files named on the command line to a fuzz target: its corpus as a plain test. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/buffer.h"

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t len);

static bool replay_file(const char *path) {
    struct buffer input = {0};
    FILE *file = fopen(path, "rb");
    if (!file) return perror(path), false;
    size_t n;
    while ((n = fread(buffer_reserve(&input, 65536), 1, 65536, file)) > 0) input.len += n;
    bool read = !ferror(file);
    fclose(file);
    if (read) {
        /* An exact copy, so that a sanitizer finds a read beyond the end. */
        size_t len = input.len;
        uint8_t *bytes = memory_resize(buffer_take(&input, NULL), len);
        LLVMFuzzerTestOneInput(bytes, len);
        free(bytes);
    } else {
        perror(path);
        buffer_done(&input);
    }
    return read;
}

/* The number of files fed; -1: one could not be read. */
static int replay(const char *path) {
    struct stat status;
    if (stat(path, &status) != 0) return perror(path), -1;
    if (!S_ISDIR(status.st_mode)) return replay_file(path) ? 1 : -1;
    DIR *folder = opendir(path);
    if (!folder) return perror(path), -1;
    int sum = 0;
    for (struct dirent *entry; sum >= 0 && (entry = readdir(folder));) {
        if (entry->d_name[0] == '.') continue;
        struct buffer inner = {0};
        buffer_printf(&inner, "%s/%s", path, entry->d_name);
        char *inner_path = buffer_take(&inner, NULL);
        int n = replay(inner_path);
        free(inner_path);
        sum = n < 0 ? -1 : sum + n;
    }
    closedir(folder);
    return sum;
}

int main(int argc, char **argv) {
    if (argc < 2) return fprintf(stderr, "usage: %s FOLDER|FILE...\n", argv[0]), 2;
    for (int i = 1; i < argc; i++) {
        int n = replay(argv[i]);
        if (n < 0) return 1;
        if (n == 0) return fprintf(stderr, "%s: no file to replay\n", argv[i]), 1;
        printf("%s: %d replayed\n", argv[i], n);
    }
    return 0;
}
