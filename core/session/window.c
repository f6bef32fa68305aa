#include "session/window.h"

/* Shares of the loop that writing would take without a window: it opens above one, closes below the other, and is as
 * wide as brings it down to the third. */
static const double OPENS = 0.35, CLOSES = 0.25, AIM = 0.2;
/* Frames that come at even intervals meet only in a window that is a little wider than these. */
static const double SLACK = 1.1;
/* Less company than this many frames to a write is not worth waiting for. */
static const double COMPANY_MIN = 0.25;

enum { WRITE_NS = 8000 /* until it is measured */, FLUSHED_MIN = 16 };

void window_init(struct window *window, const struct window_settings *settings, uint64_t now_ms) {
    *window = (struct window){.since_ms = now_ms, .write_ns = WRITE_NS};
    window_set(window, settings);
}

void window_set(struct window *window, const struct window_settings *settings) {
    window->settings = *settings;
    window->near_ms = settings->max_ms * WINDOW_NEAR;
    if (settings->fixed_ms >= 0)
        window->ms = (unsigned)settings->fixed_ms;
    else if (window->ms > settings->max_ms)
        window->ms = settings->max_ms;
}

/* The window that the load asks for, in ms; 0: none. */
static double wanted_ms(const struct window *window, uint64_t elapsed_ms) {
    const struct window_load *load = &window->load;
    double max_ms = window->settings.max_ms;
    if (load->followers == 0 || elapsed_ms == 0) return 0;
    double busy = (double)load->writes * window->write_ns / ((double)elapsed_ms * 1e6);
    if (busy < (window->ms > 0 ? CLOSES : OPENS)) return 0;
    double gap_ms = (double)load->gaps_ms / (double)load->followers;
    if (max_ms / gap_ms < COMPANY_MIN) return 0;
    double alone = busy * (double)(load->writes - load->followers) / (double)load->writes;
    if (alone >= AIM) return max_ms;
    /* A window of w lets 1 + w / gap frames share a write. */
    double company = (busy - alone) / (AIM - alone) - 1;
    double wanted = gap_ms * (company > SLACK ? company : SLACK);
    return wanted < max_ms ? wanted : max_ms;
}

/* Now and then all windows pass to their ends, to see how many frames share one (as a frame sees it: where some clients
 * get many and others few, those who get many count). */
static void measure(struct window *window) {
    const struct window_load *load = &window->load;
    if (window->ms == 0) {
        window->measured = window->usual = 0;
        return;
    }
    if (window->usual == 0 && load->gathered > 0)
        window->measured = (unsigned)((load->squares + load->gathered / 2) / load->gathered);
    window->usual = ++window->reviews % WINDOW_MEASURES == 0 ? 0 : window->measured;
}

/* Half way at a time, up and down; closes at once. */
void window_review(struct window *window, uint64_t now_ms) {
    const struct window_load *load = &window->load;
    uint64_t elapsed_ms = now_ms - window->since_ms;
    if (load->flushed >= FLUSHED_MIN)
        window->write_ns = (window->write_ns + (unsigned)(load->flushed_us * 1000 / load->flushed)) / 2;
    if (window->settings.fixed_ms == WINDOW_AUTO) {
        double wanted = wanted_ms(window, elapsed_ms);
        window->ms = wanted > 0 ? (unsigned)((window->ms + wanted) / 2 + 0.9) : 0;
        if (window->ms > window->settings.max_ms) window->ms = window->settings.max_ms;
    }
    measure(window);
    window->load = (struct window_load){0};
    window->since_ms = now_ms;
}
