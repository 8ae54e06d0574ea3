/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_init.c - --init by flags, with a small daemon of its own: what is missing, wrong or secret,
 * and the files it leaves.
 */
#include "lib/service/init.h"

#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "tests/unit/capture.h"
#include "tests/unit/init_sample.h"

/* ---- running it ---- */

struct ran {
    int status;
    char text[8192];
};

/* By flags, without a terminal. Fields of `answers` up to NULL. */
static struct ran run_flags(const char *file, const char *const *answers)
{
    struct ran ran;
    struct capture *c = pl_alloc(sizeof(*c));
    const char *argv[20] = {"testd", "--init", "-c", file};
    int argc = 4;
    for (; *answers; answers++) {
        argv[argc++] = "--answer";
        argv[argc++] = *answers;
    }
    int null = open("/dev/null", O_RDONLY), old = dup(STDIN_FILENO);
    dup2(null, STDIN_FILENO);
    struct pl_service service = {0};
    capture_begin(c);
    ran.status = parse_args(&service, argc, argv);
    capture_end(c);
    dup2(old, STDIN_FILENO);
    close(null);
    close(old);
    memcpy(ran.text, c->text, sizeof(ran.text));
    free(c);
    pl_service_release(&service);
    return ran;
}
#define RUN(file, ...) run_flags(file, (const char *const[]){__VA_ARGS__ __VA_OPT__(, ) NULL})

#define ck_says(ran, what)     ck_assert_msg(strstr((ran).text, what) != NULL, "%s", (ran).text)
#define ck_says_not(ran, what) ck_assert_msg(strstr((ran).text, what) == NULL, "%s", (ran).text)

#define GOOD "kafka.bootstrap.servers=k:9092", "api.url=http://x", "api.apps=1,two"

/* ---- by flags ---- */

START_TEST(flags)
{
    PL_FREE char *dir = unit_dir();
    PL_FREE char *file = pl_strf("%s/new/testd.yaml", dir); /* its folder is made */
    struct ran ran = RUN(file, GOOD, "rows=3");
    ck_assert_msg(ran.status == 0, "%s", ran.text);
    ck_says(ran, "testd.yaml is written\nworks: Kafka: at k:9092\nnext: testd -c ");
    PL_FREE char *text = file_of(file);
    ck_assert_str_eq(text,
                     "# testd: written by testd --init. All options and their defaults: man "
                     "testd.yaml.\n\n"
                     "# Any librdkafka property by its own name; bootstrap.servers is needed.\n"
                     "kafka:\n    bootstrap.servers: k:9092\n\n"
                     "api:\n    # Where.\n    url: http://x\n"
                     "    # Which.\n    apps:\n        - \"1\"\n        - two\n\n"
                     "# Rows.\nrows: 3\n");
    struct stat st;
    ck_assert_int_eq(stat(file, &st), 0);
    ck_assert_uint_eq(st.st_mode & 07777, 0644);
}
END_TEST

static const struct refused_case {
    const char *answers[8];
    int status;
    const char *says;
} refused[] = {
    {{NULL},
     64,
     "is missing: --answer kafka.bootstrap.servers=… --answer api.url=… --answer api.apps=…\n"},
    {{"kafka.bootstrap.servers=k", "api.url=http://x"}, 64, "is missing: --answer api.apps=…\n"},
    {{GOOD, "auth.mode=user"},
     64,
     "is missing: --answer auth.user=… --answer auth.password=@FILE\n"},
    {{GOOD, "rows=10"}, 64, "--answer: rows: "},
    {{GOOD, "rows=many"}, 64, "--answer: rows: "},
    {{GOOD, "api.url=ftp://x"}, 64, "--answer: api.url: "},
    {{GOOD, "auth.mode=usr"}, 64, "--answer: auth.mode: "},
    {{GOOD, "kafka.security.protocol=tls"},
     64,
     "kafka.security.protocol: expected one of plaintext, ssl, sasl_plaintext, sasl_ssl"},
    {{GOOD, "auth.mode=user", "auth.user=root"}, 64, "--answer: auth.user: not root"},
    {{GOOD, "routes=bad"}, 64, "--answer: there is no such route"},
    {{GOOD, "row=1"}, 64, "row: no option of that name takes a text"},
    {{GOOD, "kafka=x"}, 64, "kafka: no option of that name takes a text"},
    {{GOOD, "rows"}, 64, "--answer needs KEY=VALUE"},
    {{GOOD, "=x"}, 64, "--answer needs KEY=VALUE"},
    {{GOOD, "auth.user=a\nb"}, 64, "auth.user: one line of UTF-8, without control characters"},
    {{GOOD, "auth.user=\xff"}, 64, "auth.user: one line of UTF-8"},
    {{GOOD, "auth.password=hush"}, 64, "a command line can be read by all: auth.password=@FILE"},
    {{GOOD, "kafka.sasl.password=hush"}, 64, "a command line can be read by all"},
    {{GOOD, "auth.password=@/nowhere"}, 64, "cannot read /nowhere: No such file"},
    {{GOOD, "auth.password=@/dev/null"}, 64, "has no text in its first line"},
    /* Found only when all is there. */
    {{GOOD, "rows=9", "auth.mode=user", "auth.user=u", "auth.password=@/proc/self/comm"},
     78,
     "too many rows for a user\n"},
};

/* Nothing is written, and no secret is shown. */
START_TEST(flags_refused)
{
    const struct refused_case *c = &refused[_i];
    PL_FREE char *dir = unit_dir();
    PL_FREE char *file = pl_strf("%s/testd.yaml", dir), *secrets = pl_strf("%s/secrets", dir);
    struct ran ran = run_flags(file, c->answers);
    ck_assert_msg(ran.status == c->status, "%d: %s", ran.status, ran.text);
    ck_says(ran, c->says);
    ck_says_not(ran, "hush");
    ck_assert_int_ne(access(file, F_OK), 0);
    ck_assert_int_ne(access(secrets, F_OK), 0);
}
END_TEST

/* A secret goes into a file of its own, which is named. */
START_TEST(flags_secret)
{
    PL_FREE char *dir = unit_dir();
    PL_FREE char *file = pl_strf("%s/testd.yaml", dir);
    PL_FREE char *given = pl_strf("auth.password=@%s/given", dir);
    PL_FREE char *secrets = pl_strf("%s/secrets", dir);
    PL_FREE char *secret = pl_strf("%s/auth-password", secrets);
    FILE *f = fopen(given + strlen("auth.password=@"), "w");
    fputs("hush: \"#'\r\nmore\n", f);
    fclose(f);
    struct ran ran = RUN(file, GOOD, "auth.mode=user", "auth.user=u", given);
    ck_assert_msg(ran.status == 0, "%s", ran.text);
    ck_says_not(ran, "hush");
    ck_says(ran, "works: password: 9 long");
    PL_FREE char *text = file_of(file), *kept = file_of(secret);
    PL_FREE char *line = pl_strf("    password: { file: %s }\n", secret);
    ck_assert_ptr_null(strstr(text, "hush"));
    ck_assert_msg(strstr(text, line) != NULL, "%s", text);
    ck_assert_str_eq(kept, "hush: \"#'\n");
    struct stat st;
    ck_assert_int_eq(stat(secret, &st), 0);
    ck_assert_uint_eq(st.st_mode & 07777, 0600);
    ck_assert_int_eq(stat(secrets, &st), 0);
    ck_assert_uint_eq(st.st_mode & 07777, 0700);
}
END_TEST

/* What is not answered anew stays, and the file before is kept. */
START_TEST(flags_again)
{
    PL_FREE char *dir = unit_dir();
    PL_FREE char *file = pl_strf("%s/testd.yaml", dir), *bak = pl_strf("%s.bak", file);
    PL_FREE char *bak1 = pl_strf("%s.bak.1", file);
    struct ran ran = RUN(file, GOOD, "rows=3");
    ck_assert_int_eq(ran.status, 0);
    PL_FREE char *first = file_of(file);
    chmod(file, 0640);
    ran = RUN(file, "api.apps=three");
    ck_assert_msg(ran.status == 0, "%s", ran.text);
    ck_says(ran, "testd.yaml is there: what it says is kept");
    ck_says(ran, "is written; the one before is ");
    PL_FREE char *second = file_of(file), *kept = file_of(bak);
    ck_assert_str_eq(kept, first);
    ck_assert_ptr_nonnull(strstr(second, "rows: 3\n"));
    ck_assert_ptr_nonnull(strstr(second, "- three\n"));
    ck_assert_ptr_null(strstr(second, "- two\n"));
    struct stat st;
    ck_assert_int_eq(stat(file, &st), 0);
    ck_assert_uint_eq(st.st_mode & 07777, 0640);
    /* The same again changes nothing; another keeps this one, too. */
    ran = RUN(file, "api.apps=three");
    ck_says(ran, "testd.yaml is written\n");
    ck_assert_int_ne(access(bak1, F_OK), 0);
    ran = RUN(file, "api.apps=four");
    ck_assert_int_eq(ran.status, 0);
    PL_FREE char *third = file_of(bak1);
    ck_assert_str_eq(third, second);
}
END_TEST

/* A file that this program cannot read is nobody's to replace. */
START_TEST(flags_strange_file)
{
    static const char *const files[] = {"a: [", "rows: 3\nnew: 1\n", "rows: 1\nrows: 2\n"};
    PL_FREE char *dir = unit_dir();
    PL_FREE char *file = pl_strf("%s/testd.yaml", dir);
    FILE *f = fopen(file, "w");
    fputs(files[_i], f);
    fclose(f);
    struct ran ran = RUN(file, GOOD);
    ck_assert_int_eq(ran.status, 78);
    ck_says(ran, "correct it, move it away, or name another with -c");
    PL_FREE char *text = file_of(file);
    ck_assert_str_eq(text, files[_i]);
}
END_TEST

START_TEST(flags_link)
{
    PL_FREE char *dir = unit_dir();
    PL_FREE char *file = pl_strf("%s/testd.yaml", dir), *other = pl_strf("%s/other", dir);
    ck_assert_int_eq(symlink(other, file), 0);
    struct ran ran = RUN(file, GOOD);
    ck_assert_int_eq(ran.status, 78);
    ck_says(ran, "it is a symbolic link");
    ck_assert_int_ne(access(other, F_OK), 0);
}
END_TEST

/* Something does not work: the file is there all the same, the status says it. */
START_TEST(flags_away)
{
    PL_FREE char *dir = unit_dir();
    PL_FREE char *file = pl_strf("%s/testd.yaml", dir);
    struct ran ran = RUN(file, "kafka.bootstrap.servers=k", "api.url=http://away", "api.apps=1");
    ck_assert_int_eq(ran.status, 69);
    ck_says(ran, "FAILS: http://away: nobody answers\n");
    ck_says(ran, "is written all the same. Mend what fails, then again: testd --init -c ");
    ck_assert_int_eq(access(file, F_OK), 0);
}
END_TEST

/* Routes that lie there are taken; a name stands for its file. */
START_TEST(flags_routes)
{
    PL_FREE char *dir = unit_dir();
    PL_FREE char *file = pl_strf("%s/testd.yaml", dir), *routes = pl_strf("%s/routes", dir);
    PL_FREE char *route = pl_strf("%s/a.yaml", routes);
    mkdir(routes, 0755);
    struct ran ran = RUN(file, GOOD);
    PL_FREE char *none = file_of(file);
    ck_assert_ptr_null(strstr(none, "routes"));
    fclose(fopen(route, "w"));
    ran = RUN(file, GOOD);
    ck_assert_int_eq(ran.status, 0);
    PL_FREE char *all = file_of(file);
    ck_assert_ptr_nonnull(strstr(all, "/routes/*.yaml\n"));
    ran = RUN(file, "routes=a");
    PL_FREE char *one = file_of(file);
    ck_assert_ptr_nonnull(strstr(one, "/routes/a.yaml\n"));
}
END_TEST

/* In /etc/NAME, an empty one that only this process has, a secret is named as the unit hands it
 * over; that of another instance has another name. */
static void in_etc(void)
{
    struct capture *c = pl_alloc(sizeof(*c));
    for (int i = 0; i < 2; i++) {
        const char *file = i == 0 ? "/etc/testd/testd.yaml" : "/etc/testd/two.yaml";
        const char *const args[] = {
            "testd",      "--init",           "-c",
            file,         "--answer",         "kafka.bootstrap.servers=k",
            "--answer",   "api.url=http://x", "--answer",
            "api.apps=1", "--answer",         "auth.password=@/proc/self/comm"};
        struct pl_service service = {0};
        capture_begin(c);
        int status = parse_args(&service, PL_COUNT(args), args);
        capture_end(c);
        ck_assert_msg(status == 0, "%s", c->text);
    }
    PL_FREE char *one = file_of("/etc/testd/testd.yaml"), *two = file_of("/etc/testd/two.yaml");
    ck_assert_ptr_nonnull(strstr(one, "password: { credential: auth-password }\n"));
    ck_assert_ptr_nonnull(strstr(two, "password: { credential: two-auth-password }\n"));
    ck_assert_int_eq(access("/etc/testd/secrets/auth-password", R_OK), 0);
    ck_assert_int_eq(access("/etc/testd/secrets/two-auth-password", R_OK), 0);
    ck_assert_ptr_nonnull(strstr(c->text, "next: systemctl enable --now testd@two\n"));
    free(c);
}

START_TEST(flags_in_etc)
{
    ck_assert_int_eq(unshare(CLONE_NEWNS), 0);
    ck_assert_int_eq(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
    ck_assert_int_eq(mount("tmpfs", "/etc", "tmpfs", 0, NULL), 0);
    in_etc();
}
END_TEST

START_TEST(flags_alone)
{
    struct pl_service service = {0};
    struct capture *c = pl_alloc(sizeof(*c));
    const char *const argv[] = {"testd", "--answer", "a=b"};
    capture_begin(c);
    int status = parse_args(&service, 3, argv);
    capture_end(c);
    ck_assert_int_eq(status, 64);
    ck_assert_ptr_nonnull(strstr(c->text, "--answer goes with --init"));
    free(c);
}
END_TEST

/* ---- conditions, places ---- */

static const struct when_case {
    const char *when;
    bool holds;
} whens[] = {
    {NULL, true},
    {"", true},
    {"auth.mode=open", true}, /* by its default */
    {"auth.mode=user", false},
    {"auth.mode=user,open", true},
    {"auth.mode=ope", false},
    {"auth.mode=opens", false},
    {"!auth.user", true},
    {"!rows", false},
    {"rows=7", true},
    {"rows=7 auth.mode=open", true},
    {"rows=7 auth.mode=user", false},
    {"rows=5 auth.mode=open", false},
    {"!auth.user rows=7", true},
    {"kafka.x=y", true},
    {"kafka.y=y", false},
};

START_TEST(when)
{
    PL_CLEANUP(pl_node_freep) struct pl_node *draft = pl_draft_new();
    pl_draft_set(options, draft, "rows", "7");
    pl_draft_set(options, draft, "kafka.x", "y");
    ck_assert_int_eq(pl_question_applies(options, draft, whens[_i].when), whens[_i].holds);
}
END_TEST

static const struct place_case {
    const char *file, *secrets, *secret;
    bool standard;
} places[] = {
    {"/etc/testd/testd.yaml", "/etc/testd/secrets", "kafka-sasl-password", true},
    {"/etc/testd/two.yaml", "/etc/testd/secrets", "two-kafka-sasl-password", true},
    {"/etc/other/testd.yml", "/etc/other/secrets", "kafka-sasl-password", false},
    {"testd.yaml", "./secrets", "kafka-sasl-password", false},
    {"a.b.yaml", "./secrets", "a-b-kafka-sasl-password", false},
    {"/x/.yaml", "/x/secrets", "-yaml-kafka-sasl-password", false},
};

START_TEST(place)
{
    const struct place_case *c = &places[_i];
    PL_CLEANUP(pl_init_place_release) struct pl_init_place p = {0};
    pl_init_place_make("testd", c->file, &p);
    PL_FREE char *name = pl_init_secret_name(&p, "kafka.sasl.password");
    ck_assert_str_eq(p.file, c->file);
    ck_assert_str_eq(p.secrets, c->secrets);
    ck_assert_str_eq(name, c->secret);
    ck_assert_int_eq(p.standard, c->standard);
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TEST(flags),
        TEST(flags_refused, .count = PL_COUNT(refused)),
        TEST(flags_secret),
        TEST(flags_again),
        TEST(flags_strange_file, .count = 3),
        TEST(flags_link),
        TEST(flags_away),
        TEST(flags_routes),
        TEST(flags_in_etc, .skip = geteuid() != 0              ? "not root"
                                   : getenv("CK_FORK") != NULL ? "CK_FORK is set"
                                                               : NULL),
        TEST(flags_alone),
        TEST(when, .count = PL_COUNT(whens)),
        TEST(place, .count = PL_COUNT(places)),
    };
    return unit_main("init", tests, PL_COUNT(tests));
}
