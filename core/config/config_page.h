/* SPDX-License-Identifier: Apache-2.0 */
/* config_page.h - docs/configuration.md, made from the table of keys. */
#ifndef CONFIG_CONFIG_PAGE_H
#define CONFIG_CONFIG_PAGE_H

struct buffer;

void config_page_write(struct buffer *out);

#endif
