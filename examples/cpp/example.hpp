// What the examples share: handles that free themselves, errors as exceptions, files. C++17.
#pragma once

#include "amt.h"

#include <cstdlib>
#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

// Frees a handle with the `_free` of its type: Handle<amt_hello, amt_hello_free>.
template <auto Free> struct Freed {
    template <class T> void operator()(T *handle) const { Free(handle); }
};
template <class T, auto Free> using Handle = std::unique_ptr<T, Freed<Free>>;

// What a call fills: `call(…, out(handle), err)`.
template <class T, auto Free> class Out {
  public:
    explicit Out(Handle<T, Free> &handle) : handle(handle) {}
    ~Out() { handle.reset(raw); }
    operator T **() { return &raw; }

  private:
    Handle<T, Free> &handle;
    T *raw = nullptr;
};
template <class T, auto Free> Out<T, Free> out(Handle<T, Free> &handle) { return Out<T, Free>(handle); }

// The last parameter of every call.
class Error {
  public:
    operator amt_error **() { return &error; }
    ~Error() { amt_error_free(error); }
    const amt_error *get() const { return error; }

  private:
    amt_error *error = nullptr;
};

// What went wrong, and what to do about it.
struct Failure : std::runtime_error {
    using std::runtime_error::runtime_error;
};

inline void must(amt_status status, const Error &err)
{
    if (status == AMT_OK) {
        return;
    }
    const char *message = "", *hint = "";
    std::size_t message_len = 0, hint_len = 0;
    amt_error_message(err.get(), &message, &message_len);
    amt_error_hint(err.get(), &hint, &hint_len);
    throw Failure("error " + std::to_string(status) + ": " + std::string(message, message_len) + "\n  next: " +
                  std::string(hint, hint_len));
}

// A text of a handle: `text(hello, amt_hello_uuid)`. It is valid as long as the handle.
template <class T, class Get> std::string_view text(const T &handle, Get get)
{
    const char *data = nullptr;
    std::size_t len = 0;
    Error err;
    must(get(handle.get(), &data, &len, err), err);
    return {data, len};
}

// Passwords come from the environment: arguments are for everyone to see.
inline std::string_view secret(const char *name)
{
    if (const char *value = std::getenv(name)) {
        return value;
    }
    throw Failure(std::string("set ") + name);
}

inline std::vector<std::uint8_t> read_file(const std::string &path)
{
    std::ifstream file(path, std::ios::binary);
    if (!file) {
        throw Failure(path + " cannot be read");
    }
    return {std::istreambuf_iterator<char>(file), {}};
}

// Runs `task(arguments)`, of which there must be as many as `usage` has words after its first.
template <class Task> int example(int argc, char **argv, std::string_view usage, Task task)
{
    const std::vector<std::string> arguments(argv + 1, argv + argc);
    std::size_t words = 0;
    for (char c : usage) {
        words += c == ' ';
    }
    if (arguments.size() != words) {
        std::cerr << "usage: " << usage << '\n';
        return 2;
    }
    try {
        return task(arguments);
    } catch (const std::exception &failure) {
        std::cerr << failure.what() << '\n';
        return 1;
    }
}
