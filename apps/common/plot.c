/* apps/common/plot.c - a line chart in braille: each character is a grid of two by four
 * dots (U+2800 plus a bit for each), so that 60 columns show 120 places.  In ASCII each
 * character is a grid of one by one.
 *
 * Many points may share a column of dots: the line then covers their whole range, so
 * that noise is seen as noise.  Marks are drawn over the line. */
#include "common/plot.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LABEL = 8 };

typedef struct canvas {
    int columns, rows; /* characters */
    int dx, dy;        /* dots in one */
    double x0, x1, y0, y1;
    unsigned char *dots; /* [rows * columns] */
    char *marks;         /* [rows * columns] 0: none */
} canvas;

static int dot_x(const canvas *c, double x)
{
    int last = c->columns * c->dx - 1;
    return (int)lround((x - c->x0) / (c->x1 - c->x0) * last);
}

static int dot_y(const canvas *c, double y)
{
    int last = c->rows * c->dy - 1;
    return (int)lround((c->y1 - y) / (c->y1 - c->y0) * last);
}

static void set_dot(canvas *c, int x, int y)
{
    /* Braille numbers its dots by column, but the fourth row came later. */
    static const unsigned char bit[4][2] = {{1, 8}, {2, 16}, {4, 32}, {64, 128}};
    if (x < 0 || y < 0 || x >= c->columns * c->dx || y >= c->rows * c->dy)
        return;
    c->dots[y / c->dy * c->columns + x / c->dx] |= bit[y % c->dy][x % c->dx];
}

/* Joins two points with a vertical run of dots in each column of dots between them. */
static void draw_segment(canvas *c, double xa, double ya, double xb, double yb)
{
    int a = dot_x(c, xa), b = dot_x(c, xb), before = dot_y(c, ya);
    for (int x = a; x <= b; x++) {
        double t = b > a ? (double)(x - a) / (b - a) : 1.0;
        int y = dot_y(c, ya + t * (yb - ya));
        int low = before < y ? before : y, high = before < y ? y : before;
        for (int k = low; k <= high; k++)
            set_dot(c, x, k);
        before = y;
    }
}

static void draw_series(canvas *c, const wkv_plot_series *s)
{
    size_t last = s->n;
    for (size_t i = 0; i < s->n; i++) {
        if (!isfinite(s->y[i]))
            continue;
        if (s->marks) {
            int x = dot_x(c, s->x[i]) / c->dx, y = dot_y(c, s->y[i]) / c->dy;
            c->marks[y * c->columns + x] = 'o';
        } else {
            size_t from = last < s->n ? last : i;
            draw_segment(c, s->x[from], s->y[from], s->x[i], s->y[i]);
        }
        last = i;
    }
}

/* The range of all finite points; false when there are none. */
static bool find_range(canvas *c, const wkv_plot_series *series, size_t n)
{
    c->x0 = c->y0 = INFINITY;
    c->x1 = c->y1 = -INFINITY;
    for (size_t k = 0; k < n; k++) {
        for (size_t i = 0; i < series[k].n; i++) {
            if (!isfinite(series[k].y[i]))
                continue;
            c->x0 = fmin(c->x0, series[k].x[i]);
            c->x1 = fmax(c->x1, series[k].x[i]);
            c->y0 = fmin(c->y0, series[k].y[i]);
            c->y1 = fmax(c->y1, series[k].y[i]);
        }
    }
    if (c->x0 > c->x1)
        return false;
    if (c->x0 == c->x1)
        c->x1 = c->x0 + 1.0;
    if (c->y0 == c->y1)
        c->y1 = c->y0 + 1.0;
    return true;
}

static void put_cell(FILE *out, const canvas *c, int cell, bool utf8)
{
    unsigned dots = c->dots[cell];
    if (c->marks[cell] != 0)
        fputs(utf8 ? "\xe2\x97\x8f" : "o", out);
    else if (dots == 0)
        fputc(' ', out);
    else if (utf8) /* U+2800 + dots */
        fprintf(out, "\xe2%c%c", (int)(0xa0 | dots >> 6), (int)(0x80 | (dots & 63)));
    else
        fputc('*', out);
}

static void print_canvas(FILE *out, const canvas *c, bool utf8)
{
    for (int r = 0; r < c->rows; r++) {
        double y = c->y1 - (c->y1 - c->y0) * r / (c->rows > 1 ? c->rows - 1 : 1);
        if (r % 4 == 0 || r == c->rows - 1)
            fprintf(out, "%#*.3g %s", LABEL - 1, y, utf8 ? "\xe2\x94\xa4" : "+");
        else
            fprintf(out, "%*s%s", LABEL, "", utf8 ? "\xe2\x94\x82" : "|");
        int end = c->columns; /* no blanks at the end of a line */
        while (end > 0 && c->dots[r * c->columns + end - 1] == 0 &&
               c->marks[r * c->columns + end - 1] == 0)
            end--;
        for (int x = 0; x < end; x++)
            put_cell(out, c, r * c->columns + x, utf8);
        fputc('\n', out);
    }
    fprintf(out, "%*s%s", LABEL, "", utf8 ? "\xe2\x94\x94" : "+");
    for (int x = 0; x < c->columns; x++)
        fputs(utf8 ? "\xe2\x94\x80" : "-", out);
    char right[32];
    snprintf(right, sizeof right, "%.6g", c->x1);
    fprintf(out, "\n%*s%-*.6g%s\n", LABEL + 1, "", c->columns - (int)strlen(right), c->x0, right);
}

void wkv_plot_draw(FILE *out, const wkv_plot_series *series, size_t n_series, int columns, int rows,
                   bool utf8)
{
    canvas c = {.columns = columns - LABEL - 1, .rows = rows, .dx = utf8 ? 2 : 1};
    c.dy = utf8 ? 4 : 1;
    if (c.columns < 8 || c.rows < 2 || !find_range(&c, series, n_series))
        return;
    size_t cells = (size_t)c.columns * (size_t)c.rows;
    c.dots = calloc(cells, 1);
    c.marks = calloc(cells, 1);
    if (c.dots != NULL && c.marks != NULL) {
        for (size_t k = 0; k < n_series; k++)
            draw_series(&c, &series[k]);
        print_canvas(out, &c, utf8);
        fprintf(out, "%*s", LABEL + 1, "");
        for (size_t k = 0; k < n_series; k++)
            fprintf(out, "%s%s %s", k > 0 ? "   " : "",
                    !series[k].marks ? (utf8 ? "\xe2\xa0\x92\xe2\xa0\x92" : "**")
                                     : (utf8 ? "\xe2\x97\x8f" : "o"),
                    series[k].name);
        fputc('\n', out);
    }
    free(c.dots);
    free(c.marks);
}
