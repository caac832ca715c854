/* A device for a test, and its replies as text. */
#ifndef REPLY_H
#define REPLY_H

#include "check.h"

static inline amt_device *device_at(const char *address, uint16_t port, const char *password)
{
    amt_error *err = NULL;
    amt_device *device = NULL;
    OK(amt_device_new(address, strlen(address), port, "admin", 5, password, strlen(password), &device, &err));
    return device;
}

/* The reply to a call as text of the caller's, after `call` put the document into `reply`. */
#define REPLY(call) (OK(call), reply_text(&reply))

static inline const char *reply_text(amt_document **reply)
{
    static char text[1 << 20];
    amt_error *err = NULL;
    const char *data;
    size_t len;
    OK(amt_document_json(*reply, &data, &len, &err));
    CHECK(len < sizeof text);
    memcpy(text, data, len);
    text[len] = '\0';
    CHECK(amt_document_free(*reply) == AMT_OK);
    *reply = NULL;
    return text;
}

#endif
