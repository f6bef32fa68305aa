/* SPDX-License-Identifier: Apache-2.0 */
/* systemd.h - tells the service manager how the server is (sd_notify(3), without its library). */
#ifndef PROCESS_SYSTEMD_H
#define PROCESS_SYSTEMD_H

/* "READY=1", "STOPPING=1", …; nothing where no manager asked for it. */
void systemd_notify(const char *state);
/* "RELOADING=1" needs the time beside it. */
void systemd_notify_reloading(void);

#endif
