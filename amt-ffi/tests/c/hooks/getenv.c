/* Preloaded: writes the name of every environment variable that is read to the file that AMT_GETENV_LOG names. POSIX, glibc. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

typedef char *(*getter)(const char *);

static int log_file(getter get)
{
    const char *path = get("AMT_GETENV_LOG");
    return path == NULL ? -1 : open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
}

static getter own(const char *function)
{
    getter get;
    *(void **)&get = dlsym(RTLD_NEXT, function);
    return get;
}

/* The file is there from the start: no file means that this was not loaded, an empty one that nothing was asked for. */
__attribute__((constructor)) static void begin(void)
{
    int file = log_file(own("getenv"));
    if (file >= 0) {
        close(file);
    }
}

static void note(getter get, const char *name)
{
    int file = log_file(get);
    if (file >= 0) {
        /* A name that is not noted fails the test that reads the file. */
        (void)!write(file, name, strlen(name));
        (void)!write(file, "\n", 1);
        close(file);
    }
}

static char *look(const char *function, const char *name)
{
    getter get = own(function);
    note(get, name);
    return get(name);
}

char *getenv(const char *name)
{
    return look("getenv", name);
}

char *secure_getenv(const char *name)
{
    return look("secure_getenv", name);
}
