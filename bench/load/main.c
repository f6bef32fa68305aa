/* SPDX-License-Identifier: Apache-2.0 */
/* bench_load KEY=VALUE...: loads a server with clients and reports what happened to each message. bench/README.md says
 * how to use it; without arguments it lists them. Exit 0: everything arrived; 1: not; 64: wrong arguments. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "load/crew.h"
#include "load/lead.h"
#include "load/report.h"

static pid_t start_crew(const struct plan *plan, struct board *board, unsigned place) {
    pid_t parent = getpid(), pid = fork();
    if (pid < 0) {
        perror("bench_load: fork");
        exit(1);
    }
    if (pid > 0) return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() == parent) crew_run(plan, board, place);
    _exit(0);
}

static bool all_well(const struct plan *plan, const struct result *result) {
    bool well = result->steps_len == plan->steps_len;
    for (unsigned i = 0; i < result->steps_len; i++) {
        const struct step_result *step = &result->steps[i];
        well = well && step->lost + step->disordered + step->closed + step->broken + step->refused == 0;
    }
    return well;
}

int main(int argc, char **argv) {
    static struct result result;
    struct plan plan;
    plan_read(&plan, argc, argv);
    signal(SIGPIPE, SIG_IGN);
    struct board *board = board_new(&plan);
    pid_t crews[PLAN_PROCESSES_MAX];
    for (unsigned i = 0; i < plan.processes; i++) crews[i] = start_crew(&plan, board, i);
    bool connected = lead_run(&plan, board, crews, &result);
    while (wait(NULL) > 0) continue;
    (plan.json ? report_json : report_text)(stdout, &plan, &result);
    if (!connected) fprintf(stderr, "bench_load: not all clients connected\n");
    bool well = connected && all_well(&plan, &result);
    plan_done(&plan);
    return well ? 0 : 1;
}
