/* SPDX-License-Identifier: Apache-2.0 */
/* static_files.h - serves the files below one folder. */
#ifndef NET_STATIC_FILES_H
#define NET_STATIC_FILES_H

struct http_request;
struct static_files;

/* Serves GET and HEAD for files below folder, with content types, ETag, nosniff, and index.html for "/". folder NULL:
 * all requests get 404. */
struct static_files *static_files_new(const char *folder);
void static_files_free(struct static_files **files);
void static_files_serve(struct static_files *files, struct http_request *request);

#endif
