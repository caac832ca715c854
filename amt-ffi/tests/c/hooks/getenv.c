/* Preloaded: writes the name of every environment variable that is read to the file that AMT_GETENV_LOG names. POSIX, glibc. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

typedef char *(*getter)(const char *);

static void note(getter get, const char *name)
{
    const char *path = get("AMT_GETENV_LOG");
    int file = path == NULL ? -1 : open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (file >= 0) {
        /* A name that is not noted fails the test that reads the file. */
        (void)!write(file, name, strlen(name));
        (void)!write(file, "\n", 1);
        close(file);
    }
}

static char *look(const char *function, const char *name)
{
    getter get;
    *(void **)&get = dlsym(RTLD_NEXT, function);
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
