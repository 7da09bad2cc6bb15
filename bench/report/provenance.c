/* What made a result: see provenance.h. */
#include "bench/report/provenance.h"
#include "bench/measure/machine.h"
#include "bench/net/input_file.h"
#include "build_info.h"
#include "impls/layer.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *key;
    size_t offset, size;
} members[] = {
#define MEMBER(name) \
    {#name, offsetof(struct provenance, name), sizeof((struct provenance *)0)->name}
    MEMBER(id), MEMBER(commit), MEMBER(compiler), MEMBER(flags), MEMBER(libraries), MEMBER(cpu),
    MEMBER(kernel), MEMBER(libc),
#undef MEMBER
};

enum { MEMBERS = sizeof members / sizeof members[0] };

static void list_libraries(char *text, size_t size)
{
    size_t used = 0;
    text[0] = '\0';
    for (int i = 0; impls[i] && used < size; i++) {
        char version[160] = "";
        impls[i]->version(version, sizeof version);
        used += (size_t)snprintf(text + used, size - used, "%s%s: %s", i ? "; " : "",
                                 impls[i]->name, version);
    }
}

/* Two 64-bit hashes with different starts. */
static void set_id(struct provenance *p)
{
    uint64_t a = HASH_START, b = ~HASH_START;
    for (int i = 1; i < MEMBERS; i++) {
        const char *text = (const char *)p + members[i].offset;
        a = hash_bytes(a, text, strlen(text) + 1);
        b = hash_bytes(b, text, strlen(text) + 1);
    }
    snprintf(p->id, sizeof p->id, "%016" PRIx64 "%016" PRIx64, a, b);
}

void provenance_fill(struct provenance *p)
{
    struct machine machine;
    memset(p, 0, sizeof *p);
    machine_read(&machine);
    snprintf(p->commit, sizeof p->commit, "%s", BUILD_COMMIT);
    snprintf(p->compiler, sizeof p->compiler, "%s", BUILD_COMPILER);
    snprintf(p->flags, sizeof p->flags, "%s", BUILD_FLAGS);
    snprintf(p->cpu, sizeof p->cpu, "%.100s, family %d, model %d, stepping %d", machine.name,
             machine.family, machine.model, machine.stepping);
    /* Without what a distribution or a host adds to the number ("6.1.0-18-amd64"). */
    snprintf(p->kernel, sizeof p->kernel, "%.*s", (int)strcspn(machine.kernel, "-"),
             machine.kernel);
    snprintf(p->libc, sizeof p->libc, "%s", machine.libc);
    list_libraries(p->libraries, sizeof p->libraries);
    set_id(p);
}

json_t *provenance_json(const struct provenance *p)
{
    json_t *json = json_object();
    for (int i = 0; i < MEMBERS; i++) {
        const char *text = (const char *)p + members[i].offset;
        if (json_object_set_new(json, members[i].key, json_string(text)) != 0) {
            json_decref(json);
            return NULL;
        }
    }
    return json;
}

void provenance_from_json(const json_t *json, struct provenance *p)
{
    for (int i = 0; i < MEMBERS; i++) {
        const char *text = json_string_value(json_object_get(json, members[i].key));
        snprintf((char *)p + members[i].offset, members[i].size, "%s", text ? text : "");
    }
}

const char *provenance_commit(void)
{
    return BUILD_COMMIT;
}
