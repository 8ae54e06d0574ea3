/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_secret.c - secrets from files, credentials and the environment, and whole files of
 * configuration.
 *
 * The secret is "hunter2" everywhere, so that a look for this word in all that is printed tells
 * whether one leaked.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/options_sample.h"
#include "tests/unit/unit.h"

static char *dir;

static void file_write(const char *name, const char *bytes, size_t len)
{
    char *path = pl_strf("%s/%s", dir, name);
    FILE *f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(bytes, 1, len, f), len);
    ck_assert_int_eq(fclose(f), 0);
    free(path);
}

static void secrets_setup(void)
{
    static const struct {
        const char *name, *bytes;
        size_t len;
    } files[] = {
        {"plain", "hunter2", 7},
        {"line", "hunter2\n", 8},
        {"crlf", "hunter2\r\n", 9},
        {"two", "hunter2\nrest\n", 13},
        {"empty", "", 0},
        {"newline", "\n", 1},
        {"nul", "hun\0ter2\n", 9},
        {"secrets_pw", "hunter2\n", 8},
        {"secrets_line", "another\n", 8},
        {"secrets_void", "\n", 1},
    };
    dir = unit_dir();
    for (size_t i = 0; i < PL_COUNT(files); i++)
        file_write(files[i].name, files[i].bytes, files[i].len);
    size_t large = (64 << 10) + 1;
    char *bytes = pl_alloc(large);
    memset(bytes, 'x', large);
    file_write("large", bytes, large);
    file_write("largest", bytes, large - 1);
    free(bytes);
    setenv("CHECK_SECRET", "hunter2", 1);
    setenv("CHECK_EMPTY", "", 1);
    unsetenv("CHECK_NONE");
    setenv("CREDENTIALS_DIRECTORY", dir, 1);
}

static void secrets_teardown(void)
{
    free(dir);
}

/* "%" stands for the folder. */
static char *folder_put(const char *text)
{
    struct pl_buf b = {0};
    for (; *text; text++)
        if (*text == '%')
            pl_buf_add_str(&b, dir);
        else
            pl_buf_add_byte(&b, *text);
    return pl_buf_take(&b);
}

static const struct {
    const char *yaml, *origin, *finding; /* one of the two; the value is always hunter2 */
} secrets[] = {
    {"hunter2", "configuration", NULL},
    {"{file: %/plain}", "file %/plain", NULL},
    {"{file: %/line}", "file %/line", NULL},
    {"{file: %/crlf}", "file %/crlf", NULL},
    {"{file: %/two}", "file %/two", NULL},
    {"{credential: line}", "credential line", NULL}, /* comes before secrets_line */
    {"{credential: pw}", "credential pw", NULL},
    {"{env: CHECK_SECRET}", "environment CHECK_SECRET", NULL},
    {"\"\"", NULL, " is empty"},
    {"{file: %/empty}", NULL, ": %/empty is empty"},
    {"{file: %/newline}", NULL, ": %/newline is empty"},
    {"{file: %/nul}", NULL, ": %/nul holds a NUL byte; expected a text"},
    {"{file: %/none}", NULL, ": cannot read %/none: No such file or directory"},
    {"{file: %}", NULL, ": cannot read %: Is a directory"},
    {"{file: %/large}", NULL, ": cannot read %/large: larger than 64 KiB"},
    {"{file: }", NULL, ": expected a text after file"},
    {"{file: [a]}", NULL, ": expected a text after file"},
    {"{env: CHECK_NONE}", NULL, ": the environment variable CHECK_NONE is not set"},
    {"{env: CHECK_EMPTY}", NULL, ": the environment variable CHECK_EMPTY is empty"},
    {"{credential: none}", NULL,
     ": there is no credential none: put it into the file /etc/check_secret/secrets/none and "
     "restart, or add LoadCredential=none:PATH to the unit"},
    {"{credential: nul}", NULL, ": %/nul holds a NUL byte; expected a text"}, /* no second try */
    {"{credential: void}", NULL, ": %/secrets_void is empty"},
    {"{credential: ../x}", NULL, ": \"../x\" is not the name of a credential"},
    {"{file: %/plain, env: CHECK_SECRET}", NULL,
     ": both file and env; expected only one of file, credential and env"},
    {"{}", NULL, ": expected one of file, credential and env"},
    {"{hunter2}", NULL, ": unknown key; expected file, credential or env"},
    {"{files: x}", NULL, ": unknown key; expected file, credential or env (did you mean file?)"},
    {"[hunter2]", NULL, ", found a list"},
};

START_TEST(test_secret)
{
    char *yaml = folder_put(secrets[_i].yaml);
    char *text = pl_strf("topic: t\nsource: {auth: {password: %s}}\n", yaml);
    char *in_map = pl_strf("topic: t\nsettings: {x_secret: %s}\n", yaml);
    struct loaded l, m;
    load_text(&l, text);
    load_text(&m, in_map);
    if (secrets[_i].origin) {
        char *origin = folder_put(secrets[_i].origin);
        ck_assert_str_eq(pl_buf_cstr(&l.errs.text), "");
        ck_assert_str_eq(l.c.password.value, "hunter2");
        ck_assert_str_eq(l.c.password.origin, origin);
        ck_assert_uint_eq(m.c.settings.n, 1);
        ck_assert(m.c.settings.v[0].secret);
        ck_assert_int_eq(strncmp(m.c.settings.v[0].value, "hunter2", 7), 0);
        free(origin);
    } else {
        char *finding = folder_put(secrets[_i].finding);
        ck_assert_msg(strstr(pl_buf_cstr(&l.errs.text), finding) != NULL, "%s",
                      pl_buf_cstr(&l.errs.text));
        ck_assert_msg(strstr(pl_buf_cstr(&m.errs.text), finding) != NULL, "%s",
                      pl_buf_cstr(&m.errs.text));
        ck_assert_uint_eq(l.errs.count, 1);
        ck_assert_int_eq(strncmp(pl_buf_cstr(&l.errs.text), "f:2:", 4), 0);
        ck_assert_ptr_null(l.c.password.value);
        free(finding);
    }
    /* In no finding, whatever was wrong. */
    ck_assert_ptr_null(strstr(pl_buf_cstr(&l.errs.text), "hunter2"));
    ck_assert_ptr_null(strstr(pl_buf_cstr(&m.errs.text), "hunter2"));
    load_release(&l);
    load_release(&m);
    free(yaml);
    free(text);
    free(in_map);
}
END_TEST

START_TEST(test_secret_other)
{
    struct loaded l;
    char *text = folder_put("topic: t\nsource: {auth: {password: {file: %/largest}}}\n"
                            "kafka: {ssl.key.pem: {file: %/two}, a: {env: CHECK_SECRET}, b: c}\n");
    load_text(&l, text);
    ck_assert_str_eq(pl_buf_cstr(&l.errs.text), "");
    ck_assert_uint_eq(strlen(l.c.password.value), 64 << 10);
    ck_assert_str_eq(pl_map_get(&l.c.kafka, "ssl.key.pem"), "hunter2\nrest"); /* whole in a map */
    ck_assert(l.c.kafka.v[0].secret && l.c.kafka.v[1].secret && !l.c.kafka.v[2].secret);
    ck_assert_uint_eq(l.c.kafka.v[1].line, 3);
    load_release(&l);
    free(text);

    unsetenv("CREDENTIALS_DIRECTORY");
    load_text(&l, "topic: t\nsource: {auth: {password: {credential: pw}}}\n");
    ck_assert_str_eq(pl_buf_cstr(&l.errs.text),
                     "f:2:40: source.auth.password: credential pw: $CREDENTIALS_DIRECTORY is not "
                     "set; systemd sets it for the service, by hand use "
                     "CREDENTIALS_DIRECTORY=/etc/check_secret/secrets\n");
    load_release(&l);
}
END_TEST

/* Who may read the file of configuration: warned is where others than the owner and our own group
 * can. */
static const struct {
    mode_t mode;
    gid_t group; /* added to ours: only root can give a file to another */
    bool warned;
} exposures[] = {{0600, 0, false}, {0640, 0, false}, {0604, 0, true},
                 {0644, 0, true},  {0600, 1, false}, {0640, 1, true}};

#define EXPOSURES_OF_OURS 4

static void exposure_check(size_t i)
{
    static const char text[] = "topic: t\nsource:\n  auth:\n    password: hunter2\n"
                               "kafka: {sasl.password: hunter2, b: c, s: {env: CHECK_SECRET}}\n";
    PL_FREE char *path = pl_strf("%s/conf.yaml", dir);
    struct sample c = {0};
    struct pl_findings errs;
    file_write("conf.yaml", text, sizeof(text) - 1);
    ck_assert_int_eq(chown(path, (uid_t)-1, getegid() + exposures[i].group), 0);
    ck_assert_int_eq(chmod(path, exposures[i].mode), 0);
    pl_findings_init(&errs);
    ck_assert_int_eq(pl_options_load(table, path, &c, NULL, &errs), 0);
    const char *warnings = pl_buf_cstr(&errs.warnings);
    ck_assert_uint_eq(errs.warnings_count, exposures[i].warned ? 2 : 0);
    if (exposures[i].warned) {
        ck_assert_ptr_nonnull(strstr(warnings, "conf.yaml:4:15: source.auth.password is"));
        ck_assert_ptr_nonnull(strstr(warnings, "conf.yaml:5:24: kafka: sasl.password is"));
        ck_assert_ptr_null(strstr(warnings, "hunter2"));
    }
    pl_options_release(table, &c);
    pl_findings_release(&errs);
}

START_TEST(exposed_file)
{
    exposure_check((size_t)_i);
}
END_TEST

START_TEST(exposed_to_another_group)
{
    exposure_check(EXPOSURES_OF_OURS + (size_t)_i);
}
END_TEST

/* What is hidden when printed, logged or told in an error. */
START_TEST(test_key_is_secret)
{
    static const struct {
        const char *key;
        bool secret;
    } keys[] = {
        {"sasl.password", true},
        {"ssl.key.password", true},
        {"SSL.Keystore.PassWord", true},
        {"ssl.key.pem", true},
        {"sasl.oauthbearer.client.secret", true},
        {"sasl.oauthbearer.config", true},
        {"client_secret", true},
        {"secret_access_key", true},
        {"passphrase", true},
        {"token", true},
        {"Access-Token", true},
        {"api_key", true},
        {"X-API-Key", true},
        {"apikey", true},
        {"", false},
        {"key", false},
        {"pem", false},
        {"key.pe", false},
        {"sasl.username", false},
        {"bootstrap.servers", false},
        {"ssl.key.location", false},
        {"ssl.ca.pem", false},
        {"ssl.certificate.pem", false},
        {"sasl.oauthbearer.token.endpoint.url", false},
        {"max_insert_block_size", false},
    };
    for (size_t i = 0; i < PL_COUNT(keys); i++)
        ck_assert_msg(pl_key_is_secret(keys[i].key) == keys[i].secret, "%s", keys[i].key);
}
END_TEST

/* All of a file's errors in one run: YAML's, the table's, in the order of the file but for
 * YAML's. */
START_TEST(test_load_all_errors)
{
    static const char text[] = "note: a\nnote: b\nmodus: x\nbatch: {rows: 0}\ncolumns: [x]\n";
    char *path = pl_strf("%s/bad.yaml", dir);
    file_write("bad.yaml", text, sizeof(text) - 1);
    struct sample c = {0};
    struct pl_node *root = NULL;
    struct pl_findings errs;
    pl_findings_init(&errs);
    ck_assert_int_eq(pl_options_load(table, path, &c, &root, &errs), -1);
    char *expected =
        folder_put("%/bad.yaml:2:1: duplicate key note, first on line 1\n"
                   "%/bad.yaml:3:1: unknown key modus (did you mean mode?)\n"
                   "%/bad.yaml:4:15: batch.rows: 0 is out of range; from 1 to 1000000\n"
                   "%/bad.yaml:1:1: topic is missing; it is required\n");
    ck_assert_str_eq(pl_buf_cstr(&errs.text), expected);
    ck_assert_ptr_nonnull(root);
    ck_assert_ptr_eq(c.columns, pl_node_get(root, "columns"));
    pl_options_release(table, &c);
    pl_node_free(root);
    pl_findings_release(&errs);
    free(expected);
    free(path);
}
END_TEST

START_TEST(test_print_hides)
{
    struct loaded l;
    struct pl_buf out = {0};
    load_text(&l, "topic: t\nkafka: {sasl.password: hunter2, a: {env: CHECK_SECRET}}\n"
                  "source: {auth: {password: {env: CHECK_SECRET}}}\n"
                  "columns: {client_secret: hunter2, x: [{password: {file: hunter2}}]}\n");
    ck_assert_str_eq(pl_buf_cstr(&l.errs.text), "");
    pl_options_print(table, &l.c, &out);
    ck_assert_ptr_null(strstr(pl_buf_cstr(&out), "hunter2"));
    ck_assert_ptr_nonnull(strstr(out.data, "    sasl.password: (hidden)\n    a: (hidden)\n"));
    ck_assert_ptr_nonnull(
        strstr(out.data, "        password: (hidden)  # from environment CHECK_SECRET\n"));
    ck_assert_ptr_nonnull(strstr(out.data, "    client_secret: (hidden)\n"));
    struct loaded again;
    load_text(&again, out.data);
    ck_assert_str_eq(pl_buf_cstr(&again.errs.text), "");
    ck_assert_str_eq(again.c.password.value, "(hidden)");
    pl_buf_release(&out);
    load_release(&l);
    load_release(&again);
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TCASE("secrets", .set_up = secrets_setup, .tear_down = secrets_teardown),
        TEST(test_secret, .count = PL_COUNT(secrets)),
        TEST(test_secret_other),
        TEST(test_key_is_secret),
        TEST(exposed_file, .count = EXPOSURES_OF_OURS),
        TEST(exposed_to_another_group, .count = PL_COUNT(exposures) - EXPOSURES_OF_OURS,
             .skip = geteuid() == 0 ? NULL : "only root can give a file to another group"),
        TEST(test_load_all_errors),
        TEST(test_print_hides),
    };
    return unit_main("secret", tests, PL_COUNT(tests));
}
