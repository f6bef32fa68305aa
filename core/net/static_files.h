/* SPDX-License-Identifier: Apache-2.0 */
/* static_files.h - files below one folder, answered as they are asked for. */
#ifndef NET_STATIC_FILES_H
#define NET_STATIC_FILES_H

struct http_request;
struct static_files;

/* Files below folder for GET and HEAD, with content types, ETag, nosniff, and index.html for "/". NULL reply status
 * 404. */
struct static_files *static_files_new(const char *folder);
void static_files_free(struct static_files **files);
void static_files_serve(struct static_files *files, struct http_request *request);

#endif
