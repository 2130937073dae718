/* apps/cli/cli_main.c - picks the command.  Each command is a table in its own file
 * (cmd_<name>.c); help, the manual page and the suggestions come from those tables. */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wkv/unstable.h>

#include "cli/cli.h"
#include "common/term.h"

static const wkv_command *const commands[] = {
    &wkv_cmd_prepare,  &wkv_cmd_train,  &wkv_cmd_generate, &wkv_cmd_info,
    &wkv_cmd_tokenize, &wkv_cmd_logits, &wkv_cmd_convert,  &wkv_cmd_eval,
    &wkv_cmd_bench,    &wkv_cmd_random, &wkv_cmd_plot,     &wkv_cmd_quantize,
    &wkv_cmd_merge,
};

static const char about[] =
    "wkv trains, runs and inspects RWKV language models. Results go to standard output, "
    "progress and messages to standard error. The exit status is 0, 1 on failure, 2 when "
    "the command line is wrong, or 130 when SIGINT or SIGTERM stopped it; a training run that they "
    "stop has saved what there is, and ends with 0.";

static const char *command_name(const void *list, size_t i)
{
    return ((const wkv_command *const *)list)[i]->name;
}

static const wkv_command *find_command(const char *name)
{
    for (size_t i = 0; i < WKV_COUNT(commands); i++)
        if (strcmp(commands[i]->name, name) == 0)
            return commands[i];
    return NULL;
}

static int unknown_command(const char *name)
{
    int near = wkv_args_nearest(name, command_name, commands, WKV_COUNT(commands));
    if (near >= 0)
        fprintf(stderr, "wkv: unknown command '%s'; did you mean '%s'?\n", name,
                commands[near]->name);
    else
        fprintf(stderr, "wkv: unknown command '%s'\n", name);
    fprintf(stderr, "See 'wkv help'.\n");
    return WKV_EXIT_USAGE;
}

static void print_overview(FILE *out)
{
    fprintf(out,
            "wkv %s - train, run and inspect RWKV language models\n\n"
            "Usage: wkv COMMAND [OPTION]... [ARGUMENT]...\n\n",
            wkv_version());
    for (size_t i = 0; i < WKV_COUNT(commands); i++)
        fprintf(out, "  %-12s %s\n", commands[i]->name, commands[i]->summary);
    fprintf(out,
            "  %-12s show this text, or that of a command: wkv help COMMAND\n"
            "\nwkv COMMAND --help lists a command's options, with defaults and examples.\n"
            "wkv --version prints the version.\n",
            "help");
}

static void print_manual(void)
{
    printf(".TH WKV 1 \"\" \"wkv %s\" \"User Commands\"\n"
           ".SH NAME\nwkv \\- train, run and inspect RWKV language models\n"
           ".SH SYNOPSIS\n\\fBwkv\\fR \\fICOMMAND\\fR [\\fIOPTION\\fR]... "
           "[\\fIARGUMENT\\fR]...\n.SH DESCRIPTION\n%s\n.SH COMMANDS\n",
           wkv_version(), about);
    wkv_args_man(stdout, commands, WKV_COUNT(commands));
    puts(".SH ENVIRONMENT\n.TP\nNO_COLOR\nWhen set, nothing is coloured.\n"
         ".TP\nWKV_CPU\nThe highest instruction set to use: ref, avx2, avxvnni, avx512, vnni or "
         "amx; on ARM ref, neon, dotprod or i8mm. One that is not there is reported.");
}

static bool is_help(const char *name)
{
    return strcmp(name, "help") == 0 || strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0;
}

static int help(int argc, char **argv)
{
    if (argc == 0 || (argc == 1 && is_help(argv[0]))) {
        print_overview(stdout);
        return WKV_EXIT_OK;
    }
    if (argc > 1) {
        fprintf(stderr, "wkv help: unexpected argument '%s'\nSee 'wkv help'.\n", argv[1]);
        return WKV_EXIT_USAGE;
    }
    if (strcmp(argv[0], "--man") == 0) { /* for the build: the source of the manual page */
        print_manual();
        return WKV_EXIT_OK;
    }
    const wkv_command *c = find_command(argv[0]);
    if (c == NULL)
        return unknown_command(argv[0]);
    wkv_args_help(stdout, c);
    return WKV_EXIT_OK;
}

/* The library does what it can with WKV_CPU and never prints: a name that is wrong, or above what
 * there is, would pass for one that was heeded. */
static void check_cpu(const char *command)
{
    const char *wish = getenv("WKV_CPU");
    if (wish != NULL && wish[0] != '\0' && strcmp(wish, wkv_cpu_name()) != 0)
        wkv_term_error(command,
                       "WKV_CPU is '%.32s', which this processor or program does not have; "
                       "%s is used",
                       wish, wkv_cpu_name());
}

static int run_command(const wkv_command *c, int argc, char **argv)
{
    wkv_args args;
    void *options = calloc(1, c->options_size);
    if (options == NULL)
        return wkv_term_error(c->name, "out of memory");
    if (c->init != NULL)
        c->init(options);
    int code = WKV_EXIT_OK;
    if (!wkv_args_parse(c, argc, argv, options, &args))
        code = WKV_EXIT_USAGE;
    else if (args.help)
        wkv_args_help(stdout, c);
    else {
        check_cpu(c->name);
        code = c->run(&args, options);
    }
    free(options);
    return code;
}

/* Reading a mapped file behind its end is the one thing that ends so. */
static void say_cut_short(int number)
{
    static const char text[] = "wkv: a file became shorter while it was being read\n";
    (void)number;
    (void)!write(STDERR_FILENO, text, sizeof text - 1);
    _exit(WKV_EXIT_FAILURE);
}

/* Standard streams that are closed become ones that cannot be used, or the next file that is opened
 * would take their place, and messages would go into it.  A file that grows beyond what the shell
 * allows is an error of the write. */
static void make_safe(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0)
            (void)!open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
    signal(SIGXFSZ, SIG_IGN);
    signal(SIGBUS, say_cut_short);
}

int main(int argc, char **argv)
{
    make_safe();
    if (argc < 2) {
        print_overview(stderr);
        return WKV_EXIT_USAGE;
    }
    const char *name = argv[1];
    if (is_help(name))
        return wkv_term_finish("help", help(argc - 2, argv + 2));
    if (strcmp(name, "--version") == 0) {
        printf("wkv %s\n", wkv_version());
        return wkv_term_finish("--version", WKV_EXIT_OK);
    }
    const wkv_command *c = find_command(name);
    if (c == NULL)
        return unknown_command(name);
    return wkv_term_finish(c->name, run_command(c, argc - 2, argv + 2));
}
