/* apps/common/chart.c - see chart.h.
 *
 * First the range of everything, then axes with round numbers, then the series.  A pixel
 * is the unit of length; many points on one column of pixels become one vertical stroke. */
#include "common/chart.h"

#include <math.h>

enum {
    WIDTH = 900,
    HEIGHT = 540,
    LEFT = 72,
    RIGHT = 24,
    TOP = 48,
    BOTTOM = 56,
    LEGEND_ROW = 18,
    TICKS = 8, /* about as many on an axis */
};

/* Okabe and Ito's palette, which colour-blind eyes tell apart. */
static const char *const colours[] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7",
                                      "#56b4e9", "#e69f00", "#000000", "#7f7f7f"};

/* One axis: values from low to high lie between two pixels. */
typedef struct axis {
    double low, high;
    double from, to; /* pixels */
    bool log;
} axis;

static double scale(const axis *a, double v)
{
    return a->log ? log10(v) : v;
}

static bool shows(const axis *a, double v)
{
    return isfinite(v) && (!a->log || v > 0);
}

static double pixel(const axis *a, double v)
{
    return a->from + (scale(a, v) - a->low) / (a->high - a->low) * (a->to - a->from);
}

/* ---- ranges ------------------------------------------------------------------------------- */

static void extend(axis *a, double v)
{
    a->low = fmin(a->low, scale(a, v));
    a->high = fmax(a->high, scale(a, v));
}

/* False when there is nothing to show. */
static bool find_ranges(axis *x, axis *y, const wkv_chart *c)
{
    x->low = y->low = INFINITY;
    x->high = y->high = -INFINITY;
    for (size_t k = 0; k < c->n; k++) {
        const wkv_chart_series *s = &c->series[k];
        for (size_t i = 0; i < s->n; i++) {
            if (!shows(x, s->x[i]) || !shows(y, s->y[i]))
                continue;
            extend(x, s->x[i]);
            extend(y, s->y[i]);
        }
    }
    if (x->low > x->high)
        return false;
    axis *both[] = {x, y};
    for (int k = 0; k < 2; k++) {
        double room = both[k]->high - both[k]->low;
        if (room == 0)
            room = fmax(fabs(both[k]->low), 1.0);
        both[k]->high += k == 1 || both[k]->high == both[k]->low ? room * 0.03 : 0;
        both[k]->low -= k == 1 ? room * 0.03 : 0;
    }
    return true;
}

/* ---- axes ---------------------------------------------------------------------------------- */

/* The distance of about `count` round numbers over a range: 1, 2 or 5 times a power of 10. */
static double round_step(double range, int count)
{
    double rough = range / count, power = pow(10, floor(log10(rough)));
    double lead = rough / power;
    return power * (lead <= 1 ? 1 : lead <= 2 ? 2 : lead <= 5 ? 5 : 10);
}

/* 1500000 as "1.5M". */
static void print_number(FILE *out, double v)
{
    static const struct {
        double unit;
        const char *name;
    } units[] = {{1e18, "E"}, {1e15, "P"}, {1e12, "T"}, {1e9, "G"}, {1e6, "M"}, {1e3, "k"}};
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (fabs(v) >= units[i].unit) {
            fprintf(out, "%.6g%s", v / units[i].unit, units[i].name);
            return;
        }
    }
    fprintf(out, "%.6g", fabs(v) < 1e-12 ? 0.0 : v);
}

static void print_tick(FILE *out, const axis *a, double v, bool is_x)
{
    double at = a->from + (v - a->low) / (a->high - a->low) * (a->to - a->from);
    if (is_x)
        fprintf(out,
                "<path d='M%.1f %dV%d' class='grid'/><text x='%.1f' y='%d' "
                "text-anchor='middle'>",
                at, TOP, HEIGHT - BOTTOM, at, HEIGHT - BOTTOM + 18);
    else
        fprintf(out,
                "<path d='M%d %.1fH%d' class='grid'/><text x='%d' y='%.1f' "
                "text-anchor='end'>",
                LEFT, at, WIDTH - RIGHT, LEFT - 8, at + 4);
    print_number(out, a->log ? pow(10, v) : v);
    fputs("</text>\n", out);
}

/* On a logarithmic axis the marks are 1, 2 and 5 times powers of ten, or only the powers
 * where the range is wide; on one of less than a decade the linear rule serves. */
static void print_axis(FILE *out, const axis *a, bool is_x)
{
    if (a->log && a->high - a->low >= 1) {
        static const double leads[] = {1, 2, 5};
        int n = a->high - a->low > 4 ? 1 : 3;
        for (double p = floor(a->low); p <= a->high; p++)
            for (int k = 0; k < n; k++)
                if (p + log10(leads[k]) >= a->low && p + log10(leads[k]) <= a->high)
                    print_tick(out, a, p + log10(leads[k]), is_x);
        return;
    }
    double low = a->log ? pow(10, a->low) : a->low, high = a->log ? pow(10, a->high) : a->high;
    double step = round_step(high - low, TICKS);
    for (double i = ceil(low / step); i * step <= high; i++)
        print_tick(out, a, scale(a, i * step), is_x);
}

static void print_text(FILE *out, const char *text)
{
    for (; *text != '\0'; text++) {
        switch (*text) {
        case '<':
            fputs("&lt;", out);
            break;
        case '>':
            fputs("&gt;", out);
            break;
        case '&':
            fputs("&amp;", out);
            break;
        default:
            fputc((unsigned char)*text < ' ' ? ' ' : *text, out);
        }
    }
}

/* ---- series ---------------------------------------------------------------------------------- */

/* What lies on one column of pixels: first, lowest, highest, last. */
typedef struct column {
    long at;
    double first, low, high, last;
    bool any;
} column;

static void flush_column(FILE *out, const column *c)
{
    if (!c->any)
        return;
    fprintf(out, "L%ld %.1f", c->at, c->first);
    if (c->low < c->high)
        fprintf(out, "V%.1fV%.1fV%.1f", c->low, c->high, c->last);
}

static void print_line(FILE *out, const wkv_chart_series *s, const axis *x, const axis *y)
{
    column c = {.any = false};
    size_t i = 0;
    while (i < s->n && !(shows(x, s->x[i]) && shows(y, s->y[i])))
        i++;
    if (i == s->n)
        return;
    fprintf(out, "<path class='%s' stroke='%s' d='M%.1f %.1f",
            s->form == WKV_CHART_FAINT ? "faint" : "line", colours[s->colour % 8],
            pixel(x, s->x[i]), pixel(y, s->y[i]));
    for (; i < s->n; i++) {
        if (!shows(x, s->x[i]) || !shows(y, s->y[i]))
            continue;
        long at = lround(pixel(x, s->x[i]));
        double v = pixel(y, s->y[i]);
        if (!c.any || at != c.at) {
            flush_column(out, &c);
            c = (column){at, v, v, v, v, true};
        }
        c.low = fmin(c.low, v);
        c.high = fmax(c.high, v);
        c.last = v;
    }
    flush_column(out, &c);
    fputs("'/>\n", out);
}

/* The marks of points that lie closer than they are wide are left out. */
static void print_marks(FILE *out, const wkv_chart_series *s, const axis *x, const axis *y)
{
    double before = -1e9;
    for (size_t i = 0; i < s->n; i++) {
        if (!shows(x, s->x[i]) || !shows(y, s->y[i]))
            continue;
        double at = pixel(x, s->x[i]);
        if (at - before < 4)
            continue;
        before = at;
        fprintf(out, "<circle cx='%.1f' cy='%.1f' r='3.5' fill='%s'/>", at, pixel(y, s->y[i]),
                colours[s->colour % 8]);
    }
    fputc('\n', out);
}

static void print_legend(FILE *out, const wkv_chart *c)
{
    int row = 0;
    for (size_t k = 0; k < c->n; k++) {
        const wkv_chart_series *s = &c->series[k];
        if (s->name == NULL)
            continue;
        int y = TOP + 16 + LEGEND_ROW * row++, x = WIDTH - RIGHT - 16;
        const char *colour = colours[s->colour % 8];
        if (s->form == WKV_CHART_MARKS)
            fprintf(out, "<circle cx='%d' cy='%d' r='3.5' fill='%s'/>", x, y - 4, colour);
        else
            fprintf(out, "<path class='line' stroke='%s' d='M%d %dh16'/>", colour, x - 8, y - 4);
        fprintf(out, "<text x='%d' y='%d' text-anchor='end'>", x - 14, y);
        print_text(out, s->name);
        fputs("</text>\n", out);
    }
}

static void print_labels(FILE *out, const wkv_chart *c)
{
    fprintf(out, "<text x='%d' y='28' class='title'>", LEFT);
    print_text(out, c->title);
    fprintf(out, "</text>\n<text x='%d' y='%d' text-anchor='middle'>", (LEFT + WIDTH - RIGHT) / 2,
            HEIGHT - 14);
    print_text(out, c->x_label);
    fprintf(out, "</text>\n<text transform='translate(18 %d) rotate(-90)' text-anchor='middle'>",
            (TOP + HEIGHT - BOTTOM) / 2);
    print_text(out, c->y_label);
    fputs("</text>\n", out);
}

static const char style[] =
    "<style>text{font:13px sans-serif;fill:#333}.title{font-size:16px;font-weight:bold}"
    ".grid{stroke:#ddd;fill:none}.line{fill:none;stroke-width:2;stroke-linejoin:round}"
    ".faint{fill:none;stroke-width:1;opacity:.3}</style>\n";

void wkv_chart_svg(FILE *out, const wkv_chart *c)
{
    axis x = {.from = LEFT, .to = WIDTH - RIGHT, .log = c->log_x};
    axis y = {.from = HEIGHT - BOTTOM, .to = TOP, .log = c->log_y};
    fprintf(out,
            "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 %d %d' width='%d' "
            "height='%d'>\n%s<rect width='%d' height='%d' fill='white'/>\n",
            WIDTH, HEIGHT, WIDTH, HEIGHT, style, WIDTH, HEIGHT);
    print_labels(out, c);
    if (find_ranges(&x, &y, c)) {
        print_axis(out, &x, true);
        print_axis(out, &y, false);
        for (size_t k = 0; k < c->n; k++) {
            print_line(out, &c->series[k], &x, &y);
            if (c->series[k].form == WKV_CHART_MARKS)
                print_marks(out, &c->series[k], &x, &y);
        }
        print_legend(out, c);
    } else {
        fprintf(out, "<text x='%d' y='%d' text-anchor='middle'>nothing to show yet</text>\n",
                WIDTH / 2, HEIGHT / 2);
    }
    fputs("</svg>\n", out);
}
