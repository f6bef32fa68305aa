/* environment.h - what a server process asks of the system it runs on: user, descriptors, processors, its log file. */
#ifndef SERVER_ENVIRONMENT_H
#define SERVER_ENVIRONMENT_H

#include <stdbool.h>

#include "base/error.h"
#include "base/memory.h"

struct config;

/* Gives up what only binding the ports needed: started as root, it becomes that user for good (NULL: stays, and it is
 * logged); no user but root keeps a capability. Before any file is opened. */
bool environment_drop_privileges(const char *user, struct error *error_r) MUST_CHECK;
/* Raises the soft limit of descriptors to the hard one. How many connections that leaves a worker. */
unsigned environment_raise_descriptors(void);
/* Logs it where these are fewer than limits.connections. */
void environment_doubt_descriptors(const struct config *config);
/* How many workers `workers` means here: the same in each of the server's processes. */
unsigned environment_workers(const struct config *config);
/* stderr goes to the end of that file from now on. NULL: nothing. */
bool environment_begin_log(const char *path, struct error *error_r) MUST_CHECK;
/* Whether it would; makes no file. */
bool environment_try_log(const char *path, struct error *error_r) MUST_CHECK;
/* The file has been moved: opens it anew, or it is logged why not. */
void environment_open_log(const char *path);
void environment_set_log_level(const struct config *config);

#endif
