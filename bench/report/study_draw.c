/* Rendering the plots of a study with gnuplot: see study_plots.h. */
#include "bench/report/study_plots.h"

#include "bench/report/plots.h"

#include <unistd.h>

bool study_plot_has_data(const struct study_plot *plot, const char *folder)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", folder, plot->data);
    return access(path, R_OK) == 0;
}

enum status study_plots_draw(const char *folder, const char *out, bool *drawn, char *note,
                             size_t size)
{
    const char *names[STUDY_PLOTS];
    int count = 0;
    for (int i = 0; i < STUDY_PLOTS; i++)
        if (study_plot_has_data(&study_plot_list[i], folder))
            names[count++] = study_plot_list[i].name;
    return plots_draw(names, count, folder, out, drawn, note, size);
}
