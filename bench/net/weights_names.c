/* How weight files of other programs spell the names of a network: see weights.h. */
#include "bench/net/weights.h"

#include <stdio.h>
#include <string.h>

enum { WORDS = 4, CHAIN = 3, NAME_TEXT = WEIGHTS_PREFIX + PARAM_NAME + 8 };

static const char *const words[WORDS] = {"module.", "model.", "backbone.", "_orig_mod."};

/* Whether `name` is of a DenseNet layer that has an old spelling: ".denselayer3.norm1.weight".
 * Where the dot belongs: the index of the digit; 0 when there is none. */
static size_t dot_place(const char *name)
{
    const char *at = strstr(name, ".denselayer");
    if (!at)
        return 0;
    at += strlen(".denselayer");
    at += strspn(at, "0123456789");
    if (strncmp(at, ".norm", 5) != 0 && strncmp(at, ".conv", 5) != 0)
        return 0;
    at += 5;
    return (at[0] == '1' || at[0] == '2') && at[1] == '.' ? (size_t)(at - name) : 0;
}

static const struct safetensors_tensor *find(const struct safetensors *file, const char *prefix,
                                             bool dotted, const char *name)
{
    char text[NAME_TEXT];
    int place = (int)dot_place(name);
    snprintf(text, sizeof text, "%s%.*s%s%s", prefix, place, name, dotted && place ? "." : "",
             name + place);
    return safetensors_find(file, text);
}

const struct safetensors_tensor *weights_find(const struct safetensors *file,
                                              const struct weights_names *names,
                                              const struct net_param *param)
{
    const struct safetensors_tensor *tensor =
        find(file, names->prefix, names->dotted, param->name);
    bool beside = !tensor && names->prefix[0] && param->part == PART_HEAD;
    return beside ? find(file, "", names->dotted, param->name) : tensor;
}

/* Names of the network that the file has behind a prefix, in either spelling. */
static int count_found(const struct params *params, const struct safetensors *file,
                       const char *prefix)
{
    int count = 0;
    for (int i = 0; i < params->count; i++)
        count += find(file, prefix, false, params->list[i]->name) ||
                 find(file, prefix, true, params->list[i]->name);
    return count;
}

/* Writes chain number `n` of 0..CHAIN words; false when n is beyond the last. */
static bool write_chain(int n, char prefix[WEIGHTS_PREFIX])
{
    int length = 0, of_this_length = 1;
    for (; n >= of_this_length && length <= CHAIN; length++) {
        n -= of_this_length;
        of_this_length *= WORDS;
    }
    prefix[0] = '\0';
    for (int i = 0; i < length && length <= CHAIN; i++, n /= WORDS)
        strcat(prefix, words[n % WORDS]);
    return length <= CHAIN;
}

static enum status find_spelling(const struct params *params, const struct safetensors *file,
                                 struct weights_names *names)
{
    const char *plain = NULL, *dotted = NULL;
    for (int i = 0; i < params->count; i++) {
        const char *name = params->list[i]->name;
        if (!dot_place(name))
            continue;
        if (find(file, names->prefix, false, name))
            plain = name;
        else if (find(file, names->prefix, true, name))
            dotted = name;
    }
    if (plain && dotted)
        return fail(ERR_FORMAT, "%s mixes two spellings of DenseNet's names: it has %s, and %s "
                    "with a dot before the number", file->path, plain, dotted);
    names->dotted = dotted != NULL;
    return OK;
}

enum status weights_names_find(const struct params *params, const struct safetensors *file,
                               struct weights_names *names)
{
    char prefix[WEIGHTS_PREFIX];
    int most = 0;
    *names = (struct weights_names){.prefix = ""};
    for (int n = 0; most < params->count && write_chain(n, prefix); n++) {
        int count = count_found(params, file, prefix);
        if (count <= most)
            continue;
        most = count;
        strcpy(names->prefix, prefix);
    }
    return find_spelling(params, file, names);
}
