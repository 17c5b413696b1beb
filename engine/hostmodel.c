/* hostmodel.c: the functions of `lab` about models and this machine. */
#include "engine/hostlua.h"

#include <unistd.h>

/* lab.machine() -> { cpu, isa, cores, cache_bytes } */
static int lab_machine(lua_State *L)
{
    const struct cpu *cpu = cpu_info();
    lua_createtable(L, 0, 4);
    lua_pushstring(L, cpu->model);
    lua_setfield(L, -2, "cpu");
    lua_pushstring(L, isa_name(host_isa(host_of(L))));
    lua_setfield(L, -2, "isa");
    lua_pushinteger(L, (lua_Integer)sysconf(_SC_NPROCESSORS_ONLN));
    lua_setfield(L, -2, "cores");
    lua_pushinteger(L, (lua_Integer)cpu->last_cache_bytes);
    lua_setfield(L, -2, "cache_bytes");
    return 1;
}

const struct lab_function hostmodel_functions[] = {
    { "machine", lab_machine, 0 },
    { NULL, NULL, 0 },
};
