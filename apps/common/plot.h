/* apps/common/plot.h - a curve drawn with characters. */
#ifndef WKV_APPS_PLOT_H
#define WKV_APPS_PLOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

typedef struct wkv_plot_series {
    const char *name;
    const double *x, *y; /* x ascending */
    size_t n;
    bool marks; /* single points rather than a line */
} wkv_plot_series;

/* Draws the series into `columns` x `rows` characters with axes: braille dots, or plain
 * ASCII when !utf8.  Points that are not finite are left out. */
void wkv_plot_draw(FILE *out, const wkv_plot_series *series, size_t n_series, int columns, int rows,
                   bool utf8);

#endif
