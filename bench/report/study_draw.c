/* Rendering the plots of a study with gnuplot: see study_plots.h. */
#include "bench/report/study_plots.h"

#include "bench/report/plots.h"

enum status study_plots_draw(const char *folder, const char *out, bool has_latency, bool *drawn,
                             char *note, size_t size)
{
    static const char *const scripts[] = {"accuracy", "curves", "latency"};
    return plots_draw(scripts, has_latency ? 3 : 2, folder, out, drawn, note, size);
}
