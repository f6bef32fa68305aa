/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a script: loaded, run with a small budget, its errors caught. */
#include <lauxlib.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/log.h"
#include "lua/sandbox.h"
#include "lua/vm.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static int load(lua_State *L) {
    const struct slice *text = lua_touserdata(L, 1);
    sandbox_open(L, NULL);
    sandbox_load(L, "/fuzz.lua", *text);
    lua_call(L, 0, 0);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    static const struct vm_settings settings = {.memory_bytes = (size_t)16 << 20,
                                                .run = {.instructions = 200000, .wall_ms = 200}};
    struct slice text = {(const char *)data, len};
    struct error error;
    struct vm *vm = vm_new(&settings, NULL);
    log_set_level(LOG_ERROR);
    if (!vm) abort();
    vm->loading = true;
    vm_begin(vm, &settings.run);
    bool ran = vm_protect(vm, load, &text, &error);
    (void)ran;
    vm_free(&vm);
    return 0;
}
