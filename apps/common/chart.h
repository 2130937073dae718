/* apps/common/chart.h - curves as a picture: SVG, which browsers, editors and papers show. */
#ifndef WKV_APPS_CHART_H
#define WKV_APPS_CHART_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

typedef enum wkv_chart_form {
    WKV_CHART_LINE,
    WKV_CHART_FAINT, /* a thin pale line: the noise behind another */
    WKV_CHART_MARKS  /* points joined by a line */
} wkv_chart_form;

typedef struct wkv_chart_series {
    const char *name;    /* in the legend, or NULL: not there */
    const double *x, *y; /* x ascending; points that are not finite are left out */
    size_t n;
    wkv_chart_form form;
    int colour; /* which of the chart's colours; they repeat after eight */
} wkv_chart_series;

typedef struct wkv_chart {
    const char *title, *x_label, *y_label;
    bool log_x, log_y; /* values of 0 and less are then left out */
    const wkv_chart_series *series;
    size_t n;
} wkv_chart;

/* Writes a whole SVG document.  However many points a series has, the document stays
 * small: what falls onto one column of the picture is drawn as its range.  With nothing
 * to draw it says so in the picture. */
void wkv_chart_svg(FILE *out, const wkv_chart *chart);

#endif
