/* What all C tests share: a check that ends the program, and a way to show an error. */
#ifndef CHECK_H
#define CHECK_H

#include "amt.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition)                                                              \
    do {                                                                              \
        if (!(condition)) {                                                           \
            fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, #condition); \
            exit(1);                                                                  \
        }                                                                             \
    } while (0)

/* Ends the program unless `status` is AMT_OK; shows the error in all its parts. */
#define OK(call) check_ok((call), &err, __FILE__, __LINE__)

/* The call must fail with `code`; the error object must say the same, and is freed. */
#define FAILS(call, code) check_fails((call), (code), &err, __FILE__, __LINE__)

static inline void check_show(const amt_error *error)
{
    const char *text;
    size_t len;
    uint32_t code;
    if (error == NULL) {
        return;
    }
    amt_error_code(error, &code);
    amt_error_stage(error, &text, &len);
    fprintf(stderr, "  %u at %.*s: ", (unsigned)code, (int)len, text);
    amt_error_message(error, &text, &len);
    fprintf(stderr, "%.*s\n", (int)len, text);
    amt_error_hint(error, &text, &len);
    fprintf(stderr, "  %.*s\n", (int)len, text);
}

/* `err` by address: it is filled by the call, which may be evaluated after it. */
static inline void check_ok(amt_status status, amt_error **err, const char *file, int line)
{
    if (status != AMT_OK) {
        fprintf(stderr, "%s:%d: failed with %u\n", file, line, (unsigned)status);
        check_show(*err);
        exit(1);
    }
}

static inline void check_fails(amt_status status, uint32_t code, amt_error **err, const char *file, int line)
{
    uint32_t said = 0;
    if (status != code || amt_error_code(*err, &said) != AMT_OK || said != code) {
        fprintf(stderr, "%s:%d: returned %u and an error with %u, expected %u\n", file, line, (unsigned)status,
                (unsigned)said, (unsigned)code);
        check_show(*err);
        exit(1);
    }
    amt_error_free(*err);
    *err = NULL;
}

/* A file, whole; the caller frees it. */
static inline uint8_t *check_read(const char *path, size_t *len)
{
    uint8_t *data = malloc(65536);
    FILE *file = fopen(path, "rb");
    CHECK(data != NULL);
    if (file == NULL) {
        perror(path);
        exit(1);
    }
    *len = fread(data, 1, 65536, file);
    CHECK(*len > 0 && *len < 65536);
    fclose(file);
    return data;
}

/* A file of the folder testdata/provisioning, whole; the caller frees it. */
static inline uint8_t *check_file(const char *name, size_t *len)
{
    char path[1024];
    const char *end = strstr(__FILE__, "amt-ffi/tests/c/");
    CHECK(end != NULL);
    snprintf(path, sizeof path, "%.*stestdata/provisioning/%s", (int)(end - __FILE__), __FILE__, name);
    return check_read(path, len);
}

static inline int check_text(const char *data, size_t len, const char *expected)
{
    return len == strlen(expected) && memcmp(data, expected, len) == 0;
}

#endif
