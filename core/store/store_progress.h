/* SPDX-License-Identifier: Apache-2.0 */
/* store_progress.h - whoever waits for a store that is being opened hears that it gets on. */
#ifndef STORE_STORE_PROGRESS_H
#define STORE_STORE_PROGRESS_H

struct store_progress {
    /* Often. percent: of what: "migration". Within the call that opens. */
    void (*moved)(void *owner, const char *what, unsigned percent);
    void *owner;
};

#endif
