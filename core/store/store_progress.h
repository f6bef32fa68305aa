/* SPDX-License-Identifier: Apache-2.0 */
/* store_progress.h - reports progress while a store is being opened. */
#ifndef STORE_STORE_PROGRESS_H
#define STORE_STORE_PROGRESS_H

struct store_progress {
    /* Called often, within the call that opens the store. what: the step, such as "migration"; percent: how much of it
     * is done. */
    void (*moved)(void *owner, const char *what, unsigned percent);
    void *owner;
};

#endif
