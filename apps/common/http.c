/* apps/common/http.c - see http.h.  Made of libevent's evhttp.
 *
 * One thread runs the loop and answers at once, so that nothing waits and nothing is shared but
 * what a handler locks.  What comes in is bounded: methods, sizes, times, and connections, which
 * evhttp 2.1 does not count itself: each is an event of the loop, and while there are too many
 * of those nobody is let in; whoever waits is in the system's queue.
 *
 * Names of other hosts are refused, lest a page from elsewhere reads ours by a name that it
 * made point here. */
#include "common/http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <event2/listener.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    HEADERS_MAX = 8192,
    BODY_MAX = 1024,
    SECONDS = 10,     /* that a connection may be silent, or slow to take an answer */
    CONNECTIONS = 64, /* about so many at a time */
    REOPEN_MS = 100   /* between looks whether there is room again */
};

struct wkv_http {
    struct event_base *base;
    struct evhttp *server;
    struct evhttp_bound_socket *socket;
    struct event *stop, *reopen;
    int pipe[2]; /* a byte in it ends the loop */
    int port;
    pthread_t thread;
    bool running;
    wkv_http_handler *handler;
    void *user;
};

bool wkv_http_available(char why[WKV_WHY_MAX])
{
    (void)why;
    return true;
}

int wkv_http_port(const wkv_http *h)
{
    return h->port;
}

/* ---- answering ------------------------------------------------------------------------------ */

/* "localhost" or "127.0.0.1", with any port. */
static bool is_here(const char *host)
{
    static const char *const names[] = {"localhost", "127.0.0.1"};
    for (size_t i = 0; host != NULL && i < sizeof names / sizeof *names; i++) {
        size_t n = strlen(names[i]);
        if (strncmp(host, names[i], n) == 0 && (host[n] == '\0' || host[n] == ':'))
            return true;
    }
    return false;
}

static const char *reason(int status)
{
    return status == 200   ? "OK"
           : status == 400 ? "Bad Request"
           : status == 403 ? "Forbidden"
           : status == 404 ? "Not Found"
                           : "Internal Server Error";
}

static void free_body(const void *data, size_t n, void *body)
{
    (void)data;
    (void)n;
    free(body);
}

static void send_reply(struct evhttp_request *request, wkv_http_reply *r)
{
    struct evkeyvalq *headers = evhttp_request_get_output_headers(request);
    evhttp_add_header(headers, "Content-Type", r->type != NULL ? r->type : "text/plain");
    evhttp_add_header(headers, "Cache-Control", "no-store");
    evhttp_add_header(headers, "X-Content-Type-Options", "nosniff");
    evhttp_add_header(headers, "Content-Security-Policy",
                      "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
                      "img-src 'self'; connect-src 'self'");
    struct evbuffer *out = evbuffer_new();
    if (out == NULL ||
        (r->body != NULL && evbuffer_add_reference(out, r->body, r->n, free_body, r->body) != 0)) {
        free(r->body);
        r->status = 500;
    }
    evhttp_send_reply(request, r->status, reason(r->status), out);
    if (out != NULL)
        evbuffer_free(out);
}

static void answer(struct evhttp_request *request, void *user)
{
    const wkv_http *h = user;
    const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(request);
    const char *path = evhttp_uri_get_path(uri), *query = evhttp_uri_get_query(uri);
    wkv_http_reply reply = {.status = 403};
    if (is_here(evhttp_find_header(evhttp_request_get_input_headers(request), "Host"))) {
        reply.status = 404;
        h->handler(h->user, path != NULL ? path : "/", query != NULL ? query : "", &reply);
    }
    send_reply(request, &reply);
}

/* ---- connections ---------------------------------------------------------------------------- */

static bool is_full(const wkv_http *h)
{
    return event_base_get_num_events(h->base, EVENT_BASE_COUNT_ADDED) >= CONNECTIONS;
}

static void look_for_room(evutil_socket_t fd, short what, void *user)
{
    const wkv_http *h = user;
    const struct timeval again = {.tv_usec = REOPEN_MS * 1000};
    (void)fd;
    (void)what;
    if (is_full(h))
        evtimer_add(h->reopen, &again);
    else
        evconnlistener_enable(evhttp_bound_socket_get_listener(h->socket));
}

/* Called for each connection that is accepted; NULL leaves its buffers to evhttp. */
static struct bufferevent *admit(struct event_base *base, void *user)
{
    const wkv_http *h = user;
    (void)base;
    if (is_full(h)) {
        evconnlistener_disable(evhttp_bound_socket_get_listener(h->socket));
        look_for_room(-1, 0, user);
    }
    return NULL;
}

/* ---- the thread ----------------------------------------------------------------------------- */

static void end_loop(evutil_socket_t fd, short what, void *user)
{
    (void)fd;
    (void)what;
    event_base_loopbreak(((wkv_http *)user)->base);
}

static void *run_loop(void *user)
{
    wkv_http *h = user;
    sigset_t pipe;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE); /* a reader that goes away is an error to write, no more */
    pthread_sigmask(SIG_BLOCK, &pipe, NULL);
    event_base_dispatch(h->base);
    return NULL;
}

static void say_nothing(int severity, const char *text)
{
    (void)severity;
    (void)text;
}

static bool bind_port(wkv_http *h, int port)
{
    struct sockaddr_in address;
    socklen_t n = sizeof address;
    h->socket = evhttp_bind_socket_with_handle(h->server, "127.0.0.1", (ev_uint16_t)port);
    if (h->socket == NULL ||
        getsockname(evhttp_bound_socket_get_fd(h->socket), (struct sockaddr *)&address, &n) != 0)
        return false;
    h->port = ntohs(address.sin_port);
    return true;
}

static bool make_events(wkv_http *h)
{
    h->base = event_base_new();
    h->server = h->base != NULL ? evhttp_new(h->base) : NULL;
    if (h->server == NULL || pipe(h->pipe) != 0)
        return false;
    h->stop = event_new(h->base, h->pipe[0], EV_READ, end_loop, h);
    h->reopen = evtimer_new(h->base, look_for_room, h);
    if (h->stop == NULL || h->reopen == NULL || event_add(h->stop, NULL) != 0)
        return false;
    evhttp_set_allowed_methods(h->server, EVHTTP_REQ_GET);
    evhttp_set_max_headers_size(h->server, HEADERS_MAX);
    evhttp_set_max_body_size(h->server, BODY_MAX);
    evhttp_set_timeout(h->server, SECONDS);
    evhttp_set_gencb(h->server, answer, h);
    evhttp_set_bevcb(h->server, admit, h);
    return true;
}

bool wkv_http_open(wkv_http **out, int port, wkv_http_handler *handler, void *user,
                   char why[WKV_WHY_MAX])
{
    *out = NULL;
    event_set_log_callback(say_nothing);
    wkv_http *h = calloc(1, sizeof *h);
    if (h != NULL) {
        *h = (wkv_http){.pipe = {-1, -1}, .handler = handler, .user = user};
        errno = ENOMEM;
        if (make_events(h) && bind_port(h, port))
            h->running = pthread_create(&h->thread, NULL, run_loop, h) == 0;
    }
    if (h == NULL || !h->running) {
        snprintf(why, WKV_WHY_MAX, "port %d of 127.0.0.1 cannot be served: %s", port,
                 strerror(errno));
        wkv_http_close(&h);
        return false;
    }
    *out = h;
    return true;
}

void wkv_http_close(wkv_http **ph)
{
    wkv_http *h = *ph;
    *ph = NULL;
    if (h == NULL)
        return;
    if (h->running && write(h->pipe[1], "", 1) == 1)
        pthread_join(h->thread, NULL);
    if (h->stop != NULL)
        event_free(h->stop);
    if (h->reopen != NULL)
        event_free(h->reopen);
    if (h->server != NULL)
        evhttp_free(h->server);
    if (h->base != NULL)
        event_base_free(h->base);
    for (int i = 0; i < 2; i++)
        if (h->pipe[i] >= 0)
            close(h->pipe[i]);
    free(h);
}
