/* SPDX-License-Identifier: Apache-2.0 */
/* systemd.h - tells systemd the server's state (sd_notify(3), without its library). */
#ifndef PROCESS_SYSTEMD_H
#define PROCESS_SYSTEMD_H

/* "READY=1", "STOPPING=1", …; does nothing unless systemd asked for it. */
void systemd_notify(const char *state);
/* "RELOADING=1" needs the time beside it. */
void systemd_notify_reloading(void);

#endif
