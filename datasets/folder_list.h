/* The names in a folder of pictures: classes and files, compared and checked. Opens no picture. */
#ifndef DATASETS_FOLDER_LIST_H
#define DATASETS_FOLDER_LIST_H

#include "datasets/dataset.h"

/* The files of train/ or val/, class by class, each class in byte order. */
struct folder_part {
    char **path; /* below the folder: "train/ants/a b.jpg" */
    int32_t *label;
    int n;
};

struct folder_list {
    char (*class_name)[DATA_NAME_MAX];
    int classes;
    struct folder_part train, val;
};

/* Lists `dir`. Hidden entries, and entries beside the class folders that are no folder, are left
 * out. ERR_IO when train/ or val/ is missing or cannot be listed; ERR_FORMAT, with the names there
 * is room for, when train and val differ in their classes, a class is empty, or a class name is
 * too long or no printable UTF-8; ERR_MEMORY. On error there is nothing to free. */
enum status folder_list_make(struct folder_list *list, const char *dir);
void folder_list_free(struct folder_list *list);

/* `name` for a message: control bytes as '?'. */
void folder_show_name(char *text, size_t size, const char *name);

/* Appends `name` to a list of names, ", " between them, for a message; false without room. */
bool folder_append_name(char *text, size_t size, const char *name);

#endif
