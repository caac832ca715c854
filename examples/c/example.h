/* What the examples share: a call that must succeed, and files. */
#ifndef EXAMPLE_H
#define EXAMPLE_H

#include "amt.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Ends the program with what went wrong and what to do, unless the call succeeded. `err` is filled by the call. */
#define MUST(call) must((call), &err)

static inline void must(amt_status status, amt_error **err)
{
    const char *text;
    size_t len;
    if (status == AMT_OK) {
        return;
    }
    amt_error_message(*err, &text, &len);
    fprintf(stderr, "error %u: %.*s\n", (unsigned)status, (int)len, text);
    amt_error_hint(*err, &text, &len);
    fprintf(stderr, "  next: %.*s\n", (int)len, text);
    amt_error_free(*err);
    exit(1);
}

/* Passwords come from the environment: arguments are for everyone to see. */
static inline const char *secret(const char *name)
{
    const char *value = getenv(name);
    if (value == NULL) {
        fprintf(stderr, "set %s\n", name);
        exit(2);
    }
    return value;
}

/* A whole file of up to a MiB; the caller frees it. */
static inline uint8_t *read_file(const char *path, size_t *len)
{
    uint8_t *data = malloc(1 << 20);
    FILE *file = fopen(path, "rb");
    if (file == NULL || data == NULL) {
        perror(path);
        exit(2);
    }
    *len = fread(data, 1, 1 << 20, file);
    fclose(file);
    return data;
}

static inline void usage(const char *text)
{
    fprintf(stderr, "usage: %s\n", text);
    exit(2);
}

#endif
