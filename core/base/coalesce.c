/* SPDX-License-Identifier: Apache-2.0 */
#include "base/coalesce.h"

/* Frames that come at even intervals meet only in a window that is a little wider than these. */
static const double SLACK = 1.1;
/* Fewer frames per write than this are not worth waiting for. */
static const double COMPANY_MIN = 0.25;

/* After this many writes, their mean counts as much as all earlier ones. */
enum { FLUSHED_ENOUGH = 16 };

void coalesce_init(struct coalesce *window, const struct coalesce_rule *rule, const struct coalesce_settings *settings,
                   uint64_t now_ms) {
    *window = (struct coalesce){.rule = rule, .since_ms = now_ms, .write_ns = rule->write_ns};
    coalesce_set(window, settings);
}

void coalesce_set(struct coalesce *window, const struct coalesce_settings *settings) {
    window->settings = *settings;
    window->near_ms = settings->max_ms * COALESCE_NEAR;
    if (settings->fixed_ms >= 0)
        window->ms = (unsigned)settings->fixed_ms;
    else if (window->ms > settings->max_ms)
        window->ms = settings->max_ms;
    window->width_ms = window->ms;
}

/* The window that the load asks for, in ms; 0: none. */
static double wanted_ms(const struct coalesce *window, uint64_t elapsed_ms) {
    const struct coalesce_load *load = &window->load;
    double max_ms = window->settings.max_ms, aim = window->rule->aim;
    if (load->followers == 0 || elapsed_ms == 0) return 0;
    double busy = (double)load->writes * window->write_ns / ((double)elapsed_ms * 1e6);
    if (busy < (window->ms > 0 ? window->rule->closes : window->rule->opens)) return 0;
    double gap_ms = (double)load->gaps_ms / (double)load->followers;
    if (max_ms / gap_ms < COMPANY_MIN) return 0;
    double alone = busy * (double)(load->writes - load->followers) / (double)load->writes;
    if (alone >= aim) return max_ms;
    /* A window of w lets 1 + w / gap frames share a write. */
    double company = (busy - alone) / (aim - alone) - 1;
    double wanted = gap_ms * (company > SLACK ? company : SLACK);
    return wanted < max_ms ? wanted : max_ms;
}

/* Now and then all windows pass to their ends, to see how many frames share one (as a frame sees it: where some clients
 * get many and others few, those who get many count). */
static void measure(struct coalesce *window) {
    const struct coalesce_load *load = &window->load;
    if (window->ms == 0) {
        window->measured = window->usual = 0;
        return;
    }
    if (window->usual == 0 && load->gathered > 0)
        window->measured = (unsigned)((load->squares + load->gathered / 2) / load->gathered);
    window->usual = ++window->reviews % COALESCE_MEASURES == 0 ? 0 : window->measured;
}

static void measure_write(struct coalesce *window) {
    const struct coalesce_load *load = &window->load;
    if (load->flushed == 0) return;
    double share = load->flushed < FLUSHED_ENOUGH ? (double)load->flushed / (2.0 * FLUSHED_ENOUGH) : 0.5;
    window->write_ns += share * ((double)load->flushed_us * 1000 / (double)load->flushed - window->write_ns);
}

static void move(struct coalesce *window, double wanted) {
    double share = wanted > window->width_ms ? 0.5 : window->rule->narrows;
    window->width_ms += share * (wanted - window->width_ms);
    if (window->load.followers == 0 || (wanted == 0 && window->width_ms < 1)) window->width_ms = 0;
    window->ms = (unsigned)(window->width_ms + 0.9);
}

void coalesce_review(struct coalesce *window, uint64_t now_ms) {
    measure_write(window);
    if (window->settings.fixed_ms == COALESCE_AUTO) move(window, wanted_ms(window, now_ms - window->since_ms));
    measure(window);
    window->load = (struct coalesce_load){0};
    window->since_ms = now_ms;
}
