/* SPDX-License-Identifier: Apache-2.0 */
#include "load/report.h"

#include <inttypes.h>

#include "load/dialect.h"

static double ratio(double a, double b) {
    return b > 0 ? a / b : 0;
}

static double cpu_us_per_delivery(const struct step_result *step) {
    return ratio(step->server_cpu_s * 1e6, (double)step->window_delivered);
}

static double bytes_per_connection(const struct result *result) {
    double grown = (double)result->rss_connected_bytes - (double)result->rss_warm_bytes;
    return ratio(grown, result->connect.clients);
}

/* Text */

static void text_connect(FILE *out, const char *what, const struct connect_result *connect) {
    fprintf(out, "%s: %u connections in %.2f s, %.0f us of server CPU each; p50 %.1f ms, p99 %.1f ms", what,
            connect->clients, connect->seconds, ratio(connect->cpu_s * 1e6, connect->clients),
            (double)connect->latency.p50_ns / 1e6, (double)connect->latency.p99_ns / 1e6);
    if (connect->failed + connect->closed > 0) fprintf(out, "; %u FAILED, %u CLOSED", connect->failed, connect->closed);
    fputc('\n', out);
}

static void text_latency(FILE *out, const char *what, const struct quantiles *latency) {
    if (latency->count == 0) return;
    fprintf(out, "    %-9s p50 %.2f ms, p90 %.2f, p99 %.2f, p99.9 %.2f, most %.2f\n", what,
            (double)latency->p50_ns / 1e6, (double)latency->p90_ns / 1e6, (double)latency->p99_ns / 1e6,
            (double)latency->p999_ns / 1e6, (double)latency->max_ns / 1e6);
}

static void text_step(FILE *out, const struct step_result *step) {
    fprintf(out, "%s: %.0f messages/s, %.0f deliveries/s, %.3f us of server CPU each; server %.0f %%, load %.0f %%\n",
            step->step->name, ratio((double)step->window_sent, step->seconds),
            ratio((double)step->window_delivered, step->seconds), cpu_us_per_delivery(step),
            100 * ratio(step->server_cpu_s, step->seconds), 100 * ratio(step->load_cpu_s, step->seconds));
    text_latency(out, "delivery", &step->delivery);
    text_latency(out, "answer", &step->answer);
    fprintf(out, "    %" PRIu64 " sent, %" PRIu64 " delivered", step->sent, step->delivered);
    if (step->lost + step->disordered + step->closed + step->broken + step->refused > 0)
        fprintf(out,
                "; %" PRIu64 " LOST, %" PRIu64 " DISORDERED, %" PRIu64 " CLOSED, %" PRIu64 " BROKEN, %" PRIu64
                " REFUSED",
                step->lost, step->disordered, step->closed, step->broken, step->refused);
    fprintf(out, "; memory %.1f MB, at most %.1f\n", (double)step->rss_before_bytes / 1e6,
            (double)step->rss_peak_bytes / 1e6);
}

void report_text(FILE *out, const struct plan *plan, const struct result *result) {
    text_connect(out, "connect", &result->connect);
    fprintf(out, "idle: %.0f bytes of memory a connection, %.1f %% of server CPU\n", bytes_per_connection(result),
            100 * ratio(result->idle_cpu_s, plan->idle_ms / 1000.0));
    for (unsigned i = 0; i < result->storms_len; i++) text_connect(out, "storm", &result->storms[i]);
    for (unsigned i = 0; i < result->steps_len; i++) text_step(out, &result->steps[i]);
}

/* JSON */

static void json_latency(FILE *out, const char *name, const struct quantiles *latency) {
    fprintf(out,
            "\"%s\":{\"count\":%" PRIu64
            ",\"p50_us\":%.1f,\"p90_us\":%.1f,\"p99_us\":%.1f,\"p999_us\":%.1f,\"max_us\":%.1f}",
            name, latency->count, (double)latency->p50_ns / 1e3, (double)latency->p90_ns / 1e3,
            (double)latency->p99_ns / 1e3, (double)latency->p999_ns / 1e3, (double)latency->max_ns / 1e3);
}

static void json_connect(FILE *out, const struct connect_result *connect) {
    fprintf(out, "{\"clients\":%u,\"failed\":%u,\"closed\":%u,\"seconds\":%.3f,\"cpu_us_per_connection\":%.2f,",
            connect->clients, connect->failed, connect->closed, connect->seconds,
            ratio(connect->cpu_s * 1e6, connect->clients));
    json_latency(out, "latency", &connect->latency);
    fputc('}', out);
}

static void json_step(FILE *out, const struct step_result *step) {
    fprintf(out,
            "{\"name\":\"%s\",\"complete\":%s,\"rate\":%u,\"outstanding\":%u,\"payload_bytes\":%zu,\"began_s\":%.3f,"
            "\"seconds\":%.3f,",
            step->step->name, step->complete ? "true" : "false", step->step->rate, step->step->outstanding,
            step->step->payload_bytes, step->began_s, step->seconds);
    fprintf(out, "\"messages_per_s\":%.1f,\"deliveries_per_s\":%.1f,\"cpu_us_per_delivery\":%.4f,",
            ratio((double)step->window_sent, step->seconds), ratio((double)step->window_delivered, step->seconds),
            cpu_us_per_delivery(step));
    fprintf(out, "\"cpu_us_per_message\":%.2f,\"server_cpu_percent\":%.1f,\"load_cpu_percent\":%.1f,",
            ratio(step->server_cpu_s * 1e6, (double)step->window_sent), 100 * ratio(step->server_cpu_s, step->seconds),
            100 * ratio(step->load_cpu_s, step->seconds));
    fprintf(out, "\"sent\":%" PRIu64 ",\"delivered\":%" PRIu64 ",\"lost\":%" PRIu64 ",\"disordered\":%" PRIu64 ",",
            step->sent, step->delivered, step->lost, step->disordered);
    fprintf(out, "\"answered\":%" PRIu64 ",\"refused\":%" PRIu64 ",\"closed\":%" PRIu64 ",\"broken\":%" PRIu64 ",",
            step->answered, step->refused, step->closed, step->broken);
    fprintf(out, "\"rss_before_bytes\":%" PRIu64 ",\"rss_peak_bytes\":%" PRIu64 ",", step->rss_before_bytes,
            step->rss_peak_bytes);
    json_latency(out, "delivery", &step->delivery);
    fputc(',', out);
    json_latency(out, "answer", &step->answer);
    fputc('}', out);
}

void report_json(FILE *out, const struct plan *plan, const struct result *result) {
    fprintf(out,
            "{\"dialect\":\"%s\",\"tls\":%s,\"clients\":%u,\"channels\":%u,\"publishers\":%u,\"slow\":%u,"
            "\"bystanders\":%u,",
            plan->dialect->name, plan->tls ? "true" : "false", plan->clients.count, plan->clients.channels,
            plan->clients.publishers, plan->clients.slow, plan->clients.bystanders);
    fprintf(out, "\"bytes_per_connection\":%.1f,\"idle_cpu_percent\":%.2f,\"connect\":", bytes_per_connection(result),
            100 * ratio(result->idle_cpu_s, plan->idle_ms / 1000.0));
    json_connect(out, &result->connect);
    fputs(",\"storms\":[", out);
    for (unsigned i = 0; i < result->storms_len; i++) {
        if (i > 0) fputc(',', out);
        json_connect(out, &result->storms[i]);
    }
    fputs("],\"steps\":[", out);
    for (unsigned i = 0; i < result->steps_len; i++) {
        if (i > 0) fputc(',', out);
        json_step(out, &result->steps[i]);
    }
    fputs("]}\n", out);
}
